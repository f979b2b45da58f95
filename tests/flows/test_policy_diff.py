# SPDX-License-Identifier: Apache-2.0
"""`troth policy diff`, `effect` and `tests`: exit codes, both forms of the answers, and what they say of an edit."""
import json, os, shutil, tempfile, unittest

from troth_flow import POLICY, ROOT, run_troth

SHARED = os.path.join(os.path.dirname(ROOT), "shared", "reference-policy")
EFFECTS = ["none", "neutral", "protects", "reduces"]
DIFFERS = {"more-allowed", "less-allowed", "deed-gone", "deed-new", "mask-weaker", "mask-stronger", "later", "earlier",
           "gone", "new", "fewer", "wider", "other", "who"}
KINDS = {"answers", "scope", "duty", "promise", "meaning", "grade", "source"}


def said(*words):
    done = run_troth("policy", *words)
    return done.returncode, done.stdout, done.stderr


def answer_of(folder, request):
    out = run_troth("policy", "explain", folder, "--request", request, "--json").stdout
    return json.loads(out)["answer"]


class Folders(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="troth-diff-")
        self.addCleanup(shutil.rmtree, self.home)

    def edited(self, *edits, document="group.md"):
        """A copy of the reference policy in which each (from, to) was replaced once."""
        folder = tempfile.mkdtemp(dir=self.home)
        shutil.copytree(POLICY, folder, dirs_exist_ok=True)
        path = os.path.join(folder, document)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for before, after in edits:
            self.assertEqual(text.count(before), 1, before)
            text = text.replace(before, after)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return folder


class Diff(Folders):
    more = ("we may use contact-phone, contact-email, derived-preferences for direct-marketing",
            "we may use contact-phone, contact-email, derived-preferences, content-posts for direct-marketing")
    channel = ("when service-closing, we must notify-users by site, push, popup before",
               "when service-closing, we must notify-users by site, popup before")

    def expect_schema(self, out):
        answer = json.loads(out)
        self.assertEqual(list(answer), ["effect", "reduces", "protects", "neutral", "changes"])
        self.assertIn(answer["effect"], EFFECTS)
        self.assertEqual(len(answer["changes"]), answer["reduces"] + answer["protects"] + answer["neutral"])
        effects = [c["effect"] for c in answer["changes"]]
        self.assertEqual(effects, sorted(effects, key=EFFECTS.index, reverse=True))
        for c in answer["changes"]:
            self.assertIn(c["kind"], KINDS)
            self.assertTrue(c["differs"] and set(c["differs"]) <= DIFFERS, c)
            self.assertIsInstance(c["old"], dict)
            self.assertIsInstance(c["new"], dict)
            if c["kind"] in ("answers", "scope"):
                self.assertTrue(c["where"] and c["size"] > 0)
                self.assertIn("answer", c["old"])
        return answer

    def test_a_policy_does_not_differ_from_itself_nor_from_its_rewording(self):
        self.assertEqual(said("diff", POLICY, POLICY), (0, "no change\n", ""))
        reworded = self.edited(("With another switch you may let us write", "By another switch you can let us write"),
                               ("```rule marketing.send\n", "```rule marketing.send\n-- another comment\n"))
        path = os.path.join(reworded, "group.md")
        with open(path, encoding="utf-8") as f:
            text = f.read().replace("marketing.send", "marketing.offers")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        self.assertEqual(said("diff", POLICY, reworded), (0, "no change\n", ""))
        code, out, _ = said("diff", POLICY, reworded, "--json")
        self.assertEqual((code, json.loads(out)["effect"]), (0, "none"))

    def test_reduced_rights_are_told_first_and_end_with_4(self):
        draft = self.edited(self.more, self.channel)
        code, out, _ = said("diff", POLICY, draft)
        self.assertEqual(code, 4)
        self.assertTrue(out.startswith("Reduces rights\n\nanswers: group/marketing.send: more is allowed\n"), out)
        self.assertIn("duty: group/keep.service-end: it covers less", out)
        self.assertTrue(out.endswith("2 reduce rights, 0 protect, 0 neutral\n"), out)
        code, out, _ = said("diff", POLICY, draft, "--json")
        answer = self.expect_schema(out)
        self.assertEqual((code, answer["effect"], answer["reduces"]), (4, "reduces", 2))

    def test_what_protects_ends_with_3(self):
        draft = self.edited(self.more, self.channel)
        code, out, _ = said("diff", draft, POLICY)
        self.assertEqual(code, 3)
        self.assertTrue(out.startswith("Protects\n"), out)
        self.assertTrue(out.endswith("0 reduce rights, 2 protect, 0 neutral\n"), out)

    def test_witnesses_are_answered_as_told(self):
        draft = self.edited(self.more)
        change = self.expect_schema(said("diff", POLICY, draft, "--json")[1])["changes"][0]
        for side, folder in (("old", POLICY), ("new", draft)):
            self.assertEqual(answer_of(folder, change[side]["witness"]), change[side]["answer"])
        self.assertNotEqual(change["old"]["answer"], change["new"]["answer"])

    def test_what_cannot_be_compared_is_a_mistake_in_the_command(self):
        broken = self.edited(("we may use contact-phone, contact-email, derived-preferences for direct-marketing",
                              "we may frobnicate contact-phone for direct-marketing"))
        for words in (["diff", POLICY], ["diff", POLICY, "/nowhere"], ["diff", "/nowhere", POLICY], ["diff", POLICY, broken],
                      ["diff", POLICY, POLICY, "--sideways"], ["effect", POLICY], ["effect", POLICY, "nonesuch"]):
            code, out, err = said(*words)
            self.assertEqual((code, out), (2, ""), words)
            self.assertTrue(err, words)
        self.assertIn("games", said("effect", POLICY, "nonesuch")[2])

    @unittest.skipUnless(os.path.isdir(SHARED), "the shared reference policy is not beside the repository")
    def test_the_mended_reference_text_differs_where_it_was_mended(self):
        code, out, _ = said("diff", os.path.join(SHARED, "literal"), os.path.join(SHARED, "repaired"), "--json")
        answer = self.expect_schema(out)
        clauses = {c["new"]["clause"] for c in answer["changes"]}
        self.assertEqual(code, 4)
        self.assertLessEqual({"children/child.no-ads", "games/games.exc-2-law", "group/disclose.deidentified"}, clauses)
        code, out, _ = said("diff", os.path.join(SHARED, "repaired"), os.path.join(SHARED, "literal"), "--json")
        back = self.expect_schema(out)
        self.assertEqual((back["reduces"], back["protects"]), (answer["protects"], answer["reduces"]))


