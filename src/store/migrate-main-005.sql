-- SPDX-License-Identifier: Apache-2.0
-- files only: a server has no rowids
-- A person is found in one descent instead of two.
CREATE TABLE subject_5 (
    id         BLOB NOT NULL PRIMARY KEY,
    sid        INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    teen_from  INTEGER NOT NULL,
    adult_from INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    region     TEXT NOT NULL,
    epoch      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO subject_5 (id, sid, created, teen_from, adult_from, state, region, epoch)
    SELECT id, sid, created, teen_from, adult_from, state, region, epoch FROM subject ORDER BY id;
DROP TABLE subject;
ALTER TABLE subject_5 RENAME TO subject;
CREATE INDEX subject_by_sid ON subject (sid);
CREATE INDEX subject_by_teen ON subject (teen_from) WHERE teen_from > 0;
