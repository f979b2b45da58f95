# SPDX-License-Identifier: Apache-2.0
"""On PostgreSQL: what differs from files. (`make test DATABASE=postgresql` runs all other flows on it, too.)"""
import json, os, re, shutil, subprocess, time, unittest

import pg_server, pg_shards
from troth_flow import PATIENCE_S, Daemon, Flow, POLICY, run_troth


class OnServer(Flow):
    """Without tests: what the classes below share."""
    server_options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = pg_server.Server(*cls.server_options)
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        if not cls.fresh:
            cls.urls = cls.server.pair()
            cls.daemon_options = {"urls": cls.urls}
        super().setUpClass()

    def tables(self, url):
        return pg_server.ask(self.server.home, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
                             database=self.name(url)).strip()

    @staticmethod
    def name(url):
        return url.split("@/")[1].split("?")[0]

    def someone(self, address="Lane 3, Wenyi Road"):
        person = self.person("1990-05-05")
        self.expect(self.post("/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"}, token="shop"), 201)
        self.expect(self.put("/v1/subjects/%s/data" % person,
                             {"purpose": "delivery", "values": {"order-address": address}}, token="shop"), 200)
        return person

    def address(self, person):
        got = self.expect(self.post("/v1/subjects/%s/read" % person,
                                    {"purpose": "delivery", "fields": ["order-address"]}, token="shop"), 200)
        return got["values"]["order-address"]["value"]

    def until(self, end, ask, status):
        """Asks again while the answer is a 503."""
        answer = ask()
        while answer.status == 503 and time.monotonic() < end:
            time.sleep(0.1)
            answer = ask()
        return self.expect(answer, status)

    def init(self, *options, env=None):
        return run_troth("init", os.path.join(self.daemon.home, "other"), "--policy", POLICY, *options, env=env)

    def refused(self, words, *options, code=1):
        done = self.init(*options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.daemon.home, "other")))
        return done.stderr


