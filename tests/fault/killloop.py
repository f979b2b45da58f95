#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killloop.py [--kills N] [--each N] [--seed S]: kill -9 a working daemon N times; what it acknowledged must be there (R116).

One folder lives through --each kills, so that every recovery starts from what the last one left. Beside the callers an operator
is at work (keeper.py): the kill meets an import, a change of keys, a backup, the end of a quarter or a pruning. Segments of the
record are small, so that each run passes the end of some.
"""
import argparse, os, random, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(__file__))
import fault_daemon, keeper, workload


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


class Campaign:
    def __init__(self, rng, persons):
        self.rng, self.persons, self.kills = rng, persons, 0
        self.faults, self.acks, self.reads, self.proved, self.tasks = [], 0, 0, 0, dict.fromkeys(keeper.TASKS, 0)

    def kill(self, d, data, token, folder, clock):
        """The daemon that was asked what is there works on, until it is killed itself; returns the next one."""
        journal, task, name = workload.Journal(), keeper.TASKS[self.kills % len(keeper.TASKS)], f"kill {self.kills}"
        keep = keeper.Keeper(data, folder, clock, "kill-%d" % self.kills)
        journal.born = clock.born()
        faults = one(d, token, journal, self.rng, self.kills * self.persons, self.persons, keep, task)
        d = fault_daemon.Daemon(data, clock=clock)
        faults += look_after(d, data, token, journal, keep)
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

    def folder(self, kills):
        with tempfile.TemporaryDirectory(prefix="troth-kill-") as folder:
            data = os.path.join(folder, "data")
            token = fault_daemon.init(data)
            fault_daemon.small_segments(data)
            clock = keeper.Clock(os.path.join(folder, "clock"))
            for i in range(kills):
                if i % 10 == 0:
                    d = fault_daemon.Daemon(data, clock=clock)
                d = self.kill(d, data, token, folder, clock)
                if i % 10 == 9 or i == kills - 1:
                    self.verify(d, data)
                if sys.stderr.isatty():
                    print(f"\r{self.kills} kills", end="", file=sys.stderr)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--kills", type=int, default=30)
    ap.add_argument("--each", type=int, default=250)
    ap.add_argument("--persons", type=int, default=400)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    c = Campaign(random.Random(args.seed), args.persons)
    while c.kills < args.kills:
        c.folder(min(args.each, args.kills - c.kills))
    for x in sorted(c.faults, key=lambda x: "lost:" not in x and "phantom:" not in x)[:20]:
        print("  " + x)
    lost = [sum(x.count(word) for x in c.faults) for word in ("lost:", "phantom:")]
    print(f"{c.kills} kills, {c.acks} acknowledgements ({c.reads} reads), {c.proved} receipts, {c.tasks}, "
          f"lost {lost[0]}, phantom {lost[1]}, {len(c.faults)} faults")
    idle = c.kills >= KILLS_OF_ALL and not all(c.tasks.values())
    bad = c.faults or not c.acks or not c.proved or not c.reads or idle
    print(f"{'FAIL' if bad else 'ok'} R116_kill_9_loses_nothing_acknowledged")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
