# SPDX-License-Identifier: Apache-2.0
"""Commands on the texts of a policy: check --json, format, coverage, export."""
import hashlib, json, os, re, shutil, tempfile, unittest

from troth_flow import POLICY, ROOT, run_troth

KINDS = ["syntax", "name", "contradiction", "silent-lifting", "unranked-overlap", "cycle", "broken-promise",
         "no-keep-rule", "dead-norm", "redundant-norm", "unused", "unmasked", "uncovered", "untranslated"]
CASES = os.path.join(ROOT, "tests", "cases", "policy")
MUST = {"kind": str, "message": str, "file": str, "line": int, "column": int, "clause": str}
MAY = {"other": str, "witness": str}
# Concepts and relations of DPV 2 that the export may use by itself (terms of names come from the policy).
DPV = {"Processing", "Entity", "DataSubject", "Service", "Location", "Recipient", "Purpose", "LegalBasis", "PersonalData",
       "PrivacyNotice", "Permission", "Prohibition", "Obligation", "Rule", "Context", "TechnicalOrganisationalMeasure"}
RELATIONS = {"dpv:isBefore", "dpv:isAfter", "dpv:hasContext", "dpv:hasDuration", "dpv:hasTechnicalOrganisationalMeasure"} | {"dpv:has" + x for x in ["Processing", "Entity", "DataSubject", "Service", "Location", "Recipient", "Purpose",
                                     "LegalBasis", "PersonalData"]}


class Folder(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="troth-text-")
        self.addCleanup(shutil.rmtree, self.home)

    def copy(self, source):
        return shutil.copytree(source, os.path.join(self.home, "policy"))

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        return path

    def read(self, *names):
        with open(os.path.join(self.home, *names), encoding="utf-8", newline="") as f:
            return f.read()


class Named(Folder):
    """What stands under a name that is not read is told, never left out in silence."""

    def setUp(self):
        super().setUp()
        self.folder = self.copy(os.path.join(ROOT, "tests", "cases", "policies", "mini"))

    def check(self):
        return run_troth("policy", "check", self.folder)

    def test_a_block_under_a_name_that_is_not_read_is_an_error(self):
        for name in ["q.copy.md", "q.2026.md", "q.zh_CN.md", "q.MD", "q.markdown", "q.md.txt"]:
            path = self.write("policy/" + name, "# Q\n\n```rule q.x\nwe must not use phone.\n```\n")
            done = self.check()
            self.assertEqual(done.returncode, 1, name + done.stderr)
            self.assertIn(name + ":3:1: error: this file is not read: a document is named NAME.md", done.stdout)
            os.remove(path)

    def test_no_command_on_texts_passes_it_over(self):
        path = self.write("policy/q.copy.md", "# Q\n\n```rule q.x\nwe must not use phone.\n```\n")
        for command in [("format", "--check"), ("coverage",), ("coverage", "--json"), ("export",), ("render", "--out", self.home + "/out"), ("tests",), ("prove",)]:
            done = run_troth("policy", command[0], self.folder, *command[1:])
            self.assertIn(done.returncode, (1, 2), (command, done.stderr))
            self.assertIn("this file is not read: a document is named NAME.md", done.stderr + done.stdout, command)
        os.remove(path)
        self.assertEqual(run_troth("policy", "coverage", self.folder).returncode, 0)

    def test_other_files_may_stand_in_the_folder(self):
        self.write("policy/notes.draft.md", "# Notes\n\n```sh\nls\n```\n")
        self.write("policy/.#q.md", "```rule q.x\n```\n")
        self.write("policy/cases.txt", "```rule q.x\n```\n")
        self.assertEqual(self.check().returncode, 0)

    def test_what_is_not_a_file_is_refused(self):
        os.mkfifo(os.path.join(self.folder, "x.md"))
        done = self.check()
        self.assertEqual(done.returncode, 2)
        self.assertIn("x.md: it is a pipe or a device", done.stderr)


