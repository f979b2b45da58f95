# SPDX-License-Identifier: Apache-2.0
"""The record, read from its segments without the program that wrote them (src/audit/DESIGN.md, "Bytes")."""
import os, struct

KINDS = {"created": 8, "agreed": 10, "collected": 3, "consented": 10, "withdrawn": 11, "erased": 7, "read": 2}
HEAD, RECORD = 36, 18


def kinds(data, lowest):
    """{index: kind} of every entry from `lowest` on, and of those before it in its segment."""
    folder, found = os.path.join(data, "audit"), {}
    names = sorted(n for n in os.listdir(folder) if n.startswith("segment-") and n[8:].isdigit())
    for name in reversed(names):
        with open(os.path.join(folder, name), "rb") as f:
            raw = f.read()
        index, at = struct.unpack(">Q", raw[24:32])[0], HEAD
        first = index
        while at + RECORD <= len(raw):
            length = struct.unpack_from(">I", raw, at)[0]
            if length == 0:
                break
            found[index] = raw[at + RECORD + 1]
            index, at = index + 1, at + 8 + length
        if first <= lowest:
            break
    return found


def check(data, acknowledged):
    """Faults, as sentences. `acknowledged`: (entry, what) pairs; an entry belongs to one acknowledgement."""
    if not acknowledged:
        return []
    there = kinds(data, min(entry for entry, _ in acknowledged))
    faults = ["lost: '%s' was acknowledged as entry %d, which is of kind %s" % (what, entry, there.get(entry))
              for entry, what in acknowledged if there.get(entry) != KINDS[what]]
    if len({entry for entry, _ in acknowledged}) != len(acknowledged):
        faults.append("an entry was given to two acknowledgements")
    return faults
