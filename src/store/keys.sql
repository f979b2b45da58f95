-- SPDX-License-Identifier: Apache-2.0
--
-- keys.sql: keys.db. Apart from troth.db, with its own short backup cycle and secure_delete: a backup of the data
-- without these rows is noise, and deleting one row of person_key erases a person everywhere (B5.1).
-- Everything here is wrapped; the master key is in no database.

-- Distribution
--   distributed by subject: person_key
--   reference: class_key node_key

-- The keys of each class of person (A2.3.2: children under their own), wrapped by the master key. The newest
-- generation wraps; an older one stays until no person's key is left under it.
CREATE TABLE class_key (
    class      TEXT NOT NULL,    -- adult, child
    generation INTEGER NOT NULL, -- 1, 2, ...
    wrapped    BLOB NOT NULL,
    PRIMARY KEY (class, generation)
) WITHOUT ROWID;

-- Keys of this node that belong to no person, wrapped by the master key.
CREATE TABLE node_key (
    name    TEXT NOT NULL PRIMARY KEY, -- index (blind index), record (details and actors' pseudonyms)
    wrapped BLOB NOT NULL
);

-- A person's data key, wrapped by the key of the class.
CREATE TABLE person_key (
    subject    BLOB NOT NULL PRIMARY KEY, -- the person's id
    class      TEXT NOT NULL,
    generation INTEGER NOT NULL,          -- of the class key
    wrapped    BLOB NOT NULL
) WITHOUT ROWID;
