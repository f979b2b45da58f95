// SPDX-License-Identifier: Apache-2.0
/*
 * troth migrate: an installation of files goes to PostgreSQL. What was copied is read again on both sides and
 * compared before anything else happens to the folder. See move.h
 */
#include "cli_impl.h"

#include "crypto.h"
#include "file.h"
#include "move.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define HEX_DIGEST (2 * sizeof(struct digest) + 1)

struct migrate {
    struct cli *c;
    const char *data, *people, *keys; /* the folder, the URLs */
    struct move *move;
    int lock;
    const struct move_table *tables;
    size_t n;
    int64_t done, total; /* rows */
    struct hash *hash;
    int64_t rows; /* of the table being read */
    const char *doing;
    struct text report; /* JSON */
};

/* ---- The folder, opened as a start would: what does not start here would not start there */

static enum err start_once(struct migrate *g, struct fail *f)
{
    struct cli_answer answer;
    enum err err = cli_send(g->c, METHOD_GET, SPAN("/healthz"), SPAN_EMPTY, SPAN_EMPTY, &answer, f);
    cli_close(g->c);
    return err;
}

static enum err take_lock(struct migrate *g, struct fail *f)
{
    enum err err = web_lock(g->data, &g->lock, f);
    if (err == ERR_CONFLICT && f)
        snprintf(f->hint, sizeof f->hint, "Stop its daemon: nothing may change while it is moved.");
    return err;
}

static void let_go(struct migrate *g)
{
    move_close(g->move);
    g->move = NULL;
    if (g->lock >= 0)
        close(g->lock);
    g->lock = -1;
}

static enum err open_both(struct migrate *g, struct fail *f)
{
    const char *people = g->people, *keys = g->keys;
    enum err err = take_lock(g, f);
    if (err == OK && !move_begun(g->data)) {
        err = move_look_at(g->data, people, keys, f);
        let_go(g);
        if (err == OK)
            err = start_once(g, f);
        if (err == OK)
            err = take_lock(g, f);
    }
    return err == OK ? move_open(g->data, people, keys, &g->move, f) : err;
}

/* ---- Copying */

static void advance(struct migrate *g, int64_t rows)
{
    g->done += rows;
    cli_progress(g->doing, (uint64_t)g->done, (uint64_t)g->total);
}

static enum err copy_all(struct migrate *g, struct fail *f)
{
    enum err err = OK;
    g->tables = move_tables(g->move, &g->n);
    for (size_t i = 0; i < g->n; i++) {
        g->total += g->tables[i].rows;
        g->done += g->tables[i].moved;
    }
    g->doing = "copying";
    for (size_t i = 0; i < g->n && err == OK; i++)
        while (err == OK && g->tables[i].moved < g->tables[i].rows) {
            int64_t before = g->tables[i].moved;
            err = move_copy(g->move, i, f);
            advance(g, g->tables[i].moved - before);
        }
    cli_progress_end();
    return err;
}

/* ---- Comparing */

static void take_row(void *ctx, struct span bytes)
{
    struct migrate *g = ctx;
    hash_add(g->hash, bytes);
    g->rows++;
    if (g->rows % 4096 == 0)
        advance(g, 4096);
}

static enum err digest(struct migrate *g, enum move_side side, size_t i, char hex[HEX_DIGEST], struct fail *f)
{
    struct digest d;
    g->rows = 0;
    enum err err = move_scan(g->move, side, i, take_row, g, f);
    hash_take(g->hash, &d);
    hex_put(hex, d.b, sizeof d.b);
    advance(g, g->rows % 4096);
    return err;
}

static enum err differs(struct migrate *g, size_t i, int64_t here, int64_t there, struct fail *f)
{
    fail_hint(f, "nothing was switched; give it up (`troth migrate --from %s --give-up`) and begin again",
              g->data);
    return fail_set(f, ERR_INTEGRITY,
                    "table %s is not the same on both sides: %" PRId64 " rows in the file, %" PRId64
                    " in the database%s",
                    g->tables[i].name, here, there, here == there ? ", and their digests differ" : "");
}

