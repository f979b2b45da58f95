// SPDX-License-Identifier: Apache-2.0
/*
 * troth import FILE|-: many persons, one JSON object a line, in batches of POST /v1/import. How far it is
 * stands in the data folder, in the same transaction as the persons: whatever happens to this process, no
 * line is taken in twice and none is left out. See cli_impl.h
 */
#define _GNU_SOURCE /* getline */
#include "cli_impl.h"

#include "crypto.h"
#include "file.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX    63           /* of one call: IMPORT_LINES_MAX */
#define BYTES_MAX    (900u << 10) /* of one call, below the address's 1 MiB */
#define LINE_MAX_    (256u << 10) /* one person */
#define NAMED_BY     (1u << 20)   /* bytes of a file that give it its name */
#define IDS_MAX      LINES_MAX
#define PATIENCE_S   60  /* without --patience */
#define PAUSE_MS     100 /* before the second try; each pause is twice the one before */
#define PAUSE_MAX_MS 5000
#define OURS         "{\"line\":" /* how each line of an outcome file begins */
#define OURS_LEN     (sizeof OURS - 1)
#define RANGES_TOLD  4 /* of lines whose outcome is lost */

struct job {
    struct cli *cli;
    FILE *in, *ids, *rejects, *at; /* at: where the last outcome went */
    const char *in_path, *ids_path, *rejects_path;
    int unwritten; /* errno of an outcome that could not be written */
    char name[65];
    bool empty;    /* a file of no bytes */
    uint64_t size; /* of the file in bytes; 0: unknown */
    uint64_t read, line, done, taken, refused;
    uint64_t last;  /* where the last batch began that was taken in when this began */
    uint64_t until; /* how many had been taken in then */
    uint8_t *told;  /* lines up to there that the files tell of, a bit each; null: none were taken in */
    uint64_t n_told;
    bool unsynced[2];
    off_t found[2], whole[2]; /* bytes of the files then; without what was just being written */
    bool one_file;            /* both outcomes go into it */
    struct digest lines;      /* of all lines read */
    struct arena *arena;      /* of one batch */
    char *text[LINES_MAX];    /* the batch's lines */
    size_t len[LINES_MAX], n, bytes;
    struct fail why[LINES_MAX]; /* of lines that are no JSON */
    int64_t patience_ms;
};

/* ---- Opening */

static int cannot(const char *doing, const char *path)
{
    fprintf(stderr, "troth: cannot %s %s: %s\n", doing, path, strerror(errno));
    return CLI_FAILED;
}

/* A file is known by its beginning and its length, so that the same one goes on by itself. */
static int name_file(struct job *j, const char *path)
{
    struct stat st;
    struct digest d;
    uint8_t *head = arena_alloc(j->cli->arena, NAMED_BY);
    if (fstat(fileno(j->in), &st) != 0)
        return cannot("read", path);
    j->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    size_t n = S_ISREG(st.st_mode) ? fread(head, 1, NAMED_BY, j->in) : 0;
    if (ferror(j->in))
        return cannot("read", path);
    j->empty = S_ISREG(st.st_mode) && !n;
    if (!j->size)
        return CLI_OK;
    rewind(j->in);
    crypto_sha256_v((struct span[]){span_of(head, n), span_of(&j->size, sizeof j->size)}, 2, &d);
    hex_put(j->name, d.b, 16);
    return CLI_OK;
}

static const char *beside(struct cli *c, const char *option, const char *path, const char *suffix)
{
    const char *given = cli_get(c, option);
    return given ? given : arena_str(c->arena, arena_fmt(c->arena, "%s%s", path, suffix));
}

