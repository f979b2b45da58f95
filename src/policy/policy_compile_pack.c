// SPDX-License-Identifier: Apache-2.0
/* policy_compile_pack.c: two built halves into one run of bytes; the layout is in policy_diagram_impl.h. */
#include "policy_compile_impl.h"

#define MAP_CLASSES_MAX 255   /* a class is one byte */
#define MAP_IDS_MAX     65535 /* a map's number, in units of two bytes, is 16 bits */
#define MAP_SLOTS       8192  /* a power of two; beyond half of it, new nodes get no map */
#define CITED_MAX       16    /* clauses of conditions that a decision can cite */

struct packing {
    struct arena *scratch;
    const struct policy *p;
    const struct atoms *atoms;
    struct diagram_header h;
    void *section[DIAGRAM_SECTION_COUNT];
    size_t cap[DIAGRAM_SECTION_COUNT];
    uint16_t *grant_of, *bar_of, *have_of; /* norm -> record */
    uint32_t *ref_of[HALF_COUNT];          /* place in cells -> unit of the node */
    uint32_t map_slots[MAP_SLOTS];         /* map number + 1 */
    size_t n_maps;
};

static const size_t element_size[] = {
#define SECTION(name, member, type) sizeof(type),
    DIAGRAM_SECTIONS
#undef SECTION
};

/* Room for n more elements at the end of a section; zeroed. */
static void *extend(struct packing *k, enum diagram_section s, size_t n)
{
    size_t size = element_size[s], have = k->h.n[s];
    if (have + n > k->cap[s]) {
        k->cap[s] = (have + n) * 2;
        void *bigger = arena_array(k->scratch, k->cap[s], size);
        if (have > 0)
            memcpy(bigger, k->section[s], have * size);
        k->section[s] = bigger;
    }
    k->h.n[s] += (uint32_t)n;
    return (uint8_t *)k->section[s] + have * size;
}

/* ---- Records of norms. */

static uint32_t put_needs(struct packing *k, const struct formula *f)
{
    uint32_t at = k->h.n[DIAGRAM_NEEDS];
    uint64_t *needs = extend(k, DIAGRAM_NEEDS, f->n);
    for (size_t i = 0; i < f->n; i++)
        needs[i] = f->terms[i].needs;
    return at;
}

static uint16_t put_when(struct packing *k, const struct formula *f)
{
    uint16_t at = (uint16_t)k->h.n[DIAGRAM_TERMS];
    struct diagram_term *terms = extend(k, DIAGRAM_TERMS, f->n);
    for (size_t i = 0; i < f->n; i++)
        terms[i] = (struct diagram_term){f->terms[i].facts, f->terms[i].facts_value};
    return at;
}

/* How many permissions are to be preferred to this one. */
static uint16_t preference(const struct policy *p, const struct norm *n)
{
    unsigned better = 0;
    for (size_t i = 0; i < p->n_norms; i++)
        better += p->norms[i].kind == NORM_GRANT && policy_grant_cmp(p, &p->norms[i], n) < 0;
    return (uint16_t)better;
}

static void put_grant(struct packing *k, size_t i)
{
    const struct norm *n = &k->p->norms[i];
    k->grant_of[i] = (uint16_t)k->h.n[DIAGRAM_GRANTS];
    struct diagram_grant *g = extend(k, DIAGRAM_GRANTS, 1);
    *g = (struct diagram_grant){.norm = (uint16_t)i,
                                .clause = (uint16_t)n->clause,
                                .preference = preference(k->p, n),
                                .until_event = (uint16_t)n->act.until.event,
                                .until_unit = (uint16_t)n->act.until.unit,
                                .until_number = n->act.until.number,
                                .needs = put_needs(k, &n->act.needs),
                                .n_needs = (uint16_t)n->act.needs.n,
                                .when = put_when(k, &n->act.when),
                                .n_when = (uint16_t)n->act.when.n};
}

