# SPDX-License-Identifier: Apache-2.0
"""A backup is taken while the daemon serves, and comes back whole, with nobody in it who was erased since."""
import json, os, resource, shutil, signal, sqlite3, subprocess, threading, time, unittest

from troth_flow import READY_S, SERVER, TROTH, Daemon, on_files
from troth_people import People

READ = {"purpose": "registration-login", "fields": ["contact-phone"]}


class Restored(Daemon):
    """A daemon on a folder that was restored; started by the test."""

    def __init__(self, of, data):
        self.home, self.data, self.clock = of.home, data, of.clock
        self.args, self.env, self.tokens = [], {}, of.tokens
        self.process, self.port, self.urls = None, 0, ()


@on_files
class Backup(People):
    fresh = True

    def setUp(self):
        super().setUp()
        self.place = os.path.join(self.daemon.home, "elsewhere")
        os.mkdir(self.place)
        self.secret = self.in_place("secret")
        self.daemon.cli("backup", "key", self.secret)
        self.addCleanup(self.stop_restored)
        self.restored = None

    def stop_restored(self):
        if self.restored:
            self.restored.kill()

    def in_place(self, name):
        return os.path.join(self.place, name)

    def files(self):
        return sorted(n for n in os.listdir(self.place) if not n.startswith("secret"))

    def backup(self, name="one", *more, code=0, kinds=("data", "keys")):
        where = [w for k in kinds for w in (f"--{k}-file", self.in_place(f"{name}.{k}"))]
        return self.daemon.cli("backup", *where, "--region", "CN", "--for", self.secret + ".pub", "--json", *more,
                               *self.daemon.here(), code=code)

    def restore(self, data="one.data", keys="one.keys", *more, code=0, to="restored", key=None):
        self.target = os.path.join(self.daemon.home, to)
        return self.daemon.cli("restore", self.target, "--data-file", self.in_place(data), "--keys-file", self.in_place(keys),
                               "--key", key or self.secret, "--master-key", os.path.join(self.daemon.data, "master-key"),
                               "--clock-file", self.daemon.clock, "--json", *more, code=code)

    def refused(self, contains, *args, **kw):
        done = self.restore(*args, code=1, **kw)
        self.assertIn(contains, done.stderr)
        self.assertFalse(os.path.exists(self.target), self.target)
        self.assertFalse([n for n in os.listdir(self.daemon.home) if ".new-" in n])

    def serve_restored(self):
        self.daemon.stop()
        self.restored = Restored(self.daemon, self.target)
        self.restored.start()
        return self.restored

    def asked(self, person, token="shop"):
        return self.restored.request("POST", f"/v1/subjects/{person}/read", READ, token)

    # ---- Who was erased stays erased

    def test_R145_R205_yesterdays_backup_brings_nobody_back(self):
        phone = self.phone()
        gone, stays = self.adult(contact_phone=self.phone()), self.adult(contact_phone=phone)
        child, guardian = self.child(agreed=True)
        made = json.loads(self.backup().stdout)
        self.assertEqual(made["data"]["file"], self.in_place("one.data"))
        self.assertEqual(self.files(), ["one.data", "one.keys"])
        for who, token in ((gone, "shop"), (child, "arena")):
            self.expect(self.delete(f"/v1/subjects/{who}", token=token), 200)
        late = self.adult(contact_phone=self.phone())
        told = json.loads(self.restore("one.data", "one.keys", "--ledger", os.path.join(self.daemon.data, "erased.ledger")).stdout)
        self.assertEqual((told["erased_again"], told["ledger_added"]), (2, 2))
        self.serve_restored()
        status = lambda who, token="shop": self.restored.request("GET", f"/v1/subjects/{who}", None, token).status
        self.assertEqual((status(gone), status(child, "arena"), status(stays), status(guardian, "arena"), status(late)),
                         (410, 410, 200, 200, 404))
        self.assertEqual(self.expect(self.asked(stays), 200)["values"]["contact-phone"]["value"], phone)
        self.assertEqual(self.asked(gone).status, 410)
        self.restored.stop()
        self.daemon.cli("audit", "verify", self.target)
        with open(os.path.join(self.target, "erased.ledger")) as a, open(os.path.join(self.daemon.data, "erased.ledger")) as b:
            self.assertEqual(sorted(a), sorted(b))

    def test_R145_the_ledger_beside_the_files_counts_and_that_of_newer_keys(self):
        first, second = self.adult(contact_phone=self.phone()), self.adult(contact_phone=self.phone())
        self.backup()
        self.expect(self.delete(f"/v1/subjects/{first}", token="shop"), 200)
        self.at("2026-11-23T01:00:00Z")
        self.backup("newer", kinds=["keys"])
        told = json.loads(self.restore("one.data", "newer.keys", to="by-keys").stdout)
        self.assertEqual(told["erased_again"], 1)
        self.expect(self.delete(f"/v1/subjects/{second}", token="shop"), 200)
        shutil.copy(os.path.join(self.daemon.data, "erased.ledger"), self.place)
        told = json.loads(self.restore(to="by-neighbour").stdout)
        self.assertEqual(told["erased_again"], 2)
        self.serve_restored()
        self.assertEqual([self.asked(p).status for p in (first, second)], [410, 410])

    def test_R145_the_next_backup_holds_nothing_of_who_was_erased(self):
        gone, stays = self.adult(contact_phone=self.phone()), self.adult(contact_phone=self.phone())
        sealed, wrapped = self.rows(gone), self.rows(stays)
        self.expect(self.delete(f"/v1/subjects/{gone}", token="shop"), 200)
        self.backup()
        self.restore()
        found = set()
        for folder, _, names in os.walk(self.target):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    content = f.read()
                found.update(b for b in sealed | wrapped if b in content)
        self.assertEqual(found, wrapped)

    def rows(self, person):
        """The sealed value and the wrapped key of a person, as they lie in the databases."""
        with sqlite3.connect(os.path.join(self.daemon.data, "troth.db")) as db:
            got = {r[0] for r in db.execute("SELECT sealed FROM field_value WHERE sid = (SELECT sid FROM subject WHERE id = ?)",
                                            (bytes.fromhex(person),))}
        with sqlite3.connect(os.path.join(self.daemon.data, "keys.db")) as db:
            got |= {r[0] for r in db.execute("SELECT wrapped FROM person_key WHERE subject = ?", (bytes.fromhex(person),))}
        self.assertEqual(len(got), 2)
        return got

    def test_R145_a_damaged_ledger_is_no_reason_to_go_on(self):
        self.backup()
        with open(self.in_place("erased.ledger"), "w") as f:
            f.write("x" * 64 + "\n")
        self.refused("damaged in line 1")

    def test_T20_a_record_older_than_a_known_head_is_refused(self):
        self.adult()
        self.backup()
        self.adult(contact_phone=self.phone())
        self.daemon.restart()
        kept = shutil.copy(os.path.join(self.daemon.data, "audit", "checkpoint"), self.in_place("kept"))
        with open(kept) as f:
            size = int(f.read().split("\n")[1])
        self.refused("and it once signed a head of %d: its end was cut, or an older copy was put in its place" % size,
                     "one.data", "one.keys", "--known-checkpoint", kept)
        self.restore()

    # ---- For whom

    def bare(self, name, of):
        """A key file as an older troth made it: the digits alone."""
        with open(of) as f:
            digits = f.read().split()[-1]
        with open(self.in_place(name), "w", opener=lambda path, how: os.open(path, how, 0o600)) as f:
            f.write(digits + "\n")
        return self.in_place(name)

    def sealed_for(self, path, option="--for", code=0):
        self.at("2026-11-23T02:00:00Z")
        other = [] if option == "--for" else ["--for", self.secret + ".pub"]
        done = self.daemon.cli("backup", "--data-file", self.in_place("x.data"), "--keys-file", self.in_place("x.keys"), "--region",
                               "CN", *other, option, path, *self.daemon.here(), code=code)
        if code:
            self.assertEqual(self.files(), [], path)
        return done

    def test_R205_no_secret_is_taken_for_a_public_key(self):
        folder = lambda name: os.path.join(self.daemon.data, name)
        secrets = [(self.secret, "is the secret that opens backups"), (folder("master-key"), "64 hex digits alone may be a secret"),
                   (folder("audit-key"), "64 hex digits alone may be a secret"),
                   (self.bare("secret-old", self.secret), "64 hex digits alone may be a secret"),
                   (self.bare("secret-old.pub", self.secret + ".pub"), "64 hex digits alone may be a secret"),
                   (folder("audit/key.pub"), "is no public key of backups")]
        for path, reason in secrets:
            with open(path) as f:
                digits = f.read().split()[-1]
            for option in ("--for", "--keys-for"):
                with self.subTest(path=path, option=option):
                    said = self.sealed_for(path, option, code=1).stderr
                    self.assertIn(reason, said)
                    self.assertIn("troth backup key", said)
                    self.assertNotIn(digits, said)
        self.sealed_for(self.secret + ".pub")

    def test_an_older_pair_of_keys_goes_on_with_its_public_half_written_anew(self):
        old = self.bare("secret-old", self.secret)
        again = lambda code=0: self.daemon.cli("backup", "key", old, code=code)
        self.assertIn("exists already", again(code=1).stderr)  # digits alone, and nothing says what they are of
        self.bare("secret-old.pub", os.path.join(self.daemon.data, "master-key"))
        self.assertIn("exists already", again(code=1).stderr)  # something else's
        os.remove(old + ".pub")
        self.bare("secret-old.pub", self.secret + ".pub")
        again()
        with open(old + ".pub") as a, open(self.secret + ".pub") as b:
            text = a.read()
            self.assertEqual(text, b.read())
        self.assertRegex(text, "^troth-backup-public [0-9a-f]{64}\n$")
        self.sealed_for(old + ".pub")
        self.restore("x.data", "x.keys", key=old)
        with open(self.secret) as f:
            self.assertRegex(f.read(), "^troth-backup-secret [0-9a-f]{64}\n$")
        self.assertEqual(os.stat(self.secret).st_mode & 0o777, 0o600)
        os.remove(self.secret + ".pub")  # lost: the secret knows it
        self.daemon.cli("backup", "key", self.secret)
        with open(self.secret + ".pub") as f:
            self.assertEqual(f.read(), text)
        self.assertIn("exists already", self.daemon.cli("backup", "key", self.secret, code=1).stderr)

    # ---- Where it may lie

    def test_R112_a_backup_abroad_is_refused_with_the_clause(self):
        where = ["--data-file", self.in_place("x"), "--keys-file", self.in_place("y"), "--for", self.secret + ".pub"]
        done = self.daemon.cli("backup", *where, "--region", "SG", *self.daemon.here(), code=1)
        self.assertIn("group/residency.home", done.stderr)
        self.assertIn("may not lie in SG", done.stderr)
        self.assertEqual(self.files(), [])
        self.assertIn("two capital letters", self.daemon.cli("backup", *where, "--region", "cn", *self.daemon.here(), code=1).stderr)
        self.assertIn("--region is missing", self.daemon.cli("backup", *where, *self.daemon.here(), code=2).stderr)

    # ---- While it serves

    def test_R118_what_was_acknowledged_before_it_is_in_it_and_both_are_of_one_instant(self):
        before = [self.adult(contact_phone=self.phone()) for _ in range(5)]
        stop, made, erased = threading.Event(), [], []

        def work():
            while not stop.is_set():
                person = self.adult(contact_phone=self.phone())
                self.post(f"/v1/subjects/{person}/read", READ, token="shop")
                made.append(person)
                if len(made) % 3 == 0:
                    self.delete(f"/v1/subjects/{person}", token="shop")
                    erased.append(person)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            while not made:
                time.sleep(0.01)
            acknowledged = list(made)
            self.backup()
        finally:
            stop.set()
            worker.join()
        after = self.adult()
        shutil.copy(os.path.join(self.daemon.data, "erased.ledger"), self.place)
        self.restore()
        self.serve_restored()
        self.assertEqual([self.asked(p).status for p in before], [200] * 5)
        for p in acknowledged:
            self.assertEqual(self.asked(p).status, 410 if p in erased else 200)
        self.assertEqual(self.asked(after).status, 404)
        self.restored.stop()
        self.daemon.cli("audit", "verify", self.target)

    def test_a_folder_that_nobody_serves_and_a_passphrase(self):
        person = self.adult(contact_phone=self.phone())
        self.daemon.stop()
        words = self.in_place("secret-words")
        with open(words, "w") as f:
            f.write("correct horse battery staple\n")
        where = ["--data-file", self.in_place("one.data"), "--keys-file", self.in_place("one.keys"), "--region", "CN"]
        done = self.daemon.cli("backup", *where, "--passphrase-file", words, *self.daemon.here(), code=1)
        self.assertIn("chmod 600", done.stderr)
        os.chmod(words, 0o600)
        self.daemon.cli("backup", *where, "--passphrase-file", words, *self.daemon.here())
        self.assertIn("not sealed for this key", self.daemon.cli("backup", "check", self.in_place("one.keys"), "--key", self.secret, code=1).stderr)
        by = ["--passphrase-command", f"cat {words}"]
        told = json.loads(self.daemon.cli("backup", "check", self.in_place("one.data"), *by, "--json").stdout)
        self.assertEqual((told["kind"], told["about"]["region"]), ("data", "CN"))
        self.target = os.path.join(self.daemon.home, "restored")
        self.daemon.cli("restore", self.target, *where[:4], *by, "--master-key", os.path.join(self.daemon.data, "master-key"),
                        "--clock-file", self.daemon.clock)
        self.serve_restored()
        self.assertEqual(self.asked(person).status, 200)

    # ---- Nothing half done

    def whole(self):
        self.backup()
        self.assertEqual(self.files(), ["one.data", "one.keys"])

    def clear(self):
        for name in self.files():
            os.remove(self.in_place(name))

    def test_a_full_disk_and_a_kill_leave_nothing_that_looks_like_a_backup(self):
        self.adult(contact_phone=self.phone())
        command = [TROTH, "backup", "--data-file", self.in_place("one.data"), "--keys-file", self.in_place("one.keys"),
                   "--region", "CN", "--for", self.secret + ".pub", *self.daemon.here()]

        def little_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=little_room)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("make room where the backup goes", done.stderr)
        self.assertEqual(self.files(), [])
        for wait in (0, 0.01, 0.03):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(wait)
            process.kill()
            process.wait()
            if "one.data" in self.files():  # it was quicker
                os.remove(self.in_place("one.data"))
            if "one.keys" in self.files():
                os.remove(self.in_place("one.keys"))
        self.whole()  # what a killed one left is gone
        self.clear()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + READY_S
        while not self.files() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        process.terminate()
        process.wait()
        self.assertFalse([n for n in self.files() if n.endswith((".troth-copy", ".part"))])
        self.clear()
        self.whole()
        self.assertIn("exists already", self.backup(code=1).stderr)
        self.restore()

    def test_the_copies_of_a_killed_backup_go_with_the_next_into_the_same_folder(self):
        self.adult(contact_phone=self.phone())
        self.daemon.stop()
        for name in ("troth.db", "keys.db"):  # as a kill in the midst of copying leaves them
            shutil.copy(os.path.join(self.daemon.data, name), self.in_place("old.%s.troth-copy" % name))
            shutil.copy(os.path.join(self.daemon.data, name), self.in_place("kept.%s.copy" % name))  # somebody's own
        with open(self.in_place("letter.troth-copy"), "w") as f:
            f.write("not ours " * 20)
        self.backup()
        self.assertEqual(self.files(), ["kept.keys.db.copy", "kept.troth.db.copy", "letter.troth-copy", "one.data", "one.keys"])

    def restoring(self):
        """A restore that has opened the keys and is not yet through: its process, and its folder."""
        self.target = os.path.join(self.daemon.home, "restored")
        for _ in range(50):
            process = subprocess.Popen([TROTH, "restore", self.target, "--data-file", self.in_place("one.data"), "--keys-file",
                                        self.in_place("one.keys"), "--key", self.secret, "--master-key",
                                        os.path.join(self.daemon.data, "master-key"), "--clock-file", self.daemon.clock],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            folder = "%s.new-%d" % (self.target, process.pid)
            while process.poll() is None and not os.path.exists(folder + "/keys.db"):
                pass
            process.send_signal(signal.SIGSTOP)
            if os.path.exists(folder + "/keys.db"):
                return process, folder
            process.kill()
            process.wait()
            shutil.rmtree(self.target, ignore_errors=True)  # it was quicker
        self.fail("no restore was met at work")

    def test_R118_what_a_killed_restore_opened_goes_with_the_next_into_the_same_folder(self):
        self.adult(contact_phone=self.phone())
        self.backup()
        killed, left = self.restoring()
        killed.kill()
        killed.wait()
        other = os.path.join(self.daemon.home, "other.new-7")  # of an init
        shutil.copytree(left, other)
        for name in ("restored.new-1", "restored.new-x"):  # not marked; not such a name
            shutil.copytree(left, os.path.join(self.daemon.home, name))
        os.remove(os.path.join(self.daemon.home, "restored.new-1", ".unfinished"))
        working, held = self.restoring()
        self.assertFalse(os.path.exists(left))
        self.addCleanup(working.wait)
        self.addCleanup(working.kill)
        self.assertIn("left", self.restore_again().stderr)
        there = lambda: {n for n in os.listdir(self.daemon.home) if ".new-" in n}
        self.assertEqual(there(), {os.path.basename(held), "other.new-7", "restored.new-1", "restored.new-x"})
        working.send_signal(signal.SIGCONT)
        self.assertEqual(working.wait(), 1)  # its place is taken
        self.assertEqual(there(), {"other.new-7", "restored.new-1", "restored.new-x"})
        self.daemon.cli("init", os.path.join(self.daemon.home, "other"))
        self.assertEqual(there(), {"restored.new-1", "restored.new-x"})
        self.assertFalse(os.path.exists(os.path.join(self.target, ".unfinished")))

    def restore_again(self):
        """Beside one that is at work and one that was killed."""
        killed, _ = self.restoring()
        killed.kill()
        killed.wait()
        return self.restore()

    # ---- What is not a backup of this

    def change(self, name, to, at, how):
        with open(self.in_place(name), "rb") as f:
            text = bytearray(f.read())
        with open(self.in_place(to), "wb") as f:
            f.write(how(text, at if at >= 0 else len(text) + at))

    def test_R118_a_changed_cut_or_foreign_backup_is_refused_and_nothing_is_put_in_place(self):
        self.adult(contact_phone=self.phone())
        self.backup()

        def flip(text, at):
            text[at] ^= 1
            return text

        cut = lambda text, at: text[:at]
        for name in ("one.data", "one.keys"):
            size = os.path.getsize(self.in_place(name))
            other = {"one.data": ("bad", "one.keys"), "one.keys": ("one.data", "bad")}[name]
            bad = self.in_place("bad")
            ways = [("flipped", flip, 60, bad + " is not sealed for this key, or its head is damaged"),  # in the file's key
                    ("flipped", flip, 160, bad + " is damaged before byte"),
                    ("flipped", flip, size // 2, bad + " is damaged before byte"),
                    ("flipped", flip, -1, bad + " is damaged before byte %d" % size),
                    ("cut", cut, 100, "the head of this backup is damaged or cut"),
                    ("cut", cut, size // 2, bad + " is cut off: it ends at byte %d" % (size // 2)),
                    ("cut", cut, -1, bad + " is cut off: it ends at byte %d" % (size - 1)),
                    ("longer", lambda text, at: text + b"x", 0, bad + " is damaged before byte")]
            for word, how, at, reason in ways:
                self.change(name, "bad", at, how)
                with self.subTest(word, name=name, at=at):
                    self.refused(reason, *other)
        self.daemon.cli("backup", "key", self.in_place("secret2"))
        self.refused("not sealed for this key", key=self.in_place("secret2"))
        self.refused("is a backup of the keys, not of the data", "one.keys", "one.keys")
        self.at("2026-11-23T01:00:00Z")
        self.backup("two", kinds=["data"])
        self.refused("are older than the data", "two.data", "one.keys")
        self.restore("two.data", "one.keys", "--older-keys", to="older")

    def test_R118_keys_of_another_installation_and_a_foreign_master_key_are_refused(self):
        self.backup()
        other = Daemon()
        self.addCleanup(other.remove)
        other.cli("backup", "--keys-file", self.in_place("other.keys"), "--region", "CN", "--for", self.secret + ".pub", *other.here())
        self.refused("of different installations", "one.data", "other.keys")
        own = os.path.join(self.daemon.data, "master-key")
        shutil.copy(own, self.in_place("secret-kept"))
        shutil.copy(os.path.join(other.data, "master-key"), own)
        self.refused("does not open the keys of this data folder", "one.data", "one.keys")
        shutil.copy(self.in_place("secret-kept"), own)

    def test_a_folder_that_is_there_is_left_alone(self):
        self.backup()
        done = self.daemon.cli("restore", self.daemon.data, "--data-file", self.in_place("one.data"), "--keys-file",
                               self.in_place("one.keys"), "--key", self.secret, "--master-key",
                               os.path.join(self.daemon.data, "master-key"), code=1)
        self.assertIn("exists already", done.stderr)
        self.adult()  # it serves on


@unittest.skipUnless(SERVER, "looks at a folder whose databases are on a server")
class OnServer(People):
    def test_the_databases_of_a_server_are_left_to_its_own_tools(self):
        self.daemon.cli("backup", "key", os.path.join(self.daemon.home, "k"))
        done = self.daemon.cli("backup", "--data-file", os.path.join(self.daemon.home, "x"), "--region", "CN", "--for",
                               os.path.join(self.daemon.home, "k.pub"), *self.daemon.here(), code=1)
        self.assertIn("pg_dump", done.stderr)


if __name__ == "__main__":
    unittest.main()
