// The OpenTelemetry SDK of one quick start service, set up as its documentation says: spans are
// batched and sent to OTEL_EXPORTER_OTLP_ENDPOINT as OTLP/HTTP with protobuf bodies.
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

// `resource` must name the service. Returns the tracer and a function that sends what is left.
export function startTracing(resource) {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes(resource),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 200 }),
    ],
  });
  provider.register();
  return { tracer: trace.getTracer('weft-quickstart', '1.0.0'), stop: () => provider.shutdown() };
}

// Runs `work` inside a span; an exception is recorded, marks the span as failed and goes on.
export function inSpan(tracer, name, options, work, parent = context.active()) {
  return tracer.startActiveSpan(name, options, parent, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.recordException(error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      throw error;
    } finally {
      span.end();
    }
  });
}

// An HTTP handler whose work is a server span that continues the caller's trace.
export function tracedHandler(tracer, routes) {
  return async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const route = routes.find((r) => r.method === request.method && r.pattern.test(url.pathname));
    const parent = propagation.extract(context.active(), request.headers);
    const options = {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': request.method,
        'url.path': url.pathname,
        'http.route': route?.route ?? '',
      },
    };
    const name = route ? `${request.method} ${route.route}` : request.method;
    let status = 404;
    let body = { error: 'not found' };
    try {
      await inSpan(tracer, name, options, async (span) => {
        if (route) [status, body] = await route.handle(url, span);
        span.setAttribute('http.response.status_code', status);
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message: body.error });
      }, parent);
    } catch (error) {
      status = 500;
      body = { error: error.message };
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
}

// fetch() inside a client span whose context travels in the `traceparent` header.
export function tracedFetch(tracer, url, init = {}) {
  const { hostname, port, pathname } = new URL(url);
  const method = init.method ?? 'GET';
  const options = {
    kind: SpanKind.CLIENT,
    attributes: {
      'http.request.method': method,
      'url.full': url,
      'server.address': hostname,
      'server.port': Number(port),
    },
  };
  return inSpan(tracer, `${method} ${pathname.replace(/\d+/g, '{id}')}`, options, async (span) => {
    const headers = { ...init.headers };
    propagation.inject(context.active(), headers);
    const response = await fetch(url, { ...init, headers });
    span.setAttribute('http.response.status_code', response.status);
    if (response.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
    return response;
  });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Listens on a free port, tells the parent process which, and ends when it says so or goes away.
export function serve(server, stop) {
  server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
  const end = async () => {
    server.close();
    await stop().catch(() => {});
    process.exit(0);
  };
  process.on('disconnect', end);
  process.on('SIGTERM', end);
  process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group; the parent decides the order
}
