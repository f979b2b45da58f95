# SPDX-License-Identifier: Apache-2.0
"""The JSON interface: what each address answers when all is well, and what it leaves behind."""
import json, re, secrets, time

from troth_flow import POLICY, Flow, run_troth

REF = "#/components/schemas/"


class Api(Flow):
    # ---- Shorthand

    def url(self, person, rest=""):
        return "/v1/subjects/%s%s" % (person, rest)

    def agree(self, person, *documents, service="shop", **more):
        for document in documents or ("group",):
            body = {"document": document, "state": "given", "language": "en", "channel": "web", **more}
            self.expect(self.post(self.url(person, "/consents"), body, token=service), 201)

    def adult(self, service="shop"):
        person = self.person("1990-05-05", service)
        self.agree(person, service=service)
        return person

    def store(self, person, purpose, values, service="shop", **more):
        return self.expect(self.put(self.url(person, "/data"), {"purpose": purpose, "values": values, **more},
                                    token=service), 200)

    def read(self, person, purpose, fields, service="shop", status=200, **more):
        return self.expect(self.post(self.url(person, "/read"), {"purpose": purpose, "fields": fields, **more},
                                     token=service), status)

    def identify(self, person):
        """B5.1.b: whoever asks to see, correct or delete was checked first."""
        self.daemon.cli("subject", "approve", person, "--need", "identity-verified", "--staff", "agent-1", "--purpose",
                        "rights-requests", "--data", self.daemon.data)

    def operator(self, *args):
        return json.loads(self.daemon.cli(*args, "--json", "--data", self.daemon.data).stdout)

    # ---- The node

    def test_health(self):
        got = self.expect(self.get("/healthz"), 200, acknowledging=True)
        self.assertEqual(got["status"], "ok")
        self.assertRegex(got["revision"], r"^[0-9a-f]{16}$")
        self.assertGreater(got["record"], 0)

    def test_head_is_get_without_body(self):
        answer = self.daemon.request("HEAD", "/healthz")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_security_headers(self):
        answer = self.get("/healthz")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertIn("no-store", answer.headers["cache-control"])
        self.assertNotIn("access-control-allow-origin", answer.headers)

    def test_openapi(self):
        api = self.expect(self.get("/openapi.json"), 200, openapi="3.1.0")
        schemas = set(api["components"]["schemas"])
        for ref in re.findall(r'"\$ref":\s*"([^"]*)"', json.dumps(api)):
            self.assertTrue(ref.startswith(REF) and ref[len(REF):] in schemas, ref)
        seen = set()
        for path, verbs in api["paths"].items():
            for verb, operation in verbs.items():
                with self.subTest(path=path, verb=verb):
                    self.assertNotIn(operation["operationId"], seen)
                    seen.add(operation["operationId"])
                    named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
                    self.assertEqual(named, re.findall(r"\{(\w+)\}", path))
                    self.assertEqual("requestBody" in operation, verb in ("post", "put"))
        for path, verb in (("/v1/decisions", "post"), ("/v1/subjects", "post"), ("/v1/subjects/{id}/data", "put"),
                           ("/v1/subjects/{id}/read", "post"), ("/v1/subjects/{id}/data/{field}", "delete"),
                           ("/v1/subjects/{id}", "delete"), ("/v1/subjects/{id}/consents", "get"),
                           ("/v1/subjects/{id}/shares", "post"), ("/v1/subjects/{id}/guardians", "post"),
                           ("/v1/subjects/{id}/history", "get"), ("/v1/policies", "get"), ("/v1/policies/{doc}", "get"),
                           ("/audit/checkpoint", "get"), ("/audit/tile/{path}", "get"), ("/openapi.json", "get"),
                           ("/healthz", "get")):
            self.assertIn(verb, api["paths"].get(path, {}), path)

    def test_every_documented_address_exists(self):
        """Each operation answers something else than 404 or 405 for the right caller, and 401 without a token."""
        api = self.get("/openapi.json").json
        person = self.adult()
        fill = {"id": person, "doc": "group", "field": "profile-gender", "path": "0/000", "index": "0", "name": "ship-b",
                "slug": "refused", "set": "1", "n": "12", "revision": "12",
                "entry": str(self.get(self.url(person, "/history"), token="shop").json["history"][-1]["entry"])}
        for path, verbs in api["paths"].items():
            for verb, operation in verbs.items():
                if (path, verb) in (("/v1/subjects/{id}", "delete"), ("/v1/subjects/{id}/closure", "post")):
                    continue
                with self.subTest(path=path, verb=verb):
                    real = re.sub(r"\{(\w+)\}", lambda m: fill[m.group(1)], path)
                    body = {} if "requestBody" in operation else None
                    answer = self.daemon.request(verb.upper(), real, body, token="shop")
                    if not (path.startswith(("/audit/tile", "/audit/index/tile", "/audit/witnessed")) and answer.status == 404):
                        self.assertNotIn(answer.status, (404, 405, 500), answer)
                    if operation["security"]:
                        self.assertEqual(self.daemon.request(verb.upper(), real, body).status, 401)

    # ---- Decisions

    def test_decision_shape(self):
        person = self.adult()
        got = self.decide("shop", "delivery", ["contact.phone", "profile-gender"], subject=person)
        self.assertEqual(got["answer"], "deny")
        self.assertEqual(got["fields"]["contact.phone"]["answer"], "allow")
        self.assertEqual(got["fields"]["contact.phone"]["clause"], "group/order.place")
        self.assertEqual(got["fields"]["profile-gender"]["reason"], "purpose_mismatch")
        self.assertIsInstance(got["obligations"], list)
        self.assertRegex(got["revision"], r"^[0-9a-f]{16}$")
        self.assertIsInstance(got["entry"], int)

    def test_entries_count_up(self):
        first = self.decide("shop", "delivery", ["contact-phone"])["entry"]
        second = self.decide("shop", "delivery", ["contact-phone"])["entry"]
        self.assertGreater(second, first)
        self.assertGreaterEqual(self.get("/healthz").json["record"], second + 1)

    def test_explain(self):
        got = self.decide("shop", "delivery", ["contact-phone"], subject=self.adult(), explain=True)
        self.assertIn("group/order.place", json.dumps(got["trace"]))

    def test_not_applicable(self):
        got = self.decide("open-docs", "usage-measurement", [])
        self.assertEqual(got["answer"], "not-applicable")

    # ---- Persons and values

    def test_person(self):
        got = self.expect(self.post("/v1/subjects", {"birth_date": "1990-05-05"}, token="shop"), 201, band="adult",
                          state="active")
        self.expect(self.get(self.url(got["id"]), token="shop"), 200, band="adult", state="active", services=["shop"])
        got = self.expect(self.post("/v1/subjects", {"birth_date": "2010-03-01"}, token="shop"), 201, band="minor")
        got = self.expect(self.post("/v1/subjects", {"birth_date": "2014-08-20"}, token="shop"), 201, band="child",
                          state="awaiting_guardian")
        self.at("2028-08-20T00:00:00+08:00")
        self.expect(self.get(self.url(got["id"]), token="shop"), 200, band="minor")

    def test_applying_documents(self):
        child, adult = self.person("2014-08-20", "arena"), self.person("1990-05-05", "shop")
        names = lambda answer: sorted(d["document"] for d in self.expect(answer, 200)["policies"])
        self.assertEqual(names(self.get(self.url(child, "/policies"), token="arena")), ["children", "games", "group"])
        self.assertEqual(names(self.get(self.url(adult, "/policies"), token="shop")), ["group"])
        self.problem(self.get(self.url(adult, "/policies?service=shpo"), token="shop"), 422, "unknown-name")

    def test_read_correct_delete(self):
        person = self.adult()
        phone = "+86137%08d" % secrets.randbelow(10 ** 8)
        got = self.store(person, "registration-login", {"contact-phone": phone})
        self.assertEqual((got["stored"], got["decision"]["answer"]), (1, "allow"))
        got = self.read(person, "delivery", ["contact.phone", "profile-gender"], provenance=True)
        value = got["values"]["contact.phone"]
        self.assertEqual((value["value"], value["masked"], value["version"]), (phone, False, 1))
        self.assertEqual(value["provenance"]["source"], "subject")
        self.assertEqual(value["provenance"]["service"], "shop")
        self.assertEqual(value["provenance"]["purpose"], "registration-login")
        self.assertEqual(got["fields"]["profile-gender"]["reason"], "purpose_mismatch")
        self.assertNotIn("profile-gender", got["values"])
        shown = self.read(person, "delivery", ["contact-phone"], operation="display")["values"]["contact-phone"]
        self.assertTrue(shown["masked"])
        self.assertNotIn(phone[6:-2], shown["value"])
        other = "+86136%08d" % secrets.randbelow(10 ** 8)
        self.problem(self.delete(self.url(person, "/data/contact-phone?actor=subject"), token="shop"), 403, "refused",
                     clause="group/rights.own")
        self.identify(person)
        answer = self.put(self.url(person, "/data"), {"purpose": "rights-requests", "correct": True, "actor": "subject",
                                                      "values": {"contact-phone": other}}, token="shop")
        self.expect(answer, 200, stored=1)
        value = self.read(person, "delivery", ["contact-phone"])["values"]["contact-phone"]
        self.assertEqual((value["value"], value["version"]), (other, 2))
        self.expect(self.delete(self.url(person, "/data/contact-phone"), token="shop"), 200, deleted=1)
        self.assertEqual(self.read(person, "delivery", ["contact-phone"])["values"], {})

    def test_items(self):
        person = self.adult()
        for order in ("order-17", "order-18"):
            self.store(person, "delivery", {"order-address": {"value": "Lane of " + order, "item": order}})
        got = self.read(person, "delivery", ["order-address"])["values"]["order-address"]
        self.assertEqual([(v["item"], v["value"]) for v in got],
                         [("order-17", "Lane of order-17"), ("order-18", "Lane of order-18")])
        self.identify(person)
        self.expect(self.delete(self.url(person, "/data/order-address?item=order-17"), token="shop"), 200, deleted=1)
        self.assertEqual(len(self.read(person, "delivery", ["order-address"])["values"]["order-address"]), 1)

    def test_held(self):
        person = self.adult()
        self.store(person, "delivery", {"order-address": "Lane 1"})
        got = self.expect(self.get(self.url(person, "/data?provenance=1"), token="shop"), 200)["data"]
        self.assertEqual([(v["field"], v["source"], v["service"], v["purpose"]) for v in got],
                         [("order-address", "subject", "shop", "delivery")])
        self.assertNotIn("Lane 1", json.dumps(got))
        self.assertEqual(self.get(self.url(person, "/data?source=observed"), token="shop").json["data"], [])

    def test_refused_read(self):
        person = self.adult()
        self.store(person, "registration-login", {"account-username": "name-" + secrets.token_hex(4)})
        answer = self.post(self.url(person, "/read"), {"purpose": "direct-marketing", "fields": ["contact-phone"]},
                           token="shop")
        got = self.problem(answer, 403, "refused", reason="consent_required")
        self.assertEqual(got["decision"]["fields"]["contact-phone"]["needs"], ["consent"])
        self.assertIsInstance(got["decision"]["entry"], int)
        self.assertTrue(got["clause"].startswith("group/"))

    def test_erase(self):
        person = self.adult()
        secret = "Lane %s" % secrets.token_hex(8)
        self.store(person, "delivery", {"order-address": secret})
        self.assertEqual(self.files_holding(secret), [])
        got = self.expect(self.delete(self.url(person), token="shop"), 200, erased=True)
        self.problem(self.get(self.url(person), token="shop"), 410, "gone")
        self.problem(self.post(self.url(person, "/read"), {"purpose": "delivery", "fields": ["order-address"]},
                               token="shop"), 410, "gone")
        proof = self.proof(got["receipt"]["entry"])
        self.assertIn(got["receipt"]["origin"], proof)

    def test_lenient_service(self):
        name = "lenient-" + secrets.token_hex(3)
        self.daemon.service(name, "shop", "--lenient")
        person = self.adult(name)
        got = self.store(person, "delivery", {"order-address": "Lane 7", "shoe-size": "43", "star-sign": "x"}, name)
        self.assertEqual((got["stored"], got["dropped"]), (1, 2))
        self.assertEqual([v["field"] for v in self.get(self.url(person, "/data"), token=name).json["data"]],
                         ["order-address"])

    def test_sources(self):
        person = self.adult("log-1")
        body = {"purpose": "basic-service", "values": {"log-ip-address": "192.0.2.7"}}
        self.problem(self.put(self.url(person, "/data"), {**body, "source": "subject"}, token="log-1"), 403,
                     "source-forbidden")
        self.expect(self.put(self.url(person, "/data"), {**body, "source": "observed"}, token="log-1"), 200)
        held = self.get(self.url(person, "/data?source=observed"), token="log-1").json["data"]
        self.assertEqual([v["source"] for v in held], ["observed"])

    def test_operator_brings_a_person_to_another_service(self):
        person = self.adult("shop")
        self.problem(self.get(self.url(person), token="forum"), 404, "not-found")
        self.daemon.cli("subject", "agree", person, "--document", "group", "--service", "forum", "--data", self.daemon.data)
        self.expect(self.get(self.url(person), token="forum"), 200, services=["forum"])

    # ---- Choices

    def test_consents(self):
        person = self.adult()
        body = {"need": "consent", "purpose": "direct-marketing", "state": "given", "channel": "web",
                "notice": "ab" * 32}
        got = self.expect(self.post(self.url(person, "/consents"), body, token="shop"), 201, state="active")
        self.assertIsInstance(got["receipt"]["entry"], int)
        self.expect(self.post(self.url(person, "/consents"), {**body, "state": "withdrawn"}, token="shop"), 201)
        got = self.expect(self.get(self.url(person, "/consents"), token="shop"), 200)["consents"]
        self.assertEqual(len(got), 3)
        self.assertIn("ConsentGiven", json.dumps(got[1]))
        self.assertIn("ConsentWithdrawn", json.dumps(got[2]))

    def test_consent_is_one_thing(self):
        person = self.person("1990-05-05")
        for body in ({"state": "given"}, {"state": "given", "need": "consent", "document": "group"},
                     {"state": "given", "document": "group", "actor": "guardian"}):
            self.assertEqual(self.post(self.url(person, "/consents"), body, token="shop").status, 422)
        self.problem(self.post(self.url(person, "/consents"), {"state": "given", "need": "consnt"}, token="shop"), 422,
                     "unknown-name")
        self.problem(self.post(self.url(person, "/consents"), {"state": "perhaps", "need": "consent"}, token="shop"), 422,
                     "bad-value")
        self.assertEqual(self.get(self.url(person, "/consents"), token="shop").json["consents"], [])

    def test_guardians(self):
        child, guardian, other = self.person("2014-08-20"), self.adult(), self.adult()
        body = {"guardian": guardian, "verified": True, "evidence": "check-1"}
        self.expect(self.post(self.url(child, "/guardians"), body, token="shop"), 201, verified=True)
        got = self.expect(self.get(self.url(child, "/guardians"), token="shop"), 200)["guardians"]
        self.assertEqual([(g["guardian"], g["verified"], g["evidence"]) for g in got], [(guardian, True, "check-1")])
        self.problem(self.post(self.url(guardian, "/guardians"), {"guardian": other}, token="shop"), 422, "bad-value")
        foreign = self.person("1985-01-01", "forum")
        self.problem(self.post(self.url(child, "/guardians"), {"guardian": foreign}, token="shop"), 404, "not-found")
        self.problem(self.delete(self.url(child, "?actor=guardian&guardian=" + other), token="shop"), 403, "forbidden")
        self.expect(self.delete(self.url(child, "?actor=guardian&guardian=" + guardian), token="shop"), 200, erased=True)

    # ---- Sharing

    def test_share(self):
        person = self.adult()
        self.store(person, "delivery", {"order-address": "Lane 3", "order-recipient-name": "Somebody"})
        body = {"recipient": "ship-b", "purpose": "delivery", "fields": ["order-address", "order-items"],
                "evidence": {"order": "17"}}
        got = self.expect(self.post(self.url(person, "/shares"), body, token="shop"), 200)
        self.assertEqual(got["values"]["order-address"]["value"], "Lane 3")
        self.assertNotIn("order-items", got["values"])
        self.assertTrue(got["fields"]["order-items"]["reason"])
        self.assertIn("record_disclosure", got["obligations"])
        rows = self.expect(self.get(self.url(person, "/shares"), token="shop"), 200)["shares"]
        self.assertEqual([(r["share"], r["recipient"], r["fields"]) for r in rows],
                         [(got["share"], "ship-b", ["order-address"])])
        self.problem(self.post(self.url(person, "/shares"), {**body, "recipient": "ads-c"}, token="shop"), 403, "refused")
        self.problem(self.post(self.url(person, "/shares"), {**body, "recipient": "unknown-x"}, token="shop"), 403,
                     "refused", reason="default_deny")
        self.assertEqual(len(self.get(self.url(person, "/shares"), token="shop").json["shares"]), 1)

    def test_history(self):
        person = self.adult()
        self.store(person, "delivery", {"order-address": "Lane 5"})
        entry = self.read(person, "delivery", ["order-address"])["entry"]
        rows = self.expect(self.get(self.url(person, "/history"), token="shop"), 200)["history"]
        self.assertEqual((rows[0]["entry"], rows[0]["kind"], rows[0]["detail"]["purpose"]), (entry, "read", "delivery"))
        self.assertEqual([r["kind"] for r in rows], ["read", "collect", "consent", "subject"])
        self.assertEqual(len(self.get(self.url(person, "/history?limit=1"), token="shop").json["history"]), 1)
        # An empty page would say that there is nothing older.
        for wrong in "0", "-1", "501", "":
            self.problem(self.get(self.url(person, "/history?limit=" + wrong), token="shop"), 422, "bad-value", pointer="/limit")
        operation = self.get("/openapi.json").json["paths"]["/v1/subjects/{id}/history"]["get"]
        limit = [p["schema"] for p in operation["parameters"] if p["name"] == "limit"][0]
        self.assertEqual((limit["type"], limit["minimum"], limit["maximum"]), ("integer", 1, 500))

    def test_a_history_is_read_to_its_end_page_by_page(self):
        person = self.adult()
        self.store(person, "delivery", {"order-address": "Lane 5"})
        first = self.read(person, "delivery", ["order-address"])["entry"]
        entries = [self.read(person, "delivery", ["order-address"])["entry"] for _ in range(520)]
        page = lambda query: self.expect(self.get(self.url(person, "/history?" + query), token="shop"), 200)
        for limit in 500, 97:
            got, query = [], ""
            while query is not None:
                answer = page("limit=%d%s" % (limit, query))
                got += [r["entry"] for r in answer["history"]]
                self.assertEqual(len(answer["history"]) < limit, "next" not in answer)
                query = "&before=" + answer["next"] if "next" in answer else None
                self.read(person, "delivery", ["order-address"])  # meanwhile
            self.assertEqual(got, sorted(set(got), reverse=True))
            self.assertLess(set(entries) | {first}, set(got))
            self.assertEqual([r["kind"] for r in answer["history"]][-3:], ["collect", "consent", "subject"])
        last = page("limit=1")["history"][0]["entry"]
        self.assertEqual([r["entry"] for r in page(f"limit=2&before={first + 1}")["history"]][0], first)
        self.assertNotIn(last, [r["entry"] for r in page(f"limit=500&before={last}")["history"]])
        for wrong in ("x", "-1", "1.2.3.4", "1.2.3", "12.", ".12"):
            self.problem(self.get(self.url(person, "/history?before=" + wrong), token="shop"), 422, "bad-value", contains="next")

    # ---- Documents and registers

    def test_policies(self):
        listed = self.expect(self.get("/v1/policies"), 200)
        exported = json.loads(run_troth("policy", "export", POLICY).stdout)
        self.assertEqual(exported["compiled"]["sha256"], listed["compiled"])
        got = listed["policies"]
        group = [p for p in got if (p["document"], p["language"]) == ("group", "en")][-1]
        self.assertIn("adult", group["scope"]["subjects"])
        children = [p for p in got if (p["document"], p["language"]) == ("children", "en")][-1]
        self.assertEqual(children["scope"]["subjects"], ["child"])
        text = self.expect(self.get("/v1/policies/group"), 200, sha256=group["sha256"])["text"]
        import hashlib
        self.assertEqual(hashlib.sha256(text.encode()).hexdigest(), group["sha256"])
        self.problem(self.get("/v1/policies/group?at=1999-01-01"), 404, "not-found")
        self.problem(self.get("/v1/policies/nothing"), 404, "not-found")

    def test_catalogue(self):
        body = {"name": "shoe-size", "category": "body", "grade": 4, "keep": "6 months after collected"}
        got = self.expect(self.post("/v1/catalogue/fields", body, token="shop"), 200, declared=False)
        self.assertEqual(got["catalogue"], "category body grade 4: shoe-size.")
        self.assertEqual(got["requires"], ["mask", "separate_consent"])
        for missing in ("grade", "category", "keep", "name"):
            part = {k: v for k, v in body.items() if k != missing}
            self.problem(self.post("/v1/catalogue/fields", part, token="shop"), 422, "missing-member", pointer="/" + missing)
        for wrong in ({"grade": 0}, {"grade": 6}, {"name": "Shoe size"}, {"keep": "soon"}, {"keep": "six months after x"},
                      {"keep": "6 moons after collected"}):
            self.problem(self.post("/v1/catalogue/fields", {**body, **wrong}, token="shop"), 422, "bad-value")

    def test_recipients_are_public(self):
        got = {r["name"]: r for r in self.expect(self.get("/v1/third-parties"), 200)["recipients"]}
        self.assertEqual(got["ship-b"]["papers"][0]["kind"], "confidentiality")
        self.assertIn("order-address", got["ship-b"]["grants"][0]["fields"])
        self.assertNotIn("B-2026-1", json.dumps(got))

    def test_registers(self):
        data = self.daemon.data
        self.daemon.service("wiki", "forum", "--title", "Wiki", "--sources", "subject,observed", "--lenient")
        wiki = [s for s in self.operator("service", "list")["services"] if s["name"] == "wiki"][0]
        self.assertEqual((wiki["class"], wiki["sources"], wiki["lenient"]), ("forum", ["subject", "observed"], True))
        self.expect(self.post("/v1/subjects", {"birth_date": "1990-01-01"}, token="wiki"), 201)
        self.daemon.recipient("post-x", "logistics-company", "--country", "CN")
        self.daemon.cli("recipient", "grant", "post-x", "--purpose", "delivery", "--fields", "order-address", "--until",
                        "2030-01-01", "--data", data)
        self.assertIn("suspended", self.daemon.cli("recipient", "list", "--data", data).stdout)
        for args in (["grant", "post-x", "--purpose", "delivery", "--fields", "*", "--until", "2030-01-01"],
                     ["grant", "post-x", "--purpose", "deliver", "--fields", "order-address", "--until", "2030-01-01"],
                     ["grant", "post-x", "--purpose", "delivery", "--fields", "order-address", "--until", "2020-01-01"],
                     ["paper", "post-x", "--kind", "agreement", "--reference", "x", "--until", "2030-01-01"]):
            self.daemon.cli("recipient", *args, "--data", data, code=1)

    # ---- The record

    def proof(self, entry):
        for _ in range(1200):
            answer = self.get("/audit/proof/%d" % entry)
            if answer.status != 503:
                break
            time.sleep(0.1)
        self.assertEqual(answer.status, 200, answer)
        return answer.text

    def test_record(self):
        entry = self.decide("shop", "delivery", ["contact-phone"])["entry"]
        proof = self.proof(entry)
        self.assertTrue(proof.startswith("c2sp.org/tlog-proof@v1\n"), proof)
        self.assertIn("index %d\n" % entry, proof)
        note = self.get("/audit/checkpoint").text
        origin, size, root = note.split("\n")[:3]
        self.assertGreater(int(size), entry)
        self.assertTrue(self.get("/audit/key").text.startswith(origin + "+"))
        tile = self.get("/audit/tile/0/000.p/%d" % (int(size) % 256)) if int(size) < 256 else self.get("/audit/tile/0/000")
        self.assertEqual(tile.status, 200)
        self.assertEqual(len(tile.body) % 32, 0)
        self.assertEqual(self.get("/audit/tile/entries/000").status, 403)
        self.assertIn(self.get("/audit/proof/999999999").status, (404, 503))
        self.assertEqual(self.get("/audit/proof/x").status, 404)

    def test_many_at_once(self):
        """Readers, writers and a change of the registers together: every answer comes, no entry is given twice."""
        from concurrent.futures import ThreadPoolExecutor
        people = [self.adult() for _ in range(4)]

        def one(i):
            person = people[i % 4]
            if i % 5 == 0:
                return self.store(person, "delivery", {"order-address": {"value": "Lane %d" % i, "item": "o%d" % i}})["entry"]
            return self.decide("shop", "delivery", ["order-address"], subject=person)["entry"]

        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(one, i) for i in range(200)]
            self.daemon.service("during-" + secrets.token_hex(3), "forum")
            entries = [r.result() for r in running]
        self.assertEqual(len(set(entries)), 200)
        for person in people:
            rows = self.get(self.url(person, "/history?limit=500"), token="shop").json["history"]
            self.assertEqual(len(rows), 52)

    def test_proofs_are_limited(self):
        entry = self.decide("shop", "delivery", ["contact-phone"])["entry"]
        self.proof(entry)
        for _ in range(3):
            self.assertIn(self.get("/audit/proof/%d" % entry).status, (200, 429))

    def test_nothing_is_lost_when_killed(self):
        person = self.adult()
        self.store(person, "delivery", {"order-address": "Lane 9"})
        self.daemon.kill()
        self.daemon.start()
        value = self.read(person, "delivery", ["order-address"])["values"]["order-address"]
        self.assertEqual(value["value"], "Lane 9")
