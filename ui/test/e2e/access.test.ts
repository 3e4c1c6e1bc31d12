// For everybody: no axe violation on any view in either theme, nothing that needs a mouse, nothing that is cut
// off in a narrow window; and the headers that keep a page of hostile strings a page.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canRun, inRange, kHealthyTraceId, kHostileTraceId, kLostTraceId, kSuspendedTraceId, kTimeoutTraceId, launch, params, settled, shot, type Site, storySite, violations, visit } from "./harness.ts";

// Name, address, what has to be there, a key to press then.
const kViews: [string, string, string, string?][] = [
  ["search", "/search?q=%7B+status+%3D+error+%7D", ".trace"],
  ["search-wrong", "/search?q=%7B+status+%3D+%7D", ".query-problem"],
  ["metric", `/search?q=${encodeURIComponent("{ } | rate() by(resource.service.name)")}`, ".legend li"],
  ["trace", `/trace/${kSuspendedTraceId}`, ".row", "n"],
  ["trace-lost", `/trace/${kLostTraceId}?clocks=set`, ".row", "j"],
  ["hostile", `/trace/${kHostileTraceId}`, ".row", "j"],
  ["flame", `/trace/${kSuspendedTraceId}?view=flame`, ".flame canvas", "n"],
  ["map", "/map", ".map-node"],
  ["map-chosen", "/map?chosen=session-api", ".details"],
  ["map-table", "/map?view=table", ".grid tr"],
  ["errors", "/errors", ".errors tbody tr"],
  ["services", "/services?service=session-api", ".charts canvas"],
  ["compare", `/compare?a=${kHealthyTraceId}&b=${kTimeoutTraceId}`, ".compare-row"],
  ["compare-empty", "/compare", ".state"],
  ["not-found", "/trace/00000000000000000000000000000bad", ".state"],
];

describe.skipIf(!canRun)("for everybody", () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    browser = await launch();
    site = await storySite({ count: 200 });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  for (const dark of [false, true]) {
    it(`has no axe violations and no complaints in the console (${dark ? "dark" : "light"})`, async () => {
      const v = await visit(browser, { dark });
      const wrong: string[] = [];
      for (const [view, path, there, key] of kViews) {
        await v.page.goto(inRange(site, path));
        await v.page.locator(there).first().waitFor();
        await settled(v.page);
        if (key) {
          await v.page.keyboard.press(key);
          await v.page.locator(".details").waitFor();
        }
        await shot(v.page, `${view}-${dark ? "dark" : "light"}`);
        wrong.push(...(await violations(v.page)).map((one) => `${view}: ${one}`));
      }
      await v.context.close();
      expect(wrong).toEqual([]);
      expect(v.complaints).toEqual([]);
    });
  }

  for (const width of [700, 420, 390]) {
    it(`fits a window of ${width} pixels`, async () => {
      const v = await visit(browser, { width, height: 900 });
      const wrong: string[] = [];
      for (const [view, path, there, key] of kViews) {
        await v.page.goto(inRange(site, path));
        await v.page.locator(there).first().waitFor();
        await settled(v.page);
        if (key) {
          await v.page.keyboard.press(key);
          await v.page.locator(".details").waitFor();
        }
        await shot(v.page, `${view}-${width}`);
        const over = await v.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (over > 0) wrong.push(`${view} is ${over} px too wide`);
        const out = await v.page.evaluate(() => {
          const header = document.querySelector("header.topbar")!;
          const bottom = header.getBoundingClientRect().bottom;
          return [...header.querySelectorAll("button, nav a")].filter((e) => e.getBoundingClientRect().bottom > bottom).map((e) => e.getAttribute("aria-label") ?? e.textContent);
        });
        if (out.length) wrong.push(`${view}: ${out} below the header`);
      }
      await v.context.close();
      expect(wrong).toEqual([]);
      expect(v.complaints).toEqual([]);
    });
  }

  it("can be used by keyboard alone, from the query to a span and on to the errors", async () => {
    const v = await visit(browser);
    const { page } = v;
    const keys = page.keyboard;
    const focused = (selector: string) => page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector);
    const tabTo = async (selector: string) => {
      for (let i = 0; i < 200; i++) {
        if (await focused(selector)) return;
        await keys.press("Tab");
      }
      throw new Error(`Tab does not lead to ${selector}`);
    };
    await page.goto(inRange(site, "/search"));
    await settled(page);
    await keys.press("/");
    expect(await focused("textarea")).toBe(true);
    await keys.type("{ status = error }");
    await keys.press("Escape");
    await keys.press("Enter");
    await page.waitForURL(/status/);
    await settled(page);
    await tabTo(".facet-value");
    await keys.press("Space");
    await page.waitForURL((url) => url.searchParams.get("q") !== "{ status = error }");
    await page.goBack();
    await page.locator(".trace.failed").first().waitFor();
    await settled(page);
    await tabTo(".trace-link");
    await keys.press("Enter");
    await page.waitForURL(/\/trace\//);
    await page.locator(".row").first().waitFor();
    await keys.press("n");
    await page.locator(".row.selected.failed").waitFor();
    await keys.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.closest(".details") !== null)).toBe(true);
    await keys.press("Escape");
    await page.locator(".details").waitFor({ state: "detached" });
    await keys.press("g");
    await keys.press("e");
    await page.waitForURL(/\/errors/);
    await page.locator(".errors tbody tr").first().waitFor();
    await tabTo(".errors .link");
    await keys.press("Enter");
    await page.getByRole("complementary", { name: "Error group" }).waitFor();
    expect(params(page).group).toBeTruthy();
    await v.context.close();
    expect(v.complaints).toEqual([]);
  });

  it("is served under a strict policy, whole, and by nobody else", async () => {
    for (const path of ["/", "/search", `/trace/${kHostileTraceId}`, "/s/abcdefgh2345"]) {
      const policy = (await fetch(site.url + path)).headers.get("content-security-policy") ?? "";
      for (const part of ["default-src 'self'", "script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]) expect(policy).toContain(part);
      expect(policy).not.toMatch(/unsafe|\*|https?:/);
    }
    const v = await visit(browser);
    const asked = new Set<string>();
    v.page.on("request", (request) => asked.add(new URL(request.url()).origin));
    for (const [, path, there] of kViews.slice(0, 4)) {
      await v.page.goto(inRange(site, path));
      await v.page.locator(there).first().waitFor();
    }
    expect([...asked]).toEqual([site.url]);
    const paint = await v.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    console.log(`first contentful paint of a trace: ${paint?.toFixed(0)} ms`);
    await v.context.close();
  });
});
