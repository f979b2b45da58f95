-- SPDX-License-Identifier: Apache-2.0
--
-- Decisions carry an epoch: it grows with each change that may change a decision about the person.

ALTER TABLE subject ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
