# SPDX-License-Identifier: Apache-2.0
"""Rules about sharing, transfer and disclosure (section 3, 4.1, 6), by number, through POST /v1/decisions and shares."""
import os, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_people import REFUSED, People


class Cases(People):
    """B3.1.1 to B3.1.11: each case with what makes it hold, and without."""

    def test_R025_identity_goes_to_verification_bodies_only(self):
        for name, klass in (("idv-gov", "identity-authority"), ("bureau-1", "credit-bureau"), ("agent-co", "entrusted-processor"),
                            ("shop-x", "merchant")):
            self.ready(name, klass, purpose="identity-verification", fields=["id-real-name", "id-national-id-number"])
        person = self.adult()
        ask = lambda who, purpose="identity-verification": self.share("shop", who, purpose, "id-real-name", subject=person)
        self.refused(ask("idv-gov"), "consent_required")
        self.consent(person, "check-authorised")
        for who in ("idv-gov", "bureau-1", "agent-co"):
            self.allowed(ask(who), "group/identity.outside")
            self.assertIn(ask(who, "direct-marketing")["answer"], REFUSED)
        self.assertIn(ask("shop-x")["answer"], REFUSED)
        self.consent(person, "explicit-consent", purpose="identity-verification")
        proof = {"legal-trigger": "law:game-real-name"}
        put = {"purpose": "identity-verification", "values": {"id-real-name": "Li Lei"}, "evidence": proof}
        self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200)
        share = {"recipient": "idv-gov", "purpose": "identity-verification", "fields": ["id-real-name"], "evidence": {"agent": "agent-co"}}
        got = self.expect(self.post(f"/v1/subjects/{person}/shares", share, token="shop"), 200)
        self.assertIn("record_disclosure", got["obligations"])
        entry = next(h for h in self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"] if h["entry"] == got["entry"])
        self.assertEqual((entry["detail"]["fields"], entry["detail"]["evidence"], entry["detail"]["answer"]),
                         (["id-real-name"], {"agent": "agent-co"}, "allow"))

    def test_R088_case_1_service_partners(self):
        self.ready("pay-1", "payment-institution", purpose="order-payment", fields=["order-amount", "order-number", "contact-phone"])
        self.grant("pay-1", "direct-marketing", "order-amount")
        person = self.adult()
        self.consent(person, "consent", purpose="direct-marketing")
        ask = lambda purpose, field="order-amount": self.share("shop", "pay-1", purpose, field, subject=person)
        self.allowed(ask("order-payment"), "group/share.case-01-service")
        self.assertIn(ask("direct-marketing")["answer"], REFUSED)
        self.assertIn(ask("order-payment", "contact-phone")["answer"], REFUSED)

    def test_R089_case_2_affiliates(self):
        self.ready("aff-d", "aff-d", purpose="affiliate-unified-account", fields=["account-username", "health-physiological", "order-items"])
        person = self.adult()
        ask = lambda field: self.share("shop", "aff-d", "affiliate-unified-account", field, subject=person)
        self.allowed(ask("account-username"), "group/share.case-02-affiliates")
        for field in ("health-physiological", "order-items", "contact-phone"):
            self.assertIn(ask(field)["answer"], REFUSED)

    def test_R090_case_3_an_aim_of_ours_that_was_allowed(self):
        self.ready("ads-3", "promotion-client", purpose="programmatic-advertising", fields=["derived-preferences"])
        person = self.adult()
        ask = lambda: self.share("shop", "ads-3", "programmatic-advertising", "derived-preferences", subject=person)
        self.refused(ask(), "consent_required")
        self.consent(person, "consent", purpose="programmatic-advertising")
        self.allowed(ask(), "group/share.case-03-our-aims")
        self.act(person, preference="opted-out")
        self.refused(ask(), "unsubscribed")

    def test_R091_case_4_duties_and_rights(self):
        self.ready("debt-co", "entrusted-processor")
        person = self.adult()
        ask = lambda **more: self.share("shop", "debt-co", "aftersales-disputes", "order-amount", subject=person, **more)
        self.assertIn(ask()["answer"], REFUSED)
        self.allowed(ask(evidence={"contract-id": "debt case 5"}), "group/share.case-04-our-rights")

    def test_R092_case_5_figures_never_persons(self):
        person = self.adult()
        self.consent(person, "consent", purpose="promotion-measurement")
        self.ready("ads-5", "promotion-client", purpose="promotion-measurement", fields=["contact-phone", "log-visit-time"])
        ask = lambda field, **more: self.share("shop", "ads-5", "promotion-measurement", field, subject=person, **more)
        self.allowed(ask("log-visit-time", evidence={"anonymised": "release test 4"}), "group/share.case-05-promotion")
        self.assertIn(ask("contact-phone")["answer"], REFUSED)
        self.assertIn(ask("log-visit-time")["answer"], REFUSED)

    def test_R093_case_6_fraud_never_for_money(self):
        self.ready("fraud-net", "anti-fraud-or-credit-risk-peer", purpose="fraud-prevention", fields=["derived-risk"])
        person = self.adult()
        ask = lambda **more: self.share("shop", "fraud-net", "fraud-prevention", "derived-risk", subject=person, **more)
        self.allowed(ask(), "group/share.case-06-fraud")
        got = ask(evidence={"for-profit": "price list 2026"})
        self.assertEqual((got["answer"], got["clause"]), ("deny", "group/share.not-for-profit"))

    def test_R094_case_7_your_wish_names_the_recipient(self):
        for bank in ("bank-a", "bank-b"):
            self.ready(bank, "other-party", purpose="rights-requests", fields=["contact-phone"])
        person = self.adult()
        ask = lambda bank: self.share("shop", bank, "rights-requests", "contact-phone", subject=person)
        self.refused(ask("bank-a"), "consent_required")
        self.consent(person, "named-authorisation", party="bank-a")
        self.allowed(ask("bank-a"), "group/share.case-07-your-wish")
        self.refused(ask("bank-b"), "consent_required")

    def test_R095_case_8_a_guardian(self):
        self.ready("guardian-desk", "guardian")
        adult, (child, guardian) = self.adult(), self.child("shop", agreed=True, documents=("group", "children"))
        ask = lambda person, **more: self.share("shop", "guardian-desk", "rights-requests", "contact-phone", subject=person,
                                                **more)
        self.consent(child, "guardian-consent", actor="guardian", guardian=guardian)
        self.allowed(ask(child, evidence={"guardianship": guardian}), "group/share.case-08-guardian")
        self.refused(ask(child), "guardian_required")
        self.assertIn(ask(adult, evidence={"guardianship": guardian})["answer"], REFUSED)

    def test_R096_case_9_a_clause_that_is_in_force(self):
        self.ready("insurer", "other-party")
        person = self.adult()
        ask = lambda **more: self.share("shop", "insurer", "delivery", "contact-phone", subject=person, basis="agreement-clause", **more)
        self.refused(ask(), "evidence_missing")
        clause = lambda number, ends: self.operator("POST", "/v1/references", {
            "need": "clause-in-force", "reference": number, "from": "2026-01-01T00:00:00Z", "until": ends}, status=201)
        clause("SA-9.2", "2036-01-01T00:00:00Z")
        clause("SA-9.1", "2026-11-22T00:00:00Z")
        self.allowed(ask(evidence={"clause-in-force": "SA-9.2"}), "group/share.case-09-agreement")
        self.refused(ask(evidence={"clause-in-force": "SA-9.1"}), "expired")
        self.refused(ask(evidence={"clause-in-force": "SA-9.3"}), "evidence_missing")

    def test_R097_case_10_research_without_persons(self):
        self.ready("univ-2", "research-institution")
        person = self.adult()
        ask = lambda **proof: self.share("shop", "univ-2", "deidentified-analytics", "log-visit-time", subject=person, basis="academic",
                                         evidence=proof)
        self.allowed(ask(**{"institution-approval": "irb-1", "anonymised": "test-7"}), "group/share.case-10-research")
        self.assertIn(ask(**{"institution-approval": "irb-1"})["answer"], REFUSED)
        self.refused(ask(anonymised="test-7"), "evidence_missing")

    def test_R098_case_11_the_public_good(self):
        self.ready("flood-relief", "public-interest-body")
        person = self.adult()
        ask = lambda **more: self.share("shop", "flood-relief", "customer-service", "contact-phone", subject=person,
                                        basis="public-interest-share", **more)
        self.refused(ask(), "evidence_missing")
        self.allowed(ask(evidence={"authority-reference": "flood order 3"}), "group/share.case-11-public-interest")


class Moving(People):
    def test_R102_a_transfer_moves_those_who_agreed(self):
        self.ready("heir-co", "other-party", purpose="basic-service", fields=["contact-phone"])
        people = [self.adult(contact_phone=self.phone()) for _ in range(3)]
        for person in people[:2]:
            self.consent(person, "separate-consent", party="heir-co")
        moved = []
        for person in people:
            move = {"recipient": "heir-co", "operation": "transfer", "purpose": "basic-service", "fields": ["contact-phone"]}
            got = self.post(f"/v1/subjects/{person}/shares", move, token="shop")
            moved += [person] if got.status == 200 else []
        self.assertEqual(moved, people[:2])
        self.problem(got, 403, "refused", reason="consent_required")

    def test_R104_published_exactly_as_agreed(self):
        person = self.adult()
        ask = lambda field, **more: self.one("shop", "rights-requests", field, subject=person, recipient="public", operation="disclose", **more)
        self.refused(ask("profile-nickname"), "consent_required", "group/disclose.wish")
        self.consent(person, "separate-consent", party="public", fields=["profile-nickname", "content-posts"])
        self.allowed(ask("profile-nickname"), "group/disclose.wish")
        self.allowed(ask("content-posts"), "group/disclose.wish")
        got = ask("id-real-name")
        self.refused(got, "scope", "group/disclose.wish")
        self.assertEqual(got["answer"], "deny")
        self.assertIn(self.one("shop", "rights-requests", "profile-nickname", subject=person, recipient="other-users",
                               operation="disclose")["answer"], REFUSED)
        self.withdraw(person, need="separate-consent", party="public")
        self.refused(ask("profile-nickname"), "withdrawn")

    def test_R113_three_ways_out_of_the_country(self):
        needed = ["order-address", "order-recipient-name"]
        self.ready("post-sg", "logistics-company", country="SG", purpose="delivery", fields=needed + ["contact-phone"])
        self.ready("partner-z", "other-party", country="SG", purpose="customer-service", fields=["contact-phone"])
        self.ready("partner-y", "other-party", country="SG", purpose="customer-service", fields=["contact-phone"])
        person = self.adult()
        ask = lambda who, purpose, field, **more: self.share("shop", who, purpose, field, subject=person, **more)
        self.assertEqual(ask("partner-z", "customer-service", "contact-phone")["reason"], "residency")
        self.reference("law-article", "Article 41")
        law = {"basis": "other-law", "evidence": {"law-article": "Article 41"}}
        self.allowed(ask("partner-z", "customer-service", "contact-phone", **law), "group/residency.abroad")
        self.refused(ask("partner-z", "customer-service", "contact-phone", basis="other-law"), "evidence_missing")
        asked = {"basis": "consent-separate"}
        self.refused(ask("partner-z", "customer-service", "contact-phone", **asked), "consent_required")
        self.consent(person, "separate-consent", party="partner-z")
        self.allowed(ask("partner-z", "customer-service", "contact-phone", **asked), "group/residency.abroad")
        self.refused(ask("partner-y", "customer-service", "contact-phone", **asked), "consent_required")
        abroad = {"evidence": {"cross-border": "order 21"}}
        for field in needed:
            self.allowed(ask("post-sg", "delivery", field, **abroad))
        self.refused(ask("post-sg", "delivery", "contact-phone", **abroad), "residency")
        self.refused(ask("post-sg", "delivery", "order-address"), "residency")
        d = self.decide("shop", "delivery", needed, subject=person, operation="share", recipient="post-sg", **abroad)
        self.assertIn("record_transfer", d["obligations"])

    def test_R112_what_is_gathered_at_home_is_exported_nowhere_else(self):
        self.ready("store-sg", "entrusted-processor", country="SG", purpose="basic-service", fields=["contact-phone"])
        person = self.adult(contact_phone=self.phone())
        for operation in ("share", "transfer", "export", "disclose"):
            got = self.one("shop", "basic-service", "contact-phone", subject=person, recipient="store-sg", operation=operation)
            self.assertEqual((got["answer"], got["reason"], got["clause"]), ("deny", "residency", "group/residency.home"))
        job = {"recipient": "store-sg", "operation": "transfer", "purpose": "basic-service", "fields": ["contact-phone"]}
        self.problem(self.post(f"/v1/subjects/{person}/shares", job, token="shop"), 403, "refused", reason="residency")
        held = self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"]
        self.assertEqual({h["region"] for h in held}, {"CN"})


class Components(People):
    """B6.3: each kind of component has its purposes and fields; everything else is refused, whatever was consented."""
    KINDS = {  # kind: {purpose: field that goes}
        "sdk-advertising": {"programmatic-advertising": "device-model", "promotion-measurement": "device-model"},
        "sdk-push": {"service-notice": "device-model", "reminder": "device-model", "personalised-content": "device-model"},
        "sdk-payment": {"order-payment": "order-items"},
        "sdk-authorisation": {"third-party-login": "profile-nickname", "interaction-publishing": "profile-nickname"},
        "sdk-functional-module": {"interaction-publishing": "content-posts", "customer-service": "content-posts"},
        "sdk-performance": {"compatibility": "device-model", "software-update": "device-model"},
        "sdk-account-security": {"security-protection": "device-model", "fraud-prevention": "device-model"},
    }
    PURPOSES = ["registration-login", "identity-verification", "basic-service", "abnormal-account-detection", "compatibility",
                "interaction-publishing", "order-payment", "delivery", "order-display", "aftersales-disputes", "customer-service",
                "third-party-login", "personalised-content", "profiling", "programmatic-advertising", "direct-marketing",
                "service-notice", "security-protection", "fraud-prevention", "cross-service-improvement", "survey",
                "software-update", "deidentified-analytics", "usage-measurement", "promotion-measurement", "reminder"]
    FIELDS = ["device-model", "order-items", "profile-nickname", "content-posts", "log-ip-address", "contact-phone"]

    def test_R156_seven_kinds_and_what_each_may_have(self):
        person = self.adult()
        self.consent(person, "consent")
        for kind in self.KINDS:
            self.ready("c-" + kind, kind)
            for purpose in self.PURPOSES:
                self.grant("c-" + kind, purpose, *self.FIELDS)
        for kind, may in self.KINDS.items():
            open_for = {}
            for purpose in self.PURPOSES:
                d = self.decide("shop", purpose, self.FIELDS, subject=person, operation="share", recipient="c-" + kind)
                allowed = {f for f, a in d["fields"].items() if a["answer"] == "allow"}
                if allowed:
                    open_for[purpose] = allowed
            with self.subTest(kind=kind):
                self.assertEqual(set(open_for), set(may))
                for purpose, field in may.items():
                    self.assertIn(field, open_for[purpose])
                    self.assertNotIn("contact-phone", open_for[purpose])
        got = self.share("shop", "c-sdk-payment", "programmatic-advertising", "order-items", subject=person)
        self.assertIn(got["answer"], REFUSED)

    def test_R157_what_reads_location_works_with_consent_only(self):
        self.ready("sdk-loc", "sdk-location-device", purpose="nearby-friends", fields=["loc-gps", "device-imei"])
        person = self.adult()
        self.consent(person, "explicit-consent")
        ask = lambda: self.share("shop", "sdk-loc", "nearby-friends", "loc-gps", subject=person, device="d1")
        self.refused(ask(), "consent_required", "group/component.location-device")
        self.consent(person, "separate-consent", party="sdk-loc")
        self.refused(ask(), "permission_off")
        self.consent(person, "location-permission", device="d1")
        self.allowed(ask(), "group/component.location-device")
        self.withdraw(person, need="location-permission", device="d1")
        self.refused(ask(), "permission_off")


class GameIdentity(People):
    def test_R169_registration_data_of_players_is_a_class_of_its_own(self):
        person = self.adult("arena", documents=("group", "games"))
        for purpose in ("programmatic-advertising", "direct-marketing", "profiling"):
            self.consent(person, "consent", "arena", purpose=purpose)
        trigger = {"evidence": {"legal-trigger": "law:game-real-name"}}
        self.consent(person, "explicit-consent", "arena", purpose="identity-verification")
        for field in ("id-real-name", "id-national-id-number", "contact-home-address"):
            self.allowed(self.one("arena", "identity-verification", field, subject=person, **trigger), "games/player.identity")
            for purpose in ("programmatic-advertising", "direct-marketing", "profiling"):
                self.refused(self.one("arena", purpose, field, subject=person, **trigger), "purpose_mismatch")


class Staff(People):
    def test_R127_staff_see_whom_they_are_assigned_to(self):
        person = self.adult(contact_phone=self.phone())
        ask = lambda actor="staff:agent-1": self.one("shop", "customer-service", "contact-phone", subject=person, operation="display",
                                                     actor=actor)
        approve = lambda need, **more: self.operator("POST", f"/v1/subjects/{person}/consents", {
            "need": need, "state": "given", "actor": "staff", "staff": "lead-1", "party": "staff:agent-1", **more}, status=201)
        self.refused(ask(), "not_assigned", "group/protect.staff")
        approve("assignment", until="2026-11-24T00:00:00Z")
        approve("identity-verified")
        self.allowed(ask(), masked=True)
        self.refused(ask("staff:agent-2"), "not_assigned")
        self.at("2026-11-24T00:00:01Z")
        self.assertEqual(ask()["answer"], "deny")
        newest = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"][0]
        self.assertEqual(newest["detail"]["actor"], "staff:agent-1")
        self.assertNotIn(person, str(newest))


if __name__ == "__main__":
    unittest.main()
