// The pages of servers at a simulated cloud in a browser: at each width, in both languages, light and dark, without scripts, and
// by keyboard alone. Run by instances.rs, which says in the environment where everything is; prints what is wrong, and ends with
// code 1.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { PATIENCE_MS, launch } from "./own_network.mjs";

const env = process.env;
const require = createRequire(`${env.NODE_PARTS}/`);
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const URL_ = env.AMARRE_PAGES, WIDTHS = [320, 390, 820, 1440];
mkdirSync(env.PICTURES, { recursive: true });
const browser = await launch(chromium);

async function enter(options) {
  const context = await browser.newContext({ reducedMotion: "reduce", viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => { throw error; });
  await page.goto(`${URL_}/login`);
  await page.fill("#email", env.EMAIL);
  await page.fill("#password", env.PASSWORD);
  await page.click("main button");
  await page.waitForURL(`${URL_}/`);
  return page;
}

// One is painted by keyboard: Monday to Friday from 8 to 20. The file is read by instances.rs.
async function paints() {
  const page = await enter({ locale: "en-US" });
  await page.goto(`${URL_}/instances/build-1`);
  await page.locator('[name="h0"]').focus();
  for (let hour = 0; hour < 8; hour += 1) await page.keyboard.press("ArrowRight");
  for (let day = 0; day < 5; day += 1) {
    for (let hour = 8; hour < 20; hour += 1) {
      await page.keyboard.press("Space");
      if (hour < 19) await page.keyboard.press(day % 2 ? "ArrowLeft" : "ArrowRight");
    }
    await page.keyboard.press("ArrowDown");
  }
  assert.equal(await page.locator("#week-hours").innerText(), "60 h of 168 h");
  // With the pointer from hour to hour, and back again.
  const middle = async (name) => {
    const box = await page.locator(`.cell:has([name="${name}"])`).boundingBox();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  for (const hours of ["64 h of 168 h", "60 h of 168 h"]) {
    await page.mouse.move(...await middle("h120"));
    await page.mouse.down();
    await page.mouse.move(...await middle("h123"), { steps: 12 });
    await page.mouse.up();
    assert.equal(await page.locator("#week-hours").innerText(), hours);
  }
  await page.locator('button[value="check"]').press("Enter");
  await page.waitForSelector('button[value="commit"]');
  await page.locator('button[value="commit"]').press("Enter");
  await page.waitForSelector("#week-hours");
  assert.match(await page.locator("main").innerText(), /0 8 \* \* mon-fri/);
  await page.context().close();
}

// Without scripts one is stopped, and several after a question.
async function switches() {
  const page = await enter({ locale: "fr-FR", javaScriptEnabled: false, viewport: { width: 390, height: 900 } });
  await page.goto(`${URL_}/instances?q=db-1`);
  await page.getByRole("button", { name: "Arrêter db-1", exact: true }).click();
  assert.match(await page.locator(".flash:not([hidden])").innerText(), /db-1\s: arrêt/);
  await page.goto(`${URL_}/instances`);
  for (const name of ["cache-1", "db-2"]) await page.getByLabel(`Sélectionner ${name}`).check();
  await page.locator('.bulk button[value="stop"]').click();
  const asked = await page.locator("main").innerText();
  assert.match(asked, /cache-1/);
  assert.match(asked, /db-2[^]*C’est déjà le cas/);
  await page.screenshot({ path: `${env.PICTURES}/confirm.png`, fullPage: true });
  await page.locator("main form button").click();
  assert.match(await page.locator(".flash:not([hidden])").innerText(), /cache-1\s: arrêt/);
  await page.context().close();
}

// What is said of a start that goes on is gone once the server is on.
async function passes() {
  const page = await enter({ locale: "en-GB" });
  await page.goto(`${URL_}/instances/cache-1`);
  await page.waitForSelector("#state .dot.off");
  await page.locator("#acts > form button.primary").click();
  await page.waitForSelector(".flash:not([hidden])");
  await page.waitForSelector("#state .dot:not(.off)");
  await page.waitForSelector(".flash[data-while]", { state: "detached" });
  await page.context().close();
}

const wrong = [];
async function looksWell(page, path, name) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(URL_ + path);
    const over = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
    if (over > 0) wrong.push(`${path} at ${width}, ${name}: ${over} px wider than the screen`);
    // What is shown only after a click has to fit, too.
    const opened = await page.evaluate(() => {
      const closed = [...document.querySelectorAll("details:not([open])")];
      for (const one of closed) one.open = true;
      const over = document.scrollingElement.scrollWidth - innerWidth;
      const names = [...document.querySelectorAll("details.deeds .btn")].filter((one) => one.getBoundingClientRect().right > innerWidth);
      for (const one of closed) one.open = false;
      return Math.max(over, names.length);
    });
    if (opened > 0) wrong.push(`${path} at ${width}, ${name}: wider than the screen with all opened`);
    await page.evaluate(AXE);
    const found = await page.evaluate((rules) => axe.run({ runOnly: rules, resultTypes: ["violations"] }), RULES);
    for (const one of found.violations) {
      wrong.push(`${path} at ${width}, ${name}: ${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
    }
    await page.screenshot({ path: `${env.PICTURES}/${path.replace(/\W+/g, "-")}-${name}-${width}.png`, fullPage: true });
  }
}

await paints();
await switches();
await passes();
for (const locale of ["en-US", "fr-FR"]) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await enter({ locale, colorScheme });
    const paths = ["/instances", "/instances/build-1", "/instances/build-9"];
    // Two of the four are enough for pages that are made of the same parts.
    const others = ["/instances/new?cloud=paris&project=ci&region=GRA11", "/instances/build-2/delete", "/instances/build-2/resize", "/instances/build-2/rebuild"];
    if ((locale === "fr-FR") === (colorScheme === "dark")) paths.push(...others);
    for (const path of paths) {
      await looksWell(page, path, `${locale.slice(0, 2)}-${colorScheme}`);
    }
    await page.context().close();
  }
}
await browser.close();
for (const line of wrong) console.error(line);
assert.equal(wrong.length, 0, `${wrong.length} things are wrong`);
