# SPDX-License-Identifier: Apache-2.0
"""troth migrate: an installation of files goes to PostgreSQL, whole or not at all, and its record goes on."""
import json, os, shutil, signal, sqlite3, stat, subprocess, tempfile, time, unittest

import pg_server
from troth_nodes import Node
from troth_flow import Daemon, POLICY, ROOT, SANITIZER, TROTH, bars, run_troth, watched

ADDRESS = "Lane 7-quaggaquagga"
READ = {"purpose": "delivery", "fields": ["order-address"]}
PHONE = {"purpose": "registration-login", "values": {"contact-phone": "+8613911112222"}}


class Copied(Daemon):
    """A daemon on a copy of a stopped one's folder."""
    def __init__(self, of):
        self.home = tempfile.mkdtemp(prefix="troth-flow-")
        self.data = os.path.join(self.home, "data")
        shutil.copytree(of.data, self.data, ignore=shutil.ignore_patterns("operator.sock"))
        self.clock = of.clock
        self.args, self.env, self.tokens, self.process, self.port, self.urls = [], {}, of.tokens, None, 0, ()


def ok(answer, status=200):
    if answer.status != status:
        raise AssertionError(answer)
    return answer.json


def fill(d):
    """People of every kind: (living, child, erased)."""
    def someone(birth="1990-05-05", document="group", service="shop"):
        person = ok(d.request("POST", "/v1/subjects", {"birth_date": birth}, token=service), 201)["id"]
        ok(d.request("POST", "/v1/subjects/%s/consents" % person, {"document": document, "state": "given"}, token=service), 201)
        return person
    living, erased = someone(), someone()
    put = "/v1/subjects/%s/data" % living
    ok(d.request("PUT", put, PHONE, token="shop"))
    ok(d.request("PUT", put, {"purpose": "delivery", "values": {"order-address": ADDRESS}}, token="shop"))
    ok(d.request("POST", "/v1/subjects/%s/orders" % living, {"order": "o-1", "recipient": "ship-b"}, token="shop"), 201)
    child = ok(d.request("POST", "/v1/subjects", {"birth_date": "2016-05-05", "device": "phone-1"}, token="shop"), 201)["id"]
    ok(d.request("POST", "/v1/subjects/%s/guardians" % child, {"guardian": living, "verified": True, "evidence": "check-1"}, token="shop"), 201)
    ok(d.request("POST", "/v1/subjects/%s/consents" % living, {"document": "group", "state": "withdrawn"}, token="shop"), 201)
    ok(d.request("POST", "/v1/subjects/%s/consents" % living, {"document": "group", "state": "given"}, token="shop"), 201)
    d.cli("hold", "add", living, "--fields", "order-amount", "--reference", "file 9", "--until", "2036-12-31", *d.here())
    ok(d.request("DELETE", "/v1/subjects/%s" % erased, token="shop"))
    return living, child, erased


