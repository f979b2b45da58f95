// SPDX-License-Identifier: Apache-2.0
/* create.c: a new, empty log. See audit.h. */
#define _GNU_SOURCE /* renameat2 */
#include "audit_impl.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOST_MAX = 253 };

/* Letters, digits and what host names, ports and addresses need: nothing a note's key name may not hold. */
static bool is_host(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len <= HOST_MAX &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == len;
}

/* <host>/audit/<instance>/<node>/<epoch>: the epoch is the quarter the log began in. */
static struct span make_origin(struct arena *a, const struct audit_place *p, struct instant now)
{
    uint8_t r[4];
    char fresh[2 * sizeof r + 1];
    struct date d = date_at(now, 0);
    crypto_random(r, sizeof r);
    hex_put(fresh, r, sizeof r);
    return arena_fmt(a, "%s/audit/%.*s/%s/%dq%d", p->host,
                     SPAN_F(p->instance.len ? p->instance : span_str(fresh)), p->node ? p->node : "1", d.year,
                     (d.month - 1) / 3 + 1);
}

struct span audit_instance(struct span origin)
{
    struct span rest = origin, part = SPAN_EMPTY;
    size_t marker = 0;
    while (marker + 7 < rest.len && !span_starts(span_sub(rest, marker, rest.len), "/audit/"))
        marker++;
    rest = span_sub(rest, marker + 7 < rest.len ? marker + 7 : rest.len, rest.len);
    span_cut(&rest, '/', &part);
    return part;
}

static enum err write_line(struct arena *a, const char *path, const char *name, struct span line,
                           struct fail *f)
{
    struct span text = arena_fmt(a, "%.*s\n", SPAN_F(line));
    return file_write_durable(arena_str(a, arena_fmt(a, "%s/%s", path, name)), text, 0644, f);
}

static enum err first_segment(const char *path, struct fail *f)
{
    struct segment_make m = {.head = {.bytes = audit_segment_bytes}};
    int fd;
    m.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m.dir < 0)
        return io_fail(f, "opening", path);
    enum err e = segment_create(&m, &fd, f);
    if (!e)
        close(fd);
    close(m.dir);
    return e;
}

static enum err fill_folder(struct arena *a, const char *path, const struct sign_key *key, struct span origin,
                            struct fail *f)
{
    static const struct tiles empty;
    struct identity id = {.origin = origin};
    struct span note;
    sign_key_public(key, id.pk);
    enum err e = file_mkdirs(path, 0700, f);
    if (!e)
        e = write_line(a, path, "origin", origin, f);
    if (!e)
        e = write_line(a, path, "key.pub", merkle_verifier_key(a, origin, id.pk), f);
    if (!e)
        e = first_segment(path, f);
    return e ? e : note_publish(a, path, key, &id, &empty, &note, f);
}

/* Made under another name and renamed: a log is there in whole or not at all. */
static enum err make_folder(struct arena *a, const char *data, const struct sign_key *key, struct span origin,
                            struct fail *f)
{
    const char *path = arena_str(a, arena_fmt(a, "%s/audit", data));
    const char *tmp = arena_str(a, arena_fmt(a, "%s/audit.new", data));
    enum err e = fill_folder(a, tmp, key, origin, f);
    if (e)
        return e;
    if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        return io_fail(f, "naming", path);
    return file_sync_dir(data, f);
}

enum err audit_create(const char *data, const char *host, struct instant now, struct fail *f)
{
    return audit_create_at(data, &(struct audit_place){.host = host}, now, f);
}

enum err audit_create_at(const char *data, const struct audit_place *p, struct instant now, struct fail *f)
{
    if (!is_host(p->host))
        return fail_set(f, ERR_BAD_VALUE, "the host name of the log is not acceptable");
    struct arena *a = arena_new(0);
    struct sign_key *key = NULL;
    const char *key_path = arena_str(a, arena_fmt(a, "%s/audit-key", data));
    enum err e = OK;
    if (file_exists(arena_str(a, arena_fmt(a, "%s/audit", data))))
        e = fail_set(f, ERR_CONFLICT, "%s/audit exists already", data);
    /* A first attempt that was cut short may have left its key, which has signed nothing anyone saw. */
    if (!e && !file_exists(key_path))
        e = sign_key_create_file(key_path, f);
    if (!e)
        e = sign_key_read_file(key_path, &key, f);
    if (!e)
        e = make_folder(a, data, key, make_origin(a, p, now), f);
    sign_key_free(key);
    arena_free(a);
    return e;
}
