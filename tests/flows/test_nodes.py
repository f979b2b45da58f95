# SPDX-License-Identifier: Apache-2.0
"""Many daemons on one database: what one changes the others go by, with the next decision."""
import json, os, re, shutil, subprocess, tempfile, time, unittest

import pg_server
from troth_flow import Daemon, POLICY, SANITIZER, TROTH, run_troth

READ = {"purpose": "delivery", "fields": ["order-address"]}


class Node(Daemon):
    """A further daemon: joins the database of the first."""
    def __init__(self, first, name, urls=None, clock=None):
        self.home = tempfile.mkdtemp(prefix="troth-flow-")
        self.data = os.path.join(self.home, "data")
        self.clock = first.clock
        self.args, self.env = [], {}
        self.tokens, self.process, self.port = first.tokens, None, 0
        self.urls = urls or first.urls
        self.name = name
        self.cli("init", self.data, "--database", self.urls[0], "--keys-database", self.urls[1], "--node", name,
                 "--master-key", os.path.join(first.data, "master-key"), "--clock-file", self.clock)


class OnServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = pg_server.Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def first(self):
        first = Daemon(urls=self.server.pair())
        first.name = "1"
        self.addCleanup(self.end, first)
        return first.start()

    def joined(self, first, name, urls=None):
        node = Node(first, name, urls)
        self.addCleanup(self.end, node)
        return node.start()

    def end(self, node):
        node.last_words = node.stderr()[-4000:]
        self.nodes.append(node)
        node.remove()
        self.assertIsNone(SANITIZER.search(node.last_words), node.last_words)

    def ask(self, node, *statements):
        return pg_server.ask(self.server.home, *statements, database=node.urls[0].split("@/")[1].split("?")[0]).strip()

    def ok(self, answer, status=200):
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def call(self, node, *request, **more):
        """A request; on a busy machine a node may be deaf for a moment, and says so."""
        end = time.monotonic() + 20
        while True:
            answer = node.request(*request, **more)
            if answer.status != 503 or time.monotonic() > end:
                return answer
            time.sleep(0.05)

    def someone(self, node, address="Lane 3, Wenyi Road"):
        person = self.ok(self.call(node, "POST", "/v1/subjects", {"birth_date": "1990-05-05"}, token="shop"), 201)["id"]
        self.ok(self.call(node, "POST", "/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"}, token="shop"), 201)
        self.ok(self.call(node, "PUT", "/v1/subjects/%s/data" % person,
                             {"purpose": "delivery", "values": {"order-address": address}}, token="shop"))
        return person

    def read(self, node, person):
        return self.call(node, "POST", "/v1/subjects/%s/read" % person, READ, token="shop")

    def run(self, result=None):
        """The daemons' own words go with a failure."""
        self.nodes = []
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for node in self.nodes:
                print("node %s said:\n%s" % (node.name, node.last_words))

    def until(self, seconds, true):
        end = time.monotonic() + seconds
        while not true():
            self.assertLess(time.monotonic(), end, "it did not happen within %s s" % seconds)
            time.sleep(0.02)


class Coherence(OnServer):
    def test_what_one_changes_the_others_go_by(self):
        a = self.first()
        b = self.joined(a, "b")
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
        self.until(15, lambda: self.lines(a) == lines + 1)
        self.assertEqual(self.lines(b), self.lines(a))
        # A register: a service that b registers is known to a; its renewed token ends the old one everywhere.
        token = b.service("late", "shop")
        self.until(15, lambda: self.call(a, "POST", "/v1/decisions", {"purpose": "delivery"}, token=token).status == 200)
        fresh = b.service("late", "shop", "--renew")
        self.assertEqual(self.call(a, "POST", "/v1/decisions", {"purpose": "delivery"}, token=token).status, 401)
        self.until(15, lambda: self.call(a, "POST", "/v1/decisions", {"purpose": "delivery"}, token=fresh).status == 200)
        for node in a, b:
            node.stop()
            self.assertEqual(run_troth("audit", "verify", node.data).returncode, 0)

    def lines(self, node):
        with open(os.path.join(node.data, "erased.ledger")) as f:
            return len(f.read().split())

    def test_one_name_one_daemon(self):
        a = self.first()
        copy = os.path.join(a.home, "copy")
        shutil.copytree(a.data, copy, ignore=shutil.ignore_patterns("operator.sock", "*.tmp-*"))
        done = subprocess.run([TROTH, "serve", copy, "--listen", "127.0.0.1:0", "--clock-file", a.clock],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a daemon runs as node '1' already; it was last seen at 20", done.stderr)
        self.ok(self.call(a, "GET", "/healthz"))

    def test_joining_is_refused_whole(self):
        a = self.first()
        key = os.path.join(a.data, "master-key")
        wrong = os.path.join(a.home, "wrong-key")
        with open(wrong, "w") as f:
            f.write("ab" * 32 + "\n")
        os.chmod(wrong, 0o600)
        place = os.path.join(a.home, "other")
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
        self.assertEqual(self.ask(a, "SELECT count(*) FROM node"), "1")


if __name__ == "__main__":
    unittest.main()
