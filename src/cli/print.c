// SPDX-License-Identifier: Apache-2.0
/* Answers as people read them: "name: value", nested ones indented. See cli_impl.h */
#include "cli_impl.h"
#include "json.h"

#include <stdio.h>

/* Control characters of a value must not reach the terminal. */
static void put_text(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        putchar(s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i]);
}

static bool is_leaf(const struct json *v)
{
    enum json_kind k = json_kind(v);
    return k != JSON_OBJECT && k != JSON_ARRAY;
}

/* A list of plain values fits one line. */
static bool is_short(const struct json *v)
{
    if (json_kind(v) == JSON_OBJECT)
        return json_count(v) == 0;
    for (size_t i = 0; i < json_count(v); i++)
        if (!is_leaf(json_at(v, i)))
            return false;
    return true;
}

/* Numbers and switches are read as members of what holds them. */
static void put_leaf(const struct json *holder, const struct json *v)
{
    const char *name = (const char *)json_name(v).p;
    int64_t number = 0;
    bool yes = false;
    if (json_kind(v) == JSON_STRING)
        put_text(json_span(v));
    else if (json_kind(v) == JSON_NUMBER && name && json_read_i64(holder, name, true, &number, NULL) == OK)
        printf("%lld", (long long)number);
    else if (json_kind(v) == JSON_BOOL && name && json_read_bool(holder, name, true, &yes, NULL) == OK)
        fputs(yes ? "yes" : "no", stdout);
    else
        putchar('-');
}

static void put_short(const struct json *holder, const struct json *v)
{
    if (is_leaf(v))
        put_leaf(holder, v);
    for (size_t i = 0; !is_leaf(v) && i < json_count(v); i++) {
        fputs(i ? ", " : "", stdout);
        put_leaf(v, json_at(v, i));
    }
    putchar('\n');
}

static void put_value(const struct json *v, int depth)
{
    bool list = json_kind(v) == JSON_ARRAY;
    for (size_t i = 0; i < json_count(v); i++) {
        const struct json *one = json_at(v, i);
        printf("%*s", depth * 2, "");
        put_text(list ? SPAN("-") : json_name(one));
        fputs(list ? "" : ":", stdout);
        if (is_leaf(one) || is_short(one)) {
            putchar(' ');
            put_short(v, one);
        } else {
            putchar('\n');
            put_value(one, depth + 1);
        }
    }
}

void cli_print(struct span text)
{
    struct arena *a = arena_new(0);
    const struct json *v = NULL;
    if (json_parse(a, text, &v, NULL) == OK)
        put_value(v, 0);
    else
        fwrite(text.p, 1, text.len, stdout);
    arena_free(a);
}

static void problem_line(const struct json *v, const char *name, const char *lead)
{
    struct span s = json_span(json_get(v, name));
    if (s.len)
        fprintf(stderr, "%s%.*s\n", lead, SPAN_F(s));
}

int cli_problem(struct cli *c, const struct cli_answer *answer)
{
    const struct json *v = NULL;
    if (json_parse(c->arena, answer->body, &v, NULL) != OK) {
        fprintf(stderr, "troth: the answer was status %d\n", answer->status);
        return CLI_FAILED;
    }
    problem_line(v, json_get(v, "detail") ? "detail" : "title", "troth: ");
    problem_line(v, "pointer", "  at ");
    problem_line(v, "reason", "  reason ");
    problem_line(v, "clause", "  clause ");
    problem_line(v, "hint", "  ");
    return CLI_FAILED;
}
