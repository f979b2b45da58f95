#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killloop.py [--kills N] [--seed S]: kill -9 a working daemon N times; what it acknowledged must be there (R116).

One folder lives through all the kills, so that every recovery starts from what the last one left. Beside the callers an operator
is at work (keeper.py): the kill meets an import, a change of keys, a backup, the end of a quarter or a pruning. Segments of the
record are small, so that each run passes the end of some.
"""
import argparse, os, random, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(__file__))
import fault_daemon, keeper, workload


AT_MOST_S = 0.4  # until the kill


def one(data, token, journal, rng, first, persons, keep, task, clock):
    d = fault_daemon.Daemon(data, clock=clock)
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


def look_after(data, token, journal, keep, clock):
    d = fault_daemon.Daemon(data, clock=clock)
    faults = workload.check(data, d.port, token, journal, 1 << 62)
    faults += keep.check(1 << 62, workload.Client(d.port, token).call("GET", "/healthz")[1]["record"])
    d.stop()
    return faults


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--kills", type=int, default=30)
    ap.add_argument("--persons", type=int, default=400)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng, faults, acks, reads, proved, tasks = random.Random(args.seed), [], 0, 0, 0, dict.fromkeys(keeper.TASKS, 0)
    with tempfile.TemporaryDirectory(prefix="troth-kill-") as folder:
        data = os.path.join(folder, "data")
        token = fault_daemon.init(data)
        fault_daemon.small_segments(data)
        clock = keeper.Clock(os.path.join(folder, "clock"))
        for i in range(args.kills):
            journal, task = workload.Journal(), keeper.TASKS[i % len(keeper.TASKS)]
            keep = keeper.Keeper(data, folder, clock, "kill-%d" % i)
            one(data, token, journal, rng, i * args.persons, args.persons, keep, task, clock)
            faults += [f"kill {i} ({task}): {x}" for x in look_after(data, token, journal, keep, clock)]
            acks += len(journal.acks) + len(journal.reads) + len(keep.taken)
            reads += len(journal.reads)
            proved += journal.proved
            tasks[task] += len(keep.taken) + len(keep.generations) + len(keep.copies) + len(keep.minimums)
            if i % 10 == 9 or i == args.kills - 1:
                faults += [f"kill {i}: {x}" for x in fault_daemon.verify(data)]
            if sys.stderr.isatty():
                print(f"\r{i + 1}/{args.kills} kills", end="", file=sys.stderr)
    for x in sorted(faults, key=lambda x: "lost:" not in x and "phantom:" not in x)[:20]:
        print("  " + x)
    lost = [sum(x.count(word) for x in faults) for word in ("lost:", "phantom:")]
    print(f"{args.kills} kills, {acks} acknowledgements ({reads} reads), {proved} receipts, {tasks}, "
          f"lost {lost[0]}, phantom {lost[1]}, {len(faults)} faults")
    bad = faults or not acks or not proved or not reads
    print(f"{'FAIL' if bad else 'ok'} R116_kill_9_loses_nothing_acknowledged")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
