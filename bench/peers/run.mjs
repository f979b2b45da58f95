// SPDX-License-Identifier: Apache-2.0
// node run.mjs REQUESTS [TSV]: asks Cedar and Casbin what bench/policy_peers asked ours. Every answer must be the same, or
// the run ends with 1; then a table of how long one decision takes, appended to TSV.
//
// Each engine is prepared once and asked in its fastest documented way: Cedar by statefulIsAuthorized on a policy set
// parsed before (preparsePolicySet), with the one entity that a request needs; Casbin by enforceSync.
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const RUNS = 9;
const MEASURED = 1000; // requests of one run
const require = createRequire(import.meta.url);
const here = (name) => new URL(name, import.meta.url);
const version = (name) => JSON.parse(readFileSync(here(`node_modules/${name}/package.json`))).version;

const rows = readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => line.split("\t"));

// Which category a field is of: the group lines of policy.csv.
const category = new Map(readFileSync(here("policy.csv"), "utf8").split("\n")
  .filter((line) => line.startsWith("g,")).map((line) => line.split(",").slice(1).map((word) => word.trim())));

function cedar() {
  const engine = require("@cedar-policy/cedar-wasm/nodejs");
  const parsed = engine.preparsePolicySet("peers", { staticPolicies: readFileSync(here("policy.cedar"), "utf8") });
  if (parsed.type !== "success") throw new Error(JSON.stringify(parsed));
  const calls = rows.map(([op, actor, subject, party, purpose, data, agreed, consent, opted, deIdentified, held]) => ({
    principal: { type: "Actor", id: actor },
    action: { type: "Action", id: op },
    resource: { type: "Field", id: data },
    context: {
      subject, party, purpose, agreed: agreed === "yes", consent: consent === "yes", "opted-out": opted === "yes",
      "de-identified": deIdentified === "yes", held: held === "yes",
    },
    preparsedPolicySetId: "peers",
    entities: [{ uid: { type: "Field", id: data }, attrs: {}, parents: [{ type: "Category", id: category.get(data) }] }],
  }));
  const decide = (i) => {
    const answer = engine.statefulIsAuthorized(calls[i]);
    if (answer.type !== "success" || answer.response.diagnostics.errors.length > 0) throw new Error(JSON.stringify(answer));
    return answer.response.decision === "allow";
  };
  return { name: "peers-cedar", what: `@cedar-policy/cedar-wasm ${version("@cedar-policy/cedar-wasm")}, statefulIsAuthorized`, decide };
}

async function casbin() {
  const { newEnforcer, newModelFromString } = require("casbin");
  const { FileAdapter } = require("casbin");
  const enforcer = await newEnforcer(newModelFromString(readFileSync(here("model.conf"), "utf8")),
                                     new FileAdapter(here("policy.csv").pathname));
  const calls = rows.map((row) => row.slice(0, 11));
  return { name: "peers-casbin", what: `casbin ${version("casbin")}, enforceSync`, decide: (i) => enforcer.enforceSync(...calls[i]) };
}

function disagreement(engine) {
  const i = rows.findIndex((row, at) => engine.decide(at) !== (row[11] === "allow"));
  return i < 0 ? null : `${engine.name} and troth differ: ${rows[i].join(" ")}`;
}

function measure(engine) {
  const took = [];
  for (let run = 0; run < RUNS; run++) {
    const n = Math.min(MEASURED, rows.length);
    const start = process.cpuUsage();
    for (let i = 0; i < n; i++) engine.decide((run * n + i) % rows.length);
    const used = process.cpuUsage(start);
    took.push((used.user + used.system) * 1000 / n);
  }
  return took.sort((a, b) => a - b);
}

const figure = (ns) => ns.toFixed(2).padStart(10);
const engines = [cedar(), await casbin()];
for (const engine of engines) {
  const wrong = disagreement(engine);
  if (wrong) {
    console.error(wrong);
    process.exit(1);
  }
}
for (const engine of engines) {
  const took = measure(engine);
  console.log(`${engine.name.padEnd(16)} ${figure(took[RUNS >> 1])} ${figure(took[0])} ${figure(took[RUNS - 1])}  ns`);
  if (process.argv[3]) appendFileSync(process.argv[3], `${engine.name}\t${took[RUNS >> 1].toFixed(2)}\tns\n`);
}
const allowed = rows.filter((row) => row[11] === "allow").length;
console.log(`all three gave the same ${rows.length} answers, ${allowed} of them allow; ${engines.map((e) => e.what).join("; ")}; node ${process.version}`);
