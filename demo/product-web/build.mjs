// Bundles the page. The target is ES2016: with native async functions the zone context manager
// would lose the parent span after the first await.
import { build } from 'esbuild';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
await build({
  entryPoints: [join(here, 'page/app.mjs')],
  outfile: join(here, 'dist/app.js'),
  bundle: true,
  format: 'iife',
  target: 'es2016',
  minify: true,
  logLevel: 'warning',
});
