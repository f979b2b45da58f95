// SPDX-License-Identifier: Apache-2.0
/* Words of the page, names as people say them, and sets as short lists. */
#include "policy_render_impl.h"

enum column { COLUMN_EN, COLUMN_ZH, COLUMNS };

static const char *const words[RENDER_WORDS][COLUMNS] = {
#define R(id, en, zh) [RENDER_##id] = {en, zh},
#include "policy_render_words.def"
#undef R
};

/* Words that documents may use without declaring them: channels, and the sources that the engine knows. */
static const struct {
    const char *name, *said[COLUMNS];
} common[] = {
    {"agreement", {"by agreeing to the documents", "同意各份文件"}},
    {"deemed", {"by agreeing, or by going on after being told", "同意，或经告知后继续使用"}},
    {"consent", {"by an act of its own, in the service", "在服务中以单独的行为作出"}},
    {"preference", {"by a switch", "通过开关设置"}},
    {"device", {"on the device", "在设备上设置"}},
    {"guardian", {"from a verified guardian", "由经核实的监护人作出"}},
    {"guardian-agreement", {"from a verified guardian, by agreeing", "由经核实的监护人同意"}},
    {"guardian-link", {"by a check of the guardianship", "核实监护关系"}},
    {"recipient", {"from the recipient, filed in the register", "由接收方提供，并登记在册"}},
    {"evidence", {"by naming the evidence in the request", "在请求中注明证明材料"}},
    {"staff", {"from the member of staff in charge", "由负责的工作人员作出"}},
    {"service", {"from the register of services", "来自服务登记册"}},
    {"value", {"from the value itself", "来自该项信息本身"}},
    {"origin", {"from where the value came", "来自该项信息的来源"}},
    {"order", {"from the register of orders", "来自订单登记册"}},
    {"list", {"from the operator's list", "来自运营者的清单"}},
};
static const struct {
    const char *name, *zh;
} channels[] = {
    {"email", "电子邮件"}, {"letter", "信函"}, {"phone", "电话"}, {"push", "推送"},
    {"site", "站内公告"},  {"popup", "弹窗"},  {"sms", "短信"},   {"users", "用户"},
};

static bool chinese(struct span language)
{
    return span_is(language, "zh") || span_starts(language, "zh-");
}

bool policy_render_chinese(const struct render *s)
{
    return chinese(s->language);
}

const char *policy_render_word(const struct render *s, enum render_word w)
{
    return words[w][policy_render_chinese(s) ? COLUMN_ZH : COLUMN_EN];
}

void policy_render_say(struct render *s, enum render_word w)
{
    text_html(s->out, span_str(policy_render_word(s, w)));
}

/* ---- Names */

