// Free ports and taken ones.
import { createServer } from 'node:net';

// Below the range from which the kernel takes the local ports of connections (32768 and up): a port
// from there could be gone between being found free and being listened on.
const FIRST = 20_000;
const LAST = 32_000;

function tryListen(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
  });
}

// Resolves with the port when it is free (a free one for 0, none of `avoid`), rejects with a plain
// message when it is not.
export async function claim(port, what, avoid = new Set()) {
  if (port !== 0) {
    return tryListen(port).catch((error) => {
      throw new Error(error.code === 'EADDRINUSE'
        ? `port ${port} (${what}) is taken: stop what uses it, or choose another with --port-${what}`
        : `cannot listen on port ${port} (${what}): ${error.message}`);
    });
  }
  for (let attempt = 0; attempt < 200; ++attempt) {
    const candidate = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (avoid.has(candidate)) continue;
    try {
      const got = await tryListen(candidate);
      avoid.add(got);
      return got;
    } catch { /* taken: try another */ }
  }
  throw new Error(`no free port between ${FIRST} and ${LAST} for ${what}`);
}
