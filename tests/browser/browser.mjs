// A browser that is watched: whatever it complains about, and whatever else it asks for, is a failure in the end.

import { strict as assert } from "node:assert";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
export const LIMIT = 20_000;

export const start = (executablePath) => chromium.launch({ executablePath, args: FLAGS });

// A page of its own, with nothing in its profile.
export async function visit(browser, origin, options = {}) {
  const context = await browser.newContext({ baseURL: origin, viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(LIMIT);
  const page = await context.newPage();
  const complaints = [];
  // That an answer was 403 or 404 is said on the console as well, and may be what a test wants.
  const isStatus = (text) => text.startsWith("Failed to load resource: the server responded with a status of");
  page.on("console", (line) => line.type() === "error" && !isStatus(line.text()) && complaints.push(line.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const elsewhere = new URL(request.url()).origin !== origin;
    if (elsewhere && !options.wanders) complaints.push(`asked ${request.url()}`);
  });
  const close = async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  };
  return { page, close };
}

export async function logIn(page, secret) {
  await page.goto("/login");
  await page.fill("#secret", secret);
  await page.click("button[type=submit]");
}

// What axe-core takes for a serious or a critical failure.
export async function failures(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
}

export const widthOf = (page) => page.evaluate(() => document.documentElement.scrollWidth);
