#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""powercut.py [--cuts N] [--seed S]: cut the power N times and see whether anything acknowledged is lost (R116, B4.1.p1).

A daemon works under rec.c's eyes. From the recording the disk is rebuilt as it may look after a cut at a random moment:
what was synced is there; of what was not, everything, nothing, or a random part torn at 512 bytes. A fresh daemon opens
each disk, the record is verified, and every acknowledged stage must hold. Directory entries are taken to be durable once
made; writes through mmap are not seen (see rec.c).
"""
import argparse, os, random, shutil, struct, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "flows"))
sys.path.insert(0, os.path.dirname(__file__))
import fault_daemon, workload

BLOCK = 4096
HEAD = struct.Struct("<BBHIqqQ")


class Disk:
    """Files as sparse blocks, with what is not yet synced beside them."""

    def __init__(self):
        self.files, self.pending = {}, {}

    def load(self, root):
        for folder, _, names in os.walk(root):
            for n in names:
                path = os.path.join(folder, n)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        put(self.files.setdefault(os.path.relpath(path, root), [0, {}]), 0, f.read())

    def apply(self, op, path, offset, data):
        if op in "wt":
            self.pending.setdefault(path, []).append((op, offset, data))
        elif op == "c":
            self.files.setdefault(path, [0, {}])
        elif op == "s":
            for p in self.pending.pop(path, []):
                settle(self.files.setdefault(path, [0, {}]), *p)
        elif op == "r":
            to = data.decode()
            self.files[to] = self.files.pop(path, [0, {}])
            self.pending[to] = self.pending.pop(path, [])
        elif op == "u":
            self.files.pop(path, None)
            self.pending.pop(path, None)

    def image(self, root, mode, rng):
        for path in set(self.files) | set(self.pending):
            size, blocks = self.files.get(path, [0, {}])
            f = [size, dict(blocks)]
            for p in self.pending.get(path, []):
                if mode == "keep":
                    settle(f, *p)
                elif mode == "tear":
                    tear(f, rng, *p)
            write_out(os.path.join(root, path), f)


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
        for i, b in f[1].items():
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
    data, log, journal = os.path.join(folder, "data"), os.path.join(folder, "ops"), workload.Journal()
    token = fault_daemon.init(data)
    disk = Disk()
    disk.load(data)
    d = fault_daemon.Daemon(data, env={"LD_PRELOAD": build_recorder(folder), "POWERCUT_ROOT": data, "POWERCUT_LOG": log})
    threads, _ = workload.run(d.port, token, journal, 0, persons)
    for t in threads:
        t.join()
    d.kill()
    return disk, recording(log), journal, token


def cut_one(disk, mode, rng, ns, journal, token, faults, label):
    with tempfile.TemporaryDirectory(prefix="troth-cut-") as root:
        disk.image(root, mode, rng)
        try:
            d = fault_daemon.Daemon(root)
        except RuntimeError as e:
            faults.append(f"{label}: does not start: {e}")
            return
        try:
            faults += [f"{label}: {x}" for x in workload.check(d.port, token, journal, ns)]
        finally:
            d.stop()
        faults += [f"{label}: {x}" for x in fault_daemon.verify(root)]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cuts", type=int, default=200)
    ap.add_argument("--persons", type=int, default=24)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng, faults = random.Random(args.seed), []
    with tempfile.TemporaryDirectory(prefix="troth-power-") as folder:
        disk, ops, journal, token = record(folder, args.persons)
        cuts = sorted(rng.randrange(1, len(ops)) for _ in range(args.cuts))
        done, modes = 0, {"drop": 0, "keep": 0, "tear": 0}
        for i, cut in enumerate(cuts):
            for op, path, _, offset, data in ops[done:cut]:
                disk.apply(op, path, offset, data)
            done = max(done, cut)
            mode = ("drop", "keep", "tear")[i % 3]
            modes[mode] += 1
            cut_one(disk, mode, rng, ops[cut][2], journal, token, faults, f"cut {i} before operation {cut} ({mode})")
            if sys.stderr.isatty():
                print(f"\r{i + 1}/{args.cuts} cuts", end="", file=sys.stderr)
    for x in faults[:20]:
        print("  " + x)
    print(f"{args.cuts} power cuts {modes}, {len(ops)} operations, {len(journal.acks)} acknowledgements, {len(faults)} faults")
    print(f"{'FAIL' if faults or not journal.acks else 'ok'} R116_power_cuts_lose_nothing_acknowledged")
    return 1 if faults or not journal.acks else 0


if __name__ == "__main__":
    sys.exit(main())
