// No page is wider than the screen, and no name is broken where it would fit: each page at each width, in both languages,
// signed in and not, light and dark. Run by chromium.rs, which says in the environment where everything is; prints each
// page on which it is otherwise, and ends with code 1.
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { steadyPage } from "./steady.mjs";

const env = process.env;
const require = createRequire(`${env.NODE_PARTS}/`);
const { chromium } = require("playwright-core");
const URL_ = env.AMARRE_PAGES;
const WIDTHS = [320, 390, 640, 641, 700, 820, 860, 950, 1015, 1101, 1180, 1280, 1440, 1600];
// Each setting measures every page on a phone, and at every other of the widths: two settings look at every width.
const widthsOf = (setting) => WIDTHS.filter((width, at) => width <= 390 || at % 2 === (setting + (setting >> 1)) % 2);
const SETTINGS = [
  { locale: "en-US", scheme: "light", signedIn: false }, { locale: "fr-FR", scheme: "dark", signedIn: false },
  { locale: "en-US", scheme: "dark", signedIn: true }, { locale: "fr-FR", scheme: "light", signedIn: true },
];
const OPEN = ["/", "/instances", "/new", "/new/templates", "/new/templates/gitea", "/new/app", "/runs", "/network", "/certificates", "/login", "/api", "/keys", "/nothing"];
const KNOWN = ["/settings/providers", "/settings/users", "/settings/tokens", "/settings/notifications", "/settings/audit", "/unmanaged", "/runs/1", `/services/${env.APP}/deployments`, "/deployments/1"];
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
  const names = [...document.querySelectorAll(".plan .name, td.name a, td.whole a, .node .name")].filter((one) => one.offsetParent);
  const broken = names.filter((one) => {
    // In the picture the mark stands before it.
    const mark = one.closest("strong") ? 24 : 0, copy = one.cloneNode(true);
    const room = one.closest(".what, td, strong").clientWidth - mark;
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
  if (Math.max(closed, open) <= 0) return null;
  const scrolls = (one) => one && (getComputedStyle(one).overflowX !== "visible" || scrolls(one.parentElement));
  const isOut = (one) => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one.parentElement);
  const wide = [...document.querySelectorAll("body *")].filter(isOut);
  return `${closed} px, ${open} px with all opened: ${wide.slice(0, 3).map((one) => `${one.tagName.toLowerCase()}.${one.className}`).join(" ")}`;
};

const browser = await chromium.launch({ executablePath: env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const wrong = [];
let measured = 0;
for (const [setting, { locale, scheme, signedIn }] of SETTINGS.entries()) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale, colorScheme: scheme });
  const page = await steadyPage(context);
  if (signedIn) {
    await page.goto(`${URL_}/login`);
    await page.fill("#email", env.EMAIL);
    await page.fill("#password", env.PASSWORD);
    await page.click("main button");
    await page.waitForURL(`${URL_}/`);
  }
  const ofServices = services.flatMap((name) => [`/services/${name}`, ...(signedIn ? OF_SERVICE.map((tab) => `/services/${name}${tab}`) : [])]);
  for (const path of [...OPEN, ...(signedIn ? KNOWN : []), ...ofServices]) {
    await page.goto(URL_ + path);
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
    for (const width of widthsOf(setting)) {
      await page.setViewportSize({ width, height: 900 });
      const found = await page.evaluate(measure);
      measured += 1;
      if (found) wrong.push(`${path} at ${width}, ${locale}, ${scheme}, ${signedIn ? "signed in" : "not signed in"}: ${found}`);
    }
  }
  await context.close();
}
await browser.close();
assert(measured > 500, `only ${measured} were measured`);
for (const line of wrong) console.error(line);
assert.equal(wrong.length, 0, `${wrong.length} of ${measured} are wider than the screen, or break names`);
