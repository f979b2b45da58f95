# SPDX-License-Identifier: Apache-2.0
"""Engines around PostgreSQL: a connection pool, a streaming replica, a switch-over and a fail-over. See pg_engines.py."""
import os, time, unittest

import pg_engines, pg_server
from troth_flow import BUILD, SERVER, Daemon
from troth_nodes import READ, Load, OnServer, Watch

WITHDRAWN = {"document": "group", "state": "withdrawn"}


class Engines(OnServer):
    @classmethod
    def setUpClass(cls):
        if SERVER:
            raise unittest.SkipTest("they start their own servers: once, in the run on files")
        super().setUpClass()

    def withdraw(self, node, person):
        self.ok(self.call(node, "POST", "/v1/subjects/%s/consents" % person, WITHDRAWN, token="shop"), 201)

    def setting(self, node, text):
        """Adds lines to the folder's file `database`."""
        with open(os.path.join(node.data, "database"), "a") as f:
            f.write(text)


class Pool(Engines):
    """PgBouncer in transaction mode."""
    @classmethod
    def setUpClass(cls):
        gone = pg_engines.missing("pgbouncer")
        if gone:
            raise unittest.SkipTest("not installed: " + " ".join(gone))
        super().setUpClass()
        cls.pool = pg_engines.PgBouncer(cls.server)
        cls.addClassCleanup(cls.pool.close)

    def pooled(self):
        urls = self.server.pair()
        listen = urls[0]
        urls = [self.pool.url(url) for url in urls]
        first = Daemon(urls=urls, more=["--listen-database", listen])
        first.name = "1"
        self.addCleanup(self.end, first)
        return first, listen

    def test_the_flow_through_the_pool_and_a_withdrawal_reaches_another_node(self):
        a, listen = self.pooled()
        a.start()
        b = self.joined(a, "b", more=["--listen-database", listen])
        person, other = self.someone(a), self.someone(b, "Lane 4, Wenyi Road")
        for node in a, b:
            self.assertEqual(self.ok(self.read(node, person))["values"]["order-address"]["value"], "Lane 3, Wenyi Road")
        phone = {"purpose": "registration-login", "values": {"contact-phone": "+8613911112222"}}
        self.ok(self.call(a, "PUT", "/v1/subjects/%s/data" % person, phone, token="shop"))
        self.assertEqual(self.call(b, "PUT", "/v1/subjects/%s/data" % other, phone, token="shop").status, 409)
        self.withdraw(a, person)
        self.assertEqual(self.read(b, person).json.get("reason"), "withdrawn")
        self.ok(self.call(b, "DELETE", "/v1/subjects/%s" % other, token="shop"))
        self.assertEqual(self.read(a, other).status, 410)
        self.until(60, lambda: len(set(self.history(b, person))) >= 5)
        # Nothing of ours stays with the pool's sessions, for who comes next.
        for asked, said in (("SELECT count(*) FROM pg_prepared_statements", "0"), ("SHOW enable_seqscan", "on")):
            self.assertEqual(pg_server.ask(self.pool.home, asked, database=pg_server.database_of(a.urls[0]), port=6432).strip(), said)
        loads = [Load(node) for node in (a, b)]
        watches = [Watch(node, loads) for node in (a, b)]
        for each in loads + watches:
            each.start()
        self.until(60, lambda: all(len(load.withdrawn) > 1 for load in loads))
        self.ended(loads + watches)
        self.check([a, b], loads, watches, {person, other})

    def test_without_a_connection_of_its_own_it_does_not_start(self):
        a, listen = self.pooled()
        with open(os.path.join(a.data, "database")) as f:
            text = f.read()
        with open(os.path.join(a.data, "database"), "w") as f:
            f.write(text.replace("listen = %s\n" % listen, ""))
        self.assertEqual(a.launch().wait(60), 1)
        self.assertIn("leads through a connection pool", a.stderr())
        self.assertIn("listen = postgresql://", a.stderr())


    def test_a_migration_goes_past_the_pool_which_comes_in_between_afterwards(self):
        d = Daemon(files=True)
        d.name = "1"
        self.addCleanup(self.end, d)
        direct = self.server.pair()
        pooled = [self.pool.url(url) for url in direct]

        def tables():
            return [pg_server.ask(self.server.home, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
                                  database=pg_server.database_of(url)).strip() for url in direct]
        for people, keys in (pooled[0], direct[1]), (direct[0], pooled[1]), pooled:
            said = d.cli("migrate", "--from", d.data, "--to", people, "--keys-to", keys, *d.here()[2:], code=1).stderr
            self.assertIn("a connection pool is in between, which keeps no lock", said)
            self.assertIn("name the server itself", said)
            self.assertFalse(os.path.exists(d.data + "/migration"))
            self.assertTrue(os.path.exists(d.data + "/troth.db"))
            self.assertEqual(tables(), ["0", "0"])
        d.cli("migrate", "--from", d.data, "--to", direct[0], "--keys-to", direct[1], *d.here()[2:])
        with open(d.data + "/database", "w") as f:
            f.write("main = %s\nkeys = %s\nlisten = %s\n" % (*pooled, direct[0]))
        d.start()
        self.ok(self.read(d, self.someone(d)))

