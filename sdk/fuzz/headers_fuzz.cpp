// Any headers: extracting never crashes, and what was extracted survives being sent on.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include <weft/propagation.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const weft::Propagator kAll({weft::Format::kB3, weft::Format::kB3Multi,
                                      weft::Format::kJaeger, weft::Format::kTraceContext,
                                      weft::Format::kBaggage});
  // Header values between newlines, in this order.
  static constexpr std::string_view kNames[] = {
      "traceparent", "tracestate",   "tracestate",    "baggage",   "b3",      "X-B3-TraceId",
      "X-B3-SpanId", "X-B3-Sampled", "uber-trace-id", "uberctx-k", "uberctx-"};
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::multimap<std::string, std::string> headers;
  for (const std::string_view name : kNames) {
    const std::size_t end = rest.find('\n');
    headers.emplace(name, rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  const weft::Context context = kAll.extract(headers);
  const weft::SpanContext span = context.span_context();
  std::map<std::string, std::string> sent;
  kAll.inject(context, sent);
  const weft::SpanContext again = kAll.extract(sent).span_context();
  if (span.is_valid() &&
      (!(again.trace_id() == span.trace_id()) || !(again.span_id() == span.span_id()) ||
       again.is_sampled() != span.is_sampled() ||
       again.trace_state().header() != span.trace_state().header())) {
    std::abort();
  }
  if (context.baggage().header() != kAll.extract(sent).baggage().header()) std::abort();
  return 0;
}
