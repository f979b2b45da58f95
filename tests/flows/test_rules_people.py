# SPDX-License-Identifier: Apache-2.0
"""Rules about accounts, devices, orders, origins and legal holds, by number, through POST /v1/decisions and reads."""
import os, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_people import REFUSED, People


class Accounts(People):
    def test_R016_registration_demands_no_more(self):
        account = {"phone": self.phone(), "username": "li", "password": "correct horse battery staple"}
        made = self.expect(self.post("/v1/register", account, token="shop"), 201, band="adult", state="active")
        held = self.expect(self.get(f"/v1/subjects/{made['id']}/data", token="shop"), 200)["data"]
        self.assertEqual({h["field"] for h in held}, {"contact-phone", "account-username", "account-credential"})
        acts = self.expect(self.get(f"/v1/subjects/{made['id']}/consents", token="shop"), 200)["consents"]
        self.assertEqual([(a["name"], a["event_state"]) for a in acts], [("group", "ConsentGiven")])
        self.assertEqual([r["document"] for r in made["receipts"]], ["group"])
        self.problem(self.post("/v1/register", {k: v for k, v in account.items() if k != "phone"}, token="shop"), 422, "missing-member")
        self.problem(self.post("/v1/register", {**account, "gender": "f"}, token="shop"), 422, "unknown-member", contains="gender")
        child = {**account, "phone": self.phone(), "birth_date": "2014-08-20"}
        self.problem(self.post("/v1/register", child, token="shop"), 403, "refused", reason="guardian_required")
        self.assertEqual(self.files_holding("correct horse battery staple"), [])
        profile = {"name": "shop-2", "class": "shop", "required": ["contact-phone", "profile-gender"]}
        self.problem(self.operator("POST", "/v1/services", profile), 422, "bad-value", contains="profile-gender")
        self.operator("POST", "/v1/services", {**profile, "required": ["contact-phone"]}, status=201)

    def test_R034_the_public_sees_three_things(self):
        person = self.adult("forum", contact_phone=self.phone(), account_username="li-1", account_credential="secret")
        for purpose in ("profiling", "survey"):
            self.consent(person, "consent", "forum", purpose=purpose)
        fields = ["profile-nickname", "profile-avatar", "profile-gender", "profile-hometown", "profile-occupation",
                  "profile-education", "profile-interests"]
        self.collect(person, "forum", purpose="profiling", profile_birth_date="1990-01-01",
                     **{f: "x-" + f for f in fields})
        self.collect(person, "forum", purpose="order-payment", order_address="1 Example Road", order_recipient_name="Li", order_items="tea")
        self.collect(person, "forum", purpose="interaction-publishing", content_reactions="like")
        posts = {"content-posts": {"value": "first", "item": "1"}}
        put = lambda values: self.expect(self.put(f"/v1/subjects/{person}/data", {
            "purpose": "interaction-publishing", "values": values}, token="forum"), 200)
        put(posts)
        put({"content-posts": {"value": "second", "item": "2"}})
        got = self.expect(self.get(f"/v1/public/profiles/{person}"), 200)
        self.assertEqual(got, {"nickname": "x-profile-nickname", "avatar": "x-profile-avatar", "posts": ["first", "second"]})
        self.problem(self.get(f"/v1/public/profiles/{'0' * 32}"), 404, "not-found")
        self.problem(self.get("/v1/public/profiles/li"), 404, "not-found")
        self.problem(self.get(f"/v1/public/profiles/{self.adult(agreed=False)}"), 404, "not-found")