struct span policy_render_name(const struct policy *p, struct span language, struct span name,
                               struct arena *a)
{
    struct span said = policy_word_in(p, language, name);
    for (size_t i = 0; said.len == 0 && chinese(language) && i < sizeof channels / sizeof *channels; i++)
        if (span_is(name, channels[i].name))
            said = span_str(channels[i].zh);
    if (said.len)
        return said;
    struct text t = text_new(a, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        text_char(&t, name.p[i] == '-' ? ' ' : (char)name.p[i]);
    return text_span(&t);
}

struct span policy_render_meaning(const struct policy *p, struct span language, enum policy_kind k,
                                  unsigned index, struct arena *a)
{
    struct span name = policy_kind_name(p, k, index);
    struct span said = policy_word_in(p, language, name);
    if (said.len == 0)
        said = policy_kind_words(p, k, index);
    return said.len ? said : policy_render_name(p, language, name, a);
}

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/* Chinese has no blanks between words; two that stayed in Latin letters would run together. */
static void put_word(struct render *s, struct span word)
{
    struct text *t = s->out;
    if (t->len && word.len && is_name_byte(t->p[t->len - 1]) && is_name_byte(word.p[0]))
        text_char(t, ' ');
    text_html(t, word);
}

void policy_render_put_name(struct render *s, struct span name)
{
    put_word(s, policy_render_name(s->r->policy, s->language, name, s->out->arena));
}

void policy_render_put_meaning(struct render *s, enum policy_kind k, unsigned index)
{
    put_word(s, policy_render_meaning(s->r->policy, s->language, k, index, s->out->arena));
}

/* What no text of the language says is said in Chinese all the same, where we know it. */
void policy_render_put_told(struct render *s, enum policy_kind k, unsigned index)
{
    if (policy_render_chinese(s))
        policy_render_put_name(s, policy_kind_name(s->r->policy, k, index));
    else
        policy_render_put_meaning(s, k, index);
}

void policy_render_put_source(struct render *s, struct span source)
{
    enum column c = policy_render_chinese(s) ? COLUMN_ZH : COLUMN_EN;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (span_is(source, common[i].name)) {
            text_html(s->out, span_str(common[i].said[c]));
            return;
        }
    policy_render_put_name(s, source);
}

void policy_render_put_list(struct render *s, struct span list)
{
    size_t said = 0;
    for (size_t at = 0, end; at < list.len; at = end + 1) {
        for (end = at; end < list.len && is_name_byte(list.p[end]); end++)
            ;
        struct span name = span_sub(list, at, end - at);
        if (name.len == 0 || span_is(name, "or"))
            continue;
        if (said++)
            policy_render_say(s, RENDER_JOIN);
        policy_render_put_name(s, name);
    }
}

/* ---- Sets */

bool policy_render_whole(const struct render *s, enum policy_dimension d, const struct bits *set)
{
    for (size_t i = 0; i < s->r->policy->dim[d].n; i++)
        if (!bits_has(set, i))
            return false;
    return true;
}

static size_t count(const struct bits *b)
{
    size_t n = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        n += (size_t)__builtin_popcountll(b->w[i]);
    return n;
}

static bool within(const struct bits *small, const struct bits *large)
{
    struct bits rest = *small;
    bits_drop(&rest, large);
    return bits_empty(&rest);
}

static struct bits left_of(const struct bits *set, const struct bits *said)
{
    struct bits left = *set;
    bits_drop(&left, said);
    return left;
}

/* The group inside the set that says most of what is not yet said; null if none says two members. */
static const struct group *best_group(const struct dimension *dim, const struct bits *set,
                                      const struct bits *said)
{
    const struct group *best = NULL;
    size_t most = 1;
    for (size_t i = 0; i < dim->n_groups; i++) {
        struct bits news = left_of(&dim->groups[i].set, said);
        size_t n = within(&dim->groups[i].set, set) ? count(&news) : 0;
        if (n <= most)
            continue;
        most = n;
        best = &dim->groups[i];
    }
    return best;
}

/* `us` is how the language writes "we". */
static void put_group(struct render *s, enum policy_dimension d, struct span name)
{
    if (d == DIM_ACTOR && span_is(name, "us"))
        policy_render_say(s, RENDER_WE);
    else
        policy_render_put_name(s, name);
}

static enum render_word whole_word(enum policy_dimension d)
{
    if (d == DIM_FIELD)
        return RENDER_ANY_DATA;
    return d == DIM_ACTOR || d == DIM_SUBJECT || d == DIM_PARTY ? RENDER_ANYBODY : RENDER_ANY;
}

/* Who is everybody there is may have a name: "we". */
static void put_whole(struct render *s, enum policy_dimension d)
{
    const struct dimension *dim = &s->r->policy->dim[d];
    for (size_t i = 0; d == DIM_ACTOR && i < dim->n_groups; i++)
        if (policy_render_whole(s, d, &dim->groups[i].set)) {
            put_group(s, d, dim->groups[i].name);
            return;
        }
    policy_render_say(s, whole_word(d));
}

void policy_render_put_set(struct render *s, enum policy_dimension d, const struct bits *set)
{
    const struct dimension *dim = &s->r->policy->dim[d];
    struct bits said = {{0}};
    size_t n = 0;
    const struct group *g = NULL;
    if (policy_render_whole(s, d, set)) {
        put_whole(s, d);
        return;
    }
    while ((g = best_group(dim, set, &said))) {
        if (n++)
            policy_render_say(s, RENDER_JOIN);
        put_group(s, d, g->name);
        bits_join(&said, &g->set);
    }
    for (size_t i = 0; i < dim->n; i++) {
        if (!bits_has(set, i) || bits_has(&said, i))
            continue;
        if (n++)
            policy_render_say(s, RENDER_JOIN);
        policy_render_put_name(s, dim->members[i].name);
    }
}
