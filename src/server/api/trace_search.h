// Questions of clients that do not speak TraceQL: conditions on single spans, answered with whole
// traces, and what there is to ask for. Shared by the APIs of Jaeger and Zipkin; private to
// server/api.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/operations.h"
#include "server/api/api_context.h"

namespace weft::server {

struct TraceSearch {
  TimeRange range;
  std::vector<Predicate> conditions;  // all of them, of one span
  size_t limit = 20;
};

// The traces, newest first, whole. kResourceExhausted when they have more spans together than an
// answer may have, or take more than a query's memory.
Expected<std::vector<SpanBatch>> find_whole_traces(const ApiContext& context,
                                                   const HttpRequest& request,
                                                   const TraceSearch& search);

// The traces of these ids that are stored, in their order; the same limits. kCancelled when the
// request is.
Expected<std::vector<SpanBatch>> read_whole_traces(const ApiContext& context,
                                                   const HttpRequest& request,
                                                   const std::vector<TraceId>& ids);

Predicate service_is(std::string_view service);
Predicate name_is(std::string_view name);
Predicate kind_is(SpanKind kind);
Predicate lasts_at_least(uint64_t duration_ns);
Predicate lasts_at_most(uint64_t duration_ns);
// A tag of span or resource. What answers show as a tag and OTLP has elsewhere ("error",
// "span.kind", "otel.status_code", "otel.scope.name", …) is looked up there; numbers and bools are
// found as such and as text.
Predicate tag_is(std::string_view key, std::string_view value);
// Such a tag, or a field of a log of the span, as Jaeger calls events: "event" is the event's name.
Predicate tag_or_log_is(std::string_view key, std::string_view value);

// "server", "SERVER" and "SPAN_KIND_SERVER"; nullopt for what is none.
std::optional<SpanKind> kind_of(std::string_view text);

// Every service.name that is stored, sorted.
Expected<std::vector<std::string>> service_names(const ApiContext& context,
                                                 const HttpRequest& request);

// The operations of a service, of all kinds where `kind` is empty. `service_parameter` is what the
// client calls the service: kInvalidArgument names it when the service is empty, as it does a kind
// that is none.
Expected<std::vector<analysis::Operation>> operations_of(const ApiContext& context,
                                                         const HttpRequest& request,
                                                         std::string_view service_parameter,
                                                         std::string_view service,
                                                         std::string_view kind = {});

}  // namespace weft::server
