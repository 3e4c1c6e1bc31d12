// The rules of the house: layers, size, pinned dependencies, nothing that a strict CSP forbids.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, resolve, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = (dir: string): string[] => readdirSync(dir).flatMap((f) => (statSync(join(dir, f)).isDirectory() ? files(join(dir, f)) : [join(dir, f)]));
const sources = files(join(root, "src")).filter((f) => /\.tsx?$/.test(f) && !f.endsWith(".d.ts"));

const kMayInclude: Record<string, string[]> = {
  base: ["base"],
  api: ["base", "api"],
  widgets: ["base", "api", "widgets"],
  pages: ["base", "api", "widgets", "pages"],
};

describe("the house", () => {
  it("keeps its layers: base <- api <- widgets <- pages", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const layer = relative(join(root, "src"), file).split("/")[0];
      const may = kMayInclude[layer];
      if (!may) continue; // main.tsx
      for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s+"(\.[^"]+)"/g)) {
        const other = relative(join(root, "src"), resolve(dirname(file), target)).split("/")[0];
        if (!may.includes(other)) wrong.push(`${relative(root, file)} includes ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("keeps files readable", () => {
    expect(sources.filter((f) => readFileSync(f, "utf8").split("\n").length > 650)).toEqual([]);
  });

  it("renders no markup from strings and evaluates none", () => {
    const wrong = sources.filter((f) => /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(|srcdoc/.test(readFileSync(f, "utf8")));
    expect(wrong).toEqual([]);
  });

  it("pins every dependency exactly, with a lock file that names no registry host", () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    for (const version of Object.values({ ...dependencies, ...devDependencies })) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    expect(lock).not.toMatch(/"resolved":\s*"https?:/);
    expect(lock).toContain('"integrity"');
  });

  it("fits its budget, with hashed names and nothing inline", () => {
    execFileSync(process.execPath, [join(root, "build.mjs")], { cwd: root });
    const built = files(join(root, "dist"));
    const total = built.reduce((n, f) => n + gzipSync(readFileSync(f), { level: 9 }).length, 0);
    console.log(`the page: ${(total / 1000).toFixed(1)} kB gz`);
    expect(total).toBeLessThanOrEqual(150_000);
    for (const f of built) if (!f.endsWith("index.html")) expect(f).toMatch(/-[0-9a-f]{10}\.(?:js|css|svg)$/);
    const html = readFileSync(join(root, "dist/index.html"), "utf8");
    expect(html).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son[a-z]+=/);
    expect(html).not.toMatch(/https?:\/\//);
  }, 60_000);
});
