-- SPDX-License-Identifier: Apache-2.0
-- What a reader asks of a person lies beside the person (store_card.h).
ALTER TABLE subject ADD COLUMN card BLOB;
UPDATE subject SET card = person_card(sid);
