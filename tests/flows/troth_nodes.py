# SPDX-License-Identifier: Apache-2.0
"""Several daemons on one database: joining, loads with journals, watches, and what must be true afterwards."""
import http.client, json, os, shutil, socket, subprocess, sys, tempfile, threading, time, unittest

import pg_server
from troth_flow import PATIENCE_S, ROOT, Daemon, SANITIZER, run_troth

sys.path.insert(0, os.path.join(ROOT, "tests", "fault"))
import receipts

READ = {"purpose": "delivery", "fields": ["order-address"]}


class Node(Daemon):
    """A further daemon: joins the database of the first."""
    def __init__(self, first, name, urls=None, where=None, more=()):
        self.where = where or self.where
        self.home = tempfile.mkdtemp(prefix="troth-flow-")
        self.data = os.path.join(self.home, "data")
        self.clock = first.clock
        self.args, self.env = [], {}
        self.tokens, self.process, self.port = first.tokens, None, 0
        self.urls = urls or first.urls
        self.name = name
        self.cli("init", self.data, "--database", self.urls[0], "--keys-database", self.urls[1], "--node", name,
                 "--master-key", os.path.join(first.data, "master-key"), "--clock-file", self.clock, *more)


class OnServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = pg_server.Server()
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def first(self, urls=None, where=None):
        first = Daemon(urls=urls or self.server.pair(), where=where)
        first.name = "1"
        self.addCleanup(self.end, first)
        return first.start()

    def joined(self, first, name, urls=None, where=None, more=()):
        node = Node(first, name, urls, where, more)
        self.addCleanup(self.end, node)
        return node.start()

    def end(self, node):
        said = [line for line in node.stderr().splitlines() if not line.endswith(": refused")]
        node.last_words = "\n".join(said)[-4000:]
        self.nodes.append(node)
        node.remove()
        self.assertIsNone(SANITIZER.search(node.last_words), node.last_words)

    def ask(self, node, *statements):
        return pg_server.ask(self.server.home, *statements, database=pg_server.database_of(node.urls[0])).strip()

    def ok(self, answer, status=200):
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def call(self, node, *request, **more):
        """A request; on a busy machine a node may be deaf for a moment, and says so."""
        end = time.monotonic() + PATIENCE_S
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

    def history(self, node, person):
        got = self.ok(self.call(node, "GET", "/v1/subjects/%s/history" % person, token="shop"))["history"]
        return [(row.get("node"), row["kind"]) for row in got]

    def verified(self, node):
        done = run_troth("audit", "verify", node.data, "--index")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("every one as it was entered", done.stdout)

    def until(self, seconds, true):
        end = time.monotonic() + max(seconds, PATIENCE_S)
        while not true():
            self.assertLess(time.monotonic(), end, "it did not happen within %s s" % seconds)
            time.sleep(0.02)

    # ---- Storms

    def ended(self, threads):
        for each in threads:
            each.ended = True
        for each in threads:
            each.join(60)
            self.assertFalse(each.is_alive())

    def check(self, nodes, loads, watches, others=()):
        """Lost 0, phantom 0, stale allows 0, receipts valid. `others` were made beside the loads."""
        self.assertEqual([load.wrong for load in loads], [[]] * len(loads))
        self.assertEqual([watch.stale for watch in watches], [[]] * len(watches))
        self.assertGreater(min(watch.asked for watch in watches), 0)
        for i, load in enumerate(loads):  # each through another node than the one that wrote
            for person, value in load.people.items():
                answer = self.call(nodes[(i + 1) % len(nodes)], "POST", "/v1/subjects/%s/read" % person, READ, token="shop")
                if person in load.withdrawn:
                    self.assertEqual(answer.json.get("reason"), "withdrawn", answer)
                elif person not in load.unknown:
                    self.assertEqual(self.ok(answer)["values"]["order-address"]["value"], value)
        total = int(self.ask(nodes[0], "SELECT count(*) FROM subject"))
        self.assertEqual(int(self.ask(nodes[0], "SELECT count(DISTINCT sid) FROM subject")), total)
        held = {line.split("|")[0] for line in self.ask(nodes[0], "SELECT encode(s.id, 'hex') FROM subject s JOIN field_value v"
                                                        " ON v.sid = s.sid").split()}
        known = set(others).union(*(set(load.people) | load.unknown for load in loads))
        self.assertEqual(held - known, set())
        for node, load in zip(nodes, loads):
            self.receipts_hold(node, load.receipts)
            node.stop()
            self.assertEqual(run_troth("audit", "verify", node.data).returncode, 0, node.name)

    def receipts_hold(self, node, given):
        """Every one is of what was acknowledged and stands under a head, by arithmetic that is not the program's, and by the
        program's, which also looks at the signature of each."""
        folder, paths = os.path.join(node.home, "receipts"), []
        os.mkdir(folder)

        def ask(*request):
            answer = node.request(*request)
            return answer.status, answer.body
        for n, receipt in enumerate(given):
            status, text = receipts.fetch(ask, receipt)
            self.assertEqual(status, 200, text)
            self.assertIsNone(receipts.check(text, receipt)[0], receipt)
            paths.append("%s/%d" % (folder, n))
            with open(paths[-1], "w") as f:
                f.write(text)
        self.assertGreater(len(paths), 1)
        done = run_troth("audit", "receipt", "verify", *paths, "--key", os.path.join(node.data, "audit", "key.pub"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("%d of %d receipts are genuine" % (len(paths), len(paths)), done.stdout)


class Bridge:
    """A server's socket under another path, which can be cut: then bytes go neither way, as when a cable is pulled."""
    def __init__(self, server):
        self.home = tempfile.mkdtemp(prefix="troth-bridge-")
        self.target = os.path.join(server.home, ".s.PGSQL.5432")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.home, ".s.PGSQL.5432"))
        self.listener.listen(64)
        self.open, self.ends, self.lock = True, [], threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, url):
        return url.split("?")[0] + "?host=" + self.home

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            with self.lock:
                self.ends.append(near)
                if not self.open:  # it hangs, like all others
                    continue
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(self.target)
                except OSError:
                    near.close()
                    continue
                self.ends.append(far)
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        try:
            while True:
                data = a.recv(65536)
                while not self.open and a.fileno() >= 0:
                    time.sleep(0.02)
                if not data:
                    break
                b.sendall(data)
        except OSError:
            pass
        self.end(a, b)

    @staticmethod
    def end(*sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.open = False

    def heal(self):
        """What hung is gone, new connections go through."""
        with self.lock:
            for each in self.ends:
                self.end(each)
                each.close()
            self.ends, self.open = [], True

    def close(self):
        self.heal()
        self.listener.close()
        shutil.rmtree(self.home, ignore_errors=True)


class Load(threading.Thread):
    """One client of one node. What was acknowledged, and what is not known, goes into its journal."""
    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.ended = node, False
        self.people, self.withdrawn, self.unknown, self.receipts, self.wrong = {}, {}, set(), [], []

    def ask(self, *request):
        """None: it is not known what became of it."""
        try:
            answer = self.node.request(*request, token="shop", timeout=60)
        except TimeoutError:
            self.wrong.append("no answer: " + " ".join(request[:2]))
            return None
        except (OSError, http.client.HTTPException):  # it was killed, before it answered or in the middle of it
            return None
        if answer.status == 503:
            return None
        if answer.status not in (200, 201):
            self.wrong.append(answer)
            return None
        if answer.json.get("receipt"):
            self.receipts.append(answer.json["receipt"])
        return answer

    def run(self):
        n = 0
        while not self.ended:
            n += 1
            if not self.one("%s-%d" % (self.node.name, n), n):
                time.sleep(0.02)

    def one(self, value, n):
        made = self.ask("POST", "/v1/subjects", {"birth_date": "1990-05-05"})
        if not made:
            return False
        person = made.json["id"]
        consents = "/v1/subjects/%s/consents" % person
        self.unknown.add(person)
        if not self.ask("POST", consents, {"document": "group", "state": "given"}):
            return False
        if not self.ask("PUT", "/v1/subjects/%s/data" % person, {"purpose": "delivery", "values": {"order-address": value}}):
            return False
        self.people[person] = value
        if n % 3 == 0:
            if not self.ask("POST", consents, {"document": "group", "state": "withdrawn"}):
                return False
            self.withdrawn[person] = time.monotonic()
        self.unknown.discard(person)
        return True


class Watch(threading.Thread):
    """Reads through one node what others took back: an answer to a question asked afterwards must not allow."""
    def __init__(self, node, loads):
        super().__init__(daemon=True)
        self.node, self.loads, self.ended, self.stale, self.asked = node, loads, False, [], 0

    def run(self):
        while not self.ended:
            for load in self.loads:
                for person, when in list(load.withdrawn.items())[-2:]:
                    began = time.monotonic()
                    try:
                        answer = self.node.request("POST", "/v1/subjects/%s/read" % person, READ, token="shop", timeout=60)
                    except TimeoutError:
                        self.stale.append((person, "no answer"))
                        continue
                    except (OSError, http.client.HTTPException):
                        continue
                    self.asked += answer.status != 503
                    if answer.status == 200 and began > when:
                        self.stale.append((person, answer))
            time.sleep(0.05)
