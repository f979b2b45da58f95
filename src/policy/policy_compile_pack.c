// SPDX-License-Identifier: Apache-2.0
/* policy_compile_pack.c: two built halves into one run of bytes; the layout is in policy_diagram_impl.h. */
#include "policy_compile_impl.h"

#define MAP_CLASSES_MAX 256   /* a class is a byte at most */
#define MAP_IDS_MAX     65535 /* a map's number, in units of two bytes, is 16 bits */
#define BAN_BITS_MIN    8     /* of a row of NEAR */
#define MAP_SLOTS       8192  /* a power of two; beyond half of it, new nodes get no map */

struct packing {
    struct arena *scratch;
    const struct policy *p;
    const struct atoms *atoms;
    struct diagram_header h;
    void *section[DIAGRAM_SECTION_COUNT];
    size_t cap[DIAGRAM_SECTION_COUNT];
    uint16_t *number_of;           /* norm -> record of its kind */
    struct factored *factored;     /* of each half; its nodes get their references */
    uint32_t *list_of[HALF_COUNT]; /* set -> place of its list, 0 if none yet */
    uint32_t *ban_of;              /* norm of a ban -> the same */
    struct memo emits[HALF_COUNT]; /* edge with a set and a node -> 0, then the reference */
    uint32_t map_slots[MAP_SLOTS]; /* map number + 1 */
    size_t n_maps;
};

static const size_t element_size[] = {
#define SECTION(name, member, type) sizeof(type),
    DIAGRAM_SECTIONS
#undef SECTION
};

#define FIRST_BYTES 1024

/* Room for n more elements at the end of a section; zeroed. */
static void *extend(struct packing *k, enum diagram_section s, size_t n)
{
    size_t size = element_size[s], have = k->h.n[s];
    if (have + n > k->cap[s] || !k->section[s]) {
        k->cap[s] = (have + n) * 2 + FIRST_BYTES / size;
        void *bigger = arena_room(k->scratch, k->cap[s], size);
        if (k->section[s] && have > 0)
            memcpy(bigger, k->section[s], have * size);
        k->section[s] = bigger;
    }
    k->h.n[s] += (uint32_t)n;
    return memset((uint8_t *)k->section[s] + have * size, 0, n * size);
}

/* ---- Records of norms. */

/* The place of the n elements in the section, where they may stand already. */
static uint32_t put_once(struct packing *k, enum diagram_section s, const void *what, size_t n)
{
    size_t size = element_size[s], have = k->h.n[s];
    const uint8_t *there = k->section[s];
    if (n == 0)
        return 0;
    for (size_t at = 0; at + n <= have; at++)
        if (memcmp(there + at * size, what, n * size) == 0)
            return (uint32_t)at;
    memcpy(extend(k, s, n), what, n * size);
    return (uint32_t)have;
}

static uint32_t put_needs(struct packing *k, const struct formula *f)
{
    uint64_t needs[FORMULA_TERMS_MAX];
    for (size_t i = 0; i < f->n; i++)
        needs[i] = f->terms[i].needs;
    return put_once(k, DIAGRAM_NEEDS, needs, f->n);
}

static uint16_t put_when(struct packing *k, const struct formula *f)
{
    struct diagram_term terms[FORMULA_TERMS_MAX];
    for (size_t i = 0; i < f->n; i++)
        terms[i] = (struct diagram_term){f->terms[i].facts, f->terms[i].facts_value};
    return (uint16_t)put_once(k, DIAGRAM_TERMS, terms, f->n);
}

static uint16_t put_limit(struct packing *k, const struct until *u)
{
    struct diagram_limit limit = {
        .number = u->number, .event = (uint16_t)u->event, .unit = (uint16_t)u->unit};
    return (uint16_t)put_once(k, DIAGRAM_LIMITS, &limit, 1);
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
    struct diagram_grant *g = extend(k, DIAGRAM_GRANTS, 1);
    *g = (struct diagram_grant){.norm = (uint16_t)i,
                                .clause = (uint16_t)n->clause,
                                .preference = preference(k->p, n),
                                .limit = put_limit(k, &n->act.until),
                                .needs = put_needs(k, &n->act.needs),
                                .n_needs = (uint8_t)n->act.needs.n,
                                .when = put_when(k, &n->act.when),
                                .n_when = (uint8_t)n->act.when.n};
}

