#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killloop.py [--kills N] [--each N] [--seed S]: kill -9 a working daemon N times; what it acknowledged must be there (R116).

One folder lives through --each kills, so that every recovery starts from what the last one left. Beside the callers an operator
is at work (keeper.py): the kill meets an import, a change of keys, a backup, the end of a quarter or a pruning. Segments of the
record are small, so that each run passes the end of some. When a folder's life ends, and every --again kills, all that was ever
acknowledged in it is asked for once more, and who is kept must be somebody who was asked for.
"""
import argparse, os, random, sqlite3, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(__file__))
import entries, fault_daemon, keeper, workload


AT_MOST_S = 0.4  # until the kill
KILLS_OF_ALL = 50  # so many meet every task of the operator, and each task was done at least once


def one(d, token, journal, rng, first, persons, keep, task):
    """Work, and the kill."""
    threads, stop = workload.run(d.port, token, journal, first, persons)
    threads.append(keep.start(task, stop))
    wanted, end = rng.randint(1, 100), time.monotonic() + AT_MOST_S
    while len(journal.entries) < wanted and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.004))
    d.kill()
    stop.set()
    for t in threads:
        t.join()
    return [d.said()[-2000:]] if "Sanitizer" in d.said() else []


def look_after(d, data, token, journal, keep):
    faults = workload.check(data, d.port, token, journal, 1 << 62)
    return faults + keep.check(1 << 62, workload.Client(d.port, token).call("GET", "/healthz")[1]["record"])


def kept_persons(data):
    """Ids of all persons of the folder, those who were erased among them."""
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(data, "troth.db"), uri=True)
    try:
        return {row[0].hex() for row in db.execute("SELECT id FROM subject UNION SELECT id FROM erased")}
    finally:
        db.close()


class Life:
    """Everything that was acknowledged in one folder, whichever kill it came before."""

    def __init__(self, data):
        self.data, self.kills, self.known = data, [], set()

    def add(self, name, journal, keep):
        """After the check that follows a kill. Who is new and was not acknowledged was on the way when it came: no more than were
        asked for. From now on they stay."""
        self.kills.append((name, journal, keep))
        there = kept_persons(self.data)
        new = there - self.known - set(journal.subject.values()) - {person for _, _, person in keep.taken}
        self.known |= there
        most = journal.nameless() + keep.nameless()
        return [f"phantom: {len(new)} persons are kept whom nobody knows, {most} were on the way"] if len(new) > most else []

    def record(self):
        """Entries of all kills, as far as nothing was pruned."""
        there = entries.kinds(self.data, 0)
        first = min(there, default=0)
        told = [(entry, what) for _, journal, _ in self.kills for _, entry, what in journal.entries]
        faults = entries.check(self.data, [(entry, what) for entry, what in told if entry >= first])
        return faults + (["an entry was given at two kills"] if len({entry for entry, _ in told}) != len(told) else [])

    def again(self, port, token):
        """Nobody worked on the persons of a kill since: they are where the check after it saw them."""
        client, there = workload.Client(port, token), kept_persons(self.data)
        faults = ["lost: person %s is kept no more" % person for person in sorted(self.known - there)]
        faults += ["phantom: nobody knows person %s" % person for person in sorted(there - self.known)]
        for name, journal, keep in self.kills:
            found = workload.stage_faults(client, journal, journal.at, journal.at)[0] + keep.check(1 << 62, 1 << 62, thorough=False)
            faults += [f"of {name}: {x}" for x in found]
        return faults + self.record()


class Campaign:
    def __init__(self, rng, persons, again):
        self.rng, self.persons, self.kills, self.again, self.looked = rng, persons, 0, again, 0
        self.faults, self.acks, self.reads, self.proved, self.tasks = [], 0, 0, 0, dict.fromkeys(keeper.TASKS, 0)

    def kill(self, d, life, token, folder, clock):
        """The daemon that was asked what is there works on, until it is killed itself; returns the next one."""
        data, journal, task, name = life.data, workload.Journal(), keeper.TASKS[self.kills % len(keeper.TASKS)], f"kill {self.kills}"
        keep = keeper.Keeper(data, folder, clock, "kill-%d" % self.kills)
        journal.born = clock.born()
        faults = one(d, token, journal, self.rng, self.kills * self.persons, self.persons, keep, task)
        d = fault_daemon.Daemon(data, clock=clock)
        faults += look_after(d, data, token, journal, keep) + life.add(name, journal, keep)
        keep.faults = []
        self.faults += [f"{name} ({task}): {x}" for x in faults]
        self.acks += len(journal.acks) + len(journal.reads) + len(keep.taken)
        self.reads += len(journal.reads)
        self.proved += journal.proved
        self.tasks[task] += keep.done(task)
        self.kills += 1
        return d

    def verify(self, d, data):
        """The whole record, after an end that is no kill."""
        d.stop()
        self.faults += [f"kill {self.kills - 1}: {x}" for x in fault_daemon.verify(data)]

    def look_again(self, d, life, token):
        self.looked += sum(len(journal.at) + len(keep.taken) for _, journal, keep in life.kills)
        self.faults += [f"after kill {self.kills - 1}, {x}" for x in life.again(d.port, token)]

    def folder(self, kills):
        with tempfile.TemporaryDirectory(prefix="troth-kill-") as folder:
            life = Life(os.path.join(folder, "data"))
            token = fault_daemon.init(life.data)
            fault_daemon.small_segments(life.data)
            clock = keeper.Clock(os.path.join(folder, "clock"))
            for i in range(kills):
                if i % 10 == 0:
                    d = fault_daemon.Daemon(life.data, clock=clock)
                d = self.kill(d, life, token, folder, clock)
                if i % self.again == self.again - 1 or i == kills - 1:
                    self.look_again(d, life, token)
                if i % 10 == 9 or i == kills - 1:
                    self.verify(d, life.data)
                if sys.stderr.isatty():
                    print(f"\r{self.kills} kills", end="", file=sys.stderr)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--kills", type=int, default=30)
    ap.add_argument("--each", type=int, default=250)
    ap.add_argument("--again", type=int, default=50)
    ap.add_argument("--persons", type=int, default=400)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    c = Campaign(random.Random(args.seed), args.persons, args.again)
    while c.kills < args.kills:
        c.folder(min(args.each, args.kills - c.kills))
    for x in sorted(c.faults, key=lambda x: "lost:" not in x and "phantom:" not in x)[:20]:
        print("  " + x)
    lost = [sum(x.count(word) for x in c.faults) for word in ("lost:", "phantom:")]
    print(f"{c.kills} kills, {c.acks} acknowledgements ({c.reads} reads), {c.proved} receipts, {c.tasks}, "
          f"{c.looked} times a person was asked for again, lost {lost[0]}, phantom {lost[1]}, {len(c.faults)} faults")
    idle = c.kills >= KILLS_OF_ALL and not all(c.tasks.values())
    bad = c.faults or not c.acks or not c.proved or not c.reads or not c.looked or idle
    print(f"{'FAIL' if bad else 'ok'} R116_kill_9_loses_nothing_acknowledged")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
