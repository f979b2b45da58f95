// SPDX-License-Identifier: Apache-2.0
/*
 * web.h: an opened data folder that answers requests: over HTTP, over the operator's socket, or in the same
 * process (the command line on a folder no daemon has open). One path for all three: a struct request goes
 * in, the rows of routes.def say what happens, a struct response comes out.
 */
#ifndef TROTH_WEB_H
#define TROTH_WEB_H

#include "err.h"
#include "message.h"
#include "policy.h"

#define WEB_READERS_DEFAULT 2

struct web_config {
    const char *data;               /* the data folder */
    const char *master_key;         /* null: DATA/master-key */
    const char *master_key_command; /* a shell command that prints it instead; null: the file */
    const char *listen;             /* "127.0.0.1:8080"; null: no sockets, web_handle only */
    const char *clock_file; /* tests: a file holding an RFC 3339 instant, read again for each request; null:
                               the clock */
    unsigned readers;       /* reader threads; 0: WEB_READERS_DEFAULT */
    /* A head of the record that somebody kept (a signed note, or a receipt): the start is refused unless the
     * record contains it. Null: none but the one that DATA/known-checkpoint remembers. */
    const char *known_checkpoint;
    /* Where else the newest head goes, each minute and at the end: "syslog", or a file to append to. May be
     * null. */
    const char *checkpoint_to;
    bool accept_loss; /* start though the database, or the record, is older than the other: it goes on record
                       */
    const char *version, *commit;
};

struct web;

/* Opens everything: lock, databases, record, policy, keys, threads, sockets. Nothing half done: on failure
 * all is closed again. ERR_CONFLICT when another process has the folder or the address; ERR_POLICY with the
 * messages in *m (in arena a, which must outlive the use of *m only). */
enum err web_start(const struct web_config *c, struct arena *a, struct policy_messages *m, struct web **out,
                   struct fail *f);
/* Lets answers under way finish, seals the record, releases the folder. */
void web_stop(struct web *w);
/* The port in use; 0 without sockets. */
unsigned web_port(const struct web *w);
/* Answers one request and waits for it to be durable. The answer lives in the arena. */
void web_handle(struct web *w, const struct request *req, struct arena *a, struct response *res);
/* A one-line sentence on what was opened: policy revision, record size. */
struct span web_summary(struct web *w, struct arena *a);
/* The instant of that clock: the clock file's (its last readable content), or the real one. */
struct instant web_clock(const char *clock_file);
/* The operator's socket of a folder, and its master key, in the arena. */
const char *web_socket_path(struct arena *a, const char *data);

/* The folder's lock, which its daemon holds: for what is done to the folder without opening it. Until *fd is
 * closed. */
enum err web_lock(const char *data, int *fd, struct fail *f);

/* ---- Making a folder (troth init) */

struct web_make {
    const char *data, *host;
    const char *epoch;              /* the record's unit; null: a quarter (audit.h) */
    const char *node;               /* its name among several on one database; null: "1" */
    const char *master_key;         /* joining: a file with the installation's master key; null: a command */
    const char *master_key_command; /* that prints it */
    struct instant now;
};
/* Creates databases, master key, record and its key in `data`, which exists and holds policy/. */
enum err web_create(const struct web_make *m, struct fail *f);
/* Whether the databases that DATA/database names hold an installation, which a further node may join. */
enum err web_installed(const char *data, bool *out, struct fail *f);
/* Makes what a further node has of its own: a record, its key, history.db, the master key's copy. Its row is
 * the last thing that is made. ERR_CONFLICT: there is a node of this name; ERR_NO_KEY: the master key is
 * another. */
enum err web_join(const struct web_make *m, struct fail *f);
/* Undoes it, as long as the node has recorded nothing. */
void web_join_undo(const struct web_make *m);

#endif
