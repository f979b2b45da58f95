# SPDX-License-Identifier: Apache-2.0
"""Receipts people keep, and witnesses who remember: with the tool, offline, and what must be refused."""
import base64, hashlib, json, os, re, shutil, signal, subprocess, tempfile, time, unittest
from troth_bookshop import Bookshop
from troth_flow import BUILD, Daemon, on_files, run_troth
from troth_people import People


class Record(People):
    def setUp(self):
        super().setUp()
        self.place = tempfile.mkdtemp(prefix="troth-record-")
        self.addCleanup(shutil.rmtree, self.place)
        self.key = self.file("key.pub", self.get("/audit/key").body)

    def file(self, name, content):
        path = os.path.join(self.place, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def published(self):
        """The head, once it covers everything on record."""
        for _ in range(1200):
            head = self.get("/audit/checkpoint").text
            if int(head.split("\n")[1]) == self.get("/healthz").json["record"]:
                return head
            time.sleep(0.1)
        self.fail("no checkpoint covers the record")

    def covered(self, ask):
        """Asks until a checkpoint covers the entry."""
        for _ in range(1200):
            answer = ask()
            if answer.status != 503:
                return answer
            self.assertEqual(answer.headers["retry-after"], "1")
            time.sleep(0.1)
        self.fail("no checkpoint covers the entry: %r" % answer)

    def made(self, receipt):
        answer = self.covered(lambda: self.post("/v1/receipts", receipt))
        self.assertEqual(answer.status, 200, answer)
        return answer.body

    def verify(self, content, *more, code=0):
        path = self.file("receipt", content)
        done = run_troth("audit", "receipt", "verify", path, *(more or ("--key", self.key)), "--json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def signed(self, message, signature, public, code=0):
        """Ed25519, by openssl."""
        der = bytes.fromhex("302a300506032b6570032100") + public
        files = [self.file(n, c) for n, c in (("message", message), ("signature", signature), ("public", der))]
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-in", files[0],
                               "-sigfile", files[1], "-inkey", files[2]], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaf, index, size, path):
    """The root that a proof of inclusion gives, as RFC 9162 has it (2.1.3.2)."""
    at, last, root = index, size - 1, hashlib.sha256(b"\0" + leaf).digest()
    for beside in path:
        assert last > 0, "the path is too long"
        if at & 1 or at == last:
            root = node_hash(beside, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, beside)
        at, last = at >> 1, last >> 1
    assert last == 0, "the path is too short"
    return root


