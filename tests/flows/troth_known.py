# SPDX-License-Identifier: Apache-2.0
"""A daemon that took in, and gave out, a thousand values that are found again wherever they lie: in memory, in files, in swap."""
import http.client, json, os, re, secrets, tempfile, time, unittest

from troth_flow import POLICY, READY_S, SERVER, run_troth
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
class Known(People):
    """Loaded once for all tests of a class."""
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
                    self.known.update(RANDOM.search(v["value"].encode())[0] for v in values.values())
                    f.write(json.dumps({"service": "shop", "birth_date": "1990-01-01", "data": [{"purpose": "order-payment", "values": values}],
                                        "consents": [{"document": "group", "state": "given", "language": "en"}]}) + "\n")
            self.daemon.cli("import", lines, *self.daemon.here())
            with open(lines + ".ids") as f:
                type(self).taken_in = [json.loads(line)["id"] for line in f]

    def back_up(self):
        place = lambda name: os.path.join(self.daemon.home, name)
        self.daemon.cli("backup", "key", place("key"))
        self.daemon.cli("backup", "--data-file", place("data-1"), "--keys-file", place("keys-1"), "--region", "CN", "--for",
                        place("key.pub"), *self.daemon.here())

    @property
    def link(self):
        """One connection that stays open, as a service's does."""
        if "kept" not in type(self).__dict__:
            type(self).kept = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        return type(self).kept

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
        self.known.update(RANDOM.search(v.encode())[0] for v in values.values())
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

    def wait(self, holds):
        end = time.monotonic() + READY_S
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def in_memory(self):
        found = {name: len(self.hits(blob)) for name, blob in memory_of(self.daemon.process.pid)}
        return {name: n for name, n in found.items() if n}

    def known_in_memory(self):
        """Which of the values, wherever."""
        return set().union(*(self.hits(blob) for _, blob in memory_of(self.daemon.process.pid)))
