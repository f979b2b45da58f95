// SPDX-License-Identifier: Apache-2.0
#include "ui.h"

/* As tools/embed prints it. */
struct embedded_file {
    struct span name, content;
};
extern const struct embedded_file ui_files[];
extern const size_t ui_files_count;

const char *const ui_lang_tags[UI_LANGS] = {[UI_EN] = "en", [UI_ZH_CN] = "zh-CN"};

bool ui_lang_find(struct span tag, enum ui_lang *out)
{
    for (unsigned i = 0; i < UI_LANGS; i++) {
        if (!span_is(tag, ui_lang_tags[i]))
            continue;
        *out = (enum ui_lang)i;
        return true;
    }
    return false;
}

bool ui_file(struct span name, struct span *content)
{
    for (size_t i = 0; i < ui_files_count; i++) {
        if (!span_eq(name, ui_files[i].name))
            continue;
        *content = ui_files[i].content;
        return true;
    }
    return false;
}

static const struct ui_text *text_find(const struct ui_text *table, size_t n, struct span name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = span_cmp(name, table[middle].name);
        if (order == 0)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool ui_say_find(enum ui_lang lang, struct span key, struct span *out)
{
    const struct ui_text *row = text_find(ui_messages, ui_messages_count, key);
    if (!row || row->text[lang].len == 0)
        return false;
    *out = row->text[lang];
    return true;
}

struct span ui_say(enum ui_lang lang, const char *key)
{
    struct span out = span_str(key);
    (void)ui_say_find(lang, out, &out);
    return out;
}

bool ui_template(void *ctx, struct span name, struct span *text)
{
    const enum ui_lang *lang = ctx;
    const struct ui_text *row = text_find(ui_templates, ui_templates_count, name);
    if (!row)
        return false;
    *text = row->text[*lang];
    return true;
}
