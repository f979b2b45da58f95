# SPDX-License-Identifier: Apache-2.0
"""troth import: many persons from a file, by the rules, with line numbers, through interruptions."""
import hashlib, json, os, signal, sqlite3, subprocess, sys, time, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
import nth, pg_server
from troth_flow import BUILD, Flow, SERVER, TROTH, on_files
from troth_people import People


def line(n, **more):
    return {"ref": "c%d" % n, "service": "shop", "birth_date": "1990-01-01",
            "consents": [{"document": "group", "state": "given", "language": "en"}],
            "data": [{"purpose": "order-payment", "values": {"order-items": "goods %d" % n}}], **more}


class Import(People):
    fresh = True

    def write(self, lines, name="people.jsonl"):
        self.path = os.path.join(self.daemon.home, name)
        with open(self.path, "w", encoding="utf-8") as f:
            f.writelines((l if isinstance(l, str) else json.dumps(l, ensure_ascii=False)) + "\n" for l in lines)
        return self.path

    def take(self, *args, code=0, **kw):
        return self.daemon.cli("import", self.path, *args, *self.daemon.here(), code=code, **kw)

    def told(self, suffix):
        with open(self.path + suffix, encoding="utf-8") as f:
            return [json.loads(l) for l in f]

    def items(self, person):
        got = self.post(f"/v1/subjects/{person}/read", {"purpose": "order-payment", "fields": ["order-items"]}, token="shop")
        return self.expect(got, 200)["values"]["order-items"]["value"]

    def test_persons_come_by_the_rules_beside_a_daemon(self):
        self.write([line(n) for n in range(1, 151)])
        said = self.take().stdout
        self.assertIn("150 persons taken in", said)
        ids = self.told(".ids")
        self.assertEqual([i["line"] for i in ids], list(range(1, 151)))
        self.assertEqual(ids[49]["ref"], "c50")
        self.assertEqual([self.items(i["id"]) for i in (ids[0], ids[62], ids[63], ids[149])],
                         ["goods 1", "goods 63", "goods 64", "goods 150"])
        rows = self.expect(self.get(f"/v1/subjects/{ids[7]['id']}/history", token="shop"), 200)["history"]
        self.assertEqual([r["kind"] for r in rows], ["collect", "consent", "subject"])
        self.assertEqual(self.told(".rejects"), [])

    def test_the_same_file_again_takes_in_nobody_twice(self):
        self.write([line(n) for n in range(1, 71)])
        self.take()
        again = json.loads(self.take("--json").stdout)
        self.assertEqual((again["before"], again["imported"]), (70, 0))
        self.assertEqual(len(self.told(".ids")), 70)

    def kept(self):
        return [open(self.path + suffix).read() for suffix in (".ids", ".rejects")]

    def test_outcomes_of_another_import_are_not_written_over(self):
        self.write([line(1), line(2, service="shup"), line(3)])
        self.take(code=1)
        told = self.kept()
        self.write([line(1), line(2), line(3)])  # corrected in place: every line would be a new person
        done = self.take(code=1)
        for words in self.path + ".ids", "file of their own", "--ids":
            self.assertIn(words, done.stderr)
        self.assertEqual(self.kept(), told)
        os.remove(self.path + ".ids")  # the refused lines alone are kept as well
        self.assertIn(self.path + ".rejects", self.take(code=1).stderr)
        self.assertEqual(open(self.path + ".rejects").read(), told[1])
        moved = [o for kind in ("ids", "rejects") for o in ("--" + kind, os.path.join(self.daemon.home, "moved." + kind))]
        self.assertEqual(json.loads(self.take("--json", *moved).stdout)["imported"], 3)

    def test_an_input_that_was_changed_is_not_gone_on_with(self):
        long = "x" * 3000
        lines = [line(n, data=[{"purpose": "order-payment", "values": {"order-items": long}}]) for n in range(1, 401)]
        self.write(lines)
        self.assertGreater(os.path.getsize(self.path), 1 << 20)  # else all of it gives its name
        self.take()
        told = self.kept()
        self.write(lines[:379] + [line(380, data=[{"purpose": "order-payment", "values": {"order-items": "y" + long[1:]}}])] + lines[380:])
        done = self.take(code=1)
        self.assertEqual(done.stdout, "")
        for words in "first 400 lines", "differs", "file of their own":
            self.assertIn(words, done.stderr)
        os.rename(self.path + ".ids", self.path + ".ids.old")
        self.take(code=1)  # with nothing told anew
        self.assertEqual(open(self.path + ".ids").read(), "")
        os.rename(self.path + ".ids.old", self.path + ".ids")
        self.assertEqual(self.kept(), told)
        self.write(lines)
        self.assertEqual(json.loads(self.take("--json").stdout)["before"], 400)

    def test_a_named_input_may_grow_and_not_shrink_or_change(self):
        self.write([line(n) for n in range(1, 131)])
        self.take("--name", "grows")
        self.write([line(n) for n in range(1, 201)])
        self.assertEqual(json.loads(self.take("--json", "--name", "grows").stdout)["imported"], 70)
        told = self.kept()
        self.write([line(n) for n in range(1, 151)])
        done = self.take("--name", "grows", code=1)
        self.assertIn("has 150 lines, and 200 were taken in", done.stderr)
        self.write([line(n) for n in range(2, 302)])
        self.assertIn("first 200 lines", self.take("--name", "grows", code=1).stderr)
        self.assertEqual(self.kept(), told)

    def test_outcomes_are_for_their_owner_only(self):
        self.write([line(1), line(2, service="shup")])
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        self.take(code=1)
        self.assertEqual([os.stat(self.path + s).st_mode & 0o777 for s in (".ids", ".rejects")], [0o600, 0o600])

    def test_an_empty_file_has_nobody_in_it(self):
        self.write([])
        done = self.take()
        self.assertIn("empty", done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertEqual(json.loads(self.take("--json").stdout), {"name": "", "lines": 0, "before": 0, "imported": 0, "refused": 0})
        self.assertFalse(os.path.exists(self.path + ".ids"))

    def told_once(self, lines, wrong):
        """Each line has one outcome, in one of the files."""
        self.assertEqual([i["line"] for i in self.told(".ids")], [n for n in range(1, lines + 1) if n not in wrong])
        self.assertEqual([i["line"] for i in self.told(".rejects")], sorted(wrong))
        ids = [i["id"] for i in self.told(".ids")]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual(self.items(ids[-1]), "goods %d" % self.told(".ids")[-1]["line"])

    def test_outcomes_that_cannot_be_written_are_said_and_told_by_the_next_try(self):
        wrong = {2, 5, 6}
        for which in "--ids", "--rejects":
            self.write([line(n, **({"service": "shup"} if n in wrong else {}), birth_date="1990-01-%02d" % (1 + len(which)))
                        for n in range(1, 11)], which + ".jsonl")
            done = self.take(which, "/dev/full", code=1)
            self.assertIn("cannot write /dev/full", done.stderr)
            self.assertIn("again", done.stderr)
            self.assertNotIn("taken in", done.stdout)
            again = json.loads(self.take("--json", code=1).stdout)  # for the lines that are wrong
            self.assertEqual(again["before"], 10)
            self.told_once(10, wrong)

    def test_a_line_that_was_half_written_is_written_anew(self):
        self.write([line(n) for n in range(1, 5)])
        self.take()
        for cut in 1, 9, 30:
            with open(self.path + ".ids", "r+") as f:
                f.truncate(os.path.getsize(self.path + ".ids") - cut)
            self.take()
            self.told_once(4, set())

    def cut(self, suffix, lines):
        with open(self.path + suffix) as f:
            kept = f.readlines()[:lines]
        with open(self.path + suffix, "w") as f:
            f.writelines(kept)

    def test_what_the_daemon_tells_no_more_is_missed(self):
        """Three batches of 63; what is lost of the last is told again, of those before it nobody can."""
        self.write([line(n) for n in range(1, 171)])
        self.take()
        self.cut(".ids", 100)
        done = self.take(code=1)
        self.assertIn("of lines 101 to 126 (26 in all), taken in before, neither", done.stderr)
        self.assertEqual([i["line"] for i in self.told(".ids")], [*range(1, 101), *range(127, 171)])

    def test_each_line_of_which_no_file_tells_is_missed(self):
        """What a later line, or the other file, tells stands for none before it."""
        self.write([line(n, **({"service": "shup"} if n == 126 else {})) for n in range(1, 171)])
        self.take(code=1)
        told = self.kept()[0].splitlines(True)
        for kept, words in (([n for n in range(1, 171) if not 11 <= n <= 100], "lines 11 to 100 (90 in all)"),
                            (range(3, 171, 2), "lines 1 to 2, 4, 6, 8 and more (63 in all)"),
                            ([], "lines 1 to 125 (125 in all)")):
            with open(self.path + ".ids", "w") as f:
                f.writelines(l for l in told if json.loads(l)["line"] in kept)
            self.assertIn("of %s, taken in before, neither" % words, self.take(code=1).stderr)
        os.rename(self.path + ".ids", self.path + ".gone")
        self.assertIn("lines 1 to 125 (125 in all)", self.take(code=1).stderr)

    def refused(self, words, *args):
        """Nothing is touched."""
        files = {n: open(n).read() for n in (os.path.join(self.daemon.home, f) for f in os.listdir(self.daemon.home)
                                             if "jsonl" in f or f == "notes.txt")}
        done = self.take(*args, code=1)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual({n: open(n).read() for n in files}, files)

    def test_a_file_that_is_no_outcome_is_not_touched(self):
        self.write([line(n) for n in range(1, 4)])
        self.take()
        notes = os.path.join(self.daemon.home, "notes.txt")
        ours = self.kept()[0]
        for text in "kept", "kept\n", '{"line":x,"id":""}\n', '{"lines":4}\n', ours + "kept", ours + "\n", "\n" + ours:
            with open(notes, "w") as f:
                f.write(text)
            for option in "--ids", "--rejects":
                self.refused("is no outcome" if option == "--ids" else "nothing was changed", option, notes)
        for cut in "{", '{"line":', '{"line":3,"id":"':  # an interrupted import leaves that
            with open(notes, "w") as f:
                f.write(ours + cut)
            self.assertEqual(self.take("--ids", notes).stderr, "")
            self.assertEqual(open(notes).read(), ours)

    def test_an_outcome_file_that_others_may_read_is_made_the_owners(self):
        self.write([line(1), line(2, service="shup")])
        self.take(code=1)
        for suffix in ".ids", ".rejects":
            os.chmod(self.path + suffix, 0o644)
        self.take()
        self.assertEqual([os.stat(self.path + s).st_mode & 0o777 for s in (".ids", ".rejects")], [0o600, 0o600])

    def test_outcomes_of_another_import_are_not_taken_for_its_own(self):
        self.write([line(n) for n in range(1, 171)], "b.jsonl")
        self.take()
        other = self.path + ".ids"
        self.write([line(n, device="a") for n in range(1, 171)], "a.jsonl")
        self.take()
        own = self.kept()[0].splitlines(True)
        self.refused("tells of line 127", "--ids", other)
        for lines in own[:126] + own[:60], own[:126] + ['{"line":171,"id":"0"}\n']:
            with open(other, "w") as f:
                f.writelines(lines)
            self.refused("is of another import", "--ids", other)
        self.cut(".ids", 169)
        with open(self.path + ".rejects", "w") as f:
            f.write('{"line":170,"problem":{}}\n')  # who was taken in
        self.refused("tells of line 170")
        os.truncate(self.path + ".rejects", 0)
        self.take("--rejects", self.path + ".ids")  # both into one file
        self.assertEqual(open(self.path + ".ids").read(), "".join(own))

    @unittest.skipIf("address" in os.path.basename(BUILD), "that sanitizer lets nothing be loaded before it")
    def test_what_an_interrupted_import_told_is_on_disk_before_it_goes_on(self):
        """Whatever that one did: its outcome files, and what names them, are synced first."""
        self.write([line(n) for n in range(1, 64)])
        self.take("--name", "goes on")
        self.write([line(n) for n in range(1, 66)])
        shim, log = nth.build_shim(self.daemon.home), os.path.join(self.daemon.home, "calls")
        for root in self.path + ".ids", self.path + ".rejects", self.daemon.home:  # there the folder is the first
            env = {**os.environ, **nth.failing(shim, root, log, 1, nth.EIO, "s")}
            done = subprocess.run([TROTH, "import", self.path, "--name", "goes on", *self.daemon.here()], capture_output=True, text=True, env=env)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot", done.stderr)
            self.assertIn("Input/output error", done.stderr)
            self.assertEqual(len(self.told(".ids")), 63)
        self.assertEqual(json.loads(self.take("--json", "--name", "goes on").stdout)["imported"], 2)

    def meta(self, *change):
        """Rows of `meta` by their names, after these statements."""
        every = "SELECT name, number, bytes FROM meta WHERE name LIKE 'import%'"
        if SERVER:
            out = pg_server.ask(SERVER, *change, every.replace("bytes", "encode(bytes, 'hex')"), database=pg_server.database_of(self.daemon.urls[0]))
            return {n: (int(number), bytes.fromhex(b)) for n, number, b in (l.split("|") for l in out.splitlines())}
        db = sqlite3.connect(os.path.join(self.daemon.data, "troth.db"))
        for sql in change:
            db.execute(sql)
        db.commit()
        rows = {name: (number, bytes(b)) for name, number, b in db.execute(every)}
        db.close()
        return rows

    def put(self, name, number, content):
        form = "decode('%s', 'hex')" if SERVER else "X'%s'"
        return "INSERT INTO meta (name, number, bytes) VALUES ('%s', %d, %s)" % (name, number, form % content.hex())

    def hints(self, text):
        """What can be tried for a file of one line, by whoever guesses it: its digest and its name, as the command makes them."""
        size = len(text.encode()) + 1
        return (hashlib.sha256(bytes(32) + text.encode()).hexdigest(),
                hashlib.sha256((text + "\n").encode() + size.to_bytes(8, sys.byteorder)).hexdigest()[:32])

    @on_files
    def test_the_database_holds_nothing_to_try_lines_by(self):
        text = json.dumps(line(1))
        digest, name = self.hints(text)
        self.write([text])
        self.assertEqual(json.loads(self.take("--json").stdout)["name"], name)
        asked = {"name": name, "from": 0, "lines": []}
        answer = self.operator("POST", "/v1/import", asked, status=200).text
        self.assertEqual([self.operator("POST", "/v1/import", {**asked, "digest": d}, status=200).json.get("same")
                          for d in (digest, "0" * 64)], [True, False])
        self.daemon.stop()
        for file in "troth.db", "troth.db-wal":
            if os.path.exists(os.path.join(self.daemon.data, file)):
                with open(os.path.join(self.daemon.data, file), "rb") as f:
                    answer += f.read().decode("latin-1")
        for hint in digest, name:
            for form in hint, bytes.fromhex(hint).decode("latin-1"):
                self.assertNotIn(form, answer)
        self.daemon.start()

    def test_what_an_older_version_kept_in_clear_goes_at_the_start(self):
        text = json.dumps(line(1))
        digest, name = self.hints(text)
        self.write([text])
        self.take()
        self.daemon.stop()
        new = self.meta()
        row = {n.split(":")[0]: n for n in new}
        self.meta("DELETE FROM meta WHERE name LIKE 'import%'", self.put("import:" + name, 1, new[row["imported"]][1]),
                  self.put("import-lines:" + name, 1, digest.encode()), self.put("import-lines:other", 4, b"0" * 64))
        self.daemon.start()
        self.daemon.stop()
        now = self.meta()
        self.assertEqual({n.split(":")[0] for n in now}, {"imported", "imported-lines"})
        self.assertEqual((len(now), {n: now.get(n) for n in new}), (3, new))
        self.daemon.start()
        self.assertEqual(json.loads(self.take("--json").stdout)["before"], 1)
        self.told_once(1, set())

    def test_of_the_last_batch_each_line_is_missed_by_itself(self):
        """Either file may have lost its end, whatever the other tells."""
        self.write([line(n, **({} if n not in (128, 170) else {"service": "shup"})) for n in range(1, 171)])
        self.take(code=1)
        for ids, rejects in ((130, 2), (127, 0), (168, 1), (126, 2)):
            self.cut(".ids", ids)
            self.cut(".rejects", rejects)
            done = self.take(code=0 if rejects == 2 else 1)
            self.assertEqual(done.stderr, "")
            self.assertEqual(sorted(i["line"] for i in self.told(".ids")), [n for n in range(1, 171) if n not in (128, 170)])
            self.assertEqual(sorted(i["line"] for i in self.told(".rejects")), [128, 170])

    def test_what_cannot_be_read_is_no_end_of_the_file(self):
        for path in self.daemon.home, os.path.join(self.daemon.home, "none"):
            self.path = path
            done = self.take("--name", "folder", "--ids", self.daemon.home + "/i", "--rejects", self.daemon.home + "/r", code=1)
            self.assertIn("cannot read " + path, done.stderr)
            self.assertEqual(done.stdout, "")
        self.write([line(1)])
        self.take()
        os.mkdir(self.path + ".x")
        for which in "--ids", "--rejects":
            self.assertIn("cannot", self.take(which, self.path + ".x", code=1).stderr)

    def test_a_line_that_is_wrong_is_told_and_the_others_go_on(self):
        good = line(1)
        self.write([good,
                    "{not json",
                    line(3, service="shup"),
                    line(4, birth_date="1990-02-30"),
                    line(5, consents=[]),
                    line(6, data=[{"purpose": "order-payment", "values": {"shoe-size": "44"}}]),
                    line(7, colour="red"),
                    line(8, consents=[{"document": "nothing", "state": "given"}]),
                    "",
                    "[1,2]",
                    line(11, data=[{"purpose": "registration-login", "values": {"contact-phone": "123"}}]),
                    line(12)])
        done = self.take(code=1)
        self.assertIn("2 persons taken in", done.stdout)
        self.assertEqual([i["line"] for i in self.told(".ids")], [1, 12])
        refused = {r["line"]: r for r in self.told(".rejects")}
        self.assertEqual(sorted(refused), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
        for number, words in ((3, "shup"), (4, "birth_date"), (5, "order-items"), (6, "shoe-size"), (7, "colour"), (8, "nothing"),
                              (10, "not a JSON object")):
            self.assertIn(words, json.dumps(refused[number]["problem"]), number)
        self.assertEqual(refused[5]["problem"]["pointer"][:7], "/data/0")
        self.assertEqual(refused[7]["input"]["ref"], "c7")
        self.assertEqual(self.expect(self.get("/healthz"), 200)["status"], "ok")

    def what_if(self):
        return json.loads(self.daemon.cli("policy", "what-if", os.path.join(self.daemon.data, "policy"), "--data", self.daemon.data,
                                          "--json").stdout)

    def test_a_child_waits_for_its_guardian_as_ever(self):
        self.write([line(1, birth_date="2018-01-01", data=[]), line(2, birth_date="2018-01-01")])
        before = self.what_if()
        self.take(code=1)
        again = self.what_if()  # who was refused never was: that is not erased, and the refusal can be decided again
        self.assertEqual((again["cannot"], again["entries"]), (before["cannot"], before["entries"] + 1))
        self.assertEqual([i["line"] for i in self.told(".ids")], [1])
        child = self.told(".ids")[0]["id"]
        self.assertEqual(self.expect(self.get(f"/v1/subjects/{child}", token="shop"), 200)["state"], "awaiting_guardian")
        self.assertIn("refused", json.dumps(self.told(".rejects")[0]["problem"]))

    def test_killed_again_and_again_it_takes_in_each_line_once(self):
        self.daemon.stop()  # the tool opens the folder itself
        lines = 3000
        self.write([line(n) for n in range(1, lines + 1)])
        command = [TROTH, "import", self.path, *self.daemon.here()]
        for kill in range(40):
            p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            before = os.path.getsize(self.path + ".ids") if os.path.exists(self.path + ".ids") else 0
            while kill < 3 and p.poll() is None:
                if os.path.exists(self.path + ".ids") and os.path.getsize(self.path + ".ids") > before + 3000:
                    p.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.002)
            if p.wait() == 0:
                break
        ids = self.told(".ids")
        self.assertEqual([i["line"] for i in ids], list(range(1, lines + 1)))
        self.assertEqual(len({i["id"] for i in ids}), lines)
        self.daemon.start()
        self.assertEqual([self.items(ids[k]["id"]) for k in (0, 1500, lines - 1)], ["goods 1", "goods 1501", "goods %d" % lines])
        said = self.daemon.cli("audit", "verify", self.daemon.data, code=0).stdout
        self.assertIn("entries", said)

    def test_from_standard_input_by_name(self):
        self.path = "-"
        text = "".join(json.dumps(line(n)) + "\n" for n in range(1, 6))
        ids, rejects = os.path.join(self.daemon.home, "i"), os.path.join(self.daemon.home, "r")
        self.take(code=2, stdin=text)
        self.assertIn("5 persons", self.take("--name", "spring", "--ids", ids, "--rejects", rejects, stdin=text).stdout)
        self.assertIn("5 lines were taken in before", self.take("--name", "spring", "--ids", ids, "--rejects", rejects, stdin=text).stdout)

    def test_only_the_operator(self):
        self.problem(self.post("/v1/import", {"name": "x", "from": 1, "lines": []}, token="shop"), 403, "forbidden")
