// No page is wider than the screen, no name is broken where it would fit, no text is drawn over the next row of a plan, no page
// complains, none has a barrier, and each is small: each page is loaded once for a language and a scheme, signed in and not, and
// resized through all widths. Run by chromium.rs, which says in the environment where everything is and which languages and
// schemes it is about; prints each page on which it is otherwise, and ends with code 1.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { PATIENCE_MS, complaintsOf, launch } from "./own_network.mjs";

const env = process.env;
const require = createRequire(`${env.NODE_PARTS}/`);
const { chromium } = require("playwright-core");
const URL_ = env.AMARRE_PAGES;
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [320, 390, 640, 641, 820, 1000, 1024, 1100, 1200, 1440, 1600], AXE_WIDTHS = [390, 1440];
// With style, script and icon.
const PAGE_BYTES_MAX = 120_000;
const PAIRS = [{ locale: "en-US", scheme: "light" }, { locale: "fr-FR", scheme: "dark" }, { locale: "en-US", scheme: "dark" }, { locale: "fr-FR", scheme: "light" }];
const chosen = env.QUARTERS.split(",").map((number) => PAIRS[Number(number)]);
const SETTINGS = chosen.flatMap((pair) => [{ ...pair, signedIn: false }, { ...pair, signedIn: true }]);
const OPEN = ["/", "/instances", "/new", "/new/templates", "/new/templates/gitea", "/new/app", "/runs", "/network", "/certificates", "/login", "/api", "/keys", "/nothing"];
const KNOWN = ["/settings/providers", "/settings/users", "/settings/tokens", "/settings/notifications", "/settings/audit", "/unmanaged", "/runs/1", `/services/${env.APP}/deployments`, "/deployments/1", "/pools", "/pools/lab"];
const services = env.SERVICES.split(",");
const OF_SERVICE = ["/history", "/logs", "/manifest", "/edit", "/delete", "/rollback"];

// What is shown only after a click has to fit, too.
const measure = () => {
  const over = () => document.scrollingElement.scrollWidth - innerWidth;
  const closed = over();
  const all = [...document.querySelectorAll("details")].filter((one) => !one.open);
  for (const one of all) one.open = true;
  const open = over();
  for (const one of all) one.open = false;
  // A name in a plan or a table is on one line where there is room for it.
  const names = [...document.querySelectorAll(".plan .n b, td.name a, .addr a, .node .t b")].filter((one) => one.offsetParent);
  const broken = names.filter((one) => {
    // In the picture marks and tags stand beside it.
    const node = one.closest(".node .t"), copy = one.cloneNode(true);
    const beside = node ? node.querySelector(".e").getBoundingClientRect().width + 34 : one.closest(".svcname") ? 26 : 0;
    const room = one.closest(".n, td, .t").clientWidth - beside;
    const range = document.createRange();
    range.selectNodeContents(one);
    const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
    copy.classList.add("measured");
    one.parentElement.append(copy);
    const whole = copy.getBoundingClientRect().width;
    copy.remove();
    return lines > 1 && whole <= room;
  });
  if (broken.length) return `names on several lines: ${broken.map((one) => one.textContent).join(" ")}`;
  // What a plan adds below a row has its own room, so that no text is drawn over the next row.
  const overNext = [...document.querySelectorAll(".plan .more")].filter((one) => one.offsetParent && one.scrollHeight > one.offsetHeight + 1);
  if (overNext.length) return `text over the next row of a plan: ${overNext[0].textContent}`;
  if (Math.max(closed, open) <= 0) return null;
  const scrolls = (one) => one && (getComputedStyle(one).overflowX !== "visible" || scrolls(one.parentElement));
  const isOut = (one) => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one.parentElement);
  const wide = [...document.querySelectorAll("body *")].filter(isOut);
  return `${closed} px, ${open} px with all opened: ${wide.slice(0, 3).map((one) => `${one.tagName.toLowerCase()}.${one.className}`).join(" ")}`;
};

// What a page loads beside itself, in bytes.
async function assetsOf(page) {
  const sizes = [];
  page.on("response", async (answer) => { if (answer.url().includes("/assets/")) sizes.push(answer.body().then((body) => body.length, () => 0)); });
  await page.goto(`${URL_}/`, { waitUntil: "load" });
  page.removeAllListeners("response");
  return Promise.all(sizes);
}

const browser = await launch(chromium);
const wrong = [];
let measured = 0;
for (const { locale, scheme, signedIn } of SETTINGS) {
  const context = await browser.newContext({ reducedMotion: "reduce", viewport: { width: 1280, height: 900 }, locale, colorScheme: scheme });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  let assets = 0;
  for (const asset of await assetsOf(page)) assets += asset;
  if (signedIn) {
    await page.goto(`${URL_}/login`);
    await page.fill("#email", env.EMAIL);
    await page.fill("#password", env.PASSWORD);
    await page.click("main button");
    await page.waitForURL(`${URL_}/`);
  }
  const ofServices = services.flatMap((name) => [`/services/${name}`, ...(signedIn ? OF_SERVICE.map((tab) => `/services/${name}${tab}`) : [])]);
  for (const path of [...OPEN, ...(signedIn ? KNOWN : []), ...ofServices]) {
    const setting = `${locale}, ${scheme}, ${signedIn ? "signed in" : "not signed in"}`;
    complaints.length = 0;
    const answer = await page.goto(URL_ + path);
    const bytes = (await answer.body()).length + assets;
    // The list of all routes of the interface is as long as that is.
    if (bytes > PAGE_BYTES_MAX && path !== "/api") wrong.push(`${path}, ${setting}: ${bytes} bytes`);
    if (path === "/new") {
      // The longest form is the one that says what is wrong, beside a plan.
      await page.fill("#name", env.LONG);
      await page.fill("#image", "registry.example.org/with/a/long/path/and-a-name:v1.120.3-noble");
      await page.fill("#port", "2342");
      if (signedIn) {
        await page.click('button[value="check"]');
        assert((await page.locator("#plan li").count()) > 0, `${path} has no plan`);
      }
    }
    await page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(".measured { position:fixed !important; white-space:nowrap !important; max-width:none !important; }");
      document.adoptedStyleSheets = [sheet];
    });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      const found = await page.evaluate(measure);
      measured += 1;
      if (found) wrong.push(`${path} at ${width}, ${setting}: ${found}`);
      if (!AXE_WIDTHS.includes(width)) continue;
      await page.evaluate(AXE);
      const barriers = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
      for (const one of barriers.violations) {
        wrong.push(`${path} at ${width}, ${setting}: ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" ")}`);
      }
    }
    for (const text of complaints) wrong.push(`${path}, ${setting}: ${text}`);
  }
  await context.close();
}
await browser.close();
assert(measured > 300, `only ${measured} were measured`);
for (const line of wrong) console.error(line);
assert.equal(wrong.length, 0, `${wrong.length} of ${measured} are wider than the screen, or break names`);
