// SPDX-License-Identifier: Apache-2.0
/* The steps of a migration, and DATA/migration, which says how far it is: see move.h. */
#define _GNU_SOURCE /* strerrordesc_np */
#include "store_move_impl.h"

#include "file.h"
#include "id.h"
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_MAX   16384 /* two URLs and three words */
#define COPY_BUFFER 65536
#define GO_ON       "run `troth migrate --from %s` again; to give it up: `troth migrate --from %s --give-up`"

static const enum store_db both[] = {STORE_MAIN, STORE_KEYS};
/* What holds the data before, in the order it goes. */
static const char *const file_names[] = {"keys.db",  "keys.db-wal",  "keys.db-shm",
                                         "troth.db", "troth.db-wal", "troth.db-shm"};
enum { FILE_NAMES = sizeof file_names / sizeof file_names[0] };
static const char *const step_words[] = {[MOVE_COPY] = "copy", [MOVE_SWITCH] = "switch"};

/* ---- DATA/migration */

static const char *in_folder(struct arena *a, const char *data, const char *name)
{
    return arena_str(a, arena_fmt(a, "%s/%s", data, name));
}

bool move_begun(const char *data)
{
    char path[STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s/migration", data);
    return file_exists(path);
}

enum err move_check(const char *data, struct fail *f)
{
    if (!move_begun(data))
        return OK;
    fail_hint(f, GO_ON, data, data);
    return fail_set(f, ERR_CONFLICT, "%s: a migration to PostgreSQL is half finished", data);
}

bool move_done(const char *data, const char *people, const char *keys)
{
    struct arena *a = arena_new(1024);
    struct pg_urls urls;
    bool done = !move_begun(data) && file_exists(in_folder(a, data, "moved.json")) &&
                pg_urls_read(a, data, &urls, NULL) == OK && urls.main.len &&
                (!people || span_is(urls.main, people)) && (!keys || span_is(urls.keys, keys));
    arena_free(a);
    return done;
}

static enum err state_damaged(const char *path, struct fail *f)
{
    fail_hint(f, "put it back from a backup of the folder; without it the migration cannot go on");
    return fail_set(f, ERR_CORRUPT, "%s cannot be read: it says which migration is under way", path);
}

static enum err state_read(struct move *m, struct fail *f)
{
    const char *path = in_folder(m->arena, m->data, "migration");
    struct span text, line, step = SPAN_EMPTY, id = SPAN_EMPTY, people = SPAN_EMPTY, keys = SPAN_EMPTY;
    uint8_t raw[MOVE_ID_HEX / 2];
    enum err err = file_read(m->arena, path, STATE_MAX, &text, f);
    while (err == OK && span_cut(&text, '\n', &line)) {
        struct span value = line, key;
        span_cut(&value, '=', &key);
        key = span_trim(key);
        struct span *into = span_is(key, "id")     ? &id
                            : span_is(key, "main") ? &people
                            : span_is(key, "keys") ? &keys
                            : span_is(key, "step") ? &step
                                                   : NULL;
        if (into)
            *into = span_trim(value);
    }
    if (err != OK)
        return err;
    bool copy = span_is(step, step_words[MOVE_COPY]);
    if (!hex_get(id, raw, sizeof raw) || !store_url_valid(people) || !store_url_valid(keys) ||
        (!copy && !span_is(step, step_words[MOVE_SWITCH])))
        return state_damaged(path, f);
    hex_put(m->id, raw, sizeof raw);
    m->people = arena_str(m->arena, people);
    m->keys = arena_str(m->arena, keys);
    m->step = copy ? MOVE_COPY : MOVE_SWITCH;
    return OK;
}

static enum err state_write(struct move *m, struct fail *f)
{
    struct span text = arena_fmt(m->arena, "id = %s\nmain = %s\nkeys = %s\nstep = %s\n", m->id, m->people,
                                 m->keys, step_words[m->step]);
    return file_write_durable(in_folder(m->arena, m->data, "migration"), text, 0600, f);
}

static enum err remove_file(struct move *m, const char *name, struct fail *f)
{
    const char *path = in_folder(m->arena, m->data, name);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_set(f, ERR_IO, "%s cannot be removed: %s", path, strerrordesc_np(errno));
    return file_sync_dir(m->data, f);
}

static enum err state_remove(struct move *m, struct fail *f)
{
    return remove_file(m, "migration", f);
}

/* ---- Opening */

static struct move *move_new(const char *data)
{
    struct arena *a = arena_new(0);
    struct move *m = ARENA_NEW(a, struct move);
    *m = (struct move){.arena = a, .scratch = arena_new(0), .data = arena_str(a, span_str(data))};
    store_start();
    return m;
}

static void files_close(struct move *m)
{
    sqlite3_finalize(m->at);
    m->at = NULL;
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
        if (m->file[both[i]].db)
            store_file_close(&m->file[both[i]]);
}

void move_close(struct move *m)
{
    if (!m)
        return;
    files_close(m);
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
        pg_close(m->pg[both[i]]);
    arena_free(m->scratch);
    arena_free(m->arena);
}

static enum err take_urls(struct move *m, const char *people, const char *keys, struct fail *f)
{
    if (!people || !keys) {
        fail_hint(f,
                  "The keys lie apart from the data: --to URL --keys-to URL, in production on two servers.");
        return fail_set(f, ERR_USAGE, "--to and --keys-to go together.");
    }
    if (!store_url_valid(span_str(people)) || !store_url_valid(span_str(keys)))
        return fail_set(f, ERR_USAGE, "%s takes a URL that begins with postgresql://, without blanks.",
                        store_url_valid(span_str(people)) ? "--keys-to" : "--to");
    m->people = arena_str(m->arena, span_str(people));
    m->keys = arena_str(m->arena, span_str(keys));
    return OK;
}

static enum err first_time(struct move *m, const char *people, const char *keys, struct fail *f)
{
    uint8_t raw[MOVE_ID_HEX / 2];
    if (file_exists(in_folder(m->arena, m->data, "database")))
        return fail_set(f, ERR_CONFLICT, "%s: its databases lie on a server already.", m->data);
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return fail_set(f, ERR_INTERNAL, "The system gives no random bytes.");
    hex_put(m->id, raw, sizeof raw);
    return take_urls(m, people, keys, f);
}

/* A start follows a link, the end of a migration does not: what lies behind it would be left. */
static enum err files_plain(struct move *m, struct fail *f)
{
    struct stat st;
    for (size_t i = 0; i < FILE_NAMES; i++) {
        const char *path = in_folder(m->arena, m->data, file_names[i]);
        if (lstat(path, &st) != 0 || S_ISREG(st.st_mode))
            continue;
        fail_hint(f, "with the daemon stopped, put the file itself into the folder: it is overwritten and "
                     "removed at the end");
        return fail_set(f, ERR_CONFLICT, "%s is %s, no file of its own", path,
                        S_ISLNK(st.st_mode) ? "a symbolic link" : "something else");
    }
    return OK;
}

static bool files_left(const struct move *m)
{
    struct stat st;
    bool left = false;
    for (size_t i = 0; i < FILE_NAMES; i++)
        left |= lstat(in_folder(m->arena, m->data, file_names[i]), &st) == 0 || errno != ENOENT;
    return left;
}

static enum err files_open(struct move *m, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < sizeof both / sizeof both[0] && err == OK; i++) {
        struct store_file *sf = &m->file[both[i]];
        err = store_file_path(sf, both[i], m->data, f);
        if (err == OK)
            err = store_file_open(sf, STORE_WRITE, f);
        if (err == OK)
            err = store_schema_migrate(sf, store_sql, store_sql_count, true, f);
    }
    return err == OK ? move_look(m, f) : err;
}

