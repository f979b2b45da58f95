-- SPDX-License-Identifier: Apache-2.0
-- Only files have cards; the column is there so that one statement reads both.
ALTER TABLE subject ADD COLUMN card BLOB;