static void put_bar(struct packing *k, size_t i)
{
    k->bar_of[i] = (uint16_t)k->h.n[DIAGRAM_BARS];
    struct diagram_bar *b = extend(k, DIAGRAM_BARS, 1);
    *b = (struct diagram_bar){.norm = (uint16_t)i, .clause = (uint16_t)k->p->norms[i].clause};
}

static void put_have(struct packing *k, size_t i)
{
    const struct norm *n = &k->p->norms[i];
    if (n->must.kind != MUST_HAVE)
        return;
    k->have_of[i] = (uint16_t)k->h.n[DIAGRAM_HAVES];
    struct diagram_have *h = extend(k, DIAGRAM_HAVES, 1);
    *h = (struct diagram_have){.norm = (uint16_t)i,
                               .clause = (uint16_t)n->clause,
                               .rank = (uint16_t)k->p->documents[n->document].rank,
                               .needs = put_needs(k, &n->must.needs),
                               .n_needs = (uint16_t)n->must.needs.n};
    for (size_t t = 0; t < n->must.needs.n; t++)
        h->all |= n->must.needs.terms[t].needs;
}

static void put_records(struct packing *k)
{
    size_t n = k->p->n_norms;
    k->grant_of = ARENA_ARRAY(k->scratch, n + 1, uint16_t);
    k->bar_of = ARENA_ARRAY(k->scratch, n + 1, uint16_t);
    k->have_of = ARENA_ARRAY(k->scratch, n + 1, uint16_t);
    for (size_t i = 0; i < n; i++) {
        if (k->p->norms[i].kind == NORM_GRANT)
            put_grant(k, i);
        else if (k->p->norms[i].kind == NORM_BAR)
            put_bar(k, i);
        else if (k->p->norms[i].kind == NORM_CONDITION)
            put_have(k, i);
    }
}

/* ---- Atoms, rows for near misses, scopes. */

static void put_row(struct packing *k, enum policy_dimension d, unsigned atom)
{
    const struct norm_index *x = &k->p->index;
    const uint64_t *row = x->row[d] + k->atoms->first[d][atom] * x->words;
    uint64_t *near = extend(k, DIAGRAM_NEAR, k->h.near_words);
    for (size_t i = 0; i < k->p->n_norms; i++)
        if (k->p->norms[i].kind == NORM_GRANT && norm_set_has(row, i))
            set_put(near, k->grant_of[i]);
    *(uint32_t *)extend(k, DIAGRAM_SCOPES, 1) = k->atoms->scope[d][atom];
}

static void put_dimension(struct packing *k, enum policy_dimension d)
{
    size_t values = k->p->index.rows[d];
    k->h.atoms_at[d] = k->h.n[DIAGRAM_ATOMS];
    k->h.rows_at[d] = k->h.n[DIAGRAM_SCOPES];
    k->h.values[d] = (uint32_t)values;
    memcpy(extend(k, DIAGRAM_ATOMS, values), k->atoms->of[d], values * sizeof(uint16_t));
    for (unsigned atom = 0; atom < k->atoms->n[d]; atom++)
        put_row(k, d, atom);
}

/* ---- Leaves. */

static void put_ground(struct packing *k, const uint16_t *leaf)
{
    *(uint32_t *)extend(k, DIAGRAM_GROUNDS, 1) = k->h.n[DIAGRAM_LISTS];
    uint16_t *list = extend(k, DIAGRAM_LISTS, leaf[0]);
    list[0] = leaf[1];
    for (unsigned i = 1; i < leaf[0]; i++)
        list[i] = leaf[1] == GROUND_BARRED ? k->bar_of[leaf[1 + i]] : k->grant_of[leaf[1 + i]];
}

