// SPDX-License-Identifier: Apache-2.0
/* witness.c: see witness.h. */
#include "witness.h"

#include "audit_impl.h"
#include "file.h"
#include "log.h"
#include "text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { PROOF_LINES_MAX = 63, LINE_MAX_LEN = 128, KEY_FILE_MAX = 1024 };

struct witness {
    struct arena *arena;
    const char *dir;
    int lock;
    struct sign_key *key;
    struct merkle_key self;
    struct span vkey;
    struct merkle_key log[WITNESS_LOGS_MAX];
    size_t n_logs;
    pthread_mutex_t busy; /* looking and remembering are one step */
};

static const char *inside(struct arena *a, const char *dir, const char *name)
{
    return arena_str(a, arena_fmt(a, "%s/%s", dir, name));
}

/* ---- Making and opening */

static bool is_key_name(struct span s)
{
    return s.len > 0 && s.len <= 255 && span_find(s, ' ', 0) == s.len && span_find(s, '+', 0) == s.len &&
           span_find(s, '\n', 0) == s.len && span_utf8(s);
}

static enum err write_key_files(struct arena *a, const char *dir, struct span name, struct fail *f)
{
    struct merkle_key k = {.name = name, .type = MERKLE_KEY_WITNESS};
    struct sign_key *key = NULL;
    const char *path = inside(a, dir, "witness-key");
    enum err e = sign_key_create_file(path, f);
    if (!e)
        e = sign_key_read_file(path, &key, f);
    if (e)
        return e;
    sign_key_public(key, k.pk);
    sign_key_free(key);
    struct span vkey = merkle_key_text(a, &k);
    return file_write_durable(inside(a, dir, "key.pub"), arena_fmt(a, "%.*s\n", SPAN_F(vkey)), 0644, f);
}

enum err witness_create(const char *dir, const char *name, struct fail *f)
{
    struct arena *a = arena_new(0);
    enum err e = OK;
    if (!is_key_name(span_str(name)))
        e = fail_set(f, ERR_BAD_VALUE, "a witness's name has no blanks and no plus, like witness.example/w1");
    if (!e && file_exists(inside(a, dir, "witness-key")))
        e = fail_set(f, ERR_CONFLICT, "%s has a witness's key already", dir);
    if (!e)
        e = file_mkdirs(dir, 0700, f);
    if (!e)
        e = write_key_files(a, dir, span_str(name), f);
    arena_free(a);
    return e;
}

static enum err open_identity(struct witness *w, struct fail *f)
{
    struct span text;
    enum err e = file_read(w->arena, inside(w->arena, w->dir, "key.pub"), KEY_FILE_MAX, &text, f);
    if (!e)
        e = merkle_key_read(w->arena, text, &w->self, f);
    if (!e)
        e = sign_key_read_file(inside(w->arena, w->dir, "witness-key"), &w->key, f);
    if (e)
        return e;
    uint8_t pk[SIGN_PK_LEN];
    sign_key_public(w->key, pk);
    w->vkey = span_trim(text);
    if (w->self.type != MERKLE_KEY_WITNESS || memcmp(pk, w->self.pk, sizeof pk) != 0)
        return fail_set(f, ERR_NO_KEY, "%s/key.pub is not that of witness-key", w->dir);
    w->lock = open(inside(w->arena, w->dir, "key.pub"), O_RDONLY | O_CLOEXEC);
    if (w->lock < 0 || flock(w->lock, LOCK_EX | LOCK_NB) != 0)
        return fail_set(f, ERR_CONFLICT, "another process witnesses with %s", w->dir);
    return OK;
}

static enum err take_logs(struct witness *w, const struct span *logs, size_t n, struct fail *f)
{
    if (n == 0 || n > WITNESS_LOGS_MAX)
        return fail_set(f, ERR_BAD_VALUE, "a witness knows 1 to %d logs", WITNESS_LOGS_MAX);
    for (; w->n_logs < n; w->n_logs++) {
        struct merkle_key *k = &w->log[w->n_logs];
        enum err e = merkle_key_read(w->arena, arena_copy(w->arena, logs[w->n_logs]), k, f);
        if (!e && k->type != MERKLE_KEY_LOG)
            e = fail_set(f, ERR_BAD_VALUE, "'%.*s' is not the key of a log", SPAN_F(k->name));
        if (e)
            return e;
    }
    return OK;
}

enum err witness_open(const char *dir, const struct span *logs, size_t n, struct witness **out,
                      struct fail *f)
{
    struct witness *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->arena = arena_new(0);
    w->dir = arena_str(w->arena, arena_fmt(w->arena, "%s", dir));
    w->lock = -1;
    pthread_mutex_init(&w->busy, NULL);
    enum err e = open_identity(w, f);
    if (!e)
        e = take_logs(w, logs, n, f);
    if (e) {
        witness_close(w);
        return e;
    }
    *out = w;
    return OK;
}

void witness_close(struct witness *w)
{
    if (!w)
        return;
    if (w->lock >= 0)
        close(w->lock);
    sign_key_free(w->key);
    pthread_mutex_destroy(&w->busy);
    arena_free(w->arena);
    free(w);
}

struct span witness_key(const struct witness *w)
{
    return w->vkey;
}

/* ---- A request */

struct add {
    struct arena *a;
    uint64_t old_size;
    struct digest proof[PROOF_LINES_MAX];
    size_t n;
    struct span note;
    struct merkle_checkpoint head; /* of the note */
    struct merkle_checkpoint seen; /* what we remember; size 0: nothing */
};

static void answer(struct witness_answer *out, int status, struct span body)
{
    *out = (struct witness_answer){status, "text/plain; charset=utf-8", body};
}

