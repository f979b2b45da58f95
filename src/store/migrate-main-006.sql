-- SPDX-License-Identifier: Apache-2.0
--
-- Many daemons on one database; where it is a file, these tables stay empty.
INSERT INTO meta (name, number) SELECT 'generation', 0 WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'generation');

-- The daemons.
CREATE TABLE node (
    number     INTEGER NOT NULL PRIMARY KEY, -- 1, 2, ...: never given out again
    name       TEXT NOT NULL UNIQUE,
    origin     TEXT NOT NULL,    -- of its record
    verifier   TEXT NOT NULL,    -- its verifier key, in signed-note form
    state      INTEGER NOT NULL, -- enum node_state
    joined     INTEGER NOT NULL,
    session    INTEGER NOT NULL, -- grows with each start: who has an older one may do nothing more
    started    INTEGER NOT NULL,
    seen       INTEGER NOT NULL, -- last sign of life, by the server's clock
    skew       INTEGER NOT NULL, -- ms the server's clock is ahead of the node's
    record     INTEGER NOT NULL, -- sealed entries
    copied     INTEGER NOT NULL, -- entries below this are in entry_copy, or concern nobody who lives
    checkpoint BLOB NOT NULL,    -- the last it signed
    indexed    INTEGER NOT NULL  -- entries of its record that the index log knows of
);

-- What the nodes' records say of each person, so that every node can show it: copied behind the records.
CREATE TABLE entry_copy (
    id     BLOB NOT NULL,    -- the person's; empty: of none
    node   INTEGER NOT NULL,
    entry  INTEGER NOT NULL, -- index in the node's record
    time   INTEGER NOT NULL,
    leaf   BLOB NOT NULL,
    detail BLOB NOT NULL,    -- sealed under the person's key
    PRIMARY KEY (id, node, entry)
) WITHOUT ROWID;

-- The index log: every node's checkpoints, in one tree.
CREATE TABLE index_hash (
    level INTEGER NOT NULL, -- 0: of an entry; n: of a full tile of level n - 1
    place INTEGER NOT NULL, -- 0, 1, ...
    hash  BLOB NOT NULL,
    entry BLOB NOT NULL,    -- level 0: what was entered; else empty
    PRIMARY KEY (level, place)
) WITHOUT ROWID;
CREATE TABLE index_head (
    id         INTEGER NOT NULL PRIMARY KEY, -- 1
    token      INTEGER NOT NULL, -- of the node that leads: it only grows
    size       INTEGER NOT NULL,
    edge       BLOB NOT NULL,    -- of the tree: one hash for each full subtree
    checkpoint BLOB NOT NULL     -- signed
);
