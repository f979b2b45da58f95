# SPDX-License-Identifier: Apache-2.0
"""Taking everything along, and closing an account, each with a receipt that proves it."""
import json, os, shutil, subprocess, time, unittest

from troth_people import People

ASKED = {"purpose": "rights-requests"}


class Leaving(People):
    def kind_of(self, receipt):
        """What a receipt proves, checked offline."""
        for _ in range(1200):
            answer = self.post("/v1/receipts", receipt)
            if answer.status != 503:
                break
            time.sleep(0.1)
        self.assertEqual(answer.status, 200, answer)
        paths = [os.path.join(self.daemon.home, name) for name in ("receipt", "key")]
        for path, body in zip(paths, (answer.body, self.get("/audit/key").body)):
            with open(path, "wb") as f:
                f.write(body)
        done = self.daemon.cli("audit", "receipt", "verify", paths[0], "--key", paths[1]).stdout
        return done.split("what")[1].split()[0]

    def email(self):
        return self.phone()[1:] + "@example.org"

    def export(self, person, token="shop", **more):
        return self.post(f"/v1/subjects/{person}/export", {**ASKED, **more}, token=token)

    def prove(self, person):
        """Staff checked the person's identity."""
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)

    def close(self, person, body=None, token="shop"):
        return self.post(f"/v1/subjects/{person}/closure", body or {}, token=token)

    def test_everything_held_is_exported_with_a_receipt(self):
        phone = self.phone()
        person = self.adult(contact_phone=phone)
        self.collect(person, contact_email=self.email())
        self.consent(person, "consent", purpose="direct-marketing")
        self.prove(person)
        got = self.expect(self.export(person), 200)
        self.assertEqual(sorted(got["values"]), ["contact-email", "contact-phone"])
        self.assertEqual(got["values"]["contact-phone"]["value"], phone)
        self.assertTrue({"source", "service", "purpose"} <= set(got["values"]["contact-phone"]["provenance"]), got)
        self.assertIn("consent", [c["name"] for c in got["consents"]])
        self.assertEqual((got["shares"], got["person"]["band"]), ([], "adult"))
        self.assertEqual(self.kind_of(got["receipt"]), "export")

    def test_of_many_receipts_each_is_told_and_one_that_does_not_hold_is_named(self):
        person, home = self.adult(), self.daemon.home
        for name in "good", "bad":
            self.assertEqual(self.kind_of(self.consent(person, "consent", purpose="direct-marketing")["receipt"]), "consent")
            shutil.move(os.path.join(home, "receipt"), os.path.join(home, name))
        good, bad, key = [os.path.join(home, name) for name in ("good", "bad", "key")]
        self.assertIn("2 of 2 receipts are genuine", self.daemon.cli("audit", "receipt", "verify", good, bad, "--key", key).stdout)
        with open(bad) as f:
            text = f.read()
        with open(bad, "w") as f:
            f.write(text.replace("index ", "index 1", 1))
        for files in (good, bad), (bad, good):  # whichever comes first, the other one is looked at
            done = self.daemon.cli("audit", "receipt", "verify", *files, "--key", key, code=1)
            self.assertIn(good + ": genuine: entry", done.stdout)
            self.assertIn("1 of 2 receipts are genuine", done.stdout)
            self.assertNotIn(bad, done.stdout)
            self.assertIn("troth: %s: " % bad, done.stderr)
            self.assertNotIn(good, done.stderr)
        told = self.daemon.cli("audit", "receipt", "verify", good, bad, "--key", key, "--json", code=1).stdout
        rows = [json.loads(line) for line in told.splitlines()]
        self.assertEqual([(row["file"], row["ok"]) for row in rows], [(good, True), (bad, False)])
        self.assertTrue(rows[1]["fault"])
        self.daemon.cli("audit", "receipt", "verify", good, home + "/none", "--key", key, code=1)
        self.daemon.cli("audit", "receipt", "verify", good, bad, code=2)
        self.daemon.cli("audit", "receipt", "verify", "--key", key, code=2)

    def test_an_export_without_proof_of_identity_is_refused_and_on_record(self):
        person = self.adult(contact_phone=self.phone())
        before = self.get("/healthz").json["record"]
        self.problem(self.export(person), 403, "refused", contains="identity-verified")
        self.assertEqual(self.get("/healthz").json["record"], before + 1)
        self.problem(self.export(person, token="music"), 404, "not-found")
        self.problem(self.export(person, purpose="nonsense"), 422, "unknown-name")

    def test_an_export_of_nothing_is_an_answer_too(self):
        got = self.expect(self.export(self.adult()), 200)
        self.assertEqual(got["values"], {})
        self.assertEqual(self.kind_of(got["receipt"]), "export")

    def test_closing_one_service_leaves_the_others_alone(self):
        phone = self.phone()
        person = self.adult(contact_phone=phone)
        self.consent(person, "consent", purpose="direct-marketing")
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"document": "music", "state": "given", "service": "music", "language": "en"}, status=201)
        self.collect(person, "music", contact_email=self.email())
        got = self.expect(self.close(person), 200, closed="shop", erased=False, kept=[])
        self.assertEqual((got["deleted"], got["withdrawn"]), (1, 1))
        self.assertEqual(self.kind_of(got["receipt"]), "close")
        self.assertEqual(self.get(f"/v1/subjects/{person}", token="shop").status, 404)
        held = self.expect(self.get(f"/v1/subjects/{person}/data", token="music"), 200)["data"]
        self.assertEqual([v["field"] for v in held], ["contact-email"])
        acts = self.expect(self.get(f"/v1/subjects/{person}/consents", token="music"), 200)["consents"]
        self.assertEqual([a["event_state"] for a in acts if a["name"] == "consent"], ["ConsentGiven", "ConsentWithdrawn"])
        self.adult(contact_phone=phone)  # free again

    def test_closing_all_erases_whom_nothing_keeps(self):
        person = self.adult(contact_phone=self.phone())
        got = self.operator("POST", f"/v1/subjects/{person}/closure", {}, 200).json
        self.assertEqual((got["closed"], got["erased"], got["deleted"]), ("all", True, 1))
        self.assertEqual(self.get(f"/v1/subjects/{person}", token="shop").status, 410)
        self.assertEqual(self.kind_of(got["receipt"]), "close")

    def test_what_a_law_keeps_stays_for_that_duty_alone(self):
        person = self.adult(contact_phone=self.phone())
        self.collect(person, contact_email=self.email())
        self.daemon.cli("hold", "add", person, "--fields", "contact-phone", "--reference", "tax law, file 9", "--until",
                        "2028-01-01", *self.daemon.here())
        got = self.operator("POST", f"/v1/subjects/{person}/closure", {}, 200).json
        self.assertEqual((got["erased"], got["deleted"]), (False, 1))
        self.assertEqual(got["kept"], [{"field": "contact-phone", "reference": "tax law, file 9", "until": "2028-01-01T00:00:00Z"}])
        self.daemon.cli("retain", "sweep", *self.daemon.here())
        held = self.operator("GET", f"/v1/subjects/{person}/data", status=200).json["data"]
        self.assertEqual([(v["field"], v["keep_until"]) for v in held], [("contact-phone", "2028-01-01T00:00:00Z")])
        self.at("2028-01-02T00:00:00Z")
        self.daemon.cli("retain", "sweep", *self.daemon.here())
        self.assertEqual(self.operator("GET", f"/v1/subjects/{person}/data", status=200).json["data"], [])

    def test_the_tool_does_both(self):
        person = self.adult(contact_phone=self.phone())
        self.prove(person)
        said = self.daemon.cli("subject", "export", person, "--purpose", "rights-requests", "--service", "shop", *self.daemon.here())
        self.assertIn("contact-phone", said.stdout)
        said = self.daemon.cli("subject", "close", person, "--service", "shop", *self.daemon.here()).stdout
        self.assertIn("shop", said)
        self.assertEqual(self.get(f"/v1/subjects/{person}", token="shop").status, 404)

    def test_nobody_closes_what_is_not_theirs(self):
        person = self.adult()
        self.problem(self.close(person, {"service": "music"}), 403, "forbidden")
        self.problem(self.close(person, token="music"), 404, "not-found")
        answer = self.operator("POST", f"/v1/subjects/{person}/closure", {"service": "music"})
        self.problem(answer, 404, "not-found", contains="no account")
        self.assertEqual(self.get(f"/v1/subjects/{person}", token="shop").status, 200)


if __name__ == "__main__":
    unittest.main()
