// demo/quickstart from outside: one trace through two services is drawn, and nothing stays behind.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { sourceDir, temporaryDir, weft } from './weft.mjs';

const folder = path.join(sourceDir, 'demo/quickstart');
const skip = existsSync(path.join(folder, 'node_modules'))
  ? false : 'its packages are missing: run npm ci in demo/quickstart';
const anyPorts = ['--otlp-grpc', '127.0.0.1:0', '--otlp-http', '127.0.0.1:0', '--http',
  '127.0.0.1:0'];
const command = (...args) => [path.join(folder, 'run.mjs'), '--weft', weft, ...args];

// Processes whose command line names the data directory or a service of this run.
function leftovers(marker) {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(marker);
    } catch {
      return false;
    }
  }).filter((pid) => Number(pid) !== process.pid);
}

async function gone(marker) {
  for (let i = 0; i < 100 && leftovers(marker).length > 0; i += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  return leftovers(marker).length === 0;
}

test('draws one trace through both services and ends', { skip }, (t) => {
  const marker = `WEFT_E2E_MARKER=${path.basename(temporaryDir(t))}`;
  const [name, value] = marker.split('=');
  const result = spawnSync('node', command('--once', ...anyPorts), {
    encoding: 'utf8', timeout: 120_000, env: { ...process.env, [name]: value, NO_COLOR: '1' },
  });
  assert.equal(result.status, 0, result.stdout + result.stderr);
  assert.match(result.stdout, /^Trace [0-9a-f]{32}$/m);
  assert.match(result.stdout, /shop GET \/order/);
  assert.match(result.stdout, /stock SELECT stock/);
  assert.match(result.stdout, /item 13 is not in the catalogue/);
  assert.match(result.stdout, /Page and API +http:\/\/127\.0\.0\.1:\d+/);
  assert.deepEqual(leftovers(marker), []);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL']) {
  test(`${signal} leaves no process behind`, { skip }, async (t) => {
    const marker = `WEFT_E2E_MARKER=${path.basename(temporaryDir(t))}`;
    const [name, value] = marker.split('=');
    const child = spawn('node', command('--data', path.join(temporaryDir(t), 'data'), ...anyPorts), {
      stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, [name]: value },
    });
    let out = '';
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        out += chunk;
        if (out.includes('Orders keep coming')) resolve();
      });
      child.once('exit', () => reject(new Error(`it ended early:\n${out}`)));
    });
    child.kill(signal);
    await new Promise((resolve) => { child.once('exit', resolve); });
    assert.ok(await gone(marker), `still there: ${leftovers(marker)}`);
  });
}

test('a taken port is explained', { skip }, async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { taken.once('listening', resolve); });
  t.after(() => taken.close());
  const result = spawnSync('node', command('--once', '--otlp-grpc', '127.0.0.1:0', '--otlp-http',
    '127.0.0.1:0', '--http', `127.0.0.1:${taken.address().port}`), { encoding: 'utf8' });
  assert.equal(result.status, 1);
  assert.match(result.stderr, /in use/);
  assert.match(result.stderr, new RegExp(String(taken.address().port)));
});
