// Sends the interop test's spans: protocol in argv[2] (grpc, http/protobuf, http/json), the rest from
// the OTEL_* variables. Prints the trace id.
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const exporters = {
  grpc: GrpcExporter, 'http/protobuf': ProtobufExporter, 'http/json': JsonExporter,
};
// The API's types have no bytes, no maps and no arrays of arrays, and spans drop them; the exporters
// encode them. So they are put into the span where it has ended, before it is exported.
const addExtended = {
  onStart() {},
  onEnd(span) {
    if (span.name !== 'root') return;
    Object.assign(span.attributes, {
      bytes: new Uint8Array([0, 255, 16]), mixed: ['a', 1, true, 2.5], nested: [['a', 1], [true]],
      map: { inner: { n: 1 }, list: ['x', 2.5] }, none: null,
    });
  },
  async forceFlush() {},
  async shutdown() {},
};
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'interop-javascript', 'interop.list': ['a', 'b'] }),
  spanProcessors: [addExtended, new BatchSpanProcessor(new exporters[process.argv[2]]())],
});
const tracer = provider.getTracer('weft.interop', '1.2.3');

const root = tracer.startSpan('root', {
  kind: SpanKind.SERVER,
  attributes: {
    text: 'Grüße 🧵', empty: '', yes: true, no: false, int: 42, negative: -7,
    big: Number.MAX_SAFE_INTEGER, double: 2.5,
    texts: ['a', 'b'], ints: [1, 2, 3], doubles: [0.5, 1.5], bools: [true, false],
    gaps: ['a', null],
  },
});
root.addEvent('happened', { n: 7, what: 'it' });
const child = tracer.startSpan('child', {
  kind: SpanKind.CLIENT,
  links: [{ context: root.spanContext(), attributes: { why: 'test' } }],
}, trace.setSpan(context.active(), root));
child.setStatus({ code: SpanStatusCode.ERROR, message: 'it failed' });
child.end();
root.end();
await provider.forceFlush();
await provider.shutdown();
console.log(root.spanContext().traceId);
