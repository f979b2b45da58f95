# SPDX-License-Identifier: Apache-2.0
"""Yesterday's database under today's record, yesterday's record under today's database, and both together."""
import os, shutil, unittest

from troth_flow import on_files
from troth_people import People

DATABASES = ("troth.db", "keys.db")


@on_files
class Older(People):
    fresh = True

    def path(self, *names):
        return os.path.join(self.daemon.data, *names)

    def keep(self):
        """A copy of the stopped folder."""
        self.daemon.stop()
        shutil.copytree(self.daemon.data, self.place())

    def place(self, *names):
        return os.path.join(self.daemon.home, "yesterday", *names)

    def back_databases(self):
        self.daemon.stop()
        for name in DATABASES:
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(self.path(name + suffix)):
                    os.remove(self.path(name + suffix))
            shutil.copy2(self.place(name), self.path(name))

    def back_record(self):
        self.daemon.stop()
        shutil.rmtree(self.path("audit"))
        shutil.copytree(self.place("audit"), self.path("audit"))

    def refused(self, *says, args=()):
        before = len(self.daemon.stderr())
        self.assertEqual(self.daemon.launch(*args).wait(60), 1)
        said = self.daemon.stderr()[before:]
        for text in says:
            self.assertIn(text, said)

    def marketing(self, person):
        return self.decide("shop", "direct-marketing", subject=person)["answer"]

    def states(self, person):
        got = self.expect(self.get(f"/v1/subjects/{person}/consents", token="shop"), 200)["consents"]
        return [e["event_state"] for e in got if e["name"] == "consent"]

    def test_R116_a_withdrawal_survives_the_restore_of_an_older_database(self):
        person = self.adult()
        self.consent(person, "consent", purpose="direct-marketing")
        self.consent(person, "consent", purpose="personalised-content")
        self.expect(self.put(f"/v1/subjects/{person}/data", {"purpose": "personalised-content",
                                                             "values": {"profile-interests": "lamps"}}, token="shop"), 200)
        self.keep()
        self.daemon.start()
        self.consent(person, "consent", purpose="direct-marketing", state="withdrawn")
        self.consent(person, "consent", purpose="personalised-content", state="withdrawn")
        self.decide("shop", "direct-marketing", subject=person)
        self.back_databases()
        self.daemon.start()
        self.assertIn("2 changes were done again, 0 are lost", self.daemon.stderr())
        self.assertEqual(sorted(self.states(person)), ["ConsentGiven"] * 2 + ["ConsentWithdrawn"] * 2)
        self.assertNotEqual(self.marketing(person), "allow")
        # What was collected for the purpose that ended goes, as it would have gone.
        self.daemon.cli("retain", "sweep", "--json", *self.daemon.here())
        got = self.expect(self.get(f"/v1/subjects/{person}/data", token="shop"), 200)["data"]
        self.assertNotIn("profile-interests", [v["field"] for v in got])
        self.daemon.restart()
        self.assertEqual(sorted(self.states(person)), ["ConsentGiven"] * 2 + ["ConsentWithdrawn"] * 2)
        self.assertEqual(self.daemon.stderr().count("done again"), 1)
        self.daemon.cli("audit", "verify", self.daemon.data)

    def test_R145_what_was_done_to_the_erased_is_no_loss(self):
        """They agreed, gave values, came anew, all after the copy; and then they wished to be forgotten."""
        gone, stays = self.adult(), self.adult()
        self.keep()
        self.daemon.start()
        self.consent(gone, "consent", purpose="direct-marketing")
        self.collect(gone, contact_phone=self.phone())
        self.consent(stays, "consent", purpose="direct-marketing")
        new = self.adult(contact_phone=self.phone())
        for person in (gone, new):
            self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        self.back_databases()
        self.daemon.start()
        self.assertIn("3 changes were done again, 0 are lost", self.daemon.stderr())
        self.assertEqual([self.get(f"/v1/subjects/{p}", token="shop").status for p in (gone, stays)], [410, 200])
        self.assertEqual(self.states(stays), ["ConsentGiven"])
        self.assertIn(self.get(f"/v1/subjects/{new}", token="shop").status, (404, 410))
        self.daemon.cli("audit", "verify", self.daemon.data)

    def test_R116_a_start_that_would_lose_changes_is_refused(self):
        person = self.adult()
        self.consent(person, "consent", purpose="direct-marketing")
        self.keep()
        self.daemon.start()
        self.consent(person, "consent", purpose="direct-marketing", state="withdrawn")
        self.collect(person, contact_phone=self.phone())
        stays = self.adult()
        self.back_databases()
        for _ in range(2):
            self.refused("The database is older than the record", "1 collect", "1 subject", "--accept-loss",
                         "2026-11-23T00:00:00Z")
        size = self.entries()
        self.assertEqual(self.entries(), size)  # nothing was changed
        self.daemon.start("--accept-loss")
        self.assertIn("are lost", self.daemon.stderr())
        self.assertEqual(self.states(person), ["ConsentGiven", "ConsentWithdrawn"])
        self.assertEqual(self.get(f"/v1/subjects/{stays}", token="shop").status, 404)
        self.daemon.restart()
        self.assertGreater(self.entries(), size)
        self.daemon.cli("audit", "verify", self.daemon.data)

    def entries(self):
        done = self.daemon.cli("audit", "checkpoint", self.daemon.data).stdout
        return int(done.split("\n")[1])

    def test_R116_a_start_on_an_older_record_is_refused(self):
        person = self.adult()
        self.keep()
        self.daemon.start()
        self.consent(person, "consent", purpose="direct-marketing")
        self.back_record()
        self.refused("known-checkpoint (kept by this daemon)", "the record has", "it once signed a head of",
                     "Put the newest copy of the record")
        os.remove(self.path("known-checkpoint"))
        self.refused("The record is older than the database", "--accept-loss")
        self.daemon.start("--accept-loss")
        self.daemon.restart()
        self.daemon.cli("audit", "verify", self.daemon.data)

    def test_R116_record_and_database_of_yesterday_together_are_refused(self):
        person = self.adult()
        self.keep()
        self.daemon.start()
        self.consent(person, "consent", purpose="direct-marketing")
        self.back_record()
        self.back_databases()
        self.refused("known-checkpoint (kept by this daemon)", "--accept-loss")
        self.daemon.start("--accept-loss")
        self.assertIn("It is accepted and goes on record", self.daemon.stderr())
        self.daemon.restart()
        self.assertEqual(self.states(person), [])

    def test_R116_a_known_checkpoint_is_insisted_on(self):
        person = self.adult()
        self.keep()
        self.daemon.start()
        self.consent(person, "consent", purpose="direct-marketing")
        self.daemon.stop()
        head, old = os.path.join(self.daemon.home, "head"), self.place("audit", "checkpoint")
        shutil.copy(self.path("audit", "checkpoint"), head)
        self.daemon.start("--known-checkpoint", old)
        self.daemon.restart("--known-checkpoint", head)
        self.daemon.stop()
        shutil.rmtree(self.daemon.data)
        shutil.copytree(self.place(), self.daemon.data)
        for more in ((), ("--accept-loss",)):
            self.refused(head + " (--known-checkpoint)", "its end was cut, or an older copy was put in its place",
                         "Nothing was changed", args=("--known-checkpoint", head, *more))
        with open(head, "w") as f:
            f.write("something else\n")
        self.refused("is not a signed head of this record", args=("--known-checkpoint", head))
        self.refused("/nowhere", args=("--known-checkpoint", "/nowhere"))
        self.daemon.start("--known-checkpoint", old)

    def test_R116_heads_go_to_another_place(self):
        heads = os.path.join(self.daemon.home, "heads")
        self.adult()
        self.daemon.restart("--checkpoint-to", heads)
        self.adult()
        self.daemon.stop()
        self.daemon.start("--checkpoint-to", heads)
        self.adult()
        self.daemon.stop()
        with open(heads) as f:
            lines = f.read().split("\n")
        sizes = [int(lines[i + 1]) for i, line in enumerate(lines) if "/audit/" in line and not line.startswith("\u2014")]
        self.assertEqual(sizes, sorted(sizes))
        self.assertGreaterEqual(len(sizes), 2)
        self.assertEqual(sizes[-1], self.entries())
        newest = os.path.join(self.daemon.home, "newest")
        with open(newest, "w") as f:
            f.write("\n".join(lines[-6:]))
        self.daemon.cli("audit", "verify", self.daemon.data, "--against", newest)
        self.daemon.start("--known-checkpoint", newest, "--checkpoint-to", "syslog")
        self.adult()
        self.daemon.stop()
        self.refused("/nowhere/heads", "may append to", args=("--checkpoint-to", "/nowhere/heads"))
        pipe = os.path.join(self.daemon.home, "pipe")
        os.mkfifo(pipe)
        self.refused("is not a regular file", args=("--checkpoint-to", pipe))
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.refused("is not a regular file", args=("--checkpoint-to", pipe))
        os.close(reader)
        self.daemon.start()


if __name__ == "__main__":
    unittest.main()
