# SPDX-License-Identifier: Apache-2.0
"""Rules about minors and children (section 7 and the children's annex), by number, through POST /v1/decisions."""
import os, shutil, sys, tempfile, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_flow import POLICY
from troth_people import REFUSED, People

SHARED = {"national-security": "authority-order", "public-interest-major": "declared-emergency", "justice": "case-document",
          "vital-interest": "unobtainable-reason", "self-disclosed": "public-link", "lawful-public-source": "source-reference"}


class Ward(People):
    """A child in the shop whose guardian agreed to everything that applies, and, with consent, to all handling."""

    def ward(self, agreed=True, consent=True):
        child, guardian = self.child("shop", agreed=agreed, documents=("group", "children"))
        if consent:
            self.by(guardian, child, "guardian-consent")
        return child, guardian

    def by(self, guardian, child, need, state="given", **more):
        return self.act(child, "shop", need=need, state=state, actor="guardian", guardian=guardian, **more)


class Age(Ward):
    def test_R160_from_fourteen_to_seventeen(self):
        made = self.expect(self.post("/v1/subjects", {"birth_date": "2010-03-01"}, token="shop"), 201)
        self.assertEqual((made["band"], made["advice"]), ("minor", ["ask-a-guardian"]))
        teen = made["id"]
        self.assertEqual(self.files_holding("2010-03-01"), [])
        self.assertEqual(self.expect(self.get(f"/v1/subjects/{teen}", token="shop"), 200)["band"], "minor")
        self.act(teen, document="group")
        for purpose in ("programmatic-advertising", "direct-marketing"):
            self.consent(teen, "consent", purpose=purpose)
            for field in ("log-browsing-history", "derived-preferences", "cookie-identifiers"):
                self.assertEqual(self.one("shop", purpose, field, subject=teen)["answer"], "deny", (purpose, field))
        self.refused(self.one("shop", "programmatic-advertising", "log-browsing-history", subject=teen), "scope", "group/minor.protected")
        adult = self.expect(self.post("/v1/subjects", {"birth_date": "1990-01-01"}, token="shop"), 201)
        self.assertEqual(adult["advice"], [])

    def test_R182_a_device_remembers_that_a_child_answered(self):
        ask = lambda date, device="d-child": self.expect(
            self.post("/v1/subjects", {"birth_date": date, "device": device}, token="shop"), 201)
        first = ask("2014-08-20")
        self.assertEqual((first["band"], first["state"]), ("child", "awaiting_guardian"))
        second = ask("2004-08-20")
        self.assertEqual((second["band"], second["state"]), ("child", "awaiting_guardian"))
        self.refused(self.one("shop", "interaction-publishing", "content-posts", subject=second["id"]), "guardian_required")
        self.assertEqual(ask("2004-08-20", "d-other")["band"], "adult")
        self.assertEqual(self.files_holding("d-child"), [])
        self.at("2028-08-20T00:00:00Z")
        self.assertEqual(ask("2004-08-20")["band"], "adult")

    def test_R187_what_was_kept_unknowing_falls_under_the_annex_once_known(self):
        person = self.adult()
        put = {"purpose": "basic-service", "source": "observed", "values": {"log-visit-time": "2026-11-23T08:00"}}
        self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200, stored=1)
        ask = lambda **more: self.one("shop", "basic-service", "log-visit-time", subject=person, **more)
        self.allowed(ask())
        got = self.expect(self.post(f"/v1/subjects/{person}/age", {"birth_date": "2014-08-20"}, token="shop"), 200)
        self.assertEqual((got["band"], got["state"]), ("child", "awaiting_guardian"))
        self.refused(ask(), "guardian_required")
        self.refused(ask(basis="child-auto-retention"), "guardian_required")
        held = self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"]
        self.assertEqual([(h["field"], h["keep_until"]) for h in held], [("log-visit-time", "2027-01-22T00:00:00Z")])
        guardian = self.person("1985-05-05", "shop")
        self.expect(self.post(f"/v1/subjects/{person}/guardians", {"guardian": guardian, "verified": True, "evidence": "e"}, token="shop"), 201)
        for d in ("group", "children"):
            self.act(person, document=d, actor="guardian", guardian=guardian)
        self.by(guardian, person, "guardian-consent")
        self.allowed(ask())
        read = {"purpose": "basic-service", "fields": ["log-visit-time"]}
        got = self.expect(self.post(f"/v1/subjects/{person}/read", read, token="shop"), 200)
        self.assertEqual(got["values"]["log-visit-time"]["value"], "2026-11-23T08:00")

    def test_R187_before_it_is_known_automatic_keeping_is_tolerated(self):
        child, _ = self.ward(agreed=False, consent=False)
        more = {"operation": "collect", "source": "observed", "basis": "child-auto-retention"}
        ask = lambda **proof: self.one("shop", "basic-service", "log-visit-time", subject=child, evidence=proof, **more)
        self.allowed(ask(unrecognised="router log, day 12"), "children/child.automatic")
        self.refused(ask(), "guardian_required")


