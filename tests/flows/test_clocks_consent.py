# SPDX-License-Identifier: Apache-2.0
"""`until ... after consent-withdrawn` counts for each value from the withdrawal of what that value rested on."""
import os, shutil, sqlite3, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from troth_bookshop import Bookshop
from troth_flow import on_files
from troth_people import People

WORDS = """category wares grade 3: birthday-card, shoe-size, letters, parcels, chats.
category play grade 2: score.
purpose playing.
party data-subject.
party device-or-log.
need liked "liked" from consent otherwise consent-required.
need allowed-by-guardian "allowed by a guardian" from guardian otherwise guardian-required.
event order-closed, consent-withdrawn, guardian-withdrew, purpose-ended.
"""
RULES = """
```rule take
we may collect, use mail-address, passport-number for opening-an-account only with agreed.
we may collect, use street, birthday-card for selling.
we may collect, use telephone for leaflets only with wanted.
we may collect shoe-size from data-subject for selling only with wanted.
we may collect shoe-size from device-or-log for selling.
we may use shoe-size for selling.
we may collect, use letters for leaflets only with wanted or liked.
we may collect, use parcels for leaflets only with wanted and liked.
we may collect, use chats for leaflets only with wanted.
we may collect, use score of child for playing only with allowed-by-guardian.
```

```rule keep
we may store mail-address until 2 years after account-closed.
we may store passport-number until 10 days after consent-withdrawn.
we may store telephone until 30 days after consent-withdrawn.
we may store letters until 30 days after consent-withdrawn.
we may store parcels until 30 days after consent-withdrawn.
we may store chats only with liked until 30 days after consent-withdrawn.
we may store shoe-size until 40 days after consent-withdrawn.
we may store street only with wanted until 20 days after consent-withdrawn.
we may store birthday-card only with wanted until 1 years after order-closed.
we may store score until 5 days after guardian-withdrew.
```
"""