class Check(unittest.TestCase):
    def expect_schema(self, folder, unreadable=False):
        done = run_troth("policy", "check", folder, "--json")
        out = json.loads(done.stdout)
        self.assertEqual(set(out), {"errors", "warnings", "counts"})
        self.assertEqual(list(out["counts"]), KINDS)
        for message in out["errors"] + out["warnings"]:
            for name, kind in MUST.items():
                self.assertIsInstance(message[name], kind, message)
            self.assertLessEqual(set(message), set(MUST) | set(MAY), message)
            self.assertTrue(all(isinstance(message[n], str) and message[n] for n in MAY if n in message), message)
            self.assertIn(message["kind"], KINDS)
            self.assertTrue(message["line"] >= 1 and message["column"] >= 1 and message["message"])
        self.assertEqual(done.returncode, 2 if unreadable else 1 if out["errors"] else 0)
        if len(out["errors"]) + len(out["warnings"]) < 200:
            self.assertEqual(sum(out["counts"].values()), len(out["errors"]) + len(out["warnings"]))
        return out

    def test_check_json_of_every_case(self):
        for name in sorted(os.listdir(CASES)):
            with self.subTest(name):
                self.expect_schema(os.path.join(CASES, name))

    def test_check_json_of_the_reference_policy(self):
        self.assertEqual(self.expect_schema(POLICY)["errors"], [])

    def test_check_of_a_folder_with_too_much(self):
        """Every file may be read by itself; together they are no policy."""
        home = tempfile.mkdtemp(prefix="troth-text-")
        self.addCleanup(shutil.rmtree, home)
        big = os.path.join(home, "a.md")
        with open(big, "w", encoding="utf-8") as f:
            f.write("words and words\n" * (1 << 18))  # 4 MiB, as much as one may have
        for i in range(4):
            os.link(big, os.path.join(home, "b%d.md" % i))
        for command in ("check", "export", "coverage", "format"):
            done = run_troth("policy", command, home)
            self.assertEqual((done.returncode, done.stdout), (2, ""), command)
            self.assertIn("has policy files of more than 16 MiB together", done.stderr)
            self.assertIn("take out what is not part of it", done.stderr)
        for i in range(257):
            open(os.path.join(home, "c%d.md" % i), "w").close()
        for name in ["a.md"] + ["b%d.md" % i for i in range(4)]:
            os.remove(os.path.join(home, name))
        self.assertIn("holds more than 256 policy files", run_troth("policy", "check", home).stderr)
        for i in range(257):
            os.remove(os.path.join(home, "c%d.md" % i))
        with open(big, "w", encoding="utf-8") as f:
            f.truncate(50 << 20)
        done = run_troth("policy", "check", home)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("a.md", done.stderr)
        self.assertIn("4194304", done.stderr)
        error = self.expect_schema(home, unreadable=True)["errors"][0]
        self.assertEqual((error["kind"], error["file"]), ("syntax", home))
        self.assertIn("4194304", error["message"])

    def test_check_of_more_than_a_million_sentences(self):
        """As many as a folder may hold bytes for: the first beyond the limit is named, all are counted, and it ends."""
        home = tempfile.mkdtemp(prefix="troth-bomb-")
        self.addCleanup(shutil.rmtree, home)
        names = ("# Words\n\n```catalogue\ncategory c grade 1: b.\noperation a.\nactor us: s.\npurpose u.\nparty own.\n```\n\n")
        sentences = 0
        for i in range(4):
            begin = names if i == 0 else ""
            begin += '```document\ndocument d%d "D".\nrevision 1 in force from 2026-01-01.\n```\n\n```rule r\n' % i
            n = ((4 << 20) - len(begin) - 8) // len("we may a b.\n")
            sentences += n
            with open(os.path.join(home, "d%d.md" % i), "w", encoding="utf-8") as f:
                f.write(begin + "we may a b.\n" * n + "```\n")
        self.assertGreater(sentences, 1000000)
        out = json.loads(run_troth("policy", "check", home, "--json").stdout)
        self.assertEqual(out["counts"]["syntax"], sentences - 4096)
        self.assertEqual(len(out["errors"]), 200)
        first = out["errors"][0]
        self.assertEqual((first["file"], first["clause"]), ("d0.md", "d0/r"))
        self.assertEqual(first["line"], (names + "```document\n\n\n```\n\n```rule r\n").count("\n") + 4097)
        self.assertIn("a policy has at most 4096 norms", first["message"])

    def test_check_names_folder_that_is_not_there(self):
        out = self.expect_schema("/nowhere", unreadable=True)
        self.assertEqual((len(out["errors"]), out["counts"]["syntax"]), (1, 1))
        self.assertIn("/nowhere", out["errors"][0]["message"])


