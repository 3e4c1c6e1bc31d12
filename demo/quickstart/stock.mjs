// The back of the quick start: keeps the stock. Item 13 always fails and every so often a look-up
// is slow, so that there is something to find.
import http from 'node:http';
import { SpanKind } from '@opentelemetry/api';
import { inSpan, pause, serve, startTracing, tracedHandler } from './tracing.mjs';

const { tracer, stop } = startTracing({
  'service.name': 'stock',
  'service.version': '2.0.1',
  'service.namespace': 'warehouse',
  'deployment.environment.name': 'demo',
});

let reservations = 0;

function lookUp(item) {
  const options = {
    kind: SpanKind.CLIENT,
    attributes: {
      'db.system.name': 'postgresql',
      'db.query.text': 'SELECT left FROM stock WHERE item = $1 FOR UPDATE',
      'db.operation.name': 'SELECT',
    },
  };
  return inSpan(tracer, 'SELECT stock', options, async (span) => {
    if (Math.random() < 0.1) {
      span.addEvent('waiting for a lock', { 'lock.holder': 'nightly count', 'lock.wait': true });
      await pause(60 + Math.random() * 80);
    }
    await pause(2 + Math.random() * 6);
    if (item === 13) throw new Error(`item ${item} is not in the catalogue`);
    span.setAttribute('db.response.returned_rows', 1);
  });
}

async function reserve(url, span) {
  const item = Number(url.pathname.split('/')[2]);
  span.setAttribute('stock.item', item);
  await lookUp(item);
  reservations += 1;
  span.addEvent('reserved', { reservation: reservations });
  return [200, { reservation: reservations }];
}

const routes = [{
  method: 'POST', pattern: /^\/items\/\d+\/reserve$/, route: '/items/{id}/reserve',
  handle: reserve,
}];
serve(http.createServer(tracedHandler(tracer, routes)), stop);
