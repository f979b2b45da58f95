# SPDX-License-Identifier: Apache-2.0
"""Somebody of whom more is held than is looked at in one go (VALUE_PLACES_MAX in src/vault/vault.h)."""
import http.client, json, sqlite3, unittest

import pg_server
from troth_flow import SERVER
from troth_people import People

PLACES = 4096
WHOLE = {"order-recipient-name": "Li", "order-contact-phone": "+8613900000000", "pay-status": "paid"}
FIELDS = ["order-address", *WHOLE, "order-items", "order-amount", "order-number", "order-logistics"]
FULL = PLACES // len(FIELDS) - 1  # whole orders of somebody who is just below it


class ManyValues(People):
    def put_order(self, person, number, fields=FIELDS):
        """One value of each field for the order; the connection is kept."""
        values = {f: {"value": WHOLE.get(f, "%s of %s" % (f, number)), "item": number} for f in fields}
        body = json.dumps({"purpose": "delivery", "values": values})
        head = {"content-type": "application/json", "authorization": "Bearer " + self.daemon.tokens["shop"]}
        self.link.request("PUT", f"/v1/subjects/{person}/data", body, head)
        got = self.link.getresponse()
        text = got.read()
        self.assertEqual(got.status, 200, text)
        return len(fields)

    def read(self, person, *fields, order=None):
        body = {"purpose": "delivery", "fields": list(fields), **({"evidence": {"order": order}} if order else {})}
        return self.post(f"/v1/subjects/{person}/read", body, token="shop")

    def items(self, person, *fields, **more):
        """{field: {order: value}} of a read."""
        values = self.expect(self.read(person, *fields, **more), 200)["values"]
        return {f: {v["item"]: v["value"] for v in (got if isinstance(got, list) else [got])} for f, got in values.items()}

    def held(self, person):
        got = self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"]
        return {(v["field"], v["item"]): v["version"] for v in got}

    def rows(self):
        """Rows of values in the database."""
        if SERVER:
            url = pg_server.database_of(self.daemon.urls[0])
            return int(pg_server.ask(SERVER, "SELECT count(*) FROM field_value", database=url))
        with sqlite3.connect("file:%s/troth.db?mode=ro" % self.daemon.data, uri=True) as db:
            return db.execute("SELECT count(*) FROM field_value").fetchone()[0]

    def export(self, person):
        got = self.expect(self.post(f"/v1/subjects/{person}/export", {"purpose": "rights-requests"}, token="shop"), 200)
        return {(f, v["item"]): v["value"] for f, values in got["values"].items()
                for v in (values if isinstance(values, list) else [values])}

    def collect_up_to(self, person, want):
        """Beyond the whole orders, one value at a time."""
        for i in range(self.n, want):
            self.n += self.put_order(person, "more-%d" % i, ["order-items"])

    def look(self, person):
        """The oldest and the newest of all, of one order and of a field."""
        last = "more-%d" % (self.n - 1)
        addresses = {"o-%d" % i: "order-address of o-%d" % i for i in range(FULL)}
        self.assertEqual(self.items(person, "order-address"), {"order-address": addresses})
        got = self.items(person, *FIELDS)
        self.assertEqual(got["order-address"], addresses)
        self.assertEqual(got["order-items"][last], "order-items of " + last)
        self.assertEqual(sum(len(of) for of in got.values()), self.n)
        for order in ("o-0", "o-%d" % (FULL - 1)):
            self.assertEqual(self.items(person, "order-address", "order-items", order=order),
                             {f: {order: "%s of %s" % (f, order)} for f in ("order-address", "order-items")})
        # An order of which something is missing stops its delivery, the newest as the oldest.
        self.problem(self.read(person, "order-address", order=last), 403, "refused", reason="evidence_missing")

    def test_all_of_them_are_read_given_out_corrected_and_deleted(self):
        self.link = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        self.addCleanup(self.link.close)
        before, person = self.rows(), self.adult()
        self.n = sum(self.put_order(person, "o-%d" % i) for i in range(FULL))
        for many in (PLACES - 1, PLACES, PLACES + 1):
            self.collect_up_to(person, many)
            self.look(person)

        self.put_order(person, "o-0")  # the oldest and the newest come again
        self.put_order(person, "more-%d" % (self.n - 1), ["order-items"])
        held = self.held(person)
        self.assertEqual(len(held), self.n)
        again = {(f, "o-0") for f in FIELDS} | {("order-items", "more-%d" % (self.n - 1))}
        self.assertEqual({k for k, version in held.items() if version == 2}, again)
        self.assertEqual(self.rows() - before, self.n)

        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        out = self.export(person)
        self.assertEqual(set(out), set(held))
        self.assertEqual({k: v for k, v in out.items() if k[0] in WHOLE}, {(f, o): WHOLE[f] for f, o in held if f in WHOLE})
        self.assertEqual({k: v for k, v in out.items() if k[0] not in WHOLE},
                         {(f, o): "%s of %s" % (f, o) for f, o in held if f not in WHOLE})

        data = f"/v1/subjects/{person}/data/order-items"
        newest = "more-%d" % (self.n - 1)
        self.expect(self.delete(f"{data}?item={newest}&actor=subject", token="shop"), 200, deleted=1)
        self.expect(self.delete(f"{data}?actor=subject", token="shop"), 200, deleted=self.n - FULL * (len(FIELDS) - 1) - 1)
        self.assertEqual(len(self.held(person)), FULL * (len(FIELDS) - 1))
        self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        self.assertEqual(self.rows(), before)


if __name__ == "__main__":
    unittest.main()
