// What the end-to-end tests run against: Debian's Chromium and the real binary, which is sent its spans over
// OTLP/HTTP. Where the binary is named ($WEFT_BINARY, as ./dev test does) nothing may be absent; else what is
// absent is skipped with a plain message.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
// @ts-expect-error plain JavaScript without types
import { findBinary, recentHour, Weft } from "../story/weft.mjs";

export { kBigTraceId, kDnsTraceId, kHealthyTraceId, kHostileTraceId, kLedgerTraceId, kLostTraceId, kSuspendedTraceId, kTimeoutTraceId } from "../story/story_ids.ts";

const kChromium = process.env.WEFT_CHROMIUM ?? "/usr/bin/chromium";
const kShots = process.env.WEFT_SCREENSHOTS ?? join(tmpdir(), "weft-screenshots");
export const kBigSpans = 100_000;

const binary: string | null = findBinary();
const has_chromium = existsSync(kChromium);
if (process.env.WEFT_BINARY && !has_chromium) throw new Error(`${kChromium} is absent (apt-get install chromium)`);
if (!has_chromium) console.log(`skipped: ${kChromium} is absent (apt-get install chromium)`);
if (!binary) console.log("skipped: build/weft is not built (./dev build, or set WEFT_BINARY)");
export const canRun = has_chromium && binary !== null;

// What of test/story/weft.mjs the tests use.
interface Server {
  url: string;
  dir: string;
  start(flags?: string[]): Promise<Server>;
  stop(): Promise<void>;
  close(): Promise<void>;
  postStory(options: { startMs: number; endMs: number; count?: number; big?: number; hostile?: boolean }): Promise<void>;
}

export interface Site {
  url: string;
  startMs: number;
  endMs: number;
  weft: Server;
  close(): Promise<void>;
}

const siteOf = (weft: Server, range: { startMs: number; endMs: number }): Site => ({ url: weft.url, ...range, weft, close: () => weft.close() });

export function newServer(): Server {
  return new Weft(binary) as Server;
}

export async function storySite(options: { count?: number; big?: number; hostile?: boolean; flags?: string[]; weft?: Server } = {}): Promise<Site> {
  const { flags, weft = newServer(), ...story } = options;
  const range = recentHour() as { startMs: number; endMs: number };
  await weft.start(flags);
  await weft.postStory({ ...range, ...story });
  return siteOf(weft, range);
}

export async function emptySite(): Promise<Site> {
  return siteOf(await newServer().start(), recentHour());
}

export function launch(): Promise<Browser> {
  mkdirSync(kShots, { recursive: true });
  return chromium.launch({ executablePath: kChromium, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"] });
}

export interface Visit {
  context: BrowserContext;
  page: Page;
  // Console errors, page errors and CSP violations, which no test tolerates.
  complaints: string[];
}

export async function visit(browser: Browser, options: { dark?: boolean; width?: number; height?: number } = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: options.width ?? 1400, height: options.height ?? 860 }, colorScheme: options.dark ? "dark" : "light", acceptDownloads: true });
  const page = await context.newPage();
  const complaints: string[] = []; // see Visit
  page.on("console", (message) => {
    // The browser logs every 4xx by itself; the tests that ask for one expect it.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.setDefaultTimeout(60_000);
  return { context, page, complaints };
}

export function inRange(site: Site, path: string): string {
  return `${site.url}${path}${path.includes("?") ? "&" : "?"}v=1&start=${new Date(site.startMs).toISOString()}&end=${new Date(site.endMs).toISOString()}`;
}

export const text = (page: Page, selector: string) => page.locator(selector).allInnerTexts();
export const params = (page: Page): Record<string, string> => Object.fromEntries(new URL(page.url()).searchParams);

// Nothing is being loaded any more.
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector("main") && !document.querySelector(".loading-bar:not(.idle)"));
}

const kAxe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(kAxe);
  const result = await page.evaluate(() => (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe.run());
  return result.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.failureSummary}`).join(" | ")}`);
}

export async function shot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(kShots, `${name}.png`) });
}
