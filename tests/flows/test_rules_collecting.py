# SPDX-License-Identifier: Apache-2.0
"""Rules about collecting and using (sections 1 and 2 of the reference policy), by number, through POST /v1/decisions."""
import os, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_people import REFUSED, People

EXTRA = ["profile-nickname", "profile-avatar", "profile-gender", "profile-hometown", "profile-occupation",
         "profile-education", "profile-birth-date", "profile-interests"]
BASIC = [("basic-service", "log-visit-time"), ("registration-login", "contact-phone"), ("delivery", "order-address"),
         ("order-display", "order-items"), ("customer-service", "cs-case-file"), ("interaction-publishing", "content-posts")]


class Account(People):
    def test_R019_no_basic_function_asks_for_the_optional_profile(self):
        person = self.adult()
        answers = lambda: {p: self.one("shop", p, f, subject=person)["answer"] for p, f in BASIC}
        self.assertEqual(answers(), {p: "allow" for p, _ in BASIC})
        self.consent(person, "consent", purpose="profiling")
        self.collect(person, purpose="profiling", **{f: "1990-01-01" if f == "profile-birth-date" else "x" for f in EXTRA})
        self.assertEqual(answers(), {p: "allow" for p, _ in BASIC})
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        for f in EXTRA:
            self.expect(self.delete(f"/v1/subjects/{person}/data/{f}?actor=subject", token="shop"), 200, deleted=1)
        self.assertEqual(answers(), {p: "allow" for p, _ in BASIC})

    def test_R022_identity_only_with_a_named_trigger(self):
        person = self.adult()
        self.consent(person, "explicit-consent", purpose="identity-verification")
        ask = lambda **more: self.one("shop", "identity-verification", "id-passport", subject=person, operation="collect", **more)
        got = ask()
        self.refused(got, "evidence_missing", "group/identity.check")
        self.assertEqual(got["needs"], ["legal-trigger"])
        self.refused(ask(evidence={"legal-trigger": " "}), "evidence_missing")
        self.allowed(ask(evidence={"legal-trigger": "law:game-real-name"}), "group/identity.check")
        put = {"purpose": "identity-verification", "values": {"id-passport": "E12345678"}}
        self.problem(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 403, "refused", reason="evidence_missing")
        put["evidence"] = {"legal-trigger": "law:game-real-name"}
        self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200, stored=1)

    def test_R024_refusing_identity_closes_what_rests_on_it_only(self):
        self.ready("idv-law", "identity-authority", purpose="identity-verification", fields=["id-real-name"])
        person = self.adult()
        ask = lambda: self.share("shop", "idv-law", "identity-verification", "id-real-name", subject=person)
        self.consent(person, "check-authorised", state="refused")
        got = ask()
        self.refused(got, "consent_required", "group/identity.outside")
        self.assertEqual(got["needs"], ["check-authorised"])
        self.consent(person, "check-authorised")
        self.allowed(ask())
        self.consent(person, "check-authorised", state="refused")
        self.refused(ask(), "withdrawn")
        for purpose, field in BASIC:
            self.allowed(self.one("shop", purpose, field, subject=person))

    def test_R041_another_companys_login_brings_four_things(self):
        claims = {"account-third-party-id": "ext-1", "account-username": "li", "profile-nickname": "Li",
                  "profile-avatar": "a.png"}
        more = {"profile-birth-date": "1990-01-07", "contact-email": "zebra.quagga@example.cn"}
        put = lambda person, values: self.put(f"/v1/subjects/{person}/data", {
            "purpose": "third-party-login", "source": "third_party_account", "values": values}, token="shop")
        stranger = self.adult(agreed=False)
        self.problem(put(stranger, claims), 403, "refused", reason="no_agreement")
        person = self.adult()
        self.expect(put(person, {**claims, **more}), 200, stored=4, dropped=2)
        held = self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"]
        self.assertEqual({h["field"] for h in held}, set(claims))
        self.assertEqual({h["source"] for h in held}, {"third_party_account"})
        self.assertEqual(self.files_holding("zebra.quagga"), [])
        self.assertNotIn("zebra.quagga", self.daemon.stderr())
        self.problem(put(person, more), 403, "refused")

    def test_R042_partners_show_a_lawful_source(self):
        self.ready("partner-p", "merchant")
        person = self.adult()
        self.consent(person, "device-permission", device="d1")
        put = {"purpose": "abnormal-account-detection", "source": "partner", "device": "d1", "values": {"device-imei": "490154203237518"}}
        got = self.problem(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 403, "refused", reason="evidence_missing")
        self.assertEqual(got["decision"]["needs"], ["lawful-source"])
        self.assertEqual(got["clause"], "group/login.other")
        put["evidence"] = {"lawful-source": "contract P-7, own terminals"}
        self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200, stored=1)
        self.assertEqual(self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"][0]["source"], "partner")
        last = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"]
        self.assertTrue(any(h["detail"].get("reason") == "evidence-missing" or h["detail"].get("reason") == "evidence_missing"
                            for h in last), last)


class Observed(People):
    def test_R027_automatic_collection_has_three_aims(self):
        person = self.adult()
        for aim in ("abnormal-account-detection", "compatibility", "basic-service"):
            self.allowed(self.one("shop", aim, "log-dwell-time", subject=person), "group/basic.log")
            self.allowed(self.one("shop", aim, "log-dwell-time", subject=person, operation="collect", source="observed"))
        self.refused(self.one("shop", "programmatic-advertising", "log-dwell-time", subject=person), "purpose_mismatch")
        self.consent(person, "consent", purpose="programmatic-advertising")
        self.refused(self.one("shop", "programmatic-advertising", "log-dwell-time", subject=person), "purpose_mismatch")

    def test_R028_the_list_of_log_fields_is_closed(self):
        person = self.adult()
        before = self.expect(self.get("/healthz"), 200)["undeclared"]
        put = {"purpose": "basic-service", "source": "observed", "values": {"log-visit-time": "1", "battery_level": "80"}}
        self.problem(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 422, "undeclared-field", contains="battery_level")
        self.assertEqual(self.expect(self.get("/healthz"), 200)["undeclared"], before + 1)
        self.assertEqual(self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"], [])
        self.problem(self.post("/v1/decisions", {"purpose": "basic-service", "fields": ["log-battery-level"]}, token="shop"),
                     422, "undeclared-field", contains="log-battery-level")

    def test_R029_signals_only_as_far_as_the_device_permits(self):
        person = self.adult()
        ask = lambda field, **more: self.one("shop", "nearby-friends" if field == "loc-gps" else "compatibility", field,
                                             subject=person, operation="collect", source="observed", **more)
        self.consent(person, "explicit-consent", purpose="nearby-friends")
        self.consent(person, "location-permission", device="d1", state="refused")
        self.refused(ask("loc-gps", device="d1"), "permission_off")
        self.allowed(ask("device-model", device="d1"), "group/basic.device")
        self.consent(person, "location-permission", device="d2")
        self.allowed(ask("loc-gps", device="d2"), "group/permission.location")
        self.refused(ask("loc-gps", device="d1"), "permission_off")
        self.refused(ask("device-imei", device="d2"), "permission_off")

    def test_R033_what_is_published_serves_publishing(self):
        person = self.adult()
        for purpose in ("fraud-prevention", "programmatic-advertising", "direct-marketing", "profiling"):
            self.consent(person, "consent", purpose=purpose)
            self.refused(self.one("shop", purpose, "content-reactions", subject=person), "purpose_mismatch")
        for operation in ("collect", "use", "display"):
            self.allowed(self.one("shop", "interaction-publishing", "content-reactions", subject=person, operation=operation),
                         "group/publish.content")

    def test_R043_three_switches_over_the_listed_inputs(self):
        person = self.adult()
        ask = lambda purpose, field="log-browsing-history": self.one("shop", purpose, field, subject=person)
        three = ("personalised-content", "profiling", "programmatic-advertising")
        for on in three:
            self.consent(person, "consent", purpose=on)
            for purpose in three:
                if purpose == on:
                    self.allowed(ask(purpose), "group/recommend.model")
                else:
                    self.assertIn(ask(purpose)["answer"], REFUSED)
                self.refused(ask(purpose, "id-national-id-number"), "purpose_mismatch")
            self.withdraw(person, need="consent", purpose=on)

    def test_R050_security_may_combine_and_nobody_inherits_it(self):
        person = self.adult()
        for purpose in ("direct-marketing", "programmatic-advertising"):
            self.consent(person, "consent", purpose=purpose)
            self.consent(person, "explicit-consent", purpose=purpose)
        for field in ("account-username", "order-items", "device-imei", "log-ip-address", "derived-risk"):
            self.allowed(self.one("shop", "fraud-prevention", field, subject=person), "group/security.combine")
            self.allowed(self.one("shop", "fraud-prevention", field, subject=person, operation="combine"))
            self.refused(self.one("shop", "direct-marketing", field, subject=person), "purpose_mismatch")
            self.assertIn(self.one("shop", "direct-marketing", field, subject=person, operation="combine")["answer"], REFUSED)

    def test_R053_surveys_are_voluntary_and_stay_apart(self):
        person = self.adult()
        for purpose in ("personalised-content", "profiling"):
            self.consent(person, "consent", purpose=purpose)
            self.refused(self.one("shop", purpose, "survey-answers", subject=person), "purpose_mismatch")
        self.allowed(self.one("shop", "survey", "survey-answers", subject=person), "group/improve.services")
        self.allowed(self.one("shop", "software-update", "device-os-version", subject=person))
        self.refused(self.one("shop", "software-update", "log-ip-address", subject=person), "purpose_mismatch")
        self.assertIn(self.one("shop", "personalised-content", "device-os-version", subject=self.adult())["answer"], REFUSED)

    def test_R055_a_new_purpose_needs_its_own_consent_and_binds_one_person(self):
        adult, teen = self.adult(), self.person("2010-03-01", "shop")
        self.act(teen, document="group")
        ask = lambda person, topic="voice-cloning": self.one("shop", "newly-announced", "content-posts", subject=person, topic=topic)
        self.problem(self.post("/v1/decisions", {"purpose": "voice-cloning", "fields": ["content-posts"]}, token="shop"),
                     422, "unknown-name")
        self.refused(ask(adult), "consent_required", "group/purpose.new")
        self.consent(adult, "new-purpose-consent", topic="voice-cloning")
        self.allowed(ask(adult), "group/purpose.new")
        self.refused(ask(adult, "mood-reading"), "consent_required")
        self.refused(ask(teen), "consent_required")
        self.withdraw(adult, need="new-purpose-consent", topic="voice-cloning")
        self.refused(ask(adult), "withdrawn")


class Permissions(People):
    """Each permission: its field and use, and a use it does not open."""
    CASES = {
        "R057": ("camera-permission", "media-camera-capture", "interaction-publishing", "profiling"),
        "R058": ("contacts-permission", "contacts-address-book", "invite-friends", "programmatic-advertising"),
        "R059": ("microphone-permission", "media-voice-audio", "voice-interaction", "profiling"),
        "R060": ("location-permission", "loc-gps", "nearby-friends", "fraud-prevention"),
        "R061": ("calendar-permission", "calendar-schedule", "reminder", "profiling"),
    }

    def permission(self, number):
        need, field, use, other = self.CASES[number]
        person = self.adult()
        for purpose in (use, other):
            self.consent(person, "consent", purpose=purpose)
            self.consent(person, "explicit-consent", purpose=purpose)
        ask = lambda purpose, device="d1": self.one("shop", purpose, field, subject=person, device=device)
        self.refused(ask(use), "permission_off")
        self.consent(person, need, device="d1")
        self.allowed(ask(use))
        self.refused(ask(other), "purpose_mismatch")
        self.refused(ask(use, "d2"), "permission_off")
        self.withdraw(person, need=need, device="d1")
        self.refused(ask(use), "permission_off")
        self.assertIn(ask(other)["answer"], REFUSED)

    def test_R057_camera(self):
        self.permission("R057")

    def test_R058_address_book(self):
        self.permission("R058")

    def test_R059_microphone(self):
        self.permission("R059")

    def test_R060_location(self):
        self.permission("R060")

    def test_R061_calendar(self):
        self.permission("R061")

    def test_R062_a_permission_switched_off_holds_one_second_later(self):
        person = self.adult()
        self.consent(person, "explicit-consent", purpose="voice-interaction")
        self.consent(person, "microphone-permission", device="d1")
        ask = lambda operation: self.one("shop", "voice-interaction", "media-voice-audio", subject=person, device="d1", operation=operation)
        self.allowed(ask("use"))
        self.withdraw(person, need="microphone-permission", device="d1")
        self.at("2026-11-23T00:00:01Z")
        for operation in ("collect", "use"):
            got = ask(operation)
            self.refused(got, "permission_off")
            self.assertEqual(got["answer"], "deny")
        self.allowed(self.one("shop", "basic-service", "log-visit-time", subject=person))


class Grounds(People):
    """B1.2.13: eleven grounds for collecting without consent, each with its own proof and in nobody's selling."""
    PROOF = {"national-security": ("R065", "authority-order"), "public-interest-major": ("R066", "declared-emergency"),
             "justice": ("R067", "case-document"), "vital-interest": ("R068", "unobtainable-reason"),
             "self-disclosed": ("R069", "public-link"), "lawful-public-source": ("R070", "source-reference"),
             "contract-request": ("R071", "contract-id"), "ops-stability": ("R072", "incident-id"),
             "news": ("R073", "editorial-approval"), "academic": ("R074", "institution-approval"),
             "other-law": ("R075", "law-article")}
    REGISTERED = set(PROOF) - {"contract-request", "ops-stability"}

    def ground(self, basis):
        proof = self.PROOF[basis][1]
        person = self.adult(agreed=False)
        more = {"subject": person, "operation": "collect", "basis": basis}
        ask = lambda purpose="fraud-prevention", field="health-physiological", **rest: self.one("shop", purpose, field, **more, **rest)
        got = ask()
        self.refused(got, "evidence_missing")
        self.assertEqual(got["needs"], [proof])
        for wrong in {p for _, p in self.PROOF.values()} - {proof}:
            self.refused(ask(evidence={wrong: "ref 17"}), "evidence_missing")
        good = {"evidence": {proof: "ref 17"}}
        if basis == "other-law":
            self.refused(ask(**good), "evidence_missing")  # not on the approved list
            self.reference("law-article", "ref 17")
        self.allowed(ask(**good))
        for purpose in ("direct-marketing", "programmatic-advertising", "profiling"):
            self.refused(ask(purpose, "profile-gender", **good), "purpose_mismatch")
        d = self.decide("shop", "fraud-prevention", ["contact-phone", "health-physiological"], **more, **good)
        self.assertEqual(d["answer"], "allow", d)
        self.assertEqual("register_exception" in d["obligations"], basis in self.REGISTERED)
        put = {"purpose": "fraud-prevention", "basis": basis, "values": {"contact-phone": self.phone()}}
        path = f"/v1/subjects/{person}/data"
        self.problem(self.put(path, put, token="shop"), 403, "refused", reason="evidence_missing")
        self.expect(self.put(path, {**put, **good}, token="shop"), 200, stored=1)
        newest = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"][0]
        self.assertEqual((newest["kind"], newest["detail"]["basis"], newest["detail"]["evidence"]), ("collect", basis, good["evidence"]))
        return ask, good


def ground_test(basis):
    return lambda self: self.ground(basis)


for _basis, (_number, _) in Grounds.PROOF.items():
    setattr(Grounds, "test_%s_%s" % (_number, _basis.replace("-", "_")), ground_test(_basis))


class Cookies(People):
    def test_R080_what_a_cookie_collects_is_log_data(self):
        person = self.adult()
        self.consent(person, "consent", purpose="usage-measurement")
        put = {"purpose": "usage-measurement", "source": "cookie", "values": {"cookie-identifiers": "c-1"}}
        stored = self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200, stored=1)
        self.assertEqual(stored["decision"]["fields"]["cookie-identifiers"]["keep_until"], "2027-05-22T00:00:00Z")
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        export = {"purpose": "rights-requests", "operation": "export", "actor": "subject", "fields": ["cookie-identifiers"], "provenance": True}
        got = self.expect(self.post(f"/v1/subjects/{person}/read", export, token="shop"), 200)
        self.assertEqual(got["values"]["cookie-identifiers"]["provenance"]["source"], "cookie")
        self.assertEqual(len(self.expect(self.get(f"/v1/subjects/{person}/data?source=cookie", token="shop"), 200)["data"]), 1)
        self.expect(self.delete(f"/v1/subjects/{person}/data/cookie-identifiers?actor=subject", token="shop"), 200, deleted=1)
        self.assertEqual(self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"], [])

    def test_R082_counting_cookies_count_and_nothing_else(self):
        person = self.adult()
        for purpose in ("usage-measurement", "programmatic-advertising", "direct-marketing"):
            self.consent(person, "consent", purpose=purpose)
        ask = lambda purpose: self.one("shop", purpose, "cookie-identifiers", subject=person, evidence={"counting-cookie": "c-1"})
        self.allowed(ask("usage-measurement"), "group/cookie.measure")
        self.refused(ask("programmatic-advertising"), "purpose_mismatch", "group/cookie.measure")
        self.refused(ask("direct-marketing"), "purpose_mismatch")

    def test_R083_refused_advertising_cookies_leave_untargeted_adverts(self):
        person = self.adult()
        ask = lambda field: self.one("shop", "programmatic-advertising", field, subject=person)
        self.consent(person, "consent", purpose="programmatic-advertising")
        self.allowed(ask("cookie-identifiers"), "group/cookie.ads")
        self.act(person, preference="cookies-refused", purpose="programmatic-advertising")
        self.refused(ask("cookie-identifiers"), "withdrawn", "group/cookie.refusal")
        self.withdraw(person, need="consent", purpose="programmatic-advertising")
        d = self.decide("shop", "programmatic-advertising", ["log-browser-type", "log-language"], subject=person)
        self.assertEqual((d["answer"], d["obligations"]), ("allow", ["contextual_only"]), d)
        for field in ("device-unique-id", "cookie-identifiers", "log-ip-address", "account-username", "contact-phone"):
            self.assertIn(ask(field)["answer"], REFUSED, field)


if __name__ == "__main__":
    unittest.main()