/* The clauses that a leaf cites, each once, as many as a decision can hold. */
static void put_cited(struct packing *k, const uint16_t *leaf, struct diagram_bind *bind)
{
    uint16_t cited[CITED_MAX];
    for (unsigned i = 1; i <= leaf[0] && bind->n_clauses < CITED_MAX; i++) {
        uint16_t clause = (uint16_t)k->p->norms[leaf[i]].clause;
        unsigned at = 0;
        while (at < bind->n_clauses && cited[at] != clause)
            at++;
        cited[at] = clause;
        bind->n_clauses = (uint16_t)(at == bind->n_clauses ? at + 1 : bind->n_clauses);
    }
    memcpy(extend(k, DIAGRAM_LISTS, bind->n_clauses), cited, bind->n_clauses * sizeof cited[0]);
}

static void put_bind(struct packing *k, const uint16_t *leaf)
{
    struct diagram_bind bind = {.mask = POLICY_NONE, .list = k->h.n[DIAGRAM_LISTS]};
    put_cited(k, leaf, &bind);
    for (unsigned i = 1; i <= leaf[0]; i++) {
        const struct must *m = &k->p->norms[leaf[i]].must;
        if (m->kind == MUST_DEED)
            bind.deeds |= 1ull << m->index;
        else if (m->kind == MUST_MASK && (bind.mask == POLICY_NONE || m->index > bind.mask))
            bind.mask = (uint16_t)m->index;
        else if (m->kind == MUST_HAVE) {
            *(uint16_t *)extend(k, DIAGRAM_LISTS, 1) = k->have_of[leaf[i]];
            bind.n_haves++;
        }
    }
    *(struct diagram_bind *)extend(k, DIAGRAM_BINDS, 1) = bind;
}

static void put_leaves(struct packing *k, const struct building *b)
{
    for (size_t i = 0; i < b->n_leaves; i++) {
        const uint16_t *leaf = b->leaves + b->leaf_at[i];
        if (b->half == HALF_GROUND)
            put_ground(k, leaf);
        else
            put_bind(k, leaf);
    }
    if (k->h.first_node < b->n_leaves)
        k->h.first_node = (uint32_t)b->n_leaves;
}

/* ---- Maps: which class of children an atom has. Equal maps are one. */

/* The children that differ, in `class`; the class of each atom, in `map`. */
static unsigned classes_of(const uint32_t *cell, uint32_t *class, uint8_t *map)
{
    unsigned n = 0;
    for (unsigned i = 0; i < cell[1]; i++) {
        unsigned c = 0;
        while (c < n && class[c] != cell[2 + i])
            c++;
        if (c > MAP_CLASSES_MAX)
            return c;
        class[c] = cell[2 + i];
        map[i] = (uint8_t)c;
        n = c == n ? n + 1 : n;
    }
    return n;
}

static uint32_t *map_slot(struct packing *k, const uint8_t *map, unsigned n)
{
    uint64_t h = n;
    for (unsigned i = 0; i < n; i++)
        h = (h ^ map[i]) * 0x9e3779b97f4a7c15u ^ h >> 31;
    size_t at = (size_t)(h ^ h >> 32) % MAP_SLOTS;
    const uint8_t *maps = k->section[DIAGRAM_MAPS];
    for (; k->map_slots[at] != 0; at = (at + 1) % MAP_SLOTS) {
        size_t from = 2 * (size_t)(k->map_slots[at] - 1);
        if (from + n <= k->h.n[DIAGRAM_MAPS] && memcmp(maps + from, map, n) == 0)
            break;
    }
    return &k->map_slots[at];
}

/* The number of the map; false if there is no room for another. */
static bool put_map(struct packing *k, const uint8_t *map, unsigned n, uint16_t *id)
{
    uint32_t *slot = map_slot(k, map, n);
    if (*slot == 0 && (k->n_maps >= MAP_SLOTS / 2 || k->h.n[DIAGRAM_MAPS] / 2 > MAP_IDS_MAX))
        return false;
    if (*slot == 0) {
        *slot = k->h.n[DIAGRAM_MAPS] / 2 + 1;
        memcpy(extend(k, DIAGRAM_MAPS, (n + 1u) & ~1u), map, n);
        k->n_maps++;
    }
    *id = (uint16_t)(*slot - 1);
    return true;
}

