-- SPDX-License-Identifier: Apache-2.0
-- Who consented to a purpose is found in the order of persons (POST /v1/read/people).
CREATE INDEX consent_event_by_purpose ON consent_event (purpose, sid) WHERE kind = 1 AND state = 0;
