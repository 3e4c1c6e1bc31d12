// `npm run dev`: the real server with an hour of the story, and before it the page as it is being
// written: built anew on every change, on http://127.0.0.1:4399/.

import { existsSync, readFileSync, watch } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "../../build.mjs";
import { findBinary, recentHour, Weft } from "./weft.mjs";

const kPort = 4399;
const kTypes = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const root = fileURLToPath(new URL("../..", import.meta.url));
const dist = join(root, "dist");

const binary = findBinary();
if (!binary) {
  console.error("build/weft is not built: ./dev build");
  process.exit(1);
}
const weft = await new Weft(binary).start();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => void weft.close().then(() => process.exit(0)));
await weft.postStory({ ...recentHour(), big: 100_000 });

let timer;
watch(join(root, "src"), { recursive: true }, () => {
  clearTimeout(timer);
  timer = setTimeout(() => buildPage().then(() => console.log("built"), (error) => console.error(error.message)), 100);
});
await buildPage();

createServer((req, res) => {
  const path = normalize(new URL(req.url, "http://x").pathname);
  if (path.startsWith("/api/")) {
    const { hostname, port } = new URL(weft.url);
    const onward = request({ hostname, port, path: req.url, method: req.method, headers: { ...req.headers, host: `${hostname}:${port}` } }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.writeHead(502).end());
    req.pipe(onward);
    return;
  }
  const file = path.startsWith("/assets/") && existsSync(join(dist, path)) ? join(dist, path) : join(dist, "index.html");
  res.writeHead(200, { "Content-Type": kTypes[extname(file)] ?? "application/octet-stream", "Cache-Control": "no-store" }).end(readFileSync(file));
}).listen(kPort, "127.0.0.1", () => console.log(`The page as it is being written: http://127.0.0.1:${kPort}/`));
