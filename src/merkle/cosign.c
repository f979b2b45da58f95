// SPDX-License-Identifier: Apache-2.0
/* cosign.c: keys of others and their cosignatures. See merkle.h; c2sp.org/signed-note, tlog-cosignature. */
#include "merkle_impl.h"

#include "crypto.h"

enum { TIME_LEN = 8, SIGNATURE_LEN = 64 };

static enum err bad_key(struct fail *f, const char *what)
{
    return fail_set(f, ERR_BAD_VALUE, "not a verifier key (NAME+HASH+KEY): %s", what);
}

enum err merkle_key_read(struct arena *a, struct span text, struct merkle_key *out, struct fail *f)
{
    struct span rest = span_trim(text), hash, blob;
    uint8_t want[KEY_HASH_LEN], have[KEY_HASH_LEN];
    if (!span_cut(&rest, '+', &out->name) || !is_name(out->name))
        return bad_key(f, "it does not begin with a name");
    if (!span_cut(&rest, '+', &hash) || !hex_get(hash, have, KEY_HASH_LEN))
        return bad_key(f, "the hash is not eight hex digits");
    if (!base64_get(a, rest, &blob) || blob.len != 1 + sizeof out->pk)
        return bad_key(f, "the key is not 33 bytes in Base64");
    out->type = blob.p[0];
    memcpy(out->pk, blob.p + 1, sizeof out->pk);
    if (out->type != MERKLE_KEY_LOG && out->type != MERKLE_KEY_WITNESS)
        return bad_key(f, "the algorithm is neither Ed25519 (1) nor a witness's (4)");
    key_hash(out->name, out->type, out->pk, want);
    return memcmp(want, have, sizeof want) == 0 ? OK : bad_key(f, "the hash is not that of the key");
}

struct span merkle_key_text(struct arena *a, const struct merkle_key *k)
{
    uint8_t hash[KEY_HASH_LEN], blob[1 + 32] = {k->type};
    char hex[2 * KEY_HASH_LEN + 1];
    key_hash(k->name, k->type, k->pk, hash);
    hex_put(hex, hash, KEY_HASH_LEN);
    memcpy(blob + 1, k->pk, 32);
    struct span key = base64_put(a, span_of(blob, sizeof blob));
    return arena_fmt(a, "%.*s+%s+%.*s", SPAN_F(k->name), hex, SPAN_F(key));
}

struct span merkle_note_body(struct span note)
{
    struct span rest = note, line;
    while (take_line(&rest, &line)) {
        if (line.len == 0)
            return span_sub(note, 0, (size_t)(line.p - note.p));
    }
    return SPAN_EMPTY;
}

struct span merkle_cosign_message(struct arena *a, uint64_t time_s, struct span body)
{
    return arena_fmt(a, "cosignature/v1\ntime %llu\n%.*s", (unsigned long long)time_s, SPAN_F(body));
}

struct span merkle_cosign_line(struct arena *a, const struct merkle_key *k, uint64_t time_s,
                               const uint8_t signature[64])
{
    uint8_t blob[KEY_HASH_LEN + TIME_LEN + SIGNATURE_LEN];
    key_hash(k->name, MERKLE_KEY_WITNESS, k->pk, blob);
    for (unsigned i = 0; i < TIME_LEN; i++)
        blob[KEY_HASH_LEN + i] = (uint8_t)(time_s >> (8 * (TIME_LEN - 1 - i)));
    memcpy(blob + KEY_HASH_LEN + TIME_LEN, signature, SIGNATURE_LEN);
    struct span text = base64_put(a, span_of(blob, sizeof blob));
    return arena_fmt(a, SIGNATURE_START "%.*s %.*s\n", SPAN_F(k->name), SPAN_F(text));
}

static bool good(struct arena *a, const struct signature *s, const struct merkle_key *k, struct span body,
                 uint64_t *time_s)
{
    if (s->blob.len != KEY_HASH_LEN + TIME_LEN + SIGNATURE_LEN)
        return false;
    *time_s = 0;
    for (unsigned i = 0; i < TIME_LEN; i++)
        *time_s = *time_s << 8 | s->blob.p[KEY_HASH_LEN + i];
    return sign_check(k->pk, merkle_cosign_message(a, *time_s, body),
                      span_sub(s->blob, KEY_HASH_LEN + TIME_LEN, s->blob.len));
}

enum err merkle_cosigned(struct arena *a, struct span note, const struct merkle_key *k, uint64_t *time_s,
                         struct fail *f)
{
    uint8_t hash[KEY_HASH_LEN];
    struct span body = merkle_note_body(note), line;
    struct span rest = span_sub(note, body.len + 1, note.len);
    struct signature s;
    key_hash(k->name, MERKLE_KEY_WITNESS, k->pk, hash);
    while (take_line(&rest, &line)) {
        if (!read_signature(a, line, &s) || !span_eq(s.name, k->name) ||
            memcmp(s.blob.p, hash, sizeof hash) != 0)
            continue;
        if (good(a, &s, k, body, time_s))
            return OK;
        return fail_set(f, ERR_INTEGRITY, "the cosignature of %.*s does not fit the checkpoint",
                        SPAN_F(k->name));
    }
    return fail_set(f, ERR_NOT_FOUND, "%.*s has not cosigned the checkpoint", SPAN_F(k->name));
}
