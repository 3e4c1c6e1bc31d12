// The same spans from the official SDKs, over every transport they speak, with and without gzip:
// all of it arrives. JavaScript always; Python, Go and Java where the toolchain is present and its
// packages can be had. Each is installed below WEFT_INTEROP_DIR, never into the source tree.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { canonicalAttributes, Server, spansOf, temporaryDir } from '../e2e/weft.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const work = process.env.WEFT_INTEROP_DIR ?? path.join(here, '../../build/interop');

const string = (v) => ({ stringValue: v });
const bool = (v) => ({ boolValue: v });
const int = (v) => ({ intValue: String(v) });
const double = (v) => ({ doubleValue: v });
const list = (one, values) => ({ arrayValue: { values: values.map(one) } });
const attributes = (object) =>
  canonicalAttributes(Object.entries(object).map(([key, value]) => ({ key, value })));

const kRoot = attributes({
  text: string('Grüße 🧵'), empty: string(''), yes: bool(true), no: bool(false), int: int(42),
  negative: int(-7), big: int(9007199254740991), double: double(2.5),
  texts: list(string, ['a', 'b']), ints: list(int, [1, 2, 3]), doubles: list(double, [0.5, 1.5]),
  bools: list(bool, [true, false]),
});

// What an SDK can send besides: bytes, maps, arrays of anything, values without a type.
const array = (...values) => ({ arrayValue: { values } });
const map = (object) => ({
  kvlistValue: { values: Object.entries(object).map(([key, value]) => ({ key, value })) },
});
const kValues = {
  bytes: { bytesValue: Buffer.from([0, 255, 16]).toString('base64') },
  mixed: array(string('a'), int(1), bool(true), double(2.5)),
  nested: array(array(string('a'), int(1)), array(bool(true))),
  map: map({ inner: map({ n: int(1) }), list: array(string('x'), double(2.5)) }),
};
const kGaps = { gaps: array(string('a'), {}), none: {} };
const kExtended = {
  'interop-javascript': { ...kValues, ...kGaps },
  'interop-python': { ...kValues, ...kGaps },
  'interop-java': kValues,
  'interop-go': kValues,
};
const byKey = (list) => list.sort(([a], [b]) => (a < b ? -1 : 1));

function verify(trace, service) {
  const spans = [...spansOf([trace]).spans.values()];
  assert.equal(spans.length, 2);
  const root = spans.find((span) => span.name === 'root');
  const child = spans.find((span) => span.name === 'child');
  assert.deepEqual(root.attributes, byKey([
    ...kRoot, ...attributes(kExtended[service])]));
  assert.deepEqual([root.kind, child.kind], [2, 3]);
  assert.equal(root.parentSpanId, '');
  assert.equal(child.parentSpanId, root.spanId);
  assert.deepEqual(root.status, [0, '']);
  assert.deepEqual(child.status, [2, 'it failed']);
  assert.equal(root.events.length, 1);
  assert.equal(root.events[0].name, 'happened');
  assert.deepEqual(root.events[0].attributes, attributes({ n: int(7), what: string('it') }));
  assert.ok(BigInt(root.events[0].time) >= BigInt(root.start));
  assert.equal(child.links.length, 1);
  assert.equal(child.links[0].spanId, root.spanId);
  assert.deepEqual(child.links[0].attributes, attributes({ why: string('test') }));
  assert.deepEqual(root.scope.slice(0, 2), ['weft.interop', '1.2.3']);
  const resource = new Map(root.resource);
  assert.deepEqual(resource.get('service.name'), ['string', service]);
  assert.deepEqual(resource.get('interop.list'), ['array', [['string', 'a'], ['string', 'b']]]);
  assert.ok(BigInt(root.end) >= BigInt(root.start));
}

function has(program, ...args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

// Runs a step of an installation; its output is the error when it fails.
function step(program, args, cwd, env = {}) {
  const result = spawnSync(program, args, {
    cwd, encoding: 'utf8', timeout: 600_000, env: { ...process.env, ...env },
  });
  if (result.status !== 0) {
    const last = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-5);
    throw new Error(`${program} ${args.join(' ')}: ${last.join('\n')}`);
  }
}