static int open_all(struct job *j)
{
    struct cli *c = j->cli;
    const char *path = c->arg[0], *name = cli_get(c, "name");
    bool standard = strcmp(path, "-") == 0;
    if (standard && (!name || !cli_get(c, "ids") || !cli_get(c, "rejects")))
        return cli_usage(c->command, "from standard input it needs --name, --ids and --rejects");
    if (name && (strlen(name) > 48 || !name[0]))
        return cli_usage(c->command, "--name has 1 to 48 bytes");
    j->in_path = path;
    j->in = standard ? stdin : fopen(path, "r");
    if (!j->in)
        return cannot("read", path);
    if (!standard && name_file(j, path) != CLI_OK)
        return CLI_FAILED;
    if (name)
        snprintf(j->name, sizeof j->name, "%s", name);
    if (!j->name[0] && !j->empty)
        return cli_usage(c->command, "what is no regular file needs --name");
    j->ids_path = beside(c, "ids", path, ".ids");
    j->rejects_path = beside(c, "rejects", path, ".rejects");
    return CLI_OK;
}

/* ---- Reading */

static void batch_clear(struct job *j)
{
    for (size_t i = 0; i < j->n; i++)
        free(j->text[i]);
    j->n = j->bytes = 0;
    arena_reset(j->arena);
}

/* Each line goes into the digest of those before it. */
static void digest_line(struct job *j, const char *text, size_t n)
{
    crypto_sha256_v((struct span[]){span_of(j->lines.b, sizeof j->lines.b), span_of(text, n)}, 2, &j->lines);
}

static void check_line(struct job *j, size_t i)
{
    const struct json *ignored;
    struct fail *f = &j->why[i];
    *f = (struct fail){0};
    if (j->len[i] > LINE_MAX_)
        fail_set(f, ERR_TOO_LARGE, "The line is longer than %u bytes.", LINE_MAX_);
    else
        json_parse(j->arena, span_of(j->text[i], j->len[i]), &ignored, f);
}

/* What was read of a line before reading failed is none. */
static bool read_line(struct job *j)
{
    size_t cap = 0;
    char *text = NULL;
    ssize_t n = getline(&text, &cap, j->in);
    if (n < 0 || ferror(j->in)) {
        free(text);
        return false;
    }
    j->read += (uint64_t)n;
    j->line++;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    digest_line(j, text, (size_t)n);
    if (j->line < j->last && j->line < j->done) { /* taken in before, and its outcome is asked for no more */
        free(text);
        return true;
    }
    j->text[j->n] = text;
    j->len[j->n] = (size_t)n;
    j->bytes += (size_t)n < LINE_MAX_ ? (size_t)n : 0;
    check_line(j, j->n);
    j->n++;
    return true;
}

/* ---- Telling */

/* Both files together tell of the lines in their order, wherever this ends: what comes next goes on behind
 * the last line of either. */
static bool flush_outcomes(struct job *j)
{
    if (!j->unwritten && j->at && fflush(j->at) != 0)
        j->unwritten = errno;
    return !j->unwritten;
}

static bool put_line(struct job *j, FILE *to, const struct text *t)
{
    if (j->at != to && !flush_outcomes(j))
        return false;
    j->at = to;
    j->unsynced[to == j->rejects] = true;
    if (fprintf(to, "%.*s\n", SPAN_F(text_span(t))) < 0)
        j->unwritten = errno;
    return !j->unwritten;
}

static bool put_reject(struct job *j, uint64_t line, struct span problem, size_t i)
{
    struct text t = text_new(j->arena, 512);
    json_open(&t, NULL, '{');
    json_i64(&t, "line", (int64_t)line);
    json_raw(&t, "problem", problem);
    if (j->why[i].code == OK)
        json_raw(&t, "input", span_of(j->text[i], j->len[i]));
    json_close(&t, '}');
    j->refused++;
    return put_line(j, j->rejects, &t);
}

static struct span own_problem(struct job *j, const struct fail *f)
{
    struct text t = text_new(j->arena, 256);
    json_open(&t, NULL, '{');
    json_str(&t, "detail",
             f->code ? f->detail
                     : "It was refused before the import was interrupted; take it in by itself to see why.");
    if (f->where[0])
        json_str(&t, "pointer", f->where);
    json_close(&t, '}');
    return text_span(&t);
}

