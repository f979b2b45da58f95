-- SPDX-License-Identifier: Apache-2.0
-- files only: a server has no rowids
-- A key is found in one descent instead of two.
CREATE TABLE person_key_3 (
    subject    BLOB NOT NULL PRIMARY KEY,
    class      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    wrapped    BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO person_key_3 (subject, class, generation, wrapped)
    SELECT subject, class, generation, wrapped FROM person_key ORDER BY subject;
DROP TABLE person_key;
ALTER TABLE person_key_3 RENAME TO person_key;
