-- SPDX-License-Identifier: Apache-2.0
-- files only: a server has no rowids
-- anew: the values of all persons
-- Rows of values are found by number: the tree's inner pages held whole rows, and it was seven pages deep for a million people.
CREATE TABLE field_value_10 (
    sid        INTEGER NOT NULL,
    field      INTEGER NOT NULL,
    item       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    sealed     BLOB NOT NULL,
    source     TEXT NOT NULL,
    service    TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    supplier   TEXT NOT NULL,
    region     TEXT NOT NULL,
    time       INTEGER NOT NULL,
    keep_until INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    PRIMARY KEY (sid, field, item)
);
INSERT INTO field_value_10 (sid, field, item, version, sealed, source, service, purpose, supplier, region, time, keep_until, revision)
    SELECT sid, field, item, version, sealed, source, service, purpose, supplier, region, time, keep_until, revision
    FROM field_value ORDER BY sid, field, item;
DROP TABLE field_value;
ALTER TABLE field_value_10 RENAME TO field_value;
CREATE INDEX field_value_by_keep ON field_value (keep_until, sid) WHERE keep_until < 4611686018427387903;
