#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killloop.py [--kills N] [--seed S]: kill -9 a working daemon N times; what it acknowledged must be there (R116).

One folder lives through all the kills, so that every recovery starts from what the last one left.
"""
import argparse, os, random, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(__file__))
import fault_daemon, workload


def one(data, token, journal, rng, first, persons):
    d = fault_daemon.Daemon(data)
    threads, stop = workload.run(d.port, token, journal, first, persons)
    time.sleep(rng.uniform(0.005, 0.15))
    d.kill()
    stop.set()
    for t in threads:
        t.join()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--kills", type=int, default=30)
    ap.add_argument("--persons", type=int, default=400)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng, faults, acks, proved = random.Random(args.seed), [], 0, 0
    with tempfile.TemporaryDirectory(prefix="troth-kill-") as folder:
        data = os.path.join(folder, "data")
        token = fault_daemon.init(data)
        for i in range(args.kills):
            journal = workload.Journal()
            one(data, token, journal, rng, i * args.persons, args.persons)
            d = fault_daemon.Daemon(data)
            faults += [f"kill {i}: {x}" for x in workload.check(d.port, token, journal, 1 << 62)]
            d.stop()
            acks += len(journal.acks)
            proved += journal.proved
        faults += fault_daemon.verify(data)
    for x in faults[:20]:
        print("  " + x)
    print(f"{args.kills} kills, {acks} acknowledgements, {proved} receipts, {len(faults)} faults")
    print(f"{'FAIL' if faults or not acks or not proved else 'ok'} R116_kill_9_loses_nothing_acknowledged")
    return 1 if faults or not acks or not proved else 0


if __name__ == "__main__":
    sys.exit(main())