class Proofs(Record):
    """`troth audit prove DIR INDEX`: from the folder, beside a daemon and without one."""

    def prove(self, index, data=None):
        done = run_troth("audit", "prove", data or self.daemon.data, index)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, *args, code, says):
        done = run_troth("audit", "prove", *args)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertRegex(done.stderr, says)

    def leaf(self, index):
        """As it is served."""
        bundle, width = index // 256, int(self.published().split("\n")[1]) % 256
        self.assertEqual(bundle, 0)
        data = self.operator("GET", "/audit/tile/entries/000.p/%d" % width, status=200).body
        for _ in range(index):
            data = data[2 + int.from_bytes(data[:2], "big"):]
        return data[2:2 + int.from_bytes(data[:2], "big")]

    def take_apart(self, proof):
        """C2SP tlog-proof: index, leaf, path; the size, root and text of the head, and its signature."""
        head, _, note = proof.partition("\n\n")
        magic, extra, index, *path = head.split("\n")
        self.assertEqual((magic, extra[:6], index[:6]), ("c2sp.org/tlog-proof@v1", "extra ", "index "))
        text, _, signatures = note.partition("\n\n")
        _, size, root = text.split("\n")
        decode = base64.b64decode
        return (int(index[6:]), decode(extra[6:]), [decode(h) for h in path], int(size), decode(root), text + "\n",
                decode(signatures.split()[-1]))

    def test_a_proof_of_any_entry_holds_for_us_and_by_hand(self):
        given = self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"]["entry"]
        size = int(self.published().split("\n")[1])
        with open(self.key) as f:
            name, key_hash, public = f.read().strip().split("+", 2)
        for index in (0, given, size - 1):
            proof = self.prove(index)
            self.assertEqual(proof, self.get("/audit/proof/%d" % index).text)
            got = self.verify(proof)
            self.assertEqual((got["entry"], got["size"], got["origin"]), (index, size, name))
            self.assertNotIn("detail", got)  # who has the folder alone opens nothing
            at, leaf, path, of, root, text, signature = self.take_apart(proof)
            self.assertEqual((at, of, leaf), (index, size, self.leaf(index)))
            self.assertEqual(root_of(leaf, at, of, path), root)
            self.assertEqual(signature[:4].hex(), key_hash)
            self.signed(text, signature[4:], base64.b64decode(public)[1:])
            self.signed(text.replace("\n%d\n" % size, "\n%d\n" % (size + 1)), signature[4:], base64.b64decode(public)[1:], code=1)
            self.assertNotEqual(root_of(leaf[:-1] + bytes([leaf[-1] ^ 1]), at, of, path), root)
            self.verify(proof.replace("\nindex %d\n" % index, "\nindex %d\n" % size), code=1)
        self.assertEqual(self.verify(self.prove(given))["kind"], "consent")

    def test_what_is_no_entry_has_no_proof(self):
        data, size = self.daemon.data, int(self.published().split("\n")[1])
        self.prove(size - 1)
        for index in (size, 10 ** 9, 2 ** 63 - 1):
            self.refused(data, index, code=1, says=r"\Atroth: the record has no entry %d\n\Z" % index)
        for words in (["-1"], [], [0, 1]):
            self.refused(data, *words, code=2, says=r"\Ausage: troth audit prove ")
        self.assertEqual(self.prove(size - 1), self.prove("%d" % (size - 1)))
        for word in ("x", "1.5", "0x1", "", " 1", "+1", 2 ** 63, 2 ** 64, "00", "01", "0%d" % (size - 1)):
            self.refused(data, word, code=2, says=r"\Atroth: INDEX is a decimal number without leading zeros, not '%s'\n"
                         r"usage: troth audit prove " % re.escape(str(word)))
        self.refused(os.path.join(self.place, "nowhere"), 0, code=1, says=r"\Atroth: opening .*/nowhere/audit: No such file")
        self.refused(self.place, 0, code=1, says=r"\Atroth: opening .*/audit: No such file")

    def test_an_entry_no_head_covers_yet_has_no_proof_yet(self):
        """As a power cut leaves it between the entry and the head that covers it: the older head is the last there is."""
        def heads():
            return {name: open(os.path.join(self.daemon.data, "audit", name), "rb").read() for name in ("checkpoint", "signed")}
        size, kept = int(self.published().split("\n")[1]), heads()
        self.person("1990-01-01")
        self.published()
        copy = os.path.join(self.place, "copy")
        shutil.copytree(os.path.join(self.daemon.data, "audit"), os.path.join(copy, "audit"))
        self.verify(self.prove(size, copy))
        newer = heads()
        for name, content in kept.items():
            self.assertNotEqual(content, newer[name])
            self.file(os.path.join("copy", "audit", name), content)
        self.refused(copy, size, code=1, says=r"\Atroth: entry %d is not under a checkpoint yet\n\Z" % size)
        self.assertEqual(self.verify(self.prove(size - 1, copy))["size"], size)
        self.counted(copy, size, 1)

    def counted(self, data, size, after):
        """What `troth audit verify` says of a record that is in order: signed, and behind the newest signed head."""
        done = run_troth("audit", "verify", data)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = done.stdout.split("\n")
        self.assertIn(": %d entries under a signed head, every one as it was recorded; root " % size, said[0])
        self.assertEqual(said[1:], ["  %d more after it, whole by their checksums, but no signed head covers them yet" % after, ""]
                         if after else [""])
        got = json.loads(run_troth("audit", "verify", data, "--json").stdout)
        self.assertEqual((got["ok"], got["entries"], got["signed"], got["unsigned"]), (True, size + after, size, after))

    def test_entries_behind_the_newest_head_are_told_apart(self):
        self.person("1990-01-01")
        size = int(self.published().split("\n")[1])
        self.counted(self.daemon.data, size, 0)
        self.daemon.stop()
        try:
            self.counted(self.daemon.data, size, 0)
        finally:
            self.daemon.start()

    def test_the_folder_of_a_daemon_that_runs_no_more_is_enough(self):
        given = self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"]["entry"]
        self.published()
        self.daemon.stop()
        try:
            proof = self.prove(given)
        finally:
            self.daemon.start()
        self.assertEqual(self.verify(proof)["entry"], given)


