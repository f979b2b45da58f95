// SPDX-License-Identifier: Apache-2.0
/* Whether record and database are the newest there were: held against each other, and against heads of the
 * record that were kept outside its folder. See web_impl.h and docs/security.md T20. */
#include "web_impl.h"

#include "file.h"
#include "log.h"

#define KEPT_MAX (128u << 10) /* a note with all its cosignatures, or a receipt */

static const char *own_file(struct web *w, struct arena *a)
{
    return arena_str(a, arena_fmt(a, "%s/known-checkpoint", w->config.data));
}

static enum err against(struct web *w, const char *path, const char *whose, struct merkle_checkpoint *head,
                        struct arena *a, struct fail *f)
{
    struct span kept;
    struct fail why = {0};
    enum err err = file_read(a, path, KEPT_MAX, &kept, f);
    if (err == OK)
        err = audit_known(w->audit, kept, head, a, &why);
    if (why.code)
        fail_set(f, err, "%s (%s): %s.", path, whose, why.detail);
    return err;
}

/* What was given by hand is meant: no option lifts it. */
static enum err check_given(struct web *w, struct arena *a, struct fail *f)
{
    if (!w->config.known_checkpoint)
        return OK;
    enum err err = against(w, w->config.known_checkpoint, "--known-checkpoint", NULL, a, f);
    if (err == ERR_GONE)
        fail_hint(f, "Give a head that was signed after the record was pruned, or that of a closed epoch "
                     "(audit/epochs).");
    if (err == ERR_CONFLICT)
        fail_hint(
            f,
            "Put the newest copy of the record (audit/) back; mirrors and backups may have it. Nothing was "
            "changed.");
    return err;
}

/* What the last start left behind; gone with the folder, it asks nothing. */
static enum err check_own(struct web *w, struct text *accepted, struct arena *a, struct fail *f)
{
    struct merkle_checkpoint head = {0};
    struct fail why = {0};
    enum err err = against(w, own_file(w, a), "kept by this daemon", &head, a, &why);
    if (err == OK || err == ERR_NOT_FOUND)
        return OK;
    if (err == ERR_GONE) { /* pruned by command while the daemon was shut; it is longer than it was */
        log_line(LOG_LVL_WARN, "web", "%s", why.detail);
        return OK;
    }
    if (err == ERR_CONFLICT && w->config.accept_loss) {
        log_line(LOG_LVL_WARN, "web", "%s It is accepted and goes on record.", why.detail);
        json_open(accepted, "record_was", '{');
        json_i64(accepted, "size", (int64_t)head.size);
        json_hex(accepted, "root", head.root.b, sizeof head.root.b);
        json_close(accepted, '}');
        return OK;
    }
    *f = why;
    if (err == ERR_CONFLICT)
        fail_hint(f, "Put the newest copy of the record (audit/) back. If there is none, start once with "
                     "--accept-loss: the loss goes on record, and whoever kept a head will see it.");
    else
        fail_hint(f, "If the record is known to be whole (`troth audit verify`), remove the file.");
    return err;
}

static enum err reconcile(struct web *w, struct span accepted, struct arena *a, struct fail *f)
{
    struct store *st = NULL;
    struct instant now = web_clock(w->config.clock_file);
    enum err err = store_open_further(w->config.data, STORE_WRITE, &st, f);
    if (err == OK)
        err = gate_reconcile(w->gate, st, w->audit, w->config.accept_loss, accepted, now, a, f);
    if (st)
        store_close(st);
    return err;
}

enum err known_check(struct web *w, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct text accepted = text_new(a, 256);
    enum err err = check_given(w, a, f);
    if (err == OK)
        err = heads_to_check(w, f);
    if (err == OK)
        err = check_own(w, &accepted, a, f);
    if (err == OK)
        err = reconcile(w, text_span(&accepted), a, f);
    arena_free(a);
    return err;
}

void known_remember(struct web *w)
{
    struct span note;
    struct merkle_checkpoint c;
    struct fail f = {0};
    struct arena *a = arena_new(0);
    bool read =
        audit_checkpoint(w->audit, a, &note, &f) == OK && merkle_checkpoint_read(a, note, NULL, &c, &f) == OK;
    if (read && c.size != w->remembered && file_write_durable(own_file(w, a), note, 0644, &f) == OK)
        w->remembered = c.size;
    if (read)
        heads_to(w, note, c.size, a);
    if (f.code)
        log_line(LOG_LVL_WARN, "web", "the newest head of the record is not remembered: %s", f.detail);
    arena_free(a);
}
