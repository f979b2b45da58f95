# SPDX-License-Identifier: Apache-2.0
"""Keys change under a daemon that serves, and nothing that was readable stops being so."""
import os, shutil, sqlite3, subprocess, threading, unittest

import pg_server
from troth_flow import SERVER, TROTH
from troth_people import People

STEP = 500  # keys that one step of a change wraps (GATE_ROTATE_MAX)
LINES = 50  # of one call of an import


class Rotation(People):
    fresh = True

    def readable(self, person, phone):
        got = self.post(f"/v1/subjects/{person}/read", {"purpose": "registration-login", "fields": ["contact-phone"]},
                        token="shop")
        self.assertEqual(self.expect(got, 200)["values"]["contact-phone"]["value"], phone)

    def people(self, n=3):
        made = {}
        for _ in range(n):
            phone = self.phone()
            made[self.adult(contact_phone=phone)] = phone
        return made

    def all_readable(self, people):
        for person, phone in people.items():
            self.readable(person, phone)

    def rotate(self, *args, code=0):
        return self.daemon.cli("key", "rotate", *args, *self.daemon.here(), code=code)

    def test_R118_a_class_key_is_changed_while_serving_and_after_a_kill(self):
        people = self.people()
        self.assertIn("3 keys under generation 2", self.rotate("--class", "adult").stdout)
        self.all_readable(people)
        people.update(self.people(1))
        begun = self.operator("POST", "/v1/keys/rotate", {"key": "adult"}, status=200).json
        self.assertEqual((begun["generation"], begun["left"], begun["resumed"]), (3, 4, False))
        people.update(self.people(1))  # under the new key already
        self.daemon.kill()
        self.daemon.start()
        self.all_readable(people)
        said = self.rotate("--class", "adult").stdout
        self.assertIn("4 keys under generation 3", said)
        self.assertIn("an earlier change was finished", said)
        self.all_readable(people)
        self.assertIn("0 keys under generation 2", self.rotate("--class", "child").stdout)
        self.daemon.stop()
        self.assertIn("5 keys under generation 4", self.rotate("--class", "adult").stdout)
        self.daemon.start()
        self.all_readable(people)
        self.daemon.cli("audit", "verify", self.daemon.data)

    # ---- Half-way

    def taken_in(self, n):
        """Many at once: person -> what is kept of them."""
        kept = ["goods %d" % i for i in range(n)]
        lines = [{"service": "shop", "birth_date": "1990-01-01", "data": [{"purpose": "order-payment", "values": {"order-items": text}}],
                  "consents": [{"document": "group", "state": "given", "language": "en"}]} for text in kept]
        ids = []
        for at in range(0, n, LINES):
            body = {"name": "many", "from": at + 1, "lines": lines[at:at + LINES]}
            ids += self.operator("POST", "/v1/import", body, status=200).json["ids"]
        return dict(zip(ids, kept))

    def all_kept(self, people):
        persons, found = list(people), {}
        for at in range(0, len(persons), 50):
            body = {"purpose": "order-payment", "fields": ["order-items"], "subjects": persons[at:at + 50]}
            for answer in self.expect(self.post("/v1/read", body, token="shop"), 200)["answers"]:
                found[answer["subject"]] = answer.get("values", {}).get("order-items", {}).get("value")
        self.assertEqual(found, people)

    def generations(self):
        """Of the keys of persons, and of the keys of the class itself."""
        asked = ("SELECT DISTINCT generation FROM person_key ORDER BY 1",
                 "SELECT generation FROM class_key WHERE class = 'adult' ORDER BY 1")
        if SERVER:
            keys = self.daemon.urls[1].split("@/")[1].split("?")[0]
            return tuple([int(word) for word in pg_server.ask(SERVER, sql, database=keys).split()] for sql in asked)
        db = sqlite3.connect(os.path.join(self.daemon.data, "keys.db"))
        try:
            return tuple([row[0] for row in db.execute(sql)] for sql in asked)
        finally:
            db.close()

    def test_R118_a_change_killed_half_way_is_finished_and_no_old_key_is_left(self):
        people = self.taken_in(STEP + 200)
        begun = self.operator("POST", "/v1/keys/rotate", {"key": "adult"}, status=200).json
        first = self.operator("POST", "/v1/keys/rotate", {"key": "adult", "after": begun["after"]}, status=200).json
        self.assertEqual((begun["left"], first["wrapped"], first["finished"]), (STEP + 200, STEP, False))
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.generations(), ([1, 2], [1, 2]))
        self.all_kept(people)
        said = self.rotate("--class", "adult").stdout
        self.assertIn("200 keys under generation 2", said)
        self.assertIn("an earlier change was finished", said)
        self.assertEqual(self.generations(), ([2], [2]))
        self.all_kept(people)
        self.daemon.restart()
        self.all_kept(people)
        self.daemon.cli("audit", "verify", self.daemon.data)

    def test_R118_the_master_key_is_changed_and_the_old_one_opens_nothing(self):
        people = self.people()
        master = os.path.join(self.daemon.data, "master-key")
        shutil.copy2(master, master + ".old")
        self.assertIn("the master key was changed", self.rotate("--master").stdout)
        self.all_readable(people)
        self.daemon.restart()
        self.all_readable(people)
        self.daemon.stop()
        self.daemon.launch("--master-key", master + ".old")
        self.assertEqual(self.daemon.process.wait(), 1)
        self.assertIn("does not open the keys", self.daemon.stderr())
        # From a command from now on: the key leaves the folder.
        away = os.path.join(self.daemon.home, "kept-elsewhere")
        os.rename(master, away)
        command = "cat " + away
        self.daemon.start("--master-key-command", command)
        self.all_readable(people)
        self.assertIn("name a file", self.rotate("--master", code=1).stderr)
        self.rotate("--master", "--to", away + ".new")
        self.daemon.stop()
        self.daemon.launch("--master-key-command", command)
        self.assertEqual(self.daemon.process.wait(), 1)
        self.daemon.start("--master-key-command", command + ".new")
        self.all_readable(people)

    # ---- What may become the master key

    def test_R118_a_key_in_use_does_not_become_the_master_key(self):
        folder = lambda name: os.path.join(self.daemon.data, name)
        secret = os.path.join(self.daemon.home, "opens-backups")
        self.daemon.cli("backup", "key", secret)
        kept = shutil.copy2(folder("audit-key"), os.path.join(self.daemon.home, "a-copy"))
        people = self.people(1)
        for path, reason in ((folder("master-key"), "the master key in use"), (folder("audit-key"), "the key that signs"),
                             (kept, "the key that signs"), (secret, "the secret that opens backups")):
            with self.subTest(path=path):
                said = self.rotate("--master", "--to", path, code=1).stderr
                self.assertIn(reason, said)
                self.assertIn("name a file that does not exist yet", said)
                self.assertEqual(self.operator("POST", "/v1/keys/rotate", {"key": "master", "file": path}, status=409).status, 409)
        self.operator("POST", "/v1/keys/rotate", {"key": "master", "file": "relative"}, status=422)
        self.daemon.restart()
        self.all_readable(people)

    def test_R118_a_new_place_is_the_callers_and_the_next_start_says_where(self):
        here = os.path.join(self.daemon.home, "callers")
        os.mkdir(here)
        people = self.people(1)
        done = subprocess.run([TROTH, "key", "rotate", "--master", "--to", "moved-key", *self.daemon.here()], cwd=here,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        to = os.path.join(os.path.realpath(here), "moved-key")
        self.assertTrue(os.path.exists(to))
        self.assertIn(to, done.stdout)
        old = os.path.join(self.daemon.data, "master-key")
        for stale in (True, False):
            self.daemon.stop()
            if not stale:
                os.remove(old)
            self.daemon.launch()
            self.assertEqual(self.daemon.process.wait(), 1)
            self.assertIn("--master-key " + to, self.daemon.stderr().strip().split("troth: ")[-1])
            self.daemon.start("--master-key", to)
            self.all_readable(people)
        self.assertIn("the master key in use", self.rotate("--master", "--to", to, code=1).stderr)
        self.daemon.stop()
        os.rename(to, old)
        self.daemon.start()
        self.assertFalse(os.path.exists(old + ".moved"))

    def test_R118_what_a_kill_left_beside_the_master_key_goes_with_the_next_change(self):
        beside = os.path.join(self.daemon.data, "master-key.next.")
        for name, text in (("0123456789abcdef", "5a" * 32 + "\n"), ("fedcba9876543210", "5a5a")):
            with open(beside + name, "w", opener=lambda path, how: os.open(path, how, 0o600)) as f:
                f.write(text)
        shutil.copy2(os.path.join(self.daemon.data, "master-key"), beside + "00112233445566ff")  # it opens: not ours to lose
        for name in ("0123", "0123456789abcdeg"):
            shutil.copy2(beside + "fedcba9876543210", beside + name)
        self.rotate("--master")
        there = sorted(n for n in os.listdir(self.daemon.data) if n.startswith("master-key"))
        self.assertEqual(there, ["master-key"] + ["master-key.next." + n for n in ("00112233445566ff", "0123", "0123456789abcdeg")])

    # ---- All at once

    def turning(self, key, rounds, faults):
        """The changes of one key, to the end each."""
        for _ in range(rounds):
            body = {"key": key}
            while True:
                got = self.operator("POST", "/v1/keys/rotate", body)
                if got.status != 200:
                    faults.append((key, got))
                    return
                if got.json["finished"]:
                    break
                body["after"] = got.json["after"]

    def coming_and_going(self, phones, stays, gone, faults):
        """Each comes, is read, and one of three goes again; one of three turns out to be a child, whose key changes class."""
        for i, phone in enumerate(phones):
            person = self.adult(contact_phone=phone)
            got = self.post(f"/v1/subjects/{person}/read", {"purpose": "registration-login", "fields": ["contact-phone"]},
                            token="shop")
            if got.status != 200 or got.json["values"]["contact-phone"]["value"] != phone:
                faults.append(got)
            if i % 3 == 0:
                self.expect(self.delete(f"/v1/subjects/{person}", token="shop"), 200)
                gone.append(person)
            else:
                if i % 3 == 1:
                    self.expect(self.post(f"/v1/subjects/{person}/age", {"birth_date": "2014-01-01"}, token="shop"), 200)
                stays[person] = phone

    def test_R118_all_keys_change_at_once_under_those_who_come_and_go(self):
        before, stays, gone, faults = self.people(30), {}, [], []
        phones = [[self.phone() for _ in range(18)] for _ in range(4)]
        ways = [(self.turning, ("adult", 6, faults)), (self.turning, ("adult", 6, faults)), (self.turning, ("child", 6, faults)),
                (self.turning, ("child", 6, faults)), (self.turning, ("master", 4, faults))]
        ways += [(self.coming_and_going, (some, stays, gone, faults)) for some in phones]
        done = []
        threads = [threading.Thread(target=lambda w=way, a=args: (w(*a), done.append(1))) for way, args in ways]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            self.all_readable(dict(list(before.items())[:3]))
        for t in threads:
            t.join()
        self.assertEqual((faults, len(done)), ([], len(ways)))
        self.rotate("--class", "adult")
        self.rotate("--class", "child")
        for _ in range(2):
            self.all_readable(before)
            for person in stays:  # a child's values wait for a guardian, but its key opens what is on record
                self.assertGreater(len(self.expect(self.get(f"/v1/subjects/{person}/history", token="shop"), 200)["history"]), 2)
            self.daemon.restart()
        self.daemon.stop()
        if not SERVER:
            with sqlite3.connect(os.path.join(self.daemon.data, "keys.db")) as db:
                self.assertEqual(db.execute("SELECT count(*), count(DISTINCT class) FROM class_key").fetchone(), (2, 2))
                self.assertEqual(db.execute("SELECT count(*) FROM person_key p WHERE NOT EXISTS (SELECT 1 FROM class_key c "
                                            "WHERE c.class = p.class AND c.generation = p.generation)").fetchone(), (0,))
                kept = {row[0].hex() for row in db.execute("SELECT subject FROM person_key")}
            db.close()
            self.assertEqual(kept, set(before) | set(stays))
        self.daemon.start()
        self.daemon.cli("audit", "verify", self.daemon.data)

    def test_what_is_wrong_is_said(self):
        self.assertIn("--class", self.rotate(code=2).stderr)
        self.assertIn("adult", self.rotate("--class", "elders", code=2).stderr)
        self.daemon.stop()
        self.daemon.launch("--master-key-command", "echo not-a-key")
        self.assertEqual(self.daemon.process.wait(), 1)
        self.assertIn("64 hex digits", self.daemon.stderr())
        self.assertNotIn("not-a-key", self.daemon.stderr())
        self.daemon.start()


if __name__ == "__main__":
    unittest.main()