// Copies a language's folder into the work directory and installs it there unless that was done
// for the same files before.
function prepare(language, stampFiles, install) {
  const dir = path.join(work, language);
  const stamp = stampFiles.map((f) => readFileSync(path.join(here, language, f), 'utf8')).join('\0');
  const stampFile = path.join(dir, '.installed');
  const installed = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  // What is left of other versions would be found beside the new ones.
  if (!installed) rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  cpSync(path.join(here, language), dir, {
    recursive: true, filter: (file) => !file.includes('node_modules'),
  });
  if (!installed) {
    install(dir);
    writeFileSync(stampFile, stamp);
  }
  return dir;
}

const languages = {
  javascript: {
    protocols: ['grpc', 'http/protobuf', 'http/json'],
    prepare() {
      const dir = prepare('javascript', ['package-lock.json'], (at) =>
        step('npm', ['ci', '--no-audit', '--no-fund'], at));
      return ['node', path.join(dir, 'send.mjs')];
    },
  },
  python: {
    protocols: ['grpc', 'http/protobuf'],
    missing: () => (has('python3', '-m', 'venv', '--help') ? '' : 'python3 with venv is missing'),
    prepare() {
      const dir = prepare('python', ['requirements.txt'], (at) => {
        step('python3', ['-m', 'venv', 'venv'], at);
        step('venv/bin/pip', ['install', '-q', '-r', 'requirements.txt'], at);
      });
      return [path.join(dir, 'venv/bin/python'), path.join(dir, 'send.py')];
    },
  },
  go: {
    protocols: ['grpc', 'http/protobuf'],
    missing: () => (has('go', 'version') ? '' : 'go is missing'),
    prepare() {
      const dir = prepare('go', ['go.mod', 'go.sum', 'main.go'], (at) =>
        step('go', ['build', '-p', '2', '-o', 'send', '.'], at, { GOFLAGS: '-mod=mod' }));
      return [path.join(dir, 'send')];
    },
  },
  java: {
    protocols: ['grpc', 'http/protobuf'],
    missing: () => (has('mvn', '-v') && has('javac', '-version') ? '' : 'mvn or javac is missing'),
    prepare() {
      const dir = prepare('java', ['pom.xml', 'src/main/java/interop/Send.java'], (at) =>
        step('mvn', ['-q', '-B', 'compile', 'dependency:copy-dependencies',
          '-DoutputDirectory=target/lib'], at));
      const separator = path.delimiter;
      return ['java', '-cp', [path.join(dir, 'target/classes'), path.join(dir, 'target/lib/*')]
        .join(separator), 'interop.Send'];
    },
  },
};

function send(command, protocol, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], [...command.slice(1), protocol], {
      env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '', err = '';
    child.stdout.on('data', (chunk) => { out += chunk; });
    child.stderr.on('data', (chunk) => { err += chunk; });
    const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      if (code !== 0) reject(new Error(`${command[0]} ended with ${code}:\n${out}${err}`));
      else resolve(out.trim().split('\n').pop());
    });
  });
}

for (const [language, { protocols, missing, prepare: install }] of Object.entries(languages)) {
  test(`the ${language} SDK`, { timeout: 900_000 }, async (t) => {
    const reason = missing?.();
    if (reason) {
      t.skip(reason);
      return;
    }
    let command;
    try {
      command = install();
    } catch (error) {
      // JavaScript is promised always; the others depend on what the machine can reach.
      if (language === 'javascript') throw error;
      t.skip(`its packages cannot be installed: ${error.message}`);
      return;
    }
    const server = await Server.start(t, path.join(temporaryDir(t), 'data'));
    for (const protocol of protocols) {
      for (const compression of ['none', 'gzip']) {
        await t.test(`${protocol}, ${compression}`, async () => {
          const id = await send(command, protocol, {
            OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? `http://${server.grpc}` : server.otlp,
            // Not every SDK knows the word "none".
            ...(compression === 'none' ? {} : { OTEL_EXPORTER_OTLP_COMPRESSION: compression }),
            OTEL_EXPORTER_OTLP_INSECURE: 'true',
          });
          assert.match(id, /^[0-9a-f]{32}$/);
          const { status, body } = await server.get(`/api/v1/traces/${id}`);
          assert.equal(status, 200, JSON.stringify(body));
          verify(body, `interop-${language}`);
        });
      }
    }
  });
}
