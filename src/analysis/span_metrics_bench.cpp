// What counting span metrics costs the ingest path, a span: batches of 512 spans of whole traces
// from 8 services with 5 operations each, every second span one side of a call.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "analysis/span_metrics.h"
#include "model/span.h"
#include "wire/otlp_protobuf.h"
#include "workload/workload.h"

namespace weft::analysis {
namespace {

std::vector<SpanBatch> make_batches(size_t count, bool databases) {
  std::vector<SpanBatch> out;
  uint64_t trace = 0;
  for (size_t b = 0; b < count; b++) {
    std::vector<Span> spans;
    for (uint8_t i = 0; i < 128; i++) {
      trace++;
      for (uint8_t n = 0; n < 4; n++) {
        Span span;
        std::memcpy(span.trace_id.bytes.data(), &trace, 8);
        span.span_id.bytes[0] = static_cast<uint8_t>(n + 1);
        span.parent_span_id.bytes[0] = n;
        span.start_ns = 1'700'000'000'000'000'000;
        span.end_ns = span.start_ns + (trace * 7919 + n) % 500'000'000;
        const auto service = static_cast<char>('a' + (trace + n / 2) % 8);
        span.name = "operation " + std::to_string((trace + n) % 5);
        span.kind = n == 1 ? SpanKind::kClient : n == 2 ? SpanKind::kServer : SpanKind::kInternal;
        if (n == 3 && databases) {
          span.kind = SpanKind::kClient;
          span.attributes = {{"db.system", "postgresql"}};
        }
        span.resource.attributes = {{"service.name", std::string("service-") + service}};
        spans.push_back(std::move(span));
      }
    }
    // Exporters send spans resource by resource.
    std::ranges::stable_sort(
        spans, {}, [](const Span& span) { return to_display(span.resource.attributes[0].value); });
    SpanBatch batch;
    for (const Span& span : spans)
      append_span(batch, span);
    out.push_back(std::move(batch));
  }
  return out;
}

void observe_all(benchmark::State& state, const std::vector<SpanBatch>& batches) {
  SpanMetrics metrics;
  size_t next = 0, spans = 0;
  for (auto _ : state) {
    metrics.observe(batches[next]);
    spans += batches[next].size();
    next = (next + 1) % batches.size();
  }
  state.SetItemsProcessed(static_cast<int64_t>(spans));
}

void observe(benchmark::State& state) {
  observe_all(state, make_batches(256, state.range(0) != 0));
}
BENCHMARK(observe)->ArgName("databases")->Arg(0)->Arg(1);

// Requests as services (S) and collectors (C) send them.
void observe_workload(benchmark::State& state) {
  workload::Workload source({.kind = static_cast<workload::Kind>(state.range(0)), .seed = 1});
  std::vector<SpanBatch> batches;
  while (batches.size() < 1000)
    batches.push_back(std::move(decode_otlp_traces(source.next_batch().body)->batch));
  observe_all(state, batches);
}
BENCHMARK(observe_workload)->ArgName("SCM")->Arg(0)->Arg(1);

}  // namespace
}  // namespace weft::analysis