class Order(People):
    """A2.0.3: a service's own children's clause, then the annex, then the group text for what neither says."""

    def test_R179_service_clause_then_annex_then_group(self):
        child, guardian = self.child("music", agreed=True, documents=("group", "children", "music"))
        keep = {}
        for field in ("media-voice-audio", "log-visit-time", "survey-answers", "cs-case-file"):
            d = self.decide("music", "basic-service", [field], subject=child, operation="store")
            keep[field] = d["fields"][field]["clause"]
        self.assertEqual(keep["media-voice-audio"], "children/child.keep")
        self.assertEqual(keep["log-visit-time"], "children/child.keep")
        self.assertEqual(keep["survey-answers"], "group/keep.time")


class ServiceClause(Ward):
    """The same with a clause that the service has for children: shorter than the annex, and nothing else."""
    TEXT = """# Children in music

```document
document music-children "Children in music".
applies to service music.
applies to subject child.
prevails over children, games, music, group.
revision 1 in force from 2025-01-01.
```

```rule voice.keep
we may store media-voice until 30 days after collected.
```
"""

    @classmethod
    def setUpClass(cls):
        home = tempfile.mkdtemp(prefix="troth-clause-")
        cls.addClassCleanup(shutil.rmtree, home)
        folder = os.path.join(home, "policy")
        shutil.copytree(POLICY, folder)
        with open(os.path.join(folder, "music-children.md"), "w", encoding="utf-8") as out:
            out.write(cls.TEXT)
        cls.daemon_options = {"policy": folder}
        super().setUpClass()

    def test_R179_a_services_own_clause_for_children_comes_first(self):
        child, guardian = self.child("music", agreed=True, documents=("group", "children", "music"))
        self.act(child, "music", document="music-children", language="en", actor="guardian", guardian=guardian)
        self.act(child, "music", need="guardian-consent", actor="guardian", guardian=guardian)
        kept = lambda field, person=child: self.decide("music", "basic-service", [field], subject=person,
                                                       operation="store")["fields"][field]
        got = kept("media-voice-audio")
        self.assertEqual((got["clause"], got["keep_until"]), ("music-children/voice.keep", "2026-12-23T00:00:00Z"))
        self.assertEqual(kept("log-visit-time")["clause"], "children/child.keep")  # where it is silent, the annex
        self.assertEqual(kept("survey-answers")["clause"], "group/keep.time")      # and where both are, the group's text
        teen = self.person("2010-03-01", "music")
        for document in ("group", "music"):
            self.act(teen, "music", document=document)
        self.assertEqual(kept("media-voice-audio", teen)["clause"], "music/voice.keep")