static struct span problem_of(struct job *j, const struct json *problems, uint64_t line, size_t i)
{
    int64_t at = 0;
    for (size_t k = 0; k < json_count(problems) && j->why[i].code == OK; k++) {
        const struct json *one = json_at(problems, k), *p = json_get(one, "problem");
        json_read_i64(one, "line", false, &at, NULL);
        if ((uint64_t)at != line)
            continue;
        struct text t = text_new(j->arena, 256);
        json_open(&t, NULL, '{');
        json_string(&t, "title", json_span(json_get(p, "title")));
        json_string(&t, "detail", json_span(json_get(p, "detail")));
        static const char *const more[] = {"pointer", "clause", "hint"};
        for (size_t m = 0; m < sizeof more / sizeof more[0]; m++)
            if (json_span(json_get(p, more[m])).len)
                json_string(&t, more[m], json_span(json_get(p, more[m])));
        json_close(&t, '}');
        return text_span(&t);
    }
    return own_problem(j, &j->why[i]);
}

static bool put_id(struct job *j, uint64_t line, struct span id, size_t i)
{
    const struct json *parsed = NULL;
    struct text t = text_new(j->arena, 128);
    json_parse(j->arena, span_of(j->text[i], j->len[i]), &parsed, NULL);
    json_open(&t, NULL, '{');
    json_i64(&t, "line", (int64_t)line);
    if (json_span(json_get(parsed, "ref")).len)
        json_string(&t, "ref", json_span(json_get(parsed, "ref")));
    json_string(&t, "id", id);
    json_close(&t, '}');
    j->taken++;
    return put_line(j, j->ids, &t);
}

static bool put_outcome(struct job *j, const struct json *answer, struct span id, uint64_t line, size_t i)
{
    if (id.len)
        return put_id(j, line, id, i);
    return put_reject(j, line, problem_of(j, json_get(answer, "problems"), line, i), i);
}

/* Is its outcome in the files since before this began? */
static bool is_told(const struct job *j, uint64_t line)
{
    return line <= j->until && j->told && (j->told[line / 8] >> line % 8 & 1);
}

/* The persons are in the folder: the same command tells again what could not be written, and goes on. */
static int not_written(struct job *j)
{
    errno = j->unwritten;
    cannot("write", j->at == j->ids ? j->ids_path : j->rejects_path);
    fprintf(stderr, "  give the same command again when there is room: it goes on where it stopped\n");
    return CLI_FAILED;
}

/* The outcome of the lines of an answer that are in this batch, whose first line is `first`. */
static int put_outcomes(struct job *j, const struct json *answer, uint64_t first)
{
    const struct json *ids = json_get(answer, "ids");
    int64_t from = 0;
    bool written = true;
    json_read_i64(answer, "first", false, &from, NULL);
    for (size_t k = 0; written && k < json_count(ids); k++) {
        uint64_t line = (uint64_t)from + k;
        if (line < first || line >= first + j->n || is_told(j, line))
            continue;
        written = put_outcome(j, answer, json_span(json_at(ids, k)), line, (size_t)(line - first));
    }
    return flush_outcomes(j) ? CLI_OK : not_written(j);
}

/* The daemon tells again of its last batch only: what went before is on disk before the next one is sent. */
static int sync_outcomes(struct job *j)
{
    FILE *const files[] = {j->ids, j->rejects};
    for (size_t i = 0; i < 2; i++) {
        /* a terminal or a pipe keeps nothing */
        if (!j->unsynced[i] || fdatasync(fileno(files[i])) == 0 || errno == EINVAL || errno == EROFS)
            continue;
        j->unwritten = errno;
        j->at = files[i];
        return not_written(j);
    }
    j->unsynced[0] = j->unsynced[1] = false;
    return CLI_OK;
}

/* ---- Sending */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* What may be otherwise in a moment: busy or not acknowledging, no room, gone. */
static bool passes(const struct job *j, enum err err, int status)
{
    if (!j->cli->by_daemon)
        return false;
    return err != OK || status == 429 || status == 503 || status == 507;
}

/* The same batch may be sent twice: its number of the first line says which it is, and what was done is
 * answered again. */