class Format(Folder):
    def test_format_check_of_the_reference_policy(self):
        done = run_troth("policy", "format", POLICY, "--check")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_format_changes_only_what_it_must(self):
        folder = self.copy(os.path.join(CASES, "bookshop"))
        before = {n: self.read("policy", n) for n in os.listdir(folder) if n.endswith(".md")}
        path = os.path.join(folder, "shop.md")
        with open(path, "a", encoding="utf-8") as out:
            out.write("\nProse   stays.\n\n```rule late\nwe may   use email\nfor ordering .\n```\n")
        os.chmod(path, 0o640)
        self.assertEqual(run_troth("policy", "format", folder, "--check").returncode, 1)
        self.assertNotIn("for ordering.", self.read("policy", "shop.md"))
        self.assertEqual(run_troth("policy", "format", folder).returncode, 0)
        self.assertIn("Prose   stays.\n\n```rule late\nwe may use email for ordering.\n```\n", self.read("policy", "shop.md"))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        again = run_troth("policy", "format", folder)
        self.assertEqual((again.returncode, again.stdout), (0, ""))
        self.assertEqual(set(before), {n for n in os.listdir(folder) if n.endswith(".md")})

    def test_format_one_file(self):
        path = self.write("x.md", "```rule a\r\nwe  may use any.\r\n```\r\n")
        self.assertEqual(run_troth("policy", "format", path).stdout, path + "\n")
        self.assertEqual(self.read("x.md"), "```rule a\r\nwe may use any.\r\n```\r\n")

    def test_format_refuses_what_it_cannot_read(self):
        text = "```rule a\nwe  may use any\uff0c x.\n```\n"
        path = self.write("x.md", text)
        done = run_troth("policy", "format", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("x.md:2:16: error", done.stderr)
        self.assertEqual(self.read("x.md"), text)
        self.assertEqual(run_troth("policy", "format", os.path.join(self.home, "nothing.md")).returncode, 2)


class Coverage(Folder):
    def test_coverage_of_the_reference_policy(self):
        done = run_troth("policy", "coverage", POLICY, "--json")
        out = json.loads(done.stdout)
        self.assertEqual((done.returncode, out["uncovered"]), (0, 0))
        self.assertIn("group", [d["document"] for d in out["documents"]])
        for document in out["documents"]:
            for section in document["sections"]:
                self.assertEqual(set(section), {"heading", "line", "rules", "plains", "declarations", "uncovered"})

    def test_coverage_names_the_bare_section(self):
        folder = self.copy(os.path.join(CASES, "bookshop"))
        with open(os.path.join(folder, "shop.md"), "a", encoding="utf-8") as out:
            out.write("\n## Words only\n\nNobody enforces this.\n\n## A heading only\n")
        done = run_troth("policy", "coverage", folder)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"uncovered +Words only \(shop\.md:\d+\)")
        self.assertNotIn("uncovered           A heading only", done.stdout)
        bare = [s for d in json.loads(run_troth("policy", "coverage", folder, "--json").stdout)["documents"]
                for s in d["sections"] if s["uncovered"]]
        self.assertEqual([s["heading"] for s in bare], ["Words only"])

    def test_coverage_of_broken_and_missing_folders(self):
        self.write("x.md", "# X\n\n```rule a\nthis is no sentence\n```\n")
        self.write("y.md", "Nothing at all.\n")
        done = run_troth("policy", "coverage", self.home)
        self.assertEqual(done.returncode, 1)
        self.assertIn("y.md: no block in it is read", done.stdout)
        self.assertEqual(run_troth("policy", "coverage", "/nowhere").returncode, 2)


