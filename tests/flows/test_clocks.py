# SPDX-License-Identifier: Apache-2.0
"""Each event that a time to keep counts from starts its clock when it happens, and a new policy reaches what is held."""
import os, re, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_publish import Publisher

TODAY = "2026-11-23"


class Clocks(Publisher):
    def sweep(self):
        return self.daemon.cli("retain", "sweep", "--json", *self.daemon.here()).stdout

    def keeps(self, person):
        got = self.operator("GET", f"/v1/subjects/{person}/data", status=200).json
        return {(v["field"], v.get("item", "")): (v.get("keep_until") or "open")[:10] for v in got["data"]}

    def keep(self, person, field, item=""):
        return self.keeps(person).get((field, item), "gone")

    def put_values(self, person, purpose, values, service="shop", **more):
        return self.expect(self.put(f"/v1/subjects/{person}/data", {"purpose": purpose, "values": values, **more},
                                    token=service), 200)

    def case_file(self, person, item, field="cs-case-file"):
        self.put_values(person, "customer-service", {field: {"value": "a lamp that hums", "item": item}})

    def joins_music(self, person):
        """Who is known at the shop, has an account with music, too."""
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"document": "music", "state": "given", "service": "music", "language": "en"}, status=201)
        self.collect(person, "music", contact_email=self.phone()[1:] + "@example.org")

    def happened(self, person, event, token="shop", status=201, **more):
        return self.expect(self.post(f"/v1/subjects/{person}/events", {"event": event, **more}, token=token), status)

    # ---- What a service or the operator says

    def test_R040_a_closed_case_goes_when_its_time_is_over(self):
        person = self.adult()
        for item in ("case-9", "case-10"):
            self.case_file(person, item)
        self.assertEqual(self.keep(person, "cs-case-file", "case-9"), "open")
        got = self.happened(person, "case-closed", item="case-9", time="2026-01-10")
        self.assertEqual(got["values"], 1)
        self.assertEqual(self.keeps(person), {("cs-case-file", "case-9"): "2029-01-10", ("cs-case-file", "case-10"): "open"})
        self.case_file(person, "case-9")  # a late page of the same case
        self.assertEqual(self.keep(person, "cs-case-file", "case-9"), "2029-01-10")
        self.at("2029-01-11T00:00:00Z")
        self.assertIn('"deleted":1', self.sweep())
        self.assertEqual(list(self.keeps(person)), [("cs-case-file", "case-10")])
        noted = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"]
        self.assertIn(("case-closed", "2026-01-10"), [(e["detail"].get("what"), e["detail"].get("time", "")[:10]) for e in noted])

    def test_R109_a_clock_starts_again_when_its_event_happens_again(self):
        person = self.adult()
        self.case_file(person, "case-1")
        self.at("2027-02-02T00:00:00Z")
        for day, until in (("2026-11-23", "2029-11-23"), ("2027-02-01", "2030-02-01"), ("2026-12-24", "2029-12-24")):
            self.happened(person, "case-closed", item="case-1", time=day)
            self.assertEqual(self.keep(person, "cs-case-file", "case-1"), until)
        # The same through an order, and through the command line.
        self.put_values(person, "order-payment", {"order-items": {"value": "two lamps", "item": "o1"}})
        self.daemon.recipient("ship-q", "logistics-company", *self.daemon.here())
        for day, until in (("2026-12-01", "2029-12-01"), ("2026-12-20", "2029-12-20")):
            self.operator("POST", f"/v1/subjects/{person}/orders",
                          {"order": "o1", "recipient": "ship-q", "closed": day}, status=201)
            self.assertEqual(self.keep(person, "order-items", "o1"), until)
        self.daemon.cli("subject", "event", person, "--event", "order-closed", "--item", "o1", "--time", "2026-12-03",
                        *self.daemon.here())
        self.assertEqual(self.keep(person, "order-items", "o1"), "2029-12-03")

    def test_R109_a_purpose_that_ended_ends_what_was_collected_for_it(self):
        person = self.adult(contact_phone=self.phone())
        self.put_values(person, "customer-service", {"contact-email": self.phone()[1:] + "@example.org"})
        self.assertEqual(self.happened(person, "purpose-ended", purpose="customer-service")["values"], 1)
        self.assertEqual(self.keeps(person), {("contact-phone", ""): "open", ("contact-email", ""): TODAY})
        self.assertIn('"deleted":1', self.sweep())
        self.assertEqual(self.keeps(person), {("contact-phone", ""): "open"})

    def test_R109_what_is_not_an_event_is_refused(self):
        person, other = self.adult(), self.adult("music", documents=("group", "music"))
        def problem(contains, status=422, code="unknown-name", token="shop", of=person, pointer=None, **body):
            answer = self.post(f"/v1/subjects/{of}/events", body, token=token)
            self.problem(answer, status, code, contains=contains)
            self.assertTrue(pointer is None or answer.json["pointer"] == pointer, answer.json)
        problem("did you mean 'case-closed'", event="case-close")
        problem("no event 'moon-full'", event="moon-full")
        problem("no purpose", event="purpose-ended", purpose="nonsense")
        problem("does not declare", event="case-closed", fields=["shoe-size"], code="undeclared-field")
        problem("by itself", event="collected", code="bad-value")
        problem("by itself", event="consent-withdrawn", code="bad-value")
        problem("later than now", event="case-closed", time="2026-11-25", code="bad-value", pointer="/time")
        problem("itself only", 403, "forbidden", event="purpose-ended", service="music")
        problem("", 404, "not-found", of=other, event="purpose-ended")
        self.assertEqual(self.keeps(person), {})

    def test_R109_what_is_yet_to_come_puts_nothing_off(self):
        person = self.adult()
        self.case_file(person, "case-1")
        self.happened(person, "case-closed", item="case-1")
        self.put_values(person, "order-payment", {"order-items": {"value": "two lamps", "item": "o1"}})
        self.daemon.recipient("ship-q", "logistics-company", *self.daemon.here())
        kept = self.keeps(person)
        self.happened(person, "case-closed", status=422, item="case-1", time="2099-01-01")
        said = self.daemon.cli("subject", "event", person, "--event", "case-closed", "--item", "case-1", "--time", "2099-01-01",
                               *self.daemon.here(), code=1)
        self.assertIn("later than now", said.stderr)
        order = {"order": "o1", "recipient": "ship-q", "closed": "2099-01-01"}
        answer = self.operator("POST", f"/v1/subjects/{person}/orders", order)
        self.problem(answer, 422, "bad-value", contains="later than now")
        self.assertEqual(answer.json["pointer"], "/closed")
        self.assertEqual(self.operator("GET", f"/v1/subjects/{person}/orders", status=200).json["orders"], [])
        self.assertEqual(self.keeps(person), kept)

    def test_a_service_ends_the_purposes_of_its_own_values_only(self):
        person = self.adult(contact_phone=self.phone())
        self.joins_music(person)
        self.happened(person, "purpose-ended", token="music")
        self.assertEqual(self.keeps(person), {("contact-phone", ""): "open", ("contact-email", ""): TODAY})

    def test_an_order_of_one_service_closes_none_of_another(self):
        person = self.adult()
        self.joins_music(person)
        self.put_values(person, "order-payment", {"order-items": {"value": "two lamps", "item": "o1"}})
        self.daemon.recipient("ship-q", "logistics-company", *self.daemon.here())
        closed = {"order": "o1", "recipient": "ship-q", "closed": "2020-01-01"}
        self.expect(self.post(f"/v1/subjects/{person}/orders", closed, token="music"), 201)
        self.assertEqual(self.keep(person, "order-items", "o1"), "open")
        self.expect(self.post(f"/v1/subjects/{person}/orders", closed, token="shop"), 201)
        self.assertEqual(self.keep(person, "order-items", "o1"), "2023-01-01")

    # ---- What the daemon sees itself

    def test_R109_a_withdrawn_consent_ends_its_purpose(self):
        person = self.adult(contact_phone=self.phone())
        scope = {"purpose": "personalised-content"}
        self.consent(person, "consent", **scope)
        self.put_values(person, "personalised-content", {"profile-interests": "lamps"})
        self.consent(person, "consent", purpose="direct-marketing")
        self.withdraw(person, need="consent", purpose="direct-marketing")  # nothing was collected for it
        self.assertEqual(self.keep(person, "profile-interests"), "open")
        self.withdraw(person, need="consent", party="logistics-company", **scope)  # one recipient less is no end
        self.assertEqual(self.keep(person, "profile-interests"), "open")
        self.withdraw(person, need="consent", **scope)
        self.assertEqual(self.keeps(person), {("contact-phone", ""): "open", ("profile-interests", ""): TODAY})
        self.assertIn('"deleted":1', self.sweep())
        self.consent(person, "consent", **scope)  # and what comes after a new one is new
        self.at("2026-11-24T00:00:00Z")
        self.put_values(person, "personalised-content", {"profile-interests": "chairs"})
        self.assertEqual(self.keep(person, "profile-interests"), "open")
        self.sweep()
        self.assertEqual(self.keep(person, "profile-interests"), "open")

    def test_R109_an_act_ends_only_what_rested_on_it(self):
        person = self.adult(contact_phone=self.phone())
        for state in ("withdrawn", "refused"):
            self.expect(self.post(f"/v1/subjects/{person}/consents", {"document": "group", "state": state}, token="shop"), 201)
        self.expect(self.post(f"/v1/subjects/{person}/consents", {"need": "consent", "state": "refused"}, token="shop"), 201)
        self.assertEqual(self.keep(person, "contact-phone"), "open")
        self.assertIn('"deleted":0', self.sweep())

    def test_R109_many_items_of_a_withdrawn_purpose_end_at_once(self):
        person = self.adult(contact_phone=self.phone())
        scope = {"purpose": "personalised-content"}
        self.consent(person, "consent", **scope)
        for item in range(40):
            self.put_values(person, "personalised-content", {"profile-interests": {"value": "lamps", "item": str(item)}})
        self.withdraw(person, need="consent", **scope)
        self.assertEqual({end for (field, _), end in self.keeps(person).items() if field == "profile-interests"}, {TODAY})

    def test_R109_proof_of_guardianship_goes_a_week_after_it_served(self):
        child, guardian = self.person("2014-08-20", "arena"), self.person("1985-05-05", "arena")
        self.put_values(child, "guardian-verification", {"guardian-relationship-proof": "register, page 3"}, "arena")
        self.assertEqual(self.keep(child, "guardian-relationship-proof"), "open")
        link = {"guardian": guardian, "verified": True, "evidence": "household register, checked"}
        self.expect(self.post(f"/v1/subjects/{child}/guardians", link, token="arena"), 201)
        self.assertEqual(self.keep(child, "guardian-relationship-proof"), "2026-11-30")

    def test_R110_a_closed_account_leaves_what_is_held_without_a_clock_of_its_own(self):
        person = self.adult(contact_phone=self.phone())
        hold = {"fields": ["contact-phone"], "reference": "tax law, file 9", "until": "2028-01-01"}
        self.operator("POST", f"/v1/subjects/{person}/holds", hold, status=201)
        self.operator("POST", f"/v1/subjects/{person}/closure", {}, 200)
        self.sweep()
        self.assertEqual(self.keep(person, "contact-phone"), "2028-01-01")
        # The hold is lifted sooner: nothing else keeps it.
        self.operator("POST", f"/v1/subjects/{person}/holds", {**hold, "until": "2026-11-23T00:00:01Z"}, status=201)
        self.at("2026-11-24T00:00:00Z")
        self.assertIn('"deleted":1', self.sweep())

    def test_R110_a_hold_that_ends_sooner_ends_what_a_closed_account_left(self):
        """Also what nothing else would end: an order that was never closed, a field that the policy has no clock for any more."""
        person, other = self.adult(contact_phone=self.phone()), self.adult()
        self.joins_music(person)
        for one in (person, other):
            self.put_values(one, "order-payment", {"order-items": {"value": "two lamps", "item": "o1"}})
            hold = {"fields": ["order-items", "contact-email"], "reference": "tax law, file 9", "until": "2028-01-01"}
            self.operator("POST", f"/v1/subjects/{one}/holds", hold, status=201)
        self.expect(self.post(f"/v1/subjects/{person}/closure", {}, token="shop"), 200)
        self.sweep()
        self.assertEqual(self.keeps(person), {("order-items", "o1"): "2028-01-01", ("contact-email", ""): "open"})
        # Longer, and sooner: nothing but the duty keeps it; of who has the account yet it keeps nothing.
        for until, left, at in (("2029-01-01", "2029-01-01", "2026-11-24"), ("2027-01-01", "2027-01-01", "2026-11-25")):
            for one in (person, other):
                self.operator("POST", f"/v1/subjects/{one}/holds", {**hold, "until": until}, status=201)
            self.at(at + "T00:00:00Z")
            self.sweep()
            self.assertEqual(self.keeps(person), {("order-items", "o1"): left, ("contact-email", ""): "open"})
            self.assertEqual(self.keeps(other), {("order-items", "o1"): "open"})
        self.at("2027-01-02T00:00:00Z")
        self.assertIn('"deleted":1', self.sweep())
        self.assertEqual(self.keeps(person), {("contact-email", ""): "open"})

    def test_R110_what_a_law_keeps_is_neither_deleted_nor_replaced(self):
        person = self.adult(contact_phone=self.phone())
        self.collect(person, contact_email=self.phone()[1:] + "@example.org")
        self.put_values(person, "order-payment", {"order-items": {"value": "two lamps", "item": "o1"}})
        for starts in ("2026-11-01", "2026-12-01"):  # in force, and not yet
            hold = {"fields": ["contact-phone", "order-items"], "reference": "tax law, file 9", "from": starts, "until": "2028-01-01"}
            self.operator("POST", f"/v1/subjects/{person}/holds", hold, status=201)
            gone = self.delete(f"/v1/subjects/{person}/data/contact-phone", token="shop")
            self.problem(gone, 403, "refused", reason="hold_only")
            for item, status in (("o1", 403), ("o%d" % len(self.keeps(person)), 200)):
                put = {"purpose": "order-payment", "values": {"order-items": {"value": "one", "item": item}}}
                answer = self.put(f"/v1/subjects/{person}/data", put, token="shop")
                self.assertEqual(answer.status, status, answer)
                self.assertEqual(answer.json.get("reason"), "hold_only" if status == 403 else None)
            put = {"purpose": "registration-login", "values": {"contact-phone": self.phone()}}
            self.problem(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 403, "refused", reason="hold_only")
            for caller in ("shop", None):
                answer = (self.delete(f"/v1/subjects/{person}", token="shop") if caller else
                          self.operator("DELETE", f"/v1/subjects/{person}"))
                self.problem(answer, 409, "conflict", contains="tax law, file 9")
        self.expect(self.delete(f"/v1/subjects/{person}/data/contact-email", token="shop"), 200)
        got = self.operator("POST", f"/v1/subjects/{person}/closure", {}, 200).json
        self.assertEqual((got["erased"], sorted(k["field"] for k in got["kept"])), (False, ["contact-phone", "order-items"]))
        self.sweep()
        self.assertEqual(self.keep(person, "contact-phone"), "2028-01-01")
        self.at("2028-01-02T00:00:00Z")
        self.sweep()
        self.operator("DELETE", f"/v1/subjects/{person}", status=200)

    def test_R199_what_came_through_a_service_goes_with_it(self):
        person = self.adult(contact_phone=self.phone())
        self.joins_music(person)
        self.daemon.service("music", "music", "--renew", "--ended", "2027-01-01")
        self.sweep()
        self.assertEqual(self.keep(person, "contact-email"), "open")
        self.at("2027-01-02T00:00:00Z")
        self.assertIn('"deleted":1', self.sweep())
        self.assertEqual(list(self.keeps(person)), [("contact-phone", "")])

    # ---- A policy that changes

    def revised(self, old, new, day, revision=13):
        def change(text):
            for was, now in zip(old, new) if isinstance(old, tuple) else ((old, new),):
                self.assertIn(was, text)
                text = text.replace(was, now)
            return text
        return self.draft(revision, day, change, translate=False)

    def test_R109_a_shorter_time_reaches_what_is_held(self):
        people = [self.adult() for _ in range(70)]  # more than one batch
        for p in people:
            self.put_values(p, "abnormal-account-detection", {"log-visit-time": TODAY}, source="observed")
        self.sweep()
        self.publish(self.revised("we may store log until 180 days after", "we may store log until 30 days after", TODAY))
        self.get("/healthz")
        self.sweep()
        self.assertEqual({self.keep(p, "log-visit-time") for p in people}, {"2026-12-23"})
        # A longer time holds for what is collected under it.
        self.publish(self.revised("we may store log until 180 days after", "we may store log until 300 days after",
                                  "2026-12-20", 14))
        self.at("2026-12-20T00:00:00Z")
        self.get("/healthz")
        self.sweep()
        self.assertEqual(self.keep(people[0], "log-visit-time"), "2026-12-23")
        self.act(people[0], document="group")
        self.put_values(people[0], "abnormal-account-detection", {"log-visit-time": "2026-12-20"}, source="observed")
        self.assertEqual(self.keep(people[0], "log-visit-time"), "2027-10-16")

    def test_R109_a_new_policy_counts_from_what_happened_before_it(self):
        """Each event of the vocabulary starts a clock: a rule that names it is published after it happened."""
        person = self.adult()
        self.put_values(person, "interaction-publishing", {"content-posts": {"value": "hello", "item": "p1"}})
        for event in ("request-received", "identity-confirmed", "incident-confirmed", "incident-with-child-data",
                      "deletion-accepted", "correction-accepted", "unlawful-handling-found", "credential-leak-reported",
                      "public-item-deleted", "order-closed", "case-closed", "purpose-ended"):
            with self.subTest(event):
                other = self.adult()
                self.put_values(other, "interaction-publishing", {"content-reactions": "a like"})
                self.happened(other, event)
        self.happened(person, "public-item-deleted", item="p1")
        self.sweep()
        self.assertEqual(self.keep(person, "content-posts", "p1"), "open")
        self.publish(self.revised(
            ("we may store any except log,", "we may store log until 180 days after collected."),
            ("we may store any except content-published, log,", "we may store log until 180 days after collected.\n"
             "we may store content-published until 20 days after public-item-deleted."), "2026-12-09"))
        self.sweep()
        self.assertEqual(self.keep(person, "content-posts", "p1"), "open")
        self.at("2026-12-09T00:00:00Z")
        self.get("/healthz")
        self.sweep()
        self.assertEqual(self.keep(person, "content-posts", "p1"), "2026-12-13")


if __name__ == "__main__":
    unittest.main()
