// SPDX-License-Identifier: Apache-2.0
/*
 * New class keys and a new master key while serving. See vault.h.
 *
 * A class key changes in groups. The first stores the new generation; with its commit it begins to wrap. The
 * next ones wrap the persons' keys anew, in the order of ids; the last finds none under an older generation
 * and deletes those. Every crash leaves rows that tell their generation, and both class keys.
 */
#include "vault_impl.h"

#include "file.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err find_class(struct span name, enum key_class *out, struct fail *f)
{
    for (enum key_class c = 0; c < CLASS_COUNT; c++)
        if (span_is(name, class_names[c])) {
            *out = c;
            return OK;
        }
    fail_hint(f, "use adult or child");
    return fail_set(f, ERR_UNKNOWN_NAME, "'%.*s' is not a class of keys", SPAN_F(span_sub(name, 0, 32)));
}

static enum err count_old(struct store *st, enum key_class c, int64_t newest, uint64_t *out, struct fail *f)
{
    struct store_rows rows;
    bool found =
        store_one(st, Q_KEY_OLD_COUNT, ARGS(ARG_T(span_str(class_names[c])), ARG_I(newest)), &rows, f);
    *out = found ? (uint64_t)store_i(&rows, 0) : 0;
    enum err e = found ? OK : rows.err;
    if (found)
        store_done(&rows);
    return e;
}

static int64_t newest(struct vault *v, enum key_class c)
{
    pthread_rwlock_rdlock(&v->lock);
    int64_t number = v->class_keys[c].number[v->class_keys[c].n - 1];
    pthread_rwlock_unlock(&v->lock);
    return number;
}

/* ---- Begin */

/* A store_key_fn. The new key wraps from here on. */
static bool begun(void *ctx, struct span class_name)
{
    struct vault *v = ctx;
    enum key_class c = CLASS_ADULT;
    if (find_class(class_name, &c, NULL) || !v->next[c])
        return true;
    pthread_rwlock_wrlock(&v->lock);
    struct generations *g = &v->class_keys[c];
    if (g->number[g->n - 1] >= v->next_number[c]) { /* a reader saw it in the database first (vault_follow) */
        key_free(v->next[c]);
    } else {
        g->key[g->n] = v->next[c];
        g->number[g->n++] = v->next_number[c];
    }
    v->next[c] = NULL;
    pthread_rwlock_unlock(&v->lock);
    return true;
}

/* The class's keys wrap each other: the master key is not in memory. A generation is stored under the master
 * key, which has to be read for it. */
static enum err next_generation(struct vault *v, struct store *st, enum key_class c, const struct key *master,
                                struct fail *f)
{
    uint8_t wrapped[WRAPPED_LEN];
    struct bind b = bind_class_key(c);
    key_free(v->next[c]); /* of a group that was undone */
    v->next[c] = key_random();
    v->next_number[c] = newest(v, c) + 1;
    enum err e = key_wrap(master, bind_span(&b), v->next[c], wrapped, f);
    if (!e)
        e = store_run(st, Q_CLASS_KEY_ADD,
                      ARGS(ARG_T(span_str(class_names[c])), ARG_I(newest(v, c) + 1),
                           ARG_B(span_of(wrapped, sizeof wrapped))),
                      NULL, f);
    if (!e)
        store_key_written(st, span_str(class_names[c]), begun, v);
    return e;
}

/* Whether this is the master key the stored keys are under. */
static bool opens_class(struct store *st, const struct key *master, enum key_class c)
{
    struct store_rows rows;
    struct key *k = NULL;
    struct bind b = bind_class_key(c);
    if (!store_one(st, Q_CLASS_KEY_ALL, ARGS(ARG_T(span_str(class_names[c]))), &rows, NULL))
        return false;
    enum err e = key_unwrap(master, bind_span(&b), store_t(&rows, 1), &k, NULL);
    store_done(&rows);
    key_free(k);
    return e == OK;
}

