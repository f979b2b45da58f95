# SPDX-License-Identifier: Apache-2.0
"""What one caller may not do to another, and what must not leak: consents of other services, guardians, logs, disks."""
import json, os, secrets, shutil, sqlite3, subprocess, threading, time, unittest
from troth_flow import Daemon, Flow, POLICY, run_troth, on_files

MARKETING = {"need": "consent", "purpose": "direct-marketing"}


class Borders(Flow):
    def url(self, person, rest=""):
        return "/v1/subjects/%s%s" % (person, rest)

    def agreed(self, birth_date="1990-05-05", service="shop", document="group", **more):
        person = self.person(birth_date, service)
        self.act(person, service, document=document, **more)
        return person

    def act(self, person, token="shop", status=201, state="given", **more):
        return self.expect(self.post(self.url(person, "/consents"), {"state": state, **more}, token=token), status)

    def store(self, person, values, token="shop", purpose="registration-login", **more):
        body = {"purpose": purpose, "values": values, **more}
        return self.put(self.url(person, "/data"), body, token=token)

    def history(self, person, token="shop"):
        return self.expect(self.get(self.url(person, "/history?limit=500"), token=token), 200)["history"]

    def operator(self, *args, **kw):
        return self.daemon.cli(*args, *self.daemon.here(), **kw)

    # ---- Consents of one service and another

    def test_R078_a_service_records_consent_for_itself_only(self):
        person = self.agreed()
        self.operator("subject", "agree", person, "--document", "group", "--service", "mail")
        self.problem(self.post(self.url(person, "/consents"), {**MARKETING, "state": "given", "service": "mail"},
                               token="shop"), 403, "forbidden")
        got = self.act(person, **MARKETING)["consent"]
        self.assertEqual(got["service"], "shop")
        for service, answer in (("shop", "allow"), ("mail", "needs")):
            got = self.decide(service, "direct-marketing", ["contact-phone"], subject=person)
            self.assertEqual(got["answer"], answer, (service, got))

    def test_R007_agreement_to_a_document_holds_in_every_service(self):
        person = self.agreed()
        self.operator("subject", "agree", person, "--document", "games", "--service", "mail")
        got = self.decide("mail", "registration-login", ["contact-phone"], subject=person, operation="collect")
        self.assertEqual(got["answer"], "allow", got)

    # ---- Guardians

    def test_A2_one_service_cannot_unmake_a_guardian(self):
        child, guardian = self.person("2016-03-01", "arena"), self.person("1985-05-05", "arena")
        link = {"guardian": guardian, "verified": True, "evidence": "hukou-1"}
        self.expect(self.post(self.url(child, "/guardians"), link, token="arena"), 201)
        self.problem(self.post(self.url(child, "/guardians"), {"guardian": guardian}, token="arena"), 409, "conflict")
        kept = self.get(self.url(child, "/guardians"), token="arena").json["guardians"]
        self.assertEqual([(g["verified"], g["evidence"]) for g in kept], [(True, "hukou-1")])

    def test_B7_fourteen_and_eighteen_come_at_the_start_of_the_birthday(self):
        child, guardian = self.person("2012-11-25", "arena"), self.person("1985-05-05", "arena")
        self.expect(self.post(self.url(child, "/guardians"), {"guardian": guardian, "verified": True}, token="arena"), 201)
        consent = {"document": "children", "state": "given", "actor": "guardian", "guardian": guardian}
        self.at("2026-11-24T15:59:59.999Z")
        self.expect(self.get(self.url(child), token="arena"), 200, band="child", state="awaiting_guardian")
        self.at("2026-11-24T16:00:00Z")
        self.expect(self.get(self.url(child), token="arena"), 200, band="minor", state="active")
        self.problem(self.post(self.url(child, "/consents"), consent, token="arena"), 403, "forbidden")
        self.at("2030-11-24T15:59:59.999Z")
        self.expect(self.get(self.url(child), token="arena"), 200, band="minor")
        self.at("2030-11-24T16:00:00Z")
        self.expect(self.get(self.url(child), token="arena"), 200, band="adult")
        self.problem(self.delete(self.url(child, "?actor=guardian&guardian=" + guardian), token="arena"), 403, "forbidden")

    def test_a_guardian_of_one_child_is_none_of_another(self):
        first, second = self.person("2016-03-01", "arena"), self.person("2016-03-01", "arena")
        guardian = self.person("1985-05-05", "arena")
        self.expect(self.post(self.url(first, "/guardians"), {"guardian": guardian, "verified": True}, token="arena"), 201)
        self.problem(self.delete(self.url(second, "?actor=guardian&guardian=" + guardian), token="arena"), 403, "forbidden")
        got = self.decide("arena", "rights-requests", ["contact-phone"], subject=second, operation="read",
                          actor="guardian:" + guardian)
        self.assertEqual(got["answer"], "needs", got)

    # ---- Values

    def test_a_field_is_listed_once(self):
        person = self.agreed()
        twice = {"contact-phone": "+8613800000002", "contact.phone": "+8613800000003"}
        self.problem(self.store(person, twice), 422, "bad-value", contains="twice")
        self.assertEqual(self.get(self.url(person, "/data"), token="shop").json["data"], [])
        body = {"purpose": "delivery", "fields": ["contact-phone", "contact_phone"]}
        self.problem(self.post(self.url(person, "/read"), body, token="shop"), 422, "bad-value", pointer="/fields/1")

    def test_an_actor_has_a_name(self):
        for actor in (":", ":shop", "nobody"):
            body = {"purpose": "delivery", "actor": actor}
            self.problem(self.post("/v1/decisions", body, token="shop"), 422, "unknown-name", pointer="/actor")

    def test_one_phone_wins_among_many_at_once(self):
        phone = "+86135%08d" % secrets.randbelow(10 ** 8)
        people, seen = [self.agreed() for _ in range(12)], []
        threads = [threading.Thread(target=lambda p=p: seen.append(self.store(p, {"contact-phone": phone}).status))
                   for p in people]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(seen), [200] + [409] * 11)

    def test_a_phone_is_free_again_after_deletion_and_erasure(self):
        phone = "+86134%08d" % secrets.randbelow(10 ** 8)
        first, second, third = self.agreed(), self.agreed(), self.agreed()
        self.expect(self.store(first, {"contact-phone": phone}), 200)
        self.problem(self.store(second, {"contact-phone": phone}), 409, "identifier-taken")
        self.expect(self.delete(self.url(first, "/data/contact-phone"), token="shop"), 200, deleted=1)
        self.expect(self.store(second, {"contact-phone": phone}), 200)
        self.problem(self.store(first, {"contact-phone": phone}), 409, "identifier-taken")
        self.expect(self.delete(self.url(second), token="shop"), 200, erased=True)
        self.expect(self.store(third, {"contact-phone": phone}), 200)
        self.problem(self.get(self.url(second, "/history"), token="shop"), 410, "gone")

    def test_values_of_every_size_and_script(self):
        person = self.agreed()
        for value in ("\u5f20\u4f1f", "e\u0301 \u202e\U0001f600", "\t\n", "x" * 4096, "\u674e" * 1365, "\"\\</script>"):
            self.expect(self.store(person, {"order-address": value}, purpose="delivery"), 200, stored=1)
            body = {"purpose": "delivery", "fields": ["order-address"]}
            got = self.expect(self.post(self.url(person, "/read"), body, token="shop"), 200)
            self.assertEqual(got["values"]["order-address"]["value"], value)
        for value in ("", "x" * 4097, "\u674e" * 1366):
            self.problem(self.store(person, {"order-address": value}, purpose="delivery"), 422, "bad-value")

    # ---- Deleting for somebody

    def test_R152_a_service_passes_a_deletion_on(self):
        person = self.agreed()
        self.expect(self.store(person, {"order-address": "Lane 9"}, purpose="delivery"), 200)
        field = self.url(person, "/data/order-address")
        self.problem(self.delete(field + "?actor=subject", token="shop"), 403, "refused", clause="group/rights.own")
        got = self.expect(self.delete(field, token="shop"), 200, deleted=1)
        self.assertEqual(got["decision"]["clause"], "group/rights.own")
        self.assertEqual(self.history(person)[0]["detail"]["actor"], "service:shop")

    # ---- The record

    def test_R015_a_forbidden_source_is_on_record(self):
        person = self.agreed(service="log-1")
        body = {"purpose": "basic-service", "source": "subject", "values": {"log-ip-address": "192.0.2.8"}}
        self.problem(self.put(self.url(person, "/data"), body, token="log-1"), 403, "source-forbidden")
        last = self.history(person, "log-1")[0]
        self.assertEqual((last["kind"], last["detail"]["event"], last["detail"]["source"]),
                         ("refused", "source forbidden", "subject"))
        self.assertEqual(self.get(self.url(person, "/data"), token="log-1").json["data"], [])

    # ---- Recipients

    def test_a_suspension_stays_until_it_is_lifted(self):
        name = "ship-" + secrets.token_hex(3)
        state = lambda: {r["name"]: r for r in self.get("/v1/third-parties").json["recipients"]}[name]["suspended"]
        self.daemon.recipient(name, "logistics-company", "--suspended")
        self.daemon.recipient(name, "logistics-company", "--title", "Ships")
        self.assertTrue(state())
        self.daemon.recipient(name, "logistics-company", "--resumed")
        self.assertFalse(state())

    # ---- The log

    def test_the_log_does_not_repeat_what_was_sent(self):
        person, secret = self.agreed(), "13%09d" % secrets.randbelow(10 ** 9)
        self.post("/v1/decisions", {"purpose": "delivery", "fields": [secret]}, token="shop")
        self.post("/v1/decisions", {"purpose": "delivery", secret: "x"}, token="shop")
        self.post("/v1/decisions", {"purpose": secret}, token="shop")
        self.get("/v1/policies", token=secret)
        self.post("/v1/decisions", {"purpose": "delivery"}, token=secret)
        self.get("/v1/subjects/" + secret + "?x=" + secret, token="shop")
        self.store(person, {"contact-phone": secret + "x"})
        self.store(person, {"shoe-size-" + secret: secret})
        self.delete(self.url(person, "/data/" + secret), token="shop")
        said = self.daemon.stderr()[self.seen:]
        self.assertIn("undeclared-field", said)
        self.assertNotIn(secret, said)
        self.assertNotIn(person, said)
        self.assertNotIn("troth_", said)


