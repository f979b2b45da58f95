// SPDX-License-Identifier: Apache-2.0
/* Redis: a hash for each record; what is asked by another attribute than the key is looked for by the client,
 * who scans all keys, as the benchmark's own client does. */
#include "gdprbench.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN 1000

/* Only what is there is changed: a plain HSET brings a deleted record back. */
static const char CHANGE[] =
    "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])"
    " return 1 end return 0";

static void *redis_open(unsigned client)
{
    (void)client;
    redisContext *c = redisConnectUnix(setting.target);
    return c && !c->err ? c : NULL;
}

static void redis_close(void *conn)
{
    redisFree(conn);
}

static void put(redisContext *c, uint32_t k, uint32_t user, const char *data)
{
    redisAppendCommand(
        c, "HSET rec:%u pur %u ttl %u usr %u obj %u dec %u acl %u shr %u src %u cat %u data %b", k, k % 25,
        2000000000 + k % 10, user, k % 100, k % 2, k % 10, k % 10, k % 10, k % 10, data, (size_t)DATA_LEN);
}

static bool take(redisContext *c, redisReply **out)
{
    redisReply *r = NULL;
    bool well = redisGetReply(c, (void **)&r) == REDIS_OK && r && r->type != REDIS_REPLY_ERROR;
    if (out && well)
        *out = r;
    else if (r)
        freeReplyObject(r);
    return well;
}

static bool redis_load(void)
{
    redisContext *c = redis_open(0);
    bool well = c && !c->err;
    for (uint32_t k = 0; k < setting.records && well; k++) {
        char data[DATA_LEN + 1];
        data_make(data, k, 0);
        put(c, k, record_user(k), data);
        for (uint32_t i = 0; k % SCAN == SCAN - 1 && i < SCAN && well; i++)
            well = take(c, NULL);
    }
    for (uint32_t i = 0; i < setting.records % SCAN && well; i++)
        well = take(c, NULL);
    if (c)
        redisFree(c);
    return well;
}

static redisReply *ask(redisContext *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *r = redisvCommand(c, format, args);
    va_end(args);
    return r;
}

/* What is done with a record that was found. */
static void found(redisContext *c, struct op *op, const char *key)
{
    redisReply *r = NULL;
    switch (op->kind) {
    case OP_DELETE_USER:
        r = ask(c, "DEL %s", key);
        break;
    case OP_META_PURPOSE_SET:
        r = ask(c, "EVAL %s 1 %s shr %u", CHANGE, key, (unsigned)(op->draw % SHARE_WITH));
        break;
    case OP_META_USER_SET:
        r = ask(c, "EVAL %s 1 %s dec %d", CHANGE, key, op->on);
        break;
    case OP_META_USER:
        r = ask(c, "HMGET %s pur ttl obj dec acl shr src cat", key);
        break;
    default:
        r = ask(c, "HGET %s data", key);
        break;
    }
    bool data = op->kind == OP_DATA_USER || op->kind == OP_PAGE_PURPOSE || op->kind == OP_PAGE_OBJECTION;
    if (data && r && r->type == REDIS_REPLY_STRING)
        data_saw(op, r->str, r->len);
    else
        op->n++;
    if (r)
        freeReplyObject(r);
}

/* All keys, a thousand at a time; of each the attribute. */
static enum op_end scan(redisContext *c, struct op *op, const char *attribute, uint32_t wanted, bool not_it,
                        uint32_t most)
{
    char cursor[24] = "0";
    do {
        redisReply *page = ask(c, "SCAN %s MATCH rec:* COUNT %d", cursor, SCAN);
        if (!page || page->type != REDIS_REPLY_ARRAY)
            return op_fail(op, "%s", c->errstr);
        redisReply *keys = page->element[1];
        for (size_t i = 0; i < keys->elements; i++)
            redisAppendCommand(c, "HGET %s %s", keys->element[i]->str, attribute);
        bool *is = calloc(keys->elements + 1, sizeof *is);
        for (size_t i = 0; i < keys->elements; i++) {
            redisReply *r = NULL;
            if (!take(c, &r)) {
                free(is);
                freeReplyObject(page);
                return op_fail(op, "%s", c->errstr);
            }
            bool same = r->type == REDIS_REPLY_STRING && strtoul(r->str, NULL, 10) == wanted;
            is[i] = r->type == REDIS_REPLY_STRING && same != not_it;
            freeReplyObject(r);
        }
        for (size_t i = 0; i < keys->elements && op->n < most; i++)
            if (is[i])
                found(c, op, keys->element[i]->str);
        free(is);
        snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
        freeReplyObject(page);
    } while (strcmp(cursor, "0") != 0 && op->n < most);
    return OP_DONE;
}

static enum op_end by_key(redisContext *c, struct op *op)
{
    redisReply *r;
    if (op->kind == OP_CREATE) {
        put(c, op->key, op->user, op->data);
        return take(c, NULL) ? OP_DONE : op_fail(op, "%s", c->errstr);
    }
    if (op->kind == OP_DELETE_KEY)
        r = ask(c, "DEL rec:%u", op->key);
    else if (op->kind == OP_META_KEY)
        r = ask(c, "HMGET rec:%u usr pur ttl obj dec acl shr src cat", op->key);
    else if (op->kind == OP_DATA_KEY)
        r = ask(c, "HGET rec:%u data", op->key);
    else if (op->kind == OP_VERIFY)
        r = ask(c, "EXISTS rec:%u", op->key);
    else /* only what is there is changed */
        r = op->kind == OP_DATA_SET
                ? ask(c, "EVAL %s 1 rec:%u data %b", CHANGE, op->key, op->data, (size_t)DATA_LEN)
                : ask(c, "EVAL %s 1 rec:%u dec %d", CHANGE, op->key, op->on);
    if (!r || r->type == REDIS_REPLY_ERROR)
        return op_fail(op, "%s", r ? r->str : c->errstr);
    if (op->kind == OP_DATA_KEY && r->type == REDIS_REPLY_STRING)
        data_saw(op, r->str, r->len);
    else if (op->kind == OP_META_KEY)
        op->n = r->elements && r->element[0]->type == REDIS_REPLY_STRING;
    else if (r->type == REDIS_REPLY_INTEGER)
        op->n = (uint32_t)r->integer;
    freeReplyObject(r);
    bool needs = op->kind == OP_DATA_SET || op->kind == OP_DELETE_KEY;
    return op->n || !needs ? OP_DONE : OP_NONE;
}

static enum op_end redis_run(void *conn, struct op *op)
{
    switch (op->kind) {
    case OP_DELETE_USER:
    case OP_META_USER_SET:
    case OP_DATA_USER:
    case OP_LOGS:
    case OP_META_USER:
        return scan(conn, op, "usr", op->user, false, UINT32_MAX);
    case OP_META_PURPOSE_SET:
        return scan(conn, op, "pur", op->purpose, false, UINT32_MAX);
    case OP_PAGE_PURPOSE:
        return scan(conn, op, "pur", op->purpose, false, PAGE);
    case OP_PAGE_OBJECTION:
        return scan(conn, op, "obj", op->objection, true, PAGE);
    default:
        return by_key(conn, op);
    }
}

const struct system redis_system = {"redis", redis_load, redis_open, redis_run, redis_close};
