# SPDX-License-Identifier: Apache-2.0
"""Receipts of acknowledged changes, checked without the program that made them.

A tlog-proof is recomputed here: the entry's hash, the way to the root, the opening of its commitment. The signature under
the head is left to `troth audit receipt verify`, once for each head that receipts rest on.
"""
import base64, hashlib, hmac, json, os, subprocess, tempfile, time

LEAF = 94
PUBLISHED_S = 120  # a checkpoint comes every quarter of a second


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaf, index, size, proof):
    """RFC 9162, 2.1.3.2; None if the proof has not the length it must have."""
    fn, sn, r, rest = index, size - 1, hashlib.sha256(b"\0" + leaf).digest(), list(proof)
    while rest:
        p = rest.pop(0)
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return r if sn == 0 else None


def check(text, asked):
    """The fault of a receipt for what was acknowledged, or None; and the signed head it rests on."""
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1":
        return "it is no tlog-proof", note
    extra = base64.b64decode(lines[1][len("extra "):])
    index = int(lines[2][len("index "):])
    leaf, opening = extra[:LEAF], extra[LEAF:]
    size, root = int(note.split("\n")[1]), base64.b64decode(note.split("\n")[2])
    if index != asked["entry"]:
        return "it is of entry %d, %d was acknowledged" % (index, asked["entry"]), note
    if base64.b64decode(asked["opening"]) != opening:
        return "it opens another detail than was acknowledged", note
    if hmac.new(opening[:32], opening[32:], hashlib.sha256).digest() != leaf[-32:]:
        return "its detail is not what the entry commits to", note
    if root_of(leaf, index, size, [base64.b64decode(line) for line in lines[3:]]) != root:
        return "the entry is not under the head", note
    return None, note


def signed(troth, key, text):
    """Whether the log's key signed the head of this receipt."""
    with tempfile.TemporaryDirectory(prefix="troth-receipt-") as place:
        path = os.path.join(place, "receipt")
        with open(path, "w") as f:
            f.write(text)
        done = subprocess.run([troth, "audit", "receipt", "verify", path, "--key", key], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stderr.strip()


def fetch(ask, receipt):
    """The receipt, as soon as a head covers the entry."""
    end = time.monotonic() + PUBLISHED_S
    while True:
        status, body = ask("POST", "/v1/receipts", {"entry": receipt["entry"], "opening": receipt["opening"]})
        if status not in (429, 503) or time.monotonic() > end:
            return status, body.decode(errors="replace")
        time.sleep(0.1)


def check_all(ask, troth, journal, before_ns):
    """`ask` makes a request and gives status and bytes. Faults, as sentences, and how many receipts were good."""
    faults, heads, good = [], {}, 0
    key = ask("GET", "/audit/key", None)[1].decode()
    for ns, person, what, receipt in journal.receipts:
        if ns >= before_ns:
            continue
        status, text = fetch(ask, receipt)
        why, note = check(text, receipt) if status == 200 else ("status %d: %s" % (status, text[:200]), None)
        if why is None and note not in heads:
            heads[note] = signed(troth, key, text)
        why = why or heads[note]
        good += why is None
        if why:
            faults.append("receipt of person %s, '%s': %s" % (person, what, why))
    return faults, good
