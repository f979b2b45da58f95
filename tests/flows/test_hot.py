# SPDX-License-Identifier: Apache-2.0
"""What must hold however fast a read is: each change is seen by the next one. Reads of many, tags, tokens, epochs."""
import concurrent.futures, json, os, shutil, sqlite3, tempfile, threading

from troth_flow import Flow, POLICY, on_files
from troth_people import People

GOODS = ["order-items", "order-address"]


class Reading(People):
    def buyer(self, **more):
        person = self.adult("shop")
        self.collect(person, purpose="order-payment", **{"order_items": "tea", "order_address": "1 Example Road", **more})
        return person

    def read(self, person, status=200, purpose="order-payment", fields=GOODS, **more):
        answer = self.post(f"/v1/subjects/{person}/read", {"purpose": purpose, "fields": fields, **more}, token="shop")
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def many(self, ids, status=200, fields=GOODS, token="shop", **more):
        answer = self.post("/v1/read", {"subjects": ids, "purpose": "order-payment", "fields": fields, **more}, token=token)
        self.assertEqual(answer.status, status, answer)
        return answer.json


class Next(Reading):
    """Every kind of change holds from the next read on, and moves the epoch."""

    def test_a_withdrawal_holds_in_the_next_read(self):
        person = self.buyer()
        before = self.read(person)
        self.act(person, document="group", state="withdrawn")
        after = self.read(person, 403)
        self.assertEqual(after["reason"], "withdrawn")
        self.assertGreater(after["decision"]["epoch"], before["epoch"])
        self.act(person, document="group")
        again = self.read(person)
        self.assertEqual(again["values"]["order-items"]["value"], "tea")
        self.assertGreater(again["epoch"], after["decision"]["epoch"])

    def test_a_correction_and_a_deletion_are_read_next(self):
        person = self.buyer()
        first = self.read(person)
        self.collect(person, purpose="order-payment", order_items="coffee")
        second = self.read(person)
        self.assertEqual(second["values"]["order-items"]["value"], "coffee")
        self.assertGreater(second["epoch"], first["epoch"])
        self.expect(self.delete(f"/v1/subjects/{person}/data/order-items", token="shop"), 200)
        third = self.read(person)
        self.assertNotIn("order-items", third["values"])
        self.assertGreater(third["epoch"], second["epoch"])

    def test_a_hold_an_age_and_an_erasure_hold_in_the_next_read(self):
        person = self.buyer()
        epoch = self.read(person)["epoch"]
        hold = {"fields": ["order-items"], "reference": "tax law 1", "until": "2030-01-01"}
        self.operator("POST", f"/v1/subjects/{person}/holds", hold, 201)
        held = self.read(person)
        self.assertNotIn("order-items", held["values"])
        self.assertEqual(held["fields"]["order-items"]["reason"], "hold_only")
        self.assertGreater(held["epoch"], epoch)
        self.expect(self.post(f"/v1/subjects/{person}/age", {"birth_date": "2014-01-01"}, token="shop"), 200)
        child = self.read(person, 403, fields=["order-address"])
        self.assertIn("agreement", " ".join(child["decision"].get("needs", [])) + child["reason"])
        self.assertGreater(child["decision"]["epoch"], held["epoch"])
        self.problem(self.delete(f"/v1/subjects/{person}", token="shop"), 409, "conflict", contains="tax law 1")
        self.operator("POST", f"/v1/subjects/{person}/holds", {**hold, "until": "2026-11-23T00:00:01Z"}, 201)
        self.at("2026-11-23T00:00:02Z")
        self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        self.read(person, 410)

    def test_a_register_moves_the_epoch(self):
        person = self.buyer()
        before = self.read(person)["epoch"]
        self.daemon.cli("recipient", "add", "carrier-e", "--class", "logistics-company", *self.daemon.here())
        self.assertGreater(self.read(person)["epoch"], before)

    def test_reading_moves_no_epoch(self):
        person = self.buyer()
        self.assertEqual(self.read(person)["epoch"], self.read(person)["epoch"])

    def test_no_read_is_allowed_once_a_withdrawal_was_acknowledged(self):
        """Readers go on while somebody withdraws: whoever asks after the acknowledgement is refused."""
        person = self.buyer()
        withdrawn, wrong, seen = threading.Event(), [], []

        def reader():
            for _ in range(400):
                known = withdrawn.is_set()
                status = self.post(f"/v1/subjects/{person}/read", {"purpose": "order-payment", "fields": GOODS}, token="shop").status
                seen.append((known, status))
                if known and status != 403:
                    wrong.append(status)
                if known and len(seen) > 40:
                    return

        readers = [threading.Thread(target=reader) for _ in range(4)]
        for r in readers:
            r.start()
        while len(seen) < 20:
            pass
        self.act(person, document="group", state="withdrawn")
        withdrawn.set()
        for r in readers:
            r.join()
        self.assertEqual(wrong, [])
        self.assertIn((False, 200), seen)
        self.assertIn((True, 403), seen)