static enum err send_patiently(struct job *j, struct span body, struct cli_answer *answer, struct fail *f)
{
    int64_t end = now_ms() + j->patience_ms, pause = PAUSE_MS;
    bool told = false;
    while (true) {
        *f = (struct fail){0};
        *answer = (struct cli_answer){0};
        enum err err = cli_send(j->cli, METHOD_POST, SPAN("/v1/import"), SPAN_EMPTY, body, answer, f);
        j->cli->by_daemon |= err == OK && !j->cli->web;
        if (!passes(j, err, answer->status) || now_ms() + pause > end)
            return err;
        if (!told) {
            cli_progress_end();
            fprintf(stderr, "troth: %s; trying again for up to %lld s\n",
                    err != OK ? "the daemon does not answer" : "the daemon cannot take more in now",
                    (long long)j->patience_ms / 1000);
        }
        told = true;
        pause_ms(pause);
        pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
    }
}

static int ask(struct job *j, uint64_t from, bool with_lines, const struct json **out)
{
    struct cli_answer answer;
    struct fail f = {0};
    struct text t = text_new(j->arena, j->bytes + 4096);
    json_open(&t, NULL, '{');
    json_str(&t, "name", j->name);
    json_i64(&t, "from", (int64_t)from);
    json_open(&t, "lines", '[');
    for (size_t i = 0; with_lines && i < j->n; i++) {
        if (j->why[i].code == OK)
            json_raw(&t, NULL, span_of(j->text[i], j->len[i]));
        else
            json_null(&t, NULL);
    }
    json_close(&t, ']');
    if (j->line)
        json_hex(&t, "digest", j->lines.b, sizeof j->lines.b);
    json_close(&t, '}');
    struct arena *mine = j->cli->arena;
    j->cli->arena = j->arena; /* what a request takes goes with the batch */
    enum err err = send_patiently(j, text_span(&t), &answer, &f);
    if (err != OK && j->cli->by_daemon)
        fail_hint(&f, "give the same command again: it goes on where it stopped");
    int code = err != OK ? cli_fail(&f) : answer.status != 200 ? cli_problem(j->cli, &answer) : CLI_OK;
    j->cli->arena = mine;
    if (code == CLI_OK && json_parse(j->arena, answer.body, out, &f) != OK)
        code = cli_fail(&f);
    return code;
}

static void take_done(struct job *j, const struct json *answer)
{
    int64_t done = 0;
    json_read_i64(answer, "done", false, &done, NULL);
    j->done = (uint64_t)done;
}

/* Only when all lines that were taken in have been read is it sure that they are in this input. */
static int other_input(const struct job *j)
{
    if (j->line < j->done)
        fprintf(stderr, "troth: %s has %llu lines, and %llu were taken in under the name %s\n", j->in_path,
                (unsigned long long)j->line, (unsigned long long)j->done, j->name);
    else
        fprintf(
            stderr,
            "troth: the first %llu lines of %s are not those that were taken in under the name %s: at least "
            "one differs\n",
            (unsigned long long)j->done, j->in_path, j->name);
    fputs(
        "  nothing was taken in now; put lines that are new, or were refused and are corrected, into a file "
        "of their own\n",
        stderr);
    return CLI_FAILED;
}

static int another_goes_on(const struct job *j)
{
    fprintf(stderr, "troth: another import goes on under the name %s\n", j->name);
    return CLI_FAILED;
}

/* Lines that were taken in before: only those whose outcome never reached the files matter. Whether they are
 * the same the daemon alone can tell. */
static int batch_pass(struct job *j, uint64_t first)
{
    const struct json *answer;
    bool same = true;
    uint64_t done = j->done;
    if (j->line < j->done) /* the input ends here, or goes on; take_all says so */
        return CLI_OK;
    int code = ask(j, 0, false, &answer);
    if (code != CLI_OK)
        return code;
    take_done(j, answer);
    if (j->done != done)
        return another_goes_on(j);
    json_read_bool(answer, "same", false, &same, NULL);
    return same ? put_outcomes(j, answer, first) : other_input(j);
}