class Inside(Flow):
    fresh = True

    def broken(self):
        """A person whose value lies damaged in the database."""
        person = self.person("1990-05-05")
        self.expect(self.post("/v1/subjects/%s/consents" % person, {"document": "group", "state": "given"},
                              token="shop"), 201)
        self.expect(self.put("/v1/subjects/%s/data" % person,
                             {"purpose": "delivery", "values": {"order-address": "Lane 3"}}, token="shop"), 200)
        self.daemon.stop()
        with sqlite3.connect(os.path.join(self.daemon.data, "troth.db")) as db:
            db.execute("UPDATE field_value SET sealed = zeroblob(length(sealed))")
        db.close()
        self.daemon.start()
        return person

    @on_files
    def test_what_failed_inside_is_told_to_the_operator_only(self):
        person = self.broken()
        body = {"purpose": "delivery", "fields": ["order-address"]}
        got = self.problem(self.post("/v1/subjects/%s/read" % person, body, token="shop"), 500, "integrity")
        self.assertNotIn("detail", got)
        self.assertNotIn(self.daemon.home, json.dumps(got))
        self.assertIn("integrity", self.daemon.stderr())

    @on_files
    def test_R001_a_policy_that_comes_into_force_is_on_record(self):
        def kinds():
            self.daemon.stop()
            self.daemon.start()
            with sqlite3.connect("file:%s?mode=ro" % os.path.join(self.daemon.data, "troth.db"), uri=True) as db:
                n = db.execute("SELECT count(*) FROM policy_set").fetchone()[0]
            db.close()
            return n, self.get("/healthz").json["record"]
        sets, size = kinds()
        self.assertEqual(sets, 1)
        self.assertEqual(kinds(), (1, size + 1))  # a start, and nothing else
        draft = os.path.join(self.daemon.home, "draft")
        shutil.copytree(POLICY, draft)
        with open(os.path.join(draft, "group.md")) as f:
            text = f.read()
        with open(os.path.join(draft, "group.md"), "w") as f:
            f.write(text.replace("revision 12 in force from 2025-01-01", "revision 13 in force from 2026-11-23"))
        self.at("2026-11-23T01:00:00Z")
        self.daemon.stop()
        self.daemon.cli("policy", "publish", draft, *self.daemon.here())
        self.assertEqual(kinds(), (2, size + 4))  # published, in force, and the start

    def test_R118_an_erasure_cut_short_is_finished_at_the_next_start(self):
        person, other = self.person("1990-05-05"), self.person("1990-05-05")
        path = os.path.join(self.daemon.data, "history.db")
        self.daemon.stop()
        with sqlite3.connect(path) as db:
            rows = db.execute("SELECT subject, entry FROM history").fetchall()
            mark = db.execute("SELECT entries FROM history_mark").fetchone()[0]
        db.close()
        self.assertIn(bytes.fromhex(person), [r[0] for r in rows])
        self.daemon.start()
        self.expect(self.delete("/v1/subjects/" + person, token="shop"), 200)
        self.daemon.stop()
        with sqlite3.connect(path) as db:  # as if the power had gone right after the answer
            db.executemany("INSERT OR IGNORE INTO history VALUES (?, ?)", rows)
            db.execute("UPDATE history_mark SET entries = ?", (mark,))
        db.close()
        self.daemon.start()
        self.daemon.stop()
        with sqlite3.connect(path) as db:
            left = {r[0] for r in db.execute("SELECT subject FROM history")}
        db.close()
        self.assertEqual(left, {bytes.fromhex(other)})