class Beyond(Reading):
    """Somebody with as many events of consent as may be given (CONSENT_EVENTS_MAX in src/consent/consent.h)."""
    MAIL = {"need": "consent", "purpose": "direct-marketing"}

    def pressed(self, most=1010):
        """A switch pressed in a loop, until no more is taken."""
        person = self.buyer()
        self.collect(person, contact_email="li-%s@example.org" % person)
        give = lambda _: self.post(f"/v1/subjects/{person}/consents", {**self.MAIL, "state": "given"}, token="shop").status
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            got = list(pool.map(give, range(most)))
        self.assertEqual(set(got), {201, 409})
        self.assertEqual(got.count(201), 999)
        return person

    def mail(self, person, status):
        return self.read(person, status, purpose="direct-marketing", fields=["contact-email"])

    def events(self, person):
        return self.expect(self.get(f"/v1/subjects/{person}/consents", token="shop"), 200)["consents"]

    def test_R152_a_withdrawal_beyond_the_limit_is_taken_and_holds_from_the_next_read_on(self):
        person = self.pressed()
        self.mail(person, 200)
        self.withdraw(person, **self.MAIL)
        self.assertEqual(self.mail(person, 403)["reason"], "withdrawn")
        again = self.post(f"/v1/subjects/{person}/consents", {**self.MAIL, "state": "withdrawn"}, token="shop")
        self.problem(again, 409, "conflict", contains="stands")
        self.problem(self.post(f"/v1/subjects/{person}/consents", {**self.MAIL, "state": "refused"}, token="shop"), 409, "conflict")
        more = self.post(f"/v1/subjects/{person}/consents", {**self.MAIL, "state": "given"}, token="shop")
        self.problem(more, 409, "limit-reached", contains="nothing more is given")
        self.assertNotIn("retry-after", {name.lower() for name in more.headers.keys()})
        # Objecting is a switch that is put on.
        self.act(person, preference="opted-out")
        self.read(person)
        self.withdraw(person, document="group")
        self.assertEqual(self.read(person, 403)["reason"], "withdrawn")
        events = self.events(person)
        self.assertEqual(len(events), 1003)
        self.assertEqual([e["event_state"] for e in events[-3:]], ["ConsentWithdrawn", "ConsentGiven", "ConsentWithdrawn"])
        # And what staff note of them, so that they can have what is held.
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        self.daemon.restart()
        self.assertEqual(self.mail(person, 403)["reason"], "unsubscribed")

    def test_R045_an_objection_that_ended_is_made_again_at_the_limit(self):
        person = self.pressed()
        self.act(person, preference="opted-out")
        self.act(person, preference="opted-out", until="2026-12-01T00:00:00Z")
        self.mail(person, 403)
        self.at("2026-12-05T00:00:00Z")
        self.mail(person, 200)
        self.act(person, preference="opted-out")
        self.assertEqual(self.mail(person, 403)["reason"], "unsubscribed")

    def test_an_account_is_closed_at_the_limit(self):
        person = self.pressed()
        self.withdraw(person, **self.MAIL, topic="sms")
        # What reaches further stands already; the closing says it of each scope all the same.
        self.withdraw(person, need="consent")
        self.expect(self.post(f"/v1/subjects/{person}/closure", {}, token="shop"), 200)
        last = self.operator("GET", f"/v1/subjects/{person}/consents", status=200).json["consents"][-1]
        self.assertEqual((last["event_state"], last.get("evidence")), ("ConsentWithdrawn", "account closed"))


