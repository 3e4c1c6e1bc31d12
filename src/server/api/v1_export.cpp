// GET /api/v1/export: every span, or the traces that match a query, as OTLP/JSON lines.

#include <algorithm>
#include <numeric>
#include <unordered_set>
#include <vector>

#include "model/id_hash.h"
#include "server/api/api_context.h"
#include "server/api/request_params.h"
#include "wire/otlp_json.h"

namespace weft::server {
namespace {

// Spans of one line: some megabytes, which every reader of OTLP takes as one request.
constexpr size_t kLineSpans = 4'096;
// Traces that a query may select for one export.
constexpr size_t kMaxTraces = 4'000'000;

// The stream has a status of 200 by now: a failure becomes its last line.
void write_failure(ResponseStream& stream, const Error& error) {
  std::string line = "{\"error\":{\"code\":\"";
  line += to_string(error.code);
  line += "\",\"message\":\"";
  append_json_escaped(line, error.message);
  line += "\"}}\n";
  stream.write(line);
}

// False when the client has gone.
bool write_lines(ResponseStream& stream, const SpanBatch& batch) {
  std::string line;
  if (batch.size() <= kLineSpans) {
    if (batch.empty()) return true;
    encode_otlp_traces_json(batch, line);
    line += '\n';
    return stream.write(line);
  }
  for (size_t from = 0; from < batch.size(); from += kLineSpans) {
    std::vector<uint32_t> rows(std::min(kLineSpans, batch.size() - from));
    std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(from));
    SpanBatch part;
    append_rows(part, batch, rows);
    line.clear();
    encode_otlp_traces_json(part, line);
    line += '\n';
    if (!stream.write(line)) return false;
  }
  return true;
}

Status export_range(const ApiContext& context, TimeRange range, const CancelToken& cancel,
                    ResponseStream& stream) {
  WEFT_ASSIGN(const auto cursor, context.source().export_all(range, cancel));
  while (true) {
    WEFT_ASSIGN(const std::optional<SpanBatch> batch, cursor->next());
    if (!batch || !write_lines(stream, *batch)) return {};
  }
}

// In ascending order, so that the same data gives the same export.
Expected<std::vector<TraceId>> matching_traces(const ApiContext& context,
                                               const CompiledQuery& query, TimeRange range,
                                               const CancelToken& cancel) {
  MatchOptions options;
  options.range = range;
  options.budget = context.limits().budget;
  options.cancel = &cancel;
  std::vector<std::unordered_set<TraceId, TraceIdHash>> found(worker_count(options.budget));
  const auto consume = [&](unsigned worker, const MatchBatch& match) -> Status {
    size_t trace = 0;
    for (const uint32_t row : match.matches) {
      while (match.batch.trace_begin[trace + 1] <= row)
        ++trace;
      found[worker].insert(match.batch.trace_ids[trace]);
    }
    if (found[worker].size() <= kMaxTraces) return {};
    return fail(ErrorCode::kResourceExhausted,
                "more than " + std::to_string(kMaxTraces) +
                    " traces match; narrow the range or export without a query");
  };
  WEFT_TRY(match_spans(context.source(), query, options, consume));
  std::vector<TraceId> ids;
  for (const auto& part : found)
    ids.insert(ids.end(), part.begin(), part.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Status export_traces(const ApiContext& context, const std::vector<TraceId>& ids,
                     ResponseStream& stream) {
  for (const TraceId& id : ids) {
    WEFT_ASSIGN(const SpanBatch batch,
                context.source().trace(id, context.limits().max_trace_spans));
    if (!write_lines(stream, batch)) return {};
  }
  return {};
}

ApiResult export_spans(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TimeRange range, range_params(request.query, context.now_ns()));
  WEFT_API_ASSIGN(const std::optional<CompiledQuery> query, query_param(request, ""));
  std::optional<std::vector<TraceId>> ids;
  if (query) {
    if (query->is_metrics()) return wrong_kind_response(true);
    WEFT_ASSIGN(ids, matching_traces(context, *query, range, *request.cancel));
  }
  HttpResponse response;
  response.content_type = "application/x-ndjson";
  response.stream = [&context, range, ids = std::move(ids),
                     cancel = request.cancel](ResponseStream& stream) {
    const Status done =
        ids ? export_traces(context, *ids, stream) : export_range(context, range, *cancel, stream);
    if (!done && !stream.client_gone()) write_failure(stream, done.error());
  };
  return response;
}

}  // namespace

void add_v1_export_routes(Router& router, const ApiContext& context) {
  router.get("/api/v1/export", handler(context, export_spans));
}

}  // namespace weft::server
