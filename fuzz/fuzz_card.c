// SPDX-License-Identifier: Apache-2.0
/* A person's card as a damaged database would have it: whatever it says, nothing is read beside it. */
#include "store_card.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static bool within(const uint8_t *p, size_t n, struct span card)
{
    return !n || (p >= card.p && n <= card.len && p + n <= card.p + card.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CELLS = 200 };
    static struct store_cell cell[CELLS];
    struct span card = span_of(data, size);
    size_t n_rows = 0, columns = strlen(store_query_out(Q_CONSENT_HELD));
    if (card_uses(card, SPAN("shop"), cell))
        must(cell[0].number && cell[1].number);
    if (!card_consents(card, cell, CELLS, &n_rows))
        return 0;
    must(n_rows * columns <= CELLS);
    for (size_t i = 0; i < n_rows * columns; i++)
        must(cell[i].number || within(cell[i].p, cell[i].len, card));
    return 0;
}
