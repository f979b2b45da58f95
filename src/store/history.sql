-- SPDX-License-Identifier: Apache-2.0
--
-- history.sql: history.db. Which entries of the record concern whom. Derived: delete the file and it is rebuilt.

-- Few rows at a time stand here, ...
CREATE TABLE history (
    subject BLOB NOT NULL,    -- the person's id
    entry   INTEGER NOT NULL, -- index in the record
    PRIMARY KEY (subject, entry)
) WITHOUT ROWID;

-- ... many that come together are a run: rows in order, in blocks of a page each (store_history.c). Runs of one level are
-- joined into one of the next, so that finding a person's rows takes a look into few.
CREATE TABLE history_run (
    run   INTEGER NOT NULL PRIMARY KEY,
    level INTEGER NOT NULL,
    goes  INTEGER NOT NULL -- the run its rows move to, from the lowest on; 0: it stays
);
CREATE TABLE history_block (
    id      INTEGER NOT NULL PRIMARY KEY,
    run     INTEGER NOT NULL,
    start   BLOB NOT NULL, -- its first row
    content BLOB NOT NULL  -- rows of 24 bytes: person, entry (big-endian), in their order, none twice
);
CREATE UNIQUE INDEX history_block_by_start ON history_block (run, start);

-- Every entry below this number was looked at.
CREATE TABLE history_mark (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL
);
