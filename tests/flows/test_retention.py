# SPDX-License-Identifier: Apache-2.0
"""What must go goes in time; what the law keeps, stays still."""
import itertools, os, sqlite3, threading, time, unittest

import pg_server
from troth_flow import PATIENCE_S, SERVER
from troth_people import People

BATCH = 64  # values of one step of a sweep (GATE_SWEEP_VALUES)


class Retention(People):
    fresh = True

    def sweep(self):
        return self.daemon.cli("retain", "sweep", "--json", *self.daemon.here()).stdout

    def held(self, person):
        got = self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)
        return {(v["field"], v.get("item", "")): v.get("keep_until") for v in got["data"]}

    def visit(self, person, **more):
        body = {"purpose": "abnormal-account-detection", "values": {"log-visit-time": "2026-11-23"}, **more}
        return self.expect(self.put(f"/v1/subjects/{person}/data", {"source": "observed", **body}, token="shop"), 200)

    def events(self, person):
        got = self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)
        return [e for e in got["history"] if e["detail"].get("event") == "the time to keep is over"]

    def test_R109_what_is_kept_beyond_its_time_goes_with_proof(self):
        people = [self.adult(contact_phone=self.phone()) for _ in range(20)]
        for p in people:
            self.visit(p)
        status = self.operator("GET", "/v1/retention", status=200).json
        self.assertEqual((status["due"], status["next"][:10]), (0, "2027-05-22"))  # 180 days
        self.at("2027-05-21T00:00:00Z")
        self.assertIn('"deleted":0', self.sweep())
        self.at("2027-05-23T00:00:00Z")
        self.assertEqual(self.operator("GET", "/v1/retention", status=200).json["due"], 20)
        self.assertIn('"deleted":20', self.sweep())
        self.assertIs(self.get("/healthz").json["sweep_behind"], False)
        for p in people:
            self.assertNotIn(("log-visit-time", ""), self.held(p))
            self.assertIn(("contact-phone", ""), self.held(p))
            self.assertEqual([e["detail"]["fields"] for e in self.events(p)], [["log-visit-time"]])
        self.assertIn('"deleted":0', self.sweep())
        self.daemon.cli("audit", "verify", self.daemon.data)

    # ---- More than one batch, and others who ask

    def visits(self, person, *items):
        """A value each of the field whose time is 180 days."""
        for item in items:
            self.visit(person, values={"log-visit-time": {"value": "2026-11-23", "item": item}})

    def reading(self, phones, answered, faults, stop):
        """One person after the other, for as long as it takes; each answer must be whole."""
        for person, phone in itertools.cycle(phones.items()):
            if stop.is_set():
                return
            body = {"purpose": "registration-login", "fields": ["contact-phone"]}
            got = self.post(f"/v1/subjects/{person}/read", body, token="shop")
            if got.status != 200 or got.json["values"]["contact-phone"]["value"] != phone:
                faults.append(got)
            answered.append(person)

    def step(self, answered):
        """One batch, and whoever reads is answered after it."""
        got = self.operator("POST", "/v1/retention/sweep", {}, status=200).json
        seen, end = len(answered), time.monotonic() + PATIENCE_S
        while len(answered) == seen:
            self.assertLess(time.monotonic(), end, "nobody was answered beside the sweep")
            time.sleep(0.001)
        return got

    def test_R109_readers_are_answered_beside_a_sweep_of_many_batches(self):
        phones = {}
        for _ in range(160):
            phone = self.phone()
            phones[self.adult(contact_phone=phone)] = phone
        for person in phones:
            self.visits(person, "a", "b")
        self.at("2026-12-23T00:00:00Z")  # what comes now is not due with the others
        late = list(phones)[::8]
        for person in late:
            self.visits(person, "late")
        self.at("2027-05-23T00:00:00Z")
        answered, faults, stop = [], [], threading.Event()
        readers = [threading.Thread(target=self.reading, args=(phones, answered, faults, stop)) for _ in range(3)]
        for t in readers:
            t.start()
        try:
            steps = [self.step(answered) for _ in range(2)]
            self.sweep()
        finally:
            stop.set()
            for t in readers:
                t.join()
        self.assertEqual(faults, [])
        self.assertTrue(all(step["deleted"] <= BATCH for step in steps), steps)
        status = self.operator("GET", "/v1/retention", status=200).json
        self.assertEqual((status["deleted"], status["held"], status["due"]), (320, 0, 0))
        for person in phones:
            stays = {("contact-phone", "")} | ({("log-visit-time", "late")} if person in late else set())
            self.assertEqual(set(self.held(person)), stays)
            told = [e["detail"] for e in self.events(person)]
            self.assertEqual((sum(d["values"] for d in told), {f for d in told for f in d["fields"]}), (2, {"log-visit-time"}))
        self.assertIn('"deleted":0', self.sweep())
        self.daemon.cli("audit", "verify", self.daemon.data)

    def test_R110_a_legal_hold_keeps_a_value_from_the_sweep_and_from_use(self):
        person, other = self.adult(), self.adult()
        self.visit(person)
        self.visit(other)
        hold = {"fields": ["log-visit-time"], "reference": "court order 9", "until": "2027-12-31"}
        self.operator("POST", f"/v1/subjects/{person}/holds", hold, status=201)
        self.at("2027-06-01T00:00:00Z")
        self.assertIn('"deleted":1,"held":1', self.sweep())
        self.assertEqual(self.held(person)[("log-visit-time", "")][:10], "2027-12-31")
        self.assertNotIn(("log-visit-time", ""), self.held(other))
        use = self.decide("shop", "abnormal-account-detection", ["log-visit-time"], subject=person)
        self.assertEqual(use["reason"], "hold_only")
        self.at("2028-01-02T00:00:00Z")
        self.assertIn('"deleted":1,"held":0', self.sweep())
        self.assertEqual(self.held(person), {})

    def test_R109_a_closed_order_starts_its_clock(self):
        person = self.adult()
        for item in ("o1", "o2"):
            put = {"purpose": "order-payment", "values": {"order-items": {"value": "two lamps", "item": item}}}
            self.expect(self.put(f"/v1/subjects/{person}/data", put, token="shop"), 200)
        self.assertEqual(self.held(person)[("order-items", "o1")], None)
        self.daemon.recipient("ship-q", "logistics-company", *self.daemon.here())
        order = {"order": "o1", "recipient": "ship-q", "closed": "2026-12-01"}
        self.at("2026-12-01T12:00:00Z")
        self.operator("POST", f"/v1/subjects/{person}/orders", order, status=201)
        self.assertEqual(self.held(person)[("order-items", "o1")][:10], "2029-12-01")
        self.assertEqual(self.held(person)[("order-items", "o2")], None)
        self.at("2029-12-02T00:00:00Z")
        self.assertIn('"deleted":1', self.sweep())
        self.assertEqual(list(self.held(person)), [("order-items", "o2")])

    def test_R200_a_childs_key_changes_class_with_the_fourteenth_birthday(self):
        child, _ = self.child()
        def class_of():
            if SERVER:
                asked = "SELECT class FROM person_key WHERE encode(subject, 'hex') = '%s'" % child
                return pg_server.ask(SERVER, asked, database=self.daemon.urls[1].split("@/")[1].split("?")[0]).strip()
            with sqlite3.connect(os.path.join(self.daemon.data, "keys.db")) as db:
                return db.execute("SELECT class FROM person_key WHERE subject = ?", (bytes.fromhex(child),)).fetchone()[0]
        self.assertEqual(class_of(), "child")
        self.assertIn('"grown":0', self.sweep())
        self.at("2028-08-21T00:00:00Z")
        self.assertIn('"grown":1', self.sweep())
        self.assertEqual(class_of(), "adult")
        self.assertIn('"grown":0', self.sweep())
        self.expect(self.get(f"/v1/subjects/{child}/data", token="arena"), 200)

    def test_R109_the_daemon_sweeps_by_itself(self):
        person = self.adult()
        self.visit(person)
        self.daemon.stop()
        self.at("2027-06-01T00:00:00Z")
        self.daemon.start()
        for _ in range(2400):
            if self.held(person) == {}:
                break
            time.sleep(0.05)
        self.assertEqual(self.operator("GET", "/v1/retention", status=200).json["deleted"], 1)


if __name__ == "__main__":
    unittest.main()