static enum err connect_both(struct move *m, struct fail *f)
{
    struct span place[2] = {SPAN_EMPTY, SPAN_EMPTY};
    enum err err = pg_move_connect(m->people, STORE_MAIN, &m->pg[STORE_MAIN], f);
    if (err == OK)
        err = pg_move_place(m->pg[STORE_MAIN], m->arena, &place[0], f);
    /* The same database by another name would wait for its own lock. */
    if (err == OK && strcmp(m->people, m->keys) != 0)
        err = pg_move_apart(m->keys, m->arena, &place[1], f);
    if (err == OK && (!place[1].len || span_eq(place[0], place[1]))) {
        fail_hint(f, "make a second database, in production on another server: --keys-to URL");
        return fail_set(f, ERR_CONFLICT, "the keys must not lie in the database of the data");
    }
    return err == OK ? pg_move_connect(m->keys, STORE_KEYS, &m->pg[STORE_KEYS], f) : err;
}

static enum err check_clock(struct move *m, struct fail *f)
{
    int64_t ms = 0;
    enum err err = pg_move_skew(m->pg[STORE_MAIN], &ms, f);
    if (err != OK || (ms <= NODE_SKEW_MAX_MS && ms >= -NODE_SKEW_MAX_MS))
        return err;
    fail_hint(f, "let both keep time (NTP): no daemon starts beyond %d ms", NODE_SKEW_MAX_MS);
    return fail_set(f, ERR_CONFLICT, "this machine's clock is %lld ms %s the database server's",
                    (long long)llabs(ms), ms > 0 ? "behind" : "ahead of");
}

