// The cast as processes: starts Weft, the four services, the balancers, the DNS server and the
// vendor's stand-in, releases new versions between the acts and plays the load. Used by run.mjs and
// by the end-to-end test.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { appTier, makeCertificates, webTier } from './balancer/config.mjs';
import { ACTS } from './driver/plan.mjs';
import { Children } from './lib/children.mjs';
import { claim } from './lib/ports.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);

export const ZONE = 'account.example';
export const INGEST_TOKEN = 'demo-ingest-token-of-the-services';
export const PUBLIC_TOKEN = 'demo-public-token-of-the-page';
export const VENDOR_KEY = 'demo-vendor-key';

export class Story {
  #starts = {}; // by service

  // options: { weft, bin, work, data, speed, seed, shares, ports, onExit, tap }
  // tap(name, port) may stand between a service and its callers: it resolves with the port that the
  // callers are to use instead.
  constructor(options) {
    this.options = options;
    this.children = new Children(options.onExit ?? (() => {}));
    this.truthFile = join(options.work, 'truth.jsonl');
    this.act = 0;
    this.versions = {};
    this.played = {}; // journeys by act
  }

  #log(name) {
    return join(this.options.work, `${name}.log`);
  }

  #program(name) {
    const folder = this.options.bin || join(dirname(resolve(this.options.weft)), 'demo');
    const path = join(folder, `weft_demo_${name}`);
    if (!existsSync(path)) throw new Error(`${path} is missing: ./dev build makes it`);
    return path;
  }

  async #claimPorts() {
    const wanted = this.options.ports ?? {};
    this.ports = {};
    const claimed = new Set();
    for (const name of ['http', 'otlp-http', 'otlp-grpc', 'zipkin', 'web']) {
      this.ports[name] = await claim(wanted[name] ?? 0, name, claimed);
    }
    for (const name of ['session-api', 'account-oauth', 'account-legacy', 'web-tier', 'app-tier']) {
      this.ports[name] = await claim(0, name, claimed);
    }
    this.called = {};
    for (const name of ['session-api', 'account-oauth', 'account-legacy']) {
      this.called[name] = this.options.tap ? await this.options.tap(name, this.ports[name]) : this.ports[name];
    }
  }

  async start() {
    await this.#claimPorts();
    await this.#startWeft();
    await this.#startNetwork();
    this.addresses = {
      http: `127.0.0.1:${this.ports.http}`,
      otlpHttp: `127.0.0.1:${this.ports['otlp-http']}`,
      otlpGrpc: `127.0.0.1:${this.ports['otlp-grpc']}`,
      web: `127.0.0.1:${this.ports.web}`,
    };
  }

  async #startWeft() {
    const config = join(this.options.work, 'weft.yaml');
    writeFileSync(config, `# Who owns what, for the page and the analyses.
squads:
  - name: Product
    tribe: Gaming
    services: [product-web]
  - name: Cross-product back end
    tribe: Gaming
    services: [session-api]
  - name: Account
    tribe: Identity
    services: [account-oauth, account-legacy]
`);
    // The services share one token; the page has a public one that is bound to its origin and service.
    const tokens = join(this.options.work, 'ingest-tokens');
    writeFileSync(tokens, `${INGEST_TOKEN} name=services
${PUBLIC_TOKEN} name=product-web browser origin=http://127.0.0.1:${this.ports.web} service=product-web
`, { mode: 0o600 });
    await this.children.start('weft', resolve(this.options.weft), ['serve', '--config', config,
      '--data', this.options.data,
      '--http', `127.0.0.1:${this.ports.http}`,
      '--otlp-http', `127.0.0.1:${this.ports['otlp-http']}`,
      '--otlp-grpc', `127.0.0.1:${this.ports['otlp-grpc']}`,
      '--zipkin', `127.0.0.1:${this.ports.zipkin}`,
      '--ingest-token-file', tokens,
    ], { log: this.#log('weft'), ready: /^weft ready .*$/m });
  }

  async #startNetwork() {
    const certificates = makeCertificates(this.options.work, ZONE);
    this.authority = certificates.authority;
    const node = process.execPath;
    // Replica 1 loses everything: a lookup that asks it first fails, or is tried again elsewhere.
    const dns = await this.children.start('dns', node, [join(here, 'dns/server.mjs')], {
      env: { DNS_ZONE: ZONE, DNS_RULES: JSON.stringify([{ replica: 1, action: 'drop' }]) },
      log: this.#log('dns'), ready: /dns ready replicas=(\d+),(\d+) control=(\d+)/,
    });
    this.dns = { healthy: Number(dns[1]), lossy: Number(dns[2]), control: Number(dns[3]) };
    const vendor = await this.children.start('vendor', node, [join(here, 'vendor/server.mjs')], {
      env: { VENDOR_API_KEY: VENDOR_KEY }, log: this.#log('vendor'), ready: /vendor ready http=(\d+)/,
    });
    this.vendorPort = Number(vendor[1]);
    await this.#startBalancer('app-tier', appTier({
      listen: this.ports['app-tier'], certificate: certificates.bundle,
      oauth: this.called['account-oauth'], legacy: this.called['account-legacy'],
    }));
    await this.#startBalancer('web-tier', webTier({ listen: this.ports['web-tier'], appTier: this.ports['app-tier'] }));
  }

  async #startBalancer(name, configuration) {
    const file = join(this.options.work, `${name}.cfg`);
    writeFileSync(file, configuration);
    await this.children.start(name, 'haproxy', ['-db', '-f', file], { log: this.#log(name) });
  }

  // Brings every service to the versions of an act; what is unchanged goes on running.
  async release(act) {
    const wanted = ACTS[act];
    const base = `http://127.0.0.1:${this.ports['otlp-http']}`;
    const ms = (value) => String(Math.max(1, Math.round(value / this.options.speed)));
    const common = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', OTEL_BSP_SCHEDULE_DELAY: '500' };
    await this.#ensure('account-legacy', `${wanted.legacyTraced}`, (env) => this.children.start(
      'account-legacy', this.#program('account_legacy'), [], {
        env: {
          ...common,
          PORT: String(this.ports['account-legacy']),
          OTEL_SDK_DISABLED: String(!wanted.legacyTraced),
          OTEL_PROPAGATORS: 'b3,tracecontext',
          OTEL_TRACES_EXPORTER: 'zipkin',
          WEFT_EXPORTER_ZIPKIN_HEADERS: `authorization=Bearer%20${INGEST_TOKEN}`,
          OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://127.0.0.1:${this.ports.zipkin}/api/v2/spans`,
          OTEL_RESOURCE_ATTRIBUTES: 'service.version=7.4,service.namespace=Account',
          ...env,
        },
        log: this.#log('account-legacy'), ready: /account-legacy ready/,
      }));
    await this.#ensure('account-oauth', wanted.accountOauth, (env) => this.children.start(
      'account-oauth', process.execPath,
      ['--require', '@opentelemetry/auto-instrumentations-node/register', join(here, 'account-oauth/server.cjs')], {
        cwd: here,
        env: {
          ...common,
          PORT: String(this.ports['account-oauth']),
          SERVICE_VERSION: wanted.accountOauth,
          HANG_MS: ms(6500),
          OTEL_SERVICE_NAME: 'account-oauth',
          OTEL_RESOURCE_ATTRIBUTES: `service.version=${wanted.accountOauth},service.namespace=Account`,
          OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http',
          OTEL_NODE_RESOURCE_DETECTORS: 'env,host,process',
          OTEL_SEMCONV_STABILITY_OPT_IN: 'http',
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
          OTEL_EXPORTER_OTLP_ENDPOINT: base,
          OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${INGEST_TOKEN}`,
          ...env,
        },
        log: this.#log('account-oauth'), ready: /account-oauth ready/,
      }));
    await this.#ensure('session-api', wanted.sessionApi, (env) => this.children.start(
      'session-api', this.#program('session_api'), [], {
        env: {
          ...common,
          PORT: String(this.ports['session-api']),
          SERVICE_VERSION: wanted.sessionApi,
          ACCOUNT_URL: `https://${ZONE}:${this.ports['web-tier']}`,
          ACCOUNT_CA_FILE: this.authority,
          DNS_HEALTHY: `127.0.0.1:${this.dns.healthy}`,
          DNS_LOSSY: `127.0.0.1:${this.dns.lossy}`,
          DNS_TIMEOUT_MS: ms(800),
          TIMEOUT_MS: ms(Number(wanted.sessionApi) >= 1.2 ? 10_000 : 6000),
          OTEL_RESOURCE_ATTRIBUTES: `service.version=${wanted.sessionApi},service.namespace=Cross-product back end`,
          OTEL_PROPAGATORS: 'tracecontext,baggage,b3',
          WEFT_INGEST_TOKEN: INGEST_TOKEN,
          WEFT_OTLP_GRPC: `http://127.0.0.1:${this.ports['otlp-grpc']}`,
          VENDOR_OTLP: `http://127.0.0.1:${this.vendorPort}/v1/traces`,
          VENDOR_API_KEY: VENDOR_KEY,
          SPANS_FILE: join(this.options.work, 'session-api-spans.jsonl'),
          ...env,
        },
        log: this.#log('session-api'), ready: /session-api ready/,
      }));
    await this.#ensure('product-web', `${wanted.productWeb} ${wanted.propagates}`, (env) => this.children.start(
      'product-web', process.execPath, [join(here, 'product-web/server.mjs')], {
        env: {
          PORT: String(this.ports.web),
          SERVICE_VERSION: wanted.productWeb,
          PROPAGATE: wanted.propagates ? 'on' : 'off',
          SESSION_API_URL: `http://127.0.0.1:${this.called['session-api']}`,
          OTLP_URL: `${base}/v1/traces`,
          PUBLIC_TOKEN: PUBLIC_TOKEN,
          ...env,
        },
        log: this.#log('product-web'), ready: /product-web ready/,
      }));
    this.act = act;
  }

  async #ensure(name, version, start) {
    if (this.versions[name] === version) return;
    this.#starts[name] = start;
    await this.restart(name);
    this.versions[name] = version;
  }

  // Ends a service, if it runs, and starts it in the version that it had, with more variables in its
  // environment.
  async restart(name, env = {}) {
    await this.children.stop(name);
    await this.#starts[name](env);
  }

  // Plays an act to its end, or more of it: no journey is played twice, since its ids would be the
  // same and both would end up in one trace. journeys: 0 goes on until the story is stopped.
  async play(act, { journeys, rate }) {
    await this.release(act);
    const first = this.played[act] ?? 0;
    this.played[act] = first + journeys;
    await this.children.start('driver', process.execPath, [join(here, 'driver/driver.mjs'),
      '--url', `http://${this.addresses.web}`,
      '--otlp', `http://${this.addresses.otlpHttp}/v1/traces`,
      '--token', PUBLIC_TOKEN,
      '--act', String(act), '--first', String(first), '--journeys', String(journeys), '--rate', String(rate),
      '--seed', String(this.options.seed), '--truth', this.truthFile,
      '--shares', JSON.stringify(this.options.shares ?? {}),
    ], { log: this.#log('driver'), ready: /driver done .*$/m, timeoutMs: 2 ** 31 - 1 });
    await this.children.stop('driver');
  }

  // The ground truth so far.
  truth() {
    if (!existsSync(this.truthFile)) return [];
    return readFileSync(this.truthFile, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  async get(path) {
    const response = await fetch(`http://${this.addresses.http}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  // The id of a trace that shows the act: a failed journey while there are any.
  async sampleTrace(act) {
    const lines = this.truth().filter((line) => line.act === act);
    const line = lines.find((candidate) => candidate.failed && candidate.causes.includes('dns'))
      ?? lines.find((candidate) => candidate.failed) ?? lines.find((candidate) => candidate.causes.includes('dns')) ?? lines.at(-1);
    return line?.traceId;
  }

  async waterfall(traceId, { colour, width }) {
    await new Promise((done) => { setTimeout(done, 1200); }); // the last batch of every exporter
    const { stdout } = await run(resolve(this.options.weft), ['trace', traceId, '--url', `http://${this.addresses.http}`,
      '--color', colour ? 'always' : 'never'], { env: { ...process.env, COLUMNS: String(width) } });
    return stdout;
  }

  async stop() {
    await this.children.stopAll();
  }
}