class Collecting(Ward):
    def test_R181_a_service_for_children_states_need_and_aim(self):
        bare = {"name": "kids-1", "class": "forum", "children": True}
        got = self.problem(self.operator("POST", "/v1/services", bare), 422, "missing-member")
        self.assertIn("aim", got["detail"])
        self.assertIn("necessity", got["detail"])
        got = self.problem(self.operator("POST", "/v1/services", {**bare, "aim": "homework circles"}), 422, "missing-member")
        self.assertNotIn("aim", got["detail"])
        self.problem(self.operator("POST", "/v1/services", {**bare, "aim": " ", "necessity": "x"}), 422, "missing-member")
        full = {**bare, "aim": "homework circles", "necessity": "posts are what the circle consists of"}
        self.operator("POST", "/v1/services", full, status=201)
        listed = self.operator("GET", "/v1/services", status=200).json["services"]
        self.assertEqual([(s["aim"], s["necessity"]) for s in listed if s["name"] == "kids-1"], [(full["aim"], full["necessity"])])

    def test_R184_beyond_the_list_the_guardian_is_asked_again(self):
        child, guardian = self.ward(consent=False)
        for purpose in ("interaction-publishing", "delivery"):
            self.by(guardian, child, "guardian-consent", purpose=purpose)
        self.by(guardian, child, "new-purpose-consent", topic="voice-cloning")
        ask = lambda: self.one("shop", "newly-announced", "content-posts", subject=child, topic="voice-cloning")
        self.refused(ask(), "guardian_required")
        self.by(guardian, child, "guardian-consent", purpose="newly-announced")
        self.allowed(ask(), "group/purpose.new")

    def test_R185_its_own_list_of_grounds_without_news(self):
        child, _ = self.ward(agreed=False, consent=False)
        grounds = {**SHARED, "ops-stability": "incident-id", "academic": "institution-approval", "other-law": "law-article"}
        self.reference("law-article", "ref 17")
        ask = lambda basis, **proof: self.one("shop", "security-protection", "log-visit-time", subject=child, operation="collect",
                                              basis=basis, evidence=proof)
        for basis, proof in grounds.items():
            with self.subTest(basis=basis):
                self.refused(ask(basis), "evidence_missing")
                self.allowed(ask(basis, **{proof: "ref 17"}))
        got = ask("news", **{"editorial-approval": "e-1"})
        self.assertEqual((got["answer"], got["reason"], got["clause"]), ("deny", "basis_not_for_child", "children/child.no-news"))

    def test_R186_a_contract_counts_at_the_guardians_wish(self):
        child, guardian = self.ward(agreed=False, consent=False)
        ask = lambda **more: self.one("shop", "delivery", "order-address", subject=child, operation="collect", basis="contract-request", **more)
        by_child = ask(actor="subject", evidence={"contract-id": "c-1"})
        self.assertIn(by_child["answer"], REFUSED)
        self.refused(ask(evidence={"contract-id": "c-1"}), "guardian_required")
        self.allowed(ask(evidence={"contract-id": "c-1", "guardianship": guardian}))
        self.refused(ask(evidence={"guardianship": guardian}), "evidence_missing")
        self.refused(ask(evidence={"contract-id": "c-1", "guardianship": child}), "guardian_required")

    def test_R188_everything_about_a_child_is_sensitive(self):
        child, guardian = self.ward(consent=False)
        ask = lambda: self.one("shop", "profiling", "profile-nickname", subject=child)
        self.by(guardian, child, "consent", purpose="profiling")
        self.refused(ask(), "guardian_required", "children/child.sensitive")
        self.by(guardian, child, "guardian-consent", purpose="profiling")
        self.allowed(ask())
        grade_one = self.one("shop", "interaction-publishing", "profile-avatar", subject=child, operation="display", recipient="public")
        self.refused(grade_one, "guardian_required")


