// SPDX-License-Identifier: Apache-2.0
/* A consent event out of its printed form. See consent.h. */
#include "consent.h"

#include "json.h"

/* Place of a word in a list, or n. */
static size_t place(struct span word, const char *const *words, size_t n)
{
    size_t i = 0;
    while (i < n && !span_is(word, words[i]))
        i++;
    return i;
}

static struct span joined(struct arena *a, const struct json *list, char separator)
{
    struct text t = text_new(a, 128);
    for (size_t i = 0; i < json_count(list); i++) {
        if (i)
            text_char(&t, separator);
        text_put(&t, json_span(json_at(list, i)));
    }
    return text_span(&t);
}

static bool read_enums(const struct json *v, struct consent_event *e)
{
    static const char *const kinds[] = {"agreement", "need", "preference"};
    static const char *const states[] = {"ConsentGiven", "ConsentWithdrawn", "ConsentRefused",
                                         "ConsentDeemed"};
    static const char *const actors[] = {"subject", "guardian", "staff"};
    size_t kind = place(json_span(json_get(v, "kind")), kinds, 3);
    size_t state = place(json_span(json_get(v, "event_state")), states, 4);
    size_t actor = place(json_span(json_get(v, "event_entity")), actors, 3);
    e->kind = (enum consent_kind)kind;
    e->state = (enum consent_state)state;
    e->actor = (enum consent_actor)actor;
    return kind < 3 && state < 4 && actor < 3;
}

static void read_texts(const struct json *v, struct consent_event *e)
{
    const struct {
        const char *name;
        struct span *to;
    } texts[] = {
        {"name", &e->name},         {"event_entity_id", &e->actor_id},  {"purpose", &e->purpose},
        {"recipient", &e->party},   {"service", &e->service},           {"device", &e->device},
        {"topic", &e->topic},       {"notice_language", &e->language},  {"collection_method", &e->channel},
        {"evidence", &e->evidence}, {"collected_by", &e->collected_by},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i].to = json_span(json_get(v, texts[i].name));
}

bool consent_event_read(struct arena *a, const struct json *v, struct consent_event *out)
{
    int64_t revision = 0;
    *out = (struct consent_event){.until = INSTANT_FOREVER};
    if (!read_enums(v, out) || !hex_get(json_span(json_get(v, "record_id")), out->id.b, ID_LEN) ||
        !instant_get(json_span(json_get(v, "event_time")), &out->time))
        return false;
    read_texts(v, out);
    instant_get(json_span(json_get(v, "validity_until")), &out->until);
    hex_get(json_span(json_get(v, "policy_digest")), out->document_digest.b, sizeof out->document_digest.b);
    hex_get(json_span(json_get(v, "notice_digest")), out->notice.b, sizeof out->notice.b);
    if (json_whole(json_get(v, "policy_revision"), &revision))
        out->revision = (uint32_t)revision;
    out->fields = joined(a, json_get(v, "fields"), ',');
    out->operations = joined(a, json_get(v, "operations"), ' ');
    return out->name.len > 0;
}