static enum err compare_one(struct migrate *g, size_t i, struct fail *f)
{
    const struct move_table *t = &g->tables[i];
    char here[HEX_DIGEST], there[HEX_DIGEST];
    enum err err = digest(g, MOVE_FROM, i, here, f);
    int64_t rows = g->rows;
    if (err == OK)
        err = digest(g, MOVE_TO, i, there, f);
    if (err != OK)
        return err;
    if (rows != g->rows || rows != t->rows || strcmp(here, there) != 0)
        return differs(g, i, rows, g->rows, f);
    json_open(&g->report, NULL, '{');
    json_str(&g->report, "database", t->db == STORE_KEYS ? "keys" : "main");
    json_str(&g->report, "table", t->name);
    json_i64(&g->report, "rows", rows);
    json_str(&g->report, "sha256", here);
    json_close(&g->report, '}');
    return OK;
}

static enum err compare_all(struct migrate *g, struct fail *f)
{
    enum err err = OK;
    g->doing = "comparing";
    g->done = 0;
    g->total *= 2;
    json_open(&g->report, NULL, '{');
    json_instant(&g->report, "moved", web_clock(g->c->clock_file));
    json_open(&g->report, "tables", '[');
    for (size_t i = 0; i < g->n && err == OK; i++)
        err = compare_one(g, i, f);
    json_close(&g->report, ']');
    json_close(&g->report, '}');
    text_char(&g->report, '\n');
    cli_progress_end();
    return err;
}

static enum err move_all(struct migrate *g, struct fail *f)
{
    const char *path = arena_str(g->c->arena, arena_fmt(g->c->arena, "%s/moved.json", g->data));
    enum err err = open_both(g, f);
    if (err == OK && !move_switched(g->move)) {
        err = copy_all(g, f);
        if (err == OK)
            err = compare_all(g, f);
        if (err == OK)
            err = file_write_durable(path, text_span(&g->report), 0644, f);
        if (err == OK)
            err = move_switch(g->move, f);
    }
    return err == OK ? move_finish(g->move, f) : err;
}

/* ---- */

static int tell(struct migrate *g)
{
    struct cli *c = g->c;
    struct span report;
    struct fail f = {0};
    if (!c->json) {
        printf(
            "The data of %s lies on PostgreSQL: every table was read again there and is the same "
            "(%s/moved.json).\n"
            "troth.db and keys.db are gone from the folder; all else of it stays, and the record goes on.\n",
            g->data, g->data);
        return CLI_OK;
    }
    if (file_read(c->arena, arena_str(c->arena, arena_fmt(c->arena, "%s/moved.json", g->data)), 1u << 20,
                  &report, &f) != OK)
        return cli_fail(&f);
    fwrite(report.p, 1, report.len, stdout);
    return CLI_OK;
}

static int give_up(struct migrate *g)
{
    struct fail f = {0};
    enum err err = take_lock(g, &f);
    if (err == OK)
        err = move_give_up(g->data, &f);
    let_go(g);
    if (err != OK)
        return cli_fail(&f);
    if (!g->c->json)
        printf("The migration of %s was given up: its tables are dropped, the folder is as it was.\n",
               g->data);
    return CLI_OK;
}

int cmd_migrate(struct cli *c)
{
    struct fail f = {0};
    struct migrate g = {.c = c, .data = cli_get(c, "from"), .lock = -1, .report = text_new(c->arena, 8192)};
    bool begun = move_begun(g.data); /* then the folder says where to, not what happens to be set */
    g.people = begun ? cli_get(c, "to") : cli_or_environment(c, "to", "TROTH_DATABASE");
    g.keys = begun ? cli_get(c, "keys-to") : cli_or_environment(c, "keys-to", "TROTH_KEYS_DATABASE");
    c->data = g.data;
    if (cli_get(c, "give-up"))
        return give_up(&g);
    enum err err = crypto_start(&f);
    g.hash = hash_new();
    if (err == OK && !move_done(g.data, g.people, g.keys))
        err = move_all(&g, &f);
    hash_free(g.hash);
    let_go(&g);
    if (err != OK)
        return cli_fail(&f);
    int code = tell(&g);
    if (start_once(&g, &f) != OK)
        return cli_fail(&f);
    return code;
}
