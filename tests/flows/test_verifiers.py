# SPDX-License-Identifier: Apache-2.0
"""Verifiers that others wrote accept our log and our receipts, and refuse each way of changing them."""
import base64, os, re, shutil, subprocess, tempfile, time, unittest
from troth_flow import BUILD, ROOT, Daemon, on_files
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


class Verifiers(People):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = tempfile.mkdtemp(prefix="troth-verify-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)
        super().tearDownClass()

    def path(self, *names):
        return os.path.join(self.place, *names)

    def put(self, name, content):
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
        self.put(name + "/key", self.get("/audit/key").body)
        self.put(name + "/checkpoint", head)
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
        self.put(name + "/" + path, answer.body)

    def receipt(self, name, person=None):
        got = self.consent(person or self.adult(), "consent", purpose="direct-marketing")["receipt"]
        self.settled()
        answer = self.post("/v1/receipts", got)
        self.assertEqual(answer.status, 200, answer)
        return self.put(name, answer.body)


class Forgeries:
    """A log is accepted as it is, and refused after each of six changes. `check(log, against, says)` asks a verifier that
    others wrote; SAYS has what it answers to each: a refusal for another reason would show nothing."""

    def changed(self, log, name, at):
        """A copy of the mirror with one byte changed."""
        copy = self.path("changed")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(log, copy)
        flip(os.path.join(copy, name), at)
        return copy

    def foreign_key(self):
        other = Daemon()
        self.addCleanup(other.remove)
        return os.path.join(other.data, "audit", "key.pub")

    def grow(self):
        ask = {"purpose": "delivery", "service": "shop"}
        for _ in range(ENTRIES):
            self.assertEqual(self.post("/v1/decisions", ask, token="shop").status, 200)

    def test_it_accepts_what_is_and_refuses_what_was_changed(self):
        old_head = self.put("old-head", self.settled())
        self.grow()
        log = self.mirror("log")
        self.check(log)
        self.check(log, old_head)
        self.check(self.changed(log, "tile/entries/000", 2 + 60), says="flipped entry")
        self.check(self.changed(log, "tile/0/000", 17), says="flipped tile")
        self.check(self.changed(log, "tile/1/000.p/1", 5), says="flipped upper tile")
        self.check(self.changed(log, "checkpoint", log_size_at(log)), says="edited size")
        other = self.path("other-key")
        shutil.copytree(log, other)
        shutil.copy(self.foreign_key(), os.path.join(other, "key"))
        self.check(other, says="wrong key")

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
        head = self.put("head", self.settled())
        self.check(self.mirror("before"), head)
        daemon.stop()
        shutil.rmtree(daemon.data)
        shutil.copytree(copy, daemon.data)
        daemon.start()
        self.check(self.mirror("cut"), head, says="cut tail")
        for _ in range(12):
            self.person("1980-01-01")
        rewritten = self.mirror("rewritten")
        self.check(rewritten)
        self.check(rewritten, head, says="rewritten history")


class GoChecksTheLog(Forgeries, Verifiers):
    """golang.org/x/mod/sumdb of the Go team, as Debian packages it."""

    SAYS = {
        "flipped entry": "do not give the signed root",
        "flipped tile": "tile/0/000 is not the tile",
        "flipped upper tile": "tile/1/000.p/1 is not the tile",
        "edited size": "invalid signature|unverified|malformed|checkpoint",
        "wrong key": "unverified|no verifiable|not a checkpoint",
        "cut tail": "its end was cut",
        "rewritten history": "invalid transparency proof|proof",
    }

    def setUp(self):
        super().setUp()
        if not shutil.which("go") or not os.path.isdir(GO_PACKAGES + "/src/golang.org/x/mod/sumdb"):
            self.skipTest("not installed: golang-go golang-golang-x-mod-dev")
        self.program = os.path.join(BUILD, "verify-go")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_PACKAGES, "GOCACHE": os.path.join(BUILD, "go-cache"),
               "GOFLAGS": "", "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-o", self.program, os.path.join(HERE, "verify.go")], env=env, check=True)

    def go(self, *args, says=None):
        done = subprocess.run([self.program, *args], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0 if says is None else 1, done.stdout + done.stderr)
        if says is not None:
            self.assertRegex(done.stderr, says)
        return done.stdout

    def check(self, log, against=None, says=None):
        self.go(*(["-against", against] if against else []), log, says=says and self.SAYS[says])

    def test_it_accepts_receipts_and_refuses_changed_ones(self):
        first = self.receipt("first")
        second = self.receipt("second")
        log = self.mirror("receipts")
        self.assertRegex(self.go(log, first, second), r"^\d+ entries, 2 receipts$")
        with open(second) as f:
            lines = f.read().split("\n")
        entry = bytearray(base64.b64decode(lines[1][6:]))
        entry[20] ^= 1
        flipped = "extra " + base64.b64encode(bytes(entry)).decode()
        for changed in ([lines[0], flipped] + lines[2:], lines[:3] + lines[4:],
                        lines[:2] + ["index 3"] + lines[3:]):
            self.go(log, self.put("bad", "\n".join(changed).encode()), says="invalid|proof")


