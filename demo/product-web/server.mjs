// product-web, of the Product squad: serves the login page and hands /api to session-api, as the
// product's edge does. The service that is traced is the page itself, in the browser (page/app.mjs).
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sessionApi = new URL(process.env.SESSION_API_URL ?? 'http://127.0.0.1:8081');
const config = {
  version: process.env.SERVICE_VERSION ?? '1.9',
  otlpUrl: process.env.OTLP_URL ?? 'http://127.0.0.1:4318/v1/traces',
  token: process.env.PUBLIC_TOKEN ?? '',
  propagate: process.env.PROPAGATE !== 'off',
};
const files = {
  '/': ['index.html', 'text/html; charset=utf-8', join(here, 'page/index.html')],
  '/app.js': ['app.js', 'text/javascript', join(here, 'dist/app.js')],
  '/page.css': ['page.css', 'text/css', join(here, 'page/page.css')],
};
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function proxy(request, response) {
  const upstream = http.request({
    host: sessionApi.hostname,
    port: sessionApi.port,
    method: request.method,
    path: request.url.slice('/api'.length) || '/',
    headers: { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress },
    agent,
  }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  upstream.on('error', (error) => {
    if (!response.headersSent) response.writeHead(502, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: 'bad_gateway', message: `session-api: ${error.message}` }));
  });
  response.on('close', () => upstream.destroy());
  request.pipe(upstream);
}

const server = http.createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  if (path.startsWith('/api/')) return proxy(request, response);
  if (path === '/config.json') {
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    return void response.end(JSON.stringify(config));
  }
  const file = files[path];
  if (!file) return void response.writeHead(404).end('not found');
  try {
    response.writeHead(200, { 'content-type': file[1] });
    response.end(readFileSync(file[2]));
  } catch (error) {
    response.end(`${file[0]}: ${error.message}; run npm run build in demo/`);
  }
});
server.keepAliveTimeout = 30_000;
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`product-web ready http=${server.address().port}`);
});
process.on('SIGTERM', () => {
  server.close();
  setTimeout(() => process.exit(0), 1000).unref();
});
