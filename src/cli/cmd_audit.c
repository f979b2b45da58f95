// SPDX-License-Identifier: Apache-2.0
/* cmd_audit.c: see cmd_audit.h. */
#include "cmd_audit.h"

#include "audit.h"
#include "cli.h"
#include "file.h"
#include "index.h"
#include "json.h"
#include "store.h"
#include "text.h"
#include "trust.h"

#include <stdio.h>
#include <unistd.h>

static const char verify_usage[] =
    "usage: troth audit verify DATA [--against FILE] [--trust FILE] [--index] [--json]\n";
static const char checkpoint_usage[] = "usage: troth audit checkpoint DATA\n";
static const char prove_usage[] = "usage: troth audit prove DATA (INDEX | --receipt FILE)\n";
static const char receipt_usage[] =
    "usage: troth audit receipt verify FILE... (--key KEY | --trust FILE) [--json]\n";

enum { RECEIPT_MAX = 128 << 10 };

struct arguments {
    char **word; /* DATA, INDEX; receipts */
    int n;
    bool json, index;
    const char *key, *trust, *receipt;
    const char *against[AUDIT_OLDER_MAX];
    size_t n_against;
};

/* An option with a value, as --name VALUE or --name=VALUE. */
static bool option(const char *name, char **argv, int argc, int *i, const char **value)
{
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0)
        return false;
    if (argv[*i][len] == '=') {
        *value = argv[*i] + len + 1;
        return true;
    }
    if (argv[*i][len] != 0 || *i + 1 == argc)
        return false;
    *value = argv[++*i];
    return true;
}

static bool take_option(struct arguments *a, int argc, char **argv, int *i)
{
    const char *against;
    if (!strcmp(argv[*i], "--json")) {
        a->json = true;
        return true;
    }
    if (!strcmp(argv[*i], "--index")) {
        a->index = true;
        return true;
    }
    if (option("--key", argv, argc, i, &a->key) || option("--trust", argv, argc, i, &a->trust) ||
        option("--receipt", argv, argc, i, &a->receipt))
        return true;
    if (!option("--against", argv, argc, i, &against) || a->n_against == AUDIT_OLDER_MAX)
        return false;
    a->against[a->n_against++] = against;
    return true;
}

/* Up to `words` of them, moved to the front of argv; how many there were is in `n`. */
static bool read_some(struct arguments *a, int argc, char **argv, int words)
{
    *a = (struct arguments){.word = argv};
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-') {
            if (!take_option(a, argc, argv, &i))
                return false;
        } else if (a->n == words) {
            return false;
        } else {
            a->word[a->n++] = argv[i];
        }
    }
    return true;
}

static bool read_arguments(struct arguments *a, int argc, char **argv, int words)
{
    return read_some(a, argc, argv, words) && a->n == words;
}

static int usage(const char *text)
{
    fputs(text, stderr);
    return CLI_USAGE;
}

static int failed(const struct fail *f)
{
    fprintf(stderr, "troth: %s\n", f->detail);
    if (f->hint[0])
        fprintf(stderr, "  %s\n", f->hint);
    return CLI_FAILED;
}

static int put(struct span s)
{
    bool ok = fwrite(s.p, 1, s.len, stdout) == s.len && fflush(stdout) == 0;
    return ok ? CLI_OK : CLI_FAILED;
}

/* ---- verify */

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    fprintf(stderr, "\r%llu of %llu entries", (unsigned long long)done, (unsigned long long)total);
}

static void report_json(struct arena *a, const struct audit_report *r)
{
    struct text t = text_new(a, 512);
    json_open(&t, NULL, '{');
    json_bool(&t, "ok", r->ok);
    json_i64(&t, "entries", (int64_t)r->entries);
    if (r->ok) {
        json_i64(&t, "signed", (int64_t)r->covered);
        json_i64(&t, "unsigned", (int64_t)(r->entries - r->covered));
    }
    json_i64(&t, "minimum", (int64_t)r->minimum);
    json_i64(&t, "closed_epochs", (int64_t)r->epochs);
    json_hex(&t, "root", r->root.b, sizeof r->root.b);
    if (!r->ok)
        json_str(&t, "fault", r->fault);
    if (r->n_incomparable)
        json_str(&t, "incomparable", r->incomparable);
    json_close(&t, '}');
    text_char(&t, '\n');
    put(text_span(&t));
}

