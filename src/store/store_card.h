// SPDX-License-Identifier: Apache-2.0
/*
 * store_card.h: a card, in files: what a read asks of a person, once more in the person's own row.
 *
 * The services a person uses, that nothing of them is held, and their consents as Q_CONSENT_HELD gives them
 * lie in three tables: two statements and, with a million people, pages of each that are in no cache. The
 * card has them beside what Q_SUBJECT_GET reads in any case. It is made in the transaction that changes one
 * of the three tables, for whomever it changed them (`marks` in store_card.c; tests/unit/store/test_card.c
 * holds it against queries.def), and can always be made again from them. Whoever has too much for a card, or
 * something held, has none: then the tables are asked, as they are on PostgreSQL.
 *
 *   card     := version(1 byte) n services{n} n consents{n}
 *   service  := text time         the columns of subject_service without the person, by name
 *   consent  := the columns of Q_CONSENT_HELD, in its order
 *   n, length of a text: 7 bits a byte, the lowest first, the top bit says that more follow (LEB128);
 *   integers: the same of the number shifted left by one, all bits turned if it is negative (zigzag)
 *
 * A change of Q_CONSENT_HELD's columns is another CARD_VERSION, and a migration that makes all cards again;
 * migration 11 then makes none, for the columns it would ask for come after it.
 */
#ifndef TROTH_STORE_CARD_H
#define TROTH_STORE_CARD_H

#include "store_impl.h"

#define CARD_VERSION 1
#define CARD_MAX     600 /* bytes: a row of over 1,002 would leave its page; some fifteen consents */

/* ---- Writing */

/* Gives SQL of this connection, migrations too, the function person_card(sid): the card, or null. */
enum err card_function(struct store_file *sf, struct fail *f);
void card_function_end(struct store_file *sf);
/* True: the statement changes what is on the card of the person who is its first argument. */
bool card_marks(enum store_query_id q);
/* In a group one of them changed rows of this person. */
void card_mark(struct store *st, int64_t sid);
/* Before the commit: makes the cards of all who were noted. */
enum err cards_make(struct store *st, struct fail *f);
/* After it, or instead. */
void cards_forget(struct store *st);

/* ---- Reading */

/* The row of Q_SERVICE_USES. False: not on the card; the table knows. */
bool card_uses(struct span card, struct span service, struct store_cell cell[2]);
/* All rows of Q_CONSENT_HELD, one after the other; texts lie in the card. False: this is no card, or more
 * than `cap` cells. */
bool card_consents(struct span card, struct store_cell *cell, size_t cap, size_t *n_rows);

#endif
