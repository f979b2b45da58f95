// SPDX-License-Identifier: Apache-2.0
/*
 * `--checkpoint-to`: the newest head is left in another place, too, as the record grows: a file that is only
 * appended to, or the system's log, which may lead to another machine. Whoever has an old head sees a record
 * that was cut or rewritten (docs/security.md T21). See web_impl.h.
 */
#include "web_impl.h"

#include "file.h"
#include "log.h"
#include "merkle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define SYSLOG "syslog"
#define HINT   "--checkpoint-to names a file that the daemon may append to, or syslog"

static bool to_syslog(const struct web *w)
{
    return span_is(span_str(w->config.checkpoint_to), SYSLOG);
}

static enum err cannot_write(const char *path, struct fail *f)
{
    fail_hint(f, HINT);
    return fail_set(f, ERR_IO, "%s: %s", path, strerror(errno));
}

/* A pipe would make whoever opens it wait for its reader. */
static enum err open_file(const char *path, int *fd, struct fail *f)
{
    struct stat st;
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    if (*fd < 0 && errno != ENXIO)
        return cannot_write(path, f);
    if (*fd >= 0 && fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
        return OK;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    fail_hint(f, HINT);
    return fail_set(f, ERR_IO, "%s is not a regular file", path);
}

enum err heads_to_check(const struct web *w, struct fail *f)
{
    int fd = -1;
    if (!w->config.checkpoint_to || to_syslog(w))
        return OK;
    enum err e = open_file(w->config.checkpoint_to, &fd, f);
    if (!e)
        close(fd);
    return e;
}

/* An empty line stands between two, so that the last five lines are the newest head. */
static enum err append(const char *path, struct span note, struct arena *a, struct fail *f)
{
    int fd = -1;
    enum err e = open_file(path, &fd, f);
    if (e)
        return e;
    if (lseek(fd, 0, SEEK_END) > 0)
        note = arena_fmt(a, "\n%.*s", SPAN_F(note));
    e = file_write_all(fd, note, f);
    if (!e && fdatasync(fd) != 0)
        e = cannot_write(path, f);
    close(fd);
    return e;
}

/* One line: what the note's lines hold, in their order. */
static void print(struct span note, struct arena *a)
{
    struct text t = text_new(a, 256);
    struct span line;
    while (span_cut(&note, '\n', &line))
        if (line.len)
            text_fmt(&t, "%s%.*s", t.len ? " | " : "", SPAN_F(line));
    openlog("trothd", LOG_PID, LOG_DAEMON);
    syslog(LOG_NOTICE, "checkpoint: %.*s", SPAN_F(text_span(&t)));
}

void heads_to(struct web *w, struct span note, uint64_t size, struct arena *a)
{
    struct fail f = {0};
    if (!w->config.checkpoint_to || size == w->handed_out)
        return;
    if (to_syslog(w))
        print(note, a);
    else if (append(w->config.checkpoint_to, note, a, &f) != OK) {
        log_line(LOG_LVL_WARN, "web",
                 "the newest head of the record is not in the place of --checkpoint-to: %s", f.detail);
        return;
    }
    w->handed_out = size;
}
