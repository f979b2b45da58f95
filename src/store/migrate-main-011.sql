-- SPDX-License-Identifier: Apache-2.0
-- What a reader asks of a person lies beside the person.
ALTER TABLE subject ADD COLUMN card BLOB;
