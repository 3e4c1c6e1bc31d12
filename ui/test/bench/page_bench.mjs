// ./dev bench page: what the page costs the person who looks at it, against its budgets: the real binary, Debian's
// Chromium, a trace of 100,000 spans. Medians; the machine's own load stands below, for whoever judges them.

import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { chromium } from "playwright-core";
import { kBigTraceId, kHealthyTraceId } from "../story/story.mjs";
import { findBinary, recentHour, Weft } from "../story/weft.mjs";

const kSpans = 100_000;
const kRounds = 9;
const kChromium = process.env.WEFT_CHROMIUM ?? "/usr/bin/chromium";

const binary = findBinary();
if (!binary || !existsSync(kChromium)) {
  console.error(binary ? `${kChromium} is absent (apt-get install chromium)` : "build/weft is not built (./dev build)");
  process.exit(1);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rows = [];
function add(what, budget, values, unit, digits = 0) {
  const spread = values.length > 1 ? `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}` : "";
  rows.push([what, `≤ ${budget}`, median(values).toFixed(digits), unit, median(values) <= budget ? "met" : "MISSED", spread]);
}

const weft = new Weft(binary);
const browser = await chromium.launch({ executablePath: kChromium, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"] });
try {
  await weft.start();
  const range = recentHour();
  await weft.postStory({ ...range, big: kSpans });
  const at = (path) => `${weft.url}${path}?v=1&start=${new Date(range.startMs).toISOString()}&end=${new Date(range.endMs).toISOString()}`;
  const context = await browser.newContext({ viewport: { width: 1400, height: 860 } });
  const page = await context.newPage();

  const paints = [];
  const opened = [];
  let bytes = 0;
  for (let round = 0; round < kRounds; round++) {
    // A context of its own: nothing is in its cache.
    const fresh = await browser.newContext({ viewport: { width: 1400, height: 860 } });
    const first = await fresh.newPage();
    await first.goto(at("/search"));
    await first.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    paints.push(await first.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    const loaded = await first.evaluate(() =>
      [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter((e) => !e.name.includes("/api/")).reduce((sum, e) => sum + e.encodedBodySize, 0),
    );
    bytes = Math.max(bytes, loaded);
    await fresh.close();

    await page.goto(at(`/trace/${kHealthyTraceId}`));
    await page.locator(".row").first().waitFor();
    const begun = performance.now();
    await page.goto(at(`/trace/${kBigTraceId}`));
    await page.locator(".row").first().waitFor();
    opened.push(performance.now() - begun);
  }
  const frames = await page.evaluate(async () => {
    const scroll = document.querySelector(".waterfall-scroll");
    const times = [];
    for (let i = 0; i < 120; i++) {
      scroll.scrollTop += i < 80 ? 200 : 30_000;
      const before = performance.now();
      await new Promise((done) => requestAnimationFrame(done));
      times.push(performance.now() - before);
    }
    return times;
  });
  add("the whole app, compressed", 150, [bytes / 1000], "kB", 1);
  add("first paint, nothing cached", 1000, paints, "ms");
  add(`a trace of ${kSpans.toLocaleString("en")} spans: first rows`, 1000, opened, "ms");
  add("scrolling through it: a frame", 17, frames, "ms", 1);
} finally {
  await browser.close();
  await weft.close();
}
console.log(`load       ${loadavg()[0].toFixed(1)} on average during the last minute\n`);
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
