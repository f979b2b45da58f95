# SPDX-License-Identifier: Apache-2.0
"""Verifiers that others wrote accept our log and our receipts, and refuse each way of changing them."""
import base64, hashlib, json, os, re, shutil, subprocess, tempfile, time, unittest
from troth_flow import BUILD, ROOT, Daemon, not_installed, on_files
from troth_people import People

HERE = os.path.join(ROOT, "tests", "verify")
GO_PACKAGES = "/usr/share/gocode"
ENTRIES = 300  # more than one full tile


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))


def openssl(*args):
    return subprocess.run(["openssl", *args], stdout=subprocess.PIPE, check=True).stdout


class Signer:
    """A key that is not the log's, made by openssl. It signs what it likes, in any name (C2SP signed-note)."""

    def __init__(self, place):
        self.key, self.message = os.path.join(place, "strange-key"), os.path.join(place, "message")
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        self.public = b"\1" + openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-32:]

    def hash(self, name):
        return hashlib.sha256(name + b"\n" + self.public).digest()[:4]

    def vkey(self, name, hash=None):
        return b"%s+%s+%s\n" % (name, (hash or self.hash(name)).hex().encode(), base64.b64encode(self.public))

    def signed(self, note, hash=None):
        """The note with this key's signature in place of its own, under the same name."""
        text = note.split(b"\n\n")[0] + b"\n"
        name = text.split(b"\n")[0]
        with open(self.message, "wb") as f:
            f.write(text)
        signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", self.message)
        blob = base64.b64encode((hash or self.hash(name)) + signature)
        return text + b"\n" + "\u2014 ".encode() + name + b" " + blob + b"\n"


