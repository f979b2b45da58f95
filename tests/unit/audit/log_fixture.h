// SPDX-License-Identifier: Apache-2.0
/* log_fixture.h: a small log in a temporary folder, and ways to damage it. */
#ifndef LOG_FIXTURE_H
#define LOG_FIXTURE_H

#include "audit_impl.h"
#include "file.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char fx_data[64];
static const struct instant fx_now = {1793577600000};

static inline void fx_run(const char *fmt, const char *arg)
{
    char cmd[512];
    snprintf(cmd, sizeof cmd, fmt, arg, arg, arg);
    EXPECT_INT(system(cmd), 0);
}

/* The log's lock is not fair: who goes round and round lets the others have it. */
static inline void fx_breathe(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* A new, empty log with small segments. */
static inline void fx_new(uint32_t segment_bytes)
{
    audit_segment_bytes = segment_bytes;
    snprintf(fx_data, sizeof fx_data, "%s/troth-audit-XXXXXX", unit_tmp());
    EXPECT(mkdtemp(fx_data) != NULL);
    struct fail f = {0};
    EXPECT_INT(audit_create(fx_data, "log.example", fx_now, &f), OK);
    if (f.code)
        printf("  %s\n", f.detail);
}

static inline void fx_end(void)
{
    fx_run("rm -rf %s", fx_data);
}

static inline struct audit *fx_open(void)
{
    struct audit *au = NULL;
    struct fail f = {0};
    EXPECT_INT(audit_open(fx_data, &au, &f), OK);
    if (f.code)
        printf("  %s\n", f.detail);
    return au;
}

/* Entry i has a detail of i % 40 bytes and pending id i. */
static inline enum err fx_append(struct audit *au, uint64_t i)
{
    uint8_t detail[40];
    uint64_t index = 0;
    struct audit_entry e = {.leaf = {.kind = AUDIT_READ, .time = {fx_now.ms + (int64_t)i}}, .pending_id = i};
    memset(detail, (int)(i % 256), sizeof detail);
    memset(e.leaf.commit, (int)(i * 7 % 256), sizeof e.leaf.commit);
    e.detail = span_of(detail, i % 40);
    enum err err = audit_append(au, &e, &index, NULL);
    if (!err)
        EXPECT_INT(index, i);
    return err;
}

static inline void fx_fill(struct audit *au, uint64_t from, uint64_t upto)
{
    for (uint64_t i = from; i < upto; i++)
        EXPECT_INT(fx_append(au, i), OK);
    EXPECT_INT(audit_seal(au, NULL), OK);
}

static inline void fx_publish(struct audit *au)
{
    struct fail f = {0};
    EXPECT_INT(audit_publish(au, fx_now, &f), OK);
    if (f.code)
        printf("  %s\n", f.detail);
}

/* True if entry i reads back as fx_append wrote it. */
static inline bool fx_same(struct audit *au, uint64_t i)
{
    struct arena *a = arena_new(0);
    struct span leaf, detail;
    struct audit_leaf l;
    bool ok = audit_read(au, i, a, &leaf, &detail, NULL) == OK && audit_leaf_get(leaf, &l) &&
              detail.len == i % 40 && l.time.ms == fx_now.ms + (int64_t)i && l.commit[31] == i * 7 % 256 &&
              (detail.len == 0 || detail.p[detail.len - 1] == i % 256);
    arena_free(a);
    return ok;
}

static inline const char *fx_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fx_data, name);
    return path;
}

static inline uint8_t fx_byte(const char *name, off_t at, int flip)
{
    uint8_t b = 0;
    int fd = open(fx_path(name), O_RDWR);
    EXPECT(fd >= 0);
    EXPECT(pread(fd, &b, 1, at) == 1);
    b ^= (uint8_t)flip;
    if (flip)
        EXPECT(pwrite(fd, &b, 1, at) == 1);
    close(fd);
    return b;
}

static inline off_t fx_size(const char *name)
{
    struct stat st;
    return stat(fx_path(name), &st) == 0 ? st.st_size : -1;
}

/* Verifies; returns the fault, "" if there is none. */
static inline const char *fx_verify(void)
{
    static struct audit_report r;
    struct fail f = {0};
    EXPECT_INT(audit_verify(fx_data, &r, NULL, NULL, &f), OK);
    EXPECT(r.ok == (r.fault[0] == 0));
    return r.fault;
}

#endif
