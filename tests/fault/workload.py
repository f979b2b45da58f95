# SPDX-License-Identifier: Apache-2.0
"""A load whose every acknowledgement is journalled, and the check that nothing acknowledged was lost.

Each worker takes persons through the same stages, one request each, and writes down what it was told and when (the
clock is CLOCK_MONOTONIC, so that it can be compared with rec.c's). After a crash `check` asks a fresh daemon how far
each person got: never less than what was acknowledged (lost), never more than what was asked (phantom). And it asks for the
receipt of each acknowledged consent, withdrawal and erasure, and checks it (receipts.py). Reads go on record too: the entry
of each acknowledged read must be in the segments (entries.py) and in the history of the person.
"""
import http.client, json, threading, time

import entries, receipts
from fault_daemon import TROTH

STAGES = ["created", "agreed", "collected", "consented", "withdrawn", "erased"]


class Journal:
    """What one run of the workers asked for and was told."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acks = []       # (ns, key, stage, entry)
        self.receipts = []   # (ns, key, stage's name, the answer's `receipt`)
        self.asked = {}      # key -> highest stage asked for
        self.subject = {}    # key -> subject id
        self.entries = []    # (ns, entry, what)
        self.reads = []      # (ns, key, entry)
        self.at = {}         # key -> the stage that the last check found
        self.born = "1990-01-01"

    def ask(self, key, stage):
        with self.lock:
            self.asked[key] = stage

    def ack(self, key, stage, entry, subject=None, receipt=None):
        with self.lock:
            now = time.monotonic_ns()
            self.acks.append((now, key, stage, entry))
            if entry is not None:
                self.entries.append((now, entry, STAGES[stage]))
            if receipt:
                self.receipts.append((now, key, STAGES[stage], receipt))
            if subject:
                self.subject[key] = subject

    def promised(self, before_ns):
        """key -> the highest stage acknowledged."""
        found = {}
        for ns, key, stage, entry in self.acks:
            if ns < before_ns:
                found[key] = max(found.get(key, -1), stage)
        return found

    def nameless(self):
        """Persons who were asked for and whose id was never told: they may be there or not."""
        return sum(key not in self.subject for key in self.asked)

    def read(self, key, entry):
        with self.lock:
            now = time.monotonic_ns()
            self.entries.append((now, entry, "read"))
            self.reads.append((now, key, entry))


class Client:
    def __init__(self, port, token):
        self.c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token = token

    def bytes(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.token}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        self.c.request(method, path, body, headers)
        r = self.c.getresponse()
        return r.status, r.read()

    def call(self, method, path, body=None):
        status, data = self.bytes(method, path, body)
        return status, (json.loads(data) if data[:1] in (b"{", b"[") else {})


def phone_of(key):
    return "+86139%08d" % key


def step(client, journal, key, stage):
    """One request of one person. Raises OSError/HTTPException when the daemon is gone."""
    sid = journal.subject.get(key)
    journal.ask(key, stage)
    if stage == 0:
        got = client.call("POST", "/v1/subjects", {"birth_date": journal.born})
    elif stage == 1:
        got = client.call("POST", f"/v1/subjects/{sid}/consents", {"document": "group", "state": "given", "language": "en"})
    elif stage == 2:
        got = client.call("PUT", f"/v1/subjects/{sid}/data",
                          {"purpose": "registration-login", "values": {"contact-phone": phone_of(key)}})
    elif stage in (3, 4):
        got = client.call("POST", f"/v1/subjects/{sid}/consents",
                          {"need": "consent", "purpose": "direct-marketing", "state": ["given", "withdrawn"][stage - 3]})
    else:
        got = client.call("DELETE", f"/v1/subjects/{sid}")
    status, body = got
    if status // 100 != 2:
        raise RuntimeError(f"stage {STAGES[stage]} answered {status}: {body}")
    entry = body.get("entry")
    if entry is None and "receipt" in body:
        entry = body["receipt"].get("entry")
    journal.ack(key, stage, entry, body.get("id") or body.get("subject"), body.get("receipt"))


def look(client, journal, key):
    """One person read, and then together with whom else this worker knows."""
    wanted = {"purpose": "registration-login", "operation": "use", "fields": ["contact-phone"]}
    sid = journal.subject[key]
    status, body = client.call("POST", f"/v1/subjects/{sid}/read", wanted)
    if status != 200:
        raise RuntimeError(f"a read answered {status}: {body}")
    journal.read(key, body["entry"])
    client.seen = (getattr(client, "seen", []) + [(key, sid)])[-4:]
    status, body = client.call("POST", "/v1/read", {**wanted, "subjects": [s for _, s in client.seen]})
    if status != 200:
        raise RuntimeError(f"a read of several answered {status}: {body}")
    known = {s: k for k, s in client.seen}
    for answer in body["answers"]:
        if answer["status"] == 200:
            journal.read(known[answer["subject"]], body["first_entry"] + answer["entry_offset"])


def worker(port, token, journal, keys, stop):
    client = Client(port, token)
    try:
        for key in keys:
            for stage in range(len(STAGES) - (key % 3 != 0)):   # every third person goes on to be erased
                if stop.is_set():
                    return
                step(client, journal, key, stage)
                if stage == 2:
                    look(client, journal, key)
    except (OSError, http.client.HTTPException):
        pass                                                     # the daemon was killed: what was asked is unknown


def run(port, token, journal, first, count, workers=4, stop=None):
    stop = stop or threading.Event()
    threads = [threading.Thread(target=worker, args=(port, token, journal, range(first + w, first + count, workers), stop))
               for w in range(workers)]
    for t in threads:
        t.start()
    return threads, stop


def reached(client, sid):
    """How far a person got, as an index of STAGES; -1 if unknown there."""
    status, body = client.call("GET", f"/v1/subjects/{sid}")
    if status == 410:
        return 5
    if status == 404:
        return -1
    assert status == 200, (status, body)
    status, body = client.call("GET", f"/v1/subjects/{sid}/consents")
    assert status == 200, (status, body)
    events = body["consents"]
    states = [e["event_state"] for e in events if e["name"] == "consent"]
    if any("ithdrawn" in s for s in states):
        return 4
    if states:
        return 3
    if phone(client, sid):
        return 2
    return 1 if events else 0


def phone(client, sid):
    """The number that is kept; None if there is none."""
    status, body = client.call("POST", f"/v1/subjects/{sid}/read",
                               {"purpose": "registration-login", "operation": "use", "fields": ["contact-phone"]})
    return (body.get("values") or {}).get("contact-phone", {}).get("value") if status == 200 else None


def stage_faults(client, journal, promised, asked):
    """Who is not as far as was promised, or farther than was asked, or has another number; and where each is."""
    faults, at = [], {}
    for key, stage in promised.items():
        sid = journal.subject[key]
        got = at[key] = reached(client, sid)
        if got < stage:
            faults.append(f"lost: person {key} was told '{STAGES[stage]}' and is at {got}")
        if got > asked[key]:
            faults.append(f"phantom: person {key} asked for '{STAGES[asked[key]]}' and is at {got}")
        kept = phone(client, sid) if stage >= 2 and got in (2, 3, 4) else phone_of(key)
        if kept != phone_of(key):
            faults.append(f"lost: the value of person {key}, who is at '{STAGES[got]}', reads as {kept}")
    return faults, at


def read_faults(client, journal, before_ns):
    """Reads that the history of their person does not tell."""
    faults, of = [], {}
    for ns, key, entry in journal.reads:
        if ns < before_ns:
            of.setdefault(key, set()).add(entry)
    for key, wanted in of.items():
        status, body = client.call("GET", f"/v1/subjects/{journal.subject[key]}/history?limit=500")
        told = {e["entry"] for e in body["history"] if e["kind"] == "read"} if status == 200 else wanted if status == 410 else set()
        if not wanted <= told:
            faults.append(f"lost: reads {sorted(wanted - told)} of person {key} are not in their history (status {status})")
    return faults


def check(data, port, token, journal, before_ns):
    """Faults found, as sentences. Only acknowledgements before `before_ns` are held against the daemon."""
    client = Client(port, token)
    faults, top = [], max((entry for ns, _, _, entry in journal.acks if ns < before_ns and entry is not None), default=-1)
    status, health = client.call("GET", "/healthz")
    size = health.get("record", -1)
    if status != 200 or size <= top:
        faults.append(f"lost: entry {top} was acknowledged, the record holds {size} (status {status})")
    found, journal.at = stage_faults(client, journal, journal.promised(before_ns), journal.asked)
    faults += found
    faults += read_faults(client, journal, before_ns)
    faults += entries.check(data, [(entry, what) for ns, entry, what in journal.entries if ns < before_ns])
    bad, journal.proved = receipts.check_all(client.bytes, TROTH, journal, before_ns)
    return faults + bad
