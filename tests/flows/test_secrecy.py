# SPDX-License-Identifier: Apache-2.0
"""Nothing readable: a thousand known values go in and out, and afterwards are in no file and nowhere in the daemon's memory."""
import http.client, json, os, re, resource, secrets, shutil, signal, socket, subprocess, tempfile, time, unittest

from troth_flow import BUILD, POLICY, READY_S, SERVER, run_troth
from troth_people import People

PERSONS = 22
VALUES = 1000
REGION_MAX = 1 << 31  # the shadow of a sanitizer is larger than any memory
FORMS = (
    ("phone", lambda s: "+86138%08d" % (int(s, 16) % 10 ** 8)),
    ("email", lambda s: "known-%s@example.com" % s),
)


RANDOM = re.compile(rb"known-[0-9a-f]{16}|138\d{8}")


def known_value(field):
    """Text nobody else writes, in the form that the field takes."""
    random = secrets.token_hex(8)
    return next((form(random) for word, form in FORMS if word in field), "known-" + random)


def memory_of(pid):
    """(region, bytes) of everything the process can read. Only root may ask: the daemon is not dumpable."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            if "r" not in m[3] or m[4] in ("[vvar]", "[vsyscall]"):
                continue
            start, end = int(m[1], 16), int(m[2], 16)
            if end - start > REGION_MAX:
                continue
            try:
                mem.seek(start)
                yield f"{m[1]} {m[4]}", mem.read(end - start)
            except OSError:
                continue


@unittest.skipIf(os.geteuid() != 0, "reads another process's memory: needs root")
class Memory(People):
    """Loaded once; each test looks somewhere else."""
    decided_again = False  # asked for more fields at once than the detail of an entry names

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.known = set()
        cls.load(cls("load"))

    def load(self):
        catalogue = json.loads(run_troth("policy", "export", POLICY).stdout)["catalogue"]
        fields, purposes = catalogue["fields"], [p["name"] for p in catalogue["purposes"]]
        names = [f["name"] for f in fields]
        ways = {}
        for person in [self.adult() for _ in range(PERSONS)]:
            ways = ways or self.ways(person, names, purposes)
            for purpose, some in ways.items():
                self.put_known(person, purpose, some)
        assert len(self.known) >= VALUES, len(self.known)
        self.take_in()
        if not SERVER:
            self.back_up()

    def take_in(self):
        """Bodies of a megabyte, through the operator's socket."""
        with tempfile.TemporaryDirectory(prefix="troth-flow-") as place:
            lines = os.path.join(place, "people.jsonl")
            with open(lines, "w") as f:
                for _ in range(70):
                    values = {name: {"value": known_value(name) + "," + 3000 * "x"} for name in ("order-items", "order-address")}
                    Memory.known.update(RANDOM.search(v["value"].encode())[0] for v in values.values())
                    f.write(json.dumps({"service": "shop", "birth_date": "1990-01-01", "data": [{"purpose": "order-payment", "values": values}],
                                        "consents": [{"document": "group", "state": "given", "language": "en"}]}) + "\n")
            self.daemon.cli("import", lines, *self.daemon.here())

    def back_up(self):
        place = lambda name: os.path.join(self.daemon.home, name)
        self.daemon.cli("backup", "key", place("key"))
        self.daemon.cli("backup", "--data-file", place("data-1"), "--keys-file", place("keys-1"), "--region", "CN", "--for",
                        place("key.pub"), *self.daemon.here())

    @property
    def link(self):
        """One connection that stays open, as a service's does."""
        if "kept" not in Memory.__dict__:
            Memory.kept = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        return Memory.kept

    def ask(self, method, path, body):
        return self.daemon.heard(lambda: self.ask_once(method, path, body))

    def ask_once(self, method, path, body):
        self.link.request(method, path, json.dumps(body),
                          {"content-type": "application/json", "authorization": "Bearer " + self.daemon.tokens["shop"]})
        got = self.link.getresponse()
        return got.status, got.read()

    def ways(self, person, names, purposes):
        """For each purpose the fields that may be collected for it, each field once."""
        found, taken = {}, set()
        for p in purposes:
            got = self.decide("shop", p, names, operation="collect", subject=person)["fields"]
            some = [f for f in names if got[f]["answer"].startswith("allow") and f not in taken]
            taken.update(some)
            if some:
                found[p] = some
        return found

    def put_known(self, person, purpose, names):
        values = {f: known_value(f) for f in names}
        Memory.known.update(RANDOM.search(v.encode())[0] for v in values.values())
        status, body = self.ask("PUT", f"/v1/subjects/{person}/data", {"purpose": purpose, "values": values})
        assert status == 200, body
        read = {"purpose": purpose, "fields": names}
        for path, body in ((f"subjects/{person}/read", read), (f"subjects/{person}/read", {**read, "operation": "display"}),
                           ("read", {**read, "subjects": [person]})):
            status, body = self.ask("POST", "/v1/" + path, body)
            assert status in (200, 403), body
        self.ask("PUT", f"/v1/subjects/{person}/data", {"purpose": purpose, "values": {**values, "no-such": "x"}})

    def hits(self, blob):
        """By the random part that each has: one pass, however many they are."""
        return {k for k in RANDOM.findall(blob) if k in self.known}

    @unittest.skipIf(re.search("address|thread", BUILD), "a sanitizer keeps memory that was freed")
    def test_R118_nothing_is_left_in_the_memory_of_the_daemon_at_rest(self):
        for still in ("open", "closed"):
            with self.subTest("the connection is " + still):
                self.assertEqual(self.in_memory(), {})
            self.link.close()

    @unittest.skipIf(re.search("address|thread", BUILD), "a sanitizer keeps memory that was freed")
    def test_R118_the_search_finds_what_is_under_way(self):
        """The control: a value in a request that has not ended is seen, and goes with its connection."""
        text = "known-" + secrets.token_hex(8)
        Memory.known.add(text.encode())
        link = socket.create_connection(("127.0.0.1", self.daemon.port))
        link.sendall(b"PUT /v1/subjects/x/data HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + text.encode())
        self.wait(self.in_memory)
        link.close()
        self.wait(lambda: not self.in_memory())

    @unittest.skipIf(re.search("address|thread", BUILD), "a sanitizer keeps memory that was freed")
    def test_R118_a_body_that_is_refused_by_its_headers_is_wiped(self):
        for refused in (b"Content-Length: 99999999\r\n", b"Content-Length: 3000\r\nContent-Length: 3000\r\n", b"Content-Length: 3000\r\nHost: y\r\n"):
            links = []
            for _ in range(4):
                text = "known-" + secrets.token_hex(8)
                Memory.known.add(text.encode())
                link = socket.create_connection(("127.0.0.1", self.daemon.port))
                link.sendall(b"PUT /v1/subjects/x/data HTTP/1.1\r\nHost: x\r\n" + refused + b"\r\n" + text.encode() * 100)
                self.assertRegex(link.recv(100), b"HTTP/1.1 4(13|00)")
                links.append(link)
            for link in links:
                link.close()
            self.wait(lambda: not self.in_memory())

    @unittest.skipIf(re.search("address|thread|memory", BUILD), "a sanitizer lets nothing be locked: its shadow would not fit")
    def test_R118_with_lock_memory_nothing_of_the_daemon_reaches_swap(self):
        self.daemon.stop()
        self.addCleanup(self.daemon.restart)
        try:
            self.daemon.start("--lock-memory")
        except AssertionError as e:
            self.assertIn("the memory cannot be locked", str(e))
            self.skipTest("no memory may be locked here")
        locked, databases = {}, set()
        with open(f"/proc/{self.daemon.process.pid}/smaps") as f:
            for row in f:
                region = re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+\s*(.*)", row)
                if region:
                    name, writable = region[2], "w" in region[1]
                elif row.startswith("VmFlags:") and writable and not name.startswith("[v"):
                    locked[name or "anonymous"] = locked.get(name or "anonymous", True) and " lo" in row
                elif row.startswith("VmFlags:") and name.endswith(".db"):
                    self.assertNotIn(" lo", row, name)  # sealed, and as large as it may be: it would never leave memory
                    databases.add(os.path.basename(name))
        self.assertGreater(len(locked), 3)
        self.assertEqual({n for n, is_locked in locked.items() if not is_locked}, set())
        self.assertEqual(databases, {"history.db"} if SERVER else {"troth.db", "keys.db", "history.db"})

    def test_R118_nothing_is_in_a_file_or_in_what_the_daemon_said(self):
        where = [os.path.join(folder, name) for folder, _, names in os.walk(self.daemon.home) for name in names]
        found = {}
        for path in where:
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    found[path] = len(self.hits(f.read()))
        for name in ("stderr", "data/erased.ledger", *(() if SERVER else ("data-1", "keys-1", "data/troth.db", "data/keys.db"))):
            self.assertIn(os.path.join(self.daemon.home, name), found)
        self.assertEqual({path: n for path, n in found.items() if n}, {})

    def test_R118_the_daemon_leaves_no_core_file(self):
        with open(f"/proc/{self.daemon.process.pid}/limits") as f:
            self.assertRegex(f.read(), r"Max core file size +0 +0 ")

    def wait(self, holds):
        end = time.monotonic() + READY_S
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def in_memory(self):
        found = {name: len(self.hits(blob)) for name, blob in memory_of(self.daemon.process.pid)}
        return {name: n for name, n in found.items() if n}


@unittest.skipIf(re.search("address|thread|memory|undefined", BUILD), "a sanitizer takes the signal itself")
class Core(People):
    """A daemon that dies of a signal that makes a core file, where nothing outside of it forbids one."""
    fresh = True

    def setUp(self):
        with open("/proc/sys/kernel/core_pattern") as f:
            pattern = f.read().strip()
        if pattern[:1] in ("|", "@", "/"):
            self.skipTest("core files are not written to the working directory here: core_pattern is " + pattern)
        self.place = tempfile.mkdtemp(prefix="troth-core-")
        self.addCleanup(shutil.rmtree, self.place)
        self.addCleanup(os.chdir, os.getcwd())
        before = resource.getrlimit(resource.RLIMIT_CORE)
        if before[1] != resource.RLIM_INFINITY:
            self.skipTest("no core file may be written here: the hard limit is %d" % before[1])
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.chdir(self.place)
        super().setUp()

    def left(self):
        """What lies in the working directory."""
        return os.listdir(self.place)

    def test_R118_the_control_leaves_a_core_file(self):
        """Any other program that dies so, here and with these limits, leaves one: then what follows means something."""
        done = subprocess.run(["sh", "-c", "kill -SEGV $$"], cwd=self.place)
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        if not self.left():
            self.skipTest("the kernel writes no core file here")

    def test_R118_a_daemon_that_crashes_with_values_in_its_hands_leaves_no_core_file(self):
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            person = self.adult(contact_phone=known_value("phone"))
            read = {"purpose": "registration-login", "fields": ["contact-phone"]}
            self.expect(self.post(f"/v1/subjects/{person}/read", read, token="shop"), 200)
            self.assertEqual(os.readlink(f"/proc/{self.daemon.process.pid}/cwd"), self.place)
            self.daemon.process.send_signal(number)
            self.daemon.process.wait(READY_S)
            with self.subTest(number.name):
                self.assertEqual(self.daemon.process.returncode, -number)
                self.assertEqual(self.left(), [])
            self.daemon.start()


if __name__ == "__main__":
    unittest.main()