/* All was moved: only to where the mark of this migration is. Both marks go when no file is left, and there
 * is nothing to lose from then on. */
static enum err unfit_end(const struct move *m, enum store_db db, enum pg_move_found found, bool renamed,
                          struct fail *f)
{
    if (found == PG_MOVE_OURS || found == PG_MOVE_FINISHED ||
        (found == PG_MOVE_INSTALLED && !renamed && !files_left(m)))
        return OK;
    fail_hint(f, "run `troth migrate --from %s` without URLs: where the data went to is in %s/migration",
              m->data, m->data);
    return fail_set(f, ERR_CONFLICT, "%s %s the database the data went to", pg_name(m->pg[db]),
                    found == PG_MOVE_NOTHING ? "is empty: it is not" : "is not");
}

/* Tables of another version are not what this program fills, nor what it would say they are. */
static enum err unfit_schema(struct move *m, enum store_db db, struct fail *f)
{
    int have = 0, want = store_schema_newest(db);
    enum err err = pg_move_schema(m->pg[db], m->arena, &have, f);
    if (err != OK || have == want)
        return err;
    fail_hint(f, "give it up (`troth migrate --from %s --give-up`) and begin again", m->data);
    return fail_set(f, ERR_CONFLICT,
                    "%s: another version of troth began this migration (schema %d, this one's is %d)",
                    pg_name(m->pg[db]), have, want);
}

static enum err unfit(struct move *m, enum store_db db, enum pg_move_found found, bool renamed,
                      struct fail *f)
{
    const char *name = pg_name(m->pg[db]);
    if (m->step == MOVE_SWITCH)
        return unfit_end(m, db, found, renamed, f);
    if (found == PG_MOVE_OURS)
        return unfit_schema(m, db, f);
    if (found == PG_MOVE_INSTALLED || found == PG_MOVE_FINISHED) {
        fail_hint(f, "name an empty database: createdb");
        return fail_set(f, ERR_CONFLICT, "%s already holds an installation", name);
    }
    if (renamed && found == PG_MOVE_NOTHING) {
        fail_hint(f, GO_ON, m->data, m->data);
        return fail_set(f, ERR_CONFLICT, "%s is not the database this migration was begun with", name);
    }
    return OK;
}

static enum err make_both(struct move *m, const enum pg_move_found *found, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < sizeof both / sizeof both[0] && err == OK; i++)
        if (found[both[i]] == PG_MOVE_NOTHING)
            err = pg_move_make(m->pg[both[i]], m, f);
    for (size_t i = 0; i < sizeof both / sizeof both[0] && err == OK; i++)
        err = pg_move_counts(m->pg[both[i]], m, f);
    return err;
}

/* What was refused at the very beginning leaves nothing: neither tables nor a half-finished migration. */
static void undo_beginning(struct move *m)
{
    bool gone = true;
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        enum pg_move_found found = PG_MOVE_NOTHING;
        struct store_pg *pg = m->pg[both[i]];
        gone &= pg_move_find(pg, m->id, &found, NULL) == OK &&
                (found != PG_MOVE_OURS || pg_move_drop(pg, m->arena, NULL) == OK);
    }
    if (gone)
        state_remove(m, NULL);
}

/* Everything that is looked at before anything is written. */
static enum err look_around(struct move *m, bool renamed, enum pg_move_found *found, struct fail *f)
{
    enum err err = connect_both(m, f);
    for (size_t i = 0; i < sizeof both / sizeof both[0] && err == OK; i++) {
        err = pg_move_find(m->pg[both[i]], m->id, &found[both[i]], f);
        if (err == OK)
            err = unfit(m, both[i], found[both[i]], renamed, f);
    }
    return err == OK && m->step == MOVE_COPY ? check_clock(m, f) : err;
}