class Effect(Folders):
    def test_the_effect_of_an_annex(self):
        code, out, _ = said("effect", POLICY, "music")
        self.assertEqual(code, 3)
        self.assertIn("music/voice.keep", out)
        for change in json.loads(said("effect", POLICY, "group", "--json")[1])["changes"]:
            if "clause" in change["old"] and "clause" in change["new"]:  # a sentence is itself, with its document or without
                self.assertEqual(change["old"]["clause"], change["new"]["clause"])
        code, out, _ = said("effect", POLICY, "children", "--json")
        answer = json.loads(out)
        self.assertEqual((code, answer["effect"]), (4, "reduces"))
        self.assertTrue(all(c["new"]["clause"].startswith("children/") for c in answer["changes"] if c["kind"] == "duty"))
        self.assertTrue(any(c["kind"] == "promise" for c in answer["changes"]))


class Tests(Folders):
    def cases(self):
        path = os.path.join(self.home, "cases.tsv")
        code, out, _ = said("tests", POLICY)
        self.assertEqual(code, 0)
        with open(path, "w", encoding="utf-8") as f:
            f.write(out)
        return path, out

    def test_cases_are_answered_until_the_policy_changes(self):
        path, out = self.cases()
        n = len(out.splitlines()) - 1
        self.assertGreater(n, 100)
        self.assertEqual(said("tests", POLICY, "--check", path)[:2], (0, "%d cases, 0 changed\n" % n))
        draft = self.edited(("derived-preferences for direct-marketing\n  only with (agreement or deemed-agreement) and consent.",
                             "derived-preferences for direct-marketing\n  only with agreement or deemed-agreement."))
        code, out, _ = said("tests", draft, "--check", path)
        self.assertEqual(code, 1)
        self.assertIn("permit:group/marketing.send:", out)
        self.assertNotIn(" 0 changed", out)

    def test_the_cases_of_the_requirements_are_of_the_same_form(self):
        cases = os.path.join(ROOT, "tests", "cases", "decisions", "zhishang.tsv")
        code, out, _ = said("tests", POLICY, "--check", cases)
        self.assertEqual(code, 0, out)

    def test_what_is_no_case_is_named_by_its_line(self):
        path = os.path.join(self.home, "bad.tsv")
        with open(path, "w") as f:
            f.write("# cases\nnothing of the kind\n")
        code, out, err = said("tests", POLICY, "--check", path)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("line 2", err)
        self.assertEqual(said("tests", POLICY, "--check", "/nowhere")[0], 2)
        self.assertEqual(said("tests", "/nowhere")[0], 2)
