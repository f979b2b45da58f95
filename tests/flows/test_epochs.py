# SPDX-License-Identifier: Apache-2.0
"""Epochs of the record: they close, they stay as long as they must, and then they can be pruned."""
import base64, json, os, shutil, subprocess, time, unittest

from troth_flow import BUILD, ROOT, Daemon, on_files
from troth_people import People

GO_PACKAGES = "/usr/share/gocode"
MIRROR_LEVELS = 3


class Recorded(People):
    """What is asked of a record with epochs."""
    fresh = True
    decided_again = False

    def quarter(self, instant, people=1):
        """Some work in a quarter; the persons."""
        self.at(instant)
        done = [self.adult(contact_phone=self.phone()) for _ in range(people)]
        for person in done:
            self.decide("shop", "direct-marketing", subject=person)
        return done

    def settled(self):
        for _ in range(1200):
            head = self.get("/audit/checkpoint").body
            if int(head.split(b"\n")[1]) == self.get("/healthz").json["record"]:
                return head
            time.sleep(0.1)
        self.fail("no checkpoint covers the record")

    def prune(self, *more, code=0):
        return self.daemon.cli("audit", "prune", *more, *self.daemon.here(), code=code)

    def epochs(self):
        answer = self.operator("GET", "/v1/audit/epochs", status=200)
        return {e["name"]: e for e in answer.json["epochs"]}

    def verify(self):
        return json.loads(self.daemon.cli("audit", "verify", self.daemon.data, "--json").stdout)

    def kept(self, name):
        return os.path.join(self.daemon.home, name)

    def keep(self, name, content):
        with open(self.kept(name), "wb") as f:
            f.write(content)
        return self.kept(name)