class Registering(Record):
    """POST /v1/register answers a receipt for each document that was agreed to."""

    def register(self, token="arena", **more):
        body = {"phone": self.phone(), "username": "li", "password": "correct horse battery staple", "language": "zh-CN", **more}
        return self.post("/v1/register", body, token=token)

    def checked(self, got, token):
        """Each receipt is of its document's agreement; their details, by document."""
        details = {}
        for one in got["receipts"]:
            said = self.verify(self.made(one["receipt"]))
            event = said["detail"]["event"]
            self.assertEqual((said["kind"], said["entry"], said["origin"]), ("consent", one["receipt"]["entry"], one["receipt"]["origin"]))
            self.assertEqual((event["kind"], event["name"], event["event_state"]), ("agreement", one["document"], "ConsentGiven"))
            self.assertEqual(event["collection_method"], "registration")
            details[one["document"]] = said["detail"]
            by_entry = self.get(f"/v1/subjects/{got['id']}/receipts/{said['entry']}", token=token)
            self.assertEqual(self.verify(by_entry.body)["detail"], said["detail"])
            kept = self.file("kept.json", json.dumps(one["receipt"]))
            done = run_troth("audit", "prove", self.daemon.data, "--receipt", kept)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(self.verify(done.stdout)["detail"], said["detail"])
        return details


class Registered(Registering):
    def test_each_agreement_of_a_registration_has_its_receipt(self):
        for token, documents in (("arena", ["games", "group"]), ("shop", ["group"])):
            got = self.expect(self.register(token), 201)
            self.assertEqual([r["document"] for r in got["receipts"]], documents)
            details = self.checked(got, token)
            acts = self.expect(self.get(f"/v1/subjects/{got['id']}/consents", token=token), 200)["consents"]
            self.assertEqual({a["name"]: a["record_id"] for a in acts},
                             {name: d["event"]["record_id"] for name, d in details.items()})

    def test_the_entries_told_are_those_of_the_record(self):
        got = self.expect(self.register(), 201)
        rows = self.expect(self.get(f"/v1/subjects/{got['id']}/history", token="arena"), 200)["history"]
        told = {got["entry"]: "subject", got["collect_entry"]: "collect", **{r["receipt"]["entry"]: "consent" for r in got["receipts"]}}
        self.assertEqual({r["entry"]: r["kind"] for r in rows}, told)
        self.assertEqual(len(told), 4)

    def test_a_receipt_of_a_registration_is_of_one_document_and_outlives_the_person(self):
        got = self.expect(self.register(), 201)
        first, second = (r["receipt"] for r in got["receipts"])
        self.covered(lambda: self.post("/v1/receipts", second))
        self.assertGreaterEqual(self.post("/v1/receipts", {**first, "opening": second["opening"]}).status, 400)
        self.expect(self.delete(f"/v1/subjects/{got['id']}", token="arena"), 200)
        for one in got["receipts"]:
            self.assertEqual(self.verify(self.made(one["receipt"]))["detail"]["event"]["name"], one["document"])

    def test_a_refused_registration_leaves_the_refusal_alone(self):
        """The person never was: no entry may say that they were made and agreed."""
        size = int(self.published().split("\n")[1])
        before = self.what_if()
        answer = self.problem(self.register("shop", birth_date="2014-08-20"), 403, "refused", reason="guardian_required")
        self.assertNotIn("receipts", answer)
        self.assertEqual(answer["decision"]["entry"], size)
        self.assertEqual(int(self.published().split("\n")[1]), size + 1)
        done = run_troth("audit", "prove", self.daemon.data, size)
        self.assertEqual(self.verify(done.stdout)["kind"], "refused")
        self.assertEqual(done.returncode, 0, done.stderr)
        again = self.what_if()
        self.assertEqual(again["cannot"], before["cannot"])
        self.assertEqual(again["entries"], before["entries"] + 1)
        self.assertEqual(run_troth("audit", "verify", self.daemon.data).returncode, 0)

    def what_if(self):
        return json.loads(self.daemon.cli("policy", "what-if", os.path.join(self.daemon.data, "policy"), "--data", self.daemon.data,
                                          "--json").stdout)