def log_size_at(log):
    """Where the size stands in the head."""
    with open(os.path.join(log, "checkpoint"), "rb") as f:
        return f.read().index(b"\n") + 1


class SigstoreChecksTheLog(Forgeries, Verifiers):
    """@sigstore/verify from npm."""

    SAYS = {
        "flipped entry": "root hash does not match",
        "flipped tile": "root hash does not match",
        "flipped upper tile": "root hash does not match",
        "edited size": "invalid checkpoint signature",
        "wrong key": "invalid checkpoint signature",
        "cut tail": "invalid index",
        "rewritten history": "root hash does not match",
    }

    def setUp(self):
        super().setUp()
        missing = [tool for tool in ("node", "npm") if not shutil.which(tool)]
        if missing:
            self.skipTest("not installed: " + " ".join(missing))
        self.folder = os.path.join(BUILD, "verify-npm")
        os.makedirs(self.folder, exist_ok=True)
        for name in ("package.json", "package-lock.json", "verify.mjs"):
            shutil.copy(os.path.join(HERE, name), self.folder)
        if not os.path.exists(os.path.join(self.folder, "node_modules", ".package-lock.json")):
            self.npm_ci()

    def npm_ci(self):
        command = ["npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300)
        if re.search(r"\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ENETUNREACH|network|E40[13]|\w*CERT\w*)\b", done.stderr):
            self.skipTest("npm does not reach its registry")
        self.assertEqual(done.returncode, 0, done.stderr)

    def node(self, *args, says=None):
        done = subprocess.run(["node", "verify.mjs", *args], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0 if says is None else 1, done.stdout + done.stderr)
        if says is not None:
            self.assertRegex(done.stderr, says)

    def check(self, log, against=None, says=None):
        self.node("log", log, *([against] if against else []), says=says and self.SAYS[says])

    def asked(self, text, key=None, says=None):
        self.node("receipt", key or self.path("key"), self.put("asked", text.encode()), says=says)

    def test_it_accepts_receipts_and_refuses_changed_ones(self):
        self.put("key", self.get("/audit/key").body)
        with open(self.receipt("receipt")) as f:
            text = f.read()
        self.asked(text)
        lines = text.split("\n")
        entry = bytearray(base64.b64decode(lines[1][6:]))
        entry[20] ^= 1
        size = lines.index("") + 2
        self.asked("\n".join([lines[0], "extra " + base64.b64encode(bytes(entry)).decode()] + lines[2:]), says="root hash")
        self.asked("\n".join(lines[:3] + [base64.b64encode(b"x" * 32).decode()] + lines[4:]), says="root hash")
        self.asked("\n".join(lines[:size] + [str(int(lines[size]) + 1)] + lines[size + 1:]), says="invalid checkpoint signature")
        self.asked(text, key=self.foreign_key(), says="invalid checkpoint signature")


if __name__ == "__main__":
    unittest.main()
