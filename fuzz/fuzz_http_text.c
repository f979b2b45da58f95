// SPDX-License-Identifier: Apache-2.0
/* Paths, forms, cookies, languages and templates as strangers (or we) may write them. The first byte chooses.
 */
#include "http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_match(struct arena *a, struct span s)
{
    struct http_params p;
    if (http_match(a, "/v1/subjects/{id}/data/{field}", s, &p)) {
        must(p.n == 2 && p.value[0].len && p.value[1].len);
        must(span_find(p.value[0], '/', 0) == p.value[0].len && span_utf8(p.value[0]));
    }
    if (http_match(a, "/audit/tile/{path...}", s, &p))
        must(p.n == 1 && !span_starts(p.value[0], "../") && span_utf8(p.value[0]));
}

static void try_form(struct arena *a, struct span s)
{
    struct span v[4];
    size_t n = http_form_all(a, s, "a", v, 4);
    must(n <= 4);
    must(http_form_get(a, s, "a", &v[0]) == (n > 0));
    if (http_decode(a, s, true, &v[0]))
        must(v[0].len <= s.len && span_utf8(v[0]) && span_find(v[0], 0, 0) == v[0].len);
}

static void try_headers(struct arena *a, struct span s)
{
    static const char *const languages[] = {"en", "zh-Hans"};
    struct span v;
    (void)a;
    must(http_language(s, languages, 2) < 2);
    if (http_cookie_get(s, "a", &v))
        must(v.len < s.len);
}

static bool find(void *ctx, struct span name, struct span *text)
{
    *text = *(const struct span *)ctx;
    return name.len <= 2; /* every short name is the template itself: recursion must end */
}

static void try_template(struct arena *a, struct span s)
{
    struct view *v = view_object(a), *list = view_list(v, "l");
    struct text out = text_new(a, 256);
    struct fail f = {0};
    view_str(v, "t", SPAN("<&>"));
    view_bool(v, "y", true);
    view_bool(v, "n", false);
    view_str(view_sub(v, "o"), "t", SPAN("inner"));
    view_str(view_item(list), "i", SPAN("1"));
    if (s.len > 300) /* partials of partials multiply */
        s.len = 300;
    enum err err = template_render(&out, SPAN("m"), v, find, &s, &f);
    must(err == OK || (err == ERR_INTERNAL && f.detail[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct arena *, struct span) = {try_match, try_form, try_headers,
                                                                 try_template};
    if (size == 0)
        return 0;
    struct arena *a = arena_new(0);
    tries[data[0] % 4](a, span_of(data + 1, size - 1));
    arena_free(a);
    return 0;
}