class ManyDocuments(Registering, Bookshop):
    """As many documents as a policy can have, the words among them."""
    annexes = 30
    words = "data identifiers: mail-address.\n"
    rules = """
```rule sell
we may collect, use any for opening-an-account only with agreed.
```

```rule keep
we may store any until 2 years after account-closed.
```
"""
    def test_all_documents_a_policy_can_have_are_agreed_to_with_a_receipt(self):
        got = self.expect(self.post("/v1/register", {"email": "ann@example.org", "language": "en"}, token="counter"), 201)
        self.assertEqual(sorted(r["document"] for r in got["receipts"]), sorted(["shop", *("annex-%d" % n for n in range(self.annexes))]))
        entries = [r["receipt"]["entry"] for r in got["receipts"]]
        self.assertEqual([got["entry"], *entries, got["collect_entry"]], list(range(got["entry"], got["entry"] + self.annexes + 3)))
        self.assertEqual(len(self.checked(got, "counter")), self.annexes + 1)


class Receipts(Record):
    def test_consent_withdrawal_and_erasure_verify_offline(self):
        person = self.adult()
        given = self.consent(person, "consent", purpose="direct-marketing", channel="web")["receipt"]
        taken = self.withdraw(person, need="consent", purpose="direct-marketing")["receipt"]
        fetched = self.covered(lambda: self.get("/v1/subjects/%s/receipts/%d" % (person, given["entry"]), token="shop"))
        self.assertEqual(fetched.status, 200, fetched)
        self.assertEqual(fetched.headers["cache-control"], "no-store")
        erased = self.delete("/v1/subjects/%s" % person, token="shop").json["receipt"]
        for receipt, kind in ((given, "consent"), (taken, "withdraw"), (erased, "erase")):
            got = self.verify(self.made(receipt))
            self.assertEqual((got["kind"], got["entry"]), (kind, receipt["entry"]))
            self.assertEqual(got["origin"], receipt["origin"])
            self.assertEqual(json.dumps(got["detail"]), json.dumps(json.loads(base64.b64decode(receipt["opening"])[32:])))
        self.assertEqual(self.verify(fetched.body)["detail"], self.verify(self.made(given))["detail"])
        self.problem(self.get("/v1/subjects/%s/receipts/%d" % (person, given["entry"]), token="shop"), 410, "gone")

    def test_disclosure_carries_a_receipt(self):
        person = self.adult()
        self.collect(person, purpose="delivery", **{"order-address": "Lane 9"})
        body = {"recipient": "ship-b", "purpose": "delivery", "fields": ["order-address"], "evidence": {"order": "17"}}
        got = self.expect(self.post("/v1/subjects/%s/shares" % person, body, token="shop"), 200)
        self.assertEqual(self.verify(self.made(got["receipt"]))["kind"], "share")

    def test_a_receipt_is_only_for_its_own_person(self):
        mine, other = self.adult(), self.adult()
        entry = self.consent(mine, "consent", purpose="direct-marketing")["receipt"]["entry"]
        self.problem(self.get("/v1/subjects/%s/receipts/%d" % (other, entry), token="shop"), 404, "not-found")
        self.problem(self.get("/v1/subjects/%s/receipts/%d" % (mine, 10 ** 9), token="shop"), 404, "not-found")
        self.problem(self.get("/v1/subjects/%s/receipts/x" % mine, token="shop"), 404, "not-found")
        self.problem(self.get("/v1/subjects/%s/receipts/%d" % (mine, entry), token="mail"), 404, "not-found")

    def test_wrong_openings_make_no_receipt(self):
        receipt = self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"]
        self.made(receipt)
        opening = bytearray(base64.b64decode(receipt["opening"]))
        for at in (0, 31, 32, len(opening) - 1):
            bad = bytes(opening[:at]) + bytes([opening[at] ^ 1]) + bytes(opening[at + 1:])
            self.problem(self.post("/v1/receipts", {**receipt, "opening": base64.b64encode(bad).decode()}), 422,
                         "bad-value")
        self.problem(self.post("/v1/receipts", {**receipt, "opening": "@@"}), 422, "bad-value")
        self.problem(self.post("/v1/receipts", {**receipt, "entry": -1}), 422, "bad-value")

    def test_tampered_receipts_are_refused(self):
        receipt = self.made(self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"])
        lines = receipt.decode().split("\n")
        extra = bytearray(base64.b64decode(lines[1][6:]))
        for at in (0, 5, 70, 94, 126, len(extra) - 1):
            changed = bytes(extra[:at]) + bytes([extra[at] ^ 1]) + bytes(extra[at + 1:])
            self.verify("\n".join([lines[0], "extra " + base64.b64encode(changed).decode()] + lines[2:]), code=1)
        self.verify(receipt[:-10], code=1)
        self.verify(receipt.replace(b"index ", b"index 1"), code=1)
        with open(self.key) as f:
            key = f.read()
        self.assertIn("another log", self.verify(receipt, "--key", key.replace("localhost", "localhoax"), code=1)
                      .replace("the hash is not that of the key", "another log"))
        other = Daemon()
        self.addCleanup(other.remove)
        with open(os.path.join(other.data, "audit", "key.pub")) as f:
            self.verify(receipt, "--key", f.read(), code=1)

    def test_usage(self):
        for args in (["x"], ["x", "--key", "a", "--trust", "b"], ["--key"]):
            self.assertEqual(run_troth("audit", "receipt", "verify", *args).returncode, 2, args)


class Witness:
    """`troth audit witness` as a process of its own."""
    def __init__(self, test, name, logs):
        self.folder = os.path.join(test.place, name)
        command = [os.path.join(BUILD, "troth"), "audit", "witness", self.folder, "--logs", logs,
                   "--name", "witness.example/" + name, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        self.key = self.process.stdout.readline().strip()
        self.url = "http://127.0.0.1:%s/" % self.process.stdout.readline().split()[-1]

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)

    def add(self, body):
        done = subprocess.run(["curl", "-s", "-w", "\n%{http_code} %{content_type}", "--data-binary", "@-",
                               self.url + "add-checkpoint"], input=body, capture_output=True, text=True)
        text, _, last = done.stdout.rpartition("\n")
        return int(last.split()[0]), text, last.partition(" ")[2]


class Witnesses(Record):
    def trust(self, *witnesses, quorum):
        lines = ["log " + self.get("/audit/key").text.strip()]
        lines += ["witness w%d %s %s" % (i, w.key, w.url) for i, w in enumerate(witnesses)]
        lines += ["group all all " + " ".join("w%d" % i for i in range(len(witnesses))), "quorum " + quorum]
        return self.file("trust-" + quorum, "\n".join(lines) + "\n")

    def feed(self, trust, code=0):
        done = run_troth("audit", "witness-feed", self.daemon.data, "--trust", trust, "--once")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_heads_are_cosigned_and_receipts_rest_on_them(self):
        one, two = Witness(self, "one", self.key), Witness(self, "two", self.key)
        trust = self.trust(one, two, quorum="all")
        receipt = self.consent(self.adult(), "consent", purpose="direct-marketing")["receipt"]
        self.assertEqual(self.verify(self.made(receipt))["witnesses"], "")
        self.verify(self.made(receipt), "--trust", trust, code=1)
        self.feed(trust)
        self.consent(self.adult(), "consent", purpose="direct-marketing")
        self.feed(trust)
        got = self.verify(self.made(receipt), "--trust", trust)
        self.assertEqual((got["witnesses"], got["kind"]), ("w0,w1", "consent"))
        note = self.get("/audit/witnessed").text
        self.assertEqual(note.count("\u2014 "), 3)
        self.assertEqual(run_troth("audit", "verify", self.daemon.data, "--trust", trust).returncode, 0)
        two.end()
        self.assertIn("has not cosigned", self.feed(trust, code=1))
        self.feed(self.trust(one, two, quorum="w0"))
        done = run_troth("audit", "verify", self.daemon.data, "--trust", trust)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has not cosigned", done.stdout)

    def test_what_a_witness_answers(self):
        w = Witness(self, "one", self.key)
        self.consent(self.adult(), "consent", purpose="direct-marketing")
        note = self.published()
        size = int(note.split("\n")[1])
        status, text, _ = w.add("old 0\n\n" + note)
        self.assertEqual(status, 200, text)
        self.assertRegex(text, "^\u2014 witness.example/one [A-Za-z0-9+/]+=*\n$")
        self.assertEqual(w.add("old 0\n\n" + note), (409, "%d\n" % size, "text/x.tlog.size"))
        self.check_cosignature(note, text, w.key)
        self.assertEqual(w.add("old %d\n\n" % size + note)[0], 200)
        self.assertEqual(w.add("old %d\n\n" % (size + 1) + note)[0], 400)
        self.assertEqual(w.add("old 0\n" + note)[0], 400)
        hashes = "%s\n" % base64.b64encode(b"0" * 32).decode()
        for old in ("x", "", "00", "0%d" % size, "-1", "+%d" % size, " %d" % size, "%d " % size, str(2**64)):
            self.assertEqual(w.add("old %s\n\n" % old + note)[0], 400, old)
        for body in ("%d\n\n%s" % (size, note), "old %d\n%s\n%s" % (size, hashes * 64, note), "old %d\nAAAA\n\n%s" % (size, note),
                     "old %d\n\n%s" % (size, note[:-1]), "old %d\r\n\r\n%s" % (size, note)):
            self.assertEqual(w.add(body)[0], 400, body)
        self.assertEqual(w.add("old %d\n%s\n" % (size, hashes) + note)[0], 422)  # nothing is to be proved
        # Signatures of keys it does not know are passed over, however many, and do not stay.
        strange = "\u2014 witness.example/two " + base64.b64encode(b"x" * 76).decode() + "\n"
        for n in (1, 99):
            self.assertEqual(w.add("old %d\n\n" % size + note + strange * n)[0], 200)
            self.assertEqual(w.add("old %d\n\n" % size + note)[0], 200)
        self.assertEqual(w.add("")[0], 400)
        self.assertEqual(w.add("old 0\n\n" + note.replace("localhost", "elsewhere"))[0], 404)
        self.assertEqual(w.add("old 0\n\n" + note.replace("\n%d\n" % size, "\n%d\n" % (size + 1), 1))[0], 403)
        self.person("1990-01-01")
        newer = self.published()
        fake = base64.b64encode(b"0" * 32).decode()
        self.assertEqual(w.add("old %d\n%s\n\n" % (size, fake) + newer)[0], 422)
        self.assertEqual(w.add("old %d\n\n" % size + newer)[0], 422)
        new = Witness(self, "new", self.key)
        self.assertEqual(new.add("old %d\n\n" % size + newer)[:2], (409, "0\n"))  # it never saw any
        self.assertEqual(new.add("old 0\n%s\n" % hashes + newer)[0], 422)
        self.assertEqual(new.add("old 0\n\n" + newer)[0], 200)
        for path, method in (("add-checkpoint", "GET"), ("add-checkpoint", "PUT"), ("", "POST")):
            got = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, new.url + path],
                                 capture_output=True, text=True).stdout
            self.assertRegex(got, "^4")

    def check_cosignature(self, note, line, key):
        """C2SP tlog-cosignature, checked by openssl: Ed25519 over its header, the time and the head's text."""
        name, _, blob = key.split("+", 2)
        public, raw = base64.b64decode(blob), base64.b64decode(line.split()[-1])
        self.assertEqual((public[0], len(public), len(raw)), (4, 33, 76))
        self.assertEqual(raw[:4], hashlib.sha256(name.encode() + b"\n" + public).digest()[:4])
        at = int.from_bytes(raw[4:12], "big")
        self.assertLess(abs(at - time.time()), 3600)
        message = "cosignature/v1\ntime %d\n" % at + note.split("\n\n")[0] + "\n"
        self.signed(message, raw[12:], public[1:])

    @on_files
    def test_a_cut_and_a_rewritten_record_are_refused(self):
        """An operator with the genuine key puts yesterday's copy in place and goes on writing."""
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        key = os.path.join(daemon.data, "audit", "key.pub")
        w = Witness(self, "one", key)
        with open(key) as f:
            trust = self.file("trust", "log %switness w0 %s %s\nquorum w0\n" % (f.read(), w.key, w.url))
        def feed():
            return run_troth("audit", "witness-feed", daemon.data, "--trust", trust, "--once")
        copy = os.path.join(self.place, "yesterday")
        shutil.copytree(daemon.data, copy)
        daemon.cli("subject", "add", "--birth-date", "1990-01-01", "--service", "shop", "--data", daemon.data)
        self.assertEqual(feed().returncode, 0)
        head = self.file("head", open(os.path.join(daemon.data, "audit", "witnessed"), "rb").read())
        self.assertEqual(run_troth("audit", "verify", daemon.data, "--against", head).returncode, 0)
        shutil.rmtree(daemon.data)
        shutil.copytree(copy, daemon.data)
        done = run_troth("audit", "verify", daemon.data, "--against", head)
        self.assertEqual(done.returncode, 1)
        self.assertIn("its end was cut", done.stdout)
        self.assertIn("shorter than the witness remembers", feed().stderr)
        for _ in range(3):
            daemon.cli("subject", "add", "--birth-date", "1980-01-01", "--service", "shop", "--data", daemon.data)
        self.assertEqual(run_troth("audit", "verify", daemon.data).returncode, 0)
        done = run_troth("audit", "verify", daemon.data, "--against", head)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another root", done.stdout)
        done = feed()
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not extend", done.stderr)

    @on_files
    def test_a_file_that_is_no_head_of_this_record_accuses_nobody(self):
        daemon, other = Daemon(), Daemon()
        for one in daemon, other:
            self.addCleanup(one.remove)
            one.stop()
        def head_of(one):
            return open(os.path.join(one.data, "audit", "checkpoint"), "rb").read()
        self.assertNotEqual(head_of(daemon).split(b"\n")[0], head_of(other).split(b"\n")[0])
        good = self.file("good", head_of(daemon))
        wrong = [("/etc/passwd", "no head"), (self.file("empty", b""), "no head"), (self.file("half", head_of(daemon)[:40]), "no head"),
                 (self.file("foreign", head_of(other)), "another record")]
        for path, says in wrong:
            for more in [], ["--json"], ["--against", good]:
                done = run_troth("audit", "verify", daemon.data, "--against", path, *more)
                self.assertEqual((done.returncode, done.stdout), (1, ""), path)
                self.assertIn(path + ": ", done.stderr)
                self.assertIn(says, done.stderr)
        self.assertEqual(run_troth("audit", "verify", daemon.data, "--against", good).returncode, 0)
        # One of this name that another key signed may tell of an exchanged key.
        forged = self.file("forged", head_of(daemon)[:-10] + b"AAAAAAAA=\n")
        done = run_troth("audit", "verify", daemon.data, "--against", forged)
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOT as it was written", done.stdout)


if __name__ == "__main__":
    unittest.main()
