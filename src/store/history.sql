-- SPDX-License-Identifier: Apache-2.0
--
-- history.sql: history.db. Which entries of the record concern whom. Derived: delete the file and it is rebuilt.

CREATE TABLE history (
    subject BLOB NOT NULL,    -- the person's id
    entry   INTEGER NOT NULL, -- index in the record
    PRIMARY KEY (subject, entry)
) WITHOUT ROWID;

-- Every entry below this number was looked at.
CREATE TABLE history_mark (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL
);
