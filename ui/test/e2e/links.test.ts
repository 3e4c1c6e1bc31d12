// Links that last: every state in the address, copied from every view; short links, whose traces outlive the
// retention of the store that they were made in.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { canRun, inRange, kDnsTraceId, kHealthyTraceId, kSuspendedTraceId, launch, newServer, params, settled, type Site, storySite, visit, type Visit } from "./harness.ts";

const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
// What the page says, without how long the server took to say it.
const said = async (page: Page) => (await page.locator("main").innerText()).replace(/[\d.]+ (?:ms|µs|s) ?/g, "");

describe.skipIf(!canRun)("links", () => {
  let browser: Browser;
  let site: Site;
  let v: Visit;
  let page: Page;
  beforeAll(async () => {
    browser = await launch();
    site = await storySite({ count: 200 });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(async () => {
    v = await visit(browser);
    page = v.page;
    await v.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  });
  afterEach(async () => {
    await v.context.close();
    expect(v.complaints).toEqual([]);
  });

  const kViews = ["/search?q=%7B+status+%3D+error+%7D&limit=200", `/trace/${kDnsTraceId}?find=dns&view=flame`, "/map?view=table", "/errors", "/services?service=session-api", `/compare?a=${kHealthyTraceId}&b=${kDnsTraceId}&only=changed`];
  for (const path of kViews) {
    it(`copies ${path.split("?")[0].split("/")[1]}'s link, which opens the same view`, async () => {
      await page.goto(inRange(site, path));
      await settled(page);
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.getByText("Link copied").waitFor();
      const url = await clipboard(page);
      expect(url).toBe(page.url());
      const { v: version, start, end } = params(page);
      expect([version, start, end]).toEqual(["1", new Date(site.startMs).toISOString(), new Date(site.endMs).toISOString()]);
      const first = await said(page);
      const other = await visit(browser);
      await other.page.goto(url);
      await settled(other.page);
      await expect.poll(() => said(other.page), { timeout: 30_000 }).toBe(first);
      await other.context.close();
    });
  }

  it("pins a view as a short link that opens it again", async () => {
    await page.goto(inRange(site, `/trace/${kDnsTraceId}`));
    await page.locator(".row", { hasText: "http.dns" }).first().click();
    const before = page.url();
    await page.getByRole("button", { name: "Pin" }).click();
    await page.getByText(/kept past retention/).waitFor();
    const short = await clipboard(page);
    expect(short).toMatch(/\/s\/[\w-]+$/);
    await page.goto(short);
    await page.locator(".row.selected").waitFor();
    expect(page.url()).toBe(before);
    await page.goto(`${site.url}/s/nosuchlink22`);
    await page.getByText("there is no such link").waitFor();
  });

  it("shows a short link's traces after retention has dropped all others", async () => {
    const weft = await newServer().start(["--retention-age", "0"]);
    try {
      await weft.postStory({ startMs: site.startMs, endMs: site.endMs, count: 60, hostile: false });
      await page.goto(`${weft.url}/trace/${kSuspendedTraceId}`);
      await page.locator(".row", { hasText: "check scopes" }).click();
      await page.getByRole("button", { name: "Pin" }).click();
      await page.getByText(/Its trace is kept past retention/).waitFor();
      const of_trace = new URL(await clipboard(page)).pathname;
      const rows = await page.locator(".row").count();
      const q = encodeURIComponent('{ span.customer.state = "suspended" }');
      await page.goto(`${weft.url}/search?q=${q}&v=1&start=${new Date(site.startMs).toISOString()}&end=${new Date(site.endMs).toISOString()}`);
      await settled(page);
      const found = await page.locator(".trace").count();
      expect(found).toBeGreaterThan(0);
      await page.getByRole("button", { name: "Pin" }).click();
      await page.getByText(found === 1 ? /Its trace is kept/ : new RegExp(`Its ${found} traces are kept`)).waitFor();
      const of_search = new URL(await clipboard(page)).pathname;
      // The same data directory, now with a retention that is over at once.
      await weft.stop();
      await weft.start(["--retention-age", "1s"]);
      const status = async (id: string) => (await fetch(`${weft.url}/api/v1/traces/${id}`)).status;
      await expect.poll(() => status(kHealthyTraceId), { timeout: 90_000, interval: 200 }).toBe(404);
      await page.goto(weft.url + of_trace);
      await page.locator(".row.selected", { hasText: "check scopes" }).waitFor();
      expect(await page.locator(".row").count()).toBe(rows);
      await page.goto(weft.url + of_search);
      await page.locator(".trace").first().waitFor();
      await settled(page);
      expect(await page.locator(".trace").count()).toBe(found);
    } finally {
      await weft.close();
    }
  });
});