static int batch_send(struct job *j)
{
    const struct json *answer;
    uint64_t first = j->line - j->n + 1;
    if (first <= j->done)
        return batch_pass(j, first);
    int code = sync_outcomes(j);
    if (code == CLI_OK)
        code = ask(j, first, true, &answer);
    if (code != CLI_OK)
        return code;
    take_done(j, answer);
    if (j->done != j->line)
        return another_goes_on(j);
    return put_outcomes(j, answer, first);
}

static void show(const struct job *j)
{
    cli_progress(j->size ? "bytes" : "lines", j->size ? j->read : j->line, j->size);
}

/* A batch never spans what is done and what is not. What is done is not sent: however long, it is one. */
static bool batch_full(const struct job *j)
{
    bool big = j->bytes + LINE_MAX_ > BYTES_MAX && j->line > j->done;
    return j->n == LINES_MAX || big || j->line == j->done;
}

static int take_all(struct job *j)
{
    int code = CLI_OK;
    bool more = true;
    while (more && code == CLI_OK) {
        more = read_line(j);
        if (ferror(j->in)) {
            code = cannot("read", j->in_path);
            break;
        }
        if (!j->n || (more && !batch_full(j)))
            continue;
        code = batch_send(j);
        batch_clear(j);
        show(j);
    }
    cli_progress_end();
    if (code == CLI_OK && j->line < j->done)
        code = other_input(j);
    return code == CLI_OK ? sync_outcomes(j) : code;
}

/* ---- The files of outcomes */

static int foreign(const char *path, const char *why)
{
    fprintf(
        stderr,
        "troth: %s %s\n"
        "  nothing was changed or taken in: give the files as this import left them, or others with --ids "
        "and --rejects\n",
        path, why);
    return CLI_FAILED;
}

/* Whose line this is the daemon tells of those of its last batch. */
static bool last_says(struct job *j, const struct json *answer, size_t which, uint64_t line, struct span text)
{
    const struct json *told = NULL;
    struct span id = json_span(json_at(json_get(answer, "ids"), (size_t)(line - j->last)));
    if (which == 1 && !id.len)
        return true;
    if (!id.len || json_parse(j->arena, text, &told, NULL) != OK)
        return j->one_file && !id.len;
    return span_eq(json_span(json_get(told, "id")), id);
}

/* `rest`: of a line that began as ours do. */
static int note_told(struct job *j, const struct json *answer, size_t which, const char *path,
                     struct span rest)
{
    char *end = NULL, why[192];
    unsigned long long line =
        rest.p[0] >= '0' && rest.p[0] <= '9' ? strtoull((const char *)rest.p, &end, 10) : 0;
    if (!line || *end != ',')
        return foreign(path, "holds what is no outcome of an import");
    if (line > j->done || ++j->n_told > j->done) {
        snprintf(why, sizeof why,
                 "tells of more than the %llu lines that were taken in: it is of another import, or the data "
                 "folder was put back to an earlier time",
                 (unsigned long long)j->done);
        return foreign(path, why);
    }
    j->told[line / 8] |= (uint8_t)(1u << line % 8);
    if (!j->last || line < j->last)
        return CLI_OK;
    struct span text = arena_fmt(j->arena, OURS "%.*s", SPAN_F(rest));
    if (last_says(j, answer, which, line, text))
        return CLI_OK;
    snprintf(why, sizeof why,
             "tells of line %llu what this import did not: it is of another one, or was changed", line);
    return foreign(path, why);
}

/* The lines a file tells of. Nothing of it is changed before all of it is known to be ours. */
static int read_outcomes(struct job *j, const struct json *answer, FILE *f, const char *path, size_t which)
{
    char head[OURS_LEN], *rest = NULL;
    size_t cap = 0, n;
    int code = CLI_OK;
    while (code == CLI_OK && (n = fread(head, 1, OURS_LEN, f)) > 0) {
        if (memcmp(head, OURS, n) != 0) {
            code = foreign(path, "holds what is no outcome of an import");
            break;
        }
        ssize_t len = n == OURS_LEN ? getline(&rest, &cap, f) : 0;
        if (len < 0 && !feof(f))
            code = cannot("read", path);
        if (len <= 0 || rest[len - 1] != '\n')
            break;
        code = note_told(j, answer, which, path, span_of(rest, (size_t)len - 1));
        j->whole[which] += (off_t)n + len;
    }
    free(rest);
    return code == CLI_OK && ferror(f) ? cannot("read", path) : code;
}

