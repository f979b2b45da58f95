-- SPDX-License-Identifier: Apache-2.0
-- Class keys get generations, so that they can be changed while serving.
CREATE TABLE class_key_2 (
    class      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    wrapped    BLOB NOT NULL,
    PRIMARY KEY (class, generation)
) WITHOUT ROWID;
INSERT INTO class_key_2 (class, generation, wrapped) SELECT class, 1, wrapped FROM class_key;
DROP TABLE class_key;
ALTER TABLE class_key_2 RENAME TO class_key;
ALTER TABLE person_key ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
