-- SPDX-License-Identifier: Apache-2.0
--
-- schema.sql: troth.db. One text for SQLite and PostgreSQL: only BLOB, INTEGER and TEXT (store.h names the types it
-- writes for PostgreSQL), no functions of one of them.
--
-- Rules
--   * A person's key is `id` (16 random bytes, shown outside) or `sid` (a small integer, inside). Every table of persons
--     has it as the first column of its primary key and of every unique index, so that the rows of one person can live
--     on one shard. The blind index is found by its MAC and is spread by that.
--   * Times are milliseconds since 1970 UTC. "Never" is 4611686018427387903 (INSTANT_FOREVER).
--   * Switches are 0 or 1. A name that does not apply is the empty text, never null: one spelling of nothing.
--   * No value of a person is here in clear: values are sealed (field_value), identifiers are MACs (blind_index).
--   * Registers (service, recipient, field_name, policy_*) are small and the same on every shard.
--   * A line that ends in a comment `files: WHY` is left out on a server; one that is nothing but a comment `servers: SQL`
--     is that SQL there (store_schema.c).

-- Distribution (tools/check-shardable keeps to it; `troth schema --citus` prints the calls for Citus)
--   distributed by id: subject erased entry_copy
--   distributed by sid: subject_service guardian_link field_value consent_event hold purchase happening share
--   distributed by mac: blind_index device_age
--   reference: field_name service recipient recipient_paper recipient_grant reference message_class message_template
--   reference: policy_document policy_set policy_set_text policy_change
--   local: meta audit_pending node index_hash index_head

-- Single numbers and marks of this installation.
CREATE TABLE meta (
    name   TEXT NOT NULL PRIMARY KEY, -- 'sid': the last sid given out; 'generation': changes of the registers; 'schema': version of this file; ...
    number INTEGER,                   -- its number, if it is one
    bytes  BLOB                       -- its bytes, if it is not
);
INSERT INTO meta (name, number) VALUES ('sid', 0);
INSERT INTO meta (name, number) VALUES ('generation', 0);

-- ---- Persons

-- A person. No birth date: a band is computed from the two instants, and one that has passed is stored as 0, so that
-- for an adult nothing of the date remains (B7.1: an age band rather than a date).
CREATE TABLE subject (
    id         BLOB NOT NULL PRIMARY KEY, -- 16 random bytes
    sid        INTEGER NOT NULL,          -- key of the other tables of the person
    created    INTEGER NOT NULL,
    teen_from  INTEGER NOT NULL,          -- first instant at which the person is 14; 0 = passed at the last writing
    adult_from INTEGER NOT NULL,          -- first instant at which the person is 18; 0 = passed
    state      INTEGER NOT NULL,          -- enum subject_state: 0 active, 1 awaiting guardian
    region     TEXT NOT NULL,             -- where the data is gathered and kept, ISO 3166-1 alpha-2
    epoch      INTEGER NOT NULL DEFAULT 0, -- grows with each change that may change a decision about the person
    card       BLOB                       -- in files: services, consents and holds once more (store_card.h); null: not made
) WITHOUT ROWID;
CREATE INDEX subject_by_sid ON subject (sid);
-- Whose fourteenth birthday has come: their keys change class.
CREATE INDEX subject_by_teen ON subject (teen_from) WHERE teen_from > 0;

-- The services a person has used.
CREATE TABLE subject_service (
    sid     INTEGER NOT NULL,
    service TEXT NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (sid, service)
) WITHOUT ROWID;

-- Who is guardian of whom (A2.1.1.2). An unverified link gives no power.
CREATE TABLE guardian_link (
    sid      INTEGER NOT NULL, -- the child
    guardian BLOB NOT NULL,    -- the guardian's id
    verified INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    evidence TEXT NOT NULL,    -- reference of the proof, not the proof
    PRIMARY KEY (sid, guardian)
) WITHOUT ROWID;
CREATE INDEX guardian_link_by_guardian ON guardian_link (guardian);

-- Stable numbers of fields: given once, never reused, whatever later revisions of the policy declare.
CREATE TABLE field_name (
    name   TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE
);