static bool one_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int take_outcomes(struct job *j, const struct json *answer, const char *path, size_t which)
{
    struct stat st = {0};
    if (which == 1 && j->one_file)
        return CLI_OK;
    FILE *f = fopen(path, "r");
    if (!f)
        return errno == ENOENT ? CLI_OK : cannot("read", path);
    bool file = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
    int code = file ? read_outcomes(j, answer, f, path, which) : CLI_OK;
    j->found[which] = st.st_size;
    fclose(f);
    return code;
}

/* What another import told, or this file before it was changed, is nowhere else: not written over. */
static int refuse_outcomes(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || !st.st_size)
        return CLI_OK;
    fprintf(stderr,
            "troth: %s holds what another import told, or this file before it was changed\n"
            "  all lines would be taken in, as new persons. Put corrected lines into a file of their own; or "
            "move it away, or give others with --ids and --rejects\n",
            path);
    return CLI_FAILED;
}

/* A new name is on disk before anything is told there. */
static bool sync_folder(struct job *j, const char *path)
{
    int fd = open(arena_str(j->cli->arena, file_folder(path)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0 || errno == EINVAL || errno == EROFS; /* some file systems sync no folders */
    int number = errno;
    close(fd);
    errno = number;
    return synced;
}

/* Both hold what tells of persons: for their owner only. */
static int prepare_outcome(struct job *j, int fd, const char *path, size_t which)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return cannot("write", path);
    if (!S_ISREG(st.st_mode))
        return CLI_OK;
    bool cut = which == 0 || !j->one_file;
    if (cut && st.st_size != j->found[which])
        return foreign(path, "is being written by another import");
    if (cut && st.st_size > j->whole[which] && ftruncate(fd, j->whole[which]) != 0)
        return cannot("write", path);
    if ((st.st_mode & 077) && fchmod(fd, 0600) != 0)
        fprintf(stderr, "troth: others may read %s, and it cannot be made its owner's only: %s\n", path,
                strerror(errno));
    return sync_folder(j, path) ? CLI_OK : cannot("sync the folder of", path);
}

static int open_outcome(struct job *j, FILE **out, const char *path, size_t which)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    *out = fd < 0 ? NULL : fdopen(fd, "a");
    if (*out)
        return prepare_outcome(j, fd, path, which);
    int code = cannot("write", path);
    if (fd >= 0)
        close(fd);
    return code;
}

/* How far it was when this began. What an interrupted one told last may not be on disk. */
static bool take_before(struct job *j, const struct json *answer)
{
    int64_t first = 0;
    take_done(j, answer);
    json_read_i64(answer, "first", false, &first, NULL);
    j->last = (uint64_t)first;
    j->until = j->done;
    j->unsynced[0] = j->unsynced[1] = j->done > 0;
    j->told = j->done ? calloc(j->done / 8 + 1, 1) : NULL;
    return j->told || !j->done;
}

static int open_outcomes(struct job *j)
{
    const struct json *answer;
    int code = ask(j, 0, false, &answer);
    if (code != CLI_OK)
        return code;
    if (!take_before(j, answer))
        return cannot("keep in mind the lines of", j->in_path);
    const char *const path[] = {j->ids_path, j->rejects_path};
    j->one_file = one_file(j->ids_path, j->rejects_path);
    for (size_t i = 0; i < 2 && code == CLI_OK; i++)
        code = j->done ? take_outcomes(j, answer, path[i], i) : refuse_outcomes(path[i]);
    arena_reset(j->arena);
    if (code == CLI_OK)
        code = open_outcome(j, &j->ids, j->ids_path, 0);
    return code == CLI_OK ? open_outcome(j, &j->rejects, j->rejects_path, 1) : code;
}

