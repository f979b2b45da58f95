// SPDX-License-Identifier: Apache-2.0
/* record.c: segment heads and records as bytes, and the cursor that reads them. Layouts in DESIGN.md. */
#define _GNU_SOURCE /* SEEK_DATA */
#include "audit_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char magic[8] = "TROTHSEG";
enum { SEGMENT_VERSION = 1 };

void segment_name(char out[NAME_MAX_LEN], uint64_t number)
{
    snprintf(out, NAME_MAX_LEN, "segment-%08" PRIu64, number);
}

void segment_head_put(const struct segment_head *h, uint8_t out[SEGMENT_HEAD])
{
    memcpy(out, magic, 8);
    put_be(out + 8, SEGMENT_VERSION, 4);
    put_be(out + 12, h->bytes, 4);
    put_be(out + 16, h->number, 8);
    put_be(out + 24, h->first, 8);
    put_be(out + 32, crc32c(0, span_of(out, 32)), 4);
}

const char *segment_head_get(const uint8_t in[SEGMENT_HEAD], struct segment_head *h)
{
    if (memcmp(in, magic, 8) != 0)
        return "the file does not begin as a segment does";
    if (crc32c(0, span_of(in, 32)) != get_be(in + 32, 4))
        return "the checksum of the head differs";
    if (get_be(in + 8, 4) != SEGMENT_VERSION)
        return "the segment has a version this program does not know";
    h->bytes = (uint32_t)get_be(in + 12, 4);
    h->number = get_be(in + 16, 8);
    h->first = get_be(in + 24, 8);
    return NULL;
}

/* The entry's index is part of what is summed: a record moved elsewhere, or left over from before a cut, does
 * not fit. */
static uint32_t record_crc(uint64_t index, const uint8_t *record, size_t length)
{
    uint8_t head[12];
    put_be(head, index, 8);
    memcpy(head + 8, record, 4);
    return crc32c(crc32c(0, span_of(head, sizeof head)), span_of(record + 8, length));
}

size_t record_put(const struct record *r, uint8_t *out)
{
    size_t length = RECORD_FIXED + r->leaf.len + r->detail.len;
    put_be(out, length, 4);
    put_be(out + 8, r->pending_id, 8);
    put_be(out + 16, r->leaf.len, 2);
    memcpy(out + RECORD_HEAD, r->leaf.p, r->leaf.len);
    if (r->detail.len)
        memcpy(out + RECORD_HEAD + r->leaf.len, r->detail.p, r->detail.len);
    put_be(out + 4, record_crc(r->index, out, length), 4);
    return 8 + length;
}

void cursor_start(struct cursor *c, int fd, const struct segment_head *h, size_t window)
{
    *c = (struct cursor){
        .fd = fd, .index = h->first, .offset = SEGMENT_HEAD, .bytes = h->bytes, .cap = window};
    c->window = malloc(window);
    if (!c->window)
        abort(); /* as an arena would */
}

void cursor_close(struct cursor *c)
{
    free(c->window);
    close(c->fd);
}

void cursor_refresh(struct cursor *c)
{
    c->len = 0;
}

static ssize_t pread_all(int fd, uint8_t *p, size_t len, uint64_t at)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, p + got, len - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* Brings `need` bytes at the cursor into the window, or as many as the file has. False: an I/O error. */
static bool fill(struct cursor *c, size_t need)
{
    if (c->len && c->offset >= c->base && c->offset + need <= c->base + c->len)
        return true;
    uint64_t left = c->bytes > c->offset ? c->bytes - c->offset : 0;
    ssize_t n = pread_all(c->fd, c->window, left < c->cap ? (size_t)left : c->cap, c->offset);
    c->base = c->offset;
    c->len = n > 0 ? (size_t)n : 0;
    return n >= 0;
}

/* What the window holds at the cursor. */
static struct span ahead(const struct cursor *c)
{
    return span_of(c->window + (c->offset - c->base), c->len - (size_t)(c->offset - c->base));
}

static enum step bad(struct cursor *c, const char *why)
{
    c->why = why;
    return STEP_BAD;
}

static enum step take(struct cursor *c, struct span s, size_t length, struct record *r)
{
    size_t leaf = (size_t)get_be(s.p + 16, 2);
    if (get_be(s.p + 4, 4) != record_crc(c->index, s.p, length))
        return bad(c, "the checksum of the record differs");
    if (leaf > AUDIT_LEAF_MAX || leaf > length - RECORD_FIXED)
        return bad(c, "the leaf's length is impossible");
    *r = (struct record){
        .index = c->index,
        .offset = c->offset,
        .pending_id = get_be(s.p + 8, 8),
        .leaf = span_sub(s, RECORD_HEAD, leaf),
        .detail = span_sub(s, RECORD_HEAD + leaf, length - RECORD_FIXED - leaf),
    };
    c->index++;
    c->offset += 8 + length;
    return STEP_RECORD;
}

enum step cursor_next(struct cursor *c, struct record *r)
{
    if (c->offset + RECORD_HEAD > c->bytes)
        return STEP_END;
    if (!fill(c, RECORD_HEAD))
        return STEP_IO;
    if (ahead(c).len < RECORD_HEAD)
        return bad(c, "the file ends too early");
    size_t length = (size_t)get_be(ahead(c).p, 4);
    if (length == 0)
        return STEP_END;
    if (length < RECORD_FIXED || length > RECORD_MAX - 8 || c->offset + 8 + length > c->bytes)
        return bad(c, "the record's length is impossible");
    if (!fill(c, 8 + length))
        return STEP_IO;
    if (ahead(c).len < 8 + length)
        return bad(c, "the file ends inside the record");
    return take(c, ahead(c), length, r);
}

/* Where the next byte that may differ from zero is. Reserved room that was never written is a hole to most
 * file systems; the others say there is data, and it is read. */
static uint64_t skip_hole(int fd, uint64_t at, uint64_t bytes)
{
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    if (data >= 0)
        return (uint64_t)data;
    return errno == ENXIO && lseek(fd, 0, SEEK_END) >= (off_t)bytes ? bytes : at;
}

/* How many zeros the block begins with. */
static size_t zeros(const uint8_t *p, size_t n)
{
    size_t i = 0;
    if (n && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0)
        return n;
    while (i < n && p[i] == 0)
        i++;
    return i;
}

bool cursor_rest_zero(struct cursor *c, uint64_t *at)
{
    uint8_t block[64 << 10];
    for (*at = c->offset; *at < c->bytes;) {
        *at = skip_hole(c->fd, *at, c->bytes);
        uint64_t left = c->bytes > *at ? c->bytes - *at : 0;
        ssize_t n = pread_all(c->fd, block, left < sizeof block ? (size_t)left : sizeof block, *at);
        if (n <= 0)
            return left == 0;
        size_t good = zeros(block, (size_t)n);
        *at += good;
        if (good < (size_t)n)
            return false;
    }
    return true;
}