static void put_bar(struct packing *k, size_t i)
{
    struct diagram_bar *b = extend(k, DIAGRAM_BARS, 1);
    *b = (struct diagram_bar){.norm = (uint16_t)i, .clause = (uint16_t)k->p->norms[i].clause};
}

static uint16_t put_have(struct packing *k, size_t i)
{
    const struct norm *n = &k->p->norms[i];
    struct diagram_have *h = extend(k, DIAGRAM_HAVES, 1);
    *h = (struct diagram_have){.norm = (uint16_t)i,
                               .clause = (uint16_t)n->clause,
                               .rank = (uint16_t)k->p->documents[n->document].rank,
                               .needs = put_needs(k, &n->must.needs),
                               .n_needs = (uint16_t)n->must.needs.n};
    for (size_t t = 0; t < n->must.needs.n; t++)
        h->all |= n->must.needs.terms[t].needs;
    return (uint16_t)(k->h.n[DIAGRAM_HAVES] - 1);
}

static void put_condition(struct packing *k, size_t i)
{
    const struct norm *n = &k->p->norms[i];
    bool have = n->must.kind == MUST_HAVE;
    struct diagram_condition *c = extend(k, DIAGRAM_CONDITIONS, 1);
    *c = (struct diagram_condition){.clause = (uint16_t)n->clause,
                                    .kind = (uint16_t)n->must.kind,
                                    .index = have ? put_have(k, i) : (uint16_t)n->must.index};
}

static void put_records(struct packing *k)
{
    static const enum diagram_section of[] = {
        [NORM_GRANT] = DIAGRAM_GRANTS, [NORM_BAR] = DIAGRAM_BARS, [NORM_CONDITION] = DIAGRAM_CONDITIONS};
    size_t n = k->p->n_norms;
    k->number_of = ARENA_ARRAY(k->scratch, n + 1, uint16_t);
    for (size_t i = 0; i < n; i++) {
        enum norm_kind kind = k->p->norms[i].kind;
        if (kind == NORM_WAIVER)
            continue;
        k->number_of[i] = (uint16_t)k->h.n[of[kind]];
        if (kind == NORM_GRANT)
            put_grant(k, i);
        else if (kind == NORM_BAR)
            put_bar(k, i);
        else
            put_condition(k, i);
    }
}

/* ---- Atoms, rows for near misses, scopes. */

/* Bans share the bits that permissions leave, neighbours with neighbours: these are the most alike. */
static size_t ban_bit(const struct packing *k, size_t ban)
{
    size_t grants = k->h.n[DIAGRAM_GRANTS], bits = 64 * (size_t)k->h.near_words - grants;
    size_t bans = k->h.n[DIAGRAM_BARS];
    return grants + (bans <= bits ? ban : ban * bits / bans);
}

static uint32_t near_words(const struct packing *k)
{
    uint32_t bans = k->h.n[DIAGRAM_BARS] < BAN_BITS_MIN ? k->h.n[DIAGRAM_BARS] : BAN_BITS_MIN;
    return (k->h.n[DIAGRAM_GRANTS] + bans + 63) / 64;
}

