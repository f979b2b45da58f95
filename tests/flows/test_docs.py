# SPDX-License-Identifier: Apache-2.0
"""What the documents show is done as they show it: examples are taken out of README.md and docs/ and run."""
import configparser, json, os, re, shlex, shutil, socket, subprocess, tempfile, unittest

import troth_worked
from troth_flow import ROOT, TROTH, Flow, run_troth, on_files


def document(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


def block(name, opening, marks="```"):
    """The first code block of a document whose text holds these words."""
    for found in re.findall(r"^%s\w*\n(.*?)^%s$" % (marks, marks), document(name), re.M | re.S):
        if opening in found:
            return found
    raise AssertionError("%s has no block with %r" % (name, opening))


class Readme(Flow):
    def test_the_five_minutes(self):
        """Literally, but for the address, the folder, and the id that a person would copy from the first answer."""
        lines = block("README.md", "URL=http").split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith("ID=..."))
        lines[at] = """ID=$(sed -n 's/.*"id":"\\([^"]*\\)".*/\\1/p' "$FIRST")"""
        lines[at - 1] += " | tee \"$FIRST\""
        script = "\n".join(lines).replace("http://127.0.0.1:8080", "http://127.0.0.1:%d" % self.daemon.port)
        script = script.replace("data/demo-tokens.json", self.daemon.data + "/demo-tokens.json")
        script = script.replace("build/troth audit verify data", "%s audit verify %s" % (TROTH, self.daemon.data))
        done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=300,
                              env={**os.environ, "FIRST": os.path.join(self.daemon.home, "first")})
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        said = [line for line in done.stdout.split("\n") if line and not line.endswith("no signed head covers them yet")]
        promised = ['"band":"adult"', '"reason":"no_agreement"', '"receipt"', '"stored":1', '"answer":"allow-masked"',
                    '"reason":"consent_required"', '"history"', '"erased":true', "every one as it was recorded"]
        self.assertEqual(len(said), len(promised), done.stdout)
        for line, words in zip(said, promised):
            self.assertIn(words, line)

    def test_what_a_policy_says_before_anything_runs(self):
        for line in block("README.md", "policy explain").strip().split("\n"):
            words = shlex.split(line)
            self.assertEqual(words[0], "build/troth")
            done = subprocess.run([TROTH, *words[1:]], cwd=ROOT, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_addresses_in_a_browser(self):
        for path in re.search(r"In a browser: (.*?)\n\n", document("README.md"), re.S).group(1).split("`")[1::2]:
            self.assertEqual(self.get(path).status, 200, path)


class Operating(Flow):
    def test_the_unit_for_systemd_says_what_the_daemon_understands(self):
        """And lets it lock its memory, or the unit would not start."""
        unit = configparser.ConfigParser()
        unit.read_string(block("docs/operating.md", "[Service]"))
        self.assertEqual(unit["Service"]["LimitMEMLOCK"], "infinity")
        program, _, *options = shlex.split(unit["Service"]["ExecStart"])
        self.assertEqual(program, "/usr/local/bin/trothd")  # PREFIX of the Makefile
        done = subprocess.run([TROTH + "d", os.path.join(self.daemon.home, "none"), *options], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, "There is no data folder|the memory cannot be locked")


class Language(Flow):
    def test_the_first_look_is_a_policy(self):
        """The example is clean, runs in a daemon, and its ban answers as the prose says."""
        folder = os.path.join(self.daemon.home, "shop")
        os.mkdir(folder)
        with open(os.path.join(folder, "shop.md"), "w") as f:
            f.write(block("docs/policy-language.md", "bookshop", "````"))
        done = run_troth("policy", "check", folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(done.stdout.startswith("0 errors, 0 warnings;"), done.stdout)
        request = "operation=use field=email purpose=marketing facts=opted-out"
        done = run_troth("policy", "explain", folder, "--request", request, "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((answer["answer"], answer["clause"], answer["reason"]), ("deny", "shop/marketing.stop", "unsubscribed"))
        done = run_troth("init", os.path.join(self.daemon.home, "shop-data"), "--policy", folder)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_lesson_and_its_nine_exercises_print_what_they_show(self):
        """Each attempt gives its message word for word, and each answer is a clean text that decides as stated."""
        shown = troth_worked.run(document("docs/policy-language.md"), os.path.join(self.daemon.home, "lesson"))
        wrong = [str(one) for one in shown if not one.agrees()]
        self.assertEqual(wrong, [], "\n\n".join(wrong))
        exercises = {}
        for one in shown:
            if one.heading.startswith("### Exercise"):
                exercises.setdefault(one.heading, []).append(one.got)
        self.assertEqual([re.search(r"\d+", h).group(0) for h in exercises], list("123456789"))
        clean = re.compile("^0 errors, 0 warnings;", re.M)
        for heading, (attempt, *answer) in exercises.items():
            self.assertNotRegex(attempt, clean, heading)
            self.assertTrue("not known" in heading or clean.match(answer[0]), heading)
            self.assertIn("<details><summary>Answer</summary>", document("docs/policy-language.md").split(heading)[1][:2600])

    def test_the_words_of_the_daemon_are_those_listed(self):
        """Each word and group of the tables is one the code asks for, and what the code asks for is in the tables."""
        text = document("docs/policy-reference.md").split("## Words the daemon speaks")[1].split("\n## ")[0]
        rows = "\n".join(line for line in text.split("\n") if line.startswith("|"))
        listed = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", rows)) - {"your-wishes", "username", "password", "letter", "us", "cn", "order-incomplete"}
        code = "".join(document("src/" + name) for name in self.SPEAKING)
        asked = set(re.findall(r'gate_word\([^;]*?DIM_\w+, "([a-z-]+)"\)', code))
        self.assertGreater(len(asked), 5)
        self.assertLessEqual(asked - {"us"}, listed)
        spoken = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', code + document("src/subject/subject_rules.c")))
        self.assertEqual(listed - spoken, set())
        masks = set(re.findall(r"`([a-z-]+)`", text.split("Masks that the daemon knows:")[1]))
        self.assertEqual(masks, set(re.findall(r'\{"([a-z-]+)", \d', document("src/gate/gate_mask.c"))))

    SPEAKING = ["gate/gate_words.c", "gate/gate_resolve.c", "gate/gate_send.c", "gate/gate_read.c", "gate/gate_value.c", "gate/gate_age.c",
                "gate/gate_decide.c", "gate/gate_facts.c", "gate/gate_collect.c", "web/api_account.c", "web/api_data.c"]

    def test_a_worked_document_that_tells_another_story_is_noticed(self):
        text = "# T\n\n`shop/a.md`:\n\n````markdown\n# A\n````\n\n## H\n\n```console\n$ cat shop/a.md\n# A\n$ echo b…\nb\n$ echo one 2 three\none … three\n```\n"
        shown = troth_worked.run(text, os.path.join(self.daemon.home, "other"))
        self.assertEqual([one.agrees() for one in shown], [True, False, True])

    def test_the_version_is_the_one_that_runs(self):
        version = re.search(r"Version (\d+\.\d+) of the language", document("docs/policy-reference.md")).group(1)
        self.assertIn("policy language " + version, run_troth("--version").stdout)

    def test_every_source_and_reason_listed_is_known_and_no_other(self):
        text = document("docs/policy-reference.md")
        needs = re.findall(r"^\| `([a-z-]+)` \|", text.split("Sources of needs:")[1].split("Sources of facts:")[0], re.M)
        facts = re.findall(r"^\| `([a-z-]+)` \|", text.split("Sources of facts:")[1].split("Reasons are")[0], re.M)
        reasons = re.findall(r"`([a-z-]+)`", text.split("Reasons are a closed list:")[1].split("\n\n")[0])
        code = document("src/policy/policy_catalogue.c")
        for name, listed in (("need_sources", needs), ("fact_sources", facts), ("reasons", reasons)):
            table = re.search(r"%s\[\] = \{(.*?)\}" % name, code, re.S).group(1)
            self.assertEqual(re.findall(r'"([a-z-]+)"', table), listed, name)
        gate = document("src/gate/gate_facts.c")
        self.assertEqual(sorted(re.findall(r'\{"([a-z-]+)", held_', gate)), sorted(needs))
        self.assertEqual(sorted(re.findall(r'\{"([a-z-]+)", fact_', gate)), sorted(facts))


class Tutorial(unittest.TestCase):
    def test_from_an_empty_folder_to_a_checked_record(self):
        """The tutorial as it stands, on a port of its own; a reader waits for the daemon's address, and so does the script."""
        home = tempfile.mkdtemp(prefix="troth-flow-")
        self.addCleanup(shutil.rmtree, home)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        serve = "$ troth serve data 2> log &"
        self.assertIn(serve, document("docs/policy-tutorial.md"))

        def change(script):
            here = "troth serve data --listen 127.0.0.1:%d 2> log &\nuntil curl -s -o health http://127.0.0.1:%d/healthz; do sleep 0.1; done"
            return script.replace(serve[2:], here % (port, port)).replace("127.0.0.1:8080", "127.0.0.1:%d" % port)

        shown = troth_worked.run(document("docs/policy-tutorial.md"), home, keep=True, change=change)
        for one in shown:
            one.got = (one.got or "").replace("127.0.0.1:%d" % port, "127.0.0.1:8080")
        wrong = [str(one) for one in shown if not one.agrees()]
        self.assertEqual(wrong, [], "\n\n".join(wrong))
        self.assertGreater(len(shown), 30)


class Operating(Flow):
    def test_services_and_recipients_are_registered_as_shown(self):
        for line in block("docs/operating.md", "troth service add").strip().split("\n"):
            words = shlex.split(line.replace("DIR", self.daemon.data), comments=True)
            if words[1:3] == ["service", "add"]:
                words += ["--renew"]  # the demo has a shop already
            done = run_troth(*words[1:])
            self.assertEqual(done.returncode, 0, line + done.stderr)

    @on_files
    def test_a_backup_is_taken_and_restored_as_shown(self):
        home = tempfile.mkdtemp(prefix="troth-flow-")
        self.addCleanup(shutil.rmtree, home)
        data = self.daemon.data
        places = {"/media/offline": home, "/mnt/a": home, "/mnt/b": home, "backup-key.pub": home + "/backup-key.pub", "DIR": data}
        shutil.copy(os.path.join(data, "master-key"), home)
        shutil.copy(os.path.join(data, "erased.ledger"), home)

        def here(word):
            for shown, real in places.items():
                if word == shown or word.startswith(shown + "/"):
                    return real + word[len(shown):]
            return os.path.join(home, word) if word in ("NEW", "data-1", "keys-2", "erased.ledger") else word

        blocks = [block("docs/operating.md", what) for what in ("troth backup key", "--data-file /mnt/a", "troth restore NEW")]
        for line in "".join(blocks).strip().split("\n"):
            words = [here(w) for w in shlex.split(line, comments=True)]
            if words[1] != "serve":
                done = run_troth(*words[1:])
                self.assertEqual(done.returncode, 0, line + done.stderr)
        done = run_troth("backup", "check", os.path.join(home, "data-1"), "--key", os.path.join(home, "backup-key"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(os.path.join(home, "NEW", "troth.db")))

    @on_files
    def test_the_files_of_the_folder_are_those_listed(self):
        listed = re.findall(r"^\| ((?:`[\w./-]+`(?:, )?)+) \|", document("docs/operating.md"), re.M)
        names = {name.rstrip("/") for cell in listed for name in re.findall(r"`([^`]+)`", cell)}
        there = {n for n in os.listdir(self.daemon.data) if not n.endswith(("-wal", "-shm")) and n != "demo-tokens.json"}
        here = {"troth.db", "keys.db"} if os.path.exists(os.path.join(self.daemon.data, "database")) else {"database"}
        self.assertEqual(there - names, set())
        self.assertEqual(names - there, {"moved.json", "migration"} | here)


class Services(Flow):
    def test_every_address_exists(self):
        paths = {re.sub(r"\{\w+\}", "{}", path): rows for path, rows in self.get("/openapi.json").json["paths"].items()}
        shown = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`? ]+)", document("docs/services.md"))
        self.assertGreater(len(shown), 10)
        for method, path in shown:
            self.assertIn(method.lower(), paths.get(re.sub(r"\{\w+\}", "{}", path), {}), "%s %s" % (method, path))

    def test_the_decision_shown_is_understood(self):
        body = json.loads(block("docs/services.md", '"subject"').replace("0f…", self.person("1990-05-05")))
        run_troth("recipient", "add", body["recipient"], "--class", "logistics-company", "--data", self.daemon.data)
        answer = self.expect(self.post("/v1/decisions", body, token="shop"), 200)
        self.assertEqual(sorted(answer["fields"]), sorted(body["fields"]))
        for name in ("answer", "obligations", "revision", "entry"):
            self.assertIn(name, answer)
        for field in answer["fields"].values():
            self.assertLessEqual({"answer", "clause", "reason"}, set(field))
            self.assertNotIn("-", field["reason"])  # words of the policy, with `_`

    def test_names_may_be_spelled_with_dots(self):
        for spelled in ("contact.phone", "contact_phone", "contact-phone"):
            field = self.decide("shop", "delivery", [spelled])["fields"][spelled]
            self.assertEqual(field["clause"], "group/order.place")
