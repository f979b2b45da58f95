-- SPDX-License-Identifier: Apache-2.0
-- files only: a server has no places
-- anew: the values of all persons
-- Values of a person lie together and are found by one range. The key's index gives them in order: nothing is sorted.
CREATE TABLE field_value_12 (
    place      INTEGER PRIMARY KEY, -- above, the sid; in the lower 24 bits, 1, 2, ... of the person
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
    CHECK (place >> 24 = sid),
    UNIQUE (sid, field, item)
);
INSERT INTO field_value_12 (place, sid, field, item, version, sealed, source, service, purpose, supplier, region, time, keep_until, revision)
    SELECT (sid << 24) + row_number() OVER (PARTITION BY sid ORDER BY field, item), sid, field, item, version, sealed, source,
           service, purpose, supplier, region, time, keep_until, revision
    FROM field_value INDEXED BY sqlite_autoindex_field_value_1;
DROP TABLE field_value;
ALTER TABLE field_value_12 RENAME TO field_value;
CREATE INDEX field_value_by_keep ON field_value (keep_until, sid) WHERE keep_until < 4611686018427387903;
