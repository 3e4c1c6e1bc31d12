// OTLP/JSON made easy to look at.

const plain = (value) => value.stringValue ?? value.boolValue ?? value.doubleValue
  ?? (value.intValue !== undefined ? Number(value.intValue) : undefined)
  ?? value.arrayValue?.values?.map(plain) ?? null;

export const attributesOf = (list = []) => Object.fromEntries(list.map(({ key, value }) => [key, plain(value)]));

// The spans of a {"resourceSpans": […]} with their service, kind and attributes as plain values.
export function spansOf(otlp) {
  return (otlp.resourceSpans ?? []).flatMap((resourceSpans) => {
    const resource = attributesOf(resourceSpans.resource?.attributes);
    return (resourceSpans.scopeSpans ?? []).flatMap((scopeSpans) => (scopeSpans.spans ?? []).map((span) => ({
      ...span,
      service: resource['service.name'],
      version: resource['service.version'],
      attributes: attributesOf(span.attributes),
      events: (span.events ?? []).map((event) => ({ ...event, attributes: attributesOf(event.attributes) })),
      failed: span.status?.code === 2,
      durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
    })));
  });
}

// Spans whose parent is not among them.
export function orphansOf(spans) {
  const ids = new Set(spans.map((span) => span.spanId));
  return spans.filter((span) => span.parentSpanId && !ids.has(span.parentSpanId));
}
