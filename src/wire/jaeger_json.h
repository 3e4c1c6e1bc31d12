// Traces as the HTTP API of jaeger-query returns them and its page reads them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/span_batch.h"

namespace weft {

// Appends one trace object, {"traceID":…,"spans":[…],"processes":{"p1":…},"warnings":null}, of all
// rows of the batch, which belong to one trace. Kind, status, scope and trace state become tags
// (span.kind, otel.status_code, error, otel.status_description, otel.scope.name and .version,
// w3c.tracestate), events logs with a field "event", parents and links references, resources
// processes. Times are microseconds.
void encode_jaeger_trace(const SpanBatch& batch, std::string& out);

// Appends {"data":[traces…],"total":0,"limit":0,"offset":0,"errors":null}.
void encode_jaeger_traces(const std::vector<const SpanBatch*>& traces, std::string& out);

}  // namespace weft