class Devices(People):
    def test_R031_what_a_joined_device_says_is_personal_while_it_is_joined(self):
        self.at("2026-07-01T00:00:00Z")
        person = self.adult()
        put = lambda day: self.put(f"/v1/subjects/{person}/data", {
            "purpose": "security-protection", "source": "observed", "device": "d1",
            "values": {"log-ip-address": {"value": "203.0.113.%d" % day, "item": "2026-07-%02d" % day}}}, token="shop")
        for day in range(1, 10):
            self.at("2026-07-%02dT08:00:00Z" % day)
            self.expect(put(day), 200, stored=1)
        self.act(person, preference="unjoined", device="d1")
        self.at("2026-07-10T08:00:00Z")
        got = self.problem(put(10), 403, "refused", reason="scope")
        self.assertEqual(got["clause"], "group/basic.unjoined")
        ask = lambda device: self.one("shop", "security-protection", "log-ip-address", subject=person, operation="combine", device=device)
        self.refused(ask("d1"), "scope", "group/basic.unjoined")
        self.allowed(ask("d2"))
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        export = {"purpose": "rights-requests", "operation": "export", "actor": "subject", "fields": ["log-ip-address"]}
        got = self.expect(self.post(f"/v1/subjects/{person}/read", export, token="shop"), 200)
        self.assertEqual([v["item"] for v in got["values"]["log-ip-address"]], ["2026-07-%02d" % d for d in range(1, 10)])
        self.withdraw(person, preference="unjoined", device="d1")
        self.expect(put(10), 200, stored=1)


class Orders(People):
    WHOLE = {"order-recipient-name": "Li", "order-address": "1 Example Road", "order-contact-phone": "+8613900000000"}

    def order(self, person, number, **values):
        put = {"purpose": "delivery", "values": {f: {"value": v, "item": number} for f, v in values.items()}}
        return self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200)

    def assign(self, person, number, recipient="ship-b", **more):
        body = {"order": number, "recipient": recipient, **more}
        return self.expect(self.post(f"/v1/subjects/{person}/orders", body, token="shop"), 201)

    def test_R035_what_is_missing_stops_the_delivery_alone(self):
        person = self.adult()
        ask = lambda purpose="delivery", field="order-address", **more: self.one(
            "shop", purpose, field, subject=person, evidence={"order": "17"}, **more)
        self.order(person, "17", **{k: v for k, v in self.WHOLE.items() if k != "order-contact-phone"})
        self.order(person, "17", **{"pay-status": "paid"})
        got = ask()
        self.refused(got, "evidence_missing", "group/order.complete")
        for purpose, field in (("order-display", "order-items"), ("basic-service", "log-visit-time"), ("customer-service", "cs-case-file")):
            self.allowed(ask(purpose, field))
        self.order(person, "17", **{"order-contact-phone": "+8613900000000"})
        self.allowed(ask(), "group/order.place")

    def test_R038_each_its_own_orders_until_ninety_days_after(self):
        person = self.adult()
        for number in ("17", "18"):
            self.order(person, number, **{**self.WHOLE, "pay-status": "paid", "order-address": number + " Example Road"})
        self.assign(person, "17")
        read = lambda number, status=200: self.post(f"/v1/subjects/{person}/shares", {
            "recipient": "ship-b", "purpose": "delivery", "fields": ["order-address", "order-contact-phone"],
            "evidence": {"order": number} if number else {}}, token="shop")
        values = self.expect(read("17"), 200)["values"]
        self.assertEqual(set(values), {"order-address", "order-contact-phone"})
        self.assertNotIn("18 Example Road", str(values))
        self.assertIn("17 Example Road", str(values))
        for other in ("18", None):
            got = self.problem(read(other), 403, "refused", reason="not_assigned")
            self.assertEqual(got["clause"], "group/order.assigned")
        self.assign(person, "17", closed="2026-11-23T00:00:00Z")
        self.at("2027-02-20T23:59:59Z")
        self.expect(read("17"), 200)
        self.at("2027-02-21T00:00:00Z")
        self.problem(read("17"), 403, "refused", reason="expired")


