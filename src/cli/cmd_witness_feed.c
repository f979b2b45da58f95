// SPDX-License-Identifier: Apache-2.0
/* cmd_witness_feed.c: see cmd_witness.c. */
#include "audit.h"
#include "cli_impl.h"
#include "curl_late.h"
#include "file.h"
#include "trust.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    EVERY_S = 10,
    TIMEOUT_S = 20,
    ANSWER_MAX = 16 << 10, /* signature lines */
    TRIES = 3              /* the first may learn what the witness remembers */
};

struct feed {
    struct cli *c;
    const struct trust *trust;
    uint64_t known[TRUST_MEMBERS_MAX]; /* what each witness cosigned last */
    bool refused;                      /* a witness said that this record contradicts what it saw */
};

struct reply {
    long status;
    char body[ANSWER_MAX];
    size_t len;
};

static size_t take(char *p, size_t size, size_t n, void *ctx)
{
    struct reply *r = ctx;
    if (size * n > sizeof r->body - r->len)
        return 0;
    memcpy(r->body + r->len, p, size * n);
    r->len += size * n;
    return size * n;
}

static enum err post(struct arena *a, struct span url, struct span body, struct reply *r, struct fail *f)
{
    CURL *curl = curl_late_open(f) == OK ? curl_easy_init() : NULL;
    if (!curl)
        return fail_set(f, ERR_INTERNAL, "no memory for a connection");
    r->status = 0;
    r->len = 0;
    const char *slash = url.len && url.p[url.len - 1] == '/' ? "" : "/";
    curl_easy_setopt(curl, CURLOPT_URL,
                     arena_str(a, arena_fmt(a, "%.*s%sadd-checkpoint", SPAN_F(url), slash)));
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.p);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_cleanup(curl);
    return code == CURLE_OK ? OK : fail_set(f, ERR_BUSY, "%.*s: %s", SPAN_F(url), curl_easy_strerror(code));
}

static struct span request_body(struct arena *a, uint64_t old, const struct digest *proof, size_t n,
                                struct span note)
{
    struct text t = text_new(a, 4096);
    text_fmt(&t, "old %llu\n", (unsigned long long)old);
    for (size_t i = 0; i < n; i++) {
        text_put(&t, base64_put(a, span_of(proof[i].b, sizeof proof[i].b)));
        text_char(&t, '\n');
    }
    text_char(&t, '\n');
    text_put(&t, note);
    return text_span(&t);
}

/* 200: the line is checked before it counts. 409: the witness says what it remembers. */
static enum err judge(struct feed *d, size_t at, struct arena *a, struct reply *r, struct span *note,
                      bool *again, struct fail *f)
{
    const struct trust_member *m = &d->trust->member[at];
    struct span body = span_of(r->body, r->len);
    struct merkle_checkpoint c;
    uint64_t size = 0, time_s;
    *again = false;
    if (r->status == 409 && span_u64(span_trim(body), INT64_MAX, &size) && size != d->known[at]) {
        d->known[at] = size;
        *again = true;
        return OK;
    }
    if (r->status == 409 || r->status == 422) {
        d->refused = true;
        fail_hint(f, "the record was cut, rewritten or restored from an older copy; `troth audit verify "
                     "--against` tells");
        return fail_set(f, ERR_INTEGRITY, "%.*s refuses: the head does not extend what it saw before (%ld)",
                        SPAN_F(m->name), r->status);
    }
    if (r->status != 200)
        return fail_set(f, ERR_CONFLICT, "%.*s answers %ld: %.*s", SPAN_F(m->name), r->status,
                        SPAN_F(span_sub(span_trim(body), 0, 120)));
    struct span with = arena_fmt(a, "%.*s%.*s", SPAN_F(*note), SPAN_F(body));
    enum err e = merkle_cosigned(a, with, &m->key, &time_s, f);
    if (!e)
        e = merkle_checkpoint_read(a, with, NULL, &c, f);
    if (e)
        return e;
    *note = with;
    d->known[at] = c.size;
    return OK;
}

/* One witness, one head: its cosignature is added to *note. */
static enum err ask(struct feed *d, size_t at, struct arena *a, struct audit *au, struct span head,
                    struct span *note, struct fail *f)
{
    struct reply *r = ARENA_NEW(a, struct reply);
    bool again = true;
    enum err e = OK;
    for (int i = 0; i < TRIES && again && !e; i++) {
        struct digest *proof;
        struct span unused;
        size_t n = 0;
        e = audit_consistency(au, d->known[at], a, &proof, &n, &unused, f);
        if (e == ERR_NOT_FOUND) {
            d->refused = true;
            *f = (struct fail){0};
            return fail_set(f, ERR_INTEGRITY, "the record is shorter than the witness remembers");
        }
        if (!e)
            e = post(a, d->trust->member[at].url, request_body(a, d->known[at], proof, n, head), r, f);
        if (!e)
            e = judge(d, at, a, r, note, &again, f);
    }
    return e;
}

static enum err round_of(struct feed *d, struct arena *a, struct audit *au, struct fail *f)
{
    struct span head, note, signers;
    struct merkle_checkpoint c;
    enum err e = audit_checkpoint(au, a, &head, f);
    note = head;
    for (size_t i = 0; i < d->trust->n_members && !e; i++) {
        struct fail mine = {0};
        if (!d->trust->member[i].url.len)
            continue;
        if (ask(d, i, a, au, head, &note, &mine) != OK)
            cli_fail(&mine); /* the quorum may do without it */
    }
    if (!e)
        e = trust_check(a, d->trust, note, &c, &signers, f);
    if (e)
        return e;
    const char *path = arena_str(a, arena_fmt(a, "%s/audit/witnessed", d->c->arg[0]));
    e = file_write_durable(path, note, 0644, f);
    if (!e)
        printf("%llu entries cosigned by %.*s\n", (unsigned long long)c.size, SPAN_F(signers));
    fflush(stdout);
    return e;
}

static enum err one_round(struct feed *d, struct fail *f)
{
    struct audit *au;
    struct arena *a = arena_new(0);
    enum err e = audit_open_read(d->c->arg[0], &au, f);
    if (!e) {
        e = round_of(d, a, au, f);
        audit_close(au);
    }
    arena_free(a);
    return e;
}

/* Runs until a signal, or once. A witness that is away is asked again the next time; one that refuses ends
 * it. */
static int run(struct feed *d, const sigset_t *set)
{
    const char *every = cli_get(d->c, "every");
    const struct timespec pause = {.tv_sec = every ? atoi(every) : EVERY_S};
    for (;;) {
        struct fail f = {0};
        enum err e = one_round(d, &f);
        if (e)
            cli_fail(&f);
        if (d->refused)
            return CLI_FAILED;
        if (cli_get(d->c, "once"))
            return e ? CLI_FAILED : CLI_OK;
        if (sigtimedwait(set, NULL, &pause) > 0)
            return CLI_OK;
    }
}

int cmd_audit_witness_feed(struct cli *c)
{
    struct feed *d = ARENA_NEW(c->arena, struct feed);
    struct trust *t = NULL;
    struct span text;
    struct fail f = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    enum err e = file_read(c->arena, cli_get(c, "trust"), TRUST_FILE_MAX, &text, &f);
    if (!e)
        e = trust_read(c->arena, text, &t, &f);
    if (e)
        return cli_fail(&f);
    d->c = c;
    d->trust = t;
    return run(d, &set);
}
