// SPDX-License-Identifier: Apache-2.0
/* secret_file.c: a key on disk: 64 hex digits (of one that opens backups, after a word), one owner, no links.
 * See crypto.h, key_read_file. */
#include "crypto_impl.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HEX_LEN = 2 * KEY_LEN,
    WORD_LEN = sizeof BOX_SECRET_WORD - 1,
    FILE_MAX = WORD_LEN + HEX_LEN + 2 /* one line end, CR LF at most */
};

static enum err refuse(struct fail *f, const char *path, const char *why, const char *remedy)
{
    enum err e = fail_set(f, ERR_NO_KEY, "the key file %s %s", path, why);
    fail_hint(f, "%s", remedy);
    return e;
}

static enum err open_failed(struct fail *f, const char *path)
{
    switch (errno) {
    case ENOENT:
        return refuse(f, path, "does not exist",
                      "restore it from its backup; `troth init` makes one for a new folder");
    case ELOOP:
        return refuse(f, path, "is a symbolic link", "put the file itself there, or name its real path");
    case EACCES:
        return refuse(f, path, "cannot be read by this user",
                      "give it to the user the daemon runs as, mode 0600");
    default:
        return refuse(f, path, strerror(errno), "see whether the disk is mounted and sound");
    }
}

/* Only the owner may read it, and the owner is us or root. */
static enum err check_mode(int fd, const char *path, struct fail *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return refuse(f, path, strerror(errno), "see whether the disk is mounted and sound");
    if (!S_ISREG(st.st_mode))
        return refuse(f, path, "is not a regular file", "name a file of 64 hex digits");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return refuse(f, path, "belongs to another user", "chown it to the user the daemon runs as");
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return refuse(f, path, "can be reached by group or others",
                      "chmod 600 it, and replace the key if others read it");
    return OK;
}

static ssize_t read_all(int fd, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static bool is_line_end(struct span s)
{
    return s.len == 0 || span_is(s, "\n") || span_is(s, "\r\n");
}

/* 64 digits and at most a line end; *kind: whether the word stands before them. *n: bytes read, or -1. */
static bool digits(int fd, ssize_t *n, uint8_t out[KEY_LEN], enum box_file *kind)
{
    uint8_t buf[FILE_MAX + 1];
    *n = read_all(fd, buf, sizeof buf);
    struct span s = span_of(buf, *n > 0 ? (size_t)*n : 0);
    *kind = box_secret_like(s) ? BOX_FILE_SAID : BOX_FILE_DIGITS;
    if (*kind == BOX_FILE_SAID)
        s = span_sub(s, WORD_LEN, s.len);
    bool ok = s.len >= HEX_LEN && is_line_end(span_sub(s, HEX_LEN, s.len)) &&
              hex_get(span_sub(s, 0, HEX_LEN), out, KEY_LEN);
    crypto_wipe(buf, sizeof buf);
    return ok;
}

static enum err read_digits(int fd, const char *path, uint8_t out[KEY_LEN], enum box_file *kind,
                            struct fail *f)
{
    ssize_t n;
    enum box_file found;
    bool ok = digits(fd, &n, out, &found);
    if (n < 0)
        return refuse(f, path, "cannot be read", "see whether the disk is mounted and sound");
    if (ok && (kind || found == BOX_FILE_DIGITS)) {
        if (kind)
            *kind = found;
        return OK;
    }
    crypto_wipe(out, KEY_LEN);
    if (ok)
        return refuse(f, path, "holds the secret that opens backups", "name the file of the key asked for");
    return refuse(f, path, "does not hold exactly 64 hex digits", "restore it from its backup");
}

enum err secret_file_read(const char *path, uint8_t out[KEY_LEN], enum box_file *kind, struct fail *f)
{
    /* O_NONBLOCK: a named pipe put in its place must not hang the start. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return open_failed(f, path);
    enum err e = check_mode(fd, path, f);
    if (!e)
        e = read_digits(fd, path, out, kind, f);
    close(fd);
    return e;
}

static enum err write_secret(int fd, const char *word, const uint8_t secret[KEY_LEN], struct fail *f)
{
    char text[FILE_MAX];
    size_t len = strlen(word);
    memcpy(text, word, len);
    hex_put(text + len, secret, KEY_LEN);
    text[len + HEX_LEN] = '\n';
    enum err e = file_write_all(fd, span_of(text, len + HEX_LEN + 1), f);
    crypto_wipe(text, sizeof text);
    if (!e && fsync(fd) != 0)
        e = fail_set(f, ERR_IO, "fsync of a key file: %s", strerror(errno));
    return e;
}

/* The name appears only when the content is on disk, and never replaces another file. */
static enum err publish(const char *tmp, const char *path, struct fail *f)
{
    if (link(tmp, path) == 0)
        return OK;
    if (errno != EEXIST)
        return fail_set(f, ERR_IO, "%s cannot be created: %s", path, strerror(errno));
    enum err e = fail_set(f, ERR_CONFLICT, "%s exists already", path);
    fail_hint(
        f,
        "a key is never overwritten: what it sealed would be lost. Move the file away if it is not in use");
    return e;
}

static enum err sync_parent(const char *path, struct fail *f)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    int n = snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (n < 0 || (size_t)n >= sizeof dir)
        return fail_set(f, ERR_IO, "a path is too long");
    return file_sync_dir(n == 0 ? "/" : dir, f);
}

enum err secret_file_create(const char *path, const char *word, const uint8_t secret[KEY_LEN], struct fail *f)
{
    uint8_t r[8];
    char hex[2 * sizeof r + 1], tmp[4096];
    crypto_random(r, sizeof r);
    hex_put(hex, r, sizeof r);
    int n = snprintf(tmp, sizeof tmp, "%s.%s", path, hex);
    if (n < 0 || (size_t)n >= sizeof tmp)
        return fail_set(f, ERR_IO, "a path is too long");
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_set(f, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "%s cannot be created: %s", path,
                        strerror(errno));
    enum err e = write_secret(fd, word, secret, f);
    close(fd);
    if (!e)
        e = publish(tmp, path, f);
    unlink(tmp);
    return e ? e : sync_parent(path, f);
}

/* ---- A command that prints it */

enum { COMMAND_S = 30 };

/* In a group of its own, so that what it started ends with it; alarm() survives exec. */
static pid_t start_command(const char *command, int *from)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        dup2(ends[1], STDOUT_FILENO);
        alarm(COMMAND_S);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

enum err secret_command_read(const char *command, uint8_t out[KEY_LEN], struct fail *f)
{
    int from = -1, status = 0;
    ssize_t n = 0;
    enum box_file kind = BOX_FILE_DIGITS;
    pid_t child = start_command(command, &from);
    bool ok = from >= 0 && child > 0 && digits(from, &n, out, &kind) && kind == BOX_FILE_DIGITS;
    if (from >= 0)
        close(from);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (ok && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OK;
    crypto_wipe(out, KEY_LEN);
    fail_hint(f, "it must print 64 hex digits, nothing else, and exit with 0 within %d seconds", COMMAND_S);
    if (child > 0 && WIFSIGNALED(status))
        return fail_set(f, ERR_NO_KEY, "the master key command was ended by signal %d", WTERMSIG(status));
    return fail_set(f, ERR_NO_KEY, "the master key command %s (exit status %d)",
                    ok ? "failed after printing" : "did not print a key", WEXITSTATUS(status));
}