static enum err begin(struct move *m, bool begun, bool renamed, bool look, struct fail *f)
{
    enum pg_move_found found[STORE_DB_COUNT] = {PG_MOVE_NOTHING};
    enum err err = look_around(m, renamed, found, f);
    if (err == OK && m->step == MOVE_COPY)
        err = files_open(m, f); /* which brings them up to date: not before the rest fits */
    if (look)
        return err;
    if (err == OK && (!begun || renamed))
        err = state_write(m, f);
    if (err != OK || m->step == MOVE_SWITCH)
        return err;
    err = make_both(m, found, f);
    if (err != OK && !begun)
        undo_beginning(m);
    return err;
}

/* out null: it is looked at only, and nothing is written. */
static enum err open_or_look(const char *data, const char *people, const char *keys, struct move **out,
                             struct fail *f)
{
    struct move *m = move_new(data);
    bool begun = move_begun(data), renamed = false;
    enum err err = begun ? state_read(m, f) : first_time(m, people, keys, f);
    if (err == OK && begun && (people || keys)) {
        const char *old[] = {m->people, m->keys};
        err = take_urls(m, people, keys, f);
        renamed = err == OK && (strcmp(old[0], m->people) != 0 || strcmp(old[1], m->keys) != 0);
    }
    if (err == OK && m->step == MOVE_COPY)
        err = files_plain(m, f);
    if (err == OK)
        err = begin(m, begun, renamed, out == NULL, f);
    if (err == OK && out)
        *out = m;
    else
        move_close(m);
    return err;
}

enum err move_look_at(const char *data, const char *people, const char *keys, struct fail *f)
{
    return open_or_look(data, people, keys, NULL, f);
}

enum err move_open(const char *data, const char *people, const char *keys, struct move **out, struct fail *f)
{
    return open_or_look(data, people, keys, out, f);
}

bool move_switched(const struct move *m)
{
    return m->step == MOVE_SWITCH;
}

const struct move_table *move_tables(const struct move *m, size_t *n)
{
    *n = m->n;
    return m->tables;
}

/* ---- Rows */

static enum err seek(struct move *m, size_t i, struct fail *f)
{
    if (m->at && m->at_table == i)
        return OK;
    sqlite3_finalize(m->at);
    m->at = NULL;
    m->at_table = i;
    return move_from(m, i, m->tables[i].moved, &m->at, f);
}

static enum err flush(struct store_pg *pg, struct text *out, size_t *bytes, struct fail *f)
{
    enum err err = out->len ? pg_move_put(pg, text_span(out), f) : OK;
    *bytes += out->len;
    out->len = 0;
    return err;
}

static enum err fill(struct move *m, size_t i, int64_t *rows, struct fail *f)
{
    struct store_pg *pg = m->pg[m->tables[i].db];
    struct text out = text_new(m->scratch, 2 * COPY_BUFFER);
    enum err err = OK;
    size_t bytes = 0;
    bool any = true;
    *rows = 0;
    while (err == OK && any && *rows < MOVE_BATCH_ROWS && bytes < MOVE_BATCH_BYTES) {
        err = move_row(m, i, m->at, &out, &any, f);
        *rows += err == OK && any;
        if (err == OK && out.len >= COPY_BUFFER)
            err = flush(pg, &out, &bytes, f);
    }
    return err == OK ? flush(pg, &out, &bytes, f) : err;
}

enum err move_copy(struct move *m, size_t i, struct fail *f)
{
    struct move_table *t = &m->tables[i];
    struct store_pg *pg = m->pg[t->db];
    int64_t rows = 0;
    enum err err = seek(m, i, f);
    if (err == OK)
        err = pg_move_begin(pg, m, i, f);
    if (err == OK)
        err = fill(m, i, &rows, f);
    if (err == OK && rows == 0)
        err = fail_set(f, ERR_CONFLICT, "%s: table %s has fewer rows than were copied of it",
                       m->file[t->db].path, t->name);
    if (err == OK)
        err = pg_move_end(pg, m, i, t->moved + rows, f);
    if (err == OK) {
        t->moved += rows;
    } else {
        pg_move_undo(pg);
        sqlite3_finalize(m->at);
        m->at = NULL;
    }
    arena_reset(m->scratch);
    return err;
}