static enum err master_again(struct vault *v, struct store *st, enum key_class c, struct key **out,
                             struct fail *f)
{
    enum err e = v->master_command ? key_read_command(v->master_command, out, f)
                                   : key_read_file(v->master_file, out, f);
    if (e)
        return e;
    if (opens_class(st, *out, c))
        return OK;
    key_free(*out);
    if (master_coming(v, out) == OK) {
        if (opens_class(st, *out, c))
            return OK;
        key_free(*out);
    }
    master_hint(v->master_command ? NULL : v->master_file, f);
    return fail_set(f, ERR_NO_KEY, "the master key is not the one this data folder was opened with");
}

enum err vault_rotate_begin(struct vault *v, struct store *st, struct span class_name, int64_t *generation,
                            bool *resumed, uint64_t *left, struct fail *f)
{
    enum key_class c = CLASS_ADULT;
    struct key *master;
    enum err e = find_class(class_name, &c, f);
    if (e)
        return e;
    /* Who comes with the one that begins or ends a change joins it: what the database shows is not yet so. */
    *resumed = v->class_keys[c].n > 1 || store_key_queued(st, class_name);
    *generation = newest(v, c) + !*resumed;
    if (!*resumed) {
        e = master_again(v, st, c, &master, f);
        if (e)
            return e;
        e = next_generation(v, st, c, master, f);
        key_free(master);
    }
    return e ? e : count_old(st, c, *generation, left, f);
}

/* ---- Step */

struct old_key {
    struct subject_id id;
    int64_t generation;
    uint8_t wrapped[WRAPPED_LEN];
};

