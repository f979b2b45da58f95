# SPDX-License-Identifier: Apache-2.0
"""Publishing revisions on a running daemon: numbers, days, notice, the instant, and what stays readable (B0.1, B8)."""
import json, os, shutil, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_flow import POLICY
from troth_publish import PROSE, SENTENCE, Publisher


class Publishing(Publisher):
    # ---- What changes nothing for anybody

    def test_R001_words_change_at_once_and_are_on_record(self):
        before, size = self.running(), self.get("/healthz").json["record"]
        self.at("2026-11-23T00:00:01Z")
        got = self.publish(self.neutral())
        self.assertEqual((got["effect"], got["in_force"], got["reduces"]), ("none", "2026-11-23T00:00:01Z", 0))
        self.assertEqual([(d["document"], d["revision"], d["asks_again"]) for d in got["documents"]],
                         [("group", 13, False)])
        self.assertEqual(self.running(), got["revision"])
        self.assertNotEqual(self.running(), before)
        self.assertEqual(self.get("/healthz").json["record"], size + 2)  # published, and in force
        self.assertEqual([s["state"] for s in self.sets()], ["over", "in-force"])
        self.assertEqual((self.revision("2026-11-23T00:00:00Z"), self.revision("2026-11-23T00:00:01Z")), (12, 13))
        self.assertEqual(self.revision(document="catalogue"), 0)

    def test_the_same_on_a_folder_that_nobody_serves(self):
        self.daemon.stop()
        self.at("2026-11-23T00:00:01Z")
        got = self.publish(self.neutral())
        self.daemon.start()
        self.assertEqual(self.running(), got["revision"])
        self.assertEqual([s["state"] for s in self.sets()], ["over", "in-force"])

    # ---- What takes something away

    def test_R162_rights_shrink_only_after_the_notice_the_policy_promises(self):
        self.refused(self.reducing("2026-11-28"), "15 days of notice", "group/change.notice", "2026-12-09")
        self.refused(self.reducing("2026-12-08"), "2026-12-09", more=["--effective", "2026-12-07T20:00:00Z"])
        self.assertEqual(len(self.sets()), 1)
        dry = json.loads(self.daemon.cli("policy", "publish", self.reducing("2026-11-28"), "--dry-run", "--json",
                                         *self.daemon.here(), code=1).stdout)
        self.assertEqual((dry["accepted"], dry["effect"], dry["notice"]), (False, "reduces", "group/change.notice"))
        self.assertEqual(dry["earliest"], "2026-12-08T00:00:00Z")
        self.assertEqual(len(self.sets()), 1)
        got = self.publish(self.reducing("2026-12-09"))
        self.assertEqual((got["effect"], got["in_force"]), ("reduces", "2026-12-08T16:00:00Z"))
        self.assertTrue(got["changes"][0]["effect"] == "reduces" and got["changes"][0]["html"])
        self.assertEqual([d["asks_again"] for d in got["documents"]], [True])

    def test_R001_it_takes_effect_at_its_instant_and_not_before(self):
        old = self.running()
        new = self.publish(self.reducing("2026-12-09"))["revision"]
        self.assertEqual(self.login(), ("needs", old))
        self.at("2026-12-08T15:59:59.999Z")
        self.assertEqual(self.login(), ("needs", old))
        self.assertEqual((self.revision(), self.revision("2026-12-08T16:00:00Z")), (12, 13))
        self.at("2026-12-08T16:00:00Z")
        self.assertEqual(self.login(), ("allow", new))
        self.assertEqual((self.revision(), self.revision("2026-12-08T15:59:59Z")), (13, 12))

    def test_a_restart_or_a_kill_before_its_instant_changes_nothing(self):
        old = self.running()
        new = self.publish(self.reducing("2026-12-09"))["revision"]
        self.daemon.restart()
        self.assertEqual((self.login(), [s["state"] for s in self.sets()]), (("needs", old), ["in-force", "waiting"]))
        self.daemon.kill()
        self.daemon.start()
        self.at("2026-12-08T16:00:00Z")
        self.assertEqual(self.login(), ("allow", new))
        size = self.get("/healthz").json["record"]
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.login(), ("allow", new))
        self.assertEqual(self.get("/healthz").json["record"], size + 2)  # a start and a decision

    def test_its_instant_may_come_while_nobody_serves(self):
        new = self.publish(self.reducing("2026-12-09"))["revision"]
        self.daemon.stop()
        self.at("2026-12-10T00:00:00Z")
        self.daemon.start()
        self.assertEqual(self.login(), ("allow", new))
        self.assertEqual([s["state"] for s in self.sets()], ["over", "in-force"])

    # ---- Agreements

    def agreed(self, person):
        got = self.decide("shop", "customer-service", ["cs-case-file"], subject=person)
        return got["answer"]

    def agree(self, person, state="given"):
        body = {"document": "group", "state": state}
        return self.expect(self.post("/v1/subjects/%s/consents" % person, body, token="shop"), 201)

    def test_R163_an_agreement_reaches_what_reduces_nothing_and_ends_where_rights_shrink(self):
        person = self.person("1990-05-05")
        self.assertEqual(self.agreed(person), "needs")
        self.agree(person)
        self.assertNotIn(self.agreed(person), ("needs", "deny"))
        self.at("2026-11-23T00:00:01Z")
        self.publish(self.neutral())
        self.assertNotIn(self.agreed(person), ("needs", "deny"))
        self.publish(self.reducing("2026-12-09", revision=14))
        self.at("2026-12-08T16:00:00Z")
        self.assertEqual(self.agreed(person), "needs")
        self.agree(person)
        self.assertNotIn(self.agreed(person), ("needs", "deny"))
        kept = self.get("/v1/subjects/%s/consents" % person, token="shop").json
        self.assertEqual([e["policy_revision"] for e in kept["consents"]], [12, 14])

    def test_R163_going_on_is_agreement_to_that_revision_only(self):
        person = self.person("1990-05-05")
        self.agree(person, "deemed")
        self.assertNotIn(self.agreed(person), ("needs", "deny"))
        self.at("2026-11-23T00:00:01Z")
        self.publish(self.neutral())
        self.assertEqual(self.agreed(person), "needs")

    # ---- What is refused

    def test_numbers_grow_and_texts_stay(self):
        self.at("2026-11-23T00:00:01Z")
        self.refused(POLICY, "nothing is new")
        self.refused(self.neutral(revision=12), "group.md", "still says revision 12", "revision 13")
        self.refused(self.neutral(revision=11), "revision 12 is in force")
        same = self.draft()
        self.rewrite(same, "children.zh-CN.md", lambda t: t + "\n再说一句。\n")
        self.refused(same, "children.zh-CN.md", "children.md", "revision 3")
        only = os.path.join(self.daemon.home, "only")
        shutil.copytree(POLICY, only)
        self.rewrite(only, "catalogue.md", lambda t: t + "\nMore words.\n")
        self.refused(only, "documents without a number")
        self.assertEqual(len(self.sets()), 1)

    def test_days_are_those_of_the_texts(self):
        self.at("2026-11-23T00:00:01Z")
        self.refused(self.neutral(day="2026-11-22"), "2026-11-22, which is over")
        self.refused(self.neutral(day="2026-12-01"), "not from 2026-12-02", more=["--effective", "2026-12-02"])
        self.refused(self.neutral(), "past", more=["--effective", "2026-11-22T17:00:00Z"])
        self.refused(self.neutral(), "RFC 3339", more=["--effective", "soon"])
        two = self.neutral(day="2026-12-01")
        self.rewrite(two, "games.md", lambda t: t.replace("revision 4 in force from 2025-01-01",
                                                          "revision 5 in force from 2026-12-02"))
        self.refused(two, "different days")
        got = self.publish(self.neutral(day="2026-12-01"), "--effective", "2026-12-01T08:00:00+08:00")
        self.assertEqual(got["in_force"], "2026-12-01T00:00:00Z")

    def test_one_waits_at_a_time_and_can_be_taken_back(self):
        first = self.publish(self.neutral(day="2026-12-01"))
        self.refused(self.neutral(revision=14, day="2026-12-02"), "one at a time", "unpublish 2")
        done = self.daemon.cli("policy", "unpublish", first["revision"], *self.daemon.here(), "--json")
        self.assertEqual(json.loads(done.stdout)["state"], "withdrawn")
        self.assertEqual([s["state"] for s in self.sets()], ["in-force", "withdrawn"])
        self.at("2026-12-01T12:00:00Z")
        self.assertEqual((self.revision(), self.revision("2027-01-01")), (12, 12))
        said = self.daemon.cli("policy", "unpublish", "2", *self.daemon.here(), code=1).stderr
        self.assertIn("withdrawn already", said)
        self.assertIn("cannot be taken back", self.daemon.cli("policy", "unpublish", "1", *self.daemon.here(), code=1).stderr)
        self.assertIn("no such set", self.daemon.cli("policy", "unpublish", "9", *self.daemon.here(), code=1).stderr)
        self.refused(self.draft(13, "2026-12-01", lambda t: t.replace(PROSE, "and so on.")), "with another text", "revision 14")
        self.publish(self.neutral(day="2026-12-01"))  # the same text under its number
        self.assertEqual(self.revision(), 13)

    def test_documents_with_errors_and_broken_promises(self):
        bad = self.draft(change=lambda t: t.replace(SENTENCE, SENTENCE.replace("account-linked", "acount-linked"))
                         if SENTENCE in t else t + "\n```rule broken\nwe may use acount-linked for delivery.\n```\n")
        self.refused(bad, "acount-linked", "account-linked", "group.md:")
        broken = self.draft(change=lambda t: t + "\n## More\n\n```rule broken\n"
                            "we must never use account-username for service-notice.\n```\n")
        self.refused(broken, "promise is broken", "group/marketing.stop")
        self.assertEqual(len(self.sets()), 1)
        empty = os.path.join(self.daemon.home, "empty")
        os.mkdir(empty)
        for folder in (empty, os.path.join(empty, "none")):
            self.daemon.cli("policy", "publish", folder, *self.daemon.here(), code=2)

    def test_bodies_that_are_no_publication(self):
        for body in ({}, {"documents": {}}, {"documents": ["group.md"]}, {"documents": {"../group.md": "x"}},
                     {"documents": {"group.md": 7}}, {"documents": {"notes.txt": "x"}}):
            got = self.operator("POST", "/v1/policies", body)
            self.assertIn(got.status, (422, 400), (body, got))
        self.problem(self.post("/v1/policies", {"documents": {"group.md": "x"}}, token="shop"), 403, "forbidden")
        self.problem(self.post("/v1/policies", {"documents": {"group.md": "x"}}), 403, "forbidden")
        self.problem(self.delete("/v1/policy-sets/1"), 403, "forbidden")

    def test_R170_a_list_that_changes_needs_a_revision(self):
        self.at("2026-11-23T00:00:01Z")
        draft = os.path.join(self.daemon.home, "list")
        shutil.copytree(POLICY, draft)
        self.rewrite(draft, "catalogue.md", lambda t: t.replace("party game-affiliate: aff-d,", "party game-affiliate:"))
        self.refused(draft, "documents without a number")

    # ---- The folder the first set came from

    def test_a_start_with_another_text_in_the_folder_is_refused(self):
        self.daemon.stop()
        path = os.path.join(self.daemon.data, "policy", "group.md")
        with open(path, "a") as f:
            f.write("\nOne more sentence.\n")
        process = self.daemon.launch()
        self.assertEqual(process.wait(60), 1)
        self.assertIn("troth policy publish", self.daemon.stderr())
        self.assertIn("group.md was never published", self.daemon.stderr())
        shutil.rmtree(os.path.join(self.daemon.data, "policy"))
        self.daemon.start()
        self.assertEqual(self.revision(), 12)


if __name__ == "__main__":
    unittest.main()
