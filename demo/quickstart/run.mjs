// The quick start: starts `weft serve` and the two services, sends orders through them, prints one
// trace as a waterfall and the addresses to open, and goes on until Ctrl-C. Whatever ends it, its
// children end too. Needs Node 20 and `npm ci` in this folder.
//
//   node run.mjs --weft ../../build/weft [--data DIR] [--once] [--rate 2]
//                [--otlp-grpc ADDR] [--otlp-http ADDR] [--http ADDR]
import { fork, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url));
const children = [];
let ending = false;
let temporary;

function readArguments() {
  try {
    return parseArgs({
      options: {
        weft: { type: 'string', default: path.join(here, '../../build/weft') },
        data: { type: 'string' },
        once: { type: 'boolean', default: false },
        rate: { type: 'string', default: '2' },
        'otlp-grpc': { type: 'string', default: '127.0.0.1:4317' },
        'otlp-http': { type: 'string', default: '127.0.0.1:4318' },
        http: { type: 'string', default: '127.0.0.1:4300' },
      },
    }).values;
  } catch (error) {
    console.error(`run: ${error.message}`);
    process.exit(2);
  }
}

const options = readArguments();

function waitForExit(child, ms) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      resolve();
    }, ms);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

// Services first, so that their last spans still find the server.
async function end(code) {
  if (ending) return;
  ending = true;
  for (const child of [...children].reverse()) {
    child.kill('SIGTERM');
    await waitForExit(child, 10_000);
  }
  if (temporary) rmSync(temporary, { recursive: true, force: true });
  process.exit(code);
}

function fail(message) {
  console.error(`run: ${message}`);
  return end(1);
}

// Resolves with the addresses of the ready line; explains and ends when the server cannot start.
function startWeft(data) {
  const args = ['serve', '--data', data, '--exit-with-parent'];
  for (const name of ['otlp-grpc', 'otlp-http', 'http']) args.push(`--${name}`, options[name]);
  const child = spawn(options.weft, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`cannot start ${options.weft}: ${error.message}`)));
    child.once('exit', (code) => {
      const hint = /in use/i.test(complaint)
        ? '\nAnother program listens there (an earlier run?). End it, or choose other ports, as in'
          + ' --http 127.0.0.1:0 for any free one.'
        : '';
      const error = new Error(`weft serve ended with ${code}:\n${complaint.trim()}${hint}`);
      reject(error);
      if (!ending) fail(error.message);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('weft ready ')) return;
      resolve(Object.fromEntries(line.slice(11).split(' ').map((pair) => pair.split('=', 2))));
    });
  });
}

function startService(name, env) {
  const child = fork(path.join(here, `${name}.mjs`), { env: { ...process.env, ...env } });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('message', ({ port }) => resolve(`http://127.0.0.1:${port}`));
    child.once('exit', (code) => {
      reject(new Error(`the service ${name} ended with ${code}`));
      if (!ending) fail(`the service ${name} ended with ${code}`);
    });
  });
}

const order = (shop, item) =>
  fetch(`${shop}/order?item=${item}&customer=c-${1 + Math.floor(Math.random() * 40)}`);

// A whole trace has spans of both services; the newest failed one is the most interesting.
async function findTrace(api) {
  const query = '{ resource.service.name = "shop" && status = error } && '
    + '{ resource.service.name = "stock" && status = error }';
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const answer = await fetch(`${api}/api/v1/search?limit=1&q=${encodeURIComponent(query)}`);
    const body = await answer.json();
    if (!answer.ok) throw new Error(`search failed: ${body.error?.message}`);
    if (body.traces.length > 0 && body.traces[0].spanCount >= 5) return body.traces[0].traceId;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the orders were sent, but their trace was not found within 5 s');
}

function printAddresses(ready) {
  const host = (address) => `http://${address}`;
  console.log(`
Page and API    ${host(ready.http)}
OTLP/HTTP       ${host(ready['otlp-http'])}   (OTEL_EXPORTER_OTLP_ENDPOINT for your own services)
OTLP/gRPC       ${host(ready['otlp-grpc'])}

Ask it:         ${path.relative(process.cwd(), options.weft) || options.weft} search '{ status = error }' --url ${host(ready.http)}`);
}

async function main() {
  if (!existsSync(options.weft)) return fail(`there is no ${options.weft}; run ./dev build first`);
  if (!existsSync(path.join(here, 'node_modules'))) {
    return fail(`the services' packages are missing; run npm ci in ${here}`);
  }
  let data = options.data;
  if (!data) data = temporary = mkdtempSync(path.join(tmpdir(), 'weft-quickstart-'));
  const ready = await startWeft(data);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${ready['otlp-http']}` };
  const stock = await startService('stock', env);
  const shop = await startService('shop', { ...env, STOCK_URL: stock });
  for (const item of [1, 2, 13, 5, 8]) await order(shop, item);

  const id = await findTrace(`http://${ready.http}`);
  const drawn = spawnSync(options.weft, ['trace', id, '--url', `http://${ready.http}`], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (drawn.status !== 0) return fail(`weft trace ended with ${drawn.status}`);
  printAddresses(ready);
  if (options.once) return end(0);
  console.log('\nOrders keep coming. Ctrl-C ends everything.');
  const pauseMs = 1000 / Math.max(Number(options.rate) || 2, 0.01);
  for (let n = 0; !ending; n += 1) {
    await order(shop, n % 17 === 0 ? 13 : 1 + (n % 12)).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

process.on('SIGINT', () => end(0));
process.on('SIGTERM', () => end(0));
process.on('SIGHUP', () => end(0));
process.on('uncaughtException', (error) => fail(error.stack));
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
main().catch((error) => fail(error.message));
