-- SPDX-License-Identifier: Apache-2.0
-- Rows that come by the thousand are laid down in order, as blocks, instead of one page for each.
CREATE TABLE history_run (
    run   INTEGER NOT NULL PRIMARY KEY,
    level INTEGER NOT NULL,
    goes  INTEGER NOT NULL
);
CREATE TABLE history_block (
    id      INTEGER NOT NULL PRIMARY KEY,
    run     INTEGER NOT NULL,
    start   BLOB NOT NULL,
    content BLOB NOT NULL
);
CREATE UNIQUE INDEX history_block_by_start ON history_block (run, start);
