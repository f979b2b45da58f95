# SPDX-License-Identifier: Apache-2.0
"""Persons, guardians, recipients, agreements and consents in the words of the requirements, for flows by number."""
import http.client, json, os, socket

from troth_flow import Flow, Answer

REFUSED = ("deny", "needs")


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class People(Flow):
    """Persons, guardians, agreements and consents in the words of the requirements."""

    phones = 13800000000

    @classmethod
    def phone(cls):
        cls.phones += 1
        return "+86%d" % cls.phones

    def operator(self, method, path, body=None, status=None):
        answer = self.daemon.heard(lambda: self.operator_once(method, path, body))
        if status:
            self.assertEqual(answer.status, status, answer)
        return answer

    def operator_once(self, method, path, body):
        link = Unix(os.path.join(self.daemon.data, "operator.sock"))
        link.request(method, path, json.dumps(body) if body is not None else None, {"content-type": "application/json"})
        got = link.getresponse()
        answer = Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        link.close()
        return answer

    def act(self, person, token="shop", status=201, **body):
        body = {"state": "given", "language": "zh-CN", "channel": "web", **body}
        return self.expect(self.post(f"/v1/subjects/{person}/consents", body, token=token), status)

    def adult(self, service="shop", agreed=True, documents=("group",), **values):
        person = self.person("1990-01-01", service)
        for d in documents if agreed else ():
            self.act(person, service, document=d)
        if values:
            self.collect(person, service, **values)
        return person

    def collect(self, person, service="shop", purpose="registration-login", **values):
        values = {k.replace("_", "-"): v for k, v in values.items()}
        return self.expect(self.put(f"/v1/subjects/{person}/data", {"purpose": purpose, "values": values}, token=service), 200)

    def consent(self, person, need, service="shop", **more):
        return self.act(person, service, need=need, **more)

    def child(self, service="arena", agreed=False, documents=("group", "games", "children")):
        """A child and a verified guardian; with agreed, the guardian agreed to everything that applies."""
        child, guardian = self.person("2014-08-20", service), self.person("1985-05-05", service)
        link = {"guardian": guardian, "verified": True, "evidence": "household register, checked"}
        self.expect(self.post(f"/v1/subjects/{child}/guardians", link, token=service), 201)
        if agreed:
            for d in documents:
                self.act(child, service, document=d, actor="guardian", guardian=guardian)
        return child, guardian

    def one(self, service, purpose, field, **more):
        """The answer for one field, with the whole decision's entry checked."""
        d = self.decide(service, purpose, [field], **more)
        self.assertIsInstance(d["entry"], int)
        self.assertEqual(d["fields"][field]["answer"], d["answer"])
        return d["fields"][field]

    def allowed(self, answer, clause=None, masked=False):
        self.assertEqual(answer["answer"], "allow-masked" if masked else "allow", answer)
        if clause:
            self.assertEqual(answer["clause"], clause, answer)

    def refused(self, answer, reason, clause=None):
        self.assertIn(answer["answer"], REFUSED, answer)
        self.assertEqual(answer.get("reason"), reason, answer)
        if clause:
            self.assertEqual(answer["clause"], clause, answer)

    def withdraw(self, person, service="shop", **body):
        return self.act(person, service, **{"state": "withdrawn", **body})

    def ready(self, name, klass, *, purpose=None, fields=(), country="CN", papers=("confidentiality", "assessment")):
        """A recipient with every paper and, with a purpose, a grant of these fields: only the policy can refuse."""
        self.operator("POST", "/v1/recipients", {"name": name, "class": klass, "country": country}, status=201)
        for kind in papers:
            self.operator("POST", f"/v1/recipients/{name}/papers",
                          {"kind": kind, "reference": kind + "-1", "until": "2036-01-01T00:00:00Z"}, status=201)
        if purpose:
            self.grant(name, purpose, *fields)
        return name

    def grant(self, name, purpose, *fields):
        self.operator("POST", f"/v1/recipients/{name}/grants",
                      {"purpose": purpose, "fields": list(fields), "until": "2036-01-01T00:00:00Z"}, status=201)

    def share(self, service, recipient, purpose, field, **more):
        return self.one(service, purpose, field, recipient=recipient, **{"operation": "share", **more})

    def reference(self, need, reference, until="2036-01-01T00:00:00Z"):
        """Puts a reference on the operator's list for a need."""
        body = {"need": need, "reference": reference, "from": "2026-01-01T00:00:00Z", "until": until}
        return self.operator("POST", "/v1/references", body, status=201)