-- A sealed value with where it came from (B1.0, B1.1). In files its row is found by its place: above, the person's sid; in
-- the lower 24 bits, 1, 2, ... of the person. So a person's values lie together, whenever each of them came, and one range
-- is all of them (files.def). A key of its own parts would not do: a row is as large as a dozen keys, and a tree whose inner
-- pages hold rows instead of keys is seven deep for a million people, not four. An overwritten value keeps its place, a new
-- one goes behind the person's last; whoever has been given the last place there is gets no further value.
CREATE TABLE field_value (
    place      INTEGER PRIMARY KEY, -- files: a server finds rows by their own key, on the shard of the person
    sid        INTEGER NOT NULL,
    field      INTEGER NOT NULL, -- field_name.number
    item       TEXT NOT NULL,    -- tells values of one field apart ('order-17'); empty for most
    version    INTEGER NOT NULL, -- 1, 2, ...: bound into the seal
    sealed     BLOB NOT NULL,    -- ciphertext under the person's data key
    source     TEXT NOT NULL,    -- subject, subject_shared, other_person, observed, affiliate, partner, ...
    service    TEXT NOT NULL,    -- through which it came
    purpose    TEXT NOT NULL,    -- for which it was collected
    supplier   TEXT NOT NULL,    -- other_person: who; not shown to the person (B1.1.2)
    region     TEXT NOT NULL,    -- where it was gathered
    time       INTEGER NOT NULL, -- when it was written
    keep_until INTEGER NOT NULL, -- when it must be gone
    revision   INTEGER NOT NULL, -- first 32 bits of the digest of the policy set in force
    CHECK (place >> 24 = sid),   -- files: nobody's value lies among another's
    UNIQUE (sid, field, item)    -- files: one value of a name
    -- servers: PRIMARY KEY (sid, field, item)
);
-- What the sweep looks for: values whose time to keep has an end.
CREATE INDEX field_value_by_keep ON field_value (keep_until, sid) WHERE keep_until < 4611686018427387903;

-- Lookup and uniqueness of identifiers without holding them: a keyed MAC of the normalised text.
CREATE TABLE blind_index (
    mac  BLOB NOT NULL,    -- 32 bytes
    kind TEXT NOT NULL,    -- phone, email or document, a slash and the field; older rows lack the field
    sid  INTEGER NOT NULL,
    id   BLOB NOT NULL,    -- the person's id
    PRIMARY KEY (mac, kind)
) WITHOUT ROWID;
CREATE INDEX blind_index_by_sid ON blind_index (sid, kind);

-- Agreements, consents, permissions, switches, approvals: events, never changed (ISO/IEC TS 27560).
CREATE TABLE consent_event (
    sid             INTEGER NOT NULL,
    seq             INTEGER NOT NULL, -- 1, 2, ... of this person
    id              BLOB NOT NULL,    -- 16 random bytes
    kind            INTEGER NOT NULL, -- enum consent_kind
    state           INTEGER NOT NULL, -- enum consent_state
    actor           INTEGER NOT NULL, -- enum consent_actor
    actor_id        TEXT NOT NULL,    -- guardian's id in hex, or the name of the staff member
    name            TEXT NOT NULL,    -- need, switch or document
    purpose         TEXT NOT NULL,    -- scope: empty = every
    party           TEXT NOT NULL,    -- scope: recipient or class; approvals: the actor approved; empty = every
    service         TEXT NOT NULL,    -- scope: empty = every
    device          TEXT NOT NULL,    -- permissions: the device
    topic           TEXT NOT NULL,    -- scope: channel, class of message or announced use; empty = every
    fields          TEXT NOT NULL,    -- scope: comma separated names; empty = every
    operations      TEXT NOT NULL,    -- agreements: the operations covered (B0.3)
    time            INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    revision        INTEGER NOT NULL, -- agreements: of the document
    document_digest BLOB NOT NULL,    -- agreements: SHA-256 of the text agreed to
    language        TEXT NOT NULL,    -- BCP 47, of what was shown
    notice          BLOB NOT NULL,    -- SHA-256 of what was on screen; zero if not given
    channel         TEXT NOT NULL,    -- web, app, letter, announcement, ...
    evidence        TEXT NOT NULL,    -- reference
    collected_by    TEXT NOT NULL,    -- the service that recorded it
    PRIMARY KEY (sid, seq)
) WITHOUT ROWID;
-- Who consented to a purpose, in the order of persons: kind 1 is a consent, state 0 given.
CREATE INDEX consent_event_by_purpose ON consent_event (purpose, sid) WHERE kind = 1 AND state = 0;

