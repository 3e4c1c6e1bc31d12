// Traces written down as text, for golden tests that a person can read and add to:
//
//   trace 1 0s
//   a server 0ms 120ms web "GET /checkout" http.status_code=500 resource.region=eu
//     b client 10ms 100ms web "POST /pay" status=error message="refused" event:retry@5ms{n=2}
//
// A span is: its one-letter id, kind, start after the trace's own, duration, service ("-" for
// none), name, then attributes. Indentation says the parent. Special attributes: status=,
// message=, scope=name/version, tracestate=, parent=letter (instead of the indentation),
// resource.key=, instrumentation.key=, event:name@offset{key=value,...} and
// link:trace.letter{key=value,...}. Values: "text", true, 12, 1.5, 20ms (nanoseconds), [a,1].
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/span.h"

namespace weft::testing {

inline constexpr uint64_t kFixtureBaseNs = 1'700'000'000'000'000'000;

// The message of an error names the line.
Expected<std::vector<Span>> parse_fixture(std::string_view text);

// Trace number and span letter as the fixture has them: "1", "a".
std::string fixture_trace(const TraceId& id);
std::string fixture_span(const SpanId& id);

}  // namespace weft::testing
