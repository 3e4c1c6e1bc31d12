// What each journey of an act is: which customer, which faults meet it, and how it is expected to
// end. A function of the seed alone, so that the ground truth is known before anything runs.
import { between, chance, hexId, seeded } from '../lib/seeded.mjs';

export const DEFAULT_SHARES = { suspended: 0.03, dns: 0.03, timeout: 0.02 };

// What is released in each act. `propagates`: the browser sends traceparent; `legacyTraced`:
// account-legacy sends spans. `shows`: what there is to see, and `search`: the query that finds it.
export const ACTS = {
  1: { name: 'As found', productWeb: '1.9', sessionApi: '1.0', accountOauth: '3.0', propagates: false, legacyTraced: false,
    shows: 'Every failing trace ends at the edge of the browser.',
    search: '{ name = "login journey" && status = error }' },
  2: { name: 'Joined', productWeb: '1.9', sessionApi: '1.0', accountOauth: '3.0', propagates: true, legacyTraced: true,
    shows: 'One trace crosses four services: the evidence that all squads share.',
    search: '{ resource.service.name = "product-web" && status = error } >> { resource.service.name = "account-oauth" }' },
  3: { name: 'DNS retries', productWeb: '1.9', sessionApi: '1.1', accountOauth: '3.0', propagates: true, legacyTraced: true,
    shows: 'A lost lookup is asked again, of the other name server, and succeeds.',
    search: '{ name = "http.dns" && span.http.dns.timeouts > 0 }' },
  4: { name: 'Time-outs tuned', productWeb: '1.9', sessionApi: '1.2', accountOauth: '3.0', propagates: true, legacyTraced: true,
    shows: 'Calls that hang are waited for instead of being cut off.',
    search: '{ name = "login journey" && duration > 5s }' },
  5: { name: 'A journey for suspended customers', productWeb: '2.0', sessionApi: '1.2', accountOauth: '3.1', propagates: true, legacyTraced: true,
    shows: 'What was left is gone: no login fails any more.',
    search: '{ name = "login journey" && status = error }' },
};

// Which causes make a journey fail in an act.
export function failingCauses(act) {
  return ['suspended', 'dns', 'timeout'].filter((cause) =>
    (cause === 'dns' && act < 3) || (cause === 'timeout' && act < 4) || (cause === 'suspended' && act < 5));
}

// The journey with this number: { traceId, customer, password, causes, faults, willFail }.
export function planJourney({ seed, act, number, shares = DEFAULT_SHARES }) {
  const random = seeded(seed, `act ${act} journey ${number}`);
  const causes = Object.keys(DEFAULT_SHARES).filter((cause) => chance(random, shares[cause] ?? 0));
  const id = 1000 + Math.floor(between(random, 0, 9000));
  return {
    number,
    random,
    traceId: hexId(random, 16),
    customer: `c${id}${causes.includes('suspended') ? 's' : ''}`,
    password: `Hunter2-${hexId(random, 4)}`,
    causes: causes.length > 0 ? causes : ['ok'],
    // Carried to the services in the header x-demo-fault, which no telemetry records.
    faults: [causes.includes('dns') && 'dns', causes.includes('timeout') && 'hang'].filter(Boolean),
    willFail: causes.some((cause) => failingCauses(act).includes(cause)),
  };
}
