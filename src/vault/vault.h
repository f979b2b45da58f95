// SPDX-License-Identifier: Apache-2.0
/*
 * vault.h: sealed values and the persons' keys. Included by gate and nothing else.
 *
 * Every value is sealed by itself under the person's data key and bound to (subject, field, item, version),
 * so that a ciphertext moved to another row, field or version does not open (docs/security.md T19). Data keys
 * are wrapped by the class key (adult, child), class keys by the master key. Destroying the wrapped data key
 * destroys the person's values in the database, its backups and replicas at once.
 */
#ifndef TROTH_VAULT_H
#define TROTH_VAULT_H

#include "arena.h"
#include "crypto.h"
#include "err.h"
#include "id.h"
#include "instant.h"
#include "store.h"

#define VALUE_MAX      4096 /* bytes of one value; larger things are files, kept elsewhere by reference */
#define VALUE_ITEM_MAX 64   /* "order-17": tells values of one field apart; empty for most */

/* The person, as the vault needs to know one. */
struct vault_person {
    struct subject_id id;
    int64_t sid;
    bool child; /* key class */
};

/* Opened keys that are kept, of 192 bytes each: what a 64th of the memory holds, between these two; but no
 * more than half of the memory that may be locked takes, where that has an end. */
#define VAULT_CACHE_FEWEST 65536   /* 13 MB when full */
#define VAULT_CACHE_MOST   2097152 /* 400 MB when full */

struct vault;      /* master and class keys, and the opened keys; shared by all threads */
struct person_key; /* an opened data key; shared, its key never changed */

/* Where the master key comes from: a file, or a shell command that prints it (null: the file). */
struct vault_master {
    const char *file, *command;
};
/* First start: makes the class keys under the master key. */
enum err vault_create(struct store *st, const struct vault_master *m, struct fail *f);
/* ERR_NO_KEY when the master key does not open the class keys: says which and what to do. A change of the
 * master key that was cut short between the database and the file is finished. The master key is not kept. */
enum err vault_open(struct store *st, const struct vault_master *m, struct vault **out, struct fail *f);
void vault_close(struct vault *v);

/* A fresh data key for a person, in the class of the band. */
enum err vault_key_create(struct vault *v, struct store *st, const struct vault_person *s, struct fail *f);
/* Opens the data key. ERR_GONE if it was destroyed, ERR_INTEGRITY if its row was changed.
 *
 * Opened keys are kept, in guarded memory, up to a bound; the longest unused give way. A hit costs one short
 * lock of one in 64 and no statement. What is destroyed, moved or wrapped anew leaves the cache when its
 * group commits, before anybody is answered: it holds for every thread from the next call on. A key whose
 * snapshot is older than the last such change is used and not kept. Rows that somebody else alters (another
 * process, a thief) are noticed when the key is read the next time. */
enum err vault_key_open(struct vault *v, struct store *st, const struct vault_person *s,
                        struct person_key **out, struct fail *f);
/* The same past the cache, for passes over everybody. */
enum err vault_key_read(struct vault *v, struct store *st, const struct vault_person *s,
                        struct person_key **out, struct fail *f);
void vault_key_close(struct person_key *k);
/* Every key there is, opened and past the cache, in the order of ids; `each` does not keep it. Those that do
 * not open are left out, and the log says how many. A person who is erased may still have one for a moment.
 */
typedef void (*vault_each_fn)(void *ctx, struct subject_id id, struct person_key *key);
enum err vault_keys_each(struct vault *v, struct store *st, vault_each_fn each, void *ctx, struct fail *f);
/* How the cache does since the start. */
struct vault_cache_stats {
    uint64_t hits, misses, kept, limit;
};
struct vault_cache_stats vault_cache_stats(const struct vault *v);
/* Empties it, and sets how many it may keep from now on (0: none). Not while other threads use the vault. */
void vault_cache_limit(struct vault *v, size_t most);
/* How many a daemon keeps; bytes as of machine.h. */
size_t vault_cache_default(uint64_t memory, uint64_t lockable);
/* Wraps the data key under the class of the band the person is in now. */
enum err vault_key_move(struct vault *v, struct store *st, const struct vault_person *s, struct person_key *k,
                        struct fail *f);
/* Destroys it with the group's commit, and notes that in the ledger (below). */
enum err vault_key_destroy(struct vault *v, struct store *st, const struct vault_person *s, struct fail *f);
/* The same where the ledger names the person already. */
void vault_key_destroy_noted(struct vault *v, struct store *st, const struct vault_person *s);
/* Rotation, in three calls of a group each, all resumable: a row knows its generation.
 *
 * begin: a new class key from now on; *resumed if an older generation is still in use, then none is made.
 * *left: keys under older ones. class: "adult" or "child"; ERR_UNKNOWN_NAME.
 * step: wraps up to `most` keys anew, from the id after *from on, and moves *from there. *finished: none is
 * left, and the older generations are gone from the files.
 * master: wraps class and node keys under the key in new_file (absolute; made if it is missing); null: a new
 * one takes the place of the old file after the commit. What new_file holds must be no key in use: not the
 * master key, none of the folder's, not the one in `signing` (may be null), no secret of backups;
 * ERR_CONFLICT. Beside the old file FILE.moved tells where the new one is. */
