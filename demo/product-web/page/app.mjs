// The login page: its three steps, traced by OpenTelemetry's web SDK. The journey is one span, and
// each request of it a child by the fetch instrumentation, which also hands the context on to
// session-api. What is typed into the form never becomes an attribute.
import { SpanStatusCode, context, trace } from '@opentelemetry/api';
import { ZoneContextManager } from '@opentelemetry/context-zone';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { WebTracerProvider } from '@opentelemetry/sdk-trace-web';

const originalFetch = window.fetch.bind(window);

// A propagator that propagates nothing: the page as it was before its squad joined.
const silent = { inject() {}, extract: (ctx) => ctx, fields: () => [] };

async function startTracing() {
  const config = await (await originalFetch('/config.json')).json();
  const exporter = new OTLPTraceExporter({
    url: config.otlpUrl,
    headers: config.token ? { authorization: `Bearer ${config.token}` } : {},
  });
  const processor = new BatchSpanProcessor(exporter, { scheduledDelayMillis: 500 });
  const provider = new WebTracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'product-web',
      'service.version': config.version,
      'service.namespace': 'Product',
      'browser.platform': navigator.platform,
      'user_agent.original': navigator.userAgent,
    }),
    spanProcessors: [processor],
  });
  provider.register({
    contextManager: new ZoneContextManager(),
    ...(config.propagate ? {} : { propagator: silent }),
  });
  registerInstrumentations({
    instrumentations: [
      new DocumentLoadInstrumentation(),
      new FetchInstrumentation({ ignoreUrls: [/\/v1\/traces/, /config\.json/], clearTimingResources: true }),
    ],
  });
  addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') processor.forceFlush();
  });
  window.weftDemo = { flush: () => processor.forceFlush() };
  return { tracer: trace.getTracer('product-web', config.version), version: config.version };
}

function show(text, ok) {
  const item = document.createElement('li');
  item.textContent = `${ok ? '✓' : '✗'} ${text}`;
  document.getElementById('steps').append(item);
}

async function call(method, path, body) {
  const response = await fetch(`/api${path}`, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const answer = await response.json().catch(() => ({}));
  return { ok: response.ok, status: response.status, answer };
}

// The journey itself. Returns what the customer is told.
async function journey(customer, password, hasSuspendedJourney) {
  const login = await call('POST', '/login', { customer, password });
  show('legacy session', login.ok);
  if (!login.ok) return { ok: false, text: login.answer.message ?? 'log-in failed' };
  const transfer = await call('POST', '/session/transfer', {});
  show('session transfer', transfer.ok);
  if (transfer.ok && hasSuspendedJourney && transfer.answer.accountState === 'suspended') {
    return { ok: true, text: 'Your account is suspended: here is how to get it back.' };
  }
  const feature = await call('GET', '/features/recommendations');
  show('recommendations', feature.ok);
  if (feature.ok) return { ok: true, text: `Hello, ${customer}` };
  return { ok: false, text: transfer.answer.message ?? feature.answer.message ?? 'recommendations are not available' };
}

const tracing = startTracing();

document.getElementById('login').addEventListener('submit', (event) => {
  event.preventDefault();
  document.getElementById('steps').replaceChildren();
  const form = new FormData(event.target);
  tracing.then(({ tracer, version }) => {
    const span = tracer.startSpan('login journey', { attributes: { 'enduser.id': form.get('customer') } });
    return context.with(trace.setSpan(context.active(), span), () =>
      journey(form.get('customer'), form.get('password'), Number(version) >= 2)
        .then((outcome) => {
          span.setAttribute('journey.outcome', outcome.ok ? 'ok' : 'failed');
          if (!outcome.ok) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.text });
          span.end();
          const line = document.getElementById('outcome');
          line.textContent = outcome.text;
          line.dataset.traceId = span.spanContext().traceId;
        }));
  });
});