static enum err old_keys(struct vault *v, struct store *st, enum key_class c, const struct subject_id *from,
                         size_t most, struct old_key *out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    enum err e = store_query(st, Q_KEY_OLD,
                             ARGS(ARG_T(span_str(class_names[c])), ARG_I(newest(v, c)),
                                  ARG_B(span_of(from->b, ID_LEN)), ARG_I(most)),
                             &rows, f);
    if (e)
        return e;
    while (!e && *n < most && store_next(&rows, f)) {
        struct span id = store_t(&rows, 0), wrapped = store_t(&rows, 2);
        if (id.len != ID_LEN || wrapped.len != WRAPPED_LEN) {
            e = fail_set(f, ERR_CORRUPT, "keys.db holds a damaged row of a person's key");
            break;
        }
        struct old_key *k = &out[(*n)++];
        memcpy(k->id.b, id.p, ID_LEN);
        memcpy(k->wrapped, wrapped.p, WRAPPED_LEN);
        k->generation = store_i(&rows, 1);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

static const struct key *of_generation(const struct vault *v, enum key_class c, int64_t generation)
{
    for (size_t i = 0; i < v->class_keys[c].n; i++)
        if (v->class_keys[c].number[i] == generation)
            return v->class_keys[c].key[i];
    return NULL;
}

/* A row that does not open stays as it is, and with it the old generation: the count never becomes zero, and
 * the log names the reason. */
static enum err wrap_again(struct vault *v, struct store *st, enum key_class c, const struct old_key *k,
                           uint64_t *wrapped, struct fail *f)
{
    uint8_t out[WRAPPED_LEN];
    struct key *data = NULL;
    struct bind b = bind_person_key(k->id, c);
    const struct key *by = of_generation(v, c, k->generation);
    if (!by || key_unwrap(by, bind_span(&b), span_of(k->wrapped, WRAPPED_LEN), &data, NULL)) {
        log_line(LOG_LVL_ERROR, "vault", "ALERT integrity: a person's key does not open and stays as it is");
        return OK;
    }
    const struct generations *g = &v->class_keys[c];
    enum err e = key_wrap(g->key[g->n - 1], bind_span(&b), data, out, f);
    key_free(data);
    if (!e)
        e = store_run(st, Q_KEY_REWRAP,
                      ARGS(ARG_B(span_of(k->id.b, ID_LEN)), ARG_T(span_str(class_names[c])),
                           ARG_I(newest(v, c)), ARG_B(span_of(out, sizeof out))),
                      NULL, f);
    if (!e)
        store_key_written(st, span_of(k->id.b, ID_LEN), cache_drop, v->cache);
    *wrapped += !e;
    return e;
}

/* A store_key_fn. */
static bool dropped(void *ctx, struct span class_name)
{
    struct vault *v = ctx;
    enum key_class c = CLASS_ADULT;
    if (find_class(class_name, &c, NULL))
        return true;
    pthread_rwlock_wrlock(&v->lock);
    struct generations *g = &v->class_keys[c];
    for (; g->n > 1; g->n--) {
        key_free(g->retired);
        g->retired = g->key[0];
        g->retired_number = g->number[0];
        memmove(g->key, g->key + 1, (g->n - 1) * sizeof(struct key *));
        memmove(g->number, g->number + 1, (g->n - 1) * sizeof g->number[0]);
    }
    pthread_rwlock_unlock(&v->lock);
    return true;
}

/* Only when none is left, whatever the caller's place in the order says. */
static enum err drop_old(struct vault *v, struct store *st, enum key_class c, bool *finished, struct fail *f)
{
    uint64_t left = 0;
    enum err e = count_old(st, c, newest(v, c), &left, f);
    *finished = !e && left == 0;
    if (!*finished || v->class_keys[c].n == 1)
        return e;
    store_key_written(st, span_str(class_names[c]), dropped, v);
    store_truncate_after(st);
    return store_run(st, Q_CLASS_KEY_DROP, ARGS(ARG_T(span_str(class_names[c])), ARG_I(newest(v, c))), NULL,
                     f);
}

enum err vault_rotate_step(struct vault *v, struct store *st, struct span class_name, size_t most,
                           struct subject_id *from, int64_t *generation, uint64_t *wrapped, bool *finished,
                           struct fail *f)
{
    enum key_class c = CLASS_ADULT;
    size_t n = 0;
    *wrapped = 0;
    *finished = false;
    enum err e = find_class(class_name, &c, f);
    if (e)
        return e;
    *generation = newest(v, c);
    struct old_key *old = calloc(most, sizeof *old);
    if (!old)
        abort();
    e = old_keys(v, st, c, from, most, old, &n, f);
    for (size_t i = 0; !e && i < n; i++)
        e = wrap_again(v, st, c, &old[i], wrapped, f);
    if (!e && n)
        *from = old[n - 1].id;
    free(old);
    return !e && n < most ? drop_old(v, st, c, finished, f) : e;
}

/* ---- The master key */

bool master_next_path(char out[MASTER_PATH_MAX], const char *file)
{
    int n = snprintf(out, MASTER_PATH_MAX, "%s.next", file);
    return n > 0 && n < MASTER_PATH_MAX;
}

/* ---- FILE.moved: where the key went that FILE held; a path, no secret */

static bool moved_path(char out[MASTER_PATH_MAX], const char *file)
{
    int n = snprintf(out, MASTER_PATH_MAX, "%s.moved", file);
    return n > 0 && n < MASTER_PATH_MAX;
}

bool master_moved(const char *file)
{
    char note[MASTER_PATH_MAX];
    return moved_path(note, file) && file_exists(note);
}

void master_moved_forget(const char *file)
{
    char note[MASTER_PATH_MAX];
    if (moved_path(note, file))
        unlink(note);
}

static void moved_note(const char *file, const char *to)
{
    char note[MASTER_PATH_MAX], text[MASTER_PATH_MAX + 1];
    int n = snprintf(text, sizeof text, "%s\n", to);
    struct fail f = {0};
    if (!moved_path(note, file) || file_write_durable(note, span_of(text, (size_t)n), 0600, &f) != OK)
        log_line(LOG_LVL_WARN, "vault", "where the master key is could not be noted beside %s: %s", file,
                 f.detail);
}

void master_hint(const char *file, struct fail *f)
{
    char note[MASTER_PATH_MAX];
    struct span to = SPAN_EMPTY;
    struct arena *a = arena_new(512);
    if (file && moved_path(note, file) && file_read(a, note, MASTER_PATH_MAX, &to, NULL) == OK && to.len)
        fail_hint(f, "the master key was changed, and the new one was put elsewhere: --master-key %.*s",
                  SPAN_F(span_trim(to)));
    else
        fail_hint(
            f,
            "name the master key in use: --master-key FILE or --master-key-command; if it is lost, restore "
            "keys.db and its key together");
    arena_free(a);
}

int master_replace(const char *from, const char *to)
{
    char dir[MASTER_PATH_MAX];
    const char *slash = strrchr(to, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - to) : 1, slash ? to : ".");
    if (rename(from, to) != 0)
        return -1;
    return file_sync_dir(dir[0] ? dir : "/", NULL) == OK ? 0 : -1;
}

enum err master_coming(struct vault *v, struct key **out)
{
    struct fail none = {0};
    pthread_rwlock_rdlock(&v->lock);
    enum err e = v->next_master ? key_read_file(v->next_master, out, &none) : ERR_NO_KEY;
    pthread_rwlock_unlock(&v->lock);
    return e;
}

/* Takes over the path. */
static void coming(struct vault *v, char *path, bool in_place)
{
    pthread_rwlock_wrlock(&v->lock);
    free(v->next_master);
    v->next_master = path;
    v->next_in_place = in_place;
    pthread_rwlock_unlock(&v->lock);
}

/* A store_key_fn. Until here the old file opens the folder, from here on the new one; after a crash between
 * commit and rename the start looks beside (vault_open). */
static bool master_changed(void *ctx, struct span none)
{
    struct vault *v = ctx;
    (void)none;
    if (v->next_master && v->next_in_place && master_replace(v->next_master, v->master_file))
        log_line(LOG_LVL_ERROR, "vault", "the new master key stays at %s: %s", v->next_master,
                 strerror(errno));
    if (v->next_master && v->master_file && v->next_in_place)
        master_moved_forget(v->master_file);
    else if (v->next_master && v->master_file)
        moved_note(v->master_file, v->next_master);
    coming(v, NULL, false);
    return true;
}

static enum err wrap_class(struct store *st, const struct key *master, enum key_class c, const struct key *k,
                           int64_t generation, struct fail *f)
{
    uint8_t w[WRAPPED_LEN];
    struct bind b = bind_class_key(c);
    enum err e = key_wrap(master, bind_span(&b), k, w, f);
    if (e)
        return e;
    return store_run(st, Q_CLASS_KEY_WRAP,
                     ARGS(ARG_T(span_str(class_names[c])), ARG_I(generation), ARG_B(span_of(w, sizeof w))),
                     NULL, f);
}

/* A generation that begins in this very group is a row already; of a group that was undone there is none. */
static enum err wrap_all(struct vault *v, struct store *st, const struct key *master, struct fail *f)
{
    uint8_t w[WRAPPED_LEN];
    enum err e = OK;
    for (enum key_class c = 0; !e && c < CLASS_COUNT; c++) {
        const struct generations *g = &v->class_keys[c];
        for (size_t i = 0; !e && i < g->n; i++)
            e = wrap_class(st, master, c, g->key[i], g->number[i], f);
        if (!e && v->next[c])
            e = wrap_class(st, master, c, v->next[c], newest(v, c) + 1, f);
    }
    for (size_t i = 0; !e && i < NODE_KEYS; i++) {
        struct bind b = bind_node_key(i);
        e = key_wrap(master, bind_span(&b), *node_key(v, i), w, f);
        if (!e)
            e = store_run(st, Q_NODE_KEY_WRAP,
                          ARGS(ARG_T(span_str(node_key_names[i])), ARG_B(span_of(w, sizeof w))), NULL, f);
    }
    return e;
}

/* ---- The new one. A file that is there already may hold any key. */

static enum err in_use(const char *file, const char *what, struct fail *f)
{
    fail_hint(f, "name a file that does not exist yet: a new key is made in it");
    return fail_set(f, ERR_CONFLICT, "%s holds %s, not a new master key", file, what);
}

/* Another request of this group changes to the same file. */
static bool joins(const struct vault *v, const char *file)
{
    return v->next_master && strcmp(v->next_master, file) == 0;
}

static bool is_signing(const struct key *k, const char *signing)
{
    struct key *other = NULL;
    if (!signing || key_read_file(signing, &other, NULL) != OK)
        return false;
    bool same = key_equal(k, other);
    key_free(other);
    return same;
}

static enum err check_new(struct vault *v, struct store *st, const struct key *k, const char *file,
                          const char *signing, struct fail *f)
{
    if (opens_class(st, k, CLASS_ADULT) && !joins(v, file))
        return in_use(file, "the master key in use", f);
    if (is_signing(k, signing))
        return in_use(file, "the key that signs the record", f);
    if (key_equal(k, v->index) || key_equal(k, v->record))
        return in_use(file, "another key of this folder", f);
    return OK;
}

static enum err new_master(struct vault *v, struct store *st, const char *file, const char *signing,
                           struct key **out, struct fail *f)
{
    enum box_file kind = BOX_FILE_DIGITS;
    enum err e = file_exists(file) ? OK : key_create_file(file, f);
    if (!e)
        e = box_key_read_file(file, out, &kind, f);
    if (e)
        return e;
    e = kind == BOX_FILE_SAID ? in_use(file, "the secret that opens backups", f)
                              : check_new(v, st, *out, file, signing, f);
    if (e)
        key_free(*out);
    return e;
}

/* A change that is done and could not rename its file: it is renamed before the next one is made. */
static enum err settle_next(struct vault *v, struct store *st, const char *next, struct fail *f)
{
    struct key *k = NULL;
    if (joins(v, next) || key_read_file(next, &k, NULL) != OK)
        return OK;
    bool done = opens_class(st, k, CLASS_ADULT);
    key_free(k);
    if (!done || master_replace(next, v->master_file) == 0)
        return OK;
    return fail_set(f, ERR_IO, "%s is the master key in use, and cannot be renamed to %s: %s", next,
                    v->master_file, strerror(errno));
}

/* FILE.next.0123456789abcdef: what a kill left while a key was being written. The only copy of a key that
 * opens the folder is never removed. */
static void remove_unfinished(struct store *st, const char *path)
{
    struct key *k = NULL;
    struct stat s;
    if (lstat(path, &s) != 0 || !S_ISREG(s.st_mode))
        return;
    bool opens = key_read_file(path, &k, NULL) == OK && opens_class(st, k, CLASS_ADULT);
    key_free(k);
    if (!opens || s.st_nlink > 1)
        unlink(path);
}

static void remove_all_unfinished(struct store *st, const char *next)
{
    const char *slash = strrchr(next, '/');
    struct span base = span_str(slash ? slash + 1 : next), *names = NULL;
    struct arena *a = arena_new(4096);
    const char *dir = arena_str(a, file_folder(next));
    size_t n = 0;
    uint8_t any[8];
    if (file_list(a, dir, "", &names, &n, NULL) != OK)
        n = 0;
    for (size_t i = 0; i < n; i++)
        if (names[i].len == base.len + 17 && span_eq(span_sub(names[i], 0, base.len), base) &&
            names[i].p[base.len] == '.' && hex_get(span_sub(names[i], base.len + 1, 16), any, sizeof any))
            remove_unfinished(st, arena_str(a, arena_fmt(a, "%s/%.*s", dir, SPAN_F(names[i]))));
    arena_free(a);
}

enum err vault_rotate_master(struct vault *v, struct store *st, const char *new_file, const char *signing,
                             struct fail *f)
{
    char next[MASTER_PATH_MAX];
    struct key *master;
    bool in_place = v->master_file && !new_file;
    if (!v->master_file && !new_file)
        return fail_set(f, ERR_MISSING_MEMBER,
                        "the master key comes from a command: name a file for the new one");
    if (in_place && !master_next_path(next, v->master_file))
        return fail_set(f, ERR_IO, "the path of the master key is too long");
    if (new_file && new_file[0] != '/')
        return fail_set(f, ERR_BAD_VALUE, "the file of the new master key needs a path from the root");
    enum err e = in_place ? settle_next(v, st, next, f) : OK;
    if (e)
        return e;
    if (in_place)
        remove_all_unfinished(st, next);
    e = new_master(v, st, in_place ? next : new_file, signing, &master, f);
    if (e)
        return e;
    e = wrap_all(v, st, master, f);
    key_free(master);
    if (e)
        return e;
    coming(v, strdup(in_place ? next : new_file), in_place);
    store_key_written(st, SPAN("master"), master_changed, v);
    store_truncate_after(st);
    return OK;
}