enum err vault_rotate_begin(struct vault *v, struct store *st, struct span class_name, int64_t *generation,
                            bool *resumed, uint64_t *left, struct fail *f);
enum err vault_rotate_step(struct vault *v, struct store *st, struct span class_name, size_t most,
                           struct subject_id *from, int64_t *generation, uint64_t *wrapped, bool *finished,
                           struct fail *f);
enum err vault_rotate_master(struct vault *v, struct store *st, const char *new_file, const char *signing,
                             struct fail *f);
/* At start: destroys every key the erasure ledger names that still exists (a restored backup of keys.db). */
enum err vault_replay_erasures(struct store *st, uint64_t *destroyed, struct fail *f);

/* The ledger of the erased outside both databases (B5.1, docs/security.md T20): DATA/erased.ledger, one line
 * of 64 hex digits for each: a MAC of the id under the node's key. A line is durable before the erasure is
 * acknowledged. troth.db counts the erasures it holds, so a start sees which of the two is older.
 *
 * open: makes the file if it is missing, adds what a crash or a loss left out. *behind: the ledger holds
 * erasures the database does not: the caller calls _settled and erases everybody it holds again, in one
 * group; _settled alone otherwise. _holds answers until _forget, for the lines that were there when it was
 * opened. */
enum err vault_ledger_open(struct vault *v, struct store *st, const char *path, bool *behind, struct fail *f);
bool vault_ledger_holds(const struct vault *v, struct subject_id id);
enum err vault_ledger_settled(struct vault *v, struct store *st, struct fail *f);
void vault_ledger_forget(struct vault *v);
/* Adds to the database's count; in a group. */
enum err vault_ledger_count(struct store *st, int64_t more, struct fail *f);

/* ---- Many daemons on one database (nodes.h) */

/* Class keys as the database has them now: those another node made or dropped. ERR_NO_KEY: a new one is there
 * and the master key that opens it cannot be read here. */
enum err vault_follow(struct vault *v, struct store *st, struct fail *f);
/* They may have been changed as of this version (nodes.h): the next call here that reads or writes a person's
 * key follows first. Until then nobody waits for the server of keys. Any thread. */
void vault_follow_later(struct vault *v, int64_t version);
/* Follows if that is due. */
enum err vault_follow_due(struct vault *v, struct store *st, struct fail *f);
/* What signs the index log (index.h): the same on every node, from the node keys that all share. */
struct sign_key *vault_index_key(const struct vault *v);
/* Another node erased this person: the opened key goes, and the ledger here gets its line. */
void vault_erased_elsewhere(struct vault *v, struct span subject);
/* What was erased meanwhile is not known: every opened key goes; what the ledger lacks is added. */
enum err vault_heard_nothing(struct vault *v, struct store *st, struct fail *f);

/* Where a value came from (B1.1). */
struct provenance {
    struct span source; /* subject, subject_shared, other_person, observed, affiliate, partner,
                           third_party_account, derived */
    struct span service;
    struct span purpose;
    struct span supplier; /* other_person: who; hidden from the person */
    struct span region;   /* ISO 3166-1 alpha-2 */
    struct instant time;
    struct instant keep_until;
    uint32_t revision; /* of the policy set in force */
};
struct value {
    struct span field, item;
    struct span plain; /* opened; in the caller's arena, wiped when it is reset */
    uint32_t version;
    struct value_mark mark; /* of one that was opened */
    struct provenance from;
};
/* Seals and stores; a value that exists gets version + 1. The field's name gets a number when it is first
 * stored: numbers are given once and never reused. ERR_BAD_VALUE beyond VALUE_MAX or VALUE_ITEM_MAX.
 * `before`: the version that is there, read in this very group (0: there is none), or VALUE_VERSION_ASK. */
#define VALUE_VERSION_ASK (-1)
enum err vault_put(struct store *st, const struct vault_person *s, const struct person_key *k,
                   const struct value *v, int64_t before, struct fail *f);
/* Opens one field's values (all items, or one). *n = 0 if none. ERR_INTEGRITY names subject row and field
 * number only. */
enum err vault_get(struct store *st, const struct vault_person *s, const struct person_key *k,
                   struct span field, struct span item, struct arena *a, struct value **out, size_t *n,
                   struct fail *f);
/* Provenance of everything held, nothing opened. */
enum err vault_list(struct store *st, const struct vault_person *s, struct arena *a, struct value **out,
                    size_t *n, struct fail *f);
enum err vault_delete(struct store *st, const struct vault_person *s, struct span field, struct span item,
                      int64_t *deleted, struct fail *f);

