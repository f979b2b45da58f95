// SPDX-License-Identifier: Apache-2.0
/*
 * gdprbench.h: the four workloads of GDPRBench (Shastri et al., VLDB 2020), the same work on every system.
 *
 * Record k is the user's k mod `users`; its attributes are k mod their cardinality. One program asks; each
 * system is a struct of functions (systems[]), opened once for each client. main.c draws the operations and
 * keeps a model of what was acknowledged: an answer that could not be overtaken by another client's must be
 * equal to it, any other one must be whole and belong to the record asked for.
 */
#ifndef TROTH_GDPRBENCH_H
#define TROTH_GDPRBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PURPOSES   25
#define OBJECTIONS 100
#define DATA_LEN   100
#define PAGE       100 /* records of a read by purpose or by objection */
#define RECORDS_OF 32  /* a user's records: those loaded, and those created */
#define SHARE_WITH 10  /* receivers */

enum op_kind {
    OP_CREATE,
    OP_DELETE_KEY,
    OP_DELETE_USER,
    OP_META_PURPOSE_SET,
    OP_META_USER_SET,
    OP_DATA_USER,
    OP_META_KEY,
    OP_DATA_SET,
    OP_META_KEY_SET,
    OP_DATA_KEY,
    OP_PAGE_PURPOSE,
    OP_PAGE_OBJECTION,
    OP_META_USER,
    OP_LOGS,
    OP_VERIFY,
    OP_COUNT
};

enum op_end { OP_DONE, OP_NONE, OP_FAILED }; /* none: no such record or user, not any more */

struct op {
    enum op_kind kind;
    uint32_t key, user, purpose, objection;
    uint32_t place;   /* pages: where to begin, a record's number */
    uint32_t version; /* of the data that is written */
    bool on;          /* metadata that is written: objects, or not any more */
    char data[DATA_LEN + 1];
    uint64_t draw; /* a number drawn for the system's own use */
    /* What came back. */
    uint32_t n;                    /* records, or lines */
    uint32_t saw_key, saw_version; /* of the last record that came back */
    bool wrong;                    /* a record that nobody wrote */
    char why[256];
};

struct setting {
    uint32_t records, users, operations;
    const char *target;      /* port, socket or connection string */
    const char *token, *ids; /* troth: the service's token; the file of its people, in the order of users */
    const char *operator_socket, *key;
    bool record, seal; /* peers: a record of each access; values sealed, with an end */
};
extern struct setting setting;

struct system {
    const char *name;
    bool (*load)(void);             /* all records, before clients open; not troth's, which imports */
    void *(*open)(unsigned client); /* null: cannot */
    enum op_end (*run)(void *conn, struct op *op);
    void (*close)(void *conn);
};
extern const struct system http_system, pg_system, redis_system, sqlite_system;

/* The data of a record's version, and its check: notes in the operation what it was. */
void data_make(char out[DATA_LEN + 1], uint32_t key, uint32_t version);
void data_saw(struct op *op, const char *data, size_t len);
enum op_end op_fail(struct op *op, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sealed as the peers do: AES-256-GCM under one key. */
#define SEALED_LEN (12 + DATA_LEN + 16)
void seal(uint8_t out[SEALED_LEN], const char *data);
bool unseal(char out[DATA_LEN + 1], const uint8_t *sealed, size_t len);

static inline uint32_t record_user(uint32_t key)
{
    return key % setting.users;
}

#endif