/* ---- Nodes: first each in its shortest form, one behind the other, with the children as places in cells;
 * then, when the unit is known, as references. */

struct draft {
    uint32_t at;      /* in cells */
    uint16_t head[2]; /* axis; map */
    uint16_t n, n_head;
    uint32_t *child;
};

static void draft_node(struct packing *k, const struct building *b, uint32_t at, struct draft *d)
{
    const uint32_t *cell = b->cells + at;
    uint32_t class[POLICY_VALUES_MAX];
    uint8_t map[POLICY_VALUES_MAX];
    unsigned n = classes_of(cell, class, map);
    uint16_t id = 0;
    bool mapped = n + 1 < cell[1] && n <= MAP_CLASSES_MAX && put_map(k, map, cell[1], &id);
    *d = (struct draft){.at = at, .n = (uint16_t)(mapped ? n : cell[1]), .n_head = mapped ? 2 : 1};
    d->head[0] = (uint16_t)(cell[0] | (mapped ? 0 : NODE_DIRECT));
    d->head[1] = id;
    d->child = ARENA_ARRAY(k->scratch, d->n, uint32_t);
    memcpy(d->child, mapped ? class : cell + 2, d->n * sizeof *d->child);
}

static struct draft *draft_half(struct packing *k, const struct building *b)
{
    struct draft *list = ARENA_ARRAY(k->scratch, b->n_nodes + 1, struct draft);
    size_t n = 0;
    for (uint32_t at = 0; at < b->n_cells; at += 2 + b->cells[at + 1])
        draft_node(k, b, at, &list[n++]);
    return list;
}

/* Words of a node, made up to whole units. */
static size_t words_of(const struct draft *d, unsigned ref_words, unsigned shift)
{
    size_t words = d->n_head + (size_t)d->n * ref_words;
    return (words + (1u << shift) - 1) >> shift << shift;
}

static size_t units_of(const struct draft *list, size_t n, unsigned ref_words, unsigned shift)
{
    size_t units = 0;
    for (size_t i = 0; i < n; i++)
        units += words_of(&list[i], ref_words, shift) >> shift;
    return units;
}

static uint32_t reference(const struct packing *k, enum diagram_half half, uint32_t built)
{
    if (built & BUILD_LEAF)
        return built & ~BUILD_LEAF;
    return k->h.first_node + k->ref_of[half][built];
}

static void put_reference(const struct packing *k, uint16_t *refs, unsigned i, uint32_t ref)
{
    refs[i * k->h.ref_words] = (uint16_t)ref;
    if (k->h.ref_words == 2)
        refs[i * 2 + 1] = (uint16_t)(ref >> 16);
}

/* Children come before their parents in `cells`, so that their units are known. */
static void put_nodes(struct packing *k, const struct building *b, const struct draft *list)
{
    unsigned shift = k->h.shift;
    k->ref_of[b->half] = ARENA_ARRAY(k->scratch, b->n_cells + 1, uint32_t);
    for (size_t i = 0; i < b->n_nodes; i++) {
        const struct draft *d = &list[i];
        k->ref_of[b->half][d->at] = k->h.n[DIAGRAM_NODES] >> shift;
        uint16_t *node = extend(k, DIAGRAM_NODES, words_of(d, k->h.ref_words, shift));
        memcpy(node, d->head, d->n_head * sizeof *node);
        for (unsigned c = 0; c < d->n; c++)
            put_reference(k, node + d->n_head, c, reference(k, b->half, d->child[c]));
    }
    k->h.root[b->half] = reference(k, b->half, b->root);
}

#define SHIFT_MAX 2 /* beyond it, room between nodes would cost more than wider references */

