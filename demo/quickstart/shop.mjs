// The front of the quick start: takes orders and asks `stock` over HTTP (its address is
// STOCK_URL). Every request is one trace through both services.
import http from 'node:http';
import { inSpan, pause, serve, startTracing, tracedFetch, tracedHandler } from './tracing.mjs';

const { tracer, stop } = startTracing({
  'service.name': 'shop',
  'service.version': '1.4.0',
  'service.namespace': 'storefront',
  'deployment.environment.name': 'demo',
});

async function order(url, span) {
  const item = Number(url.searchParams.get('item') ?? 1);
  const customer = url.searchParams.get('customer') ?? 'anonymous';
  span.setAttributes({ 'enduser.id': customer, 'shop.item': item });
  await inSpan(tracer, 'validate order', {}, async (child) => {
    child.setAttribute('shop.rules', ['stock', 'credit']);
    await pause(1 + Math.random() * 4);
    child.addEvent('rules checked', { passed: 2 });
  });
  const answer = await tracedFetch(tracer, `${process.env.STOCK_URL}/items/${item}/reserve`, {
    method: 'POST',
  });
  const reservation = await answer.json();
  if (!answer.ok) return [502, { error: `stock refused: ${reservation.error}` }];
  await inSpan(tracer, 'take payment', {}, async (child) => {
    child.setAttributes({ 'payment.amount': 9.9 * item, 'payment.currency': 'EUR' });
    await pause(3 + Math.random() * 12);
  });
  return [200, { order: reservation.reservation, item }];
}

const routes = [{ method: 'GET', pattern: /^\/order$/, route: '/order', handle: order }];
serve(http.createServer(tracedHandler(tracer, routes)), stop);
