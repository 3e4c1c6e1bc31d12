// What the end-to-end tests run against: the mock, and the real binary with the same spans posted to
// it over OTLP/HTTP. Chromium is Debian's. What is absent is skipped with a plain message.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
// @ts-expect-error plain JavaScript shared with the mock
import { demoStore, emptyStore, startMock } from "../mock/server.mjs";
// @ts-expect-error plain JavaScript shared with the mock
import { hostileTrace, hugeTrace, kBigTraceId, kHostileTraceId, kSquads, loginStory, namedTraces } from "../mock/story.mjs";

export { kBigTraceId, kDnsTraceId, kHealthyTraceId, kHostileTraceId, kLostTraceId, kSuspendedTraceId, kTimeoutTraceId } from "../mock/story_ids.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const kChromium = process.env.WEFT_CHROMIUM ?? "/usr/bin/chromium";
export const kShots = process.env.WEFT_SCREENSHOTS ?? join(tmpdir(), "weft-screenshots");
export const kBigSpans = 100_000;

export const hasChromium = existsSync(kChromium);
if (!hasChromium) console.log(`skipped: ${kChromium} is absent (apt-get install chromium)`);

function binary(): string | null {
  const named = process.env.WEFT_BINARY;
  const found = [named, join(root, "../build/src/cli/weft"), join(root, "../build/weft")].find((p) => p && existsSync(p));
  return found ?? null;
}

export interface Site {
  name: string;
  url: string;
  startMs: number;
  endMs: number;
  close(): Promise<void>;
}

export function buildPage(): void {
  if (!existsSync(join(root, "dist/index.html"))) execFileSync(process.execPath, [join(root, "build.mjs")], { cwd: root });
}

// An hour of the login story that ends at a whole minute in the recent past.
function hour(): { startMs: number; endMs: number } {
  const endMs = Math.floor(Date.now() / 60_000) * 60_000 - 60_000;
  return { startMs: endMs - 3_600_000, endMs };
}

async function mockSite(): Promise<Site> {
  const range = hour();
  const mock = await startMock({ store: demoStore({ ...range, count: 400, big: kBigSpans }) });
  return { name: "mock", url: mock.url, ...range, close: mock.close };
}

export async function emptySite(): Promise<Site> {
  const mock = await startMock({ store: emptyStore() });
  return { name: "empty", url: mock.url, ...hour(), close: mock.close };
}

export async function guardedSite(token: string): Promise<Site> {
  const range = hour();
  const mock = await startMock({ store: demoStore({ ...range, count: 50, hostile: false }), token });
  return { name: "guarded", url: mock.url, ...range, close: mock.close };
}

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(`${url}/v1/traces`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`OTLP was refused: ${response.status} ${await response.text()}`);
}

// Parts of a big trace that stay well under the request limit.
function* slices(otlp: { resourceSpans: { resource: unknown; scopeSpans: { scope: unknown; spans: unknown[] }[] }[] }) {
  for (const rs of otlp.resourceSpans) {
    for (const ss of rs.scopeSpans) {
      for (let i = 0; i < ss.spans.length; i += 5000) yield { resourceSpans: [{ resource: rs.resource, scopeSpans: [{ scope: ss.scope, spans: ss.spans.slice(i, i + 5000) }] }] };
    }
  }
}

function ready(child: ChildProcess): Promise<Record<string, string>> {
  return new Promise((done, fail) => {
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      const line = /^weft ready (.*)$/m.exec(text);
      if (line) done(Object.fromEntries(line[1].split(" ").map((part) => part.split("=") as [string, string])));
    });
    let errors = "";
    child.stderr!.on("data", (chunk) => (errors += chunk));
    child.on("exit", (code) => fail(new Error(`weft serve ended with ${code}: ${errors}`)));
  });
}

async function binarySite(path: string): Promise<Site> {
  const range = hour();
  const data = mkdtempSync(join(tmpdir(), "weft-ui-e2e-"));
  const config = join(data, "weft.yaml");
  writeFileSync(config, `squads:\n${kSquads.map((s: { name: string; tribe: string; services: string[] }) => `  - name: ${s.name}\n    tribe: ${s.tribe}\n    services: [${s.services.join(", ")}]\n`).join("")}`);
  const child = spawn(path, ["serve", "--config", config, "--data", join(data, "store"), "--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "off", "--zipkin", "off", "--exit-with-parent"], { stdio: ["ignore", "pipe", "pipe"] });
  const where = await ready(child);
  const otlp = `http://${where["otlp-http"]}`;
  for (const t of loginStory({ ...range, count: 400 })) await post(otlp, t);
  for (const t of namedTraces(range.endMs)) await post(otlp, t);
  await post(otlp, hostileTrace({ startMs: range.endMs - 300_000, traceId: kHostileTraceId }));
  for (const part of slices(hugeTrace({ startMs: range.endMs - 600_000, count: kBigSpans, traceId: kBigTraceId }))) await post(otlp, part);
  return {
    name: "weft",
    url: `http://${where.http}`,
    ...range,
    close: async () => {
      const gone = new Promise((done) => child.on("exit", done));
      child.removeAllListeners("exit");
      child.on("exit", () => {});
      child.kill("SIGTERM");
      await Promise.race([gone, new Promise((done) => setTimeout(done, 5000))]);
      child.kill("SIGKILL");
      rmSync(data, { recursive: true, force: true });
    },
  };
}

export interface SiteKind {
  name: string;
  open: (() => Promise<Site>) | null;
}

export function sites(): SiteKind[] {
  const path = binary();
  if (!path) console.log("skipped: the end-to-end tests against the real binary (build it, or set WEFT_BINARY)");
  return [
    { name: "mock", open: mockSite },
    { name: "weft", open: path ? () => binarySite(path) : null },
  ];
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

export function rangeParams(site: Site): string {
  return `v=1&start=${new Date(site.startMs).toISOString()}&end=${new Date(site.endMs).toISOString()}`;
}

export async function shot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(kShots, `${name}.png`) });
}
