// What a person does in a browser, from the first start to a service that is gone again. Run by chromium.rs, which says
// in the environment where everything is; ends with code 0 when all of it was seen.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import http from "node:http";
import assert from "node:assert/strict";
import { PATIENCE_MS, complaintsOf, launch } from "./own_network.mjs";

const env = process.env;
const require = createRequire(`${env.NODE_PARTS}/`);
const { chromium } = require("playwright-core");
const AXE = require.resolve("axe-core/axe.min.js");
const [URL_, WIDTH, SCRIPTS, KEYS] = [env.AMARRE_PAGES, Number(env.WIDTH), env.SCRIPTS === "yes", env.KEYS === "yes"];
const WAIT_MS = 60_000;
const PASSWORD = "correct horse battery";
mkdirSync(env.PICTURES, { recursive: true });

const browser = await launch(chromium);
const looks = { reducedMotion: "reduce", viewport: { width: WIDTH, height: 900 }, locale: env.LOCALE, colorScheme: env.SCHEME };
const context = await browser.newContext({ ...looks, javaScriptEnabled: SCRIPTS });
context.setDefaultTimeout(PATIENCE_MS);
// Which takes the script with the rules for screen readers.
const reader = await browser.newContext({ ...looks, bypassCSP: true });
const page = await context.newPage();
const complaints = complaintsOf(page);

const go = (path) => page.goto(URL_ + path);
const text = async () => page.locator("main").innerText();
const submit = (action) => tap(page.locator(`form[action="${action}"] button`).first());

// By keyboard alone everything is reached with the tab key, in the order of the page.
const TABS_MAX = 300;
async function reach(target) {
  await target.waitFor({ state: "visible" });
  for (let tabs = 0; tabs < TABS_MAX; tabs += 1) {
    if (await target.evaluate((one) => one === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`no tab leads to ${target}`);
}

async function tap(target) {
  if (!KEYS) return target.click();
  await reach(target);
  // A click waits for the page that it leads to; a key does not.
  const leads = await target.evaluate((one) => one.tagName !== "SUMMARY");
  const led = leads ? page.waitForEvent("framenavigated", { timeout: PATIENCE_MS }) : null;
  await page.keyboard.press("Enter");
  await led;
  return page.waitForLoadState();
}

async function type(selector, text) {
  if (!KEYS) return page.fill(selector, text);
  await reach(page.locator(selector));
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  return page.keyboard.insertText(text);
}

// The tab key leads to the chosen one of a group, arrows to the others.
async function choose(name, value) {
  const one = page.locator(`input[name="${name}"][value="${value}"]`);
  if (!KEYS) return one.check();
  await reach(page.locator(`input[name="${name}"]:checked`));
  while (!(await one.isChecked())) await page.keyboard.press("ArrowDown");
}

// Without scripts a page is read again by hand; with them it has to follow by itself.
async function eventually(what, test) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    if (await test()) return;
    assert(Date.now() < end, `not within ${WAIT_MS / 1000} s: ${what}\n${await text()}`);
    await page.waitForTimeout(300);
    // A page on which something changes reads itself again, too, and the two may meet.
    if (!SCRIPTS) await page.reload().catch(() => undefined);
  }
}

