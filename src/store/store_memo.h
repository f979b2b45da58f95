// SPDX-License-Identifier: Apache-2.0
/*
 * store_memo.h: what a reading connection read of persons, kept to be said again while it is so. See store.h,
 * store_memo.
 *
 * Everything the kept statements look at belongs to one person, and every change of it steps that person's
 * epoch in its own transaction (gate.h, gate_answer.epoch). So what was read is what would be read again, as
 * long as the person's row, read in this snapshot, has the same epoch; and the row itself, as long as the
 * database has not changed at all. Builds with sanitizers ask the database each time all the same and stop
 * where the two differ.
 */
#ifndef TROTH_STORE_MEMO_H
#define TROTH_STORE_MEMO_H

#include "store_impl.h"

/* In a snapshot that was just begun. */
void memo_begin(struct store *st);
void memo_end(struct store *st);
void memo_free(struct store *st);

/* True: `rows` are open, and what the statement would give. Else remembers what it will, if it is worth it.
 */
bool memo_serve(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                struct store_rows *rows);
bool memo_next(struct store_rows *rows);
/* Of rows that come from the database: one came; no more will (`all`: there was none behind). */
void memo_row(struct store_rows *rows);
void memo_done(struct store_rows *rows, bool all);

#endif
