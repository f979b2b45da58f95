// SPDX-License-Identifier: Apache-2.0
// node run.mjs URL [--shots FOLDER]: looks at every page with a real browser, without JavaScript, as a phone and as a
// desk, in both languages and both colour schemes. Prints one `ok` or `FAIL` line a check; exits 1 if any failed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const base = new URL(process.argv[2] ?? "http://127.0.0.1:8080");
const shots = process.argv[3] === "--shots" ? process.argv[4] : null;

const question = "/try?subject=child&service=games&operation=collect&purpose=registration-login&field=contact-phone&field=log-language";
const pages = {
  home: "/",
  policy: "/policies",
  group: "/policies/group",
  opened: "/policies/children?clause=all",
  catalogue: "/policies/catalogue",
  over: "/policies/music/1",
  changed: "/policies/music/2",
  announced: "/policies/music/3",
  unpublished: "/policies/music/9",
  try: "/try",
  answer: question,
  unknown: "/try?purpose=delivry&field=contact-phone",
  record: "/record",
  missing: "/no-such-page",
};
const missing = ["missing", "unpublished"];
const short = ["home", "answer", "unknown", "record", "missing", "over"];
const languages = ["en", "zh-CN"];
const measured = { phone: "en", desk: "zh-CN" };
const views = {
  phone: { viewport: { width: 360, height: 800 }, colorScheme: "light", hasTouch: true },
  desk: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
};

let failed = 0;
let passed = 0;
function check(name, problem) {
  if (problem) failed++;
  else passed++;
  console.log(problem ? `FAIL ${name}: ${problem}` : `ok   ${name}`);
}

// Contexts stay open, one for each set of options: a page begun anew costs a process.
const contexts = new Map();
async function standing(browser, options) {
  const key = JSON.stringify(options);
  if (contexts.has(key)) return contexts.get(key);
  const context = await browser.newContext({ ...options, javaScriptEnabled: options.script ?? false });
  const seen = { context, page: await context.newPage() };
  seen.page.on("request", (r) => new URL(r.url()).origin === base.origin || seen.foreign.push(r.url()));
  seen.page.on("response", (r) => r.status() >= 400 && r.url() !== seen.page.url() && !r.request().isNavigationRequest() && seen.broken.push(r.url()));
  contexts.set(key, seen);
  return seen;
}

async function visit(browser, options, path) {
  const seen = await standing(browser, options);
  seen.foreign = [];
  seen.broken = [];
  seen.response = await seen.page.goto(new URL(path, base).href, { waitUntil: "load" });
  return seen;
}

// For what clicks and types: a context that nothing was done in before.
async function open(browser, options, path) {
  const context = await browser.newContext({ ...options, javaScriptEnabled: options.script ?? false });
  const page = await context.newPage();
  await page.goto(new URL(path, base).href, { waitUntil: "load" });
  return { context, page };
}

// What a person needs of a page, looked at without JavaScript in the page.
async function look(browser, name, path, locale, view) {
  const label = `${name} ${locale} ${view}`;
  const seen = await visit(browser, { ...views[view], locale }, path);
  const { page, response } = seen;
  check(`${label}: answers`, response.status() === (missing.includes(name) ? 404 : 200) ? null : `status ${response.status()}`);
  check(`${label}: asks no other host`, seen.foreign.join(" ") || null);
  check(`${label}: nothing broken`, seen.broken.join(" ") || null);
  check(`${label}: language is declared`, (await page.locator(`html[lang="${locale}"]`).count()) === 1 ? null : "no");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  check(`${label}: no scrolling sideways`, wide > 0 ? `${wide} px too wide` : null);
  check(`${label}: one h1`, (await page.locator("h1").count()) === 1 ? null : `${await page.locator("h1").count()}`);
  check(`${label}: one link to the policy at most away`, (await page.locator('a[href="/policies"]').count()) ? null : "no link");
  if (shots) await page.screenshot({ path: `${shots}/${name}-${locale}-${view}.png`, fullPage: true });
}

// axe takes most of the time. A page is the same in both languages but for its words, and at both sizes but for its layout:
// axe sees it in English on a phone in light and in Chinese at a desk in dark, and short pages, which have what all pages
// share, in the other colours, too: without a second visit, for to load axe takes as long as to ask it about a short page.
// axe needs script, so it looks at the same page in a context of its own. The page's own
// rules forbid scripts; bypassing them is the tester's, not the page's.
async function measure(browser, name, path, view) {
  const locale = measured[view];
  const schemes = short.includes(name) ? ["light", "dark"] : [views[view].colorScheme];
  const { page } = await visit(browser, { ...views[view], locale, script: true, bypassCSP: true }, path);
  await page.addScriptTag({ content: axeSource });
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const found = violations.map((v) => `${v.id} (${v.nodes.length}): ${v.nodes[0].html.slice(0, 160)}`);
    check(`${name} ${locale} ${view} ${colorScheme}: axe`, found.join(" | ") || null);
  }
}

