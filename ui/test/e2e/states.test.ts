// What the page shows when there is nothing to show: an empty store, a server that asks for a token, one that is gone.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canRun, emptySite, inRange, launch, newServer, params, shot, storySite, violations, visit } from "./harness.ts";

describe.skipIf(!canRun)("with nothing to show", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  for (const dark of [false, true]) {
    it(`says how to send the first span in six ways, and shows it when it comes (${dark ? "dark" : "light"})`, async () => {
      const site = await emptySite();
      const v = await visit(browser, { dark });
      try {
        await v.page.goto(site.url);
        await v.page.getByText("No span has been received yet").waitFor();
        const tabs = await v.page.getByRole("tab").allInnerTexts();
        expect(tabs).toEqual(["curl", "C++", "JavaScript", "Python", "Go", "Java"]);
        const { otlpHttp } = await (await fetch(`${site.url}/api/v1/config`)).json();
        expect(otlpHttp).toMatch(/^http:\/\/127\.0\.0\.1:\d+/);
        for (const tab of tabs) {
          await v.page.getByRole("tab", { name: tab, exact: true }).click();
          expect(await v.page.getByRole("tabpanel").innerText()).toContain(otlpHttp.replace(/\/$/, ""));
        }
        await v.page.keyboard.press("ArrowRight");
        expect(await v.page.getByRole("tab", { name: "curl", exact: true }).getAttribute("aria-selected")).toBe("true");
        expect(await violations(v.page)).toEqual([]);
        await shot(v.page, `empty-${dark ? "dark" : "light"}`);
        const wide = v.page.viewportSize()!;
        await v.page.setViewportSize({ width: 390, height: 844 });
        expect(await v.page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
        await v.page.setViewportSize(wide);
        for (const path of ["/map", "/errors", "/services"]) {
          await v.page.goto(site.url + path);
          await v.page.getByText("No span has been received yet").waitFor();
        }
        await v.page.goto(site.url);
        await v.page.getByText("No span has been received yet").waitFor();
        await site.weft.postStory({ startMs: Date.now() - 60_000, endMs: Date.now(), count: 1, hostile: false });
        await v.page.locator(".trace").first().waitFor();
        expect(v.complaints).toEqual([]);
      } finally {
        await v.context.close();
        await site.close();
      }
    });
  }

  it("begins with as much time as there is", async () => {
    const server = newServer();
    const v = await visit(browser);
    try {
      await server.start();
      const endMs = Date.now();
      await server.postStory({ startMs: endMs - 120_000, endMs, count: 20 });
      await v.page.goto(server.url);
      await v.page.locator(".trace").first().waitFor();
      const { start, end } = params(v.page);
      // The story's named traces go back for some minutes more.
      expect(Date.parse(end) - Date.parse(start)).toBe(15 * 60_000);
      expect(v.complaints).toEqual([]);
    } finally {
      await v.context.close();
      await server.close();
    }
  });

  it("asks for a query token, and goes on where it was", async () => {
    const token = "let-me-read-everything";
    const weft = newServer();
    writeFileSync(join(weft.dir, "tokens"), `${token}\n`, { mode: 0o600 });
    const site = await storySite({ count: 20, hostile: false, weft, flags: ["--query-token-file", join(weft.dir, "tokens")] });
    const v = await visit(browser);
    try {
      await v.page.goto(inRange(site, "/search"));
      await v.page.locator("input[name=token]").fill("a-wrong-token-altogether");
      await Promise.all([v.page.waitForResponse((r) => r.status() === 401), v.page.getByRole("button", { name: "Go on" }).click()]);
      await v.page.getByRole("dialog", { name: "This Weft asks" }).waitFor();
      await v.page.getByText("does not take this token").waitFor();
      // Pasted with something that no header takes.
      await v.page.locator("input[name=token]").fill(`“${token}”`);
      await v.page.getByRole("button", { name: "Go on" }).click();
      await v.page.getByText("does not take this token").waitFor();
      await v.page.locator("input[name=token]").fill(token);
      expect(await violations(v.page)).toEqual([]);
      await v.page.getByRole("button", { name: "Go on" }).click();
      await v.page.locator(".trace").first().waitFor();
      await v.page.reload();
      await v.page.locator(".trace").first().waitFor();
      expect(v.complaints).toEqual([]);
    } finally {
      await v.context.close();
      await site.close();
    }
  });

  it("says so when the server is gone", async () => {
    const site = await storySite({ count: 20, hostile: false });
    const v = await visit(browser);
    try {
      await v.page.goto(inRange(site, "/search"));
      await v.page.locator(".trace").first().waitFor();
      await site.weft.stop();
      await v.page.getByRole("button", { name: "Search", exact: true }).click();
      await v.page.getByText("Weft cannot be reached").first().waitFor();
    } finally {
      await v.context.close();
      await site.close();
    }
  });
});
