# SPDX-License-Identifier: Apache-2.0
"""`troth policy prove`: exit codes, the two forms of its answer, and sentences that are no promises."""
import json, unittest

from troth_flow import POLICY, run_troth


def prove(*words):
    done = run_troth("policy", "prove", *words)
    return done.returncode, done.stdout, done.stderr


class Prove(unittest.TestCase):
    def test_the_promises_of_the_reference_policy_are_proved(self):
        code, out, _ = prove(POLICY)
        self.assertEqual(code, 0)
        self.assertIn("children/child.no-advertising: proved: we must never share", out)
        self.assertTrue(out.endswith("2 proved, 0 broken\n"), out)

    def test_a_broken_promise_is_told_with_its_regions(self):
        code, out, _ = prove(POLICY, "we must never share any of child with sdk-advertising")
        self.assertEqual(code, 1)
        self.assertIn("'group/share-exception.justice' permits it", out)
        self.assertIn("on basis of justice", out)

    def test_each_witness_breaks_the_promise(self):
        code, out, _ = prove(POLICY, "we must never share any with merchant for delivery", "--json")
        answer = json.loads(out)
        self.assertEqual((code, answer["proved"]), (1, False))
        self.assertTrue(answer["promises"][0]["regions"])
        for region in answer["promises"][0]["regions"]:
            done = run_troth("policy", "explain", POLICY, "--request", region["witness"])
            self.assertIn("answer: allow", done.stdout, region)

    def test_what_is_no_promise_is_a_mistake_in_the_command(self):
        for sentence in ["we may share any", "we must never frobnicate any", "never", "."]:
            code, out, err = prove(POLICY, sentence)
            self.assertEqual((code, out), (2, ""), sentence)
            self.assertTrue(err)
        self.assertEqual(prove(POLICY, "a", "b")[0], 2)
        self.assertEqual(prove("/nowhere")[0], 2)

    def test_one_sentence_is_asked_at_a_time(self):
        code, out, err = prove(POLICY, "we must never share any of child. we must never frobnicate.")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("sentence:1:35", err)
        self.assertIn("one sentence at a time", err)
        self.assertEqual(prove(POLICY, "we must never share any of child with own. .")[0], 2)

    def test_an_empty_sentence_does_not_ask_for_all(self):
        for sentence in "", " ":
            code, out, err = prove(POLICY, sentence)
            self.assertEqual((code, out), (2, ""))
            self.assertIn("the sentence is empty", err)

    def test_a_request_that_cannot_be_read_is_refused_with_a_reason(self):
        for request, words in (("nonsense", "NAME=VALUE"), ("colour=red", "dimension 'colour'"), ("field=contact-fone", "contact-phone"),
                               ("needs=consnt", "'consent'"),
                               ("field=contact-phone field=account-username", "'field=' stands here twice")):
            done = run_troth("policy", "explain", POLICY, "--request", request)
            self.assertEqual((done.returncode, done.stdout), (2, ""), request)
            self.assertIn(words, done.stderr)
