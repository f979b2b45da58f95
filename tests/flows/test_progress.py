# SPDX-License-Identifier: Apache-2.0
"""Long commands say how far they are: a bar on a terminal, nothing elsewhere."""
import json, os, unittest

from troth_flow import BAR, Flow, bars, on_files, run_troth, watched

PERSONS = 130  # more than two calls of an import
FIELDS = ("order-items", "order-address", "order-recipient-name", "order-amount", "order-number")
VALUE = "goods " + "x" * 3000  # with it the databases have more than two MiB: a backup's bars go by MiB


class Progress(Flow):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = os.path.join(cls.daemon.home, "people.jsonl")
        with open(cls.file, "w") as f:
            for n in range(PERSONS):
                f.write(json.dumps({"ref": "c%d" % n, "service": "shop", "birth_date": "1990-01-01",
                                    "consents": [{"document": "group", "state": "given", "language": "en"}],
                                    "data": [{"purpose": "order-payment", "values": dict.fromkeys(FIELDS, VALUE)}]}) + "\n")
        cls.said, cls.looked = watched("import", cls.file, *cls.daemon.here())

    def counts(self, rows):
        self.assertGreater(len(rows), 1)
        done = [n for n, _ in rows]
        self.assertEqual(done, sorted(done))
        return done

    def grown(self, seen, *names):
        """These bars, in this order; each only grows, to its total, and the last one is taken away."""
        self.assertEqual(tuple(bars(seen)), names, seen)
        for rows in bars(seen).values():
            self.counts(rows)
            self.assertEqual(*rows[-1], seen)
        self.filled(seen)

    def filled(self, seen):
        for _, bar, done, total in BAR.findall(seen):
            self.assertEqual(bar, ("#" * (30 * int(done) // int(total))).ljust(30))
        self.assertTrue(seen.endswith("\r\033[K"), seen)
        self.assertEqual(BAR.sub("", seen).replace("\r\033[K", ""), "")

    def silent(self, *command):
        """No terminal, no bar: in words, and as JSON, which is returned."""
        for n, more in enumerate(((), ("--json",))):
            done = run_troth(*(str(c).replace("%d", str(n)) for c in command), *more)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertNotRegex(done.stdout, r"[\r\033]|\[[# ]*\]")
        return json.loads(done.stdout)

    def test_import(self):
        self.assertIn("%d persons taken in" % PERSONS, self.said)
        self.grown(self.looked, "bytes")
        self.assertEqual(bars(self.looked)["bytes"][-1][1], os.path.getsize(self.file))
        outcomes = [o for kind in ("ids", "rejects") for o in ("--" + kind, os.path.join(self.daemon.home, kind + "-%d"))]
        told = self.silent("import", self.file, "--name", "again-%d", *outcomes, *self.daemon.here())
        self.assertEqual(told["imported"], PERSONS)

    def test_key_rotate(self):
        command = ("key", "rotate", "--class", "adult", *self.daemon.here())
        said, seen = watched(*command)
        self.assertIn("keys under generation", said)
        self.grown(seen, "keys wrapped")
        self.assertGreaterEqual(bars(seen)["keys wrapped"][-1][1], PERSONS)
        self.assertGreaterEqual(self.silent(*command)["wrapped"], PERSONS)
        said, seen = watched(*command, "--json")  # the bar is beside the answer, not in it
        self.assertGreaterEqual(json.loads(said)["wrapped"], PERSONS)
        self.grown(seen, "keys wrapped")

    @on_files
    def test_backup_and_restore(self):
        secret, one = os.path.join(self.daemon.home, "secret"), os.path.join(self.daemon.home, "one")
        self.daemon.cli("backup", "key", secret)
        files = lambda name: ("--data-file", name + ".data", "--keys-file", name + ".keys")
        backup = lambda name: ("backup", *files(name), "--region", "CN", "--for", secret + ".pub", *self.daemon.here())
        said, seen = watched(*backup(one))
        self.assertIn("keys: ", said)
        told = bars(seen)
        self.assertEqual(list(told), ["pages copied", "MiB sealed"])
        self.counts(told["pages copied"])
        self.assertEqual(*told["pages copied"][-1])
        self.counts(told["MiB sealed"])  # room that is laid out ahead for the record is not among it
        self.assertEqual(*told["MiB sealed"][-1])
        self.filled(seen)
        self.assertGreater(self.silent(*backup(one + "-%d"))["data"]["bytes"], 2 << 20)
        said, seen = watched("backup", "check", one + ".data", "--key", secret)
        self.grown(seen, "MiB checked")
        place = os.path.join(self.daemon.home, "restored")
        with_keys = ("--key", secret, "--master-key", os.path.join(self.daemon.data, "master-key"), "--clock-file", self.daemon.clock)
        said, seen = watched("restore", place, *files(one), *with_keys)
        self.assertIn("is as it was at", said)
        self.grown(seen, "MiB restored")
        self.silent("restore", place + "-%d", *files(one), *with_keys)


if __name__ == "__main__":
    unittest.main()