class Replica(Engines):
    def setUp(self):
        self.standby = None

    def replica(self, *options):
        self.standby = pg_engines.Standby(self.server).__enter__()
        self.addCleanup(self.standby.__exit__)

    def there(self, url):
        return url.split("?")[0] + "?host=" + self.standby.home

    def whole(self, node, person):
        got = self.ok(self.call(node, "GET", "/v1/subjects/%s/history" % person, token="shop"))
        return got, sorted((row["node"], row["entry"]) for row in got["history"])

    def test_histories_are_read_from_a_replica_and_say_how_far_it_is(self):
        self.replica()
        a = self.first()
        b = self.joined(a, "b")
        b.stop()
        self.setting(b, "history = %s\n" % self.there(a.urls[0]))
        b.start()
        person = self.someone(a)
        self.ok(self.read(b, person))
        self.until(60, lambda: ("b", "read") in self.history(a, person))
        got, rows = self.whole(b, person)
        self.assertRegex(got["until"], r"^20\d\d-")
        self.assertNotIn("until", self.whole(a, person)[0])
        self.until(60, lambda: set(rows) <= set(self.whole(b, person)[1]))
        counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'troth' AND datname = '%s'" % (
            pg_server.database_of(a.urls[0]))
        self.assertGreater(int(pg_server.ask(self.standby.home, counted)), 0)
        # Behind by too much, then away: the primary is asked.
        pg_server.ask(self.standby.home, "SELECT pg_wal_replay_pause()")
        self.until(60, lambda: "until" not in self.whole(b, person)[0])
        self.assertIn("s behind", b.stderr())
        self.standby.stop()
        self.assertIn(("1", "subject"), self.history(b, person))
        # Who was erased has none, whatever the replica still holds.
        self.ok(self.call(a, "DELETE", "/v1/subjects/%s" % person, token="shop"))
        self.assertEqual(self.call(b, "GET", "/v1/subjects/%s/history" % person, token="shop").status, 410)

    def test_nothing_but_histories_is_read_from_a_replica(self):
        self.replica()
        a = self.first()
        a.stop()
        with open(os.path.join(a.data, "database")) as f:
            text = f.read()
        with open(os.path.join(a.data, "database"), "w") as f:
            f.write(text.replace("?host=" + self.server.home, "?host=" + self.standby.home))
        self.assertEqual(a.launch().wait(60), 1)
        self.assertIn("this server only reads: it is a replica", a.stderr())

    def test_a_primary_whose_place_was_taken_allows_nothing(self):
        """Two servers that both write: the old one is cut off from its synchronous standby, which was promoted. What one node
        withdraws on the new one, a node that still reaches the old one must not allow."""
        self.replica()
        a = self.first()
        b = self.joined(a, "b")
        keep = "?host=%s,%s&target_session_attrs=read-write"
        for node, order in ((a, (self.server, self.standby)), (b, (self.standby, self.server))):
            node.stop()
            with open(os.path.join(node.data, "database")) as f:
                text = f.read()
            with open(os.path.join(node.data, "database"), "w") as f:
                f.write(text.replace("?host=" + self.server.home, keep % tuple(server.home for server in order)))
        pg_server.ask(self.server.home, "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
        self.addCleanup(pg_server.ask, self.server.home, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        self.until(60, lambda: pg_server.ask(self.server.home, "SELECT sync_state FROM pg_stat_replication").strip() == "sync")
        for node in a, b:
            node.start()
        person = self.someone(a)
        for node in a, b:
            self.ok(self.read(node, person))
        self.standby.promote()
        self.until(60, lambda: b.request("GET", "/healthz").json["node"]["hearing"])
        self.until(60, lambda: b.request("POST", "/v1/subjects/%s/consents" % person, WITHDRAWN, token="shop").status == 201)
        self.assertEqual(self.read(b, person).json.get("reason"), "withdrawn")
        for _ in range(20):
            got = a.request("POST", "/v1/subjects/%s/read" % person, READ, token="shop")
            self.assertNotEqual(got.status, 200, got)
            time.sleep(0.1)
        self.server.stop()
        self.assertEqual(self.read(a, person).json.get("reason"), "withdrawn")
        self.server.start()


class SwitchOver(Engines):
    """Patroni, once in the plain run: it takes its time, and it is not troth's code that a sanitizer would look at."""
    @classmethod
    def setUpClass(cls):
        if os.path.basename(BUILD) != "build" or SERVER:
            raise unittest.SkipTest("the plain run switches over, once")
        gone = pg_engines.missing("patroni", "etcd")
        if gone:
            raise unittest.SkipTest("not installed: " + " ".join(gone))
        cls.cluster = pg_engines.Patroni()
        cls.addClassCleanup(cls.cluster.close)
        try:
            cls.cluster.form()
        except BaseException:
            print(cls.cluster.words())
            raise

    def ask(self, node, *statements):
        leader = next(name for name in ("p2", "p1") if self.cluster.leads(name))
        return "\n".join(self.cluster.ask(leader, each, pg_server.database_of(node.urls[0])) for each in statements)

    def test_a_switch_over_and_a_killed_primary_under_load(self):
        try:
            self.switch_over_and_kill()
        except BaseException:
            print(self.cluster.words())
            raise

    def switch_over_and_kill(self):
        for name in "people", "people_keys":
            self.cluster.ask("p1", "CREATE DATABASE " + name)
        a = self.first([self.cluster.url("people"), self.cluster.url("people_keys")])
        b = self.joined(a, "b")
        loads = [Load(node) for node in (a, b)]
        watches = [Watch(node, loads) for node in (a, b)]
        for each in loads + watches:
            each.start()
        self.until(60, lambda: all(load.withdrawn for load in loads))
        self.cluster.switch_over("p1", "p2")
        self.goes_on(["p2"], loads)
        self.cluster.kill_server("p2")
        self.goes_on(["p1", "p2"], loads)  # Patroni starts it again, or the other one takes over
        self.ended(loads + watches)
        self.check([a, b], loads, watches)

    def goes_on(self, leaders, loads):
        self.until(60, lambda: any(self.cluster.leads(name) for name in leaders))
        enough = [len(load.withdrawn) + 2 for load in loads]
        self.until(60, lambda: all(len(load.withdrawn) >= n for load, n in zip(loads, enough)))


if __name__ == "__main__":
    unittest.main()