static enum err scan_file(struct move *m, size_t i, void (*row)(void *, struct span), void *ctx,
                          struct fail *f)
{
    sqlite3_stmt *at = NULL;
    struct text out = text_new(m->scratch, COPY_BUFFER);
    bool any = true;
    enum err err = move_from(m, i, 0, &at, f);
    while (err == OK && any) {
        out.len = 0;
        err = move_row(m, i, at, &out, &any, f);
        if (err == OK && any)
            row(ctx, text_span(&out));
    }
    sqlite3_finalize(at);
    return err;
}

enum err move_scan(struct move *m, enum move_side side, size_t i, void (*row)(void *ctx, struct span bytes),
                   void *ctx, struct fail *f)
{
    enum err err = side == MOVE_FROM ? scan_file(m, i, row, ctx, f)
                                     : pg_move_scan(m->pg[m->tables[i].db], m, i, row, ctx, f);
    arena_reset(m->scratch);
    return err;
}

/* ---- Ending */

enum err move_switch(struct move *m, struct fail *f)
{
    m->step = MOVE_SWITCH;
    return state_write(m, f);
}

/* Overwritten, as far as the file system lets one: keys of the living are in it. */
static enum err wipe(const char *path, struct fail *f)
{
    static const uint8_t zeros[COPY_BUFFER];
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return OK;
    bool well = fd >= 0 && fstat(fd, &st) == 0;
    for (off_t at = 0; well && at < st.st_size;) {
        size_t len = st.st_size - at < (off_t)sizeof zeros ? (size_t)(st.st_size - at) : sizeof zeros;
        ssize_t n = pwrite(fd, zeros, len, at);
        well = n > 0 || errno == EINTR;
        at += n > 0 ? n : 0;
    }
    well = well && fdatasync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (well && unlink(path) != 0) {
        well = false;
        why = errno;
    }
    return well ? OK : fail_set(f, ERR_IO, "%s cannot be removed: %s", path, strerrordesc_np(why));
}

static enum err files_remove(struct move *m, struct fail *f)
{
    enum err err = OK;
    files_close(m);
    for (size_t i = 0; i < FILE_NAMES && err == OK; i++)
        err = wipe(in_folder(m->arena, m->data, file_names[i]), f);
    return err == OK ? file_sync_dir(m->data, f) : err;
}

enum err move_finish(struct move *m, struct fail *f)
{
    struct span lines = arena_fmt(m->arena, "main = %s\nkeys = %s\n", m->people, m->keys);
    enum err err = file_write_durable(in_folder(m->arena, m->data, "database"), lines, 0600, f);
    if (err == OK)
        err = pg_move_finish(m->pg[STORE_KEYS], f);
    if (err == OK)
        err = pg_move_finish(m->pg[STORE_MAIN], f);
    if (err == OK)
        err = files_remove(m, f);
    for (size_t i = 0; i < sizeof both / sizeof both[0] && err == OK; i++)
        err = pg_move_unmark(m->pg[both[i]], f);
    return err == OK ? state_remove(m, f) : err;
}

enum err move_give_up(const char *data, struct fail *f)
{
    if (!move_begun(data))
        return fail_set(f, ERR_NOT_FOUND, "%s: no migration is half finished.", data);
    struct move *m = move_new(data);
    enum err err = state_read(m, f);
    if (err == OK && m->step == MOVE_SWITCH) {
        fail_hint(f, "finish it: run `troth migrate --from %s` again", data);
        err = fail_set(f, ERR_CONFLICT, "%s: all was moved and compared; only the end is missing.", data);
    }
    if (err == OK)
        err = connect_both(m, f);
    for (size_t i = 0; i < sizeof both / sizeof both[0] && err == OK; i++) {
        enum pg_move_found found = PG_MOVE_NOTHING;
        err = pg_move_find(m->pg[both[i]], m->id, &found, f);
        if (err == OK && found == PG_MOVE_OURS)
            err = pg_move_drop(m->pg[both[i]], m->arena, f);
    }
    if (err == OK) /* it says that all was moved */
        err = remove_file(m, "moved.json", f);
    if (err == OK)
        err = state_remove(m, f);
    move_close(m);
    return err;
}
