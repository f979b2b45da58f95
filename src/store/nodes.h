// SPDX-License-Identifier: Apache-2.0
/*
 * nodes.h: many daemons on one database. Where the database is a file there is one daemon and nothing here
 * is used.
 *
 * Each daemon is a row of `node`. While it runs it keeps one connection of its own, the ear: on it lies the
 * lock of its name, so that no second daemon runs under it; on it the others' changes are heard (LISTEN);
 * and over it a beat goes every NODE_BEAT_MS that writes a sign of life and brings back the versions, in
 * case nothing was heard. Who has had no answer for NODE_DEAF_MS, to a beat or to a snapshot, is deaf.
 *
 * Nothing rests on what is heard: a snapshot says itself which registers, policies and keys belong to it
 * (store_stand). Hearing makes reloads prompt, and keys of persons that another node erased leave memory.
 */
#ifndef TROTH_NODES_H
#define TROTH_NODES_H

#include "store.h"

#define NODE_NAME_MAX     32
#define NODE_NUMBER_MAX   32767 /* its ids of the outbox fit 63 bits */
#define NODE_BEAT_MS      300
#define NODE_DEAF_MS      1000  /* without an answer for so long nothing is allowed any more */
#define NODE_SKEW_MAX_MS  500   /* between the node's clock and the server's */
#define NODE_ASIDE_LAG_MS 10000 /* a replica that is further behind is not asked */
#define NODE_SIDS         256   /* small keys of persons taken at a time: the counter is one row for all */

enum node_state {
    NODE_LIVE,
    NODE_RETIRED,
    NODE_CLOSED
}; /* retired: its last entry of the index log is due */

/* What DATA/database says: name of this node ("" where it says none, which is "1"), and whether records of
 * reads go through the database before they are acknowledged. False: the database is a file. */
struct node_setting {
    char name[NODE_NAME_MAX + 1];
    bool decisions; /* `decisions = database` */
};
bool node_setting(const char *data, struct node_setting *out);
/* Small letters, digits and '-', at most NODE_NAME_MAX. */
bool node_name_valid(struct span name);

/* Ids of the outbox: whose they are is in the upper bits. */
static inline uint64_t node_base(int64_t number)
{
    return number > 0 ? (uint64_t)(number - 1) << 48 : 0;
}

static inline uint64_t node_end(int64_t number)
{
    return node_base(number > 0 ? number + 1 : 2) - 1;
}
/* A row of `meta` that each node has for itself: "name", of others than the first "name:2". */
#define NODE_ROW_MAX 48
void node_row_name(char out[NODE_ROW_MAX], const char *name, int64_t number);

/* The people's data lies on a server: other daemons may change it too. */
bool store_shared(const struct store *st);
/* The last group met one of another daemon, and nothing of it was done: it may run again. */
bool store_met_another(const struct store *st);
/* The next small key of a person; on a server from a block that was taken for this connection. */
enum err store_next_sid(struct store *st, int64_t *sid, struct fail *f);
/* What a snapshot or group says of this node. */
struct node_stand {
    int64_t version; /* of registers, policies and keys that belong to it */
    int64_t session; /* which may write as this node */
    int64_t state;   /* enum node_state */
    int64_t seen_ms; /* when the newest beat in it was, by the server's clock */
    bool fresh;      /* the snapshot was taken by this question */
};
enum err store_stand(struct store *st, int64_t number, struct node_stand *out, struct fail *f);
/* The version that it said last in this snapshot or group; 0: it was not asked. */
int64_t store_stood_version(const struct store *st);
/* Others wait behind the thread that uses it: it waits less long, and leaves it to store_probe to find out
 * whether a server that could not be reached can be now. */
void store_impatient(struct store *st);
/* The next transactions are on new connections. */
void store_renew(struct store *st);
/* Looks whether servers answer that could not be reached, or that somebody waits for, each for some seconds;
 * at once if there is none. Any thread: its connections are not used. */
void store_probe(const struct store *st);
/* From now on a thread calls it again and again, or none does any longer. While one does, nobody else waits
 * for a keys' server that it found away: statements on it are ERR_BUSY at once, and what needs none goes on.
 */
void store_probed(bool on);
/* In a group: true if no daemon runs under the number; none can start before the group ends. */
enum err store_node_dead(struct store *st, int64_t number, bool *dead, struct fail *f);
/* A streaming replica (`history = URL` of DATA/database): from begin to end, in a snapshot of which
 * store_stand was asked, statements on troth.db that only read go there. *until_ms, by the server's clock:
 * what was committed before is there. False, and everything as it was: none is set, it does not answer, or it
 * is behind by more than NODE_ASIDE_LAG_MS. */
bool store_aside_begin(struct store *st, int64_t *until_ms);
void store_aside_end(struct store *st);
/* Key rows changed in another process: see store_key_changes. */
void store_key_changed_elsewhere(void);

/* ---- The ear */

struct ear;

struct ear_beat {
    int64_t now_ms; /* the node's clock */
    int64_t record; /* sealed entries; -1: it and the checkpoint stay what they are */
    struct span checkpoint;
};
struct ear_news {
    int64_t version, state;
    int64_t seen_ms; /* when it was answered, by the server's clock: every snapshot from now on has it */
    int64_t skew_ms; /* the server's clock is ahead by at least this (negative: behind) */
    int64_t others;  /* nodes beside this one, those retired too */
    bool standbys;   /* the server has synchronous standbys */
    bool newer;      /* the tables are a newer troth's: this one does not know what they mean */
};

/* Connects (to `listen` of DATA/database, else `main`), takes the lock of the name and a new session.
 * ERR_BAD_VALUE: a connection pool is in between; ERR_CONFLICT: another daemon runs under it (says
 * when it was seen last), or it was retired; ERR_NOT_FOUND: the database does not know the name. */
enum err ear_open(const char *data, const char *name, struct ear **out, struct fail *f);
void ear_close(struct ear *e);
int64_t ear_number(const struct ear *e);
int64_t ear_session(const struct ear *e);
/* Connects again after a loss, and takes the lock again; ERR_STOPPED: another daemon had the name meanwhile.
 */
enum err ear_again(struct ear *e, struct fail *f);
/* One round trip, waited for at most NODE_DEAF_MS. ERR_STOPPED: the session is not ours any more. Where the
 * server has synchronous standbys one of them has the beat as well before it is answered: a server that was
 * cut off from them, whose place another may have taken, answers none. */
enum err ear_beat(struct ear *e, const struct ear_beat *b, struct ear_news *out, struct fail *f);
/* Waits up to ms for what others did, or for a wake-up by ear_wake. *registers: registers, policies or keys
 * changed; erased() is called for each person erased by another process. ERR_BUSY: the connection is lost. */
enum err ear_wait(struct ear *e, int ms, bool *registers, void (*erased)(void *ctx, struct span subject),
                  void *ctx, struct fail *f);
void ear_wake(struct ear *e); /* any thread */
/* True if this node leads the others: takes the lock if nobody has it. As long as the connection stands. */
bool ear_leads(struct ear *e);

#endif
