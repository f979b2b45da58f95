// SPDX-License-Identifier: Apache-2.0
// receipt.mjs KEY RECEIPT: a tlog-proof checked by the checkpoint and Merkle modules of @sigstore/verify. Exit code 0:
// it holds; 1: it does not, with the reason.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import checkpoints from "./node_modules/@sigstore/verify/dist/tlog/checkpoint.js";
import merkle from "./node_modules/@sigstore/verify/dist/tlog/merkle.js";

const LEAF = 94; // bytes; in a receipt the opening follows
const SPKI = Buffer.from("302a300506032b6570032100", "hex"); // Ed25519, RFC 8410

function logOf(vkey) {
    const [name, hash, ...rest] = vkey.trim().split("+");
    const raw = Buffer.from(rest.join("+"), "base64").subarray(1);
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
    return { logID: Buffer.from(hash, "hex"), baseURL: "https://" + name, publicKey };
}

function entryOf(text) {
    const cut = text.indexOf("\n\n");
    const lines = text.slice(0, cut).split("\n");
    if (lines[0] !== "c2sp.org/tlog-proof@v1" || !lines[1].startsWith("extra ") || !lines[2].startsWith("index "))
        throw new Error("not a tlog-proof with an entry");
    return {
        canonicalizedBody: Buffer.from(lines[1].slice(6), "base64").subarray(0, LEAF),
        inclusionProof: {
            logIndex: lines[2].slice(6),
            hashes: lines.slice(3).map((line) => Buffer.from(line, "base64")),
            checkpoint: { envelope: text.slice(cut + 2) },
        },
    };
}

const [key, receipt] = process.argv.slice(2).map((path) => readFileSync(path, "utf8"));
try {
    const entry = entryOf(receipt);
    merkle.verifyMerkleInclusion(entry, checkpoints.verifyCheckpoint(entry, [logOf(key)]));
    console.log("ok");
} catch (e) {
    console.error("receipt: " + e.message);
    process.exit(1);
}