class Export(Folder):
    def export(self, *args):
        done = run_troth("policy", "export", POLICY, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_export_holds_the_whole_policy(self):
        out = self.export()
        self.assertEqual(set(out), {"language", "compiled", "documents", "catalogue", "clauses", "norms", "promises", "duties"})
        known = {c["document"] + "/" + c["id"] for c in out["clauses"]}
        fields = {f["name"] for f in out["catalogue"]["fields"]}
        self.assertEqual(len(fields), 96)
        for row in out["norms"] + out["promises"] + out["duties"]:
            self.assertIn(row["clause"], known)
        for norm in out["norms"]:
            self.assertIn(norm["kind"], ["grant", "bar", "condition", "waiver"])
            self.assertLessEqual(set(norm.get("fields", [])), fields)
            self.assertEqual(norm["kind"] == "condition", "must" in norm)
            self.assertEqual(norm["kind"] == "waiver", "need_not" in norm)
        profile = next(n for n in out["norms"] if n["clause"] == "group/account.profile")
        self.assertEqual(sorted(profile["only_with"][0]), ["agreement", "consent"])
        notice = next(d for d in out["duties"] if d["clause"] == "group/incident.notice" and d["deed"] == "notify-affected")
        self.assertEqual(notice, {"clause": "group/incident.notice", "event": "incident-confirmed", "actor": "security-team",
                                  "deed": "notify-affected", "by": ["e-mail", "letter", "phone", "push"],
                                  "deadline": {"number": 3, "unit": "days", "after": "incident-confirmed"},
                                  "otherwise": "publish-notice"})
        group = next(d for d in out["documents"] if d["name"] == "group")
        self.assertEqual(group["means"], {"promptly": "3 days"})
        phone = next(f for f in out["catalogue"]["fields"] if f["name"] == "contact-phone")
        self.assertEqual(phone, {"name": "contact-phone", "category": "contact-direct", "grade": 3,
                                 "term": "pd:TelephoneNumber"})

    def test_identity_of_texts_and_of_what_decides(self):
        out, digest = self.export(), {}
        for document in out["documents"]:
            with open(os.path.join(POLICY, document["file"]), "rb") as f:
                digest[document["name"]] = hashlib.sha256(f.read()).hexdigest()
        self.assertEqual({d["name"]: d["sha256"] for d in out["documents"]}, digest)
        self.assertRegex(out["compiled"]["sha256"], "^[0-9a-f]{64}$")

    def test_prose_changes_the_text_and_not_what_decides(self):
        folder = self.copy(POLICY)
        before = json.loads(run_troth("policy", "export", folder).stdout)
        with open(os.path.join(folder, "games.md"), "a", encoding="utf-8") as f:
            f.write("\nA last word.\n")
        prose = json.loads(run_troth("policy", "export", folder).stdout)
        self.assertEqual(prose["compiled"], before["compiled"])
        changed = [d["name"] for d, e in zip(prose["documents"], before["documents"]) if d["sha256"] != e["sha256"]]
        self.assertEqual(changed, ["games"])
        with open(os.path.join(folder, "games.md"), "a", encoding="utf-8") as f:
            f.write("\n```rule last\nwe must not use any of child for delivery.\n```\n")
        rules = json.loads(run_troth("policy", "export", folder).stdout)
        self.assertNotEqual(rules["compiled"]["sha256"], before["compiled"]["sha256"])

    def test_export_counts_agree_with_the_text(self):
        out = self.export()
        blocks = 0
        for name in os.listdir(POLICY):
            if name.count(".") == 1:
                with open(os.path.join(POLICY, name), encoding="utf-8") as f:
                    blocks += len(re.findall(r"^```(?:rule|plain|document)\b", f.read(), re.M))
        self.assertEqual(len(out["clauses"]), blocks)

    def test_export_dpv_is_json_ld(self):
        out = self.export("--dpv")
        self.assertEqual(set(out), {"@context", "@graph"})
        context = out["@context"]
        self.assertEqual(context["dpv"], "https://w3id.org/dpv#")
        self.assertEqual(context["pd"], "https://w3id.org/dpv/pd#")
        prefixes = {k for k in context if not k.startswith("@")}
        ids = [node["@id"] for node in out["@graph"]]
        self.assertEqual(len(ids), len(set(ids)))
        for node in out["@graph"]:
            self.expect_node(node, prefixes, set(ids))

    def expect_node(self, node, prefixes, ids):
        types = node["@type"] if isinstance(node["@type"], list) else [node["@type"]]
        self.assertIn(types[0], {"dpv:" + c for c in DPV} | {"skos:Concept"})
        for word in [node["@id"]] + types + [k for k in node if not k.startswith("@")]:
            self.assertIn(word.split(":")[0], prefixes)
        for name, value in node.items():
            if name.startswith("dpv:"):
                self.assertIn(name, RELATIONS)
                self.assertTrue(value)
            targets = value if isinstance(value, list) else [value]
            for target in targets:
                if isinstance(target, dict) and "@id" in target:
                    self.assertIn(target["@id"], ids)

    def test_export_dpv_carries_the_terms(self):
        nodes = {n["@id"]: n for n in self.export("--dpv")["@graph"]}
        self.assertEqual(nodes["policy:field/contact-phone"]["@type"], ["dpv:PersonalData", "pd:TelephoneNumber"])
        self.assertEqual(nodes["policy:purpose/delivery"]["@type"], ["dpv:Purpose", "dpv:DeliveryOfGoods"])
        bar = next(n for n in nodes.values() if n.get("dct:source") == "group/account.browse"
                   and n["@type"] == "dpv:Prohibition")
        self.assertEqual(bar["dpv:hasPurpose"], [{"@id": "policy:purpose/basic-service"}])

    def test_export_dpv_tells_the_whole_of_a_duty(self):
        nodes = {n["@id"]: n for n in self.export("--dpv")["@graph"]}
        duties = [n for i, n in nodes.items() if i.startswith("policy:duty/")]
        self.assertEqual(len(duties), len(self.export()["duties"]))
        notice = next(n for n in duties if n["dct:source"] == "group/incident.notice" and "policy:otherwise" in n)
        self.assertEqual(notice["dpv:hasContext"], {"@id": "policy:event/incident-confirmed"})
        self.assertEqual(notice["dpv:hasEntity"], {"@id": "policy:actor/security-team"})
        self.assertEqual(notice["dpv:hasTechnicalOrganisationalMeasure"], {"@id": "policy:deed/notify-affected"})
        self.assertEqual([c["@id"] for c in notice["dct:medium"]],
                         ["policy:channel/" + c for c in ("e-mail", "letter", "phone", "push")])
        self.assertEqual(notice["dpv:hasDuration"], {"@type": "dpv:TemporalDuration", "dct:description": "3 days",
                                                     "rdf:value": {"@type": "xsd:duration", "@value": "P3D"}})
        self.assertEqual(notice["policy:otherwise"], {"@id": "policy:deed/publish-notice"})
        ahead = next(n for n in duties if n.get("dpv:isBefore") == {"@id": "policy:event/revision-in-force"})
        self.assertEqual(ahead["dpv:hasDuration"]["dct:description"], "15 days")
        self.assertEqual(nodes["policy:channel/site"]["skos:definition"], "a notice in the services")

    def test_export_dpv_has_the_promises(self):
        promises = [n for n in self.export("--dpv")["@graph"] if n["@id"].startswith("policy:promise/")]
        self.assertEqual([n["dct:source"] for n in promises], [p["clause"] for p in self.export()["promises"]])
        self.assertTrue(promises and all(n["dct:type"] == "promise" for n in promises))

    def test_a_condition_of_a_duty_is_exported_as_it_was_compiled(self):
        folder = self.copy(os.path.join(CASES, "duty-names"))
        done = run_troth("policy", "export", folder)
        self.assertEqual(done.returncode, 1)  # the case has faults; without them:
        with open(os.path.join(folder, "terms.md"), encoding="utf-8") as f:
            text = f.read().split("```rule faults")[0]
        with open(os.path.join(folder, "terms.md"), "w", encoding="utf-8") as f:
            f.write(text)
        duty = json.loads(run_troth("policy", "export", folder).stdout)["duties"][0]
        self.assertEqual(duty["condition"], "(consent or not opted-out)")
        self.assertEqual(sorted(duty["when"]), [["consent"], ["not opted-out"]])
        self.assertEqual((duty["to"], duty["by"]), (["guardians", "regulator"], ["letter", "site"]))

    def test_export_refuses_errors(self):
        self.write("x.md", "```rule a\nno\n```\n")
        done = run_troth("policy", "export", self.home)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
