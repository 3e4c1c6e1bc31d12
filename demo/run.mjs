#!/usr/bin/env node
// The login story, running: starts Weft and the cast, plays the acts one after another, says what
// each shows, then keeps a steady load until Ctrl-C. See demo/README.md.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ACTS } from './driver/plan.mjs';
import { Story } from './story.mjs';

const USAGE = `usage: ./dev run [options]        (node demo/run.mjs --weft build/weft [options])

  --act N             hold one act (1 to 5) instead of playing all
  --speed X           play X times as fast; the 6 s time-out shrinks with it (default 1)
  --seed N            of customers, faults and arrivals (default 1)
  --rate R            journeys a second at speed 1 (default 3)
  --act-seconds S     length of an act at speed 1 (default 50)
  --journeys N        journeys an act, instead of a length
  --suspended P  --dns P  --timeout P    shares of the causes (0.03, 0.03, 0.02)
  --data DIR          Weft's data directory (default: a new one that is removed at the end)
  --exit              stop after the last act instead of keeping a steady load
  --port-http N  --port-otlp-http N  --port-otlp-grpc N  --port-zipkin N  --port-web N
                      listen there (4300, 4318, 4317, 9411, 8080; 0 takes a free one)
`;

let options;
try {
  options = parseArgs({
    options: {
      weft: { type: 'string', default: 'build/weft' },
      bin: { type: 'string', default: '' },
      act: { type: 'string' }, speed: { type: 'string', default: '1' }, seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '3' }, 'act-seconds': { type: 'string', default: '50' },
      journeys: { type: 'string' }, suspended: { type: 'string' }, dns: { type: 'string' }, timeout: { type: 'string' },
      data: { type: 'string' }, exit: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
      'port-http': { type: 'string', default: '4300' }, 'port-otlp-http': { type: 'string', default: '4318' },
      'port-otlp-grpc': { type: 'string', default: '4317' }, 'port-zipkin': { type: 'string', default: '9411' },
      'port-web': { type: 'string', default: '8080' },
    },
  }).values;
} catch (error) {
  console.error(`${error.message}\n\n${USAGE}`);
  process.exit(2);
}
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
if (options.act !== undefined && !Object.hasOwn(ACTS, options.act)) {
  console.error(`there is no act ${options.act}: choose 1 to 5`);
  process.exit(2);
}

const NUMBERS = {
  speed: [0.01, 1000], seed: [0, 2 ** 32], rate: [0.001, 10_000], 'act-seconds': [0.1, 86_400], journeys: [1, 1e9],
  suspended: [0, 1], dns: [0, 1], timeout: [0, 1],
  ...Object.fromEntries(Object.keys(options).filter((name) => name.startsWith('port-')).map((name) => [name, [0, 65_535]])),
};
for (const [name, [least, most]] of Object.entries(NUMBERS)) {
  const text = options[name];
  if (text === undefined || (text.trim() !== '' && Number(text) >= least && Number(text) <= most)) continue;
  console.error(`--${name} is a number from ${least} to ${most}, not '${text}'`);
  process.exit(2);
}

const colour = process.stdout.isTTY;
const bold = (text) => (colour ? `\x1b[1m${text}\x1b[0m` : text);
const dim = (text) => (colour ? `\x1b[2m${text}\x1b[0m` : text);

const work = mkdtempSync(join(tmpdir(), 'weft-demo-'));
const data = options.data ?? join(work, 'data');
mkdirSync(data, { recursive: true });
const speed = Number(options.speed);
const shares = Object.fromEntries(['suspended', 'dns', 'timeout']
  .filter((cause) => options[cause] !== undefined).map((cause) => [cause, Number(options[cause])]));

let stopping = false;
const story = new Story({
  weft: options.weft, bin: options.bin, work, data, speed, seed: Number(options.seed), shares,
  ports: Object.fromEntries(['http', 'otlp-http', 'otlp-grpc', 'zipkin', 'web'].map((name) => [name, Number(options[`port-${name}`])])),
  onExit: (name, how, log) => {
    if (stopping) return;
    console.error(`\n${name} ended (${how}); the end of its log:\n${readFileSync(log, 'utf8').split('\n').slice(-12).join('\n')}`);
    void stop(1);
  },
});

async function stop(code) {
  if (stopping) return;
  stopping = true;
  console.log(dim('\nstopping …'));
  await story.stop();
  rmSync(work, { recursive: true, force: true });
  process.exit(code);
}
process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));
process.on('SIGHUP', () => void stop(0));

function describe(act, truth) {
  const all = truth.filter((line) => line.act === act);
  const failed = all.filter((line) => line.failed);
  const by = (cause) => failed.filter((line) => line.causes.includes(cause)).length;
  const share = all.length === 0 ? 0 : (100 * failed.length) / all.length;
  return `${all.length} journeys, ${failed.length} failed (${share.toFixed(1)} %): `
    + `${by('dns')} met DNS loss, ${by('timeout')} a hanging call, ${by('suspended')} were suspended customers`;
}

try {
  await story.start();
  const { http, otlpHttp, otlpGrpc, web } = story.addresses;
  console.log(`
${bold('Weft is running, and the login story plays in it.')}

  the page        ${bold(`http://${http}/`)}
  OTLP            grpc ${otlpGrpc} · http ${otlpHttp}
  the login page  http://${web}/   ${dim('(log in as c1001, or as c1002s who is suspended)')}
  command line    ${options.weft} search --url http://${http} '{ name = "login journey" && status = error }'
  logs            ${work}
`);
  const acts = options.act ? [Number(options.act)] : [1, 2, 3, 4, 5];
  const rate = Number(options.rate) * speed;
  const seconds = Number(options['act-seconds']) / speed;
  for (const act of acts) {
    const journeys = options.journeys ? Number(options.journeys) : Math.max(20, Math.round(rate * seconds));
    console.log(`${bold(`Act ${act}: ${ACTS[act].name}`)} ${dim(`(${Math.round(journeys / rate)} s)`)}`);
    console.log(`  ${ACTS[act].shows}`);
    console.log(`  search:   ${ACTS[act].search.replace('5s', `${5 / speed}s`)}`);
    await story.play(act, { journeys, rate });
    if (stopping) break;
    console.log(`  truth:    ${describe(act, story.truth())}`);
    const sample = await story.sampleTrace(act);
    if (sample) console.log(`  evidence: http://${http}/trace/${sample}   ${dim(`${options.weft} trace ${sample} --url http://${http}`)}`);
    console.log('');
  }
  if (!stopping) {
    const sample = await story.sampleTrace(acts.at(-1));
    if (sample) console.log(await story.waterfall(sample, { colour, width: process.stdout.columns ?? 120 }));
    if (options.exit) await stop(0);
    else {
      console.log(`Act ${acts.at(-1)} goes on as a steady load. ${bold('Ctrl-C ends everything.')}`);
      await story.play(acts.at(-1), { journeys: 0, rate });
    }
  }
} catch (error) {
  if (!stopping) {
    console.error(`\n${error.message}`);
    await stop(1);
  }
}
