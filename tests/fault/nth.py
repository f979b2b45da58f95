#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nth.py [--every K] [--syncs N] [--kinds KINDS] [--seed S]: the N-th call that changes a file fails, for each N (R116).

First a run without a failure counts the calls of a start and a fixed load. Then for every K-th of them a daemon of its own
meets a failed write, sync, truncation, reservation or rename: each with an I/O error and with a full disk, and each write with
a short one, in which nothing fails and nothing may be refused (with K > 1 one of these in turn). It may refuse, stop or not
start at all; afterwards a daemon on a sound disk must hold what was acknowledged and nothing else, and the record must
verify. With --kinds rou it is reads, opened and deleted files instead. At last syncs fail for good, as on a disk that is
gone: then nothing is acknowledged any more, and the daemon says so.
"""
import argparse, http.client, os, random, subprocess, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "flows"))
sys.path.insert(0, os.path.dirname(__file__))
import fault_daemon, workload

PERSONS = 3
ALL = sum(len(workload.STAGES) - (key % 3 != 0) for key in range(PERSONS))
EIO, EMFILE, ENOSPC, SHORT = 5, 24, 28, "short"
CHANGES = "wsx"
HOW = {"w": (EIO, ENOSPC, SHORT), "x": (EIO, ENOSPC), "s": (EIO, ENOSPC), "r": (EIO,), "o": (EIO, EMFILE),
       "u": (EIO,)}  # by the kind of call, as nth.c logs it


def build_shim(folder):
    so = os.path.join(folder, "nth.so")
    subprocess.run([os.environ.get("CC", "gcc"), "-O1", "-shared", "-fPIC", "-o", so,
                    os.path.join(os.path.dirname(os.path.abspath(__file__)), "nth.c"), "-ldl"], check=True)
    return so


def walk(port, token, journal, first=0):
    """The load, one request after the other; a refusal leaves that person where they are."""
    client = workload.Client(port, token)
    for key in range(first, first + PERSONS):
        try:
            for stage in range(len(workload.STAGES) - (key % 3 != 0)):
                workload.step(client, journal, key, stage)
                if stage == 2:
                    workload.look(client, journal, key)
        except (RuntimeError, OSError, http.client.HTTPException):
            client = workload.Client(port, token)


def failing(shim, root, log, call, number, kinds=CHANGES):
    """What a process must have in its environment to meet the failure."""
    return {"LD_PRELOAD": shim, "NTH_ROOT": root, "NTH_CALL": str(call), "NTH_KINDS": kinds, "NTH_LOG": log,
            **({"NTH_SHORT": "1"} if number == SHORT else {"NTH_ERRNO": str(number)})}


def meet(folder, shim, call, number, kinds=CHANGES, syncs=False):
    """A daemon that meets the failure. Returns (data, token, journal, the daemon or None if it did not start)."""
    data, journal = os.path.join(folder, "data"), workload.Journal()
    token = fault_daemon.init(data)
    env = {**failing(shim, data, os.path.join(folder, "calls"), call, number, kinds), **({"NTH_SYNC": "1"} if syncs else {})}
    try:
        daemon = fault_daemon.Daemon(data, env=env)
    except RuntimeError as e:
        return data, token, journal, None, [] if "troth" in str(e) or ": " in str(e) else ["no word of why: %s" % e]
    walk(daemon.port, token, journal)
    return data, token, journal, daemon, []


def after(data, token, journal):
    """What a daemon on a sound disk finds."""
    try:
        daemon = fault_daemon.Daemon(data)
    except RuntimeError as e:
        return ["does not start again: %s" % e]
    try:
        faults = workload.check(data, daemon.port, token, journal, 1 << 62)
    finally:
        daemon.stop()
    return faults + fault_daemon.verify(data)


def one(shim, call, number, kinds):
    with tempfile.TemporaryDirectory(prefix="troth-nth-") as folder:
        data, token, journal, daemon, faults = meet(folder, shim, call, number, kinds)
        if daemon:
            daemon.kill()
        if number == SHORT and len(journal.acks) != ALL:
            faults.append("%d of %d acknowledgements after a short write" % (len(journal.acks), ALL))
        return len(journal.acks), ["call %d, %s: %s" % (call, number, x) for x in faults + after(data, token, journal)]


def calls_of_a_run(shim, kinds=CHANGES):
    """Their kinds, in order."""
    with tempfile.TemporaryDirectory(prefix="troth-nth-") as folder:
        data, token, journal, daemon, _ = meet(folder, shim, 1 << 40, EIO, kinds)
        daemon.kill()
        with open(os.path.join(folder, "calls")) as f:
            return f.read()


def gone(shim, call):
    """From the call-th sync on all fail: once one has failed nothing is acknowledged, and /healthz says so."""
    with tempfile.TemporaryDirectory(prefix="troth-nth-") as folder:
        data, token, journal, daemon, faults = meet(folder, shim, call, EIO, syncs=True)
        if daemon:
            acks = len(journal.acks)
            walk(daemon.port, token, journal, PERSONS)
            if len(journal.acks) != acks:
                faults.append("acknowledged after a sync had failed")
            status, _ = workload.Client(daemon.port, token).call("GET", "/healthz")
            if status != 503:
                faults.append("/healthz says %d" % status)
            daemon.kill()
        return len(journal.acks), ["sync %d: %s" % (call, x) for x in faults + after(data, token, journal)]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--every", type=int, default=1, help="only every K-th call, beginning at a random one")
    ap.add_argument("--kinds", default=CHANGES,
                    help="of which calls: w writes, s syncs, x other changes, r reads, o opened files, u deleted ones")
    ap.add_argument("--syncs", type=int, default=20, help="so many of the runs in which all syncs fail from one on")
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng, faults, acks, runs = random.Random(args.seed), [], 0, 0
    with tempfile.TemporaryDirectory(prefix="troth-shim-") as place:
        shim = build_shim(place)
        kinds = calls_of_a_run(shim, args.kinds)
        total, plan = len(kinds), []
        some = range(rng.randint(1, args.every), total + 1, args.every)
        for i, call in enumerate(sorted({*some, total})):  # the last one comes when much was acknowledged
            how = HOW[kinds[call - 1]]
            plan += [(one, call, h, args.kinds) for h in (how if args.every == 1 else (how[i % len(how)],))]
        plan += [(gone, 3 + 2 * i) for i in range(args.syncs)]
        for what, *with_ in plan:
            n, found = what(shim, *with_)
            runs, acks, faults = runs + 1, acks + n, faults + found
            if sys.stderr.isatty():
                print("\r%d/%d" % (runs, len(plan)), end="", file=sys.stderr)
    for x in faults[:20]:
        print("  " + x)
    print("%d runs of %d calls, %d acknowledgements, %d faults" % (runs, total, acks, len(faults)))
    print("%s R116_a_failed_call_loses_nothing_acknowledged" % ("FAIL" if faults or not acks else "ok"))
    return 1 if faults or not acks else 0


if __name__ == "__main__":
    sys.exit(main())