class Large(Reading):
    """Persons of whom so much is held that not all of them go into one answer (BATCH_BYTES_MAX in src/web/web_impl.h)."""
    ROUNDS = 240  # of two values that are 24 KiB each as JSON: 11 MiB

    def heavy(self):
        person, text = self.buyer(), "\x01" * 4000
        values = lambda n: {f: {"value": text, "item": "o-%d" % n} for f in GOODS}
        put = lambda n: self.put(f"/v1/subjects/{person}/data", {"purpose": "order-payment", "values": values(n)}, token="shop").status
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(put, range(self.ROUNDS))), {200})
        return person

    def whole(self, answer):
        self.assertEqual(answer["status"], 200)
        self.assertEqual(len(answer["values"]["order-items"]), self.ROUNDS + 1)

    def kinds(self, person):
        return [r["kind"] for r in self.expect(self.get(f"/v1/subjects/{person}/history?limit=500", token="shop"), 200)["history"]]

    def test_an_answer_ends_with_the_person_with_whom_it_is_full(self):
        people = [self.heavy() for _ in range(4)]
        gone = "0" * 32
        got = self.many([*people, gone])["answers"]
        for answer in got[:3]:
            self.whole(answer)
        for answer, person in zip(got[3:], (people[3], gone)):
            self.assertEqual((answer["subject"], answer["status"]), (person, 413))
            self.assertEqual(answer["problem"]["status"], 413)
            self.assertIn("fewer", answer["problem"]["hint"])
            self.assertNotIn("values", answer)
            self.assertNotIn("entry_offset", answer)
        self.assertNotIn("read", self.kinds(people[3]))
        self.assertIn("read", self.kinds(people[2]))
        self.whole(self.many([people[3]])["answers"][0])
        # Page by page, too: a page ends early, and the next goes on behind it.
        pages, after = [], {}
        while not pages or "next" in pages[-1]:
            pages.append(self.expect(self.post("/v1/read/people", {"purpose": "order-payment", "fields": GOODS, "limit": 1000, **after},
                                               token="shop"), 200))
            after = {"after": pages[-1].get("next")}
        self.assertEqual([len(p["answers"]) for p in pages][-2:], [3, 1])
        self.assertEqual([a["subject"] for p in pages[-2:] for a in p["answers"]], people)
        for p in pages[-2:]:
            self.assertEqual([a["entry_offset"] for a in p["answers"]], list(range(len(p["answers"]))))
            for a in p["answers"]:
                self.whole(a)


