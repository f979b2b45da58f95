-- SPDX-License-Identifier: Apache-2.0
-- What ended for values from one source did not end for others.
CREATE TABLE happening_9 (
    sid     INTEGER NOT NULL,
    event   TEXT NOT NULL,
    field   TEXT NOT NULL,
    item    TEXT NOT NULL,
    service TEXT NOT NULL,
    purpose TEXT NOT NULL,
    source  TEXT NOT NULL, -- from which the values came
    time    INTEGER NOT NULL,
    PRIMARY KEY (sid, event, field, item, service, purpose, source)
) WITHOUT ROWID;
INSERT INTO happening_9 (sid, event, field, item, service, purpose, source, time)
    SELECT sid, event, field, item, service, purpose, '', time FROM happening ORDER BY sid, event, field, item, service, purpose;
DROP TABLE happening;
ALTER TABLE happening_9 RENAME TO happening;
