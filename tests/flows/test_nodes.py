# SPDX-License-Identifier: Apache-2.0
"""Many daemons on one database: what one changes the others go by, with the next decision."""
import concurrent.futures, http.client, json, os, re, shutil, signal, subprocess, time, unittest

import pg_server
from troth_flow import Daemon, POLICY, SANITIZER, TROTH, run_troth
from troth_nodes import READ, Bridge, Load, Node, OnServer, Watch
from troth_places import Places, Refused


class Pair(OnServer):
    """Two nodes for all of these."""
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.a = Daemon(urls=cls.server.pair())
        cls.addClassCleanup(cls.a.remove)
        cls.a.start()
        cls.b = Node(cls.a, "b")
        cls.addClassCleanup(cls.b.remove)
        cls.b.start()
        cls.a.name = "1"

    @classmethod
    def tearDownClass(cls):
        for node in cls.a, cls.b:
            node.stop()
            done = run_troth("audit", "verify", node.data)
            assert done.returncode == 0, done.stdout + done.stderr

    def test_what_one_changes_the_others_go_by(self):
        a, b = self.a, self.b
        person = self.someone(a)
        self.assertEqual(self.ok(self.read(b, person))["values"]["order-address"]["value"], "Lane 3, Wenyi Road")
        # A withdrawal: the very next decision.
        self.ok(self.call(a, "POST", "/v1/subjects/%s/consents" % person, {"document": "group", "state": "withdrawn"}, token="shop"), 201)
        self.assertEqual(self.read(b, person).json.get("reason"), "withdrawn")
        # An erasure, too, and its key leaves the other's memory: the ledger there has its line.
        other = self.someone(b)
        self.ok(self.read(a, other))
        lines = self.lines(a)
        self.ok(self.call(b, "DELETE", "/v1/subjects/%s" % other, token="shop"))
        self.assertEqual(self.read(a, other).status, 410)
        self.until(60, lambda: self.lines(a) == lines + 1)
        self.assertEqual(self.lines(b), self.lines(a))
        # A register: a service that b registers is known to a; its renewed token ends the old one everywhere.
        token = b.service("late", "shop")
        self.until(60, lambda: self.call(a, "POST", "/v1/decisions", {"purpose": "delivery"}, token=token).status == 200)
        fresh = b.service("late", "shop", "--renew")
        self.assertEqual(self.call(a, "POST", "/v1/decisions", {"purpose": "delivery"}, token=token).status, 401)
        self.until(60, lambda: self.call(a, "POST", "/v1/decisions", {"purpose": "delivery"}, token=fresh).status == 200)

    def test_consents_of_one_person_through_both_at_once_are_all_there_in_one_order(self):
        """Each counts on from what it read: whoever met the other has read again."""
        people, rounds = [self.someone(self.a) for _ in range(3)], 60

        def give(n):
            node, person = (self.a, self.b)[n % 2], people[n // 2 % len(people)]
            answer = self.call(node, "POST", "/v1/subjects/%s/consents" % person,
                               {"document": "group", "state": "given" if n % 4 else "withdrawn"}, token="shop")
            return person, answer.status, answer.json.get("consent", {}).get("record_id"), answer
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            given = list(pool.map(give, range(rounds * 2 * len(people))))
        self.assertEqual([answer for _, status, _, answer in given if status != 201], [])
        for person in people:
            rows = self.ask(self.a, "SELECT seq, encode(e.id, 'hex') FROM consent_event e JOIN subject s ON s.sid = e.sid"
                            " WHERE encode(s.id, 'hex') = '%s' ORDER BY seq" % person).split()
            seqs, ids = zip(*(row.split("|") for row in rows))
            self.assertEqual([int(seq) for seq in seqs], list(range(1, 2 * rounds + 2)))
            acknowledged = {record for who, _, record, _ in given if who == person}
            self.assertEqual(len(acknowledged), 2 * rounds)
            self.assertEqual(acknowledged - set(ids), set())

    def lines(self, node):
        with open(os.path.join(node.data, "erased.ledger")) as f:
            return len(f.read().split())

    def test_a_history_is_whole_on_every_node_and_goes_with_the_person(self):
        a, b = self.a, self.b
        person = self.someone(a)
        self.ok(self.call(b, "POST", "/v1/subjects/%s/read" % person, READ, token="shop"))
        self.ok(self.call(a, "POST", "/v1/subjects/%s/read" % person, READ, token="shop"))
        whole = {("1", "subject"), ("1", "consent"), ("1", "collect"), ("1", "read"), ("b", "read")}
        for node in a, b:
            self.until(60, lambda: whole <= set(self.history(node, person)))
        self.ok(self.call(b, "DELETE", "/v1/subjects/%s" % person, token="shop"))
        self.assertEqual(self.ask(a, "SELECT count(*) FROM entry_copy WHERE encode(id, 'hex') = '%s'" % person), "0")

    def test_a_history_of_several_nodes_is_read_page_by_page_on_either(self):
        a, b = self.a, self.b
        person = self.someone(a)
        for node in (a, b, b, a, b) * 3:
            self.ok(self.read(node, person))
        get = lambda node, query: self.ok(self.call(node, "GET", "/v1/subjects/%s/history?%s" % (person, query), token="shop"))
        place = lambda row: (row["node"], row["entry"])
        told = lambda: [place(r) for r in get(a, "limit=500")["history"]]
        self.until(60, lambda: len([n for n, _ in told() if n == "b"]) >= 9 and len([n for n, _ in told() if n == "1"]) >= 9)
        before = told()
        for limit in 1, 4:
            got, query, turn = [], "", 0
            while query is not None:
                answer = get((a, b)[turn % 2], "limit=%d%s" % (limit, query))
                got += [place(r) for r in answer["history"]]
                query, turn = "&before=" + answer["next"] if "next" in answer else None, turn + 1
                self.assertLess(turn, 400)
            self.assertEqual(len(set(got)), len(got))
            self.assertEqual([p for p in got if p in before], before)
        self.assertEqual(self.call(a, "GET", "/v1/subjects/%s/history?before=12" % person, token="shop").status, 422)

    def test_a_policy_published_on_one_runs_on_the_others(self):
        a, b = self.a, self.b
        draft = os.path.join(a.home, "draft")
        shutil.copytree(POLICY, draft)
        group = os.path.join(draft, "group.md")
        with open(group) as f:
            text = f.read()
        with open(group, "w") as f:
            f.write(re.sub(r"revision \d+ in force from [\d-]+", "revision 13 in force from 2026-11-23", text)
                    .replace("what was said, and how it ended.", "what was said and how it ended, and nothing else."))
        before = self.ok(b.request("GET", "/healthz"))["revision"]
        a.cli("policy", "publish", draft, *a.here())
        revision = self.ok(a.request("GET", "/healthz"))["revision"]
        self.assertNotEqual(revision, before)
        answer = self.ok(self.call(b, "POST", "/v1/decisions", {"purpose": "delivery"}, token="shop"))
        self.assertEqual(answer["revision"], revision)

    def test_the_index_log_has_every_node_and_one_leader(self):
        a, b = self.a, self.b
        entered = "SELECT count(*) FROM node WHERE indexed > 0"
        self.until(60, lambda: self.ask(a, entered) == "2")
        note = self.call(b, "GET", "/audit/index/checkpoint")
        origin, size = note.text.split("\n")[:2]
        self.assertTrue(origin.endswith("/index"), note)
        self.assertEqual(self.call(b, "GET", "/audit/index/key").text.split("+")[0], origin)
        tile = self.call(b, "GET", "/audit/index/tile/0/000.p/%s" % size)
        self.assertEqual(len(tile.body), 32 * int(size), tile)
        self.assertIn(b"/audit/", self.call(b, "GET", "/audit/index/tile/entries/000.p/%s" % size).body)
        self.verified(a)
        self.verified(b)
        self.until(60, lambda: [self.ok(node.request("GET", "/healthz"))["node"]["leading"] for node in (a, b)].count(True) == 1)
        # Somebody else took the lead: who led appends nothing until it has the lead again.
        token = int(self.ask(a, "UPDATE index_head SET token = token + 5 RETURNING token"))
        self.someone(b)
        self.until(60, lambda: int(self.ask(a, "SELECT token FROM index_head")) == token + 1)
        grown = int(size)
        self.until(60, lambda: int(self.ask(a, "SELECT size FROM index_head")) > grown)
        self.verified(b)
        # An entry that was altered is found.
        self.ask(a, "UPDATE index_hash SET entry = entry || 'x'::bytea WHERE level = 0 AND place = 0")
        done = run_troth("audit", "verify", b.data, "--index")
        self.assertEqual(done.returncode, 1)
        self.assertIn("entry 0 is missing, or is not what its hash says", done.stdout)


class Alone(OnServer):
    """What one daemon shows, another one beside it now and then. All tests have one daemon and one database, which each leaves as it
    found them: it runs, or starts when it is asked for."""
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = Daemon(urls=cls.server.pair())
        cls.shared.name, cls.shared.last_words = "1", ""
        cls.addClassCleanup(cls.shared.remove)

    def setUp(self):
        self.heard = len(self.shared.stderr())
        self.addCleanup(self.nodes.append, self.shared)

    def first(self):
        if not self.shared.process or self.shared.process.poll() is not None:
            self.shared.start()
        self.shared.last_words = ""
        return self.shared

    def said(self):
        """By the shared daemon, in this test."""
        self.shared.last_words = self.shared.stderr()[self.heard:]
        self.assertIsNone(SANITIZER.search(self.shared.last_words), self.shared.last_words)
        return self.shared.last_words

    def tearDown(self):
        self.said()

    def undone(self, node, *statements):
        """Statements for the database when the test is over; then the daemon begins anew."""
        self.addCleanup(self.ask, node, *statements)
        self.addCleanup(node.kill)

    def test_one_name_one_daemon(self):
        a = self.first()
        copy = os.path.join(a.home, "copy")
        shutil.copytree(a.data, copy, ignore=shutil.ignore_patterns("operator.sock", "*.tmp-*"))
        done = subprocess.run([TROTH, "serve", copy, "--listen", "127.0.0.1:0", "--clock-file", a.clock],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a daemon runs as node '1' already; it was last seen at 20", done.stderr)
        self.ok(self.call(a, "GET", "/healthz"))

    def holding(self, node, statement):
        """A psql that did the statement, and keeps what it locks until its input ends."""
        psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-h", self.server.home, "-U", pg_server.USER, "-d",
                                 pg_server.database_of(node.urls[0])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(psql.communicate)
        psql.stdin.write("BEGIN;\n%s;\n\\echo held\n" % statement)
        psql.stdin.flush()
        while psql.stdout.readline() != "held\n":
            self.assertIsNone(psql.poll())
        return psql

    def test_the_lock_of_a_killed_daemon_is_waited_for(self):
        a = self.first()
        a.kill()
        held = self.holding(a, "SELECT pg_advisory_lock(7238530, 1)")  # as if the server had not noticed yet
        a.launch()
        tried = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT seen FROM node%'"
        self.until(60, lambda: self.ask(a, tried) != "0")
        held.communicate()
        self.assertTrue(a.wait_ready(), self.said())
        self.ok(self.call(a, "GET", "/healthz"))

    def test_joining_is_refused_whole(self):
        a = self.first()
        key = os.path.join(a.data, "master-key")
        wrong = os.path.join(a.home, "wrong-key")
        with open(wrong, "w") as f:
            f.write("ab" * 32 + "\n")
        os.chmod(wrong, 0o600)
        place = os.path.join(a.home, "other")
        nodes = self.ask(a, "SELECT count(*) FROM node")
        database = ["--database", a.urls[0], "--keys-database", a.urls[1]]
        for words, options in (("further node needs the master key", ["--node", "b"]),
                               ("does not open the keys", ["--node", "b", "--master-key", wrong]),
                               ("there is a node '1' already", ["--node", "1", "--master-key", key]),
                               ("small letters, digits", ["--node", "B C", "--master-key", key]),
                               ("already holds an installation", [])):
            done = run_troth("init", place, *database, *options)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertFalse(os.path.exists(place))
        empty = self.server.pair()
        self.addCleanup(self.server.drop, *empty)
        done = run_troth("init", place, "--database", a.urls[0], "--keys-database", empty[1], "--node", "b", "--master-key", key)
        self.assertIn("that of the keys does not", done.stderr)
        self.assertEqual(self.ask(a, "SELECT count(*) FROM node"), nodes)

    def server_clock(self, node, seconds):
        """The server's clock is wrong, for who asks in this database."""
        database = pg_server.database_of(node.urls[0])
        self.ask(node, "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
                       " $$SELECT pg_catalog.clock_timestamp() + interval '%d s'$$" % seconds,
                 "ALTER DATABASE %s SET search_path = public, pg_catalog" % database)
        self.undone(node, "ALTER DATABASE %s RESET search_path" % database, "DROP FUNCTION public.clock_timestamp()")

    def test_a_clock_that_is_wrong_does_not_start(self):
        a = self.first()
        a.stop()
        self.server_clock(a, 4)
        self.assertEqual(a.launch().wait(60), 1)
        self.assertIn("ms behind the database server's", self.said())
        self.assertIn("up to 500 ms are borne", self.said())

    def test_a_clock_that_drifts_allows_nothing(self):
        a = self.first()
        person = self.someone(a)
        self.server_clock(a, -4)
        self.ask(a, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid()")
        self.until(60, lambda: "too far apart" in self.said())
        self.assertEqual(a.request("POST", "/v1/subjects/%s/read" % person, READ, token="shop").status, 503)
        self.assertFalse(self.ok(a.request("GET", "/healthz"))["node"]["hearing"])

    def test_a_database_of_a_newer_troth(self):
        a = self.first()
        a.stop()
        place, key = os.path.join(a.home, "other"), os.path.join(a.data, "master-key")
        nodes = self.ask(a, "SELECT count(*) FROM node")
        for url in a.urls:
            name = pg_server.database_of(url)
            version = pg_server.ask(self.server.home, "SELECT version FROM schema_version", database=name).strip()
            pg_server.ask(self.server.home, "UPDATE schema_version SET version = 99", database=name)
            words = "%s has schema version 99, this program wants %s" % (name, version)
            before = len(self.said())
            self.assertEqual(a.launch().wait(60), 1)
            joins = run_troth("init", place, "--database", a.urls[0], "--keys-database", a.urls[1], "--node", "b", "--master-key", key)
            listed = run_troth("service", "list", "--data", a.data)
            for said in self.said()[before:], joins.stderr, listed.stderr:
                self.assertIn(words, said)
                self.assertIn("a newer troth wrote it; run that one", said)
            self.assertFalse(os.path.exists(place))
            pg_server.ask(self.server.home, "UPDATE schema_version SET version = %s" % version, database=name)
        self.assertEqual(self.ask(a, "SELECT count(*) FROM node"), nodes)

    def test_a_role_without_rights(self):
        a = self.first()
        people, keys = self.server.pair()
        pg_server.ask(self.server.home, "DROP ROLE IF EXISTS weak", "CREATE ROLE weak LOGIN")
        place = os.path.join(a.home, "other")
        weak = [url.replace("troth@", "weak@") for url in (people, keys)]
        for urls in weak, (people, weak[1]), (weak[0], keys):
            done = run_troth("init", place, "--policy", POLICY, "--database", urls[0], "--keys-database", urls[1])
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot make its tables (SQLSTATE 42501)", done.stderr)
            self.assertIn("give the role the right to create and use tables in this database", done.stderr)
            self.assertFalse(os.path.exists(place))
            for url in people, keys:
                self.assertEqual(pg_server.ask(self.server.home, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
                                               database=pg_server.database_of(url)).strip(), "0")
        # One that may log in, and nothing more, where all is there already.
        a.stop()
        path = os.path.join(a.data, "database")
        with open(path) as f:
            good = f.read()
        self.addCleanup(self.written, path, good)
        self.written(path, good.replace("troth@", "weak@"))
        self.assertEqual(a.launch().wait(60), 1)
        self.assertIn("cannot read its version (SQLSTATE 42501)", self.said())
        self.assertIn("give the role the right to create and use tables in this database", self.said())

    @staticmethod
    def written(path, text):
        with open(path, "w") as f:
            f.write(text)

    def test_retiring(self):
        a = OnServer.first(self)
        b = self.joined(a, "b")
        person = self.someone(b)
        listed = json.loads(a.cli("node", "list", "--json", *a.here()).stdout)["nodes"]
        self.assertEqual([n["name"] for n in listed], ["1", "b"])
        self.assertEqual(len({n["origin"].split("/audit/")[1].split("/")[0] for n in listed}), 1)
        self.assertIn("The node runs: it was seen at 20", a.cli("node", "retire", "b", *a.here(), code=1).stderr)
        self.assertIn("the node itself", a.cli("node", "retire", "1", *a.here(), code=1).stderr)
        self.assertIn("no node of this name", a.cli("node", "retire", "c", *a.here(), code=1).stderr)
        self.until(60, lambda: self.ask(a, "SELECT count(*) FROM entry_copy WHERE node = 2") != "0")
        given = self.ok(self.call(b, "POST", "/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"},
                                  token="shop"), 201)["receipt"]
        self.until(60, lambda: b.request("POST", "/v1/receipts", {"entry": given["entry"], "opening": given["opening"]}).status == 200)
        b.kill()
        leaf = self.ask(a, "SELECT encode(leaf, 'hex') FROM entry_copy WHERE node = 2 LIMIT 1")
        self.ask(a, "INSERT INTO audit_pending VALUES ((1::bigint << 48) + 1000000, decode('%s', 'hex'), '')" % leaf)
        self.until(60, lambda: a.cli("node", "retire", "b", *a.here(), code=None).returncode == 0)
        self.assertEqual(self.ask(a, "SELECT count(*) FROM audit_pending WHERE id > 1::bigint << 48"), "0")
        self.assertEqual(b.launch().wait(60), 1)
        self.assertIn("node 'b' was retired", b.stderr())
        self.until(60, lambda: self.ask(a, "SELECT state FROM node WHERE name = 'b'") == "2")
        last = self.ask(a, "SELECT convert_from(entry, 'UTF8') FROM index_hash WHERE level = 0 AND entry LIKE 'troth node%'::bytea")
        self.assertTrue(last.startswith("troth node closed\n" + listed[1]["origin"] + "\n"), last)
        self.verified(a)
        self.receipt_of_a_closed_record(a, b, given)
        self.assertEqual(self.ok(self.call(a, "POST", "/v1/subjects/%s/read" % person, READ, token="shop"))
                         ["values"]["order-address"]["value"], "Lane 3, Wenyi Road")

    def receipt_of_a_closed_record(self, a, b, given):
        """Whoever lost the node after its answer has the receipt from its folder, not from another node."""
        self.assertIn("/audit/", given["origin"])
        got = a.request("POST", "/v1/receipts", given)
        self.assertEqual(got.status, 404, got)
        self.assertIn("another node's record", got.text)
        self.assertEqual(a.request("POST", "/v1/receipts", {"entry": given["entry"], "opening": given["opening"]}).status, 422)
        kept, receipt = os.path.join(b.home, "kept.json"), os.path.join(b.home, "receipt")
        with open(kept, "w") as f:
            json.dump(given, f)
        done = run_troth("audit", "prove", a.data, "--receipt", kept)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the entry is of another record", done.stderr)
        with open(receipt, "w") as f:
            f.write(b.cli("audit", "prove", b.data, "--receipt", kept).stdout)
        done = b.cli("audit", "receipt", "verify", receipt, "--key", os.path.join(b.data, "audit", "key.pub"), "--json")
        self.assertIn("consent", done.stdout)

    def test_keys_that_hang_hold_up_nobody_for_long(self):
        """The keys' server swallows everything: reads are 503, also those that wait behind others, and all comes back."""
        bridge = Bridge(self.server)
        self.addCleanup(bridge.close)
        a = self.first()
        b = self.joined(a, "far", [a.urls[0], bridge.url(a.urls[1])])
        person = self.someone(b)
        self.ok(self.read(b, person))
        bridge.cut()
        fresh = self.someone(a)  # whose key b has not opened yet
        for who in [fresh] * 3:
            self.assertEqual(b.request("POST", "/v1/subjects/%s/read" % who, READ, token="shop").status, 503)
            self.assertEqual(b.request("GET", "/healthz").status, 200)
        bridge.heal()
        self.ok(self.read(b, fresh))

    def test_what_needs_no_key_waits_for_no_server_of_keys(self):
        """It hangs, then it is gone: whose key is open is answered for as before, the others are 503, and beats go on."""
        with pg_server.Server() as keys:
            a = Daemon(urls=(self.server.pair()[0], keys.pair()[1]))
            a.name = "apart"
            self.addCleanup(self.end, a)
            a.start()
            known, *closed = [self.someone(a) for _ in range(5)]
            a.restart()
            self.ok(self.read(a, known))
            link = http.client.HTTPConnection("127.0.0.1", a.port, timeout=60)  # one connection: one thread there

            def status(person):
                link.request("POST", "/v1/subjects/%s/read" % person, json.dumps(READ),
                             {"content-type": "application/json", "authorization": "Bearer " + a.tokens["shop"]})
                answer = link.getresponse()
                answer.read()
                return answer.status
            self.assertEqual(status(closed[0]), 200)  # which needs a key: the next one's is asked beside
            keys.signal(signal.SIGSTOP)
            for _ in range(3):
                self.assertEqual(status(known), 200)
            keys.signal(signal.SIGCONT)
            self.assertEqual(status(closed[1]), 200)  # nobody had waited until it was given up
            keys.signal(signal.SIGSTOP)
            self.assertEqual(status(closed[2]), 503)
            self.assertEqual(status(known), 200)
            beats = lambda: int(self.ask(a, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'node'"))
            wanted, end = beats() + 8, time.monotonic() + 15  # one each 0.3 s; to try the silent server takes 3 s
            while beats() < wanted:
                self.assertLess(time.monotonic(), end)
            keys.signal(signal.SIGCONT)
            self.until(60, lambda: status(closed[2]) == 200)
            keys.stop()
            for _ in range(3):
                self.assertEqual(status(closed[3]), 503)
                self.assertEqual(status(known), 200)
            # Nobody is taken for erased because no key can be asked for.
            done = a.cli("policy", "what-if", os.path.join(a.data, "policy"), "--data", a.data, "--json", code=1)
            self.assertEqual(done.stdout, "")
            keys.start()
            told = json.loads(a.cli("policy", "what-if", os.path.join(a.data, "policy"), "--data", a.data, "--json").stdout)
            self.assertGreater(told["answers"], 0)
            self.assertEqual(told["cannot"]["erased"], 0)
            self.until(60, lambda: status(closed[3]) == 200)
            link.close()

    def test_a_silent_server_of_keys_is_found_out_once(self):
        """Who needs a key is refused, alone among those of a group; changes that need none go on, and so does following others."""
        with pg_server.Server() as keys:
            a = Daemon(urls=(self.server.pair()[0], keys.pair()[1]))
            a.name = "apart"
            self.addCleanup(self.end, a)
            a.start()
            b = self.joined(a, "beside")
            known, closed = self.someone(a), self.someone(a)
            a.restart()
            self.ok(self.read(a, known))
            status = lambda method, path, body, token="shop": a.request(method, path, body, token=token).status
            create = lambda: status("POST", "/v1/subjects", {"birth_date": "1990-05-05"})
            agree = lambda: status("POST", "/v1/subjects/%s/consents" % known, {"document": "group", "state": "given"})
            read = lambda person: status("POST", "/v1/subjects/%s/read" % person, READ)
            keys.signal(signal.SIGSTOP)
            self.assertEqual(create(), 503)  # its group waits, until the prober knows
            token = b.service("late", "shop")
            self.until(60, lambda: status("POST", "/v1/decisions", {"purpose": "delivery"}, token) == 200)
            self.assertEqual([read(p) for p in (known, closed) * 20], [200, 503] * 20)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                got = list(pool.map(lambda i: create() if i % 2 else agree(), range(160)))
            self.assertEqual(got, [201, 503] * 80)
            keys.signal(signal.SIGCONT)
            self.until(60, lambda: create() == 201)
            self.ok(self.read(a, closed))

    def test_what_another_changes_right_after_a_change_here_is_not_passed_over(self):
        """A class key that begins between the commit of a register's change and the reading of it."""
        a = Daemon(urls=self.server.pair())
        a.name = "apart"
        self.addCleanup(self.end, a)
        a.start()
        names = [pg_server.database_of(url) for url in a.urls]
        keys = lambda statement: pg_server.ask(self.server.home, statement, database=names[1]).strip()
        waiting = lambda: int(self.ask(a, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                       " AND datname = current_database() AND query !~ 'UPDATE node'"))
        keys("INSERT INTO class_key SELECT class, 2, wrapped FROM class_key WHERE class = 'adult'")
        held = self.holding(a, "LOCK TABLE service IN SHARE MODE")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            added = pool.submit(a.service, "late", "shop")
            self.until(60, lambda: waiting() >= 1)
            beats = self.holding(a, "LOCK TABLE node IN SHARE MODE")  # they would tell of it as well, now and then
            other = pool.submit(pg_server.ask, self.server.home, "BEGIN; LOCK TABLE meta IN ACCESS EXCLUSIVE MODE;"
                                " UPDATE meta SET number = number + 1 WHERE name = 'generation'; COMMIT", database=names[0])
            self.until(60, lambda: waiting() >= 2)
            held.communicate()
            other.result()
            beats.communicate()
            added.result()
        self.ok(self.call(a, "POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop"), 201)
        self.assertEqual(keys("SELECT max(generation) FROM person_key"), "2")

    def test_a_consent_that_finds_its_number_taken_takes_the_next(self):
        """By somebody whose reads the server does not watch, say: nobody of the group is refused for it."""
        a = self.first()
        person = self.someone(a)
        last = "FROM consent_event e JOIN subject s ON s.sid = e.sid WHERE encode(s.id, 'hex') = '%s'" % person
        held = self.holding(a, "CREATE TEMP TABLE one AS SELECT e.* %s; UPDATE one SET seq = seq + 1;"
                            " INSERT INTO consent_event SELECT * FROM one" % last)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            given = pool.submit(a.request, "POST", "/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"},
                                token="shop")
            self.until(60, lambda: self.ask(a, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0")
            held.communicate("COMMIT;\n")
            self.ok(given.result(), 201)
        self.assertEqual(self.ask(a, "SELECT string_agg(seq::text, ' ' ORDER BY seq) " + last), "1 2 3")

    def test_keys_that_are_slow_or_let_nobody_new_in_are_not_silent(self):
        """Connections that are there do well: whoever waits on one gets the answer."""
        with pg_server.Server() as keys:
            a = Daemon(urls=(self.server.pair()[0], keys.pair()[1]))
            a.name = "apart"
            self.addCleanup(self.end, a)
            a.start()
            self.someone(a)
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            name = pg_server.database_of(a.urls[1])
            holder, looker = (subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-h", keys.home, "-U", pg_server.USER, "-d", name],
                                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2))
            self.addCleanup(holder.communicate)
            self.addCleanup(looker.communicate)

            def told(psql, statement):
                psql.stdin.write("%s;\n\\echo .\n" % statement)
                psql.stdin.flush()
                return list(iter(psql.stdout.readline, ".\n"))
            told(looker, "SELECT 1")
            told(holder, "BEGIN; LOCK TABLE person_key IN SHARE MODE")
            with open(keys.home + "/db/pg_hba.conf", "w") as f:
                f.write("local all all reject\n")
            pg_server.as_owner(keys.bin + "/pg_ctl", "-D", keys.home + "/db", "reload")

            def closed():
                try:
                    pg_server.ask(keys.home, "SELECT 1", database=name)
                except RuntimeError:
                    return True
            self.until(60, closed)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                made = pool.submit(a.request, "POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop")
                self.until(60, lambda: told(looker, waits) == ["1\n"])
                time.sleep(2)  # longer than nobody looks whether the server is there
                told(holder, "COMMIT")
                self.assertEqual(made.result().status, 201)

    def test_a_lost_disk_takes_what_was_not_copied_and_nothing_if_decisions_are_in_the_database(self):
        """Copies are held up; what two nodes acknowledge then is on their disks alone, unless the setting is on."""
        a = self.first()
        person = self.someone(a)
        b, c = Node(a, "lost-1", more=("--epoch", "month")), self.joined(a, "lost-2")  # their records derive pseudonyms apart
        self.addCleanup(self.end, b)
        with open(os.path.join(b.data, "database"), "a") as f:
            f.write("decisions = database\n")
        b.start()
        self.ok(self.read(c, person))
        self.until(60, lambda: ("lost-2", "read") in self.history(a, person))
        held = self.holding(a, "LOCK TABLE entry_copy IN EXCLUSIVE MODE")
        for _ in range(5):
            self.ok(self.read(b, person))
            self.ok(self.read(c, person))
        self.assertGreaterEqual(self.ok(c.request("GET", "/healthz"))["node"]["copy_lag"], 5)
        for node in b, c:
            node.kill()
            shutil.rmtree(node.data)
        held.communicate()
        for name in "lost-1", "lost-2":
            self.until(60, lambda: a.cli("node", "retire", name, *a.here(), code=None).returncode == 0)
        rows = self.ok(self.call(a, "GET", "/v1/subjects/%s/history" % person, token="shop"))["history"]
        read = [row["node"] for row in rows if row["kind"] == "read" and row["detail"].get("purpose") == "delivery"]
        self.assertEqual(sorted(read), ["1"] * 5 + ["lost-2"])  # lost-1's, adopted; of the other's the first
        self.verified(a)

    def test_a_database_file_with_other_lines(self):
        a = self.first()
        a.stop()
        path = os.path.join(a.data, "database")
        with open(path) as f:
            good = f.read()
        self.addCleanup(self.written, path, good)
        for line in "node = Big", "decisions = later":
            self.written(path, good + line + "\n")
            self.assertEqual(a.launch().wait(60), 1)
            self.assertIn("a line that begins with '%s' is not understood" % line.split()[0], self.said())


class Upgrade(OnServer):
    """Tables of an older version: this program is the newer one. Tables of a newer version: it is the older one."""
    VERSION = "SELECT version FROM schema_version"

    def by(self, node, n):
        self.ask(node, "UPDATE schema_version SET version = version + %d" % n)

    def test_the_tables_are_not_changed_under_nodes_that_run(self):
        a = self.first()
        b = self.joined(a, "b")
        newest = int(self.ask(a, self.VERSION))
        b.stop()
        self.by(a, -1)
        place = os.path.join(a.home, "other")
        words = "has schema version %d and cannot be brought to version %d while nodes run on it: 1\n" % (newest - 1, newest)
        self.assertEqual(b.launch().wait(60), 1)
        joins = run_troth("init", place, "--database", a.urls[0], "--keys-database", a.urls[1], "--node", "c", "--master-key",
                          os.path.join(a.data, "master-key"))
        self.assertEqual(joins.returncode, 1, joins.stderr)
        for said in b.stderr(), joins.stderr:
            self.assertIn(words, said)
            self.assertIn("stop all nodes first", said)
        self.assertFalse(os.path.exists(place))
        self.assertEqual(int(self.ask(a, self.VERSION)), newest - 1)
        person = self.someone(a)
        a.stop()
        b.start()
        self.assertEqual(int(self.ask(a, self.VERSION)), newest)
        a.start()
        self.ok(self.read(a, person))
        self.ok(self.read(b, person))

    def test_nodes_that_start_at_once_on_older_tables_change_them_once(self):
        nodes = [self.first()]
        nodes += [self.joined(nodes[0], name) for name in "bc"]
        newest = int(self.ask(nodes[0], self.VERSION))
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            for _ in range(4):
                for node in nodes:
                    node.stop()
                self.by(nodes[0], -1)
                list(pool.map(Daemon.start, nodes))
                self.assertEqual(int(self.ask(nodes[0], self.VERSION)), newest)

    def test_a_node_under_which_the_tables_became_newer_acknowledges_nothing(self):
        a = self.first()
        person = self.someone(a)
        self.by(a, 1)
        self.until(60, lambda: "a newer troth changed the database" in a.stderr())
        new = a.request("POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop")
        read = a.request("POST", "/v1/subjects/%s/read" % person, READ, token="shop")
        self.assertEqual((new.status, read.status), (503, 503), (new, read))
        self.assertIn("nothing is acknowledged any more: a newer troth changed the database, and this node runs an older one", a.stderr())
        self.assertEqual(self.ask(a, "SELECT count(*) FROM subject"), "1")
        self.assertFalse(a.request("GET", "/healthz").json["node"]["hearing"])


class Storm(OnServer):
    """Three daemons and the server, each on a host of its own: namespaces with a link to the server's, or, where this machine
    refuses them, one machine, and a socket in between that is cut."""
    @classmethod
    def setUpClass(cls):
        try:
            cls.places = Places("a", "b", "c")
            cls.addClassCleanup(cls.places.close)
        except Refused as why:
            cls.places = None
            print("without namespaces: %s" % why)
        cls.server = pg_server.Server(**({"hosts": "10.77.0.0/16", "where": cls.places.server} if cls.places else {}))
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def three(self):
        """The daemons, and what cuts the third one off and lets it come back."""
        if not self.places:
            bridge = Bridge(self.server)
            self.addCleanup(bridge.close)
            a = self.first()
            return [a, self.joined(a, "b"), self.joined(a, "c", [bridge.url(url) for url in a.urls])], bridge.cut, bridge.heal
        pair = self.server.pair()

        def seen_from(host):
            return ["postgresql://troth@%s/%s" % (self.places.address[host], pg_server.database_of(url)) for url in pair]
        a = self.first(seen_from("a"), self.places.host["a"])
        nodes = [a] + [self.joined(a, name, seen_from(name), self.places.host[name]) for name in "bc"]
        return nodes, lambda: self.places.cut("c"), lambda: self.places.heal("c")

    def test_three_daemons_under_load_one_cut_off_one_killed_and_the_server_restarted(self):
        nodes, cut, heal = self.three()
        a, b, c = nodes
        loads = [Load(node) for node in nodes]
        watches = [Watch(node, loads) for node in nodes]
        for each in loads + watches:
            each.start()
        self.until(60, lambda: all(load.withdrawn for load in loads))
        cut()
        self.until(60, lambda: c.request("GET", "/healthz").json["node"]["hearing"] is False)
        self.assertEqual(c.request("POST", "/v1/decisions", {"purpose": "delivery"}, token="shop").status, 503)
        b.kill()
        time.sleep(0.5)
        b.start()
        self.server.stop()
        time.sleep(0.5)
        self.server.start()
        heal()
        enough = [len(load.people) + 3 for load in loads]
        self.until(120, lambda: all(len(load.people) >= n for load, n in zip(loads, enough)))
        self.ended(loads + watches)
        self.check(nodes, loads, watches)


if __name__ == "__main__":
    unittest.main()
