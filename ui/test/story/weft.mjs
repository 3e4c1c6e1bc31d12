// Runs the real `weft serve` for the tests and for `npm run dev`, and posts the story to it over OTLP/HTTP.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brokenCalls, hostileTrace, hugeTrace, kBigTraceId, kHostileTraceId, kSquads, loginStory, namedTraces } from "./story.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));

// null when nothing is built. A binary that was named has to be there.
export function findBinary() {
  const named = process.env.WEFT_BINARY;
  if (named && !existsSync(named)) throw new Error(`WEFT_BINARY names ${named}, which does not exist`);
  return named || (existsSync(join(root, "build/weft")) ? join(root, "build/weft") : null);
}

function ready(child) {
  return new Promise((done, fail) => {
    let text = "";
    let errors = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const line = /^weft ready (.*)$/m.exec(text);
      if (line) done(Object.fromEntries(line[1].split(" ").map((part) => part.split("="))));
    });
    child.stderr.on("data", (chunk) => (errors += chunk));
    child.once("exit", (code) => fail(new Error(`weft serve ended with ${code}: ${errors}`)));
    child.once("error", fail);
  });
}

// One data directory and the server on it, which can be stopped and started again.
export class Weft {
  constructor(binary) {
    this.binary = binary;
    this.dir = mkdtempSync(join(tmpdir(), "weft-page-"));
    this.child = null;
    writeFileSync(
      join(this.dir, "weft.yaml"),
      `squads:\n${kSquads.map((s) => `  - name: ${s.name}\n    tribe: ${s.tribe}\n    services: [${s.services.join(", ")}]\n`).join("")}`,
    );
  }

  async start(flags = []) {
    const all = ["serve", "--config", join(this.dir, "weft.yaml"), "--data", join(this.dir, "store"), "--http", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "off", "--zipkin", "off", "--exit-with-parent", ...flags];
    this.child = spawn(this.binary, all, { stdio: ["ignore", "pipe", "pipe"] });
    const where = await ready(this.child);
    this.url = `http://${where.http}`;
    this.otlp = `http://${where["otlp-http"]}`;
    return this;
  }

  async stop() {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    const impatient = setTimeout(() => child.kill("SIGKILL"), 60_000);
    await gone;
    clearTimeout(impatient);
  }

  async close() {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async post(body, headers = {}) {
    const response = await fetch(`${this.otlp}/v1/traces`, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`OTLP was refused: ${response.status} ${await response.text()}`);
  }

  async postStory({ startMs, endMs, count = 400, big = 0, hostile = true }) {
    for (const t of loginStory({ startMs, endMs, count })) await this.post(t);
    for (const t of namedTraces(endMs)) await this.post(t);
    for (const t of brokenCalls({ startMs, endMs })) await this.post(t);
    if (hostile) await this.post(hostileTrace({ startMs: endMs - 300_000, traceId: kHostileTraceId }));
    if (big) for (const part of slices(hugeTrace({ startMs: endMs - 600_000, count: big, traceId: kBigTraceId }))) await this.post(part);
  }
}

// Parts of a big trace that stay well under the request limit.
function* slices(otlp) {
  for (const rs of otlp.resourceSpans) {
    for (const ss of rs.scopeSpans) {
      for (let i = 0; i < ss.spans.length; i += 5000) yield { resourceSpans: [{ resource: rs.resource, scopeSpans: [{ scope: ss.scope, spans: ss.spans.slice(i, i + 5000) }] }] };
    }
  }
}

// An hour that ends at a whole minute in the recent past.
export function recentHour() {
  const endMs = Math.floor(Date.now() / 60_000) * 60_000 - 60_000;
  return { startMs: endMs - 3_600_000, endMs };
}
