// SPDX-License-Identifier: Apache-2.0
/* policy_load.c: the phases of reading, in the order that policy_impl.h tells. */
#include "policy_compile_impl.h"

static void open_files(struct load *l, const struct policy_source *sources)
{
    for (unsigned i = 0; i < l->n_files + l->n_translations; i++)
        if (policy_source_open(l, i, &sources[i]))
            policy_markdown_read(l, i);
}

static void say_empty(struct load *l)
{
    struct policy_message *m = POLICY_PUSH(l->arena, l->m->list, l->m->n);
    *m = (struct policy_message){.kind = MSG_SYNTAX, .file = SPAN("."), .line = 1, .column = 1, .width = 1};
    m->message = SPAN("there is no document to read; write one into a file whose name ends in .md");
    l->m->errors++;
    l->m->counts[MSG_SYNTAX]++;
}

static void read_all(struct load *l)
{
    policy_read_document_names(l);
    policy_read_catalogues(l);
    policy_read_vocabularies(l);
    policy_read_documents(l);
    policy_read_rules(l);
    policy_read_translations(l);
    policy_resolve_despite(l);
    policy_check_all(l);
}

/* What the analysis needs besides the policy lives in an arena of its own and ends with it. */
static void compile_and_analyse(struct load *l)
{
    struct compiled k = {.scratch = arena_new(WORK_CHUNK)};
    policy_index_build(l);
    if (policy_compile(l, &k)) {
        l->m->draft = l->p;
        policy_analyse(l, &k);
    }
    arena_free(k.scratch);
}

void policy_load_open(struct load *l, struct arena *a, const struct policy_source *sources, size_t n,
                      struct policy_messages *m)
{
    *m = (struct policy_messages){0};
    *l = (struct load){.arena = a, .p = ARENA_NEW(a, struct policy), .m = m, .clause = POLICY_NONE};
    l->files = ARENA_ARRAY(a, n, struct source_file);
    sources = policy_sources_split(l, sources, n);
    if (l->n_files == 0)
        say_empty(l);
    open_files(l, sources);
    read_all(l);
    if (m->errors == 0)
        compile_and_analyse(l);
    policy_messages_sort(m);
}

struct policy *policy_load(struct arena *a, const struct policy_source *sources, size_t n,
                           struct policy_messages *m)
{
    struct load l;
    policy_load_open(&l, a, sources, n, m);
    return m->errors > 0 ? NULL : l.p;
}