-- Values that a law makes us keep: from `starts` on they lie still for that duty alone (B4.0.a).
CREATE TABLE hold (
    sid       INTEGER NOT NULL,
    field     TEXT NOT NULL,
    reference TEXT NOT NULL, -- the law and the file
    starts    INTEGER NOT NULL,
    ends      INTEGER NOT NULL,
    PRIMARY KEY (sid, field)
) WITHOUT ROWID;

-- Who is at work on which order of the person (B1.2.5(3)). Items of an order's values carry its number.
CREATE TABLE purchase (
    sid       INTEGER NOT NULL,
    number    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    since     INTEGER NOT NULL,
    closed    INTEGER NOT NULL, -- when the order was closed
    PRIMARY KEY (sid, number, recipient)
) WITHOUT ROWID;

-- What starts a clock of keeping (B4.0.a), by the names the policy's `event` lists: the last time each happened. Empty
-- scopes are every one.
CREATE TABLE happening (
    sid     INTEGER NOT NULL,
    event   TEXT NOT NULL, -- 'order-closed', 'purpose-ended', ...
    field   TEXT NOT NULL,
    item    TEXT NOT NULL, -- 'order-17'
    service TEXT NOT NULL, -- through which the values came
    purpose TEXT NOT NULL, -- for which they were collected
    source  TEXT NOT NULL, -- from which they came
    time    INTEGER NOT NULL,
    PRIMARY KEY (sid, event, field, item, service, purpose, source)
) WITHOUT ROWID;

-- Devices on which a birth date under fourteen was given: another year does not help (A2.1.1.1). Not tied to a person;
-- a row goes when the day has come.
CREATE TABLE device_age (
    mac        BLOB NOT NULL PRIMARY KEY, -- keyed MAC of the device's name
    teen_from  INTEGER NOT NULL,
    adult_from INTEGER NOT NULL
);

-- What left to whom (B3.1.p). Names of fields, never values.
CREATE TABLE share (
    sid       INTEGER NOT NULL,
    id        BLOB NOT NULL,
    recipient TEXT NOT NULL,
    purpose   TEXT NOT NULL,
    basis     TEXT NOT NULL,
    fields    TEXT NOT NULL, -- comma separated
    clause    TEXT NOT NULL, -- document/clause-id
    evidence  TEXT NOT NULL, -- JSON object of references
    time      INTEGER NOT NULL,
    PRIMARY KEY (sid, id)
) WITHOUT ROWID;

-- The erased: the only line that stays. Replayed at every start, so that no backup brings anyone back (B5.1).
CREATE TABLE erased (
    id   BLOB NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL
);

-- ---- Registers

-- The group's services and their tokens.
CREATE TABLE service (
    name       TEXT NOT NULL PRIMARY KEY,
    class_name TEXT NOT NULL,    -- value of the policy's service dimension
    title      TEXT NOT NULL,
    token      BLOB NOT NULL,    -- SHA-256 of the token in force
    sources    TEXT NOT NULL,    -- comma list of sources it may claim; empty = all (B1.1.3)
    lenient    INTEGER NOT NULL, -- undeclared fields are dropped and counted instead of refused (B4.4)
    ended      INTEGER NOT NULL, -- end of the service
    closing    INTEGER NOT NULL DEFAULT 4611686018427387903, -- when that end was made known
    required   TEXT NOT NULL,    -- comma list of fields registration demands (B1.2.1)
    aim        TEXT NOT NULL,    -- for children: why (A2.1.1.0); empty = not offered to them
    necessity  TEXT NOT NULL     -- for children: why nothing less will do
);