static void report_text(struct arena *a, const char *data, const struct audit_report *r)
{
    struct span root = base64_put(a, span_of(r->root.b, sizeof r->root.b));
    unsigned long long held = r->covered - r->minimum, after = r->entries - r->covered;
    if (!r->ok)
        printf("%s: the record is NOT as it was written\n  %s\n", data, r->fault);
    else
        printf("%s: %llu entries under a signed head, every one as it was recorded; root %.*s\n", data, held,
               SPAN_F(root));
    if (r->ok && after)
        printf("  %llu more after it, whole by their checksums, but no signed head covers them yet\n", after);
    if (r->ok && r->minimum)
        printf(
            "  entries below %llu were pruned with their epochs; the head of each closed epoch (%zu) is in "
            "audit/epochs\n",
            (unsigned long long)r->minimum, r->epochs);
    if (r->n_incomparable)
        printf("%s: it cannot be compared any more: what stood there was pruned\n", r->incomparable);
}

static enum err read_trust(struct arena *a, const char *path, struct trust **t, struct fail *f)
{
    struct span text;
    enum err e = file_read(a, path, TRUST_FILE_MAX, &text, f);
    return e ? e : trust_read(a, text, t, f);
}

/* A head somebody kept is a note, or a receipt that has one in it. */
static enum err read_older(struct arena *a, const struct arguments *args, struct audit_older *older,
                           struct fail *f)
{
    enum err e = OK;
    for (size_t i = 0; i < args->n_against && !e; i++) {
        struct span text, note;
        e = file_read(a, args->against[i], RECEIPT_MAX, &text, f);
        if (!e && merkle_proof_note(a, text, &note, NULL) == OK)
            text = note;
        older[i] = (struct audit_older){args->against[i], text};
    }
    return e;
}

/* What the witnesses of the trust file have cosigned; without a quorum in it the log's own head. */
static void check_trust(struct arena *a, const struct arguments *args, const struct trust *t,
                        struct audit_report *r)
{
    struct span note, signers;
    struct merkle_checkpoint c;
    struct fail f = {0};
    const char *name = t->quorum == TRUST_MEMBERS_MAX ? "checkpoint" : "witnessed";
    const char *path = arena_str(a, arena_fmt(a, "%s/audit/%s", args->word[0], name));
    if (file_read(a, path, RECEIPT_MAX, &note, &f) == OK && trust_check(a, t, note, &c, &signers, &f) == OK)
        return;
    r->ok = false;
    snprintf(r->fault, sizeof r->fault, "audit/%s: %.300s", name, f.detail);
}

/* The index log first: the newest head of this record in it is one that the record must contain. */
static enum err check_index(struct arena *a, const struct arguments *args, struct audit_older *older,
                            size_t *n, struct audit_report *r, struct fail *f)
{
    struct store *st = NULL;
    struct span text, origin = SPAN_EMPTY;
    struct merkle_key key;
    struct index_report index;
    const char *path = arena_str(a, arena_fmt(a, "%s/index-key.pub", args->word[0]));
    enum err e = file_read(a, path, RECEIPT_MAX, &text, f);
    if (e) {
        fail_hint(f, "only the nodes of one database on a server have an index log");
        return e;
    }
    e = merkle_key_read(a, text, &key, f);
    if (!e)
        e = file_read(a, arena_str(a, arena_fmt(a, "%s/audit/origin", args->word[0])), RECEIPT_MAX, &origin,
                      f);
    if (!e)
        e = store_open(args->word[0], STORE_READ, &st, f);
    if (!e)
        e = store_begin_read(st, f);
    if (!e) {
        e = index_verify(st, &key, span_trim(origin), a, &index, f);
        store_end_read(st);
    }
    store_close(st);
    if (e)
        return e;
    if (!index.ok)
        snprintf(r->fault, sizeof r->fault, "the index log: %.350s", index.fault);
    else if (!args->json)
        printf("the index log: %llu entries, every one as it was entered\n",
               (unsigned long long)index.entries);
    if (index.ok && index.newest.len && *n < AUDIT_OLDER_MAX)
        older[(*n)++] = (struct audit_older){"the index log", index.newest};
    return OK;
}

static enum err run_verify(struct arena *a, const struct arguments *args, struct audit_report *r, bool show,
                           struct fail *f)
{
    struct audit_older older[AUDIT_OLDER_MAX];
    struct trust *t = NULL;
    enum err e = args->trust ? read_trust(a, args->trust, &t, f) : OK;
    if (!e)
        e = read_older(a, args, older, f);
    size_t n_older = args->n_against;
    if (!e && args->index)
        e = check_index(a, args, older, &n_older, r, f);
    if (e || r->fault[0])
        return e;
    e = audit_verify_older(args->word[0], older, n_older, r, show ? show_progress : NULL, NULL, f);
    if (!e && t && r->ok)
        check_trust(a, args, t, r);
    return e;
}