class Verifiers(People):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = tempfile.mkdtemp(prefix="troth-verify-")
        cls.signer = Signer(cls.place)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)
        super().tearDownClass()

    def path(self, *names):
        return os.path.join(self.place, *names)

    def keep(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(content)
        return self.path(name)

    def settled(self):
        """The head, once it covers everything on record."""
        for _ in range(1200):
            head = self.get("/audit/checkpoint").body
            if int(head.split(b"\n")[1]) == self.get("/healthz").json["record"]:
                return head
            time.sleep(0.1)
        self.fail("no checkpoint covers the record")

    def mirror(self, name):
        """Everything that is served, as files: what a monitor would keep."""
        head = self.settled()
        size = int(head.split(b"\n")[1])
        self.keep(name + "/key", self.get("/audit/key").body)
        self.keep(name + "/checkpoint", head)
        for level in range(3):
            n = size >> 8 * level
            for tile in range((n + 255) // 256):
                width = min(256, n - 256 * tile)
                end = "%03d" % tile + ("" if width == 256 else ".p/%d" % width)
                self.fetch(name, "tile/%d/%s" % (level, end))
                if level == 0:
                    self.fetch(name, "tile/entries/" + end)
        return self.path(name)

    def fetch(self, name, path):
        answer = self.operator("GET", "/audit/" + path)
        self.assertEqual(answer.status, 200, path)
        self.keep(name + "/" + path, answer.body)

    def read(self, *names):
        with open(self.path(*names), "rb") as f:
            return f.read()

    def made(self, answer):
        """The receipt for what an answer had in `receipt`."""
        self.settled()
        got = self.post("/v1/receipts", answer)
        self.assertEqual(got.status, 200, got)
        return got.body

    def receipt(self, name):
        return self.keep(name, self.made(self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"]))

    def genuine(self):
        """Name and hash of the log's key."""
        name, hash, _ = self.get("/audit/key").body.split(b"+", 2)
        return name, bytes.fromhex(hash.decode())

    def copy(self, log, name="copy"):
        shutil.rmtree(self.path(name), ignore_errors=True)
        return shutil.copytree(log, self.path(name))

    def strange(self, log):
        """The same log under another key of its name, which is all in order: whoever knows only that key accepts it."""
        copy = self.copy(log, "strange")
        self.keep("strange/key", self.signer.vkey(self.genuine()[0]))
        self.keep("strange/checkpoint", self.signer.signed(self.read(log, "checkpoint")))
        return copy

    def foreign_key(self):
        other = Daemon()
        self.addCleanup(other.remove)
        return os.path.join(other.data, "audit", "key.pub")


class Forgeries:
    """A log is accepted as it is, and refused after each of these changes. `check(log, against, says)` asks a verifier that
    others wrote; SAYS has all that it answers to each: a refusal for another reason would show nothing."""

    def refuses(self, what, log, change, against=None):
        """The copy is accepted, by the same command, until it is changed: it is the change that is refused."""
        copy = self.copy(log)
        self.check(copy, against)
        change(copy)
        self.check(copy, against, says=self.SAYS[what])

    def grow(self):
        ask = {"purpose": "delivery", "service": "shop"}
        for _ in range(ENTRIES):
            self.assertEqual(self.post("/v1/decisions", ask, token="shop").status, 200)

    def test_it_accepts_what_is_and_refuses_what_was_changed(self):
        old_head = self.keep("old-head", self.settled())
        self.grow()
        log = self.mirror("log")
        self.check(log, old_head)
        at = {"flipped entry": ("tile/entries/000", 2 + 60), "flipped tile": ("tile/0/000", 17),
              "flipped upper tile": ("tile/1/000.p/1", 5), "edited size": ("checkpoint", log_size_at(log))}
        for what, (name, byte) in at.items():
            self.refuses(what, log, lambda copy: flip(os.path.join(copy, name), byte))
        foreign = self.foreign_key()
        self.refuses("another log's key", log, lambda copy: shutil.copy(foreign, os.path.join(copy, "key")))

    def test_another_key_under_the_same_name_is_refused(self):
        old_head = self.settled()
        self.person("1990-01-01")
        log = self.mirror("small")
        self.refuses("another key", self.strange(log), lambda copy: self.keep("copy/key", self.read(log, "key")))
        self.refuses("another key", log, lambda copy: self.keep("copy/key", self.read("strange", "key")))
        # Name and hash are those of the log's key: nothing but the signature itself is wrong.
        forged = lambda note: self.signer.signed(note, self.genuine()[1])
        self.refuses("forged signature", log, lambda copy: self.keep("copy/checkpoint", forged(self.read(log, "checkpoint"))))
        self.check(log, self.keep("old-head", old_head))
        self.check(log, self.keep("old-head", forged(old_head)), says=self.SAYS["forged older head"])

    @on_files
    def test_history_rewritten_with_the_genuine_key_and_a_cut_end(self):
        """Yesterday's copy is put in place: shorter at first, then with other entries where some were before."""
        daemon = self.daemon
        daemon.stop()
        copy = self.path("yesterday")
        shutil.copytree(daemon.data, copy)
        daemon.start()
        self.adult()
        self.adult()
        head = self.keep("head", self.settled())
        self.check(self.mirror("before"), head)
        daemon.stop()
        shutil.rmtree(daemon.data)
        shutil.copytree(copy, daemon.data)
        daemon.start()
        cut = self.mirror("cut")
        self.check(cut)
        self.check(cut, head, says=self.SAYS["cut tail"])
        for _ in range(12):
            self.person("1980-01-01")
        rewritten = self.mirror("rewritten")
        self.check(rewritten)
        self.check(rewritten, head, says=self.SAYS["rewritten history"])


KINDS = {"share": 4, "erase": 7, "consent": 10, "withdraw": 11, "export": 16, "close": 19}  # src/audit/audit.h
EXTRA, INDEX, HASHES = 1, 2, 3  # lines of a receipt
LEAF = 94


class Receipts:
    """Receipts of every kind are accepted, and refused with a byte changed or under another key. `judge(mirror, path, says)`
    asks a verifier that others wrote, which has the key from a mirror; UNPROVED, UNOPENED, FORGED and STRANGE are all that
    it answers to an entry that is not where it is said to be, one that does not commit to the detail, a signature that is
    not the key's, and one that is not said to be."""

    def answers(self):
        """By kind, the `receipt` in the answer to what was done."""
        got, person, other = {}, self.adult(contact_phone=self.phone()), self.adult()
        got["consent"] = self.consent(person, "consent", purpose="direct-marketing")
        got["withdraw"] = self.withdraw(person, need="consent", purpose="direct-marketing")
        self.collect(person, purpose="delivery", order_address="Lane 9")
        body = {"recipient": "ship-b", "purpose": "delivery", "fields": ["order-address"], "evidence": {"order": "17"}}
        got["share"] = self.expect(self.post(f"/v1/subjects/{person}/shares", body, token="shop"), 200)
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        body = {"purpose": "rights-requests"}
        got["export"] = self.expect(self.post(f"/v1/subjects/{person}/export", body, token="shop"), 200)
        got["close"] = self.expect(self.post(f"/v1/subjects/{other}/closure", {}, token="shop"), 200)
        got["erase"] = self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        return {kind: answer["receipt"] for kind, answer in got.items()}

    def bytes_changed(self, text):
        """The receipt with one byte changed, and what is said to it."""
        def changed(line, at, says):
            lines = text.split(b"\n")
            head, _, coded = lines[line].rpartition(b" ")
            raw = bytearray(base64.b64decode(coded))
            raw[at] ^= 1
            lines[line] = (head + b" " if head else b"") + base64.b64encode(bytes(raw))
            return b"\n".join(lines), says
        head = text.split(b"\n").index(b"") + 1
        for at in (1, 20, LEAF - 1):
            yield changed(EXTRA, at, self.UNPROVED)
        for at in (LEAF, LEAF + 32, -1):
            yield changed(EXTRA, at, self.UNOPENED)
        yield changed(HASHES, 7, self.UNPROVED)
        yield changed(head + 2, 3, self.FORGED)  # the root
        yield changed(head + 4, 40, self.FORGED)  # the signature
        yield changed(head + 4, 0, self.STRANGE)  # the key's hash beside it

    def test_receipts_of_every_kind(self):
        answers = self.answers()
        made = {kind: self.made(answer) for kind, answer in answers.items()}
        log = self.mirror("kinds")
        self.assertEqual(set(made), set(KINDS))
        for kind, text in made.items():
            with self.subTest(kind):
                detail = base64.b64decode(answers[kind]["opening"])[32:].decode()
                self.assertIsInstance(json.loads(detail), dict)
                said = self.judge(log, self.keep("asked", text))
                self.assertEqual(said.split("\n")[0], "kind %d: %s" % (KINDS[kind], detail))
                for changed, says in self.bytes_changed(text):
                    self.judge(log, self.keep("asked", changed), says=says)
                self.under_another_key(log, text)

    def under_another_key(self, log, text):
        head, _, note = text.partition(b"\n\n")
        receipt = self.keep("asked", head + b"\n\n" + self.signer.signed(note))
        self.judge(self.strange(log), receipt)
        self.judge(log, receipt, says=self.STRANGE)
        self.judge(log, self.keep("asked", head + b"\n\n" + self.signer.signed(note, self.genuine()[1])), says=self.FORGED)

    def test_a_proof_from_the_folder_opens_nothing(self):
        answer = self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"]
        self.person("1990-01-01")  # so that the entry has a neighbour on either side, with a path of the same length
        log = self.mirror("folder")
        proof = self.daemon.cli("audit", "prove", self.daemon.data, answer["entry"]).stdout.encode()
        said = self.judge(log, self.keep("asked", proof))
        self.assertEqual(said.split("\n")[0], "kind %d, not opened" % KINDS["consent"])
        index = b"\nindex %d\n" % answer["entry"]
        self.assertIn(index, proof)
        other = proof.replace(index, b"\nindex %d\n" % (answer["entry"] ^ 1))
        self.judge(log, self.keep("asked", other), says=self.UNPROVED)


def only(text):
    """Nothing but this is said."""
    return r"\A%s\n\Z" % text


class GoChecksTheLog(Forgeries, Receipts, Verifiers):
    """golang.org/x/mod/sumdb of the Go team, as Debian packages it."""

    SAYS = {
        "flipped entry": only("verify: the entries do not give the signed root"),
        "flipped tile": only("verify: tile/0/000 is not the tile of these entries"),
        "flipped upper tile": only("verify: tile/1/000.p/1 is not the tile of these entries"),
        "edited size": only(r"verify: checkpoint: invalid signature for key \S+"),
        "another log's key": only("verify: checkpoint: note has no verifiable signatures"),
        "another key": only("verify: checkpoint: note has no verifiable signatures"),
        "forged signature": only(r"verify: checkpoint: invalid signature for key \S+"),
        "forged older head": only(r"verify: older head: invalid signature for key \S+"),
        "cut tail": only(r"verify: the log once had \d+ entries, now \d+: its end was cut"),
        "rewritten history": only("verify: older head: invalid transparency proof"),
    }
    UNPROVED = only("verify: receipt: invalid transparency proof")
    UNOPENED = only("verify: receipt: the entry does not commit to this detail")
    FORGED = only(r"verify: receipt: invalid signature for key \S+")
    STRANGE = only("verify: receipt: note has no verifiable signatures")

    def setUp(self):
        super().setUp()
        if not shutil.which("go") or not os.path.isdir(GO_PACKAGES + "/src/golang.org/x/mod/sumdb"):
            not_installed(self, "golang-go", "golang-golang-x-mod-dev")
        self.program = os.path.join(BUILD, "verify-go")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_PACKAGES, "GOCACHE": os.path.join(BUILD, "go-cache"),
               "GOFLAGS": "", "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-o", self.program, os.path.join(HERE, "verify.go")], env=env, check=True)

    def go(self, *args, says=None):
        done = subprocess.run([self.program, *args], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0 if says is None else 1, done.stdout + done.stderr)
        self.assertRegex(done.stderr, says or r"\A\Z")
        return done.stdout

    def check(self, log, against=None, says=None):
        self.go(*(["-against", against] if against else []), log, says=says)

    def judge(self, log, receipt, says=None):
        return self.go(log, receipt, says=says)

    def test_it_accepts_receipts_and_refuses_changed_ones(self):
        first = self.receipt("first")
        second = self.receipt("second")
        log = self.mirror("receipts")
        self.assertRegex(self.go(log, first, second), r"\A(kind 10: .*\n){2}\d+ entries, 2 receipts\n\Z")
        lines = self.read(second).split(b"\n")
        for changed in (lines[:HASHES] + lines[HASHES + 1:], lines[:INDEX] + [b"index 3"] + lines[INDEX + 1:]):
            self.go(log, first, self.keep("bad", b"\n".join(changed)), says=self.UNPROVED)


def log_size_at(log):
    """Where the size stands in the head."""
    with open(os.path.join(log, "checkpoint"), "rb") as f:
        return f.read().index(b"\n") + 1


ROOT_DIFFERS = "calculated root hash does not match inclusion proof"


class SigstoreChecksTheLog(Forgeries, Receipts, Verifiers):
    """@sigstore/verify from npm."""

    # The first entry is below the flipped hash of itself, the second one beside it; the 257th has the upper one beside it.
    SAYS = {
        "flipped entry": only("log: entry 0: " + ROOT_DIFFERS),
        "flipped tile": only("log: entry 1: " + ROOT_DIFFERS),
        "flipped upper tile": only("log: entry 256: " + ROOT_DIFFERS),
        "edited size": only("log: checkpoint: invalid checkpoint signature"),
        "another log's key": only("log: checkpoint: invalid checkpoint signature"),
        "another key": only("log: checkpoint: invalid checkpoint signature"),
        "forged signature": only("log: checkpoint: invalid checkpoint signature"),
        "forged older head": only("log: older head: invalid checkpoint signature"),
        "cut tail": only(r"log: end of the older head: invalid index: \d+"),
        "rewritten history": only("log: older head: " + ROOT_DIFFERS),
    }
    UNPROVED = only("receipt: " + ROOT_DIFFERS)
    UNOPENED = only("receipt: the entry does not commit to this detail")
    FORGED = STRANGE = only("receipt: invalid checkpoint signature")

    def setUp(self):
        super().setUp()
        missing = [tool for tool in ("node", "npm") if not shutil.which(tool)]
        if missing:
            not_installed(self, *missing)
        self.folder = os.path.join(BUILD, "verify-npm")
        os.makedirs(self.folder, exist_ok=True)
        for name in ("package.json", "package-lock.json", "verify.mjs"):
            shutil.copy(os.path.join(HERE, name), self.folder)
        if not os.path.exists(os.path.join(self.folder, "node_modules", ".package-lock.json")):
            self.npm_ci()

    def npm_ci(self):
        in_ci = os.environ.get("CI") == "true"  # there the receipts are looked at, or the run fails
        command = ["npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=%d" % (5 if in_ci else 1), "--fetch-timeout=60000"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=600)
        if not in_ci and re.search(r"\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ENETUNREACH|network|E40[13]|\w*CERT\w*)\b", done.stderr):
            self.skipTest("npm does not reach its registry")
        self.assertEqual(done.returncode, 0, done.stderr)

    def node(self, *args, says=None):
        done = subprocess.run(["node", "verify.mjs", *args], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0 if says is None else 1, done.stdout + done.stderr)
        self.assertRegex(done.stderr, says or r"\A\Z")
        return done.stdout

    def check(self, log, against=None, says=None):
        self.node("log", log, *([against] if against else []), says=says)

    def judge(self, log, receipt, says=None):
        return self.node("receipt", os.path.join(log, "key"), receipt, says=says)

    def test_it_looks_at_the_signature_where_name_and_hash_are_the_key_s(self):
        """It says no more than "invalid" to either; so all but the public key is the same here."""
        log = self.mirror("log")
        name, hash = self.genuine()
        copy = self.copy(log)
        self.keep("copy/checkpoint", self.signer.signed(self.read(log, "checkpoint"), hash))
        self.keep("copy/key", self.signer.vkey(name, hash))
        self.refuses("forged signature", self.copy(copy, "labelled"),
                     lambda copy: self.keep("copy/key", self.read(log, "key")))

    def test_it_accepts_receipts_and_refuses_changed_ones(self):
        receipt = self.receipt("receipt")
        log = self.mirror("log")
        self.judge(log, receipt)
        lines = self.read(receipt).split(b"\n")
        size = lines.index(b"") + 2
        bigger = lines[:size] + [b"%d" % (int(lines[size]) + 1)] + lines[size + 1:]
        self.judge(log, self.keep("bad", b"\n".join(bigger)), says=self.FORGED)
        self.judge(log, self.keep("bad", b"\n".join(lines[:HASHES] + lines[HASHES + 1:])), says=only("receipt: invalid hash count"))
        self.keep("elsewhere/key", open(self.foreign_key(), "rb").read())
        self.judge(self.path("elsewhere"), receipt, says=self.STRANGE)


if __name__ == "__main__":
    unittest.main()
