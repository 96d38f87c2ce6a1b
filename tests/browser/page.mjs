// What a person does with the status page, in a real browser. Called with the browser's program, the address of sweepd, its
// secret and the one that only reads. The job `sessions` takes some seconds for its rows, the job `broken` fails.

import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import { LIMIT, failures, logIn, start, visit, widthOf } from "./browser.mjs";

const [program, origin, secret, readSecret] = process.argv.slice(2);
const NOTICE = "#job-sessions > .notice";
const browser = await start(program);

const tests = {
  async "without the secret, and with a wrong one, nobody gets in"() {
    const { page, close } = await visit(browser, origin);
    await page.goto("/jobs/sessions");
    assert.equal(new URL(page.url()).pathname, "/login");
    await logIn(page, "a secret that is none");
    assert.equal(await page.textContent("[role=alert]"), "This is not the secret.");
    assert.equal((await page.context().cookies()).length, 0);
    await page.goto("/");
    assert.equal(new URL(page.url()).pathname, "/login");
    await close();
  },

  async "a run is seen going on, without a reload"() {
    const { page, close } = await visit(browser, origin);
    await logIn(page, secret);
    await page.click("#run-sessions");
    await page.waitForLoadState();
    await page.evaluate(() => (globalThis.isTheSame = true));
    await page.waitForSelector("#job-sessions div.running");
    const seen = new Set();
    const deadline = Date.now() + LIMIT;
    while ((await page.locator("#job-sessions div.running").count()) > 0 && Date.now() < deadline) {
      const text = await page.textContent("#job-sessions div.running strong", { timeout: 1000 }).catch(() => null);
      if (text) seen.add(text);
      await page.waitForTimeout(100);
    }
    assert.ok(seen.size >= 3, `progress: ${[...seen].join(", ")}`);
    await page.waitForSelector("#job-sessions dd:has-text('completed'):has-text('1,200 rows')");
    assert.ok(await page.evaluate(() => globalThis.isTheSame), "it was loaded anew");
    assert.match(await page.textContent("#said"), /sessions: Ready; last run completed, 1,200 rows/);
    await close();
  },

  async "a job is paused and resumed, and a dry run shows a number and the plan"() {
    const { page, close } = await visit(browser, origin);
    await logIn(page, secret);
    await page.click("#pause-sessions");
    assert.match(await page.textContent(NOTICE), /^Paused/);
    assert.equal(await page.textContent("#state-sessions"), "Paused");
    assert.equal(await page.locator("#run-sessions").count(), 0);
    await page.click("#resume-sessions");
    assert.match(await page.textContent(NOTICE), /^Resumed/);
    assert.equal(await page.textContent("#state-sessions"), "Ready");
    await page.click("#dry-run-sessions");
    await page.waitForSelector("#dry-run:has-text('A run would delete 0 rows')");
    assert.match(await page.textContent("#sql-0"), /^DELETE FROM/);
    await close();
  },

  async "who may only read has no buttons"() {
    const { page, close } = await visit(browser, origin);
    await logIn(page, readSecret);
    assert.equal(await page.locator("#job-sessions").count(), 1);
    assert.equal(await page.locator("main button").count(), 0);
    await page.click("text=Log out");
    assert.equal(new URL(page.url()).pathname, "/login");
    await close();
  },

  async "another origin on this host, to which the cookie goes, can do nothing"() {
    const { page, close } = await visit(browser, origin, { wanders: true });
    await logIn(page, secret);
    const token = await page.getAttribute("#job-sessions input[name=token]", "value");
    const form = `<form method=post action="${origin}/jobs/sessions/pause"><input name=token value="${token}"><button>x</button></form>`;
    const server = createServer((_, answer) => answer.writeHead(200, { "content-type": "text/html" }).end(form));
    await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const [answer] = await Promise.all([page.waitForNavigation(), page.click("button")]);
    assert.equal(answer.status(), 403);
    assert.match(await page.textContent("main"), /asked for by a page of another site/);
    await page.goto("/");
    assert.equal(await page.textContent("#state-sessions"), "Ready");
    server.close();
    await close();
  },

  async "everything works without JavaScript"() {
    const { page, close } = await visit(browser, origin, { javaScriptEnabled: false });
    await page.goto("/jobs/sessions");
    await page.fill("#secret", secret);
    await page.click("button[type=submit]");
    assert.equal(new URL(page.url()).pathname, "/jobs/sessions");
    await page.click("#pause-sessions");
    assert.match(await page.textContent(NOTICE), /^Paused/);
    await page.click("#resume-sessions");
    await page.click("#run-sessions");
    await page.goto("/");
    await page.waitForSelector("#job-sessions dd:has-text('completed')");
    await page.click("#link-sessions");
    await page.click("#dry-run-sessions");
    assert.match(await page.textContent("#dry-run"), /A run would delete 0 rows/);
    await page.click("text=Log out");
    assert.equal(new URL(page.url()).pathname, "/login");
    await close();
  },

  async "the keyboard is enough, and the focus is seen"() {
    const { page, close } = await visit(browser, origin);
    await page.goto("/");
    await page.keyboard.type(secret);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#job-sessions");
    const reach = async (id) => {
      for (let step = 0; step < 60; step += 1) {
        await page.keyboard.press("Tab");
        const [at, outline] = await page.evaluate(() => {
          const focus = document.activeElement;
          return [focus.id, getComputedStyle(focus).outlineStyle];
        });
        assert.notEqual(outline, "none", `no outline at ${at}`);
        if (at === id) return page.keyboard.press("Enter");
      }
      assert.fail(`${id} cannot be reached`);
    };
    await reach("pause-sessions");
    await page.waitForSelector(`${NOTICE}:has-text('Paused')`);
    await reach("resume-sessions");
    await page.waitForSelector(`${NOTICE}:has-text('Resumed')`);
    await close();
  },

  async "all pages suit everybody, light and dark, wide and narrow"() {
    for (const colorScheme of ["light", "dark"]) {
      const { page, close } = await visit(browser, origin, { colorScheme, viewport: { width: 360, height: 740 } });
      const fits = async (name) => {
        assert.deepEqual(await failures(page), [], `${name}, ${colorScheme}`);
        assert.ok((await widthOf(page)) <= 360, `${name} is ${await widthOf(page)} wide`);
      };
      await page.goto("/login");
      await fits("log-in");
      await logIn(page, "a secret that is none");
      await fits("log-in, refused");
      await logIn(page, secret);
      await page.waitForSelector(".problems:has-text('broken')");
      await fits("overview");
      await page.click("#dry-run-sessions");
      await fits("job");
      await page.goto("/jobs/broken");
      await fits("failed job");
      await page.goto("/nothing/here");
      assert.match(await page.textContent("h1"), /Not Found/);
      await fits("not found");
      await close();
    }
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
  }
}
await browser.close();
process.exitCode = failed === 0 ? 0 : 1;
