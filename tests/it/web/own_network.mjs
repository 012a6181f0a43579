// A browser in a network of its own, which holds nothing but the pages: other tests make and remove networks of containers on
// this machine meanwhile, and Chromium lets go of what it loads at each of them.
//
// This file is both ends. The script that imports it leads a socket to the pages; Chromium is started by it in the other
// network, where it leads the port of the pages to that socket.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PORT = Number(new URL(process.env.AMARRE_PAGES).port);
const FLAGS = ["--no-sandbox", "--disable-gpu"];
// What Playwright waits for at most: several browsers start at once, beside everything else.
export const PATIENCE_MS = 120_000;

const lead = (towards) => net.createServer((one) => {
  const other = net.connect(towards);
  one.pipe(other).pipe(one);
  one.on("error", () => other.destroy());
  other.on("error", () => one.destroy());
});
const listening = (server, at) => new Promise((done) => server.listen(at, done));

export async function launch(chromium) {
  const folder = mkdtempSync(join(tmpdir(), "amarre-browser-"));
  const socket = join(folder, "pages"), program = join(folder, "chromium");
  const server = lead({ host: "127.0.0.1", port: PORT });
  await listening(server, socket);
  const rights = process.getuid() === 0 ? "" : "--map-root-user ";
  writeFileSync(program, `#!/bin/sh\nPAGES_SOCKET='${socket}' exec unshare ${rights}--net node '${fileURLToPath(import.meta.url)}' "$@"\n`);
  chmodSync(program, 0o755);
  const browser = await chromium.launch({ executablePath: program, args: FLAGS, timeout: PATIENCE_MS });
  browser.on("disconnected", () => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return browser;
}

// What the page complains about from now on: errors of scripts and of the console, but for answers that a page expects.
export function complaintsOf(page) {
  const complaints = [];
  page.on("console", (message) => { if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(error.message));
  return complaints;
}

if (process.env.PAGES_SOCKET) {
  spawnSync("ip", ["link", "set", "lo", "up"], { stdio: "inherit" });
  await listening(lead(process.env.PAGES_SOCKET), { host: "127.0.0.1", port: PORT });
  // The last two are the pipe by which the browser is driven.
  const child = spawn(process.env.CHROMIUM, process.argv.slice(2), { stdio: [0, 1, 2, 3, 4] });
  child.on("exit", (code) => process.exit(code ?? 1));
}
