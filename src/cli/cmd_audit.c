// SPDX-License-Identifier: Apache-2.0
/* cmd_audit.c: see cmd_audit.h. */
#include "cmd_audit.h"

#include "audit.h"
#include "cli.h"
#include "text.h"

#include <stdio.h>
#include <unistd.h>

static const char verify_usage[] = "usage: troth audit verify DATA [--json]\n";
static const char checkpoint_usage[] = "usage: troth audit checkpoint DATA\n";
static const char prove_usage[] = "usage: troth audit prove DATA INDEX\n";

struct arguments {
    const char *word[2]; /* DATA, INDEX */
    int n;
    bool json;
};

static bool read_arguments(struct arguments *a, int argc, char **argv, int words, bool may_json)
{
    *a = (struct arguments){0};
    for (int i = 0; i < argc; i++) {
        struct span word = span_str(argv[i]);
        if (may_json && span_is(word, "--json"))
            a->json = true;
        else if (span_starts(word, "-") || a->n == words)
            return false;
        else
            a->word[a->n++] = argv[i];
    }
    return a->n == words;
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
    json_hex(&t, "root", r->root.b, sizeof r->root.b);
    if (!r->ok)
        json_str(&t, "fault", r->fault);
    json_close(&t, '}');
    text_char(&t, '\n');
    put(text_span(&t));
}

static void report_text(struct arena *a, const char *data, const struct audit_report *r)
{
    struct span root = base64_put(a, span_of(r->root.b, sizeof r->root.b));
    if (r->ok)
        printf("%s: %llu entries, every one as it was recorded; root %.*s\n", data,
               (unsigned long long)r->entries, SPAN_F(root));
    else
        printf("%s: the record is NOT as it was written\n  %s\n", data, r->fault);
}

int cli_audit_verify(int argc, char **argv)
{
    struct arguments args;
    struct audit_report r;
    struct fail f = {0};
    if (!read_arguments(&args, argc, argv, 1, true))
        return usage(verify_usage);
    bool show = isatty(STDERR_FILENO) && !args.json;
    enum err e = audit_verify(args.word[0], &r, show ? show_progress : NULL, NULL, &f);
    if (show)
        fputs("\r\033[K", stderr);
    if (e)
        return failed(&f);
    struct arena *a = arena_new(0);
    if (args.json)
        report_json(a, &r);
    else
        report_text(a, args.word[0], &r);
    arena_free(a);
    return r.ok ? CLI_OK : CLI_FAILED;
}

/* ---- checkpoint, prove */

int cli_audit_checkpoint(int argc, char **argv)
{
    struct arguments args;
    struct audit *au;
    struct span note;
    struct fail f = {0};
    if (!read_arguments(&args, argc, argv, 1, false))
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

int cli_audit_prove(int argc, char **argv)
{
    struct arguments args;
    struct audit *au;
    struct span proof;
    struct fail f = {0};
    uint64_t index;
    if (!read_arguments(&args, argc, argv, 2, false) || !span_u64(span_str(args.word[1]), INT64_MAX, &index))
        return usage(prove_usage);
    if (audit_open_read(args.word[0], &au, &f))
        return failed(&f);
    struct arena *a = arena_new(0);
    enum err e = audit_prove(au, index, a, &proof, &f);
    int code = e ? failed(&f) : put(proof);
    arena_free(a);
    audit_close(au);
    return code;
}
