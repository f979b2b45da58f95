-- SPDX-License-Identifier: Apache-2.0
-- history.db: which entries of the record concern whom. Derived from the record; delete the file and it is rebuilt.

CREATE TABLE history (
  subject BLOB    NOT NULL,
  entry   INTEGER NOT NULL,
  PRIMARY KEY (subject, entry)
) WITHOUT ROWID, STRICT;

-- Entries below this number are in the table above.
CREATE TABLE history_mark (
  id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  entries INTEGER NOT NULL
) STRICT;