/* The smallest unit with which one word reaches every node; else two words and no unit. */
static void choose_references(struct packing *k, struct draft *const *list, const struct building *halves)
{
    k->h.ref_words = 1;
    for (k->h.shift = 0; k->h.shift <= SHIFT_MAX; k->h.shift++) {
        size_t units = k->h.first_node;
        for (int half = 0; half < HALF_COUNT; half++)
            units += units_of(list[half], halves[half].n_nodes, 1, k->h.shift);
        if (units <= UINT16_MAX)
            return;
    }
    k->h.ref_words = 2;
    k->h.shift = 0;
}

static void put_halves(struct packing *k, const struct building *halves)
{
    struct draft *list[HALF_COUNT];
    for (int half = 0; half < HALF_COUNT; half++) {
        put_leaves(k, &halves[half]);
        list[half] = draft_half(k, &halves[half]);
    }
    choose_references(k, list, halves);
    for (int half = 0; half < HALF_COUNT; half++)
        put_nodes(k, &halves[half], list[half]);
}

/* levels[axis]: on which level it is. */
static void put_levels(struct packing *k, const struct level_order *order)
{
    uint8_t *level = extend(k, DIAGRAM_LEVELS, DIAGRAM_AXES);
    for (unsigned i = 0; i < DIAGRAM_AXES; i++)
        level[order->axis[i]] = (uint8_t)i;
}

static const uint8_t *join_sections(struct packing *k, struct arena *a, size_t *len)
{
    size_t bytes = (sizeof k->h + 7) & ~(size_t)7;
    for (int s = 0; s < DIAGRAM_SECTION_COUNT; s++) {
        k->h.at[s] = (uint32_t)bytes;
        bytes = (bytes + k->h.n[s] * element_size[s] + 7) & ~(size_t)7;
    }
    k->h.bytes = (uint32_t)bytes;
    uint8_t *out = arena_alloc(a, bytes);
    memcpy(out, &k->h, sizeof k->h);
    for (int s = 0; s < DIAGRAM_SECTION_COUNT; s++)
        if (k->h.n[s] > 0)
            memcpy(out + k->h.at[s], k->section[s], k->h.n[s] * element_size[s]);
    *len = bytes;
    return out;
}

static unsigned lowest_clause(const struct policy *p)
{
    const struct norm_index *x = &p->index;
    return x->n_by_rank > 0 ? p->documents[x->by_rank[x->n_by_rank - 1]].clause : POLICY_NONE;
}

const uint8_t *policy_pack(struct arena *a, const struct policy *p, const struct atoms *atoms,
                           const struct level_order *order, const struct building *halves, size_t *len)
{
    struct packing *k = ARENA_NEW(halves[0].scratch, struct packing);
    k->scratch = halves[0].scratch;
    k->p = p;
    k->atoms = atoms;
    k->h.magic = DIAGRAM_MAGIC;
    k->h.version = DIAGRAM_VERSION;
    k->h.nothing = lowest_clause(p);
    k->h.near_words = 1;
    for (size_t w = 0; w < p->index.words; w++)
        k->h.near_words += (uint32_t)__builtin_popcountll(p->index.kind[NORM_GRANT][w]);
    k->h.near_words = (k->h.near_words + 62) / 64;
    put_records(k);
    for (int d = 0; d < DIM_COUNT; d++)
        put_dimension(k, (enum policy_dimension)d);
    put_halves(k, halves);
    put_levels(k, order);
    return join_sections(k, a, len);
}

void policy_diagram_open(struct diagram *g, const uint8_t *bytes)
{
    g->h = (const struct diagram_header *)(const void *)bytes;
#define SECTION(name, member, type)                                                                          \
    g->member = (const type *)(const void *)(bytes + g->h->at[DIAGRAM_##name]);
    DIAGRAM_SECTIONS
#undef SECTION
}
