// The load: plays the journeys of one act as so many browsers, sends their telemetry, and writes the
// ground truth. Usage:
//
//   node driver/driver.mjs --url http://127.0.0.1:8080 --otlp http://127.0.0.1:4318/v1/traces \
//        --act 2 --journeys 240 --rate 4 --seed 7 --truth truth.jsonl [--first N] [--token T] [--shares JSON]
//
// --journeys 0 goes on until it is ended; --first is the number of the first one: a journey of the same
// act and number is the same journey, down to its ids. One JSON line a journey goes to the truth file:
// {"act", "journey", "traceId", "customer", "causes", "expectedToFail", "failed", "message"}.
import { appendFileSync } from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { seeded } from '../lib/seeded.mjs';
import { Browser } from './browser.mjs';
import { ACTS, DEFAULT_SHARES, planJourney } from './plan.mjs';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' }, otlp: { type: 'string' }, token: { type: 'string', default: '' },
    act: { type: 'string', default: '2' }, journeys: { type: 'string', default: '0' },
    first: { type: 'string', default: '0' },
    rate: { type: 'string', default: '4' }, seed: { type: 'string', default: '1' },
    truth: { type: 'string' }, shares: { type: 'string', default: '{}' },
  },
});
const act = Number(options.act);
const journeys = Number(options.journeys);
const first = Number(options.first);
const rate = Number(options.rate);
const seed = Number(options.seed);
const shares = { ...DEFAULT_SHARES, ...JSON.parse(options.shares) };
const release = ACTS[act];
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

let pending = [];
let dropped = 0;
let stopping = false;
process.on('SIGTERM', () => { stopping = true; });
process.on('SIGINT', () => { stopping = true; });

// Sends what the browsers have exported, as OTLP/JSON. A refusal is tried again, as SDKs do.
async function send(resourceSpans) {
  for (let attempt = 0; attempt < 5; ++attempt) {
    try {
      const response = await fetch(options.otlp, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          origin: new URL(options.url).origin,
          ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
        },
        body: JSON.stringify({ resourceSpans }),
      });
      await response.text();
      if (response.ok) return;
      if (![429, 502, 503, 504].includes(response.status)) {
        console.error(`telemetry refused with ${response.status}`);
        break;
      }
    } catch (error) {
      if (attempt === 4) console.error(`telemetry not sent: ${error.message}`);
    }
    await new Promise((resolve) => { setTimeout(resolve, 200 * 2 ** attempt); });
  }
  dropped += resourceSpans.length;
}

let sending = Promise.resolve();
function flush() {
  const batch = pending;
  pending = [];
  if (batch.length > 0) sending = sending.then(() => send(batch));
  return sending;
}

async function play(number) {
  const plan = planJourney({ seed, act, number, shares });
  const browser = new Browser(plan, {
    url: options.url, version: release.productWeb, propagates: release.propagates, agent,
  });
  const outcome = await browser.play();
  pending.push(browser.takeTelemetry());
  if (options.truth) {
    appendFileSync(options.truth, `${JSON.stringify({
      act, journey: number, traceId: plan.traceId, customer: plan.customer, causes: plan.causes,
      expectedToFail: plan.willFail, failed: outcome.failed, message: outcome.message,
    })}\n`);
  }
  return outcome;
}

const arrivals = seeded(seed, `arrivals of act ${act} from ${first}`);
const timer = setInterval(flush, 500);
const running = new Set();
let failed = 0;
let due = Date.now();
let number = first;
for (; !stopping && (journeys === 0 || number < first + journeys); ++number) {
  due += (-Math.log(1 - arrivals()) / rate) * 1000;
  const wait = due - Date.now();
  if (wait > 0) await new Promise((resolve) => { setTimeout(resolve, wait); });
  const journey = play(number)
    .then((outcome) => { failed += outcome.failed ? 1 : 0; })
    .catch((error) => console.error(`journey ${number}: ${error.stack}`))
    .finally(() => running.delete(journey));
  running.add(journey);
}
await Promise.all(running);
clearInterval(timer);
await flush();
agent.destroy();
console.log(`driver done act=${act} journeys=${number - first} failed=${failed} dropped=${dropped}`);
