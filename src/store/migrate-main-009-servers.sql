-- SPDX-License-Identifier: Apache-2.0
-- What ended for values from one source did not end for others.
ALTER TABLE happening ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE happening DROP CONSTRAINT happening_pkey;
ALTER TABLE happening ADD CONSTRAINT happening_pkey PRIMARY KEY (sid, event, field, item, service, purpose, source);
ALTER TABLE happening ALTER COLUMN source DROP DEFAULT;