class Many(Reading):
    def test_each_person_has_an_answer_of_their_own_in_order(self):
        good, other, gone = self.buyer(), self.buyer(order_items="salt"), self.buyer()
        refused = self.buyer()
        self.act(refused, document="group", state="withdrawn")
        self.expect(self.delete(f"/v1/subjects/{gone}", token="shop"), 200)
        ids = [good, gone, refused, "0" * 32, other]
        got = self.many(ids)
        self.assertEqual([a["subject"] for a in got["answers"]], ids)
        self.assertEqual([a["status"] for a in got["answers"]], [200, 410, 403, 404, 200])
        self.assertEqual(got["answers"][0]["values"]["order-items"]["value"], "tea")
        self.assertEqual(got["answers"][4]["values"]["order-items"]["value"], "salt")
        self.assertEqual(got["answers"][2]["problem"]["reason"], "withdrawn")
        self.assertNotIn("values", got["answers"][2])
        # One entry for each decision, where the answer says it is.
        for person, answer in zip(ids, got["answers"]):
            if "entry_offset" in answer:
                rows = self.expect(self.get(f"/v1/subjects/{person}/history?limit=1", token="shop"), 200)["history"]
                self.assertEqual(rows[0]["entry"], got["first_entry"] + answer["entry_offset"], (person, rows))
        self.assertEqual([a.get("entry_offset") for a in got["answers"]], [0, None, 1, None, 2])

    def test_a_thousand_persons_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            strangers = list(pool.map(lambda _: self.person("1990-01-01"), range(997)))
        ids = [self.buyer() for _ in range(3)] + strangers
        got = self.many(ids)
        self.assertEqual(len(got["answers"]), 1000)
        self.assertEqual([a["status"] for a in got["answers"]], [200] * 3 + [403] * 997)
        self.assertEqual([a["entry_offset"] for a in got["answers"]], list(range(1000)))
        for more in (1, 900):
            too_many = {"subjects": ids + ["%032x" % n for n in range(more)], "purpose": "order-payment", "fields": GOODS}
            self.problem(self.post("/v1/read", too_many, token="shop"), 422, "bad-value", contains="1 to 1000 ids")

    def test_each_person_is_named_once(self):
        one, other = self.buyer(), self.buyer()
        for subjects, place in (([one, other, one], 2), ([one, one] + [other] * 3, 1)):
            got = self.post("/v1/read", {"subjects": subjects, "purpose": "order-payment", "fields": GOODS}, token="shop")
            self.problem(got, 422, "bad-value", contains="once")
            self.assertEqual(got.json["pointer"], f"/subjects/{place}")

    def test_what_is_wrong_with_the_question_fails_the_whole(self):
        person = self.buyer()
        self.problem(self.post("/v1/read", {"subjects": [person], "purpose": "nonsense", "fields": GOODS}, token="shop"), 422, "unknown-name")
        for subjects in ([], [7], ["x"], [person] * 1001, "all"):
            self.assertIn(self.post("/v1/read", {"subjects": subjects, "purpose": "order-payment", "fields": GOODS}, token="shop").status, (400, 422))
        self.problem(self.post("/v1/read", {"subjects": [person], "purpose": "order-payment", "fields": GOODS}), 401, "token-missing")

    def test_nobody_elses_people(self):
        person = self.buyer()
        got = self.many([person], token="forum")
        self.assertEqual(got["answers"][0]["status"], 404)