class Sharing(Ward):
    CASES = [  # recipient class, purpose, field, evidence
        ("payment-institution", "order-payment", "order-items", {}),
        ("affiliate", "affiliate-unified-account", "account-username", {}),
        ("data-service-partner", "personalised-content", "derived-preferences", {}),
        ("entrusted-processor", "aftersales-disputes", "order-items", {"contract-id": "case 5"}),
        ("promotion-client", "promotion-measurement", "log-visit-time", {"anonymised": "test 7"}),
        ("anti-fraud-or-credit-risk-peer", "fraud-prevention", "derived-risk", {}),
    ]

    def test_R189_six_cases_each_after_an_assessment(self):
        child, guardian = self.ward()
        self.by(guardian, child, "consent", purpose="personalised-content")
        for i, (klass, purpose, field, proof) in enumerate(self.CASES):
            for papers, name in ((("confidentiality",), f"thin-{i}"), (("confidentiality", "assessment"), f"full-{i}")):
                self.ready(name, klass, purpose=purpose, fields=[field], papers=papers)
            ask = lambda who, **more: self.share("shop", who, purpose, field, subject=child, evidence=proof, **more)
            with self.subTest(recipient=klass):
                self.refused(ask(f"thin-{i}"), "assessment_required", "children/child.assessment")
                self.allowed(ask(f"full-{i}"))
        got = self.share("shop", "full-5", "fraud-prevention", "derived-risk", subject=child, evidence={"for-profit": "feed"})
        self.assertEqual(got["answer"], "deny")

    def test_R190_the_named_share_and_no_other(self):
        self.ready("school-s", "other-party", purpose="rights-requests", fields=["content-uploads", "loc-gps"])
        child, guardian = self.ward(consent=False)
        stranger = self.person("1985-05-05", "shop")
        self.expect(self.post(f"/v1/subjects/{child}/guardians", {"guardian": stranger, "verified": False}, token="shop"), 201)
        ask = lambda field="content-uploads": self.share("shop", "school-s", "rights-requests", field, subject=child)
        self.refused(ask(), "guardian_required")
        for need in ("named-authorisation", "guardian-consent"):
            refused = {"need": need, "state": "given", "actor": "guardian", "guardian": stranger, "party": "school-s"}
            self.problem(self.post(f"/v1/subjects/{child}/consents", refused, token="shop"), 403, "forbidden")
            self.by(guardian, child, need, party="school-s", fields=["content-uploads"])
        self.allowed(ask(), "group/share.case-07-your-wish")
        got = ask("loc-gps")
        self.refused(got, "scope")
        self.assertEqual(got["answer"], "deny")

    def test_R191_agreements_and_the_public_good_but_no_research(self):
        child, _ = self.ward()
        self.reference("clause-in-force", "SA-1")
        self.ready("insurer", "merchant")
        self.ready("relief", "public-interest-body")
        self.ready("univ-3", "research-institution")
        ask = lambda who, basis, field="contact-phone", purpose="basic-service", **proof: self.share(
            "shop", who, purpose, field, subject=child, basis=basis, evidence=proof)
        self.allowed(ask("insurer", "agreement-clause", **{"clause-in-force": "SA-1"}))
        self.refused(ask("insurer", "agreement-clause"), "evidence_missing")
        self.allowed(ask("relief", "public-interest-share", **{"authority-reference": "order 3"}))
        self.refused(ask("relief", "public-interest-share"), "evidence_missing")
        got = ask("univ-3", "academic", "log-visit-time", "survey", **{"institution-approval": "irb", "anonymised": "t"})
        self.assertEqual((got["answer"], got["reason"]), ("deny", "basis_not_for_child"))

    def test_R194_other_transfers_are_the_guardians(self):
        self.ready("heir-co", "other-party", purpose="basic-service", fields=["contact-phone"])
        child, guardian = self.ward(consent=False)
        self.consent(child, "separate-consent", party="heir-co")
        ask = lambda: self.one("shop", "basic-service", "contact-phone", subject=child, operation="transfer", recipient="heir-co")
        self.refused(ask(), "guardian_required")
        for need in ("separate-consent", "guardian-consent"):
            self.by(guardian, child, need, party="heir-co")
        self.allowed(ask(), "group/transfer.other")

    def test_R195_published_as_the_guardian_agreed(self):
        child, guardian = self.ward(consent=False)
        self.by(guardian, child, "guardian-consent", party="public", fields=["profile-nickname"])
        ask = lambda field: self.one("shop", "interaction-publishing", field, subject=child, operation="disclose", recipient="public")
        self.allowed(ask("profile-nickname"), "group/publish.content")
        self.refused(ask("profile-avatar"), "scope", "children/child.publish")
        self.assertEqual(ask("media-album")["answer"], "deny")
        self.assertIn(self.one("shop", "interaction-publishing", "profile-nickname", subject=child, operation="disclose",
                               recipient="other-users")["answer"], REFUSED)

    def test_R197_six_cases_without_consent_each_with_its_proof(self):
        child, _ = self.ward(agreed=False, consent=False)
        self.ready("relief-2", "public-interest-body")
        ask = lambda basis, operation, **proof: self.one("shop", "legal-disclosure", "contact-phone", subject=child, recipient="relief-2",
                                                         operation=operation, basis=basis, evidence=proof)
        for basis, proof in SHARED.items():
            for operation in ("share", "transfer", "disclose"):
                with self.subTest(basis=basis, operation=operation):
                    self.refused(ask(basis, operation), "evidence_missing")
                    self.allowed(ask(basis, operation, **{proof: "ref 17"}))
        d = self.decide("shop", "legal-disclosure", ["contact-phone"], subject=child, recipient="relief-2", operation="share",
                        basis="justice", evidence={"case-document": "d-1"})
        self.assertLessEqual({"register_exception", "record_disclosure"}, set(d["obligations"]))
        got = ask("contract-request", "share", **{"contract-id": "c-1"})
        self.assertEqual((got["answer"], got["reason"]), ("deny", "basis_not_for_operation"))

    def test_R213_components_of_others(self):
        self.ready("sdk-push-1", "sdk-push", purpose="service-notice", fields=["device-model"])
        self.ready("sdk-ads-1", "sdk-advertising", purpose="programmatic-advertising", fields=["device-model"])
        child, guardian = self.ward(agreed=False, consent=False)
        ask = lambda who="sdk-push-1", purpose="service-notice": self.share("shop", who, purpose, "device-model", subject=child)
        self.refused(ask(), "guardian_required")
        for d in ("group", "children"):
            self.act(child, document=d, actor="guardian", guardian=guardian)
        self.refused(ask(), "guardian_required")
        self.by(guardian, child, "guardian-consent")
        self.allowed(ask(), "group/component.push")
        for need in ("consent", "separate-consent"):
            self.by(guardian, child, need)
        self.assertEqual(ask("sdk-ads-1", "programmatic-advertising")["answer"], "deny")


class Narrowing(Ward):
    def test_R212_either_narrows_and_only_the_guardian_widens(self):
        child, guardian = self.ward()
        self.by(guardian, child, "consent", purpose="profiling")
        ask = lambda: self.one("shop", "profiling", "profile-nickname", subject=child)
        self.allowed(ask())
        self.withdraw(child, need="consent", purpose="profiling")
        self.refused(ask(), "withdrawn")
        got = self.consent(child, "consent", purpose="profiling")
        self.assertEqual(got["state"], "awaiting_guardian")
        self.assertIn(ask()["answer"], REFUSED)
        self.by(guardian, child, "consent", purpose="profiling")
        self.allowed(ask())
        acts = self.expect(self.get(f"/v1/subjects/{child}/consents", token="shop"), 200)["consents"]
        states = [a["event_state"] for a in acts if a["name"] == "consent"]
        self.assertEqual(states, ["ConsentGiven", "ConsentWithdrawn", "ConsentGiven", "ConsentGiven"])


if __name__ == "__main__":
    unittest.main()
