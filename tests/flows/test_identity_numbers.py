# SPDX-License-Identifier: Apache-2.0
"""Numbers of identity documents: one form for all spellings, a check character, and whom they belong to."""
import os, shutil, tempfile, unittest

from troth_flow import POLICY
from troth_people import People

NUMBER = "11010519491231002X"
SPELLINGS = ("11010519491231002x", "110105 19491231 002X", "1101-0519-4912-3100-2x")
WRONG = ("110105194912310029", "11010519491231003X", "12", "1101/05")  # check character, a digit, length, a character


def resident(n):
    """A resident identity number: the n-th of one day (ISO 7064 MOD 11-2)."""
    digits = "11010519900101%03d" % n
    rest = (12 - sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(digits))) % 11
    return digits + "0123456789X"[rest]


class Numbers(People):
    def ready_to_show(self, **more):
        person = self.adult(**more)
        self.consent(person, "explicit-consent", purpose="identity-verification")
        return person

    def show(self, person, number, field="id-national-id-number"):
        body = {"purpose": "identity-verification", "values": {field: number}, "evidence": {"legal-trigger": "law:game-real-name"}}
        return self.put(f"/v1/subjects/{person}/data", body, token="shop")

    def kept(self, person, field="id-national-id-number"):
        body = {"purpose": "identity-verification", "fields": [field], "evidence": {"legal-trigger": "law:game-real-name"}}
        got = self.expect(self.post(f"/v1/subjects/{person}/read", body, token="shop"), 200)["values"]
        return got[field]["value"] if field in got else None

    def drop(self, person, field):
        self.operator("POST", f"/v1/subjects/{person}/consents",
                      {"need": "identity-verified", "state": "given", "actor": "staff", "staff": "agent-1"}, status=201)
        self.expect(self.delete(f"/v1/subjects/{person}/data/{field}?actor=subject", token="shop"), 200, deleted=1)

    def in_no_file(self, *numbers):
        self.daemon.restart()  # what it holds in memory is in the files now
        for number in numbers:
            self.assertEqual(self.files_holding(number), [])
            self.assertEqual(self.files_holding(number.lower()), [])


class Forms(Numbers):
    def test_every_spelling_is_kept_in_one_form(self):
        for spelling in (NUMBER, *SPELLINGS):
            person = self.ready_to_show()
            self.expect(self.show(person, spelling), 200, stored=1)
            self.assertEqual(self.kept(person), NUMBER)
        self.in_no_file(NUMBER, *SPELLINGS)

    def test_a_number_that_cannot_be_is_refused_and_not_told(self):
        person = self.ready_to_show()
        for wrong in WRONG:
            got = self.problem(self.show(person, wrong), 422, "bad-value", pointer="/values/id-national-id-number")
            self.assertNotIn(wrong, str(got))
        self.assertIsNone(self.kept(person))
        self.expect(self.show(person, "e 1234 5678", "id-passport"), 200, stored=1)  # has no check character
        self.assertEqual(self.kept(person, "id-passport"), "E12345678")
        self.in_no_file(*WRONG[:2], "E12345678")
        self.assertNotIn(WRONG[0], self.daemon.stderr())


class Addresses(People):
    """A phone number or an e-mail address belongs to one person, however it is written."""

    SAME = {"contact-phone": (("+442079460018", "+44 (0)20 7946 0018", "+44 020 7946 0018"),
                              ("+8613800010001", "138 0001 0001", "+86 (0)138 0001 0001", "+8601380001 0001")),
            "contact-email": (("ann@xn--bcher-kva.de", "ann@b\u00fccher.de", "Ann@B\u00dcCHER.de"),
                              ("jos\u00e9@ex.com", "jose\u0301@ex.com", "JOSE\u0301@Ex.com"))}

    def give(self, person, field, text):
        purpose = "registration-login" if field == "contact-phone" else "customer-service"
        return self.put(f"/v1/subjects/{person}/data", {"purpose": purpose, "values": {field: text}}, token="shop")

    def test_no_spelling_of_an_address_makes_a_second_account(self):
        for field, addresses in self.SAME.items():
            for spellings in addresses:
                owner, other = self.adult(), self.adult()
                for text in spellings:
                    self.expect(self.give(owner, field, text), 200, stored=1)
                    for again in spellings:
                        got = self.problem(self.give(other, field, again), 409, "identifier-taken")
                        self.assertNotIn(again, str(got))
                self.expect(self.give(owner, field, spellings[1]), 200)
                purpose = "registration-login" if field == "contact-phone" else "customer-service"
                got = self.post(f"/v1/subjects/{owner}/read", {"purpose": purpose, "fields": [field]}, token="shop")
                self.assertEqual(self.expect(got, 200)["values"][field]["value"], spellings[0])


class Owners(Numbers):
    """Under a policy in which these numbers find a person: an account has its own, and nobody else gets it."""

    @classmethod
    def setUpClass(cls):
        home = tempfile.mkdtemp(prefix="troth-policy-")
        cls.addClassCleanup(shutil.rmtree, home)
        folder = os.path.join(home, "policy")
        shutil.copytree(POLICY, folder)
        path = os.path.join(folder, "catalogue.md")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("data identifiers: contact-phone,", "data identifiers: id-national-id-number, id-passport, contact-phone,"))
        cls.daemon_options = {"policy": folder}
        super().setUpClass()

    def refused(self, person, number, field="id-national-id-number"):
        got = self.problem(self.show(person, number, field), 409, "identifier-taken")
        self.assertNotIn(number, str(got))

    def test_no_spelling_of_a_number_makes_a_second_account(self):
        owner, other = self.ready_to_show(), self.ready_to_show()
        self.expect(self.show(owner, SPELLINGS[1]), 200)
        for spelling in (NUMBER, *SPELLINGS):
            self.refused(other, spelling)
            self.expect(self.show(owner, spelling), 200)
        self.assertIsNone(self.kept(other))
        self.problem(self.show(other, WRONG[0]), 422, "bad-value")
        self.in_no_file(NUMBER, *SPELLINGS)
        self.expect(self.delete(f"/v1/subjects/{owner}", token="shop"), 200)
        self.expect(self.show(other, NUMBER.lower()), 200)  # free again

    def test_a_passport_leaves_the_identity_number_its_owner_s(self):
        owner, other = self.ready_to_show(), self.ready_to_show()
        self.expect(self.show(owner, resident(1)), 200)
        self.expect(self.show(owner, "E12345678", "id-passport"), 200)
        self.refused(other, resident(1))
        self.refused(other, "e 1234 5678", "id-passport")
        self.drop(owner, "id-passport")
        self.refused(other, resident(1))
        self.expect(self.show(other, "E12345678", "id-passport"), 200)
        self.expect(self.show(owner, resident(2)), 200)  # a new one: the old one is nobody's
        self.expect(self.show(other, resident(1)), 200)


if __name__ == "__main__":
    unittest.main()