// The document itself is in the language of the page; what it says in Latin letters is code, or a name.
async function translated(browser) {
  for (const path of ["/policies/group", "/policies/children", "/policies/games", "/policies/music", "/policies/catalogue"]) {
    const { context, page } = await open(browser, { ...views.phone, locale: "zh-CN" }, path + "?clause=all");
    check(`${path} zh-CN: the prose is Chinese`, (await page.locator('article.prose[lang="zh-CN"]').count()) === 1 ? null : "it is not");
    const left = await page.locator("article.prose :is(p, li, th, td, h2, h3):not(:has(code))").allInnerTexts();
    const english = left.filter((t) => /[a-z]{3,} [a-z]{2,} [a-z]{2,}/.test(t));
    check(`${path} zh-CN: no English prose is left`, english[0] ?? null);
    await context.close();
  }
}

// From the text in force, by keyboard, to what an announced revision will change, and back.
async function revisions(browser) {
  for (const [locale, lost] of [["en", "Your rights shrink"], ["zh-CN", "您的权利有所减少"]]) {
    const { context, page } = await open(browser, { ...views.phone, locale }, "/policies/music");
    const first = await page.locator("#changes h3").first().innerText();
    check(`revisions ${locale}: lost rights come first`, first.startsWith(lost) ? null : first);
    await page.locator(".standing a").last().focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/music\/3#changes$/, { waitUntil: "load" });
    await page.locator(".line summary").focus();
    await page.keyboard.press("Enter");
    const shown = await page.locator(".line a:visible").count();
    check(`revisions ${locale}: all of them are listed`, shown === 3 ? null : `${shown}`);
    await page.locator(".line a").last().focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/music\/1$/, { waitUntil: "load" });
    await page.emulateMedia({ media: "print" });
    check(`revisions ${locale}: where it stands is printed`, (await page.locator(".standing").isVisible()) ? null : "it is not");
    await context.close();
  }
}

// On paper: what is for the screen is gone, the prose and the tables are there.
async function paper(browser) {
  const { context, page } = await open(browser, { ...views.desk, locale: "zh-CN" }, "/policies/group");
  await page.emulateMedia({ media: "print" });
  check("paper: no navigation", (await page.locator(".outline").isVisible()) ? "it is printed" : null);
  check("paper: the tables are printed", (await page.locator("#t-keep").isVisible()) ? null : "not visible");
  const ink = await page.locator("article.prose").evaluate((e) => getComputedStyle(e).color);
  check("paper: dark ink", /^rgb\(([0-5]?\d), /.test(ink) ? null : ink);
  await context.close();
}

// By keyboard alone: the first Tab offers the way past the navigation, and every stop can be seen.
async function keyboard(browser) {
  const { context, page } = await open(browser, views.desk, "/");
  await page.keyboard.press("Tab");
  const skip = page.locator("a.skip");
  check("keyboard: the first stop is the way to the content", (await skip.boundingBox()).y >= 0 ? null : "out of sight");
  await page.keyboard.press("Enter");
  check("keyboard: it leads there", page.url().endsWith("#main") ? null : page.url());
  await context.close();
}

// The form works without script, by keyboard, and its address holds the whole question.
async function ask(browser) {
  const { context, page } = await open(browser, { ...views.desk, locale: "en-GB" }, "/try?field=contact-phone");
  await page.locator('select[name="purpose"]').selectOption("direct-marketing");
  await page.locator('button[type="submit"]').focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/purpose=direct-marketing/);
  check("form: there is an answer", (await page.locator("#answer .answer").count()) > 0 ? null : "none");
  const clause = page.locator("#answer .cite a").first();
  if (await clause.count()) {
    await clause.click();
    await page.waitForURL(/clause=/, { waitUntil: "load" });
    check("form: the clause is shown open", (await page.locator("details.clause:target[open]").count()) === 1 ? null : page.url());
  }
  await context.close();
}

// Choosing a language is remembered by one cookie, and none is set before.
async function cookies(browser) {
  const { context, page } = await open(browser, { ...views.desk, locale: "en-GB" }, "/");
  check("cookies: none before a choice", (await context.cookies()).map((c) => c.name).join(" ") || null);
  await page.getByRole("link", { name: "中文" }).click();
  const names = (await context.cookies()).map((c) => `${c.name} ${c.sameSite}`).join(", ");
  check("cookies: one after a choice", names === "lang Lax" ? null : names || "none");
  await page.goto(new URL("/record", base).href);
  check("cookies: the choice is kept", (await page.locator('html[lang="zh-CN"]').count()) === 1 ? null : "lost");
  await context.close();
}

// No page lives long enough to earn back what V8 spends on optimizing axe, and on threads to do it in.
const args = ["--no-sandbox", "--disable-gpu", "--js-flags=--single-threaded --no-opt"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
try {
  for (const [name, path] of Object.entries(pages))
    for (const view of Object.keys(views)) {
      for (const locale of languages) await look(browser, name, path, locale, view);
      await measure(browser, name, path, view);
    }
  await keyboard(browser);
  await translated(browser);
  await paper(browser);
  await revisions(browser);
  await ask(browser);
  await cookies(browser);
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
