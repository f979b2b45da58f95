#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recursive definitions of RFC 6962 section 2.1, word for word, as an oracle for src/merkle.

Writes rfc6962.txt: for each size 0..300 the root, SHA-256 over all inclusion proofs of that size one after another,
and SHA-256 over all consistency proofs from 1..size. Leaf i is the byte i % 256, i % 7 times.
"""
import hashlib
from functools import lru_cache

SIZES = 300
leaves = [bytes([i % 256]) * (i % 7) for i in range(SIZES)]


def sha(b):
    return hashlib.sha256(b).digest()


@lru_cache(maxsize=None)
def mth(lo, hi):
    n = hi - lo
    if n == 0:
        return sha(b"")
    if n == 1:
        return sha(b"\0" + leaves[lo])
    k = split(n)
    return sha(b"\1" + mth(lo, lo + k) + mth(lo + k, hi))


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m, lo, hi):
    n = hi - lo
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return path(m, lo, lo + k) + [mth(lo + k, hi)]
    return path(m - k, lo + k, hi) + [mth(lo, lo + k)]


def subproof(m, lo, hi, b):
    n = hi - lo
    if m == n:
        return [] if b else [mth(lo, hi)]
    k = split(n)
    if m <= k:
        return subproof(m, lo, lo + k, b) + [mth(lo + k, hi)]
    return subproof(m - k, lo + k, hi, False) + [mth(lo, lo + k)]


def line(size):
    inclusion = b"".join(b"".join(path(i, 0, size)) for i in range(size))
    consistency = b"".join(b"".join(subproof(m, 0, size, True)) for m in range(1, size + 1))
    return f"{size} {mth(0, size).hex()} {sha(inclusion).hex()} {sha(consistency).hex()}\n"


if __name__ == "__main__":
    import os
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rfc6962.txt")
    with open(out, "w") as f:
        f.writelines(line(size) for size in range(SIZES + 1))