int cli_audit_verify(int argc, char **argv)
{
    struct arguments args;
    struct audit_report r = {0};
    struct fail f = {0};
    if (!read_arguments(&args, argc, argv, 1) || args.key)
        return usage(verify_usage);
    bool show = isatty(STDERR_FILENO) && !args.json;
    struct arena *a = arena_new(0);
    enum err e = run_verify(a, &args, &r, show, &f);
    if (show)
        fputs("\r\033[K", stderr);
    int code = e ? failed(&f) : r.ok && !r.n_incomparable ? CLI_OK : CLI_FAILED;
    if (!e && args.json)
        report_json(a, &r);
    else if (!e)
        report_text(a, args.word[0], &r);
    arena_free(a);
    return code;
}

/* ---- receipt verify */

/* --key is the key itself, or a file with it. */
static enum err read_key(struct arena *a, const char *given, struct merkle_key *k, struct fail *f)
{
    struct span text = span_str(given);
    enum err e = file_exists(given) ? file_read(a, given, RECEIPT_MAX, &text, f) : OK;
    return e ? e : merkle_key_read(a, text, k, f);
}

/* Whom to believe. */
struct judge {
    struct merkle_key key;
    struct trust *trust; /* null: the key alone */
};

/* One file, and what was found out about it. */
struct finding {
    const char *file;
    bool among; /* others: each line names its file */
    struct audit_receipt r;
    struct span signers;
};

static enum err check_by_key(struct arena *a, const struct merkle_key *k, struct span text,
                             struct audit_receipt *r, struct fail *f)
{
    enum err e = audit_receipt_check(a, text, k->pk, r, f);
    if (!e && !span_eq(r->head.origin, k->name))
        e = fail_set(f, ERR_INTEGRITY, "the receipt is of another log, %.*s", SPAN_F(r->head.origin));
    return e;
}

static enum err check_by_trust(struct arena *a, const struct trust *t, struct span text,
                               struct audit_receipt *r, struct span *signers, struct fail *f)
{
    struct merkle_checkpoint c;
    enum err e = audit_receipt_check(a, text, NULL, r, f);
    return e ? e : trust_check(a, t, r->note, &c, signers, f);
}

static void receipt_json(struct arena *a, const struct finding *x)
{
    struct text t = text_new(a, 1024);
    json_open(&t, NULL, '{');
    json_bool(&t, "ok", true);
    if (x->among)
        json_str(&t, "file", x->file);
    json_string(&t, "origin", x->r.head.origin);
    json_i64(&t, "entry", (int64_t)x->r.index);
    json_i64(&t, "size", (int64_t)x->r.head.size);
    json_str(&t, "kind", audit_kind_name(x->r.leaf.kind));
    json_instant(&t, "time", x->r.leaf.time);
    json_string(&t, "witnesses", x->signers);
    if (x->r.opened)
        json_raw(&t, "detail", x->r.detail);
    json_close(&t, '}');
    text_char(&t, '\n');
    put(text_span(&t));
}

static void receipt_text(struct arena *a, const struct finding *x)
{
    struct text when = text_new(a, 64);
    json_instant(&when, NULL, x->r.leaf.time);
    printf("%s%sgenuine: entry %llu of %.*s, under a head of %llu entries\n  what   %s\n  when   %.*s\n",
           x->among ? x->file : "", x->among ? ": " : "", (unsigned long long)x->r.index,
           SPAN_F(x->r.head.origin), (unsigned long long)x->r.head.size, audit_kind_name(x->r.leaf.kind),
           SPAN_F(text_span(&when)));
    if (x->r.opened)
        printf("  detail %.*s\n", SPAN_F(x->r.detail));
    else
        printf("  detail not in this proof\n");
    if (x->signers.len)
        printf("  cosigned by %.*s\n", SPAN_F(x->signers));
}

static void receipt_bad(struct arena *a, const struct finding *x, bool json, struct fail *f)
{
    struct text t = text_new(a, 512);
    if (json && x->among) {
        json_open(&t, NULL, '{');
        json_bool(&t, "ok", false);
        json_str(&t, "file", x->file);
        json_str(&t, "fault", f->detail);
        json_close(&t, '}');
        text_char(&t, '\n');
        put(text_span(&t));
    }
    if (x->among)
        fprintf(stderr, "troth: %s: ", x->file);
    fprintf(stderr, "%s%s\n", x->among ? "" : "troth: ", f->detail);
    if (f->hint[0])
        fprintf(stderr, "  %s\n", f->hint);
}

