-- SPDX-License-Identifier: Apache-2.0
--
-- Sets of documents know their texts and their end. Before, the database kept only when a set began, which the
-- record says too; the next start takes the texts of the policy folder as the first set.
ALTER TABLE policy_document ADD COLUMN ends INTEGER NOT NULL DEFAULT 4611686018427387903;
ALTER TABLE policy_document ADD COLUMN renews INTEGER NOT NULL DEFAULT 1;
DROP TABLE policy_set;

-- Sets of documents in the order of publishing. At most one waits for its instant.
CREATE TABLE policy_set (
    number    INTEGER NOT NULL PRIMARY KEY, -- 1, 2, ...
    digest    BLOB NOT NULL,    -- SHA-256 over the documents' names and digests
    since     INTEGER NOT NULL, -- in force from
    ends      INTEGER NOT NULL, -- first instant at which another one is; since: withdrawn before it began
    published INTEGER NOT NULL,
    effect    INTEGER NOT NULL, -- on rights, against the set before: enum gate_effect
    noted     INTEGER NOT NULL  -- 1: that it came into force is on record
);

-- The texts of a set, by the name of their file.
CREATE TABLE policy_set_text (
    number   INTEGER NOT NULL,
    file     TEXT NOT NULL,
    document TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest   BLOB NOT NULL,
    PRIMARY KEY (number, file)
) WITHOUT ROWID;

-- What a set changed, in sentences, as it was announced.
CREATE TABLE policy_change (
    number   INTEGER NOT NULL,
    seq      INTEGER NOT NULL, -- 1, 2, ...: reduced rights first
    language TEXT NOT NULL,
    effect   INTEGER NOT NULL,
    document TEXT NOT NULL,    -- empty: of the whole
    clause   TEXT NOT NULL,    -- document/clause-id; may be empty
    sentence TEXT NOT NULL,
    PRIMARY KEY (number, seq, language)
) WITHOUT ROWID;