class Migrating(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = pg_server.Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.source = Daemon(files=True)
        cls.addClassCleanup(cls.source.remove)
        cls.source.start()
        cls.living, cls.child, cls.erased = fill(cls.source)
        cls.source.kill()  # what was acknowledged is all that counts

    def folder(self):
        d = Copied(self.source)
        self.addCleanup(self.end, d)
        return d

    def end(self, d):
        said = d.stderr()
        d.remove()
        self.assertIsNone(SANITIZER.search(said), said)

    def pair(self):
        urls = self.server.pair()
        self.addCleanup(self.server.drop, *urls)
        return urls

    @staticmethod
    def name(url):
        return url.split("@/")[1].split("?")[0]

    def ask(self, url, *statements):
        return pg_server.ask(self.server.home, *statements, database=self.name(url)).strip()

    def tables(self, url):
        return set(self.ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'").split())

    @staticmethod
    def to(urls):
        return ("--to", urls[0], "--keys-to", urls[1])

    def migrate(self, d, *options, code=0, env=None):
        done = run_troth("migrate", "--from", d.data, "--clock-file", d.clock, *options, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def refused(self, words, d, *options):
        """Nothing is begun, and the folder is as it was."""
        said = self.migrate(d, *options, code=1).stderr
        self.assertIn(words, said)
        self.assertNotIn("geheim", said)
        self.assertFalse(os.path.exists(os.path.join(d.data, "migration")), words)
        self.assertTrue(os.path.exists(os.path.join(d.data, "troth.db")))

    def whole(self, d, urls):
        """All is there, works on, and nothing of the migration is left."""
        left = set(os.listdir(d.data))
        self.assertFalse(left & {"troth.db", "keys.db", "troth.db-wal", "keys.db-wal", "migration"}, left)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(d.data, "database")).st_mode), 0o600)
        for url in urls:
            self.assertNotIn("half_migrated", self.tables(url))
        d.start()
        got = ok(d.request("POST", "/v1/subjects/%s/read" % self.living, READ, token="shop"))
        self.assertEqual(got["values"]["order-address"]["value"], ADDRESS)
        d.stop()
        done = run_troth("audit", "verify", d.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def stopped(self, d, urls, at, after=False, **more):
        """Ended by SIGKILL at its at-th call. False: it came to its end before."""
        env = {**os.environ, "LD_PRELOAD": self.shim(), "KILL_AT": str(at), "ASAN_OPTIONS": "verify_asan_link_order=0",
               **({"KILL_AFTER": "1"} if after else {}), **more}
        done = subprocess.run([TROTH, "migrate", "--from", d.data, "--clock-file", d.clock, *self.to(urls)], env=env,
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, -signal.SIGKILL), done.stderr)
        return done.returncode != 0

    def shim(self):
        so = os.path.join(self.source.home, "kill_at.so")
        if not os.path.exists(so):
            subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", so, os.path.join(ROOT, "tests", "fault", "kill_at.c"), "-ldl"],
                           check=True)
        return so

    # ---- What it does

    def test_all_is_moved_and_the_record_goes_on(self):
        d, urls = self.folder(), self.pair()
        d.start()
        answer = ok(d.request("POST", "/v1/subjects/%s/consents" % self.living, {"document": "group", "state": "given"}, token="shop"), 201)
        receipt = os.path.join(d.home, "receipt")
        head = os.path.join(d.home, "head")
        for path, *request in ((receipt, "POST", "/v1/receipts", {k: answer["receipt"][k] for k in ("entry", "opening")}),
                               (head, "GET", "/audit/checkpoint")):
            end = time.monotonic() + 20
            got = d.request(*request)
            while got.status in (429, 503) and time.monotonic() < end:  # not signed yet
                time.sleep(0.2)
                got = d.request(*request)
            self.assertEqual(got.status, 200, got)
            with open(path, "wb") as f:
                f.write(got.body)
        self.assertIn("Stop its daemon", self.migrate(d, *self.to(urls), code=1).stderr)
        self.assertEqual(self.tables(urls[0]), set())
        d.stop()
        with sqlite3.connect("file:%s/troth.db?mode=ro" % d.data, uri=True) as db:
            macs = {bytes(row[0]).hex() for row in db.execute("SELECT mac FROM blind_index")}
            self.assertTrue(macs)
        report = json.loads(self.migrate(d, *self.to(urls), "--json").stdout)
        self.check_report(report, urls)
        self.assertEqual(set(self.ask(urls[0], "SELECT encode(mac, 'hex') FROM blind_index").split()), macs)
        self.whole(d, urls)
        d.start()
        # Old receipts and heads are of this record; it goes on where it was.
        self.assertEqual(run_troth("audit", "receipt", "verify", receipt, "--key", d.data + "/audit/key.pub").returncode, 0)
        done = run_troth("audit", "verify", d.data, "--against", head)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(head) as f:
            kept = f.read()
        before, now = kept.split("\n"), d.request("GET", "/audit/checkpoint").text.split("\n")
        self.assertEqual(before[0], now[0])
        self.assertGreater(int(now[1]), int(before[1]))
        self.lives_on(d, urls)
        self.is_joined(d, urls)
        d.stop()
        os.rename(d.data + "/database", d.data + "/elsewhere")
        self.assertEqual(d.launch().wait(60), 1)
        self.assertIn("was moved to PostgreSQL, and its file `database` is missing", d.stderr())

    def check_report(self, report, urls):
        tables = {(row["database"], row["table"]): row["rows"] for row in report["tables"]}
        for row in report["tables"]:
            self.assertRegex(row["sha256"], "^[0-9a-f]{64}$")
        self.assertEqual({t for w, t in tables if w == "keys"}, {"class_key", "node_key", "person_key"})
        self.assertEqual({t for w, t in tables if w == "main"} | {"schema_version"}, self.tables(urls[0]))
        self.assertEqual({t for w, t in tables if w == "keys"} | {"schema_version"}, self.tables(urls[1]))
        for table in "subject", "field_value", "blind_index", "consent_event", "erased", "purchase", "hold", "guardian_link", \
                     "device_age", "service", "recipient_grant", "policy_document", "subject_service", "field_name":
            self.assertGreater(tables["main", table], 0, table)
        for which, table in tables:
            if table not in ("node", "meta", "audit_pending", "entry_copy", "index_hash", "index_head"):
                self.assertEqual(self.ask(urls[which == "keys"], "SELECT count(*) FROM " + table), str(tables[which, table]))

    def lives_on(self, d, urls):
        """Identifiers, the erased, new people, histories, erasure."""
        someone = ok(d.request("POST", "/v1/subjects", {"birth_date": "1991-01-01"}, token="shop"), 201)["id"]
        ok(d.request("POST", "/v1/subjects/%s/consents" % someone, {"document": "group", "state": "given"}, token="shop"), 201)
        taken = d.request("PUT", "/v1/subjects/%s/data" % someone, PHONE, token="shop")
        self.assertEqual((taken.status, taken.json["type"].rsplit("/", 1)[-1]), (409, "identifier-taken"))
        self.assertEqual(d.request("POST", "/v1/subjects/%s/read" % self.erased, READ, token="shop").status, 410)
        kinds = {row["kind"] for row in ok(d.request("GET", "/v1/subjects/%s/history" % self.living, token="shop"))["history"]}
        self.assertLessEqual({"subject", "collect", "consent", "withdraw", "read"}, kinds)
        self.assertEqual(self.ask(urls[0], "SELECT count(DISTINCT sid) = count(*) FROM subject"), "t")
        dumps = [subprocess.run(["pg_dump", "--inserts", url], check=True, capture_output=True).stdout for url in urls]
        for dump in dumps:
            self.assertNotIn(ADDRESS.encode(), dump)
            self.assertNotIn(ADDRESS.encode().hex().encode(), dump)
            self.assertNotIn(PHONE["values"]["contact-phone"][1:].encode(), dump)
        self.assertNotIn(b"person_key", dumps[0])
        self.assertNotIn(b"field_value", dumps[1])
        keys = "SELECT count(*) FROM person_key"
        before = int(self.ask(urls[1], keys))
        ok(d.request("DELETE", "/v1/subjects/%s" % someone, token="shop"))
        self.assertEqual(int(self.ask(urls[1], keys)), before - 1)

    def is_joined(self, d, urls):
        """A further node has what was on record before there were nodes."""
        node = Node(d, "b", urls)
        self.addCleanup(self.end, node)
        node.start()
        end, kinds, wanted = time.monotonic() + 30, set(), {"subject", "collect", "consent"}
        while not wanted <= kinds and time.monotonic() < end:
            got = node.request("GET", "/v1/subjects/%s/history" % self.living, token="shop")
            kinds = {row["kind"] for row in got.json["history"] if row.get("node") == "1"} if got.status == 200 else kinds
            time.sleep(0.05)
        self.assertLessEqual(wanted, kinds)
        node.stop()

    @staticmethod
    def step(d):
        try:
            with open(d.data + "/migration") as f:
                return f.read().split()[-1]
        except FileNotFoundError:
            return None

    def test_a_kill_at_any_point_is_gone_on_from(self):
        d, urls = self.folder(), self.pair()
        many = 45000  # three batches
        with sqlite3.connect(d.data + "/troth.db") as db:
            db.executemany("INSERT INTO device_age VALUES (?, ?, ?)", ((os.urandom(32), 1 << 60, 1 << 60) for _ in range(many)))
        at, runs = 61, 0
        while self.stopped(d, urls, at, after=runs % 2 == 1):
            at = 24 + 14 * runs if self.step(d) else at + 5
            runs += 1
        self.assertGreater(runs, 5)
        self.assertEqual(self.ask(urls[0], "SELECT count(*) FROM device_age"), str(many + 1))
        self.whole(d, urls)

    def compared(self, step="switch"):
        """Killed when all was compared: before or after the point of no return."""
        d, urls = self.folder(), self.pair()
        at = 0
        while self.step(d) != step or not os.path.exists(d.data + "/moved.json"):  # by a sync, a rename and a sync
            at += 1
            self.assertTrue(self.stopped(d, urls, at, KILL_FROM="/moved.json"))
        return d, urls

    def test_a_kill_while_it_switches_is_gone_on_from(self):
        d, urls = self.compared()
        at = 14
        while self.step(d) and self.stopped(d, urls, at, after=at % 2 == 0):
            at += 3
        self.migrate(d, *self.to(urls))  # and once more, which does nothing
        self.whole(d, urls)

    def test_it_ends_nowhere_but_where_the_data_went(self):
        d, urls = self.compared()
        others, empty = self.pair(), self.pair()
        self.migrate(self.folder(), *self.to(others))
        with open(d.data + "/migration") as f:
            ours = f.read()
        for there in others, (urls[0], others[1]), (others[0], urls[1]), empty:
            self.assertIn("the database the data went to", self.migrate(d, *self.to(there), code=1).stderr)
        # Behind the same URL another installation may stand.
        with open(d.data + "/migration", "w") as f:
            f.write(ours.replace(*map(self.name, (urls[0], others[0]))).replace(*map(self.name, (urls[1], others[1]))))
        self.assertIn("the database the data went to", self.migrate(d, code=1).stderr)
        with open(d.data + "/migration", "w") as f:
            f.write(ours)
        self.assertTrue({"troth.db", "keys.db", "migration"} <= set(os.listdir(d.data)))
        self.assertFalse(os.path.exists(d.data + "/database"))
        # What happens to be set is not where it goes on. The tables are of the version they were made with.
        self.ask(urls[0], "UPDATE half_migrated SET rows = rows - 1 WHERE rows < 0")
        env = {**os.environ, "TROTH_DATABASE": others[0], "TROTH_KEYS_DATABASE": others[1]}
        self.assertIn("this program wants", self.migrate(d, code=1, env=env).stderr)
        self.ask(urls[0], "UPDATE schema_version SET version = version - 1")
        self.whole(d, urls)

    # ---- Half finished

    def test_given_up_nothing_says_that_it_was_moved(self):
        d, _ = self.compared("copy")
        self.migrate(d, "--give-up")
        self.assertFalse({"moved.json", "migration"} & set(os.listdir(d.data)))

    def half(self):
        d, urls = self.folder(), self.pair()
        at = 40
        while not os.path.exists(d.data + "/migration") or "half_migrated" not in self.tables(urls[1]) \
                or self.ask(urls[0], "SELECT sum(rows) > 20 FROM half_migrated") != "t":
            self.assertTrue(self.stopped(d, urls, at))
            at += 10
        return d, urls

    def test_what_is_half_finished_says_so(self):
        d, urls = self.half()
        for command in (["serve", d.data, "--listen", "127.0.0.1:0"], ["service", "list", "--data", d.data],
                        ["retain", "sweep", "--data", d.data], ["key", "rotate", "--class", "adult", "--data", d.data],
                        ["subject", "erase", self.living, "--data", d.data],
                        ["policy", "publish", POLICY, "--data", d.data], ["policy", "what-if", POLICY, "--data", d.data]):
            done = run_troth(*command, *(["--clock-file", d.clock] if command[:2] != ["policy", "what-if"] else []))
            self.assertNotEqual(done.returncode, 0, command)
            self.assertIn("a migration to PostgreSQL is half finished", done.stderr)
            self.assertIn("troth migrate --from %s` again" % d.data, done.stderr)
        other = os.path.join(d.home, "other")
        at = ["--database", urls[0], "--keys-database", urls[1]]
        for more in ["--policy", POLICY], ["--node", "b", "--master-key", d.data + "/master-key"]:
            done = run_troth("init", other, *at, *more)
            self.assertEqual(done.returncode, 1)
            self.assertIn("holds a half-finished migration", done.stderr)
            self.assertFalse(os.path.exists(other))
        # Another folder's migration is not let in, and this one goes nowhere else.
        self.refused("another half-finished migration", self.folder(), *self.to(urls))
        self.assertIn("is not the database this migration was begun with", self.migrate(d, *self.to(self.pair()), code=1).stderr)
        self.server.stop()
        self.assertIn("does not answer", self.migrate(d, code=1).stderr)
        self.server.start()
        # Given up, all is as before.
        self.migrate(d, "--give-up")
        self.assertEqual((self.tables(urls[0]), self.tables(urls[1])), (set(), set()))
        self.assertIn("no migration is half finished", self.migrate(d, "--give-up", code=1).stderr)
        d.start()
        ok(d.request("POST", "/v1/subjects/%s/read" % self.living, READ, token="shop"))
        d.stop()

    def test_what_differs_is_not_switched_to(self):
        d, urls = self.half()
        self.ask(urls[1], "UPDATE half_migrated SET rows = rows + 1 WHERE rows < 0")  # begun by an older one
        said = self.migrate(d, code=1).stderr
        self.assertIn("another version of troth began this migration", said)
        self.assertIn("--give-up", said)
        self.ask(urls[1], "UPDATE half_migrated SET rows = rows - 1 WHERE rows < 0")
        self.ask(urls[0], "UPDATE consent_event SET time = time + 1 WHERE seq = 1")
        said = self.migrate(d, code=1).stderr
        self.assertIn("table consent_event is not the same on both sides", said)
        self.assertIn("their digests differ", said)
        self.assertTrue(os.path.exists(d.data + "/troth.db"))
        self.assertFalse(os.path.exists(d.data + "/database"))
        self.migrate(d, "--give-up")
        self.migrate(d, *self.to(urls))
        self.whole(d, urls)

    # ---- Refused

    def test_bad_targets_are_refused_and_nothing_is_begun(self):
        d, (people, keys) = self.folder(), self.pair()
        again = people.replace("?host=", "?application_name=x&host=")
        nowhere = "postgresql://troth:geheim@/x?host=" + d.home
        pg_server.ask(self.server.home, "DROP ROLE IF EXISTS feeble", "CREATE ROLE feeble LOGIN")
        for words, options in (("go together", ["--to", people]),
                               ("begins with postgresql://", ["--to", "mysql://a:geheim@b", "--keys-to", keys]),
                               ("must not lie in the database of the data", self.to((people, people))),
                               ("must not lie in the database of the data", self.to((people, again))),
                               ("does not answer", self.to((nowhere, keys))),
                               ("does not answer", self.to((people, nowhere))),
                               ("no such database", self.to((people, pg_server.url(self.server.home, "missing")))),
                               ("right to create", self.to((people.replace("troth@", "feeble@"), keys))),
                               ("right to create", self.to((people, keys.replace("troth@", "feeble@"))))):
            self.refused(words, d, *options)
            self.assertEqual((self.tables(people), self.tables(keys)), (set(), set()), words)
        self.ask(keys, "CREATE TABLE theirs (x int)")
        self.refused("is not empty", d, *self.to((people, keys)))
        self.assertEqual(self.tables(keys), {"theirs"})
        self.ask(people, "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
                         " $$SELECT pg_catalog.clock_timestamp() + interval '4 s'$$",
                 "ALTER DATABASE %s SET search_path = public, pg_catalog" % self.name(people))
        self.ask(keys, "DROP TABLE theirs")
        self.refused("ms behind the database server's", d, *self.to((people, keys)))
        self.assertEqual((self.tables(people), self.tables(keys)), (set(), set()))
        self.assertIn("There is no data folder", run_troth("migrate", "--from", d.home + "/none", *self.to((people, keys))).stderr)

    def test_a_link_is_refused(self):
        d, urls = self.folder(), self.pair()
        for name in "troth.db", "keys.db":
            os.rename(d.data + "/" + name, d.home + "/" + name)
            os.symlink(d.home + "/" + name, d.data + "/" + name)
            self.refused("%s is a symbolic link" % name, d, *self.to(urls))
            os.replace(d.home + "/" + name, d.data + "/" + name)
        self.assertEqual((self.tables(urls[0]), self.tables(urls[1])), (set(), set()))

    def test_a_database_in_use_and_a_newer_folder_are_refused(self):
        d, urls = self.folder(), self.pair()
        _, seen = watched("migrate", "--from", d.data, "--clock-file", d.clock, *self.to(urls))
        for word in "copying", "comparing":
            told = bars(seen)[word]
            self.assertEqual([n for n, _ in told], sorted(n for n, _ in told))
            self.assertEqual(told[-1][0], told[-1][1], word)
            self.assertGreater(told[-1][1], 50, word)
        self.assertIn("lie on a server already", self.migrate(d, *self.to(self.pair()), code=1).stderr)
        other = self.folder()
        with sqlite3.connect(other.data + "/troth.db") as db:  # an older one is not touched before the target fits
            newest = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = %d" % (newest - 1))
        self.refused("already holds an installation", other, *self.to(urls))
        with sqlite3.connect(other.data + "/troth.db") as db:
            self.assertEqual(db.execute("PRAGMA user_version").fetchone()[0], newest - 1)
        with sqlite3.connect(other.data + "/troth.db") as db:
            db.execute("PRAGMA user_version = 99")
        self.refused("a newer troth wrote it", other, *self.to(self.pair()))
        self.whole(d, urls)


if __name__ == "__main__":
    unittest.main()
