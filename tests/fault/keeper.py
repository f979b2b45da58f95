# SPDX-License-Identifier: Apache-2.0
"""What an operator does while others work: takes persons in, changes keys, copies the databases, ends a quarter, prunes.

Each is done over and over until the daemon is gone; what was acknowledged is written down, and `check` holds a fresh daemon
to it.
"""
import http.client, json, os, socket, sqlite3, threading, time

TASKS = ["import", "rotate", "backup", "quarter", "prune"]
QUARTERS = ["01", "04", "07", "10"]
LINES = 9


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class Refused(Exception):
    pass


def ask(data, method, path, body=None):
    """A connection each: a path of 108 bytes is all a socket takes, so it is asked for by a short one."""
    here = os.open(data, os.O_PATH)
    try:
        c = Unix("/proc/self/fd/%d/operator.sock" % here)
        c.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        r = c.getresponse()
        status, answer = r.status, json.loads(r.read())
        c.close()
    finally:
        os.close(here)
    if status // 100 != 2:
        raise Refused("%s %s: %s" % (method, path, answer))
    return answer


class Clock:
    """A clock file that stands in a quarter, beginning with the first of 2027."""

    def __init__(self, path, quarter=0):
        self.path, self.quarter = path, quarter
        self.write()

    def write(self):
        year, part = divmod(self.quarter, 4)
        with open(self.path + ".new", "w") as f:
            f.write("%d-%s-15T00:00:00Z\n" % (2027 + year, QUARTERS[part]))
        os.rename(self.path + ".new", self.path)

    def born(self):
        """The birth date of an adult, whatever year has come."""
        return "%d-01-01" % (1990 + self.quarter // 4)

    def turn(self):
        """The name of the quarter that is over."""
        year, part = divmod(self.quarter, 4)
        self.quarter += 1
        self.write()
        return "%dq%d" % (2027 + year, part + 1)


def line(n, born):
    return {"service": "shop", "birth_date": born,
            "consents": [{"document": "group", "state": "given", "language": "en"}],
            "data": [{"purpose": "order-payment", "values": {"order-items": "goods %d" % n}}]}


class Keeper:
    def __init__(self, data, place, clock, name):
        self.data, self.place, self.clock, self.name = data, place, clock, name
        self.asked = 0        # lines of the import that were sent
        self.taken = []       # (ns, line, id)
        self.generations = [] # (ns, generation)
        self.minimums = []    # (ns, minimum)
        self.turned = []      # (ns, quarter): entries of a later one were acknowledged
        self.copies = []      # (ns, entries)
        self.faults = []
        self.passed = 0       # lines that the import stood at when it was last asked

    # ---- Tasks

    def take_in(self):
        lines = [line(self.asked + i, self.clock.born()) for i in range(LINES)]
        first = self.asked + 1
        self.asked += LINES
        answer = ask(self.data, "POST", "/v1/import", {"name": self.name, "from": first, "lines": lines})
        now = time.monotonic_ns()
        if answer["done"] != self.asked or None in answer["ids"]:
            raise Refused("the import answered %s" % answer)
        self.taken += [(now, first + i, person) for i, person in enumerate(answer["ids"])]

    def rotate(self):
        body = {"key": "adult"}
        while True:
            answer = ask(self.data, "POST", "/v1/keys/rotate", body)
            if answer["finished"]:
                break
            body["after"] = answer["after"]
        self.generations.append((time.monotonic_ns(), answer["generation"]))

    def copy(self):
        names = {k: os.path.join(self.place, "%s.copy" % k) for k in ("main", "keys")}
        for path in names.values():
            open(path, "w").close()
        answer = ask(self.data, "POST", "/v1/backups", {"step": "begin", "region": "CN", **names})
        number = answer["number"]
        while answer["left"]:
            answer = ask(self.data, "POST", "/v1/backups", {"step": "copy", "number": number})
        answer = ask(self.data, "POST", "/v1/backups", {"step": "finish", "number": number})
        self.copies.append((time.monotonic_ns(), answer["entries"]))
        for path in names.values():
            db = sqlite3.connect(path)
            said = db.execute("PRAGMA quick_check").fetchone()[0]
            db.close()
            if said != "ok":
                self.faults.append("a finished copy is damaged: " + said)
        ask(self.data, "POST", "/v1/backups", {"step": "end", "number": number})

    def prune(self):
        self.clock.turn()
        time.sleep(0.005)
        ask(self.data, "GET", "/v1/audit/epochs")
        ask(self.data, "POST", "/v1/audit/prune", {})
        more = True
        while more:
            answer = ask(self.data, "POST", "/v1/audit/prune/step", {})
            more = answer["more"]
            self.minimums.append((time.monotonic_ns(), answer["minimum"]))

    def quarter(self):
        """Somebody's entry ends the quarter, if not the import's; its head is kept when it is published."""
        time.sleep(0.01)
        over = self.clock.turn()
        self.take_in()
        self.turned.append((time.monotonic_ns(), over))

    def done(self, task):
        """How often it was acknowledged."""
        return len({"import": self.taken, "rotate": self.generations, "backup": self.copies, "quarter": self.turned,
                    "prune": self.minimums}[task])

    def work(self, task, stop):
        does = {"import": self.take_in, "rotate": self.rotate, "backup": self.copy, "quarter": self.quarter, "prune": self.prune}
        try:
            while not stop.is_set():
                does[task]()
        except Refused as e:
            if not stop.is_set():
                self.faults.append(str(e))
        except (OSError, http.client.HTTPException, ValueError, sqlite3.Error):
            pass  # the daemon was killed

    def start(self, task, stop):
        t = threading.Thread(target=self.work, args=(task, stop))
        t.start()
        return t

    def each_once(self):
        """All of it, one after the other."""
        for does in (self.take_in, self.rotate, self.take_in, self.copy, self.prune, self.take_in, self.rotate, self.copy):
            does()

    # ---- Afterwards

    def epochs(self):
        return ask(self.data, "GET", "/v1/audit/epochs")["epochs"]

    def unclosed(self, before_ns):
        """Quarters that were over and have no head. What a crash left is finished with the next checkpoint."""
        over, end = {quarter for ns, quarter in self.turned if ns < before_ns}, time.monotonic() + 10
        while over and time.monotonic() < end:
            over -= {e["name"] for e in self.epochs() if e["state"] != "open"}
            time.sleep(0.02 if over else 0)
        return sorted(over)

    def taken_in(self, before_ns):
        """Faults of the import and of those it brought; `passed` tells afterwards how many lines were taken in."""
        answer = ask(self.data, "POST", "/v1/import", {"name": self.name, "from": 0, "lines": []})
        self.passed, faults = answer["done"], []
        taken = [(n, person) for ns, n, person in self.taken if ns < before_ns]
        if taken and self.passed < taken[-1][0]:
            faults.append("lost: line %d was taken in, the import stands at %d" % (taken[-1][0], self.passed))
        if self.passed > self.asked:
            faults.append("phantom: the import stands at %d, %d lines were sent" % (self.passed, self.asked))
        for n, person in taken:
            try:
                ask(self.data, "GET", "/v1/subjects/" + person)
            except Refused as e:
                faults.append("lost: line %d was taken in: %s" % (n, e))
        return faults

    def nameless(self):
        """Lines that were taken in by the answer that nobody heard."""
        return self.passed - len(self.taken)

    def check(self, before_ns, size, thorough=True):
        """`thorough`: keys are changed once more."""
        faults = self.faults + self.taken_in(before_ns)
        minimum = max([m for ns, m in self.minimums if ns < before_ns], default=0)
        gone = max([e["first"] + e["entries"] for e in self.epochs() if e["state"] == "pruned"], default=0)
        if gone < minimum:
            faults.append("lost: pruned up to %d, the record begins at %d" % (minimum, gone))
        faults += ["lost: quarter %s was over and has no head" % name for name in self.unclosed(before_ns)]
        faults += ["phantom: a copy of %d entries, the record holds %d" % (n, size) for ns, n in self.copies
                   if ns < before_ns and n > size]
        generation = max([g for ns, g in self.generations if ns < before_ns], default=0)
        if generation and thorough:
            self.rotate()
            if self.generations.pop()[1] < generation:
                faults.append("lost: generation %d of the class key" % generation)
        return faults