@on_files
class SmallDisk(unittest.TestCase):
    """A file system that fills while the daemon serves, and has room again."""
    SIZE = "50m"  # a segment of the record takes 16 MiB when it is made

    def setUp(self):
        self.place = os.path.realpath(subprocess.run(["mktemp", "-d"], capture_output=True, text=True).stdout.strip())
        self.addCleanup(os.rmdir, self.place)
        mount = ["mount", "-t", "tmpfs", "-o", "size=" + self.SIZE, "none", self.place]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            self.skipTest("mounting needs root")
        self.addCleanup(subprocess.run, ["umount", "-l", self.place])
        self.daemon = Daemon(data=os.path.join(self.place, "data"))
        self.addCleanup(self.daemon.remove)
        self.daemon.start()

    def fill(self):
        with open(os.path.join(self.place, "fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def ask(self, method, path, body=None):
        return self.daemon.request(method, path, body, token="shop")

    def test_a_full_disk_refuses_writes_and_recovers(self):
        register = lambda: self.ask("POST", "/v1/subjects", {"birth_date": "1990-05-05"})
        person = register().json["id"]
        consents = "/v1/subjects/%s/consents" % person
        self.assertEqual(self.ask("POST", consents, {"document": "group", "state": "given"}).status, 201)
        self.fill()
        for _ in range(20):
            for answer in (register(), self.ask("POST", consents, {"document": "group", "state": "withdrawn"})):
                self.assertIn(answer.status, (503, 507), answer)
                self.assertNotIn(self.place, answer.text)
            self.assertEqual(self.ask("GET", "/v1/subjects/" + person).status, 200)
            self.assertEqual(self.ask("POST", "/v1/decisions", {"purpose": "delivery", "subject": person}).status, 200)
        self.assertEqual(len(self.ask("GET", consents).json["consents"]), 1)
        os.remove(os.path.join(self.place, "fill"))
        self.assertEqual(self.ask("POST", consents, {"document": "group", "state": "withdrawn"}).status, 201)
        self.assertEqual(register().status, 201)
        self.assertEqual(len(self.ask("GET", "/v1/subjects/%s/history" % person).json["history"]), 23)
        self.daemon.stop()
        self.assertEqual(run_troth("audit", "verify", self.daemon.data).returncode, 0)


if __name__ == "__main__":
    unittest.main()