class Origins(People):
    def test_R052_one_service_serves_another_with_the_switch_only(self):
        person = self.adult("shop")
        self.collect(person, "shop", purpose="order-payment", order_items="tea")
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"document": "group", "state": "given", "service": "music"}, status=201)
        self.act(person, "music", document="music")
        ask = lambda purpose="personalised-content", service="music": self.one(service, purpose, "order-items", subject=person)
        for service in ("music", "shop"):
            for purpose in ("personalised-content", "programmatic-advertising"):
                self.consent(person, "consent", service, purpose=purpose)
        got = ask()
        self.refused(got, "consent_required", "group/improve.elsewhere")
        self.assertEqual(got["needs"], ["cross-service"])
        self.allowed(ask(service="shop"), "group/recommend.model")
        self.consent(person, "cross-service", "music")
        self.allowed(ask(), "group/recommend.model")
        field = lambda service: self.one(service, "programmatic-advertising", "log-browsing-history", subject=person,
                                         evidence={"from-elsewhere": "shop"})
        self.refused(field("music"), "scope", "group/improve.elsewhere")
        self.allowed(field("shop"))
        self.withdraw(person, "music", need="cross-service")
        self.refused(ask(), "withdrawn")


class Holds(People):
    def test_R110_what_a_law_keeps_lies_still(self):
        person = self.adult()
        self.collect(person, purpose="order-payment", order_amount="128.00", order_items="tea")
        ask = lambda purpose, field="order-amount": self.one("shop", purpose, field, subject=person)
        self.consent(person, "explicit-consent")
        self.allowed(ask("customer-service"))
        self.assertEqual(ask("legal-disclosure")["answer"], "deny")
        hold = {"fields": ["order-amount"], "reference": "Tax Collection Law 52, file 9", "until": "2036-01-01T00:00:00Z"}
        self.assertIn(self.post(f"/v1/subjects/{person}/holds", hold, token="shop").status, (401, 403))
        self.operator("POST", f"/v1/subjects/{person}/holds", {**hold, "from": "2026-12-01T00:00:00Z"}, status=201)
        self.allowed(ask("customer-service"))  # its own purpose has not ended yet
        self.at("2026-12-01T00:00:00Z")
        for purpose in ("customer-service", "order-display", "fraud-prevention"):
            self.refused(ask(purpose), "hold_only", "group/keep.held")
        self.allowed(ask("legal-disclosure"), "group/keep.duty")
        self.allowed(ask("customer-service", "order-items"))
        listed = self.operator("GET", f"/v1/subjects/{person}/holds", status=200).json["holds"]
        self.assertEqual([(h["field"], h["reference"]) for h in listed], [("order-amount", hold["reference"])])
        self.problem(self.operator("POST", f"/v1/subjects/{person}/holds", {**hold, "fields": ["shoe-size"]}), 422, "undeclared-field")
        self.at("2036-01-01T00:00:00Z")
        self.assertEqual(ask("legal-disclosure")["answer"], "deny")

    def test_R110_a_hold_outlasts_the_values_own_time(self):
        person = self.adult()
        values = {"log-ip-address": "203.0.113.9", "log-network": "n"}
        put = {"purpose": "security-protection", "source": "observed", "values": values}
        self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200)
        self.operator("POST", f"/v1/subjects/{person}/holds", {
            "fields": ["log-ip-address"], "reference": "file 9", "from": "2027-05-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"}, status=201)
        read = lambda field: self.post(f"/v1/subjects/{person}/read", {"purpose": "legal-disclosure", "fields": [field]}, token="shop")
        self.at("2027-11-01T00:00:00Z")  # 180 days are over
        self.assertEqual(self.expect(read("log-ip-address"), 200)["values"]["log-ip-address"]["value"], "203.0.113.9")
        self.problem(read("log-network"), 403, "refused")
        self.at("2028-01-01T00:00:00Z")
        self.problem(read("log-ip-address"), 403, "refused")

    def test_R110_the_command_puts_a_hold(self):
        person = self.adult()
        self.daemon.cli("hold", "add", person, "--fields", "order-amount", "--reference", "file 9", "--until", "2036-01-01", *self.daemon.here())
        self.assertIn("order-amount", self.daemon.cli("hold", "list", person, *self.daemon.here()).stdout)
        self.refused(self.one("shop", "order-display", "order-amount", subject=person), "hold_only")


if __name__ == "__main__":
    unittest.main()
