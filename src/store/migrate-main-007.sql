-- SPDX-License-Identifier: Apache-2.0
--
-- What starts a clock of keeping, by the names the policy's `event` lists: the last time each happened.
CREATE TABLE happening (
    sid     INTEGER NOT NULL,
    event   TEXT NOT NULL, -- 'order-closed', 'purpose-ended', ...
    field   TEXT NOT NULL,
    item    TEXT NOT NULL, -- 'order-17'
    service TEXT NOT NULL, -- through which the values came
    purpose TEXT NOT NULL, -- for which they were collected
    time    INTEGER NOT NULL,
    PRIMARY KEY (sid, event, field, item, service, purpose)
) WITHOUT ROWID;
INSERT INTO happening (sid, event, field, item, service, purpose, time)
    SELECT sid, 'order-closed', '', number, '', '', MAX(closed) FROM purchase
    WHERE closed < 4611686018427387903 GROUP BY sid, number;
ALTER TABLE service ADD COLUMN closing INTEGER NOT NULL DEFAULT 4611686018427387903;
