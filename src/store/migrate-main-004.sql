-- SPDX-License-Identifier: Apache-2.0
-- The sweep finds what is due without looking at everything.
CREATE INDEX subject_by_teen ON subject (teen_from) WHERE teen_from > 0;
CREATE INDEX field_value_by_keep ON field_value (keep_until, sid) WHERE keep_until < 4611686018427387903;
