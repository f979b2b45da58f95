# SPDX-License-Identifier: Apache-2.0
"""Another operator's policy, with its own names for everything: nothing in the daemon assumes the reference policy."""
import os, re, shutil, tempfile

from troth_bookshop import Bookshop
from troth_flow import ROOT, Flow, run_troth

WORDS = """category dates-of-life grade 3: born.
category fame grade 1: pen-name.
data phone-numbers: telephone.
data identity-documents: passport-number.
data dates: born.
data identifiers: mail-address.
data profile-nickname: pen-name.
jurisdiction eu.
purpose rights-requests: your-wishes.
purpose interaction-publishing: shop-window.
purpose age-recognition: birthdays.
party audience: public.
need contract "contract" from recipient otherwise agreement-expired.
"""
RULES = """
```rule sell
we may collect, use any for opening-an-account, selling only with agreed.
we may collect, use born for birthdays only with agreed.
we may use mail-address for leaflets only with agreed and wanted.
we may share street, telephone with carrier in counter for selling only with agreed.
to share any with carrier, we must have contract.
```

```rule abroad
despite sell, we must not share telephone with carrier in elsewhere, eu.
```

```rule window
we may disclose, display fame with public for shop-window only with agreed.
```

```rule rights
we may correct, erase any for your-wishes.
person may correct, erase any for your-wishes.
```

```rule keep
we may store any until 2 years after account-closed.
```
"""


