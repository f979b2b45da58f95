// SPDX-License-Identifier: Apache-2.0
/* identity.c: whose log a folder is (origin, public key), and its signed notes. */
#include "audit_impl.h"
#include "file.h"

#include <stdio.h>

enum { ORIGIN_MAX = 512 };

/* `key.pub` holds the verifier key in signed-note form, which repeats the origin. */
static bool parse_key(struct arena *a, struct span text, struct identity *id)
{
    struct merkle_key k;
    if (text.len == 0 || text.p[text.len - 1] != '\n' || merkle_key_read(a, text, &k, NULL) != OK)
        return false;
    if (k.type != MERKLE_KEY_LOG || !span_eq(k.name, id->origin))
        return false;
    memcpy(id->pk, k.pk, SIGN_PK_LEN);
    return span_eq(span_sub(text, 0, text.len - 1), merkle_verifier_key(a, id->origin, id->pk));
}

enum err identity_read(struct arena *a, int dir, struct identity *id, struct fail *f)
{
    struct span origin, key;
    enum err e = small_read(a, dir, "origin", ORIGIN_MAX, &origin, f);
    if (!e)
        e = small_read(a, dir, "key.pub", 2 * ORIGIN_MAX, &key, f);
    if (e)
        return e;
    if (origin.len < 2 || span_find(origin, '\n', 0) != origin.len - 1)
        return fail_set(f, ERR_CORRUPT, "origin: not one line");
    id->origin = span_sub(origin, 0, origin.len - 1);
    if (!parse_key(a, key, id))
        return fail_set(f, ERR_CORRUPT, "key.pub: not a verifier key of %.*s", SPAN_F(id->origin));
    return OK;
}

enum err note_read(struct arena *a, int dir, const char *name, const struct identity *id, struct span *note,
                   struct merkle_checkpoint *c, struct fail *f)
{
    struct fail why = {0};
    enum err e = small_read(a, dir, name, NOTE_FILE_MAX, note, &why);
    if (e == ERR_IO)
        return fail_set(f, e, "%s", why.detail);
    if (!e)
        e = merkle_checkpoint_read(a, *note, id->pk, c, &why);
    if (e)
        return fail_set(f, ERR_CORRUPT, "%s: %s", name, why.detail);
    if (!span_eq(c->origin, id->origin))
        return fail_set(f, ERR_CORRUPT, "%s: it is of another log, %.*s", name, SPAN_F(c->origin));
    return OK;
}

/* `signed` is durable before `checkpoint` shows it: after a crash this log cannot sign anything that
 * contradicts what someone may have seen. */
enum err note_publish(struct arena *a, const char *path, const struct sign_key *key,
                      const struct identity *id, const struct tiles *t, struct span *note, struct fail *f)
{
    struct merkle_checkpoint c = {.origin = id->origin, .size = t->size};
    uint8_t signature[SIGN_LEN];
    tiles_root(t, &c.root);
    sign_make(key, merkle_checkpoint_body(a, &c), signature);
    *note = merkle_checkpoint_note(a, &c, id->pk, signature);
    enum err e = file_write_durable(arena_str(a, arena_fmt(a, "%s/signed", path)), *note, 0644, f);
    return e ? e : file_write_durable(arena_str(a, arena_fmt(a, "%s/checkpoint", path)), *note, 0644, f);
}