function visit(domain) {
  const [hostname, port] = env.PROXY.split(":");
  return new Promise((resolve) => {
    const request = http.get({ hostname, port, path: "/", headers: { host: domain }, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on("error", () => resolve(0));
  });
}

async function npm(method, path, body, token) {
  const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${env.NPM}/api${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

// No page is wider than the screen, and a screen reader finds nothing that is seriously wrong.
async function looksWell(name) {
  await page.screenshot({ path: `${env.PICTURES}/${name}.png`, fullPage: true });
  if (!SCRIPTS) return;
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(over <= 0, `${name} is ${over} px wider than the screen`);
  await reader.clearCookies();
  await reader.addCookies(await context.cookies());
  const copy = await reader.newPage();
  await copy.goto(page.url());
  await copy.addScriptTag({ path: AXE });
  const found = await copy.evaluate(async () => (await axe.run()).violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" | ")}`));
  await copy.close();
  assert.deepEqual(found, [], `${name}`);
}

// The first account.
await go(env.SETUP);
await looksWell("setup");
await type("#email", "alice@example.org");
await type("#name", "Alice Martin");
await type("#password", PASSWORD);
await submit("/setup");
await page.waitForURL(`${URL_}/`);
await looksWell("empty");

// A service by form.
await tap(page.locator('a[href="/new"]').first());
await type("#image", "web:1");
await type("#name", "shop");
await type("#port", "eighty");
await choose("tls", "none");
if (SCRIPTS) await eventually("the form says what is wrong", async () => (await page.locator("#settle li").count()) > 0);
else await tap(page.locator('button[value="check"]').first());
assert((await page.locator("#settle li").count()) > 0);
await looksWell("new-to-settle");
await type("#port", "80");
if (SCRIPTS) await eventually("and that it is well", async () => (await page.locator("#settle li").count()) === 0);
else await tap(page.locator('button[value="check"]').first());
assert.match(await page.locator("#manifest").innerText(), /port: 80/);
assert((await page.locator("#plan li").count()) >= 4, "the plan is beside it");
await looksWell("new");
await tap(page.locator('button[value="commit"]').first());
await page.waitForURL(`${URL_}/services/shop`);
assert.match(await page.locator(".flash [role=status]").last().innerText(), /services\/shop\.yaml/);
await eventually("it is healthy", async () => (await page.locator("#state .st.ok").count()) === 2);
await eventually("it answers through the proxy", async () => (await visit("shop.example.org")) === 200);
await looksWell("service");
await tap(page.locator('.node[href*="/container/"]').first());
await page.waitForURL(/\/services\/shop\/explain\?thing=/);
assert.match(await page.locator("#text").innerText(), /shop/);
await looksWell("explain");
await go("/services/shop");

// Drift by hand: it is left alone meanwhile, so that it is seen.
await tap(page.locator("#acts details.menu summary"));
await type("#why", "to look");
await submit("/services/shop/suspend");
await eventually("it is suspended", async () => (await page.locator("#state .st.off").count()) === 1);
const { token } = await npm("POST", "/tokens", { identity: env.NPM_IDENTITY, secret: env.NPM_SECRET });
const hosts = await npm("GET", "/nginx/proxy-hosts", undefined, token);
const host = hosts.find((one) => one.domain_names.includes("shop.example.org"));
await npm("PUT", `/nginx/proxy-hosts/${host.id}`, { block_exploits: false }, token);
await go("/");
await submit("/apply");
await go("/services/shop");
await eventually("the drift is seen", async () => (await page.locator("#drift .dcard").count()) === 1);
await looksWell("drift");
await submit("/services/shop/resume");
await eventually("it is healed", async () => (await page.locator("#drift .dcard").count()) === 0
  && (await page.locator("#state .st.ok").count()) === 2);
assert.equal((await npm("GET", `/nginx/proxy-hosts/${host.id}`, undefined, token)).block_exploits, true);

// Another image, and back.
await tap(page.locator('nav.tabs a[href$="/manifest"]').first());
await looksWell("manifest");
await tap(page.locator("#text-title a").first());
const manifest = await page.inputValue("#text");
await type("#text", `${manifest.replace("web:1", "web:2")}update: {drain: 0s}\n`);
if (SCRIPTS) await eventually("the plan follows", async () => /web:2/.test(await page.locator("#plan").innerText()));
await looksWell("edit");
await tap(page.locator('button[value="commit"]').first());
await page.waitForURL(`${URL_}/services/shop`);
await eventually("the new one runs", async () => {
  await go("/services/shop/history");
  return (await page.locator('a[href*="/rollback?to="]').count()) === 1;
});
await looksWell("history");
await tap(page.locator('a[href*="/rollback?to="]').first());
await looksWell("rollback");
await submit("/services/shop/rollback");
await eventually("it is put back, and left so", async () => (await page.locator("#state .st.off").count()) === 1);
await submit("/services/shop/resume");
await eventually("it is taken up again", async () => (await page.locator("#state .st.ok").count()) === 2);

// The other pages.
for (const [path, name] of [["/", "overview"], ["/runs", "runs"], ["/runs/1", "run"], ["/network", "network"], ["/certificates", "certificates"], ["/new/templates", "templates"], ["/new/templates/gitea", "template"], ["/settings/providers", "providers"], ["/settings/users", "users"], ["/settings/tokens", "tokens"],
  ["/settings/notifications", "notifications"], ["/settings/audit", "audit"], ["/unmanaged", "unmanaged"], ["/api", "api"], ["/keys", "keys"],
  ["/services/shop/logs", "logs"], ["/nothing", "nothing"], ["/login", "login"]]) {
  await go(path);
  await looksWell(name);
}

// The other language, and back.
await go("/");
const titled = await page.title();
await tap(page.locator(".top .end a[hreflang]").first());
assert.notEqual(await page.getAttribute("html", "lang"), env.LOCALE.slice(0, 2));
await tap(page.locator(".top .end a[hreflang]").first());
assert.equal(await page.title(), titled);

// Gone again.
await go("/services/shop/delete");
await looksWell("delete");
await type("#name", "shop");
await submit("/services/shop/delete");
await page.waitForURL(`${URL_}/`);
await eventually("nothing of it is left", async () => {
  await go("/");
  return (await page.locator('a[href="/services/shop"]').count()) === 0;
});
assert.equal(await visit("shop.example.org"), 404);
await tap(page.locator("#user summary").first());
await submit("/logout");
await go("/settings/users");
assert.match(page.url(), /\/login/);
assert.deepEqual(complaints, []);
await browser.close();