class OtherOperator(Bookshop):
    words, rules = WORDS, RULES

    def account(self, **more):
        body = {"email": "a%s@example.org" % os.urandom(4).hex(), "language": "en", **more}
        return self.expect(self.post("/v1/register", body, token="counter"), 201)["id"]

    def test_the_text_is_clean_and_the_demo_has_a_service_for_each_class(self):
        done = run_troth("policy", "check", self.daemon_options["policy"])
        self.assertTrue(done.stdout.startswith("0 errors"), done.stdout)
        self.assertEqual(list(self.daemon.tokens), ["counter"])

    def test_an_account_opens_by_the_policys_own_field_and_purpose(self):
        person = self.account(email="Ann@Example.org")
        held = self.expect(self.get("/v1/subjects/%s/data" % person, token="counter"), 200)["data"]
        self.assertEqual([(v["field"], v["purpose"]) for v in held], [("mail-address", "opening-an-account")])
        again = self.post("/v1/register", {"email": "ann@example.org", "language": "en"}, token="counter")
        self.problem(again, 409, "identifier-taken")

    def test_what_the_policy_has_no_field_or_purpose_for_is_refused_with_what_to_declare(self):
        body = {"email": "b@example.org", "username": "b", "language": "en"}
        self.problem(self.post("/v1/register", body, token="counter"), 422, "unknown-name", "account-username",
                     pointer="/username")
        body = {"phone": "+8613800000001", "language": "en"}  # a number, but none that finds a person
        self.problem(self.post("/v1/register", body, token="counter"), 422, "unknown-name", pointer="/phone")
        person = self.account()
        body = {"subject": person, "channel": "email", "class": "service_notice"}
        self.problem(self.post("/v1/send-gate", body, token="counter"), 422, "unknown-name", "service-notice")
        body = {"subject": person, "channel": "letter", "class": "marketing_own:all"}
        answer = self.post("/v1/send-gate", body, token="counter")
        self.assertGreaterEqual(answer.status, 400)
        self.assertLess(answer.status, 500)

    def test_values_have_the_form_of_their_group(self):
        person = self.account()
        path = "/v1/subjects/%s/data" % person
        for field, wrong in (("telephone", "none"), ("mail-address", "nobody"), ("born", "in May"), ("passport-number", "-")):
            body = {"purpose": "selling", "values": {field: wrong}}
            self.problem(self.put(path, body, token="counter"), 422, "bad-value", pointer="/values/" + field)
        body = {"purpose": "selling", "values": {"telephone": "138 1234 1234", "born": "1990-05-05", "street": "none"}}
        self.expect(self.put(path, body, token="counter"), 200, stored=3)

    def test_one_field_is_deleted_for_the_purpose_of_wishes(self):
        person = self.account(email="gone@example.org")
        self.expect(self.delete("/v1/subjects/%s/data/mail-address" % person, token="counter"), 200, deleted=1)
        self.account(email="gone@example.org")  # it leads to nobody any more

    def test_an_agreement_covers_the_operations_that_the_policy_has(self):
        person = self.account()
        listed = self.expect(self.get("/v1/subjects/%s/consents" % person, token="counter"), 200)
        self.assertIn('"operations":["collect","use","store","share","disclose"]', str(listed).replace("'", '"').replace(" ", ""))

    def test_a_profile_is_of_the_policys_own_fields(self):
        person = self.account()
        self.expect(self.get("/v1/public/profiles/" + person), 200, nickname=None)
        self.put("/v1/subjects/%s/data" % person, {"purpose": "selling", "values": {"pen-name": "Ann"}}, token="counter")
        self.expect(self.get("/v1/public/profiles/" + person), 200, nickname="Ann", avatar=None, posts=[])

    def test_an_age_learned_later_is_told_for_the_policys_purpose(self):
        person = self.account()
        self.expect(self.post("/v1/subjects/%s/age" % person, {"birth_date": "1980-01-01"}, token="counter"), 200, band="adult")

    def test_abroad_is_not_home_whatever_it_is_called(self):
        """`here` stands for home, `eu` for no country: a recipient abroad falls under what is not home."""
        person = self.account()
        self.put("/v1/subjects/%s/data" % person, {"purpose": "selling", "values": {"telephone": "138 1234 1234"}}, token="counter")
        for name, country in (("near", "CN"), ("far", "BR")):
            self.daemon.cli("recipient", "add", name, "--class", "carrier", "--country", country, *self.daemon.here())
            self.daemon.cli("recipient", "paper", name, "--kind", "contract", "--reference", "P", "--until", "2030-01-01", *self.daemon.here())
            self.daemon.cli("recipient", "grant", name, "--purpose", "selling", "--fields", "telephone", "--until", "2030-01-01", *self.daemon.here())
        ask = {"subject": person, "operation": "share"}
        self.assertEqual(self.decide("counter", "selling", ["telephone"], recipient="near", **ask)["answer"], "allow")
        self.assertEqual(self.decide("counter", "selling", ["telephone"], recipient="far", **ask)["answer"], "deny")
        unknown = self.decide("counter", "selling", ["street"], recipient="nobody", **ask)
        self.assertEqual(unknown["answer"], "deny")

    def test_all_pages_are_whole_in_both_languages(self):
        for page in ("/", "/policies", "/policies/shop", "/try", "/record",
                     "/try?subject=child&service=counter&operation=use&purpose=selling&field=street"):
            for language in ("en", "zh"):
                answer = self.get(page, headers={"accept-language": language})
                self.assertEqual(answer.status, 200, page)
                self.assertNotIn("id=\"asked\"", answer.text)  # no heading over questions that cannot be asked
                self.assertNotRegex(answer.text, r"zhishang|contact-phone|direct-marketing", page)


    def test_the_published_page_says_everything_in_both_languages(self):
        """A translation that names nothing: each sentence and table is there, in the page's words and the first language's names."""
        folder = self.daemon_options["policy"]
        work = tempfile.mkdtemp(prefix="troth-flow-")
        self.addCleanup(shutil.rmtree, work)
        shutil.copytree(folder, work + "/policy")
        for name, text in self.texts.items():
            openings = re.findall(r"^```(.+)$", text, re.M)
            with open("%s/policy/%s.zh-CN.md" % (work, name), "w") as f:
                f.write("# 书店\n\n" + "\n\n".join("```%s\n```" % one for one in openings) + "\n")
        self.daemon.cli("policy", "render", work + "/policy", "--out", work + "/pages")
        for name in self.texts:
            pages = []
            for language in ("en", "zh-CN"):
                with open("%s/pages/%s.%s.html" % (work, name, language)) as f:
                    pages.append(f.read())
            for tag in ("<table", "<tr", "<details"):
                self.assertEqual(pages[0].count(tag), pages[1].count(tag), name + tag)
        self.assertGreater(pages[0].count("<tr"), 10)
        self.assertIn("我们可以", pages[1])
        self.assertRegex(pages[1], "(disclose、display|display、disclose) (fame|pen name)")  # names without Chinese stay, and do not run together


class ShippedBookshop(Flow):
    """The bookshop of the golden cases: no `service` among its actors, no word for half of what the daemon may ask."""
    daemon_options = {"policy": os.path.join(ROOT, "tests", "cases", "policy", "bookshop")}

    def test_it_decides_for_the_first_of_us(self):
        person = self.person("1990-05-05")
        answer = self.decide("shop", "delivering", ["address"], subject=person, operation="collect")
        self.assertEqual((answer["answer"], answer["needs"]), ("needs", ["agreement"]))
        self.problem(self.delete("/v1/subjects/%s/data/address" % person, token="shop"), 422, "unknown-name", "rights-requests")
        self.problem(self.get("/v1/public/profiles/" + person), 404, "not-found")
        self.assertEqual(self.get("/").status, 200)