class Together(OnServer):
    """One daemon, which each test leaves running."""
    def test_what_was_acknowledged_is_there_after_kill(self):
        person = self.someone()
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.address(person), "Lane 3, Wenyi Road")
        self.assertEqual(run_troth("audit", "verify", self.daemon.data).returncode, 0)

    def test_a_server_that_is_away_is_a_503_and_then_all_goes_on(self):
        person = self.someone()
        self.server.stop()
        read = {"purpose": "delivery", "fields": ["order-address"]}
        for _ in range(3):
            got = self.post("/v1/subjects/%s/read" % person, read, token="shop")
            self.problem(got, 503, "busy")
            self.assertEqual(got.headers.get("retry-after"), "1")
            self.problem(self.post("/v1/subjects", {"birth_date": "1990-05-05"}, token="shop"), 503, "busy")
        self.expect(self.get("/healthz"), 200)
        self.server.start()
        again = time.monotonic() + PATIENCE_S  # each connection has its own back-off
        self.until(again, lambda: self.post("/v1/subjects/%s/read" % person, read, token="shop"), 200)
        self.until(again, lambda: self.post("/v1/subjects", {"birth_date": "1990-05-05"}, token="shop"), 201)
        got = self.until(again, lambda: self.post("/v1/subjects/%s/read" % person, read, token="shop"), 200)
        self.assertEqual(got["values"]["order-address"]["value"], "Lane 3, Wenyi Road")
        self.daemon.stop()
        self.assertEqual(run_troth("audit", "verify", self.daemon.data).returncode, 0)
        self.daemon.start()  # for the next test no connection is in its back-off

    def test_erasing_destroys_the_key_there(self):
        person = self.someone()
        count = "SELECT count(*) FROM person_key WHERE subject = '\\x%s'" % person
        self.assertEqual(pg_server.ask(self.server.home, count, database=self.name(self.urls[1])).strip(), "1")
        self.expect(self.delete("/v1/subjects/%s" % person, token="shop"), 200)
        self.assertEqual(pg_server.ask(self.server.home, count, database=self.name(self.urls[1])).strip(), "0")
        self.problem(self.post("/v1/subjects/%s/read" % person, {"purpose": "delivery", "fields": ["order-address"]},
                               token="shop"), 410, "gone")

    def test_an_identifier_taken_is_refused_and_the_group_goes_on(self):
        phone = {"purpose": "registration-login", "values": {"contact-phone": "+8613911112222"}}
        first, second = self.someone(), self.someone()
        self.expect(self.put("/v1/subjects/%s/data" % first, phone, token="shop"), 200)
        self.problem(self.put("/v1/subjects/%s/data" % second, phone, token="shop"), 409, "identifier-taken")
        self.assertEqual(self.address(second), "Lane 3, Wenyi Road")

    def test_schema_is_what_init_makes(self):
        a, b = self.server.pair()
        self.addCleanup(self.server.drop, a, b)
        pg_server.ask(self.server.home, run_troth("schema").stdout, database=self.name(a))
        self.assertEqual(int(self.tables(a)) + 1, int(self.tables(self.urls[0])))  # and the version's

    def test_a_database_in_use_is_refused_and_stays(self):
        person = self.someone()
        self.refused("already holds an installation", "--database", self.urls[0], "--keys-database", self.urls[1])
        self.assertEqual(self.address(person), "Lane 3, Wenyi Road")

    def test_keys_must_lie_apart(self):
        a, b = self.server.pair()
        self.addCleanup(self.server.drop, a, b)
        self.refused("must not lie in the database of the data", "--database", a, "--keys-database", a)
        self.refused("go together", "--database", a)
        self.assertEqual(self.tables(a), "0")

    def test_a_database_that_others_use_is_refused_and_stays(self):
        a, b = self.server.pair()
        self.addCleanup(self.server.drop, a, b)
        for mine, theirs, url in ((a, b, b), (a, b, a)):
            pg_server.ask(self.server.home, "CREATE TABLE subject (x INT)", "INSERT INTO subject VALUES (7)", database=self.name(url))
            self.refused("%s is not empty, and holds no installation" % self.name(url), "--database", mine, "--keys-database", theirs)
            self.assertEqual(pg_server.ask(self.server.home, "SELECT x FROM subject", database=self.name(url)).strip(), "7")
            pg_server.ask(self.server.home, "DROP TABLE subject", database=self.name(url))
            self.assertEqual((self.tables(a), self.tables(b)), ("0", "0"))
        # What an extension brings is nobody's table.
        pg_server.ask(self.server.home, "CREATE EXTENSION pg_stat_statements", database=self.name(a))
        pg_server.ask(self.server.home, "DROP ROLE IF EXISTS outsider", "CREATE ROLE outsider LOGIN",
                      "REVOKE CONNECT ON DATABASE %s FROM PUBLIC" % self.name(a))
        self.refused("the server does not let the role into it", "--database", a.replace("troth@", "outsider@"), "--keys-database", b)
        done = self.init("--database", a, "--keys-database", b)
        self.assertEqual(done.returncode, 0, done.stderr)
        shutil.rmtree(os.path.join(self.daemon.home, "other"))

    def test_a_failed_init_leaves_no_tables(self):
        a, b = self.server.pair()
        self.addCleanup(self.server.drop, a, b)
        self.refused("already holds an installation", "--database", self.urls[0], "--keys-database", b)
        self.assertEqual(self.tables(b), "0")
        bookshop = os.path.join(os.path.dirname(os.path.dirname(POLICY)), "tests", "cases", "policies", "mini")
        self.refused("leave out --demo", "--database", a, "--keys-database", b, "--policy", bookshop, "--demo")
        self.assertEqual((self.tables(a), self.tables(b)), ("0", "0"))

    def test_a_server_that_is_not_there(self):
        nowhere = "postgresql://troth:geheim@/%s?host=" + self.daemon.home
        said = self.refused("does not answer", "--database", nowhere % "x", "--keys-database", nowhere % "y")
        self.assertNotIn("geheim", said)
        missing = pg_server.url(self.server.home, "no_such_database")
        self.refused("no such database", "--database", missing, "--keys-database", pg_server.url(self.server.home, "nor_this"))

    def test_a_database_file_that_cannot_be_read(self):
        self.daemon.stop()
        path = os.path.join(self.daemon.data, "database")
        with open(path) as f:
            good = f.read()
        with open(path, "w") as f:
            f.write("main = postgresql://troth:geheim@/x\nkey = mysql://y:geheim@\n")
        process = self.daemon.launch()
        self.assertNotEqual(process.wait(60), 0)
        self.assertIn("a line that begins with 'key' is not understood", self.daemon.stderr())
        self.assertNotIn("geheim", self.daemon.stderr())
        with open(path, "w") as f:
            f.write(good)
        self.daemon.start()


