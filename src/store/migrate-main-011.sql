-- SPDX-License-Identifier: Apache-2.0
-- What a reader asks of a person lies beside the person (store_card.h). Not `anew`: it wants less room than the next,
-- which is looked for before either, and what it writes is no share of the file that could be told ahead.
ALTER TABLE subject ADD COLUMN card BLOB;
UPDATE subject SET card = person_card(sid);
