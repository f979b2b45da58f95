#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nth_commands.py [--runs N] [--only COMMAND] [--seed S]: the N-th call on a file fails under a command that opens the folder
itself (R116): an import, a change of a class key, of the master key, a backup.

First a run without a failure counts the command's calls: writes, syncs, other changes, reads, opened and deleted files. Then each
of them (with --runs so many, drawn by the seed) fails once, on a copy of the same folder. The command may do its work all the same;
else it must say what failed and end with 1. Run again on a sound disk it must do its work, and a daemon must hold what was there before,
and what the command said it did, once.
"""
import argparse, itertools, json, os, random, re, shutil, sqlite3, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fault_daemon, nth, workload
from fault_daemon import ROOT, TROTH

KINDS = "wsxrou"
LINES, BEFORE, PERSONS = 5, 2, 3  # of the file; of them those that an interrupted import took in; who was there already


def troth(*args, env=None):
    return subprocess.run([TROTH, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, **(env or {})},
                          timeout=120)


def line(n):
    return json.dumps({"ref": "p%d" % n, "service": "shop", "birth_date": "1990-01-01",
                       "consents": [{"document": "group", "state": "given", "language": "en"}],
                       "data": [{"purpose": "registration-login", "values": {"contact-phone": workload.phone_of(n)}}]}) + "\n"


class Place:
    """A folder with everything that a command reads and makes; the first is prepared, the others are copies."""

    def __init__(self, home):
        self.home = os.path.realpath(home)
        self.data = self.path("data")

    def path(self, name):
        return os.path.join(self.home, name)

    def prepare(self):
        token = fault_daemon.init(self.data)
        fault_daemon.small_segments(self.data)
        self.lines("before", 0, PERSONS)
        self.lines("people", PERSONS, BEFORE)
        for args in (["import", self.path("before"), "--data", self.data], Import().args(self, False),
                     ["backup", "key", self.path("secret")]):
            done = troth(*args)
            assert done.returncode == 0, done.stderr
        self.lines("people", PERSONS, LINES)
        os.mkdir(self.path("out"))
        return token

    def lines(self, name, first, n):
        with open(self.path(name), "w") as f:
            f.writelines(line(i) for i in range(first, first + n))

    def ids(self):
        """ref -> ids, as the imports told them."""
        told = {}
        for name in "before.ids", "people.ids":
            if os.path.exists(self.path(name)):
                with open(self.path(name)) as f:
                    for row in map(json.loads, f):
                        told.setdefault(row["ref"], []).append(row["id"])
        return told

    def count(self, sql, name="troth.db"):
        db = sqlite3.connect("file:%s?mode=ro" % os.path.join(self.data, name), uri=True)
        try:
            return db.execute(sql).fetchone()[0]
        finally:
            db.close()


# ---- The commands: what is run, what is true when it has done its work (`deleted`: no deletion failed), what must not be left
# if it has not

class Import:
    def args(self, place, again):
        return ["import", place.path("people"), "--name", "people", "--patience", "0", "--data", place.data]

    def done(self, place, deleted):
        told = place.ids()
        faults = ["of line p%d: ids %s" % (n, told.get("p%d" % n)) for n in range(PERSONS + LINES) if len(told.get("p%d" % n, [])) != 1]
        there = place.count("SELECT count(*) FROM subject")
        return faults + (["%d persons are there" % there] if there != PERSONS + LINES else [])


class ClassKey:
    def args(self, place, again):
        return ["key", "rotate", "--class", "adult", "--data", place.data]

    def done(self, place, deleted):
        rows = place.count("SELECT group_concat(DISTINCT generation) FROM person_key", "keys.db")
        kept = place.count("SELECT group_concat(generation) FROM class_key WHERE class = 'adult'", "keys.db")
        return [] if rows == kept else ["keys of persons are under generation %s, there is %s" % (rows, kept)]


class MasterKey:
    def args(self, place, again):
        return ["key", "rotate", "--master", "--data", place.data]

    def done(self, place, deleted):
        return ["a key beside the master key: " + name for name in os.listdir(place.data)
                if deleted and name.startswith("master-key") and name != "master-key"]


class Backup:
    def args(self, place, again):
        out = place.path("again" if again else "out")
        os.makedirs(out, exist_ok=True)
        return ["backup", "--data-file", out + "/data", "--keys-file", out + "/keys", "--region", "CN", "--for",
                place.path("secret.pub"), "--data", place.data]

    def done(self, place, deleted):
        out, faults = place.path("again"), []
        args = ["restore", place.path("restored"), "--data-file", out + "/data", "--keys-file", out + "/keys", "--key",
                place.path("secret"), "--master-key", os.path.join(place.data, "master-key")]
        restored = troth(*args)
        if restored.returncode:
            faults.append("the backup is not restored: " + restored.stderr)
        return faults

    def left(self, place, refused):
        """If it was refused there is nothing; else both files are whole."""
        names = sorted(os.listdir(place.path("out")))
        if names != ([] if refused else ["data", "keys"]):
            return ["left: %s" % names]
        checked = [troth("backup", "check", os.path.join(place.path("out"), n), "--key", place.path("secret")) for n in names]
        return ["not whole: " + c.stderr for c in checked if c.returncode]


COMMANDS = {"import": Import(), "class-key": ClassKey(), "master-key": MasterKey(), "backup": Backup()}


def words(done):
    """What is wrong with how a command ended that met a failure."""
    if "Sanitizer" in done.stderr or done.returncode < 0 or done.returncode > 1:
        return ["ended with %d: %s" % (done.returncode, done.stderr[-2000:])]
    if done.returncode == 1 and not re.search(r"^troth: \S.{9,}", done.stderr, re.M):
        return ["no word of why: %r" % done.stderr]
    return []


def held(place, token):
    """What a daemon holds: everybody of the files whose id was told, with their number."""
    try:
        daemon = fault_daemon.Daemon(place.data)
    except RuntimeError as e:
        return ["does not start: %s" % e]
    try:
        client = workload.Client(daemon.port, token)
        found = {ref: workload.phone(client, id) for ref, ids in place.ids().items() for id in ids}
    finally:
        daemon.stop()
    return ["lost: %s has %s" % (ref, phone) for ref, phone in found.items() if phone != workload.phone_of(int(ref[1:]))]


def one(command, base, token, shim, call, number, kind):
    with tempfile.TemporaryDirectory(prefix="troth-nth-") as home:
        place = Place(os.path.join(home, "place"))
        shutil.copytree(base.home, place.home)
        env = nth.failing(shim, place.home, os.path.join(home, "calls"), call, number, KINDS)
        met = troth(*command.args(place, False), env=env)
        faults = words(met)
        if hasattr(command, "left") and kind != "u":  # what could not be deleted is left
            faults += command.left(place, met.returncode != 0)
        again = troth(*command.args(place, True))
        if again.returncode:
            faults.append("run again: exit %d: %s" % (again.returncode, again.stderr))
        faults += command.done(place, kind != "u") + held(place, token) + fault_daemon.verify(place.data)
        return met.returncode, faults


def calls_of(command, base, shim):
    with tempfile.TemporaryDirectory(prefix="troth-nth-") as home:
        place = Place(os.path.join(home, "place"))
        shutil.copytree(base.home, place.home)
        log = os.path.join(home, "calls")
        done = troth(*command.args(place, True), env=nth.failing(shim, place.home, log, 1 << 40, nth.EIO, KINDS))
        assert done.returncode == 0, done.stderr
        with open(log) as f:
            return f.read()


def drawn(rng, kinds, runs):
    """(call, how, kind): all, or some, drawn by the seed, a kind after the other."""
    all_of = [(call, how, kind) for call, kind in enumerate(kinds, 1) for how in nth.HOW[kind]]
    if not runs:
        return all_of
    rng.shuffle(all_of)
    of_kind = [[each for each in all_of if each[2] == kind] for kind in KINDS]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*of_kind))
    return [each for each in in_turn if each][:runs]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--runs", type=int, default=0, help="so many of each command; 0: all")
    ap.add_argument("--only", choices=COMMANDS)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng, bad, runs, refused = random.Random(args.seed), 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="troth-shim-") as home:
        shim, base = nth.build_shim(home), Place(os.path.join(home, "base"))
        os.mkdir(base.home)
        token = base.prepare()
        for name in [args.only] if args.only else COMMANDS:
            kinds = calls_of(COMMANDS[name], base, shim)
            print("%s: %s" % (name, ", ".join("%d %s" % (kinds.count(k), k) for k in KINDS)))
            for call, how, kind in drawn(rng, kinds, args.runs):
                code, faults = one(COMMANDS[name], base, token, shim, call, how, kind)
                runs, refused, bad = runs + 1, refused + (code != 0), bad + bool(faults)
                for x in faults:
                    print("  %s, call %d (%s), %s: %s" % (name, call, kind, how, x))
                sys.stdout.flush()
    print("%d runs, %d of them refused, %d bad" % (runs, refused, bad))
    print("%s R116_a_command_that_meets_a_failed_call_says_so_and_can_be_run_again" % ("FAIL" if bad or not refused else "ok"))
    return 1 if bad or not refused else 0


if __name__ == "__main__":
    sys.exit(main())