class Statements(OnServer):
    """What a change asks of the servers, by their own log: a statement that is waited for costs more than it takes."""
    server_options = "-c log_statement=all", "-c log_line_prefix=%d:%p:"

    def logged(self, does):
        """Names of the statements that the committer sent to each of the two databases meanwhile, in their order."""
        with open(self.server.home + "/log") as log:
            log.seek(0, os.SEEK_END)
            does()
            lines = log.read()
        names = []
        for url in self.urls:
            sent = re.findall(r"^%s:(\d+):LOG:  execute (\w+):" % self.name(url), lines, re.M)
            writers = {pid for pid, name in sent if name in ("PENDING_ADD", "KEY_GET")}
            names.append([name for pid, name in sent if pid in writers])
        return names

    def test_a_change_asks_for_nothing_that_is_known(self):
        person = self.person("1990-05-05")
        values = {f: "Lane 3" for f in ("order-address", "order-recipient-name", "order-number")}

        def agree():
            self.expect(self.post("/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"}, token="shop"), 201)

        def give():
            self.expect(self.put("/v1/subjects/%s/data" % person, {"purpose": "order-payment", "values": values}, token="shop"), 200)
        main, _ = self.logged(agree)
        self.assertIn("CONSENT_ADD", main)
        self.assertNotIn("CLASH_SAVE", main)  # the group counted its number itself
        for _ in range(2):
            main, _ = self.logged(give)
            self.assertEqual(main.count("VALUE_PUT"), 3)
            self.assertNotIn("VALUE_VERSION", main)  # what the policy looks at says it
        versions = pg_server.ask(self.server.home, "SELECT DISTINCT version FROM field_value", database=self.name(self.urls[0]))
        self.assertEqual(versions.split(), ["2"])
        self.daemon.restart()
        main, keys = self.logged(agree)
        self.assertIn("SAVE", main)
        self.assertIn("KEY_GET", keys)
        self.assertNotIn("SAVE", keys)  # where only a key was read nothing is to be undone