class Withdrawn(Bookshop, People):
    fresh = True
    words, rules = WORDS, RULES

    def act(self, person, token="counter", **body):
        body = {"state": "given", "channel": "web", **body}
        return self.expect(self.post(f"/v1/subjects/{person}/consents", body, token=token), 201)

    def someone(self):
        person = self.person("1990-01-01", "counter")
        self.act(person, document="shop")
        return person

    def store(self, person, purpose, field, value="x", **more):
        return self.expect(self.put(f"/v1/subjects/{person}/data", {"purpose": purpose, "values": {field: value}, **more},
                                    token="counter"), 200)

    def give(self, person, need="wanted", purpose=None, **more):
        self.act(person, need=need, **({"purpose": purpose} if purpose else {}), **more)

    def take_back(self, person, need="wanted", purpose=None, **more):
        self.give(person, need, purpose, **{"state": "withdrawn", **more})

    def keep(self, person, field, item=""):
        got = self.operator("GET", f"/v1/subjects/{person}/data", status=200).json
        until = {(v["field"], v.get("item", "")): (v.get("keep_until") or "open")[:10] for v in got["data"]}
        return until.get((field, item), "gone")

    def sweep(self):
        return self.daemon.cli("retain", "sweep", "--json", *self.daemon.here()).stdout

    def test_R109_the_use_it_is_for_rested_on_the_consent(self):
        person = self.someone()
        self.give(person)
        self.store(person, "leaflets", "telephone")
        self.store(person, "opening-an-account", "passport-number")
        # Another consent, another purpose, one recipient less, another switch: nothing of this value ended.
        self.give(person, "liked")
        for act in ({"need": "liked"}, {"purpose": "selling"}, {"party": "carrier"}, {"device": "d-1"}):
            self.take_back(person, **act)
            self.assertEqual(self.keep(person, "telephone"), "open", act)
        self.take_back(person, purpose="leaflets")
        self.assertEqual(self.keep(person, "telephone"), "2026-12-23")
        self.assertEqual(self.keep(person, "passport-number"), "open")
        self.act(person, document="shop", state="withdrawn")
        self.assertEqual(self.keep(person, "passport-number"), "2026-12-03")
        self.assertEqual(self.keep(person, "telephone"), "2026-12-23")
        self.at("2026-12-24T00:00:00Z")
        self.assertIn('"deleted":2', self.sweep())

    def test_R109_the_storing_itself_rested_on_the_consent(self):
        person = self.someone()
        self.give(person)
        self.store(person, "selling", "street")
        self.store(person, "selling", "birthday-card")
        self.assertEqual((self.keep(person, "street"), self.keep(person, "birthday-card")), ("open", "open"))
        self.take_back(person)
        self.assertEqual((self.keep(person, "street"), self.keep(person, "birthday-card")), ("2026-12-13", "open"))
        # A clock of another event runs although the consent is gone.
        self.expect(self.post(f"/v1/subjects/{person}/events", {"event": "order-closed"}, token="counter"), 201)
        self.assertEqual(self.keep(person, "birthday-card"), "2027-11-23")
        self.at("2026-12-14T00:00:00Z")
        self.assertIn('"deleted":1', self.sweep())
        self.assertEqual(self.keep(person, "street"), "gone")

    def test_R109_the_collecting_rested_on_the_consent(self):
        asked, seen = self.someone(), self.someone()
        self.give(asked)
        self.give(seen)
        self.store(asked, "selling", "shoe-size")
        self.store(seen, "selling", "shoe-size", source="observed")
        self.take_back(asked)
        self.take_back(seen)
        self.assertEqual((self.keep(asked, "shoe-size"), self.keep(seen, "shoe-size")), ("2027-01-02", "open"))

    def test_R109_what_ended_for_one_source_did_not_end_for_another(self):
        person = self.someone()
        self.give(person)
        self.store(person, "selling", "shoe-size", {"value": "41", "item": "asked"})
        self.store(person, "selling", "shoe-size", {"value": "42", "item": "seen"}, source="observed")
        self.take_back(person)
        want = ("2027-01-02", "open")
        self.assertEqual(tuple(self.keep(person, "shoe-size", i) for i in ("asked", "seen")), want)
        self.at("2026-11-25T00:00:00Z")  # nor when all times are reckoned anew
        self.daemon.cli("hold", "add", person, "--fields", "mail-address", "--reference", "file 9", "--until", "2036-12-31",
                        *self.daemon.here())
        self.assertEqual(tuple(self.keep(person, "shoe-size", i) for i in ("asked", "seen")), want)

    def test_R109_one_of_two_consents_is_enough(self):
        person = self.someone()
        self.give(person)
        self.give(person, "liked")
        self.store(person, "leaflets", "letters")
        self.take_back(person, "liked")
        self.assertEqual(self.keep(person, "letters"), "open")
        self.take_back(person, "wanted")
        self.assertEqual(self.keep(person, "letters"), "2026-12-23")

    def test_R109_the_second_of_two_that_were_needed_puts_nothing_off(self):
        for field in ("parcels", "chats"):  # the use rested on both; the use on one, the storing on the other
            for first, second in (("wanted", "liked"), ("liked", "wanted")):
                self.at("2026-11-23T04:00:00Z")
                person = self.someone()
                self.give(person)
                self.give(person, "liked")
                self.store(person, "leaflets", field)
                self.take_back(person, first)
                self.assertEqual(self.keep(person, field), "2026-12-23", (field, first))
                self.at("2026-12-20T04:00:00Z")
                self.take_back(person, second)
                self.assertEqual(self.keep(person, field), "2026-12-23", (field, first))

    def test_R109_each_of_two_consents_may_be_the_last(self):
        for first, last in (("wanted", "liked"), ("liked", "wanted")):
            person = self.someone()
            self.give(person, last)
            self.store(person, "leaflets", "letters")
            self.take_back(person, last)  # the other was never given
            self.assertEqual(self.keep(person, "letters"), "2026-12-23", last)

    def test_R109_what_was_withdrawn_already_puts_nothing_off(self):
        person = self.someone()
        self.give(person)
        self.store(person, "leaflets", "telephone")
        self.take_back(person)
        self.at("2026-12-01T00:00:00Z")
        for act in ({"purpose": "leaflets"}, {"state": "refused"}, {}):
            self.take_back(person, **act)
            self.assertEqual(self.keep(person, "telephone"), "2026-12-23", act)
        self.give(person)
        self.assertEqual(self.keep(person, "telephone"), "2026-12-23")
        self.take_back(person)  # given anew, and withdrawn again: the clock starts again
        self.assertEqual(self.keep(person, "telephone"), "2026-12-31")

    def upgraded(self):
        """As versions wrote it that did not tell sources apart."""
        self.daemon.stop()
        db = sqlite3.connect(os.path.join(self.daemon.data, "troth.db"))
        self.assertEqual(db.execute("UPDATE happening SET source = ''").rowcount, 4)
        db.commit()
        db.close()
        self.daemon.start()

    def shortened(self, days):
        folder = shutil.copytree(self.daemon_options["policy"], os.path.join(self.daemon.home, "shorter"))
        with open(os.path.join(folder, "shop.md"), "w") as f:
            f.write(self.texts["shop"].replace("revision 3 in force from 2026-01-01", "revision 4 in force from 2026-12-02")
                    .replace("store telephone until 30 days", "store telephone until %d days" % days))
        self.daemon.cli("policy", "publish", folder, *self.daemon.here())

    @on_files
    def test_R109_a_clock_from_before_sources_were_told_apart_goes_on(self):
        again, once = self.someone(), self.someone()
        for person in again, once:
            self.give(person)
            self.store(person, "leaflets", "telephone")
            self.take_back(person)
        self.at("2026-12-01T00:00:00Z")
        self.upgraded()
        self.take_back(once)
        self.give(again)
        self.take_back(again)
        self.assertEqual((self.keep(again, "telephone"), self.keep(once, "telephone")), ("2026-12-31", "2026-12-23"))
        self.give(again)
        self.at("2026-12-02T00:00:00Z")
        self.take_back(again)  # of the two that happened by now, the later is the clock that runs
        self.assertEqual(self.keep(again, "telephone"), "2027-01-01")
        self.shortened(20)
        self.sweep()
        self.assertEqual((self.keep(again, "telephone"), self.keep(once, "telephone")), ("2026-12-22", "2026-12-13"))

    def test_R109_a_consent_that_ran_out_can_be_withdrawn(self):
        person = self.someone()
        self.give(person, until="2026-11-24T00:00:00Z")
        self.store(person, "leaflets", "telephone")
        self.at("2026-11-25T00:00:00Z")
        self.assertEqual(self.keep(person, "telephone"), "open")
        self.take_back(person)
        self.assertEqual(self.keep(person, "telephone"), "2026-12-25")

    def test_R109_a_guardian_who_withdraws_what_a_childs_value_rested_on(self):
        child, guardian = self.person("2014-08-20", "counter"), self.person("1985-05-05", "counter")
        self.expect(self.post(f"/v1/subjects/{child}/guardians", {"guardian": guardian, "verified": True, "evidence": "register"},
                              token="counter"), 201)
        by = {"actor": "guardian", "guardian": guardian}
        self.act(child, document="shop", **by)
        for need in ("allowed-by-guardian", "wanted"):
            self.give(child, need, **by)
        self.store(child, "playing", "score")
        self.take_back(child, "wanted", **by)
        self.assertEqual(self.keep(child, "score"), "open")
        self.take_back(child, "allowed-by-guardian", **by)
        self.assertEqual(self.keep(child, "score"), "2026-11-28")


if __name__ == "__main__":
    unittest.main()
