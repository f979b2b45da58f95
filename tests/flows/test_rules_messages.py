# SPDX-License-Identifier: Apache-2.0
"""Rules about messages (1.9, 8): the send gate, by number, through POST /v1/send-gate."""
import os, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_people import REFUSED, People


class Messages(People):
    OFFERS = ("marketing_own:games", "marketing_own:music", "marketing_third_party:banking")

    def setUp(self):
        super().setUp()
        for name in self.OFFERS:
            self.operator("POST", "/v1/message-classes", {"name": name, "title": name}, status=201)

    def send(self, person, channel, klass, status=200, **more):
        return self.expect(self.post("/v1/send-gate", {"subject": person, "channel": channel, "class": klass, **more}, token="shop"), status)

    def wants(self, person, topic=None, state="given"):
        return self.consent(person, "consent", purpose="direct-marketing", state=state, **({"topic": topic} if topic else {}))

    def template(self, name, klass, promotional):
        return self.operator("POST", "/v1/templates", {"name": name, "class": klass, "promotional": promotional, "approver": "lead-1"})

    def off(self, got, reason):
        self.assertIn(got["answer"], REFUSED, got)
        self.assertEqual(got["reason"], reason, got)
        self.assertEqual(got["clause"], "group/marketing.send", got)

    def test_R045_offers_by_the_channels_that_are_on(self):
        person = self.adult()
        self.assertIn(self.send(person, "email", "marketing_own:games")["answer"], REFUSED)
        self.wants(person, "email")
        self.wants(person, "marketing_own:games")
        got = self.send(person, "email", "marketing_own:games")
        self.assertEqual((got["answer"], got["basis"], got["clause"]), ("allow", "consent", "group/marketing.send"), got)
        self.off(self.send(person, "sms", "marketing_own:games"), "channel_off")
        newest = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"][0]["detail"]
        self.assertEqual((newest["channel"], newest["class"], newest["service"]), ("sms", "marketing_own:games", "shop"))
        stranger = self.adult(agreed=False)
        self.wants(stranger)
        got = self.send(stranger, "email", "marketing_own:games")
        self.assertEqual(got["reason"], "no_agreement")
        teen = self.person("2010-03-01", "shop")
        self.act(teen, document="group")
        self.wants(teen)
        self.assertEqual(self.send(teen, "email", "marketing_own:games")["answer"], "deny")

    def test_R046_own_and_third_party_offers_by_class(self):
        person = self.adult()
        self.wants(person)
        for klass in self.OFFERS:
            self.assertEqual(self.send(person, "email", klass)["answer"], "allow")
        self.wants(person, "marketing_third_party:banking", "withdrawn")
        self.off(self.send(person, "email", "marketing_third_party:banking"), "class_off")
        self.assertEqual(self.send(person, "email", "marketing_own:music")["answer"], "allow")
        body = {"subject": person, "channel": "email", "class": "marketing_own:insurance"}
        self.problem(self.post("/v1/send-gate", body, token="shop"), 422, "unknown-name", contains="marketing_own:insurance")
        self.problem(self.operator("POST", "/v1/message-classes", {"name": "service_notice"}), 422, "bad-value")
        listed = self.expect(self.get("/v1/message-classes"), 200)["classes"]
        self.assertEqual({c["name"] for c in listed}, {*self.OFFERS, "service_notice", "legal_notice", "security_notice"})

    def test_R047_a_notice_carries_no_promotion(self):
        person = self.adult()
        self.assertEqual(self.template("t7", "service_notice", True).status, 409)
        body = {"subject": person, "channel": "email", "class": "service_notice", "template": "t7"}
        self.problem(self.post("/v1/send-gate", body, token="shop"), 422, "unknown-name", contains="t7")
        self.assertEqual(self.template("t8", "service_notice", False).status, 201)
        self.assertEqual(self.send(person, "email", "service_notice", template="t8")["answer"], "allow")
        self.assertEqual(self.template("t9", "marketing_own:games", True).status, 201)
        self.problem(self.post("/v1/send-gate", {**body, "template": "t9"}, token="shop"), 409, "conflict")

    def test_R049_what_a_law_demands_still_arrives(self):
        person = self.adult()
        self.wants(person)
        self.act(person, preference="opted-out")
        for channel in ("email", "sms", "push", "in_app"):
            got = self.send(person, channel, "marketing_own:games")
            self.assertEqual((got["answer"], got["reason"]), ("deny", "unsubscribed"), got)
        body = {"subject": person, "channel": "email", "class": "legal_notice"}
        self.problem(self.post("/v1/send-gate", body, token="shop"), 422, "missing-member", contains="legal notice")
        got = self.send(person, "email", "legal_notice", reference="PIPL Article 57")
        self.assertEqual((got["answer"], got["basis"]), ("allow", "legal_obligation"))
        newest = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"][0]["detail"]
        self.assertEqual((newest["reference"], newest["basis"]), ("PIPL Article 57", "legal_obligation"))
        self.assertEqual(self.send(person, "sms", "service_notice")["answer"], "allow")

    def test_R165_notices_are_no_switch(self):
        person = self.adult()
        listed = self.expect(self.get("/v1/message-classes"), 200)["classes"]
        self.assertEqual({c["name"] for c in listed if c["always_on"]}, {"service_notice", "legal_notice", "security_notice"})
        for act in ({"need": "consent", "state": "withdrawn"}, {"preference": "opted-out", "state": "given"}):
            body = {**act, "topic": "service_notice"}
            self.problem(self.post(f"/v1/subjects/{person}/consents", body, token="shop"), 409, "conflict", contains="always on")
        self.assertEqual(self.send(person, "email", "service_notice")["answer"], "allow")
        self.assertEqual(self.template("promo", "service_notice", True).status, 409)


if __name__ == "__main__":
    unittest.main()