#define VALUE_PLACES_MAX 4096 /* values of one person from which on not all are looked at in one go */
/* Where values lie and through which service they came, all of a person in one statement; nothing opened.
 * Those of `fields` come whole, so that they can be opened later without asking the database again; of the
 * others only field, item and service. In the order of the fields' numbers and of the items. `brief`: of
 * their origin they come with service, time and end only. The names of `fields` are not copied. Of whoever
 * has VALUE_PLACES_MAX or more, those of `fields` and of `item` (if it is not empty) all come, of the others
 * some. */
struct value_place {
    struct value value; /* plain: empty until opened */
    int64_t number;     /* of the field */
    struct span sealed; /* empty: not one of the fields named */
};
enum err vault_places(struct store *st, const struct vault_person *s, const struct span *fields,
                      size_t n_fields, struct span item, bool brief, struct arena *a,
                      struct value_place **out, size_t *n, struct fail *f);
/* Opens one that came whole. ERR_INTEGRITY as vault_get. */
enum err vault_open_place(const struct vault_person *s, const struct person_key *k, struct value_place *p,
                          struct arena *a, struct fail *f);
/* Shortens the time to keep of one value to `until`; never lengthens it. */
enum err vault_keep_item_less(struct store *st, const struct vault_person *s, struct span field,
                              struct span item, struct instant until, struct fail *f);

/* Its time anew, sooner or later: what started its clock happened again. */
enum err vault_keep_set(struct store *st, const struct vault_person *s, struct span field, struct span item,
                        struct instant until, struct fail *f);
/* Persons of whom anything is held, by number, from the one after `after` on. */
enum err vault_persons(struct store *st, int64_t after, size_t most, int64_t *out, size_t *n, struct fail *f);

/* Values whose time to keep is over at `now`, up to `most`, the longest over first. */
struct value_due {
    int64_t sid;
    struct span field, item;
};
enum err vault_due(struct store *st, struct instant now, size_t most, struct arena *a, struct value_due *out,
                   size_t *n, struct fail *f);
/* Deletes it if it is still due. */
enum err vault_expire(struct store *st, const struct value_due *v, struct instant now, struct fail *f);
/* Moves its time to the end of a legal hold. */
enum err vault_postpone(struct store *st, const struct value_due *v, struct instant now, struct instant until,
                        struct fail *f);
/* How many are due, and when the next one is (INSTANT_FOREVER: none is). */
enum err vault_due_count(struct store *st, struct instant now, int64_t *due, struct instant *next,
                         struct fail *f);

/* True if anything is held of the field. */
enum err vault_held(struct store *st, const struct vault_person *s, struct span field, bool *out,
                    struct fail *f);

/* The normal form of an identifier. kinds: "phone" (E.164; a Chinese mobile number may lack its +86, and a
 * trunk prefix behind the country code goes), "email" (local part in Unicode's normal form C, domain as
 * A-labels of IDNA2008 in lower case), "document" (capitals and digits; the check character of a resident
 * identity number, GB 11643, must fit). A normal form is its own. ERR_BAD_VALUE if it is not one; the detail
 * never holds the text. ERR_INTERNAL: a library for text beyond ASCII is missing. Pure. */
enum err vault_normalise(struct arena *a, struct span kind, struct span plain, struct span *out,
                         struct fail *f);
/* Blind index: the keyed MAC of a normalised identifier; letter case does not tell two apart. ERR_BAD_VALUE
 * if it is not one. ERR_TAKEN if another person has it in any field, without saying who. One of each field
 * for a person: the old one goes. An old row that names no field goes with the field whose value it is of:
 * both are called before that value is replaced or deleted. */
enum err vault_index_put(struct vault *v, struct store *st, const struct vault_person *s, struct span kind,
                         struct span field, struct span plain, struct fail *f);
enum err vault_index_drop(struct vault *v, struct store *st, const struct vault_person *s, struct span kind,
                          struct span field, struct fail *f);
enum err vault_index_find(struct vault *v, struct store *st, struct span kind, struct span plain,
                          struct subject_id *out, struct fail *f);

/* The keyed MAC of a device's name: known again, not known. */
void vault_device_mac(const struct vault *v, struct span device, uint8_t out[32]);

/* Of an import: the keyed MAC of its name, or of the digest of its lines (not empty). The same on every node.
 */
void vault_import_mac(const struct vault *v, struct span name, struct span digest, uint8_t out[32]);

/* The person's pseudonym in the record for an epoch, and of an actor outside (keyed by the node). */
void vault_pseudonym(struct person_key *k, uint32_t epoch, uint8_t out[16]);
void vault_actor_pseudonym(const struct vault *v, struct span actor, uint8_t out[16]);
/* A name for a value that only `audience` knows: the same for it each time, another for everybody else, and
 * nothing of the value to be found out by who has not the key. */
void vault_token(const struct vault *v, struct span audience, struct span field, struct span plain,
                 uint8_t out[16]);
/* Seals and opens an entry's detail under the person's key (no person: under the node's). */
enum err vault_detail_seal(const struct vault *v, const struct person_key *k, struct span plain,
                           struct arena *a, struct span *out, struct fail *f);
enum err vault_detail_open(const struct vault *v, const struct person_key *k, struct span sealed,
                           struct arena *a, struct span *out, struct fail *f);

#endif