class Pages(Reading):
    """Whole services, page by page: each person is decided and recorded for themself, nobody is named."""

    def page(self, token="shop", status=200, **more):
        body = {"purpose": "order-payment", "fields": GOODS, **more}
        return self.expect(self.post("/v1/read/people", body, token=token), status)

    def walk(self, **more):
        pages = [self.page(**more)]
        while "next" in pages[-1]:
            pages.append(self.page(after=pages[-1]["next"], **more))
        return pages

    def test_pages_hold_everybody_once_and_refusals_are_on_record(self):
        people, other = [self.buyer() for _ in range(7)], self.adult("music")
        self.act(people[3], document="group", state="withdrawn")
        self.expect(self.delete(f"/v1/subjects/{people[5]}", token="shop"), 200)
        pages = self.walk(limit=2)
        got = [a["subject"] for p in pages for a in p["answers"]]
        self.assertEqual([p for p in got if p in people], [p for i, p in enumerate(people) if i not in (3, 5)])
        self.assertNotIn(other, got)
        self.assertEqual(len(set(got)), len(got))
        self.assertGreaterEqual(sum(p["refused"] for p in pages), 1)
        self.assertTrue(all(len(p["answers"]) + p["refused"] <= 2 for p in pages))
        rows = self.expect(self.get(f"/v1/subjects/{people[3]}/history?limit=1", token="shop"), 200)["history"]
        self.assertEqual(rows[0]["kind"], "refused", rows)
        first = next(p for p in pages if any(a["subject"] == people[0] for a in p["answers"]))
        answer = next(a for a in first["answers"] if a["subject"] == people[0])
        self.assertEqual(answer["values"]["order-items"]["value"], "tea")
        rows = self.expect(self.get(f"/v1/subjects/{people[0]}/history?limit=1", token="shop"), 200)["history"]
        self.assertEqual(rows[0]["entry"], first["first_entry"] + answer["entry_offset"])

    def test_those_who_consented_are_found_and_a_withdrawal_holds_at_once(self):
        field, many = ["log-browsing-history"], {"among": "consented", "purpose": "profiling", "fields": ["log-browsing-history"]}
        people = [self.adult("shop") for _ in range(5)]
        for person in people[1:]:
            self.consent(person, "consent", purpose="profiling")
        self.consent(people[2], "consent", purpose="profiling")
        self.operator("POST", f"/v1/subjects/{people[0]}/consents", {"need": "consent", "state": "given"}, 201)
        self.withdraw(people[4], need="consent", purpose="profiling")
        for limit in (1, 2, 100):
            got = [a["subject"] for p in self.walk(limit=limit, **many) for a in p["answers"]]
            self.assertEqual(got, people[:4], limit)

    def test_pages_of_consents_do_not_show_that_others_have_people(self):
        for person in [self.adult("shop") for _ in range(2)]:
            self.consent(person, "consent", purpose="profiling")
            self.withdraw(person, need="consent", purpose="profiling")  # so that other pages go without them
        got = self.page(token="music", purpose="profiling", fields=["log-browsing-history"], among="consented", limit=1)
        self.assertEqual((got["answers"], got["refused"], got.get("next")), ([], 0, None))

    @on_files
    def test_one_whose_values_cannot_be_opened_does_not_keep_the_others_from_theirs(self):
        people = [self.buyer() for _ in range(4)]
        self.daemon.stop()
        db = sqlite3.connect(os.path.join(self.daemon.data, "keys.db"))
        db.execute("DELETE FROM person_key WHERE subject = ?", (bytes.fromhex(people[1]),))
        db.commit()
        db.close()
        db = sqlite3.connect(os.path.join(self.daemon.data, "troth.db"))
        db.execute("UPDATE field_value SET sealed = zeroblob(length(sealed)) WHERE sid = (SELECT sid FROM subject WHERE id = ?)",
                   (bytes.fromhex(people[2]),))
        db.commit()
        db.close()
        self.daemon.start()
        one_by_one = {a["subject"]: a for a in self.many(people)["answers"]}
        got = {a["subject"]: a for p in self.walk() for a in p["answers"] if a["subject"] in people}
        self.assertEqual([got[p]["status"] for p in people], [one_by_one[p]["status"] for p in people])
        for person in people[1:3]:
            self.assertEqual(got[person]["problem"], one_by_one[person]["problem"])
            self.assertNotIn("values", got[person])
        for person in (people[0], people[3]):
            self.assertEqual(got[person]["values"]["order-items"]["value"], "tea")

    def test_what_is_held_of_one_field(self):
        person = self.buyer()
        held = lambda query: [v["field"] for v in self.expect(self.get(f"/v1/subjects/{person}/data{query}", token="shop"), 200)["data"]]
        self.assertEqual(held("?field=order-items"), ["order-items"])
        self.assertEqual(held("?field=order-items&source=observed"), [])
        self.assertEqual(sorted(held("")), sorted(GOODS))

    def test_another_service_and_wrong_questions(self):
        self.buyer()
        self.assertEqual(self.page(token="music", purpose="profiling", fields=["log-browsing-history"], among="consented")["answers"], [])
        for body, pointer in (({"purpose": "no-such"}, "/purpose"), ({"after": "12a"}, "/after"), ({"limit": 0}, "/limit"),
                              ({"limit": 1001}, "/limit"), ({"fields": ["no-such-field"]}, "/fields"), ({"service": "music"}, "/service")):
            answer = self.post("/v1/read/people", {"purpose": "order-payment", "fields": GOODS, **body}, token="shop")
            self.assertIn(answer.status, (400, 403, 422), (body, answer))
            self.assertTrue(answer.json["pointer"].startswith(pointer), (body, answer.json))
        refused = self.operator("POST", "/v1/read/people", {"purpose": "order-payment", "fields": GOODS})
        self.assertEqual(refused.json["pointer"], "/service")


