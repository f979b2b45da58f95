# SPDX-License-Identifier: Apache-2.0
"""What must be refused: each with its status, its problem type, a message that helps, and nothing half done."""
import json, secrets

from troth_flow import Flow

NOBODY = "0" * 32


class BadInput(Flow):
    def decision(self, raw, **headers):
        return self.daemon.request("POST", "/v1/decisions", raw=raw, token="shop", headers=headers)

    def record_size(self):
        return self.expect(self.get("/healthz"), 200)["record"]

    # ---- Bytes

    def test_malformed_json(self):
        for raw in (b"", b"{", b'{"purpose":"delivery"', b'{"purpose":"delivery"} x', b"[1,2", b"{'purpose':1}", b"nul",
                    b'{"purpose":"delivery",}', b'{"purpose":01}', b'{"purpose":"\\u0000"}', b'{"purpose":"\\ud800"}',
                    b'{"a":1,"a":2}'):
            with self.subTest(raw=raw):
                self.problem(self.decision(raw), 400, "bad-json")

    def test_bad_utf8(self):
        for raw in (b'{"purpose":"\xff"}', b'{"purpose":"\xc0\xaf"}', b'{"purpose":"\xed\xa0\x80"}'):
            with self.subTest(raw=raw):
                self.problem(self.decision(raw), 400, "bad-utf8")

    def test_too_deep(self):
        self.problem(self.decision(b"[" * 5000 + b"]" * 5000), 400, "bad-json")

    def test_oversized_body(self):
        self.problem(self.decision(b'{"purpose":"' + b"x" * 70000 + b'"}'), 413, "too-large")

    def test_body_where_none_is_taken(self):
        answer = self.daemon.request("GET", "/v1/policies", raw=b"{}", token="shop")
        self.assertIn(answer.status, (200, 413), answer)

    def test_not_json(self):
        answer = self.decision(b"purpose=delivery", **{"content-type": "application/x-www-form-urlencoded"})
        self.problem(answer, 415, "media-type")

    # ---- Members

    def test_unknown_members(self):
        answer = self.post("/v1/decisions", {"purpose": "delivery", "feilds": []}, token="shop")
        self.problem(answer, 422, "unknown-member", contains="feilds", pointer="/feilds")
        self.assertIn("fields", answer.json["hint"])

    def test_missing_member(self):
        self.problem(self.post("/v1/decisions", {"fields": []}, token="shop"), 422, "missing-member", pointer="/purpose")

    def test_wrong_types(self):
        for body, pointer in (({"purpose": 1}, "/purpose"), ({"purpose": "delivery", "fields": "x"}, "/fields"),
                              ({"purpose": "delivery", "fields": [1]}, "/fields"),
                              ({"purpose": "delivery", "explain": "yes"}, "/explain"),
                              ({"purpose": "delivery", "evidence": []}, "/evidence"),
                              ({"purpose": "delivery", "evidence": {"a": 1}}, "/evidence"),
                              ({"purpose": None}, "/purpose")):
            with self.subTest(body=body):
                self.problem(self.post("/v1/decisions", body, token="shop"), 422, "wrong-type", pointer=pointer)
        self.problem(self.post("/v1/decisions", [], token="shop"), 422, "wrong-type")

    def test_bad_values(self):
        for body, pointer in (({"purpose": ""}, "/purpose"), ({"purpose": "x" * 65}, "/purpose"),
                              ({"purpose": "a\nb"}, "/purpose"), ({"purpose": "delivery", "subject": "x"}, "/subject"),
                              ({"purpose": "delivery", "fields": [""]}, "/fields"),
                              ({"purpose": "delivery", "fields": ["contact-phone"] * 97}, "/fields")):
            with self.subTest(body=body):
                self.problem(self.post("/v1/decisions", body, token="shop"), 422, "bad-value", pointer=pointer)

    def test_bad_birth_dates(self):
        for day in ("1990-02-30", "1990", "yesterday", "2999-01-01", "1800-01-01"):
            with self.subTest(day=day):
                self.problem(self.post("/v1/subjects", {"birth_date": day}, token="shop"), 422, "bad-value",
                             pointer="/birth_date")

    # ---- Names

    def test_unknown_names_get_a_suggestion(self):
        for body, near in (({"purpose": "delivry"}, "delivery"),
                           ({"purpose": "delivery", "operation": "shrae"}, "share"),
                           ({"purpose": "delivery", "basis": "vital-interets"}, "vital-interest")):
            with self.subTest(body=body):
                self.problem(self.post("/v1/decisions", body, token="shop"), 422, "unknown-name", contains=near)

    def test_undeclared_field_gets_a_suggestion(self):
        body = {"purpose": "delivery", "fields": ["contact-fone", "battery-level"]}
        answer = self.post("/v1/decisions", body, token="shop")
        self.problem(answer, 422, "undeclared-field", contains="contact-phone")
        self.assertIn("battery-level", answer.text)

    def test_unknown_party_is_refused_with_a_suggestion(self):
        answer = self.decide("shop", "delivery", ["order-address"], recipient="ship-c", operation="share")
        self.assertEqual((answer["answer"], answer["reason"]), ("deny", "default_deny"))
        self.assertIn("ship-b", answer["hint"])
        problem = self.daemon.cli("recipient", "paper", "ship-c", "--kind", "confidentiality", "--reference", "x",
                                  "--until", "2030-01-01", "--data", self.daemon.data, code=1)
        self.assertIn("ship-b", problem.stderr)

    def test_wildcards(self):
        for fields in (["*"], ["any"]):
            answer = self.post("/v1/decisions", {"purpose": "delivery", "fields": fields}, token="shop")
            self.assertEqual(answer.status, 422, answer)

    # ---- Callers

    def test_missing_token(self):
        answer = self.post("/v1/decisions", {"purpose": "delivery"})
        self.problem(answer, 401, "token-missing", contains="troth service add")
        self.assertIn("Bearer", answer.headers["www-authenticate"])

    def test_wrong_tokens(self):
        for token in ("troth_" + "A" * 43, "x", self.daemon.tokens["shop"] + "A", self.daemon.tokens["shop"][:-1]):
            answer = self.post("/v1/decisions", {"purpose": "delivery"}, token=token)
            self.problem(answer, 401, "token-invalid")
            self.assertNotIn(token if len(token) > 1 else "\0", answer.text)
        answer = self.daemon.request("POST", "/v1/decisions", {"purpose": "delivery"},
                                     headers={"authorization": "Basic c2hvcDp4"})
        self.problem(answer, 401, "token-missing")

    def test_operator_routes_are_not_for_services(self):
        for method, path, body in (("POST", "/v1/services", {"name": "x", "class": "shop"}), ("GET", "/v1/services", None),
                                   ("POST", "/v1/recipients", {"name": "x", "class": "merchant"}),
                                   ("POST", "/v1/recipients/ship-b/grants",
                                    {"purpose": "delivery", "fields": ["order-address"], "until": "2030-01-01"})):
            self.problem(self.daemon.request(method, path, body, token="shop"), 403, "forbidden")

    def test_a_service_speaks_for_itself_only(self):
        body = {"purpose": "delivery", "service": "forum"}
        self.problem(self.post("/v1/decisions", body, token="shop"), 403, "forbidden", pointer="/service")

    def test_foreign_subject(self):
        """Somebody else's person and nobody look the same, on every route."""
        person = self.person("1990-05-05", service="shop")
        routes = (("GET", "", None), ("DELETE", "", None), ("GET", "/policies", None), ("GET", "/data", None),
                  ("PUT", "/data", {"purpose": "delivery", "values": {"order-address": "x"}}),
                  ("POST", "/read", {"purpose": "delivery", "fields": ["order-address"]}),
                  ("DELETE", "/data/order-address", None), ("GET", "/consents", None),
                  ("POST", "/consents", {"document": "group", "state": "given"}), ("GET", "/guardians", None),
                  ("POST", "/guardians", {"guardian": person}), ("GET", "/shares", None),
                  ("POST", "/shares", {"recipient": "ship-b", "purpose": "delivery", "fields": ["order-address"]}),
                  ("GET", "/history", None))
        for method, path, body in routes:
            with self.subTest(method=method, path=path):
                foreign = self.daemon.request(method, "/v1/subjects/%s%s" % (person, path), body, token="forum")
                nobody = self.daemon.request(method, "/v1/subjects/%s%s" % (NOBODY, path), body, token="forum")
                self.problem(foreign, 404, "not-found")
                self.assertEqual(foreign.json["title"], nobody.json["title"])
                self.assertEqual(nobody.status, 404)
        body = {"subject": person, "purpose": "delivery"}
        self.problem(self.post("/v1/decisions", body, token="forum"), 404, "not-found")
        self.expect(self.get("/v1/subjects/" + person, token="shop"), 200, state="active")

    def test_malformed_ids(self):
        for bad in ("x", "0" * 31, "0" * 33, "%00" * 16, "..%2f..", "z" * 32):
            with self.subTest(id=bad):
                self.assertEqual(self.get("/v1/subjects/" + bad, token="shop").status, 404)

    # ---- Addresses

    def test_unknown_address(self):
        for path in ("/nothing", "/v1", "/v1/subject", "/v1/decisions/x", "/static/../etc/passwd", "/audit/tile/9/x"):
            with self.subTest(path=path):
                self.assertEqual(self.get(path).status, 404)

    def test_wrong_method_names_the_right_ones(self):
        answer = self.get("/v1/decisions", token="shop")
        self.problem(answer, 405, "method-not-allowed")
        self.assertEqual(answer.headers["allow"], "POST")
        answer = self.daemon.request("PATCH", "/v1/third-parties")
        self.problem(answer, 405, "method-not-allowed")
        self.assertEqual(answer.headers["allow"], "GET, HEAD")

    def test_a_body_does_not_hide_a_wrong_method_or_address(self):
        person = self.person("1990-01-01")
        answer = self.daemon.request("PUT", "/v1/subjects/%s/data/contact-phone" % person, {"value": "+8613800138000"}, token="shop")
        self.problem(answer, 405, "method-not-allowed")
        self.assertEqual(answer.headers["allow"], "DELETE")
        self.problem(self.post("/v1/subject", {"birth_date": "1990-01-01"}, token="shop"), 404, "not-found")
        # Where the row is there and takes no body, none is taken.
        self.problem(self.delete("/v1/subjects/%s/data/contact-phone" % person, body={"why": "x"}, token="shop"), 413, "too-large")

    def test_a_value_that_is_wrong_is_pointed_at_where_it_is(self):
        person = self.person("1990-01-01")
        for values, place in (({"contact-phone": "+8613800138000", "contact-fone": "1"}, "contact-fone"), ({"a~/b": "1"}, "a~0~1b"),
                              ({"contact-phone": "+8613800138000", "*": "1"}, "*"),
                              ({"contact-phone": "+8613800138000", "contact_phone": "1"}, "contact_phone")):
            answer = self.daemon.request("PUT", "/v1/subjects/%s/data" % person, {"purpose": "delivery", "values": values}, token="shop")
            self.assertGreaterEqual(answer.status, 400, answer)
            self.assertEqual(answer.json["pointer"], "/values/" + place, answer)

    def test_unknown_query_parameter(self):
        self.problem(self.get("/v1/policies/group?att=2025-01-01"), 422, "unknown-member", contains="att")
        self.problem(self.get("/v1/policies/group?at=soon"), 422, "bad-value")

    def test_a_query_parameter_said_twice(self):
        self.problem(self.get("/v1/policies/group?at=2026-11-23&at=1999-01-01"), 400, "bad-request", contains="twice")

    def test_cross_site_form(self):
        answer = self.daemon.request("POST", "/try", raw=b"purpose=delivery", headers={
            "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"})
        self.assertEqual(answer.status, 403, answer)

    # ---- Nothing half done

    def agree(self, person):
        self.expect(self.post("/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"},
                              token="shop"), 201)

    def put(self, person, values, purpose="registration-login"):
        return self.daemon.request("PUT", "/v1/subjects/%s/data" % person, {"purpose": purpose, "values": values},
                                   token="shop")

    def held(self, person):
        return sorted(v["field"] for v in self.expect(self.get("/v1/subjects/%s/data" % person, token="shop"), 200)["data"])

    def test_duplicate_phone(self):
        first, second = self.person("1990-05-05"), self.person("1991-05-05")
        phone = "+86139%08d" % secrets.randbelow(10 ** 8)
        for person in (first, second):
            self.agree(person)
        self.expect(self.put(first, {"contact-phone": phone}), 200)
        answer = self.put(second, {"account-username": "second", "contact-phone": phone})
        self.problem(answer, 409, "identifier-taken")
        self.assertNotIn(phone, answer.text)
        self.assertEqual(self.held(second), [])
        spaced = phone[:6] + " " + phone[6:]
        self.problem(self.put(second, {"contact-phone": spaced}), 409, "identifier-taken")
        self.expect(self.put(first, {"contact-phone": phone}), 200)

    def test_one_refused_field_stores_none(self):
        person = self.person("1990-05-05")
        self.agree(person)
        before = self.record_size()
        answer = self.put(person, {"account-username": "someone", "health-physiological": "x"})
        self.problem(answer, 403, "refused", contains="reason")
        self.assertIn("decision", answer.json)
        self.assertEqual(self.held(person), [])
        self.assertGreater(self.record_size(), before, "the refusal is on record")

    def test_undeclared_fields_store_none(self):
        person = self.person("1990-05-05")
        self.agree(person)
        answer = self.put(person, {"account-username": "someone", "shoe-size": "43", "star-sign": "x"})
        self.problem(answer, 422, "undeclared-field", contains="shoe-size")
        self.assertIn("star-sign", answer.text)
        self.assertEqual(self.held(person), [])

    def test_bad_phone_and_value_sizes(self):
        person = self.person("1990-05-05")
        self.agree(person)
        self.problem(self.put(person, {"contact-phone": "not a phone"}), 422, "bad-value")
        self.problem(self.put(person, {"account-username": ""}), 422, "bad-value")
        self.problem(self.put(person, {"account-username": "x" * 4097}), 422, "bad-value")
        self.problem(self.put(person, {"account-username": {"valu": "x"}}), 422, "unknown-member")
        self.problem(self.put(person, {}), 422, "bad-value")
        self.assertEqual(self.held(person), [])

    def test_every_problem_type_is_explained(self):
        for slug in ("bad-json", "token-missing", "refused", "undeclared-field", "not-found"):
            answer = self.get("/problems/" + slug)
            self.assertEqual(answer.status, 200)
            self.assertGreater(len(answer.text), 60)
        self.assertEqual(self.get("/problems/no-such-slug").status, 404)

    def test_no_answer_repeats_a_value(self):
        person = self.person("1990-05-05")
        self.agree(person)
        secret = "value-%s" % secrets.token_hex(8)
        answer = self.put(person, {"shoe-size": secret})
        self.assertNotIn(secret, answer.text)
        self.assertNotIn(secret, self.daemon.stderr())
