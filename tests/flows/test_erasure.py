# SPDX-License-Identifier: Apache-2.0
"""Who was erased stays erased, whichever of yesterday's files come back."""
import contextlib, os, shutil, sqlite3, sys, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))
import nth
from troth_flow import BUILD, on_files
from troth_people import People

DATABASES = ("troth.db", "troth.db-wal", "keys.db", "keys.db-wal")


class Restored(People):
    fresh = True

    def path(self, name):
        return os.path.join(self.daemon.data, name)

    def keep(self, *names):
        """Copies of files of the stopped folder, as a backup has them."""
        place = os.path.join(self.daemon.home, "yesterday")
        os.makedirs(place, exist_ok=True)
        for name in names:
            if os.path.exists(self.path(name)):
                shutil.copy2(self.path(name), place)
        return place

    def restore(self, place, *names):
        for name in names:
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(self.path(name + suffix)):
                    os.remove(self.path(name + suffix))
            shutil.copy2(os.path.join(place, name), self.path(name))

    def lines(self):
        with open(self.path("erased.ledger")) as f:
            return f.read().split()

    def status(self, person):
        return self.get(f"/v1/subjects/{person}", token="shop").status

    @on_files
    def test_R145_both_databases_restored_bring_nobody_back(self):
        phone = self.phone()
        gone, stays = self.adult(contact_phone=phone), self.adult(contact_phone=self.phone())
        self.daemon.stop()
        place = self.keep("troth.db", "keys.db")
        self.daemon.start()
        self.expect(self.delete(f"/v1/subjects/{gone}", token="shop"), 200)
        self.assertEqual(len(self.lines()), 1)
        self.assertNotIn(gone, self.lines()[0])
        self.daemon.stop()
        self.restore(place, "troth.db", "keys.db")
        self.daemon.start()
        self.assertEqual((self.status(gone), self.status(stays)), (410, 200))
        self.assertIn("1 persons were erased again", self.daemon.stderr())
        self.adult(contact_phone=phone)  # free again
        self.daemon.restart()
        self.assertEqual(self.daemon.stderr().count("erased again"), 1)
        self.assertEqual((self.status(gone), self.status(stays)), (410, 200))
        self.daemon.cli("audit", "verify", self.daemon.data)
        self.expect(self.delete(f"/v1/subjects/{stays}", token="shop"), 200)
        self.assertEqual(len(self.lines()), 2)

    @on_files
    def test_R145_the_record_brings_nobody_back_whom_a_lost_ledger_no_longer_names(self):
        phone = self.phone()
        gone, stays, later = self.adult(contact_phone=phone), self.adult(contact_phone=self.phone()), self.adult()
        self.expect(self.delete(f"/v1/subjects/{later}", token="shop"), 200)
        self.daemon.stop()
        place = self.keep("troth.db", "keys.db", "erased.ledger")
        self.daemon.start()
        self.expect(self.delete(f"/v1/subjects/{gone}", token="shop"), 200)
        self.daemon.stop()
        for ledger in (None, "erased.ledger"):  # lost, and as old as the databases
            self.restore(place, "troth.db", "keys.db")
            os.remove(self.path("erased.ledger"))
            if ledger:
                shutil.copy2(os.path.join(place, ledger), self.path(ledger))
            self.daemon.start()
            self.assertEqual((self.status(gone), self.status(stays), self.status(later)), (410, 200, 410), ledger)
            self.assertEqual(self.get("/healthz").json["erased_again"], 1)
            self.assertEqual(len(self.lines()), 2)
            self.daemon.stop()
            with open(self.path("keys.db"), "rb") as f:
                self.assertNotIn(bytes.fromhex(gone), f.read())
        self.daemon.start()
        self.assertEqual((self.status(gone), self.get("/healthz").json["erased_again"]), (410, 0))
        self.adult(contact_phone=phone)  # free again
        self.daemon.cli("audit", "verify", self.daemon.data)

    def damage(self, name, table):
        """The first page of a table is no page any more; all others are sound."""
        with contextlib.closing(sqlite3.connect(self.path(name))) as db:
            size = db.execute("PRAGMA page_size").fetchone()[0]
            page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
        with open(self.path(name), "r+b") as f:
            f.seek(size * (page - 1))
            f.write(b"\xff" * size)

    @on_files
    def test_R116_whose_keys_cannot_be_read_are_not_taken_for_erased(self):
        """The first start after a restoring finds no keys that it can read: whoever it should erase, and everybody else, waits."""
        gone, stays = self.adult(contact_phone=self.phone()), self.adult(contact_phone=self.phone())
        self.daemon.stop()
        place = self.keep("troth.db", "keys.db")
        self.daemon.start()
        self.withdraw(stays, document="group")  # done again from the record, if their key can be read
        self.expect(self.delete(f"/v1/subjects/{gone}", token="shop"), 200)
        self.daemon.stop()
        self.restore(place, "troth.db", "keys.db")
        self.damage("keys.db", "person_key")
        for more in (), ("--accept-loss",):
            self.assertEqual(self.daemon.launch(*more).wait(60), 1)
            self.assertIn("keys.db", self.daemon.stderr())
            self.assertNotIn("erased again", self.daemon.stderr())
        done = self.daemon.cli("policy", "what-if", self.path("policy"), "--data", self.daemon.data, "--json", code=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("keys.db", done.stderr)
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % self.path("troth.db"), uri=True)) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM subject").fetchone()[0], 2)
        self.restore(place, "keys.db")
        self.daemon.start()
        self.assertEqual((self.status(gone), self.status(stays)), (410, 200))
        self.assertEqual(self.get("/healthz").json["erased_again"], 1)
        held = self.expect(self.get(f"/v1/subjects/{stays}/consents", token="shop"), 200)["consents"]
        self.assertIn("withdrawn", held[-1]["event_state"].lower(), held)

    def test_R145_a_lost_or_torn_ledger_is_made_again_from_the_databases(self):
        people = [self.adult() for _ in range(3)]
        for p in people:
            self.expect(self.delete(f"/v1/subjects/{p}", token="shop"), 200)
        before = self.lines()
        self.daemon.stop()
        with open(self.path("erased.ledger"), "r+") as f:
            f.truncate(65 * 2 + 30)
        self.daemon.start()
        self.assertEqual(sorted(self.lines()), sorted(before))
        self.daemon.stop()
        os.remove(self.path("erased.ledger"))
        self.daemon.start()
        self.assertEqual(sorted(self.lines()), sorted(before))
        self.daemon.stop()
        with open(self.path("erased.ledger"), "r+") as f:
            f.write("x")
        self.daemon.launch()
        self.assertEqual(self.daemon.process.wait(), 1)
        self.assertIn("damaged in line 1", self.daemon.stderr())

    def test_R145_an_erasure_is_in_the_ledger_before_its_answer(self):
        people = [self.adult() for _ in range(2)]
        for p in people:
            self.expect(self.delete(f"/v1/subjects/{p}", token="shop"), 200)
        self.daemon.kill()
        self.assertEqual(len(self.lines()), 2)
        self.daemon.start()
        self.assertEqual([self.status(p) for p in people], [410, 410])

    @unittest.skipIf("address" in os.path.basename(BUILD), "that sanitizer lets nothing be loaded before it")
    def test_R145_an_erasure_whose_ledger_line_is_not_durable_is_not_answered(self):
        shim = nth.build_shim(self.daemon.home)
        for call, what in ((2, "write"), (3, "sync")):  # the first makes room
            first, second = self.adult(), self.adult()
            lines = len(self.lines())
            self.daemon.stop()
            self.daemon.env = {"LD_PRELOAD": shim, "NTH_ROOT": self.path("erased.ledger"), "NTH_CALL": str(call),
                               "NTH_ERRNO": str(nth.ENOSPC)}
            self.daemon.start()
            self.assertEqual(self.delete(f"/v1/subjects/{first}", token="shop").status, 503, what)
            self.assertEqual(self.delete(f"/v1/subjects/{second}", token="shop").status, 503, what)
            health = self.expect(self.get("/healthz"), 503)
            self.assertEqual((health["status"], health["acknowledging"]), ("stopped", False))
            self.assertEqual(os.path.getsize(self.path("erased.ledger")), 65 * lines)
            self.daemon.stop()
            self.daemon.env = {}
            self.daemon.start()
            self.assertEqual((self.status(first), self.status(second), len(self.lines())), (410, 200, lines + 1))

    @unittest.skipIf("address" in os.path.basename(BUILD), "that sanitizer lets nothing be loaded before it")
    def test_R145_without_room_for_its_ledger_line_an_erasure_does_nothing(self):
        shim, person, lines = nth.build_shim(self.daemon.home), self.adult(), len(self.lines())
        self.daemon.stop()
        self.daemon.env = {"LD_PRELOAD": shim, "NTH_ROOT": self.path("erased.ledger"), "NTH_CALL": "1",
                           "NTH_ERRNO": str(nth.ENOSPC)}
        self.daemon.start()
        self.assertEqual(self.delete(f"/v1/subjects/{person}", token="shop").status, 507)
        self.assertEqual((self.status(person), len(self.lines())), (200, lines))
        self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
        self.assertEqual((self.status(person), len(self.lines())), (410, lines + 1))


if __name__ == "__main__":
    unittest.main()