-- Outside parties.
CREATE TABLE recipient (
    name       TEXT NOT NULL PRIMARY KEY,
    class_name TEXT NOT NULL,    -- value of the policy's party dimension
    title      TEXT NOT NULL,
    country    TEXT NOT NULL,    -- ISO 3166-1 alpha-2
    suspended  INTEGER NOT NULL
);

-- Their papers: the needs a recipient satisfies, with dates.
CREATE TABLE recipient_paper (
    recipient TEXT NOT NULL,
    kind      TEXT NOT NULL, -- the need: confidentiality, assessment
    reference TEXT NOT NULL,
    starts    INTEGER NOT NULL,
    ends      INTEGER NOT NULL,
    PRIMARY KEY (recipient, kind)
) WITHOUT ROWID;

-- What each may receive: a purpose and an explicit list of fields.
CREATE TABLE recipient_grant (
    recipient TEXT NOT NULL,
    purpose   TEXT NOT NULL,
    fields    TEXT NOT NULL, -- comma separated names, never '*'
    starts    INTEGER NOT NULL,
    ends      INTEGER NOT NULL,
    PRIMARY KEY (recipient, purpose)
) WITHOUT ROWID;

-- References that count as evidence for a need: clauses of agreements, articles of law (B3.1.9, B1.2.13(11)).
CREATE TABLE reference (
    need      TEXT NOT NULL,
    reference TEXT NOT NULL,
    starts    INTEGER NOT NULL,
    ends      INTEGER NOT NULL,
    PRIMARY KEY (need, reference)
) WITHOUT ROWID;

-- Classes of messages: the send gate knows no others (B1.2.8).
CREATE TABLE message_class (
    name  TEXT NOT NULL PRIMARY KEY,
    offer INTEGER NOT NULL, -- 1: promotion, switched by the person; 0: a notice, always on (B8.3)
    title TEXT NOT NULL
);
INSERT INTO message_class (name, offer, title) VALUES ('service_notice', 0, 'Notices about the service');
INSERT INTO message_class (name, offer, title) VALUES ('legal_notice', 0, 'Notices a law demands');
INSERT INTO message_class (name, offer, title) VALUES ('security_notice', 0, 'Security notices');

-- What may be sent, once somebody said whether it promotes anything.
CREATE TABLE message_template (
    name        TEXT NOT NULL PRIMARY KEY,
    class       TEXT NOT NULL,
    promotional INTEGER NOT NULL,
    approver    TEXT NOT NULL,
    since       INTEGER NOT NULL
);

-- ---- Policy

-- Every text that was ever published, by digest (B0.1).
CREATE TABLE policy_document (
    document TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest   BLOB NOT NULL,    -- SHA-256 of the text
    in_force INTEGER NOT NULL, -- first instant; of the first set: the day the text names, in the operator's calendar
    language TEXT NOT NULL,
    title    TEXT NOT NULL,
    text     BLOB NOT NULL,
    stored   INTEGER NOT NULL, -- when it was published
    ends     INTEGER NOT NULL DEFAULT 4611686018427387903, -- first instant without it; in_force: taken back before it began
    renews   INTEGER NOT NULL DEFAULT 1, -- 1: first here, or it reduced rights: agreements to earlier ones do not reach it
    PRIMARY KEY (document, revision, digest)
) WITHOUT ROWID;

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

-- ---- The record

-- Entries that belong to committed changes and are not yet sealed in the log. The id only grows, so that the highest
-- pending id found in the log says how far this outbox was drained. Its upper 16 bits say whose it is: node.number - 1.
CREATE TABLE audit_pending (
    id     INTEGER NOT NULL PRIMARY KEY,
    leaf   BLOB NOT NULL,
    detail BLOB NOT NULL -- sealed under the person's key; may be empty
);

-- ---- Many daemons on one database (src/store/nodes.h). Where it is a file, these stay empty.

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