static bool cut_line(struct span *rest, struct span *line)
{
    size_t end = span_find(*rest, '\n', 0);
    if (end == rest->len)
        return false;
    *line = span_sub(*rest, 0, end);
    *rest = span_sub(*rest, end + 1, rest->len);
    return true;
}

/* A decimal without leading zeroes. */
static bool read_size(struct span s, uint64_t *out)
{
    return span_u64(s, INT64_MAX, out) && (s.len == 1 || s.p[0] != '0');
}

static bool read_proof_line(struct add *r, struct span line)
{
    struct span hash;
    if (r->n == PROOF_LINES_MAX || line.len > LINE_MAX_LEN || !base64_get(r->a, line, &hash) ||
        hash.len != sizeof(struct digest))
        return false;
    memcpy(r->proof[r->n++].b, hash.p, hash.len);
    return true;
}

static bool read_request(struct add *r, struct span body)
{
    struct span line;
    if (!cut_line(&body, &line) || !span_starts(line, "old ") ||
        !read_size(span_sub(line, 4, line.len), &r->old_size))
        return false;
    for (;;) {
        if (!cut_line(&body, &line))
            return false;
        if (line.len == 0)
            break;
        if (!read_proof_line(r, line))
            return false;
    }
    r->note = body;
    return merkle_checkpoint_read(r->a, body, NULL, &r->head, NULL) == OK;
}

static const struct merkle_key *find_log(const struct witness *w, struct span origin)
{
    for (size_t i = 0; i < w->n_logs; i++)
        if (span_eq(w->log[i].name, origin))
            return &w->log[i];
    return NULL;
}

/* Origins have characters that file names may not: the file is named by their hash. */
static const char *state_path(struct arena *a, const struct witness *w, struct span origin)
{
    struct digest d;
    char hex[2 * sizeof d.b + 1];
    crypto_sha256(origin, &d);
    hex_put(hex, d.b, sizeof d.b);
    return arena_str(a, arena_fmt(a, "%s/log-%s", w->dir, hex));
}

static enum err recall(struct add *r, const struct witness *w, struct fail *f)
{
    struct span note;
    enum err e = file_read(r->a, state_path(r->a, w, r->head.origin), NOTE_FILE_MAX, &note, f);
    if (e == ERR_NOT_FOUND) {
        *f = (struct fail){0};
        return OK;
    }
    return e ? e : merkle_checkpoint_read(r->a, note, NULL, &r->seen, f);
}

/* Both a log that was cut and one that was rewritten fail here, whoever signs for it. */
static bool extends(const struct add *r)
{
    if (r->seen.size == 0)
        return r->n == 0;
    return merkle_check_consistency(r->seen.size, &r->seen.root, r->head.size, &r->head.root, r->proof, r->n);
}

static void cosign(struct add *r, struct witness *w, uint64_t now_s, struct witness_answer *out)
{
    struct fail f = {0};
    uint8_t signature[SIGN_LEN];
    sign_make(w->key, merkle_cosign_message(r->a, now_s, merkle_note_body(r->note)), signature);
    struct span line = merkle_cosign_line(r->a, &w->self, now_s, signature);
    /* Of the signatures only its own: anybody can add lines to a note, and too many could not be read again.
     */
    struct span note = arena_fmt(r->a, "%.*s\n%.*s", SPAN_F(merkle_note_body(r->note)), SPAN_F(line));
    if (file_write_durable(state_path(r->a, w, r->head.origin), note, 0600, &f) != OK) {
        log_line(LOG_LVL_ERROR, "witness", "nothing is cosigned: %s", f.detail);
        answer(out, 500, SPAN("the head could not be remembered\n"));
        return;
    }
    answer(out, 200, line);
}

static void decide(struct add *r, struct witness *w, uint64_t now_s, struct witness_answer *out)
{
    struct fail f = {0};
    if (recall(r, w, &f) != OK) {
        log_line(LOG_LVL_ERROR, "witness", "nothing is cosigned: %s", f.detail);
        answer(out, 500, SPAN("what was seen before cannot be read\n"));
    } else if (r->old_size > r->head.size) {
        answer(out, 400, SPAN("the old size is larger than the checkpoint's\n"));
    } else if (r->old_size != r->seen.size ||
               (r->seen.size == r->head.size &&
                memcmp(&r->seen.root, &r->head.root, sizeof r->head.root) != 0)) {
        answer(out, 409, arena_fmt(r->a, "%llu\n", (unsigned long long)r->seen.size));
        out->type = "text/x.tlog.size";
    } else if (!extends(r)) {
        log_line(LOG_LVL_WARN, "witness", "a head of %.*s does not extend the one seen before",
                 SPAN_F(r->head.origin));
        answer(out, 422, SPAN("the consistency proof does not hold\n"));
    } else {
        cosign(r, w, now_s, out);
    }
}

void witness_add(struct witness *w, struct span body, uint64_t now_s, struct arena *a,
                 struct witness_answer *out)
{
    struct add *r = ARENA_NEW(a, struct add);
    struct merkle_checkpoint c;
    r->a = a;
    if (!read_request(r, body)) {
        answer(out, 400, SPAN("not an add-checkpoint request\n"));
        return;
    }
    const struct merkle_key *log = find_log(w, r->head.origin);
    if (!log) {
        answer(out, 404, SPAN("the log is not one this witness knows\n"));
        return;
    }
    if (merkle_checkpoint_read(a, r->note, log->pk, &c, NULL) != OK) {
        answer(out, 403, SPAN("the checkpoint is not signed by the log's key\n"));
        return;
    }
    pthread_mutex_lock(&w->busy);
    decide(r, w, now_s, out);
    pthread_mutex_unlock(&w->busy);
}
