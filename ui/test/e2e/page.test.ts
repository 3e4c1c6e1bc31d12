// Every view and interaction in a real browser, against the real binary.

import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { canRun, inRange, kBigSpans, kBigTraceId, kDnsTraceId, kHealthyTraceId, kHostileTraceId, kLedgerTraceId, kLostTraceId, kSuspendedTraceId, kTimeoutTraceId, launch, params, settled, shot, type Site, storySite, text, visit, type Visit } from "./harness.ts";

describe.skipIf(!canRun)("the page", () => {
  let browser: Browser;
  let site: Site;
  let v: Visit;
  let page: Page;
  beforeAll(async () => {
    browser = await launch();
    site = await storySite({ big: kBigSpans });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(async () => {
    v = await visit(browser);
    page = v.page;
  });
  afterEach(async () => {
    await v.context.close();
    expect(v.complaints).toEqual([]);
  });

  it("searches: newest first, with what was scanned and whether a limit cut it", async () => {
    await page.goto(inRange(site, "/search"));
    await settled(page);
    expect(await page.locator(".trace").count()).toBe(50);
    // The moments, not the times of day: the traces may lie around midnight.
    const times = await page.locator(".trace-time").evaluateAll((all) => all.map((time) => (time as HTMLTimeElement).dateTime));
    expect(times.every((time) => !Number.isNaN(Date.parse(time)))).toBe(true);
    expect([...times].sort().reverse()).toEqual(times);
    expect(await page.locator(".results-head").innerText()).toMatch(/newest 50 traces[\s\S]*spans[\s\S]*scanned[\s\S]*cut at 50/);
    await page.getByRole("button", { name: "Show up to 200" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".trace").length === 200);
    expect(params(page).limit).toBe("200");
  });

  it("streams the results of a search", async () => {
    const [answer] = await Promise.all([
      page.waitForResponse((r) => r.url().includes("/api/v1/search") && (r.headers()["content-type"] ?? "").startsWith("text/event-stream")),
      page.goto(inRange(site, "/search?q=%7B%20status%20%3D%20error%20%7D")),
    ]);
    expect(answer.status()).toBe(200);
    await page.locator(".trace.failed").first().waitFor();
  });

  it("puts an absolute range and a version into the address", async () => {
    await page.goto(`${site.url}/`);
    await page.waitForURL(/v=1&start=.*Z&end=.*Z/);
    await page.getByRole("button", { name: "Earlier" }).click();
    const { start, end } = params(page);
    expect(Date.parse(end) - Date.parse(start)).toBe(3_600_000);
    await page.getByRole("button", { name: /^Time range/ }).click();
    await page.getByRole("button", { name: "The last 15 m" }).click();
    const later = params(page);
    expect(Date.parse(later.end) - Date.parse(later.start)).toBe(900_000);
  });

  it("writes TraceQL from the facets, and reads it back", async () => {
    await page.goto(inRange(site, "/search"));
    await settled(page);
    await page.getByRole("region", { name: "Status" }).getByRole("button", { name: /^error/ }).click();
    await page.waitForURL(/status\+%3D\+error/);
    // Busier services come first; this one may be among the rest.
    const service = page.getByRole("region", { name: "Service" });
    if (!(await service.getByRole("button", { name: /^session-api/ }).isVisible())) await service.locator("summary").click();
    await service.getByRole("button", { name: /^session-api/ }).click();
    await page.waitForURL(/session-api/);
    expect(params(page).q).toBe('{ status = error && resource.service.name = "session-api" }');
    expect(await page.locator("textarea").inputValue()).toBe(params(page).q);
    await settled(page);
    expect(await page.getByRole("region", { name: "Status" }).getByRole("button", { name: /^error/ }).getAttribute("aria-pressed")).toBe("true");
    expect(await page.locator(".trace").count()).toBeGreaterThan(3);
    expect(await page.locator(".trace.failed").count()).toBe(await page.locator(".trace").count());
    await page.getByRole("region", { name: "Squad" }).getByRole("button", { name: /^Backend/ }).click();
    expect(params(page).q).toContain('resource.service.name =~ "session-api"');
    await page.goBack();
    await page.getByRole("region", { name: "Status" }).getByRole("button", { name: /^error/ }).click();
    expect(params(page).q).toBe('{ resource.service.name = "session-api" }');
    await page.getByRole("region", { name: "Duration" }).getByRole("button", { name: /^> 1 s/ }).click();
    expect(params(page).q).toBe('{ resource.service.name = "session-api" && duration > 1s }');
    await page.getByRole("region", { name: "Duration" }).getByRole("button", { name: /^> 1 s/ }).click();
    await page.goto(inRange(site, "/search"));
    await page.getByRole("region", { name: "Route" }).getByRole("button", { name: /^\/login/ }).click();
    expect(params(page).q).toBe('{ span.http.route = "/login" }');
    await settled(page);
    expect(await page.locator(".trace").count()).toBeGreaterThan(3);
  });

  it("completes keys and values, and underlines an error at its place", async () => {
    await page.goto(inRange(site, "/search"));
    await settled(page);
    const box = page.locator("textarea");
    await box.click();
    await box.pressSequentially("{ span.http.rou");
    await page.getByRole("option", { name: /span\.http\.route/ }).waitFor();
    expect(await page.getByRole("option", { name: /span\.http\.route/ }).innerText()).toMatch(/spans/);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    expect(await box.inputValue()).toBe("{ span.http.route");
    await box.pressSequentially(" = ");
    await page.getByRole("option", { name: /"?\/login"?/ }).first().waitFor();
    // Checked by the server by now, but not finished: no complaint, and nothing has moved.
    await page.waitForTimeout(1000);
    expect(await page.locator(".query-problem").count()).toBe(0);
    expect(await page.locator(".query-colours .wrong").count()).toBe(0);
    await box.pressSequentially('"/login" }');
    expect(await text(page, ".query-colours .t-string")).toEqual(['"/login"']);
    expect(await text(page, ".query-colours .t-attribute")).toEqual(["span.http.route"]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Enter");
    await page.waitForURL(/http\.route/);
    await settled(page);
    expect(await page.locator(".trace").count()).toBeGreaterThan(10);
    await box.fill("{ span.http.route = }");
    await page.locator(".query-problem").waitFor();
    expect(await page.locator(".wrong").count()).toBeGreaterThan(0);
    await page.keyboard.press("Enter");
    await page.getByText("The query cannot be read").waitFor();
    await shot(page, "search-error");
  });

  it("underlines an error behind characters of several bytes, too", async () => {
    await page.goto(inRange(site, `/search?q=${encodeURIComponent('{ name = "üüß😀" && spam.foo = 1 }')}`));
    await page.locator(".query-problem", { hasText: "column 20" }).waitFor();
    expect((await text(page, ".query-colours .wrong")).join("")).toBe("spam.foo");
  });

  it("narrows by a rectangle on the heatmap, and by the keyboard", async () => {
    await page.goto(inRange(site, "/search"));
    await settled(page);
    const area = page.locator(".heatmap canvas");
    const box = (await area.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 90, { steps: 5 });
    const caption = () => page.locator(".heatmap-caption .grow").innerText();
    await expect.poll(caption, { timeout: 30_000 }).toMatch(/: \d+ spans?/);
    const inside = /: (\d+) spans?/.exec(await caption())![1];
    await page.mouse.up();
    await page.waitForURL(/duration/);
    const p = params(page);
    expect(p.q).toMatch(/^\{ span:parentID = nil && duration >= \S+/);
    expect(Date.parse(p.start)).toBeGreaterThan(site.startMs);
    expect(Date.parse(p.end)).toBeLessThan(site.endMs);
    await settled(page);
    await expect.poll(caption, { timeout: 30_000 }).toMatch(new RegExp(`^${inside} spans? `)); // what was framed is what is found
    await page.goBack();
    await settled(page);
    await page.getByRole("application").focus();
    for (const key of ["ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"]) await page.keyboard.press(key);
    await page.waitForURL(/duration/);
  });

  it("draws a TraceQL metric", async () => {
    await page.goto(inRange(site, `/search?q=${encodeURIComponent("{ } | rate() by(resource.service.name)")}`));
    await settled(page);
    await page.locator(".legend li").first().waitFor();
    expect((await text(page, ".legend")).join()).toContain("session-api");
    await shot(page, "metric");
  });

  it("opens a trace: rows, owners, phases, critical path, details", async () => {
    await page.goto(inRange(site, `/trace/${kSuspendedTraceId}`));
    await page.locator(".row").first().waitFor();
    expect(await page.locator("[role=treegrid]").getAttribute("aria-rowcount")).toBe(String(await page.locator(".row").count()));
    const facts = (await text(page, ".trace-services")).join(" ");
    for (const word of ["Product", "Backend", "Account", "account-oauth", "account-legacy"]) expect(facts).toContain(word);
    expect((await text(page, ".trace-notices")).join()).toMatch(/clock of[\s\S]*legacy-1[\s\S]*ahead/);
    await page.locator(".row", { hasText: "check scopes" }).click();
    const details = page.getByRole("complementary", { name: "Span details" });
    expect(await details.innerText()).toMatch(/lacks scope session:write/);
    expect(await details.innerText()).toContain("exception");
    expect(params(page).span).toMatch(/^[0-9a-f]{16}$/);
    await page.locator(".row", { hasText: "/oauth/token" }).first().click();
    await page.getByRole("link", { name: "Filter for this customer.state" }).click();
    await page.waitForURL(/customer\.state/);
    expect(params(page).q).toBe('{ span.customer.state = "suspended" }');
    await settled(page);
    expect(await page.locator(".trace").count()).toBeGreaterThan(0);
  });

  it("shows what failed on the network, and what the browser hides", async () => {
    await page.goto(inRange(site, `/trace/${kDnsTraceId}`));
    const call = page.locator(".row", { has: page.locator(".row-name .value", { hasText: /^POST$/ }) }).first();
    await call.click();
    const details = page.getByRole("complementary", { name: "Span details" });
    expect(await details.innerText()).toMatch(/ended in its DNS phase/);
    await page.goto(inRange(site, `/trace/${kTimeoutTraceId}`));
    await call.click();
    expect(await details.innerText()).toMatch(/No server span continues this call/);
    await page.goto(inRange(site, `/trace/${kLostTraceId}`));
    await page.locator(".row", { hasText: "HTTP POST" }).first().click();
    expect(await details.innerText()).toMatch(/Hidden by the browser/);
    expect(await details.innerText()).toMatch(/network/);
  });

  it("reads phases from timing attributes too", async () => {
    await page.goto(inRange(site, `/trace/${kLedgerTraceId}`));
    await page.locator(".row", { has: page.locator(".row-name .value", { hasText: /^POST$/ }) }).first().click();
    const phases = await page.locator(".phases").innerText();
    for (const phase of [/DNS\s+2\.5 ms/, /connect\s+3 ms/, /TLS\s+6 ms/, /wait\s+20 ms/]) expect(phases).toMatch(phase);
  });

  it("copies a value, filters it out, and narrows by the minimap", async () => {
    await v.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(inRange(site, `/trace/${kSuspendedTraceId}`));
    await page.locator(".row", { hasText: "/oauth/token" }).first().click();
    await page.getByRole("button", { name: "Copy the value of customer.state" }).click();
    await page.getByText("Value copied").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("suspended");
    const map = (await page.locator(".minimap").boundingBox())!;
    await page.mouse.move(map.x + map.width * 0.25, map.y + 20);
    await page.mouse.down();
    await page.mouse.move(map.x + map.width * 0.5, map.y + 20, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/zoom=/);
    const [from, to] = params(page).zoom.split("-").map(Number);
    expect(to).toBeGreaterThan(from);
    await page.getByRole("link", { name: "Filter out this customer.state" }).click();
    await page.waitForURL(/customer\.state/);
    expect(params(page).q).toBe('{ span.customer.state != "suspended" }');
  });

  it("names a parent that was not received", async () => {
    await page.goto(inRange(site, `/trace/${kLostTraceId}`));
    await page.getByRole("button", { name: "1 parent was not received" }).click();
    expect(await page.locator(".row.missing").count()).toBe(1);
    expect(await page.getByRole("complementary", { name: "Span details" }).innerText()).toMatch(/never arrived/);
    await shot(page, "trace-lost");
  });

  it("goes through a trace by keyboard alone", async () => {
    await page.goto(inRange(site, `/trace/${kSuspendedTraceId}`));
    await page.locator(".row").first().waitFor();
    const rows = await page.locator(".row").count();
    const selected = () => page.locator(".row.selected").innerText();
    await page.keyboard.press("j");
    expect(await selected()).toContain("POST /login");
    await page.keyboard.press("j");
    expect(await selected()).toContain("HTTP POST");
    await page.keyboard.press("ArrowLeft");
    expect(await page.locator(".row").count()).toBeLessThan(rows);
    expect(params(page).collapsed).toMatch(/^[0-9a-f]{16}$/);
    await page.reload();
    await page.locator(".row").first().waitFor();
    expect(await page.locator(".row").count()).toBeLessThan(rows);
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction((n) => document.querySelectorAll(".row").length === n, rows);
    await page.keyboard.press("n");
    expect(await page.locator(".row.selected.failed").count()).toBe(1);
    await page.keyboard.press("+");
    expect(params(page).zoom).toMatch(/-/);
    await page.keyboard.press("0");
    expect(params(page).zoom).toBeUndefined();
    await page.keyboard.press("t");
    expect(params(page).clocks).toBe("set");
    await page.keyboard.press("c");
    expect(params(page).path).toBe("off");
    await page.keyboard.press("f");
    await page.locator(".flame canvas").waitFor();
    await page.keyboard.press("f");
    await page.keyboard.press("/");
    await page.keyboard.type("scopes");
    await page.waitForURL(/find=scopes/);
    await page.waitForFunction(() => document.querySelectorAll(".row.hit").length > 0);
    await page.keyboard.press("Enter");
    expect(await page.locator(".row.selected.hit").count()).toBe(1);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    expect(await page.locator(".row.selected").count()).toBe(0);
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").innerText()).toContain("critical path".replace("c", "C"));
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("m");
    await page.waitForURL(/\/map/);
  });

  it("finds inside a trace, and sets clocks that disagree", async () => {
    await page.goto(inRange(site, `/trace/${kHealthyTraceId}`));
    await page.locator(".row").first().waitFor();
    await page.getByRole("searchbox").fill("account-oauth");
    await page.getByRole("button", { name: "Next hit" }).waitFor();
    await page.getByRole("searchbox").press("Enter");
    await page.locator(".row.selected").waitFor();
    expect(await page.locator(".find [role=status]").innerText()).toMatch(/^1 \/ [1-9]\d*$/);
    expect(params(page).find).toBe("account-oauth");

    await page.getByText(/clock of account-legacy.* [\d.]+ m?s (ahead|behind): raw times shown/).waitFor();
    const offsets = () => page.locator(".row", { hasText: "SELECT sessions" }).first().innerHTML();
    const raw = await offsets();
    await page.getByRole("button", { name: "Set clocks" }).click();
    await page.getByText(/clock of account-legacy.*: set right here/).waitFor();
    expect(params(page).clocks).toBe("set");
    expect(await offsets()).not.toBe(raw);
  });

  it("leads on from a trace to its own time, not to the last hour", async () => {
    await page.goto(`${site.url}/trace/${kDnsTraceId}`);
    await page.waitForURL(/start=.*&end=/);
    await page.locator(".row", { hasText: "http.dns" }).first().click();
    const { start, end } = params(page);
    await page.getByRole("link", { name: "Find more of this operation" }).click();
    await page.locator(".trace").first().waitFor();
    expect([params(page).start, params(page).end]).toEqual([start, end]);
  });

  it("shows no trace under another one's address while that loads", async () => {
    await page.goto(inRange(site, `/trace/${kDnsTraceId}`));
    await page.locator(".row").first().waitFor();
    await page.keyboard.press("p");
    const rows = await page.locator(".row").evaluateAll((all) => all.map((row) => [row.classList.contains("failed"), row.classList.contains("selected")]));
    expect(rows.findLast(([failed]) => failed)?.[1]).toBe(true); // with nothing chosen, the last that failed
    let answer = () => {};
    const asked = new Promise<void>((resolve) => (answer = resolve));
    await page.route(`**/api/v1/traces/${kHealthyTraceId}`, async (route) => {
      await asked;
      await route.continue();
    });
    await page.evaluate((path) => {
      history.pushState(null, "", path);
      dispatchEvent(new PopStateEvent("popstate"));
    }, `/trace/${kHealthyTraceId}`);
    await page.getByRole("heading", { name: `Trace ${kHealthyTraceId}` }).waitFor({ state: "attached" });
    expect(await page.locator(".row").count()).toBe(0);
    answer();
    await page.locator(".row").first().waitFor();
    expect(await page.locator(".trace-facts").innerText()).toContain(kHealthyTraceId);
  });

  it("downloads the trace as OTLP JSON", async () => {
    await page.goto(inRange(site, `/trace/${kHealthyTraceId}`));
    await page.locator(".row").first().waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download as OTLP JSON" }).click()]);
    const data = JSON.parse(readFileSync((await download.path())!, "utf8"));
    const spans = data.resourceSpans.flatMap((r: { scopeSpans: { spans: unknown[] }[] }) => r.scopeSpans.flatMap((s) => s.spans));
    expect(spans.length).toBe(await page.locator(".row").count());
    expect(download.suggestedFilename()).toBe(`trace-${kHealthyTraceId}.json`);
  });

  it("opens a trace of 100,000 spans and scrolls through it", async () => {
    await page.goto(inRange(site, `/trace/${kHealthyTraceId}`));
    await page.locator(".row").first().waitFor();
    const begun = Date.now();
    await page.goto(inRange(site, `/trace/${kBigTraceId}`));
    await page.locator(".row").first().waitFor();
    console.log(`100,000 spans, first rows after ${Date.now() - begun} ms of wall time`);
    expect(await page.locator("[role=treegrid]").getAttribute("aria-rowcount")).toBe(String(kBigSpans));
    expect(await page.locator(".row").count()).toBeLessThan(120);
    const frames = await page.evaluate(async () => {
      const scroll = document.querySelector(".waterfall-scroll")!;
      const times: number[] = [];
      for (let i = 0; i < 60; i++) {
        scroll.scrollTop += i < 40 ? 200 : 60_000;
        const before = performance.now();
        await new Promise((done) => requestAnimationFrame(done));
        times.push(performance.now() - before);
      }
      return times.sort((a, b) => a - b);
    });
    console.log(`scrolling, median frame ${frames[30].toFixed(1)} ms, 95 % ${frames[57].toFixed(1)} ms`);
    await page.waitForFunction(() => Number(document.querySelector(".row")?.getAttribute("aria-rowindex")) > 10_000);
    await page.keyboard.press("End");
    await page.locator(`.row.selected[aria-rowindex="${kBigSpans}"]`).waitFor();
    await shot(page, "trace-big");
    await page.keyboard.press("f");
    await page.locator(".flame canvas").waitFor();
    await shot(page, "flame-big");
  });

  it("never runs or renders what telemetry says", async () => {
    for (const path of [`/trace/${kHostileTraceId}`, `/trace/${kHostileTraceId}?view=flame`, "/search?q=%7Bstatus%3Derror%7D&limit=200", "/map", "/map?view=table", "/errors", "/services", `/compare?a=${kHostileTraceId}&b=${kHealthyTraceId}`]) {
      await page.goto(inRange(site, path));
      await settled(page);
      if (path.startsWith("/trace") && !path.includes("flame")) {
        await page.locator(".row").first().waitFor();
        for (let i = 0; i < 10; i++) {
          await page.keyboard.press("j");
          await page.locator(".details").waitFor();
        }
      }
      if (path === "/map") await page.locator(".map-node").first().waitFor();
      expect(await page.evaluate(() => (globalThis as { __pwned?: number }).__pwned)).toBeUndefined();
      expect(await page.locator("#app script, #app iframe, #app img, #app style, a[href^='javascript' i]").count()).toBe(0);
    }
    await page.goto(inRange(site, `/trace/${kHostileTraceId}`));
    await page.locator(".row").first().waitFor();
    expect((await text(page, ".row")).join()).toContain("<script>globalThis.__pwned=1</script>");
    await shot(page, "hostile");
  });

  it("maps services: squads, edges, and through to the traces", async () => {
    await page.goto(inRange(site, `/map?q=${encodeURIComponent('{ resource.service.namespace =~ "Product|Backend|Account" }')}`));
    await page.locator(".map-node").first().waitFor();
    const labels = await page.locator(".map-node").evaluateAll((all) => all.map((e) => e.getAttribute("aria-label")));
    expect(labels.join()).toMatch(/service session-api, squad Backend/);
    await page.getByRole("button", { name: /Account: close the squad/ }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /squad of 2 services/ }).waitFor();
    await page.getByRole("button", { name: "Open squads" }).click();
    await page.getByRole("button", { name: /calls from session-api to account-oauth/ }).focus();
    await page.keyboard.press("Enter");
    expect(await page.getByRole("complementary", { name: "Connection" }).innerText()).toMatch(/continued[\s\S]*of calls/);
    await page.getByRole("link", { name: "Traces with this call" }).click();
    await page.waitForURL(/\/search/);
    await settled(page);
    expect(await page.locator(".trace").count()).toBeGreaterThan(3);
  });

  it("draws calls that lose the context broken, and says who owns nothing", async () => {
    await page.goto(inRange(site, `/map?q=${encodeURIComponent('{ resource.service.name =~ "shop|ledger" }')}`));
    await page.locator(".map-node").first().waitFor();
    expect(await page.locator(".map-edge.broken").count()).toBe(1);
    expect((await text(page, ".page > .toolbar")).join()).toContain("1 connection loses the context");
    const labels = (await page.locator(".map-node").evaluateAll((all) => all.map((e) => e.getAttribute("aria-label")))).join();
    expect(labels).toMatch(/service shop, squad Payments/);
    expect(labels).toMatch(/service ledger, unowned/);
    await page.getByRole("button", { name: /10 % continue the trace: calls from shop to ledger/ }).click();
    expect(await page.getByRole("complementary", { name: "Connection" }).innerText()).toMatch(/traceparent is lost/);
    await shot(page, "map-broken");
    await page.getByRole("link", { name: "Traces with this call" }).click();
    await page.waitForURL(/\/search/);
    await settled(page);
    expect(await page.locator(".trace").count()).toBe(2);
    await page.goto(inRange(site, "/services"));
    await page.locator(".grid tbody tr").first().waitFor();
    expect(await page.locator("tr", { hasText: "ledger" }).innerText()).toContain("unowned");
    expect(await page.locator("tr", { hasText: "shop" }).innerText()).toContain("Payments");
  });

  it("groups errors, with owner, releases and sample traces", async () => {
    await page.goto(inRange(site, "/errors"));
    await page.locator(".errors tbody tr").first().waitFor();
    const all = (await text(page, ".errors")).join();
    expect(all).toMatch(/lacks scope session:write/);
    expect(all).toContain("Account");
    await page.locator(".errors .link", { hasText: "lacks scope" }).first().click();
    expect(await page.locator("tr", { hasText: "order refused by the new ledger rules" }).innerText()).toMatch(/new since shop 2/);
    expect(await page.getByRole("img", { name: /failed spans over time.*Releases:.*session-api 1\.1 at.*shop 2 at/ }).count()).toBe(1);
    const panel = page.getByRole("complementary", { name: "Error group" });
    expect(await panel.innerText()).toMatch(/first seen[\s\S]*Sample traces/);
    // A sample says when, where, how long and what, so that one is chosen knowingly.
    expect(await panel.locator(".samples li").first().innerText()).toMatch(/\d\d:\d\d:\d\d[\s\S]* [\d.]+ (µs|ms|s)/);
    expect(await panel.getByRole("link", { name: "Failed spans of check scopes" }).getAttribute("href")).toContain(encodeURIComponent('name = "check scopes"').replaceAll("%20", "+"));
    await panel.locator(".samples a").first().click();
    await page.waitForURL(/\/trace\//);
    await page.locator(".row").first().waitFor();
  });

  it("charts services and their operations", async () => {
    await page.goto(inRange(site, "/services"));
    await page.getByRole("button", { name: "session-api" }).click();
    await page.locator(".charts canvas").nth(2).waitFor();
    expect(await page.getByRole("img", { name: /^Rate\. rate: from/ }).count()).toBe(1);
    // The release lines, as screen readers hear of them: on every chart.
    expect(await page.getByRole("img", { name: /Releases: session-api 1\.1 at/ }).count()).toBe(3);
    await page.getByRole("button", { name: "POST /session/transfer" }).click();
    expect(params(page).op).toBe("POST /session/transfer");
    await settled(page);
    expect(await page.locator(".charts canvas").count()).toBe(3);
  });

  it("compares two traces", async () => {
    await page.goto(inRange(site, "/search"));
    await settled(page);
    const boxes = page.locator(".trace input[type=checkbox]");
    await boxes.nth(0).check();
    await boxes.nth(1).check();
    await page.getByRole("link", { name: "Compare the two" }).click();
    await page.locator(".compare-row").first().waitFor();
    await page.goto(inRange(site, `/compare?a=${kHealthyTraceId}&b=${kTimeoutTraceId}`));
    await page.locator(".compare-row").first().waitFor();
    const said = (await text(page, ".page > .toolbar")).join();
    expect(said).toMatch(/missing/);
    expect(said).toMatch(/slower/);
    expect(said).toMatch(/failed now/);
    await page.getByRole("button", { name: "Changed" }).click();
    expect(params(page).only).toBe("changed");
    await page.goto(inRange(site, `/trace/${kTimeoutTraceId}`));
    await page.locator(".row").first().waitFor();
    await page.getByRole("button", { name: "Compare" }).click();
    await page.waitForURL(/\/compare\?/);
    await page.locator(".compare-row").first().waitFor();
  });

  it("says clearly what is not there", async () => {
    await page.goto(`${site.url}/trace/00000000000000000000000000000bad`);
    await page.getByText("is stored").waitFor();
    await page.goto(`${site.url}/trace/nonsense!`);
    await page.getByText("That is not a trace id").waitFor();
    await page.goto(`${site.url}/nowhere`);
    await page.getByText("There is no such page").waitFor();
    await page.goto(`${site.url}/search?v=1&start=2001-01-01T00:00:00Z&end=2001-01-01T01:00:00Z`);
    await page.getByText("The newest stored trace is of").waitFor();
    await page.getByRole("button", { name: "Go to the newest" }).click();
    await page.locator(".trace").first().waitFor();
    await page.goto(`${site.url}/map?v=9&start=2001-01-01T00:00:00Z&end=2001-01-01T01:00:00Z`);
    await page.getByText("made by a newer Weft").waitFor();
  });

  it("switches between light and dark, and remembers", async () => {
    await page.goto(inRange(site, "/search"));
    const becomes = (theme: string) => page.locator(`html[data-theme="${theme}"]`).waitFor();
    await becomes("light");
    await page.getByRole("button", { name: /^Theme: system/ }).click();
    await page.getByRole("button", { name: /^Theme: light/ }).click();
    await becomes("dark");
    await page.reload();
    await becomes("dark");
  });
});
