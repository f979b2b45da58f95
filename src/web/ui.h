// SPDX-License-Identifier: Apache-2.0
/*
 * ui.h: what is embedded from ui/ at build: files, messages in every language, translated templates.
 *
 * tools/embed makes the table of files, tools/po the tables of messages and templates. Everything is const
 * and static.
 */
#ifndef TROTH_UI_H
#define TROTH_UI_H

#include "span.h"

enum ui_lang { UI_EN, UI_ZH_CN, UI_LANGS };

struct ui_text {
    struct span name;
    struct span text[UI_LANGS];
};

/* Sorted by name, by bytes. */
extern const struct ui_text ui_messages[], ui_templates[];
extern const size_t ui_messages_count, ui_templates_count;

/* BCP 47 tags by enum ui_lang; the first is the default. */
extern const char *const ui_lang_tags[UI_LANGS];
/* True and the language if tag is one of ours, spelled exactly. */
bool ui_lang_find(struct span tag, enum ui_lang *out);

/* A file of ui/ by its path below it. */
bool ui_file(struct span name, struct span *content);
/* The message of a key; false if there is none. For keys made from names of the policy. */
bool ui_say_find(enum ui_lang lang, struct span key, struct span *out);
/* The message of a key we wrote ourselves. An unknown key gives the key, so that a page shows what is
 * missing. */
struct span ui_say(enum ui_lang lang, const char *key);
/* template_find_fn (http.h): ctx points to the enum ui_lang of the page. */
bool ui_template(void *ctx, struct span name, struct span *text);

#endif