class Conditional(Reading):
    def test_only_what_changed_comes_again(self):
        person = self.buyer()
        first = self.read(person, known={})
        tags = {name: f["tag"] for name, f in first["fields"].items()}
        same = self.read(person, known=tags)
        self.assertEqual(same["values"], {})
        self.assertTrue(all(f["unchanged"] for f in same["fields"].values()))
        self.collect(person, purpose="order-payment", order_items="coffee")
        news = self.read(person, known=tags)
        self.assertEqual(list(news["values"]), ["order-items"])
        self.assertNotIn("unchanged", news["fields"]["order-items"])
        self.assertTrue(news["fields"]["order-address"]["unchanged"])
        # It was decided and is on record all the same.
        rows = self.expect(self.get(f"/v1/subjects/{person}/history?limit=3", token="shop"), 200)["history"]
        self.assertEqual([(r["kind"], r["detail"].get("unchanged")) for r in rows],
                         [("read", [1]), ("collect", None), ("read", [0, 1])])

    def test_deleted_and_given_again_is_a_change(self):
        person = self.buyer()
        tag = self.read(person, known={})["fields"]["order-items"]["tag"]
        self.expect(self.delete(f"/v1/subjects/{person}/data/order-items", token="shop"), 200)
        self.assertNotEqual(self.read(person, known={})["fields"]["order-items"]["tag"], tag)
        # In the same millisecond: the clock stands still.
        self.collect(person, purpose="order-payment", order_items="tea")
        self.assertIn("order-items", self.read(person, known={"order-items": tag})["values"])

    def test_a_refusal_has_no_tag_and_no_way_round(self):
        person = self.buyer()
        tags = {name: f["tag"] for name, f in self.read(person, known={})["fields"].items()}
        self.act(person, document="group", state="withdrawn")
        self.assertEqual(self.read(person, 403, known=tags)["reason"], "withdrawn")

    def test_of_many(self):
        one, two = self.buyer(), self.buyer()
        known = {a["subject"]: {n: f["tag"] for n, f in a["fields"].items()} for a in self.many([one, two], known={})["answers"]}
        self.collect(two, purpose="order-payment", order_address="2 Other Road")
        got = self.many([one, two], known=known)["answers"]
        self.assertEqual([list(a["values"]) for a in got], [[], ["order-address"]])

    def test_a_tag_of_a_field_not_asked_for(self):
        person = self.buyer()
        self.read(person, 422, known={"contact-phone": "0" * 16})

    def test_tags_only_when_asked(self):
        self.assertNotIn("tag", self.read(self.buyer())["fields"]["order-items"])


def token_policy():
    """The reference policy, with an office that shows names instead of numbers."""
    folder = tempfile.mkdtemp(prefix="troth-tokens-")
    for name in os.listdir(POLICY):
        shutil.copy(os.path.join(POLICY, name), folder)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        text = open(path, encoding="utf-8").read()
        if name == "catalogue.md":
            text = text.replace('mask blank ', 'mask token     "replace by a name that only the recipient knows".\nmask blank ')
        text = text.replace("mask as middle", "mask as token").replace("mask as last-four", "mask as token")
        text = text.replace("to display grade 5, we must mask as blank.",
                            "to display grade 5, we must mask as blank.\nto share order-contact-phone, we must mask as token.")
        open(path, "w", encoding="utf-8").write(text)
    return folder


