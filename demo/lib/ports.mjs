// Free ports and taken ones.
import { createServer } from 'node:net';

// Resolves with the port when it is free (a free one for 0), rejects with a plain message when not.
export function claim(port, what) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => {
      reject(new Error(error.code === 'EADDRINUSE'
        ? `port ${port} (${what}) is taken: stop what uses it, or choose another with --port-${what}`
        : `cannot listen on port ${port} (${what}): ${error.message}`));
    });
    probe.listen(port, '127.0.0.1', () => {
      const { port: got } = probe.address();
      probe.close(() => resolve(got));
    });
  });
}
