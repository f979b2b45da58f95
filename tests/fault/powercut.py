#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""powercut.py [--cuts N] [--each N] [--seed S]: cut the power N times and see whether anything acknowledged is lost (R116, B4.1.p1).

A daemon works under rec.c's eyes. From the recording the disk is rebuilt as it may look after a cut at a random moment:
what was synced is there; of what was not, everything, nothing, or a random part torn at 512 bytes. A fresh daemon opens
each disk, the record is verified, and every acknowledged stage, read and deed of the operator (keeper.py) must hold. Names
that were made, changed or removed are there once their folder was synced; of those that were not, all, none or the first few.
Writes through mmap are not seen (see rec.c). Segments of the record are small, so that the run passes the end of some.
A recording serves for --each cuts, then another is made. Cuts that leave the same disk are looked at once: as the latest of
them, by which most was acknowledged.
"""
import argparse, os, random, shutil, struct, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "flows"))
sys.path.insert(0, os.path.dirname(__file__))
import fault_daemon, keeper, workload

BLOCK = 4096
QUARTER = 14  # of the run: the first one's time in the record is over
HEAD = struct.Struct("<BBHIqqQ")


class Disk:
    """Files as sparse blocks, with what is not yet synced beside them; and their names, with those that are not."""

    def __init__(self):
        self.files, self.pending = [], {}   # by number; of a number
        self.now, self.sure, self.moves = {}, {}, []  # names as a process sees them; as a cut leaves them; what is between

    def load(self, root):
        for folder, _, names in os.walk(root):
            for n in names:
                path = os.path.join(folder, n)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        put(self.files[self.made(os.path.relpath(path, root))], 0, f.read())
        self.settle_names(len(self.moves))

    def made(self, path):
        if path not in self.now:
            self.files.append([0, {}])
            self.now[path] = len(self.files) - 1
            self.moves.append(("c", path, self.now[path]))
        return self.now[path]

    def settle_names(self, count):
        for move in self.moves[:count]:
            rename(self.sure, *move)
        del self.moves[:count]

    def synced(self, path):
        """A file, or a folder: the names in it are sure now, and, as file systems keep the order, all made before them."""
        if path in self.now:
            for p in self.pending.pop(self.now[path], []):
                settle(self.files[self.now[path]], *p)
            return
        ours = [i for i, (_, name, *to) in enumerate(self.moves)
                if os.path.dirname(name) == path or (to and isinstance(to[0], str) and os.path.dirname(to[0]) == path)]
        self.settle_names(ours[-1] + 1 if ours else 0)

    def apply(self, op, path, offset, data):
        if op in "wt":
            self.pending.setdefault(self.made(path), []).append((op, offset, data))
        elif op == "c":
            self.made(path)
        elif op == "s":
            self.synced(path)
        else:
            move = (op, path, data.decode()) if op == "r" else (op, path)
            rename(self.now, *move)
            self.moves.append(move)

    def image(self, root, mode, rng):
        names = dict(self.sure)
        upto = {"drop": 0, "keep": len(self.moves), "tear": rng.randint(0, len(self.moves))}[mode]
        for move in self.moves[:upto]:
            rename(names, *move)
        for path, number in names.items():
            size, blocks = self.files[number]
            f = [size, dict(blocks)]
            for p in self.pending.get(number, []):
                if mode == "keep":
                    settle(f, *p)
                elif mode == "tear":
                    tear(f, rng, *p)
            write_out(os.path.join(root, path), f)


def rename(names, op, path, to=None):
    if op == "c":
        names[path] = to
    elif op == "u":
        names.pop(path, None)
    elif path in names:
        names[to] = names.pop(path)


def put(f, offset, data):
    f[0] = max(f[0], offset + len(data))
    at = 0
    while at < len(data):
        i, into = divmod(offset + at, BLOCK)
        n = min(BLOCK - into, len(data) - at)
        old = f[1].get(i, bytes(BLOCK))
        f[1][i] = old[:into] + data[at:at + n] + old[into + n:]
        at += n


def settle(f, op, offset, data):
    if op == "w":
        return put(f, offset, data)
    f[0] = offset
    for i in [i for i in f[1] if i * BLOCK >= offset]:
        del f[1][i]
    if offset % BLOCK and offset // BLOCK in f[1]:
        f[1][offset // BLOCK] = f[1][offset // BLOCK][:offset % BLOCK].ljust(BLOCK, b"\0")


def tear(f, rng, op, offset, data):
    if op == "t":
        return settle(f, op, offset, data) if rng.random() < 0.5 else None
    for at in range(0, len(data), 512):
        if rng.random() < 0.5:
            put(f, offset + at, data[at:at + 512])


def write_out(path, f):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.truncate(f[0])
        for i, b in sorted(f[1].items()):
            if i - 1 not in f[1]:  # where the block before was written, we stand already
                out.seek(i * BLOCK)
            out.write(b[:max(0, min(BLOCK, f[0] - i * BLOCK))])
    os.chmod(path, 0o600)


def recording(log):
    ops, raw, at = [], open(log, "rb").read(), 0
    while at + HEAD.size <= len(raw):
        op, _, path_len, _, ns, offset, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        path = raw[at:at + path_len].decode()
        at += path_len
        data = raw[at:at + length] if chr(op) in "wr" else b""
        at += len(data)
        ops.append((chr(op), path, ns, offset, data))
    return ops


def build_recorder(folder):
    so = os.path.join(folder, "rec.so")
    subprocess.run([os.environ.get("CC", "gcc"), "-O1", "-shared", "-fPIC", "-o", so,
                    os.path.join(os.path.dirname(os.path.abspath(__file__)), "rec.c"), "-ldl"], check=True)
    return so


def record(folder, persons):
    """A folder with an old quarter in its record, and what a daemon does to it in a run with everything in it."""
    data, log, journal = os.path.join(folder, "data"), os.path.join(folder, "ops"), workload.Journal()
    token = fault_daemon.init(data)
    fault_daemon.small_segments(data)
    clock = keeper.Clock(os.path.join(folder, "clock"))
    keep = keeper.Keeper(data, folder, clock, "before")
    d = fault_daemon.Daemon(data, clock=clock)
    keep.take_in()
    clock.turn()
    keep.take_in()
    d.stop()
    clock.quarter = QUARTER
    clock.write()
    disk, keep = Disk(), keeper.Keeper(data, folder, clock, "during")
    disk.load(data)
    d = fault_daemon.Daemon(data, env={"LD_PRELOAD": build_recorder(folder), "POWERCUT_ROOT": data, "POWERCUT_LOG": log}, clock=clock)
    threads, _ = workload.run(d.port, token, journal, 0, persons)
    keep.each_once()
    for t in threads:
        t.join()
    d.kill()
    return disk, recording(log), journal, token, keep


def cut_one(disk, mode, rng, ns, journal, token, keep, faults, label, thorough):
    with tempfile.TemporaryDirectory(prefix="troth-cut-") as root:
        disk.image(root, mode, rng)
        try:
            d = fault_daemon.Daemon(root, clock=keep.clock)
        except RuntimeError as e:
            faults.append(f"{label}: lost: does not start: {e}")
            return
        try:
            found = workload.check(root, d.port, token, journal, ns)
            keep.data = root
            found += keep.check(ns, workload.Client(d.port, token).call("GET", "/healthz")[1]["record"], thorough)
            faults += [f"{label}: {x}" for x in found]
        finally:
            d.stop()
        faults += [f"{label}: {x}" for x in fault_daemon.verify(root)]


def disks(ops, count, rng):
    """(cut, mode) in order of the cuts, without those that leave the same disk as a later one; and how many of each mode."""
    cuts = [(cut, ("drop", "keep", "tear")[i % 3]) for i, cut in enumerate(sorted(rng.randrange(1, len(ops)) for _ in range(count)))]
    syncs, n, last = [], 0, {}
    for op in ops:
        syncs.append(n)  # before it
        n += op[0] == "s"
    for i, (cut, mode) in enumerate(cuts):
        last[mode, {"drop": syncs[cut], "keep": cut, "tear": -i}[mode]] = (cut, mode)
    return sorted(last.values()), {mode: sum(m == mode for _, m in cuts) for mode in ("drop", "keep", "tear")}


class Campaign:
    def __init__(self, rng):
        self.rng, self.faults, self.modes, self.cuts, self.disks, self.operations, self.acks, self.reads = rng, [], {}, 0, 0, 0, 0, 0
        self.nothing_done = False

    def recorded(self, folder, persons, count, name):
        disk, ops, journal, token, keep = record(folder, persons)
        wanted, modes = disks(ops, count, self.rng)
        done = 0
        for i, (cut, mode) in enumerate(wanted):
            for op, path, _, offset, data in ops[done:cut]:
                disk.apply(op, path, offset, data)
            done = max(done, cut)
            label = f"{name}: before operation {cut} ({mode})"
            cut_one(disk, mode, self.rng, ops[cut][2], journal, token, keep, self.faults, label, i % 8 == 0)
            if sys.stderr.isatty():
                print(f"\r{name}: {i + 1}/{len(wanted)} disks", end="", file=sys.stderr)
        self.modes = {m: self.modes.get(m, 0) + n for m, n in modes.items()}
        self.cuts, self.disks, self.operations = self.cuts + count, self.disks + len(wanted), self.operations + len(ops)
        self.acks += len(journal.acks) + len(journal.reads) + len(keep.taken)
        self.reads += len(journal.reads)
        self.nothing_done |= not journal.acks or not journal.reads


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cuts", type=int, default=200)
    ap.add_argument("--each", type=int, default=1000)
    ap.add_argument("--persons", type=int, default=16)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    c, left, number = Campaign(random.Random(args.seed)), args.cuts, 0
    while left > 0:
        number += 1
        with tempfile.TemporaryDirectory(prefix="troth-power-") as folder:
            c.recorded(folder, args.persons, min(left, args.each), f"recording {number}")
        left -= args.each
    for x in sorted(c.faults, key=lambda x: "lost:" not in x and "phantom:" not in x)[:20]:
        print("  " + x)
    lost = [sum(x.count(word) for x in c.faults) for word in ("lost:", "phantom:")]
    print(f"{c.cuts} power cuts {c.modes} of {number} recordings, {c.disks} different disks, {c.operations} operations, "
          f"{c.acks} acknowledgements ({c.reads} reads), lost {lost[0]}, phantom {lost[1]}, {len(c.faults)} faults")
    bad = c.faults or c.nothing_done
    print(f"{'FAIL' if bad else 'ok'} R116_power_cuts_lose_nothing_acknowledged")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