static void put_row(struct packing *k, enum policy_dimension d, unsigned atom)
{
    const struct norm_index *x = &k->p->index;
    const uint64_t *row = x->row[d] + k->atoms->first[d][atom] * x->words;
    uint64_t *near = extend(k, DIAGRAM_NEAR, k->h.near_words);
    for (size_t i = 0; i < k->p->n_norms; i++) {
        if (k->p->norms[i].kind == NORM_GRANT && norm_set_has(row, i))
            set_put(near, k->number_of[i]);
        if (k->p->norms[i].kind == NORM_BAR && norm_set_has(row, i))
            set_put(near, ban_bit(k, k->number_of[i]));
    }
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

/* ---- Lists. */

static uint32_t list_place(struct packing *k, enum diagram_half half, uint32_t set)
{
    const struct memo *sets = &k->factored[half].sets;
    uint32_t *place = &k->list_of[half][set];
    size_t i = 0, n = 0;
    if (set == 0 || *place != 0)
        return *place;
    *place = k->h.n[DIAGRAM_LISTS];
    EACH_NORM(sets->keys + set * sets->words, sets->words, i)
    n++;
    uint16_t *list = extend(k, DIAGRAM_LISTS, n + 1);
    *list++ = (uint16_t)n;
    EACH_NORM(sets->keys + set * sets->words, sets->words, i)
    *list++ = k->number_of[i];
    return *place;
}

static uint32_t ban_place(struct packing *k, uint32_t norm)
{
    uint32_t *place = &k->ban_of[norm];
    if (*place != 0)
        return *place;
    *place = k->h.n[DIAGRAM_LISTS];
    uint16_t *list = extend(k, DIAGRAM_LISTS, 2);
    list[0] = GROUND_BARRED;
    list[1] = k->number_of[norm];
    return *place;
}

static bool to_node(uint64_t edge)
{
    return (edge & BUILD_LEAF) == 0;
}

/* Puts the lists that an edge needs, and notes that it needs an emit node. */
static void put_edge(struct packing *k, enum diagram_half half, uint64_t edge)
{
    if ((uint32_t)edge != FACTORED_END && !to_node(edge))
        ban_place(k, (uint32_t)edge & ~BUILD_LEAF);
    else
        list_place(k, half, (uint32_t)(edge >> 32));
    if (to_node(edge) && edge >> 32 != 0)
        *policy_memo_slot(&k->emits[half], &edge) = 0;
}

/* ---- Maps: which class of children an atom has. Equal maps are one. */

/* 1, 2, 4 or 8 bits for so many classes: the logarithm. */
static unsigned width_of(unsigned classes)
{
    unsigned width = 0;
    while (width < 3 && 1u << (1u << width) < classes)
        width++;
    return width;
}

/* The map in bytes, as many as a whole number of 16-bit units. */
static size_t map_bytes(const uint16_t *of, unsigned n, unsigned width, uint8_t *map)
{
    size_t bytes = (((size_t)n << width) + 15) / 16 * 2;
    memset(map, 0, bytes);
    for (unsigned i = 0; i < n; i++) {
        unsigned bit = i << width;
        map[bit / 8] = (uint8_t)(map[bit / 8] | of[i] << bit % 8);
    }
    return bytes;
}

static uint32_t *map_slot(struct packing *k, const uint8_t *map, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
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
static bool put_map(struct packing *k, const uint8_t *map, size_t n, uint16_t *id)
{
    uint32_t *slot = map_slot(k, map, n);
    if (*slot == 0 && (k->n_maps >= MAP_SLOTS / 2 || k->h.n[DIAGRAM_MAPS] / 2 > MAP_IDS_MAX))
        return false;
    if (*slot == 0) {
        *slot = k->h.n[DIAGRAM_MAPS] / 2 + 1;
        memcpy(extend(k, DIAGRAM_MAPS, n), map, n);
        k->n_maps++;
    }
    *id = (uint16_t)(*slot - 1);
    return true;
}

/* ---- Nodes: first each in its shortest form, one behind the other, with the children as edges; then, when
 * the unit is known, as references. */

struct draft {
    uint64_t *cell;
    uint16_t head[2]; /* axis; map */
    uint16_t n, n_head;
};

static void read_classes(const uint64_t *cell, uint16_t *of)
{
    memcpy(of, cell + 2 + factored_classes(cell), factored_count(cell) * sizeof *of);
}

static void draft_node(struct packing *k, enum diagram_half half, uint64_t *cell, struct draft *d)
{
    uint16_t of[POLICY_VALUES_MAX], id = 0;
    uint8_t map[POLICY_VALUES_MAX];
    unsigned atoms = factored_count(cell), n = factored_classes(cell), width = width_of(n);
    bool mapped = n + 1 < atoms && n <= MAP_CLASSES_MAX;
    if (mapped) {
        read_classes(cell, of);
        mapped = put_map(k, map, map_bytes(of, atoms, width, map), &id);
    }
    *d = (struct draft){.cell = cell, .n = (uint16_t)(mapped ? n : atoms), .n_head = mapped ? 2 : 1};
    d->head[0] = (uint16_t)(factored_axis(cell) | (mapped ? width << NODE_WIDTH : NODE_DIRECT));
    d->head[1] = id;
    for (unsigned i = 0; i < n; i++)
        put_edge(k, half, cell[2 + i]);
}

static struct draft *draft_half(struct packing *k, enum diagram_half half)
{
    const struct factored *f = &k->factored[half];
    k->list_of[half] = ARENA_ARRAY(k->scratch, f->sets.n, uint32_t);
    k->emits[half] = policy_memo(k->scratch, 1, MEMO_SMALL);
    struct draft *list = ARENA_ROOM(k->scratch, f->n_nodes + 1, struct draft);
    size_t n = 0;
    for (size_t at = 0; at < f->n_cells; at += factored_len(f->cells + at))
        draft_node(k, half, f->cells + at, &list[n++]);
    put_edge(k, half, f->root);
    return list;
}

/* Words, made up to whole units. */
static size_t whole_units(size_t words, unsigned shift)
{
    return (words + (1u << shift) - 1) >> shift << shift;
}

static size_t words_of(const struct draft *d, unsigned ref_words, unsigned shift)
{
    return whole_units(d->n_head + (size_t)d->n * ref_words, shift);
}

static size_t emit_words(unsigned ref_words, unsigned shift)
{
    return whole_units(ref_words == 1 ? 2 : 5, shift);
}

static size_t units_of(const struct packing *k, enum diagram_half half, const struct draft *list,
                       unsigned shift)
{
    size_t units = k->emits[half].n * (emit_words(1, shift) >> shift);
    for (size_t i = 0; i < k->factored[half].n_nodes; i++)
        units += words_of(&list[i], 1, shift) >> shift;
    return units;
}

static void put_reference(const struct packing *k, uint16_t *refs, unsigned i, uint32_t ref)
{
    refs[i * k->h.ref_words] = (uint16_t)ref;
    if (k->h.ref_words == 2)
        refs[i * 2 + 1] = (uint16_t)(ref >> 16);
}

static uint32_t unit_here(const struct packing *k)
{
    return k->h.first_node + (k->h.n[DIAGRAM_NODES] >> k->h.shift);
}

static uint32_t reference_of(const struct packing *k, enum diagram_half half, uint64_t edge)
{
    return (uint32_t)(k->factored[half].cells[(uint32_t)edge + 1] >> 32);
}

/* The emit node is put the first time; its child stands before it. */
static uint32_t emit_reference(struct packing *k, enum diagram_half half, uint64_t edge)
{
    uint32_t *slot = policy_memo_slot(&k->emits[half], &edge);
    uint32_t list = k->list_of[half][edge >> 32];
    if (*slot != 0)
        return *slot;
    *slot = unit_here(k);
    uint16_t *node = extend(k, DIAGRAM_NODES, emit_words(k->h.ref_words, k->h.shift));
    node[0] = (uint16_t)(NODE_EMIT | (k->h.ref_words == 1 ? list : 0));
    if (k->h.ref_words == 2)
        put_reference(k, node + 1, 0, list);
    put_reference(k, node + 1, k->h.ref_words - 1, reference_of(k, half, edge));
    return *slot;
}

static uint32_t reference(struct packing *k, enum diagram_half half, uint64_t edge)
{
    if ((uint32_t)edge == FACTORED_END)
        return k->list_of[half][edge >> 32];
    if (!to_node(edge))
        return k->ban_of[(uint32_t)edge & ~BUILD_LEAF];
    return edge >> 32 ? emit_reference(k, half, edge) : reference_of(k, half, edge);
}

/* The references of the atoms or classes of a node, in the order in which they are packed. */
static void put_children(struct packing *k, enum diagram_half half, const struct draft *d, uint16_t *refs)
{
    uint32_t ref[POLICY_VALUES_MAX];
    uint16_t of[POLICY_VALUES_MAX];
    for (unsigned c = 0; c < factored_classes(d->cell); c++)
        ref[c] = reference(k, half, d->cell[2 + c]);
    if (d->n_head == 1)
        read_classes(d->cell, of);
    for (unsigned i = 0; i < d->n; i++)
        put_reference(k, refs, i, ref[d->n_head == 1 ? of[i] : i]);
}

/* Children come before their parents in `cells`, so that their references are known. */
static void put_nodes(struct packing *k, enum diagram_half half, const struct draft *list)
{
    const struct factored *f = &k->factored[half];
    uint16_t refs[2 * POLICY_VALUES_MAX];
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct draft *d = &list[i];
        put_children(k, half, d, refs);
        d->cell[1] |= (uint64_t)unit_here(k) << 32;
        uint16_t *node = extend(k, DIAGRAM_NODES, words_of(d, k->h.ref_words, k->h.shift));
        memcpy(node, d->head, d->n_head * sizeof *node);
        memcpy(node + d->n_head, refs, (size_t)d->n * k->h.ref_words * sizeof *refs);
    }
    k->h.root[half] = reference(k, half, f->root);
}

#define SHIFT_MAX 2 /* beyond it, room between nodes would cost more than wider references */

/* The smallest unit with which one word reaches every node; else two words and no unit. */
static void choose_references(struct packing *k, struct draft *const *list)
{
    k->h.ref_words = 1;
    for (k->h.shift = 0; k->h.shift <= SHIFT_MAX && k->h.first_node <= NODE_LIST; k->h.shift++) {
        size_t units = k->h.first_node;
        for (int half = 0; half < HALF_COUNT; half++)
            units += units_of(k, (enum diagram_half)half, list[half], k->h.shift);
        if (units <= UINT16_MAX)
            return;
    }
    k->h.ref_words = 2;
    k->h.shift = 0;
}

static void put_halves(struct packing *k)
{
    struct draft *list[HALF_COUNT];
    extend(k, DIAGRAM_LISTS, 1); /* the empty list */
    k->ban_of = ARENA_ARRAY(k->scratch, k->p->n_norms + 1, uint32_t);
    list[HALF_BIND] = draft_half(k, HALF_BIND);
    list[HALF_GROUND] = draft_half(k, HALF_GROUND);
    k->h.first_node = k->h.n[DIAGRAM_LISTS];
    choose_references(k, list);
    for (int half = 0; half < HALF_COUNT; half++)
        put_nodes(k, (enum diagram_half)half, list[half]);
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

const uint8_t *policy_pack(struct arena *a, const struct compiled *c, struct factored *halves, size_t *len)
{
    struct arena_mark mark = arena_mark(c->scratch);
    struct packing *k = ARENA_NEW(c->scratch, struct packing);
    k->scratch = c->scratch;
    k->p = c->half[0]->p;
    k->atoms = c->atoms;
    k->h.magic = DIAGRAM_MAGIC;
    k->h.version = DIAGRAM_VERSION;
    k->h.nothing = lowest_clause(k->p);
    put_records(k);
    k->h.near_words = near_words(k);
    k->h.condition_words = (k->h.n[DIAGRAM_CONDITIONS] + 63) / 64;
    for (int d = 0; d < DIM_COUNT; d++)
        put_dimension(k, (enum policy_dimension)d);
    k->factored = halves;
    put_halves(k);
    put_levels(k, &c->order);
    const uint8_t *bytes = join_sections(k, a, len);
    arena_release(c->scratch, mark);
    return bytes;
}

void policy_diagram_open(struct diagram *g, const uint8_t *bytes)
{
    g->h = (const struct diagram_header *)(const void *)bytes;
#define SECTION(name, member, type)                                                                          \
    g->member = (const type *)(const void *)(bytes + g->h->at[DIAGRAM_##name]);
    DIAGRAM_SECTIONS
#undef SECTION
}
