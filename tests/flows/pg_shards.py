# SPDX-License-Identifier: Apache-2.0
"""Citus' two calls, in PostgreSQL alone: a distributed table becomes one that is partitioned by the hash of its key. So the server
itself refuses a unique index without the key, puts each row on the shard of its key, and tells of each statement where it went.
All shards are on one server here: what Citus does between servers is not shown."""
import json, os, re, subprocess

import pg_server
from troth_flow import ROOT

SHARDS = 4
CALLS = """
CREATE TABLE shard_of (t TEXT PRIMARY KEY, k TEXT);
CREATE VIEW pg_dist_partition AS SELECT t::regclass AS logicalrelid FROM shard_of;
CREATE FUNCTION create_distributed_table(t regclass, k text, colocate_with text DEFAULT 'default') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE name text := t::text;
DECLARE type oid;
BEGIN
  SELECT atttypid INTO STRICT type FROM pg_attribute WHERE attrelid = t AND attname = k AND attnum > 0;
  IF colocate_with <> 'default' THEN
    PERFORM 1 FROM shard_of s JOIN pg_attribute a ON a.attrelid = s.t::regclass AND a.attname = s.k
      WHERE s.t = colocate_with AND a.atttypid = type;
    IF NOT FOUND THEN RAISE '%% cannot lie with %%', name, colocate_with; END IF;
  END IF;
  EXECUTE format('ALTER TABLE %%I RENAME TO whole', name);
  EXECUTE format('CREATE TABLE %%I (LIKE whole INCLUDING ALL) PARTITION BY HASH (%%I)', name, k);
  FOR i IN 0 .. %d LOOP
    EXECUTE format('CREATE TABLE %%I PARTITION OF %%I FOR VALUES WITH (MODULUS %d, REMAINDER %%s)', name || '_' || i, name, i);
  END LOOP;
  EXECUTE format('INSERT INTO %%I SELECT * FROM whole', name);
  DROP TABLE whole;
  INSERT INTO shard_of VALUES (name, k);
END $$;
CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE sql AS
  $$ INSERT INTO shard_of VALUES (t::text, NULL) $$;
""" % (SHARDS - 1, SHARDS)

QUERY = re.compile(r'^X\((\w+), (\w+), "(\w*)", "\w*",((?:\s*"(?:[^"\\]|\\.)*")+)\)', re.M)
TYPES = {"i": "bigint", "t": "text", "b": "bytea"}


def literal(parts):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', parts))


def source(*names):
    with open(os.path.join(ROOT, *names)) as f:
        return f.read()


def statements(database):
    """(name, types of its arguments, text) of each statement on a database."""
    return [(m.group(1), m.group(3).lower(), literal(m.group(4))) for m in QUERY.finditer(source("src", "store", "queries.def"))
            if m.group(2) == database]


def across():
    """Statements that may go to every shard, by the list that tools/check-shardable keeps."""
    return set(re.findall(r'^    "(\w+)": "', source("tools", "check-shardable"), re.M))


def visited(plan):
    """Tables that a plan has been at: parts of it that were never run do not count."""
    found = set()
    if plan.get("Relation Name") and plan.get("Actual Loops", 1) > 0:
        found.add(plan["Relation Name"])
    return found.union(*map(visited, plan.get("Plans", [])))


class Shards:
    """A database after the calls."""
    def __init__(self, home, url):
        self.home, self.name = home, pg_server.database_of(url)
        rows = pg_server.ask(home, "SELECT t, coalesce(k, '') FROM shard_of", database=self.name).split()
        self.key = {t: k for t, k in (row.split("|") for row in rows) if k}

    def explain(self, statements, values, how="ANALYZE, TIMING off, "):
        """{name: plan} with the numbers of each run, which is undone; without them where it cannot be run with such values."""
        script = "SET plan_cache_mode = force_custom_plan;\nSET enable_seqscan = off;\n"
        for name, types, sql in statements:
            kinds = "(%s)" % ", ".join(TYPES[t] for t in types) if types else ""
            given = "(%s)" % ", ".join("%s::%s" % (values[t], TYPES[t]) for t in types) if types else ""
            script += "\\echo @%s\nBEGIN;\nPREPARE %s%s AS %s;\nEXPLAIN (%sFORMAT json) EXECUTE %s%s;\nROLLBACK;\nDEALLOCATE ALL;\n" % (
                name, name, kinds, sql, how, name, given)
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-h", self.home, "-U", pg_server.USER, "-d", self.name], input=script,
                              capture_output=True, text=True, check=True)
        plans, again = {}, []
        for statement, said in zip(statements, done.stdout.split("@")[1:]):
            plan = said.partition("\n")[2].strip()
            if plan:
                plans[statement[0]] = json.loads(plan)[0]["Plan"]
            else:
                again.append(statement)
        if again and not how:
            raise RuntimeError(done.stderr)
        return {**plans, **(self.explain(again, values, "") if again else {})}

    def shards(self, plan):
        """{table: numbers of its shards}"""
        of = {}
        for relation in visited(plan):
            table, _, number = relation.rpartition("_")
            if table in self.key and number.isdigit():
                of.setdefault(table, set()).add(int(number))
        return of
