// SPDX-License-Identifier: Apache-2.0
/* Whatever json_parse takes must be what it says: valid UTF-8 without zero bytes, within the limits. */
#include "json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct json *v, unsigned depth)
{
    if (depth > JSON_DEPTH_MAX || json_count(v) > JSON_MEMBERS_MAX)
        abort();
    if (!span_utf8(json_span(v)) || !span_utf8(json_name(v)))
        abort();
    for (size_t i = 0; i < json_count(v); i++)
        look(json_at(v, i), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"subject", "fields", NULL};
    struct arena *a = arena_new(0);
    const struct json *v = NULL;
    struct fail f = {.code = OK};
    int64_t n;

    enum err err = json_parse(a, span_of(data, size), &v, &f);
    if ((err == OK) != (v != NULL) || (err != OK && !f.detail[0]))
        abort();
    if (v) {
        look(v, 0);
        json_only(v, names, &f);
        json_read_i64(v, "fields", false, &n, &f);
    }
    arena_free(a);
    return 0;
}