/* The next lines from *line on, before `last`, of which no file tells. */
static bool lost_range(const struct job *j, uint64_t *line, uint64_t *end)
{
    while (*line < j->last && is_told(j, *line))
        ++*line;
    *end = *line;
    while (*end < j->last && !is_told(j, *end))
        ++*end;
    return *line < j->last;
}

/* Persons whose ids nothing tells again: files that were cut, moved away or are others than before. */
static int lost_outcomes(const struct job *j)
{
    struct text t = text_new(j->cli->arena, 256);
    uint64_t lost = 0, end;
    size_t ranges = 0;
    for (uint64_t line = 1; lost_range(j, &line, &end); line = end) {
        lost += end - line;
        if (ranges++ >= RANGES_TOLD)
            continue;
        text_fmt(&t, ranges > 1 ? ", %llu" : "%llu", (unsigned long long)line);
        if (end - line > 1)
            text_fmt(&t, " to %llu", (unsigned long long)end - 1);
    }
    if (!lost)
        return CLI_OK;
    fprintf(stderr,
            "troth: of lines %.*s%s (%llu in all), taken in before, neither %s nor %s tells: those files are "
            "not as the import left them\n",
            SPAN_F(text_span(&t)), ranges > RANGES_TOLD ? " and more" : "", (unsigned long long)lost,
            j->ids_path, j->rejects_path);
    return CLI_FAILED;
}

static void tell_json(const struct job *j, uint64_t before)
{
    struct text t = text_new(j->cli->arena, 256);
    json_open(&t, NULL, '{');
    json_str(&t, "name", j->name);
    json_i64(&t, "lines", (int64_t)j->line);
    json_i64(&t, "before", (int64_t)before);
    json_i64(&t, "imported", (int64_t)j->taken);
    json_i64(&t, "refused", (int64_t)j->refused);
    json_close(&t, '}');
    printf("%.*s\n", SPAN_F(text_span(&t)));
}

static void tell(const struct job *j, uint64_t before)
{
    if (j->cli->json) {
        tell_json(j, before);
        return;
    }
    if (before)
        printf("%llu lines were taken in before\n", (unsigned long long)before);
    printf("%llu persons taken in, ids in %s\n", (unsigned long long)j->taken, j->ids_path);
    if (j->refused)
        printf("%llu lines refused, see %s\n", (unsigned long long)j->refused, j->rejects_path);
}

static void job_end(struct job *j)
{
    batch_clear(j);
    if (j->in && j->in != stdin)
        fclose(j->in);
    if (j->ids)
        fclose(j->ids);
    if (j->rejects)
        fclose(j->rejects);
    free(j->told);
    arena_free(j->arena);
    cli_close(j->cli);
}

/* All of its no lines are taken in: no failure, and no file is made. */
static int nothing(struct job *j)
{
    if (j->cli->json)
        tell_json(j, 0);
    else
        printf("%s is empty: there is nobody to take in\n", j->in_path);
    job_end(j);
    return CLI_OK;
}

int cmd_import(struct cli *c)
{
    struct job *j = ARENA_NEW(c->arena, struct job);
    struct fail f = {0};
    j->cli = c;
    j->arena = arena_new(0);
    const char *patience = cli_get(c, "patience");
    j->patience_ms = (patience ? atoll(patience) : PATIENCE_S) * 1000LL;
    int code = crypto_start(&f) == OK ? open_all(j) : cli_fail(&f);
    if (code == CLI_OK && j->empty && !j->name[0])
        return nothing(j);
    if (code == CLI_OK)
        code = open_outcomes(j);
    uint64_t before = j->done;
    if (code == CLI_OK)
        code = take_all(j);
    if (code == CLI_OK) {
        tell(j, before);
        code = lost_outcomes(j);
    }
    if (code == CLI_OK && j->refused)
        code = CLI_FAILED;
    job_end(j);
    return code;
}