class Apart(OnServer):
    """A daemon each: they leave it as nobody else could use it."""
    fresh = True

    def setUp(self):
        self.urls = self.server.pair()
        self.daemon_options = {"urls": self.urls}
        super().setUp()

    def test_R118_a_dump_of_either_database_alone_is_useless(self):
        known = ["Lane %d-%s" % (i, "quagga" * 3) for i in range(20)]
        people = [self.someone(address) for address in known]
        dumps = {url: subprocess.run(["pg_dump", "--inserts", url], check=True, capture_output=True).stdout for url in self.urls}
        for url, dump in dumps.items():
            for value in known:
                self.assertNotIn(value.encode(), dump)
                self.assertNotIn(value.encode().hex().encode(), dump)
        self.daemon.stop()
        # The data with other keys: it does not even start.
        pg_server.ask(self.server.home, "TRUNCATE class_key, node_key, person_key", database=self.name(self.urls[1]))
        process = self.daemon.launch()
        self.assertNotEqual(process.wait(60), 0)
        self.assertIn("key", self.daemon.stderr())
        self.assertEqual(len(people), 20)

    def test_citus_calls_run_as_they_stand_and_no_statement_crosses_persons(self):
        """After the calls all goes on, and each statement finds its rows on one shard; see pg_shards.py."""
        stays, goes = self.someone("Lane 1"), self.someone("Lane 2")
        self.daemon.stop()
        for which, url in (((), self.urls[0]), (("--keys",), self.urls[1])):
            calls = run_troth("schema", "--citus", *which)
            self.assertEqual(calls.returncode, 0)
            pg_server.ask(self.server.home, pg_shards.CALLS, calls.stdout, database=self.name(url))
        # An upgrade made a table anew: all calls once more find its place, and leave the others where they are.
        pg_server.ask(self.server.home, "DELETE FROM shard_of WHERE t IN ('happening', 'policy_set')",
                      "CREATE TABLE fresh (LIKE happening INCLUDING ALL)", "DROP TABLE happening",
                      "ALTER TABLE fresh RENAME TO happening", run_troth("schema", "--citus").stdout,
                      database=self.name(self.urls[0]))
        self.daemon.start()
        people = [stays] + [self.someone("Lane %d" % n) for n in range(3, 8)]
        self.assertEqual([self.address(person) for person in people], ["Lane 1"] + ["Lane %d" % n for n in range(3, 8)])
        self.expect(self.delete("/v1/subjects/%s" % goes, token="shop"), 200)
        phone = {"purpose": "registration-login", "values": {"contact-phone": "+8613911112222"}}
        self.expect(self.put("/v1/subjects/%s/data" % people[1], phone, token="shop"), 200)
        self.problem(self.put("/v1/subjects/%s/data" % people[2], phone, token="shop"), 409, "identifier-taken")
        for url, database in zip(self.urls, ("STORE_MAIN", "STORE_KEYS")):
            self.no_statement_crosses(pg_shards.Shards(self.server.home, url), database, people[1])
        self.at("2036-01-01T00:00:00Z")  # the sweep goes over all shards
        self.daemon.cli("retain", "sweep", *self.daemon.here())
        self.daemon.stop()
        self.assertEqual(run_troth("audit", "verify", self.daemon.data).returncode, 0)

    def test_a_page_of_people_reads_nobody_before_it(self):
        """Ten thousand more in the tables, and statistics of them: the page before the last."""
        self.someone()
        self.daemon.stop()
        sql = {name: sql for name, _, sql in pg_shards.statements("STORE_MAIN")}["WALK_CONSENTED"]
        told = pg_server.ask(
            self.server.home, "INSERT INTO subject_service SELECT 1000 + n, 'shop', 1 FROM generate_series(1, 10000) n",
            "INSERT INTO consent_event SELECT (jsonb_populate_record(e, jsonb_build_object('sid', 1000 + n, 'kind', 1, 'state', 0, "
            "'purpose', 'p' || n % 5))).* FROM consent_event e, generate_series(1, 10000) n WHERE e.seq = 1", "ANALYZE",
            "SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET plan_cache_mode = force_generic_plan",
            "PREPARE walk (text, bigint, text, bigint) AS " + sql,
            "EXPLAIN (ANALYZE, TIMING off, FORMAT json) EXECUTE walk ('p3', 10900, 'shop', 10)", database=self.name(self.urls[0]))
        def rows(plan):
            return plan["Actual Rows"] * plan["Actual Loops"] + sum(map(rows, plan.get("Plans", [])))
        plan = json.loads(told)[0]["Plan"]
        self.assertEqual(plan["Actual Rows"], 10)
        self.assertLess(rows(plan), 500, plan)

    def happenings(self):
        """What the server says of this table: how it is kept, its columns, its key, and who may read it."""
        told = ("SELECT relkind, relacl FROM pg_class WHERE relname = 'happening'",
                "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
                "WHERE table_name = 'happening' ORDER BY column_name",
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'happening'::regclass")
        return [pg_server.ask(self.server.home, each, database=self.name(self.urls[0])) for each in told]

    def test_a_table_that_is_spread_over_shards_is_changed_where_it_is(self):
        person, name = self.someone(), self.name(self.urls[0])
        fresh = self.happenings()
        self.daemon.stop()
        pg_server.ask(self.server.home, "DROP TABLE happening", "ALTER TABLE subject DROP COLUMN card",
                      "CREATE TABLE happening (sid BIGINT NOT NULL, event TEXT NOT NULL, field TEXT NOT NULL, item TEXT NOT NULL, "
                      "service TEXT NOT NULL, purpose TEXT NOT NULL, time BIGINT NOT NULL, "
                      "PRIMARY KEY (sid, event, field, item, service, purpose)) PARTITION BY HASH (sid)",
                      *("CREATE TABLE happening_%d PARTITION OF happening FOR VALUES WITH (MODULUS 2, REMAINDER %d)" % (i, i)
                        for i in range(2)),
                      "INSERT INTO happening SELECT n, 'case-closed', 'f', 'i', 's', 'p', 77 FROM generate_series(1, 9) n",
                      "GRANT SELECT ON happening TO PUBLIC", "UPDATE schema_version SET version = 8", database=name)
        kept = self.happenings()[0]
        self.assertTrue(kept.startswith("p|"), kept)
        self.daemon.start()
        self.assertEqual(self.happenings(), [kept] + fresh[1:])
        rows = "SELECT DISTINCT source, time, count(*) OVER () FROM happening"
        self.assertEqual(pg_server.ask(self.server.home, rows, database=name).split(), ["|77|9"])
        self.assertEqual(self.address(person), "Lane 3, Wenyi Road")

    def no_statement_crosses(self, shards, database, person):
        """With the small key and the id of a person who is there. Tables with one key: the same shard of each."""
        across, seen = pg_shards.across(), set()
        sid = pg_server.ask(self.server.home, "SELECT sid FROM subject WHERE id = '\\x%s'" % person, database=self.name(self.urls[0]))
        values = {"i": sid.strip(), "b": "'\\x%s'" % person, "t": "'shop'"}
        for name, plan in shards.explain(pg_shards.statements(database), values).items():
            at = shards.shards(plan)
            seen |= set(at)
            for key in set(shards.key.values()) if name not in across else ():
                numbers = set().union(*(found for table, found in at.items() if shards.key[table] == key))
                self.assertLessEqual(len(numbers), 1, "%s: %s" % (name, at))
        self.assertEqual(seen, set(shards.key))

    def recipe(self, part, **names):
        """The part-th block of commands of "Backing up there", with the reader's folder and databases."""
        with open(os.path.join(os.path.dirname(os.path.dirname(POLICY)), "docs", "operating.md")) as f:
            text = f.read().split("### Backing up there")[1]
        block = text.split("```")[2 * part + 1].replace("=DIR", "=" + names.pop("folder"))
        done = subprocess.run(["sh", "-e", "-c", block], cwd=self.daemon.home, capture_output=True, text=True,
                              env={**os.environ, "PGHOST": self.server.home, "PGUSER": pg_server.USER, **names})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_recipe_of_the_manual_brings_all_back_but_the_erased(self):
        stays, goes, withdraws = self.someone("a"), self.someone("b"), self.someone("c")
        people, keys = self.urls
        self.recipe(0, PEOPLE=people, KEYS=keys, folder=self.daemon.data)
        # After the dumps, before the folder is copied: this is on record alone.
        self.expect(self.delete("/v1/subjects/%s" % goes, token="shop"), 200)
        self.expect(self.post("/v1/subjects/%s/consents" % withdraws, {"document": "group", "state": "withdrawn"}, token="shop"), 201)
        done = subprocess.run(["tar", "--create", "--file=folder.tar", "--exclude=master-key", "--exclude=audit-key",
                        "--exclude=operator.sock", "--directory", self.daemon.data, "."], cwd=self.daemon.home)
        self.assertIn(done.returncode, (0, 1))  # 1: files changed meanwhile, as those of a folder that is served do
        self.daemon.stop()
        old, self.daemon.data = self.daemon.data, os.path.join(self.daemon.home, "restored")
        os.mkdir(self.daemon.data, 0o700)
        there = [pg_server.url(self.server.home, name) for name in ("people", "keys")]
        self.addCleanup(self.server.drop, *there)
        self.recipe(1, PEOPLE=there[0], KEYS=there[1], folder=self.daemon.data)
        for name in "master-key", "audit-key":
            self.assertFalse(os.path.exists(os.path.join(self.daemon.data, name)))
            shutil.copy2(os.path.join(old, name), self.daemon.data)
        with open(os.path.join(self.daemon.data, "database"), "w") as f:
            f.write("main = %s\nkeys = %s\n" % tuple(there))
        self.daemon.start()
        read = {"purpose": "delivery", "fields": ["order-address"]}
        self.assertEqual(self.address(stays), "a")
        self.problem(self.post("/v1/subjects/%s/read" % goes, read, token="shop"), 410, "gone")
        self.assertEqual(self.post("/v1/subjects/%s/read" % withdraws, read, token="shop").json.get("reason"), "withdrawn")
        self.daemon.stop()
        self.assertEqual(run_troth("audit", "verify", self.daemon.data).returncode, 0)


if __name__ == "__main__":
    unittest.main()
