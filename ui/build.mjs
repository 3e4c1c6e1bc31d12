// Builds the page into ui/dist: index.html and assets with hashed names, nothing from elsewhere.
// Works offline once node_modules is there. `--watch` is left to `npm run dev`.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome110", "firefox113", "safari16.4"],
  legalComments: "none",
  logLevel: "warning",
  jsx: "automatic",
  jsxImportSource: "preact",
  write: false,
  outdir: dist,
};

function hashed(name, bytes) {
  const dot = name.lastIndexOf(".");
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  return `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
}

export async function buildPage() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(join(dist, "assets"), { recursive: true });
  const put = (name, bytes) => {
    const path = `assets/${hashed(name, bytes)}`;
    writeFileSync(join(dist, path), bytes);
    return `/${path}`;
  };

  const worker = await build({ ...common, entryPoints: { layout: "src/widgets/layout_worker.ts" } });
  const worker_url = put("layout.js", worker.outputFiles[0].contents);

  const page = await build({
    ...common,
    entryPoints: { weft: "src/main.tsx" },
    define: { __LAYOUT_WORKER__: JSON.stringify(worker_url) },
  });
  let html = readFileSync(join(root, "index.html"), "utf8");
  for (const file of page.outputFiles) {
    const name = basename(file.path);
    html = html.replace(`{{${name}}}`, put(name, file.contents));
  }
  html = html.replace("{{icon.svg}}", put("icon.svg", readFileSync(join(root, "src/styles/icon.svg"))));
  if (html.includes("{{")) throw new Error("index.html names an asset that was not built");
  writeFileSync(join(dist, "index.html"), html);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPage();
