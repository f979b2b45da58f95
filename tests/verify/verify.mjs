// SPDX-License-Identifier: Apache-2.0
// verify.mjs receipt KEY RECEIPT: a tlog-proof, with what opens its entry or without; verify.mjs log MIRROR [OLDER]: a copy of a log, and a head it must
// contain. MIRROR holds key, checkpoint, and tile/ as they are served, bundles of entries included. Signatures and
// proofs are checked by the checkpoint and Merkle modules of @sigstore/verify; here proofs are only put together from
// the tiles, as any client of C2SP tlog-tiles does. Exit code 0: all of it holds; 1: it does not, with the reason and what it
// is about.
//
// @sigstore/verify checks inclusion and knows no proof of consistency. So a log is held against an older head by the
// inclusion of that head's last entry: in the tree of the old size all its neighbours stand to its left, so that its
// path, made of what is shown now, covers every entry the old head covered.
import { createHash, createHmac, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import checkpoints from "./node_modules/@sigstore/verify/dist/tlog/checkpoint.js";
import merkle from "./node_modules/@sigstore/verify/dist/tlog/merkle.js";

// Bytes of the leaf, which ends with HMAC-SHA256(r, detail); in a receipt r and the detail in clear follow.
const LEAF = 94, KIND_AT = 1, COMMIT_AT = 62, R = 32;
const HEIGHT = 8, WIDTH = 1 << HEIGHT, HASH = 32;
const SPKI = Buffer.from("302a300506032b6570032100", "hex"); // Ed25519, RFC 8410

function logOf(vkey) {
    const [name, hash, ...rest] = vkey.trim().split("+");
    const raw = Buffer.from(rest.join("+"), "base64").subarray(1);
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
    return { logID: Buffer.from(hash, "hex"), baseURL: "https://" + name, publicKey };
}

function entryOf(leaf, index, hashes, envelope) {
    return {
        canonicalizedBody: leaf,
        inclusionProof: { logIndex: String(index), hashes, checkpoint: { envelope } },
    };
}

// The error says what it is about: a refusal of one thing must not pass for that of another.
function about(what, check) {
    try {
        return check();
    } catch (e) {
        throw new Error(what + ": " + e.message);
    }
}

// ---- Receipts

// What an entry is of: its kind and, if the opening is there, the detail it commits to.
function opened(leaf, opening) {
    if (opening.length === 0)
        return `kind ${leaf[KIND_AT]}, not opened`;
    const r = opening.subarray(0, R), detail = opening.subarray(R);
    if (!createHmac("sha256", r).update(detail).digest().equals(leaf.subarray(COMMIT_AT)))
        throw new Error("the entry does not commit to this detail");
    return `kind ${leaf[KIND_AT]}: ${detail}`;
}

function receipt(keyPath, path) {
    const text = readFileSync(path, "utf8");
    const cut = text.indexOf("\n\n");
    const lines = text.slice(0, cut).split("\n");
    if (lines[0] !== "c2sp.org/tlog-proof@v1" || !lines[1].startsWith("extra ") || !lines[2].startsWith("index "))
        throw new Error("not a tlog-proof with an entry");
    const extra = Buffer.from(lines[1].slice(6), "base64"), leaf = extra.subarray(0, LEAF);
    const hashes = lines.slice(3).map((line) => Buffer.from(line, "base64"));
    const entry = entryOf(leaf, lines[2].slice(6), hashes, text.slice(cut + 2));
    merkle.verifyMerkleInclusion(entry, checkpoints.verifyCheckpoint(entry, [logOf(readFileSync(keyPath, "utf8"))]));
    return opened(leaf, extra.subarray(LEAF));
}

// ---- A log

class Mirror {
    constructor(folder) {
        this.folder = folder;
        this.files = new Map();
        this.known = new Map();
        this.key = logOf(readFileSync(folder + "/key", "utf8"));
        this.head = about("checkpoint", () => this.open(readFileSync(folder + "/checkpoint", "utf8")));
        this.size = Number(this.head.logSize);
    }

    open(envelope) {
        return checkpoints.verifyCheckpoint(entryOf(null, 0, [], envelope), [this.key]);
    }

    file(kind, index, count) {
        const left = count - index * WIDTH;
        const name = `tile/${kind}/${String(index).padStart(3, "0")}` + (left < WIDTH ? `.p/${left}` : "");
        if (!this.files.has(name))
            this.files.set(name, readFileSync(`${this.folder}/${name}`));
        return this.files.get(name);
    }

    leaf(index) {
        const bundle = this.file("entries", Math.floor(index / WIDTH), this.size);
        let at = 0;
        for (let i = index % WIDTH; i > 0; i--)
            at += 2 + bundle.readUInt16BE(at);
        return bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at));
    }

    // The hash of the entries [from, from + n): out of a tile where a tile has it, else of its halves.
    hash(from, n) {
        const name = from + ":" + n;
        if (this.known.has(name))
            return this.known.get(name);
        const level = Math.log2(n) / HEIGHT;
        let value;
        if (Number.isInteger(level)) {
            const place = from / n;
            const tile = this.file(level, Math.floor(place / WIDTH), Math.floor(this.size / n));
            value = tile.subarray((place % WIDTH) * HASH, (place % WIDTH + 1) * HASH);
        } else {
            const left = half(n);
            value = createHash("sha256").update(Buffer.from([1])).update(this.hash(from, left))
                .update(this.hash(from + left, n - left)).digest();
        }
        this.known.set(name, value);
        return value;
    }

    // RFC 6962, 2.1.1: the neighbours on the way from entry `index` to the root of the first `size`, nearest first.
    path(index, from, size) {
        if (size === 1)
            return [];
        const left = half(size);
        if (index - from < left)
            return [...this.path(index, from, left), this.hash(from + left, size - left)];
        return [...this.path(index, from + left, size - left), this.hash(from, left)];
    }

    includes(index, head) {
        const shown = index < this.size; // else the verifier is asked about an entry that is not there
        const leaf = shown ? this.leaf(index) : Buffer.alloc(0);
        const hashes = shown ? this.path(index, 0, Number(head.logSize)) : [];
        merkle.verifyMerkleInclusion(entryOf(leaf, index, hashes, ""), head);
    }
}

// The largest power of two below n.
function half(n) {
    let k = 1;
    while (2 * k < n)
        k *= 2;
    return k;
}

function log(folder, older) {
    const m = new Mirror(folder);
    for (let i = 0; i < m.size; i++)
        about("entry " + i, () => m.includes(i, m.head));
    if (older !== undefined) {
        const then = about("older head", () => m.open(readFileSync(older, "utf8")));
        const last = Number(then.logSize) - 1;
        about("end of the older head", () => m.includes(last, m.head));
        about("older head", () => m.includes(last, then));
    }
    return m.size + " entries";
}

const [what, ...paths] = process.argv.slice(2);
try {
    console.log({ receipt, log }[what](...paths));
} catch (e) {
    console.error(what + ": " + e.message);
    process.exit(1);
}