class Epochs(Recorded):
    def test_a_quarter_is_closed_with_a_head_that_stays(self):
        self.quarter("2026-12-31T23:59:59Z")
        self.assertEqual([e["state"] for e in self.epochs().values()], ["open"])
        self.quarter("2027-01-01T00:00:00Z")
        self.settled()
        got = self.epochs()
        self.assertEqual([(n, e["state"]) for n, e in got.items()], [("2026q4", "kept"), ("2027q1", "open")])
        first = got["2026q4"]
        self.assertEqual((first["first"], first["entries"] % 256, first["until"]), (0, 0, "2030-01-01T00:00:00Z"))
        with open(os.path.join(self.daemon.data, "audit", "epochs", "2026q4")) as f:
            self.assertEqual(f.read().split("\n")[1], str(first["entries"]))
        self.assertEqual(self.verify()["closed_epochs"], 1)
        self.daemon.restart()
        self.quarter("2027-02-01T00:00:00Z")
        self.assertEqual(list(self.epochs()), ["2026q4", "2027q1"])

    def test_nothing_goes_before_its_time(self):
        self.quarter("2026-12-01T00:00:00Z")
        self.quarter("2027-01-15T00:00:00Z")
        self.at("2029-12-31T23:59:59Z")
        self.adult()
        self.settled()
        before = self.verify()["entries"]
        self.assertIn("nothing is due", self.prune().stdout)
        for epoch, why in (("2026q4", "stays until 2030-01-01"), ("2029q4", "is open"), ("2027q1", "article 56"),
                           ("1999q1", "no epoch")):
            self.assertIn(why, self.prune("--until", epoch, code=1).stderr)
            self.assertIn(why, self.prune("--until", epoch, "--dry-run", code=1).stderr)
        for months in (0, 6, 35, 5000):
            said = self.daemon.cli("audit", "retention", "--months", str(months), *self.daemon.here(), code=1).stderr
            self.assertRegex(said, "Personal Information Protection Law, article 56|months")
        self.settled()
        self.assertEqual(self.verify()["minimum"], 0)
        self.assertGreaterEqual(self.verify()["entries"], before)
        self.at("2030-01-01T00:00:00Z")
        self.daemon.cli("audit", "retention", "--months", "48", *self.daemon.here())
        self.assertIn("stays until 2031-01-01", self.prune("--until", "2026q4", code=1).stderr)

    def test_pruned_epochs_are_gone_and_receipts_of_them_stay_good(self):
        person, = self.quarter("2026-12-01T00:00:00Z")
        got = self.consent(person, "consent", purpose="direct-marketing")["receipt"]
        old_head = self.keep("old-head", self.settled())
        receipt = self.keep("receipt", self.post("/v1/receipts", got).body)
        key = self.keep("key", self.get("/audit/key").body)
        self.quarter("2027-01-15T00:00:00Z", people=3)
        self.quarter("2027-04-15T00:00:00Z")
        self.at("2030-01-02T00:00:00Z")
        late = self.consent(person, "consent", purpose="direct-marketing", state="withdrawn")["receipt"]
        self.settled()
        told = json.loads(self.prune("--dry-run", "--json").stdout)
        self.assertEqual((told["epochs"], told["dry_run"]), (1, True))
        self.assertEqual(self.verify()["minimum"], 0)
        done = json.loads(self.prune("--json").stdout)
        self.assertEqual((done["epochs"], done["minimum"]), (1, told["minimum"]))
        self.settled()
        checked = self.verify()
        self.assertEqual((checked["ok"], checked["minimum"]), (True, done["minimum"]))
        self.assertEqual({n: e["state"] for n, e in self.epochs().items()},
                         {"2026q4": "pruned", "2027q1": "kept", "2027q2": "kept", "2030q1": "open"})
        self.assertFalse(os.path.exists(os.path.join(self.daemon.data, "audit", "segment-00000000")))
        # what was handed out proves what it proved; the record has nothing more to say of it
        self.daemon.cli("audit", "receipt", "verify", receipt, "--key", key)
        self.problem(self.post("/v1/receipts", got), 410, "gone", contains="pruned")
        self.problem(self.get("/audit/proof/%d" % got["entry"]), 410, "gone")
        for index in (0, got["entry"], done["minimum"] - 1):
            said = self.daemon.cli("audit", "prove", self.daemon.data, index, code=1)
            self.assertEqual(said.stdout, "")
            self.assertRegex(said.stderr, r"\Atroth: .*\b%d\b.* pruned" % index)
        self.assertEqual(self.get("/audit/tile/0/000").status, 410)
        history = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"]
        self.assertTrue(history and all(e["entry"] >= done["minimum"] for e in history))
        # what is left has its proofs, and new heads go on from the old ones
        fresh = self.keep("fresh", self.post("/v1/receipts", late).body)
        for index in (done["minimum"], late["entry"]):
            proof = self.keep("proof", self.daemon.cli("audit", "prove", self.daemon.data, index).stdout.encode())
            said = json.loads(self.daemon.cli("audit", "receipt", "verify", proof, "--key", key, "--json").stdout)
            self.assertEqual(said["entry"], index)
        self.daemon.cli("audit", "receipt", "verify", fresh, "--key", key)
        said = self.daemon.cli("audit", "verify", self.daemon.data, "--against", old_head, code=1).stdout
        self.assertIn("cannot be compared any more", said)
        self.assertNotIn("NOT as it was", said)
        self.daemon.restart()
        self.daemon.restart("--known-checkpoint", os.path.join(self.daemon.data, "audit", "epochs", "2026q4"))
        self.daemon.stop()
        before = len(self.daemon.stderr())
        self.assertEqual(self.daemon.launch("--known-checkpoint", old_head).wait(60), 1)
        for words in ("nothing is left that it could be held against", "Give a head that was signed after"):
            self.assertIn(words, self.daemon.stderr()[before:])
        self.daemon.start()
        self.assertEqual(self.verify()["ok"], True)
        self.assertIn("nothing is due", self.prune().stdout)
        self.others_agree(fresh, receipt)

    def others_agree(self, *receipts):
        """golang.org/x/mod/sumdb of the Go team, on what is served of a pruned log."""
        if not shutil.which("go") or not os.path.isdir(GO_PACKAGES + "/src/golang.org/x/mod/sumdb"):
            return
        program = os.path.join(BUILD, "verify-go-pruned")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_PACKAGES, "GOCACHE": os.path.join(BUILD, "go-cache"),
               "GOFLAGS": "", "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-o", program, os.path.join(ROOT, "tests", "verify", "verify.go")], env=env, check=True)
        log, end = self.mirror(), os.path.join(self.daemon.data, "audit", "epochs", "2026q4")
        run = lambda *args: subprocess.run([program, *args], capture_output=True, text=True)
        done = run("-pruned", end, log, *receipts)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "entries, 2 receipts")
        first = sorted(os.listdir(os.path.join(log, "tile", "entries")))[0]
        with open(os.path.join(log, "tile", "entries", first), "r+b") as f:
            f.seek(70)
            f.write(b"x")
        self.assertRegex(run("-pruned", end, log).stderr, r"\Averify: entry \d+ is not the one in its tile\n\Z")
        later = run("-pruned", os.path.join(self.daemon.data, "audit", "epochs", "2027q1"), log)
        self.assertEqual((later.returncode, later.stderr), (0, ""))  # what was changed lies before it

    def mirror(self):
        head = self.settled()
        size, log = int(head.split(b"\n")[1]), self.kept("mirror")
        for name, content in (("key", self.get("/audit/key").body), ("checkpoint", head)):
            os.makedirs(log, exist_ok=True)
            self.keep("mirror/" + name, content)
        for level in range(MIRROR_LEVELS):
            n = size >> 8 * level
            for tile in range((n + 255) // 256):
                width = min(256, n - 256 * tile)
                end = "%03d" % tile + ("" if width == 256 else ".p/%d" % width)
                for path in ["tile/%d/%s" % (level, end)] + (["tile/entries/" + end] if level == 0 else []):
                    answer = self.operator("GET", "/audit/" + path)
                    if answer.status == 410:
                        continue
                    self.assertEqual(answer.status, 200, path)
                    os.makedirs(os.path.dirname(os.path.join(log, path)), exist_ok=True)
                    self.keep("mirror/" + path, answer.body)
        return log

    def test_an_epoch_under_a_legal_hold_stays(self):
        person, = self.quarter("2026-12-01T00:00:00Z")
        self.quarter("2027-01-15T00:00:00Z")
        self.at("2030-06-01T00:00:00Z")
        self.daemon.cli("hold", "add", person, "--fields", "contact-phone", "--reference", "court, file 9", "--until",
                        "2031-01-01", *self.daemon.here())
        self.settled()
        self.assertEqual([e["state"] for e in self.epochs().values()], ["held", "behind", "open"])
        self.assertIn("nothing is due", self.prune().stdout)
        self.assertIn("legal hold", self.prune("--until", "2026q4", code=1).stderr)
        self.at("2031-01-02T00:00:00Z")
        self.assertEqual(json.loads(self.prune("--json").stdout)["epochs"], 2)
        self.assertTrue(self.verify()["ok"])

    @on_files
    def test_kill_9_in_the_middle_leaves_a_whole_record_and_the_rest_goes(self):
        self.quarter("2026-12-01T00:00:00Z")
        self.quarter("2027-01-15T00:00:00Z")
        self.at("2030-06-01T00:00:00Z")
        self.adult()
        self.settled()
        for steps in (0, 1):
            shutil.rmtree(self.kept("before"), ignore_errors=True)
            self.daemon.stop()
            shutil.copytree(self.daemon.data, self.kept("before"))
            self.daemon.start()
            self.epochs()  # waits for history.db, without which nothing begins
            self.assertEqual(self.operator("POST", "/v1/audit/prune", {}, 200).json["epochs"], 2)
            for _ in range(steps):
                self.operator("POST", "/v1/audit/prune/step", {}, 200)
            self.daemon.kill()
            self.assertTrue(self.verify()["ok"])
            self.daemon.start()
            self.wait_pruned()
            self.assertTrue(self.verify()["ok"])
            self.assertGreater(self.verify()["minimum"], 0)
            self.assertIn("nothing is due", self.prune().stdout)
            self.daemon.stop()
            shutil.rmtree(self.daemon.data)
            shutil.copytree(self.kept("before"), self.daemon.data)
            self.daemon.start()
            self.settled()

    def wait_pruned(self):
        for _ in range(2400):
            if not self.operator("GET", "/v1/audit/epochs", status=200).json["pruning"]:
                return
            time.sleep(0.05)
        self.fail("the sweep does not finish what was begun")

    def test_epochs_of_a_month(self):
        self.daemon.stop()
        data = self.kept("monthly")
        self.assertIn("quarter, a month or a year", self.daemon.cli("init", self.kept("weekly"), "--epoch", "week", code=1).stderr)
        self.assertFalse(os.path.exists(self.kept("weekly")))
        here = ["--data", data, "--clock-file", self.daemon.clock]
        self.daemon.cli("init", data, "--epoch", "month", "--clock-file", self.daemon.clock)
        self.at("2026-12-02T00:00:00Z")
        self.daemon.cli("service", "add", "shop", "--class", "shop", *here)
        listed = json.loads(self.daemon.cli("audit", "epochs", "--json", *here).stdout)["epochs"]
        self.assertEqual([e["name"] for e in listed], ["2026-11", "2026-12"])


class Names(Recorded):
    """Pseudonyms are those of the record's epochs."""
    times = ("2026-12-01T00:00:00Z", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z",
             "2027-05-01T00:00:00Z", "2028-01-01T00:00:00Z")

    def path(self, *names):
        return os.path.join(self.daemon.data, *names)

    def unit_file(self):
        with open(self.path("audit", "epoch-unit")) as f:
            return f.read()

    def name_of(self, entry):
        """The person's pseudonym, where DESIGN.md of the record has it in the leaf."""
        proof = self.daemon.cli("audit", "prove", self.daemon.data, entry).stdout
        return base64.b64decode(proof.split("\n")[1][len("extra "):])[26:42]

    def begin(self, unit, older=False):
        """A folder with these epochs; as an older version made it, that changed pseudonyms by the quarter all the same."""
        self.daemon.remove()
        self.daemon = Daemon(more=("--epoch", unit))
        self.addCleanup(self.daemon.remove)
        self.assertEqual(self.unit_file(), "quarter\n" if unit == "quarter" else "%s %s\n" % (unit, unit))
        if older:
            with open(self.path("audit", "epoch-unit"), "w") as f:
                f.write(unit + "\n")
        self.daemon.start()
        self.key = self.keep("key", self.get("/audit/key").body)

    def seen_over(self, times):
        """A person who is decided about at each time, and their entries."""
        self.at(times[0])
        person = self.adult(contact_phone=self.phone())
        entries = []
        for time_ in times:
            self.at(time_)
            self.read(person)
            entries.append(max(e["entry"] for e in self.history(person)))
        self.settled()
        return person, entries

    def read(self, person):
        asked = {"purpose": "registration-login", "fields": ["contact-phone"]}
        self.expect(self.post(f"/v1/subjects/{person}/read", asked, token="shop"), 200)

    def history(self, person):
        return self.expect(self.get(f"/v1/subjects/{person}/history?limit=500", token="shop"), 200)["history"]

    def whole(self, person, entries):
        """Everything of theirs is theirs: in the history, by a receipt, and decided again."""
        told = [e["entry"] for e in self.history(person)]
        self.assertEqual([e for e in entries if e not in told], [])
        self.settled()
        for entry in entries:
            got = self.expect_text(self.get(f"/v1/subjects/{person}/receipts/{entry}", token="shop"))
            done = self.daemon.cli("audit", "receipt", "verify", self.keep("receipt", got), "--key", self.key, "--json")
            self.assertEqual(json.loads(done.stdout)["entry"], entry)
        again = json.loads(self.daemon.cli("policy", "what-if", self.path("policy"), "--data", self.daemon.data, "--json").stdout)
        self.assertEqual((again["cannot"]["erased"], again["cannot"]["incomplete"]), (0, 0))
        self.assertGreaterEqual(again["entries"], len(entries))
        self.assertTrue(self.verify()["ok"])
        return told

    def expect_text(self, answer):
        self.assertEqual(answer.status, 200, answer)
        return answer.body

    def made_again(self):
        """What is known of whose an entry is comes out of the record: by the pseudonyms."""
        self.daemon.stop()
        for name in os.listdir(self.daemon.data):
            if name.startswith("history.db"):
                os.remove(self.path(name))
        self.daemon.start()

    def checked(self, unit, changes, older=False):
        self.begin(unit, older)
        person, entries = self.seen_over(self.times)
        other = self.adult()
        names = [self.name_of(e) for e in entries]
        self.assertEqual([a != b for a, b in zip(names, names[1:])], changes)
        before = self.whole(person, entries)
        self.made_again()
        self.assertEqual([e for e in self.whole(person, entries) if e in before], before)
        self.assertEqual([e for e in self.history(other) if e["entry"] in entries], [])
        self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        self.made_again()
        self.assertEqual(self.get(f"/v1/subjects/{person}/history", token="shop").status, 410)

    def test_a_pseudonym_of_a_month(self):
        self.checked("month", [False, True, True, True, True])

    def test_a_pseudonym_of_a_year(self):
        self.checked("year", [False, True, False, False, True])

    def test_a_pseudonym_of_a_quarter(self):
        self.checked("quarter", [False, True, False, True, True])

    def test_a_log_of_months_of_before_goes_on_as_it_was(self):
        self.checked("month", [False, True, False, True, True], older=True)
        self.assertEqual(self.unit_file(), "month\n")

    def test_a_log_of_years_of_before_goes_on_as_it_was(self):
        self.begin("year", older=True)
        person, entries = self.seen_over(("2027-01-01T00:00:00Z", "2027-03-31T23:59:59Z", "2027-04-01T00:00:00Z"))
        names = [self.name_of(e) for e in entries]
        self.assertEqual((names[0] == names[1], names[1] == names[2]), (True, False))
        self.made_again()
        self.whole(person, entries)

    def test_months_are_pruned_and_what_stays_is_whole(self):
        self.begin("month")
        person, entries = self.seen_over(self.times)
        gone = self.keep("gone", self.get(f"/v1/subjects/{person}/receipts/{entries[0]}", token="shop").body)
        self.at("2030-01-15T00:00:00Z")
        self.read(person)
        self.settled()
        self.prune()
        self.settled()
        self.assertEqual({n: e["state"] for n, e in self.epochs().items()},
                         {"2026-11": "pruned", "2026-12": "pruned", "2027-01": "kept", "2027-02": "kept", "2027-05": "kept",
                          "2028-01": "kept", "2030-01": "open"})
        self.made_again()
        told = self.whole(person, entries[2:])
        self.assertGreaterEqual(min(told), self.verify()["minimum"])
        self.daemon.cli("audit", "receipt", "verify", gone, "--key", self.key)

    @on_files
    def test_an_older_database_is_made_up_for_over_months(self):
        """The changes it lacks were made under pseudonyms of three months."""
        for older in (False, True):
            self.begin("month", older)
            person, erased = self.adult(), self.adult(contact_phone=self.phone())
            self.daemon.stop()
            shutil.copytree(self.daemon.data, self.kept("yesterday"))
            self.daemon.start()
            for month, state in (("2026-11-30", "given"), ("2026-12-31", "withdrawn"), ("2027-01-01", "given")):
                self.at(month + "T00:00:00Z")
                for who in (person, erased):
                    self.consent(who, "consent", purpose="direct-marketing", state=state)
            self.at("2027-02-02T00:00:00Z")
            self.expect(self.delete(f"/v1/subjects/{erased}", token="shop"), 200)
            self.daemon.stop()
            for name in ("troth.db", "keys.db"):
                for suffix in ("", "-wal", "-shm"):
                    if os.path.exists(self.path(name + suffix)):
                        os.remove(self.path(name + suffix))
                shutil.copy2(self.kept(os.path.join("yesterday", name)), self.path(name))
            self.daemon.start()
            self.assertIn("4 changes were done again, 0 are lost", self.daemon.stderr())
            listed = self.expect(self.get(f"/v1/subjects/{person}/consents", token="shop"), 200)["consents"]
            self.assertEqual([e["event_state"] for e in listed if e["name"] == "consent"],
                             ["ConsentGiven", "ConsentWithdrawn", "ConsentGiven"])
            self.assertEqual(self.get(f"/v1/subjects/{erased}", token="shop").status, 410)

    @on_files
    def test_a_restored_log_derives_as_it_did(self):
        for older in (False, True):
            self.begin("month", older)
            person, entries = self.seen_over(self.times[:4])
            secret, target = self.kept("secret"), self.kept("restored")
            self.daemon.cli("backup", "key", secret)
            self.daemon.cli("backup", "--data-file", self.kept("one.data"), "--keys-file", self.kept("one.keys"), "--region", "CN",
                            "--for", secret + ".pub", *self.daemon.here())
            self.daemon.cli("restore", target, "--data-file", self.kept("one.data"), "--keys-file", self.kept("one.keys"), "--key", secret,
                            "--master-key", self.path("master-key"), "--clock-file", self.daemon.clock)
            self.daemon.stop()
            self.daemon.data = target
            self.daemon.start()
            self.assertEqual(self.unit_file(), "month\n" if older else "month month\n")
            self.made_again()
            self.whole(person, entries)
            self.assertEqual(len({self.name_of(e) for e in entries}), 2 if older else 3)


if __name__ == "__main__":
    unittest.main()