static bool receipt_good(struct arena *a, const struct judge *j, struct finding *x, bool json)
{
    struct span text;
    struct fail f = {0};
    enum err e = file_read(a, x->file, RECEIPT_MAX, &text, &f);
    if (!e)
        e = j->trust ? check_by_trust(a, j->trust, text, &x->r, &x->signers, &f)
                     : check_by_key(a, &j->key, text, &x->r, &f);
    if (e)
        receipt_bad(a, x, json, &f);
    else if (json)
        receipt_json(a, x);
    else
        receipt_text(a, x);
    return !e;
}

int cli_audit_receipt_verify(int argc, char **argv)
{
    struct arguments args;
    struct judge j = {0};
    struct fail f = {0};
    if (!read_some(&args, argc, argv, argc) || !args.n || args.n_against || args.receipt || args.index ||
        !args.key == !args.trust)
        return usage(receipt_usage);
    struct arena *a = arena_new(0), *one = arena_new(0);
    enum err e = args.trust ? read_trust(a, args.trust, &j.trust, &f) : read_key(a, args.key, &j.key, &f);
    int good = 0;
    for (int i = 0; i < args.n && !e; i++) {
        struct finding x = {.file = args.word[i], .among = args.n > 1};
        good += receipt_good(one, &j, &x, args.json);
        arena_reset(one);
    }
    if (e)
        failed(&f);
    else if (args.n > 1 && !args.json)
        printf("%d of %d receipts are genuine\n", good, args.n);
    arena_free(one);
    arena_free(a);
    return !e && good == args.n ? CLI_OK : CLI_FAILED;
}

/* ---- checkpoint, prove */

int cli_audit_checkpoint(int argc, char **argv)
{
    struct arguments args;
    struct audit *au;
    struct span note;
    struct fail f = {0};
    if (!read_arguments(&args, argc, argv, 1))
        return usage(checkpoint_usage);
    if (audit_open_read(args.word[0], &au, &f))
        return failed(&f);
    struct arena *a = arena_new(0);
    enum err e = audit_checkpoint(au, a, &note, &f);
    int code = e ? failed(&f) : put(note);
    arena_free(a);
    audit_close(au);
    return code;
}

/* A number has one spelling, so that two people who name an entry name the same. */
static bool read_index(const char *given, uint64_t *index)
{
    struct span s = span_str(given);
    bool padded = s.len > 1 && s.p[0] == '0';
    if (!padded && span_u64(s, INT64_MAX, index))
        return true;
    fprintf(stderr, "troth: INDEX is a decimal number without leading zeros, not '%s'\n", given);
    return false;
}

/* The `receipt` of an answer, as it came: which entry of which record, and what opens it. */
static enum err prove_receipt(struct audit *au, const char *path, struct arena *a, struct span *proof,
                              struct fail *f)
{
    struct span text, origin = SPAN_EMPTY, coded = SPAN_EMPTY, opening;
    const struct json *v = NULL;
    int64_t entry = -1;
    enum err e = file_read_plain(a, path, RECEIPT_MAX, &text, f);
    if (!e)
        e = json_parse(a, text, &v, f);
    if (!e)
        e = json_read_string(v, "origin", false, RECEIPT_MAX, &origin, f);
    if (!e)
        e = json_read_i64(v, "entry", true, &entry, f);
    if (!e)
        e = json_read_string(v, "opening", true, RECEIPT_MAX, &coded, f);
    if (e)
        return e;
    if (origin.len && !span_eq(origin, audit_origin(au))) {
        fail_hint(f, "this record is %.*s", SPAN_F(audit_origin(au)));
        return fail_set(f, ERR_NOT_FOUND, "%s: the entry is of another record, %.*s", path, SPAN_F(origin));
    }
    if (entry < 0 || !base64_get(a, coded, &opening))
        return fail_set(f, ERR_BAD_VALUE, "%s: it is not the `receipt` of an answer, as it came", path);
    return audit_receipt(au, (uint64_t)entry, opening, a, proof, f);
}

int cli_audit_prove(int argc, char **argv)
{
    struct arguments args;
    struct audit *au;
    struct span proof = SPAN_EMPTY;
    struct fail f = {0};
    uint64_t index = 0;
    if (!read_some(&args, argc, argv, 2) || args.n != (args.receipt ? 1 : 2) ||
        (!args.receipt && !read_index(args.word[1], &index)))
        return usage(prove_usage);
    if (audit_open_read(args.word[0], &au, &f))
        return failed(&f);
    struct arena *a = arena_new(0);
    enum err e =
        args.receipt ? prove_receipt(au, args.receipt, a, &proof, &f) : audit_prove(au, index, a, &proof, &f);
    int code = e ? failed(&f) : put(proof);
    arena_free(a);
    audit_close(au);
    return code;
}