class Tokens(Reading):
    daemon_options = {"policy": token_policy()}

    def shown(self, person, service):
        got = self.expect(self.post(f"/v1/subjects/{person}/read", {"purpose": "delivery", "operation": "display",
                                                                    "fields": ["contact-phone"]}, token=service), 200)
        self.assertEqual(got["fields"]["contact-phone"]["mask"], "token")
        value = got["values"]["contact-phone"]
        self.assertTrue(value["masked"])
        return value["value"]

    def test_a_name_for_each_service_the_same_each_time(self):
        phone = self.phone()
        person = self.adult("shop", contact_phone=phone)
        self.daemon.service("shop-2", "shop")
        mine = self.shown(person, "shop")
        self.assertRegex(mine, r"^tok_[0-9a-f]{32}$")
        self.assertNotIn(phone[3:], mine)
        self.assertEqual(mine, self.shown(person, "shop"))
        self.daemon.restart()
        self.assertEqual(mine, self.shown(person, "shop"))
        self.operator("POST", f"/v1/subjects/{person}/consents", {"document": "group", "state": "given", "language": "en",
                                                                   "channel": "web", "service": "shop-2"}, 201)
        theirs = self.shown(person, "shop-2")
        self.assertRegex(theirs, r"^tok_[0-9a-f]{32}$")
        self.assertNotEqual(mine, theirs)

    def test_a_name_for_each_recipient_and_nothing_to_join_by(self):
        people = [self.adult("shop") for _ in range(2)]
        phones = [self.phone(), self.phone()]
        for person, phone in zip(people, phones):
            self.collect(person, purpose="order-payment", order_contact_phone=phone, order_address="Lane 3")
        for name in ("carrier-1", "carrier-2"):
            self.ready(name, "logistics-company", purpose="delivery", fields=("order-contact-phone", "order-address"))
        got = {}
        for name in ("carrier-1", "carrier-2"):
            body = {"recipient": name, "purpose": "delivery", "fields": ["order-contact-phone", "order-address"]}
            answers = [self.expect(self.post(f"/v1/subjects/{p}/shares", body, token="shop"), 200) for p in people]
            again = self.expect(self.post(f"/v1/subjects/{people[0]}/shares", body, token="shop"), 200)
            got[name] = [a["values"]["order-contact-phone"]["value"] for a in answers]
            self.assertEqual(got[name][0], again["values"]["order-contact-phone"]["value"])
            self.assertEqual(answers[0]["values"]["order-address"]["value"], "Lane 3")
            for phone in phones:
                self.assertNotIn(phone[3:], json.dumps(answers))
        for tokens in got.values():
            for token in tokens:
                self.assertRegex(token, r"^tok_[0-9a-f]{32}$")
        self.assertEqual(len({t for tokens in got.values() for t in tokens}), 4)

    def test_names_and_reasons_in_a_read_of_many(self):
        person = self.adult("shop", contact_phone=self.phone())
        body = {"subjects": [person], "purpose": "delivery", "operation": "display", "fields": ["contact-phone"]}
        got = self.expect(self.post("/v1/read", {**body, "explain": True, "known": {}}, token="shop"), 200)["answers"][0]
        self.assertEqual(got["values"]["contact-phone"]["value"], self.shown(person, "shop"))
        self.assertIn("protect.masking", json.dumps(got["trace"]))
        known = {person: {"contact-phone": got["fields"]["contact-phone"]["tag"]}}
        again = self.expect(self.post("/v1/read", {**body, "known": known}, token="shop"), 200)["answers"][0]
        self.assertEqual((again["values"], again["fields"]["contact-phone"]["unchanged"], "trace" in again), ({}, True, False))
