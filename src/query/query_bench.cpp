// What the executor costs a span, on batches as a source delivers them: filters on columns,
// structure, grouping, and whole queries from batch to answer. Items are spans.
#include <benchmark/benchmark.h>

#include <memory>
#include <numeric>
#include <random>

#include "model/span.h"
#include "query/label_coder.h"
#include "query/matching_rows.h"
#include "query/parser.h"
#include "query/query_service.h"
#include "query/trace_columns.h"
#include "query/trace_evaluator.h"

namespace weft {
namespace {

using namespace traceql;

constexpr uint32_t kTraces = 800;
constexpr uint32_t kSpansPerTrace = 10;

// About what a page of a block holds: 800 traces of 10 spans.
std::shared_ptr<const SpanBatch> make_spans() {
  constexpr const char* kServices[] = {"web", "api", "oauth", "legacy", "db"};
  constexpr const char* kRoutes[] = {"/login", "/cart", "/pay", "/search", "/home", "/logout"};
  std::mt19937_64 random(7);
  auto batch = std::make_shared<SpanBatch>();
  Span span;
  for (uint32_t trace = 0; trace < kTraces; ++trace) {
    for (uint32_t i = 0; i < kSpansPerTrace; ++i) {
      span.trace_id.bytes[0] = static_cast<uint8_t>(trace);
      span.trace_id.bytes[1] = static_cast<uint8_t>(trace >> 8);
      span.trace_id.bytes[15] = 1;
      span.span_id.bytes[0] = static_cast<uint8_t>(i + 1);
      span.parent_span_id.bytes[0] = i == 0 ? 0 : static_cast<uint8_t>(1 + random() % i);
      span.start_ns = 1'700'000'000'000'000'000 + trace * 1'000'000ull + i;
      span.end_ns = span.start_ns + random() % 1'000'000'000;
      span.name = kRoutes[random() % 6];
      span.kind = static_cast<SpanKind>(1 + random() % 3);
      span.status_code = random() % 50 == 0 ? StatusCode::kError : StatusCode::kUnset;
      span.attributes = {{"http.route", Value(kRoutes[random() % 6])},
                         {"http.status_code", Value(static_cast<int64_t>(200 + random() % 5))}};
      span.resource.attributes = {{"service.name", Value(kServices[random() % 5])}};
      append_span(*batch, span);
    }
  }
  return batch;
}

struct Prepared {
  CompiledQuery query;
  FieldTable table;
  std::shared_ptr<const PipelineProgram> program;
  ScanBatch batch;

  explicit Prepared(const char* text) : query(*compile_query(text)) {
    program = *PipelineProgram::create(query.plan().spans.pipeline, table);
    const auto spans = make_spans();
    std::vector<uint32_t> rows(spans->size());
    std::iota(rows.begin(), rows.end(), 0);
    batch = scan_batch_of(spans, rows, table.columns());
  }
};

void select_spans(benchmark::State& state, const char* text) {
  Prepared prepared(text);
  TraceEvaluator evaluator(prepared.program);
  BudgetMeter meter({}, nullptr);
  std::vector<uint32_t> rows;
  for (auto _ : state) {
    BatchFields fields(prepared.table, prepared.batch, meter);
    evaluator.begin_batch(fields);
    (void)matching_rows(prepared.query.plan().spans, {}, evaluator, prepared.batch, rows);
    benchmark::DoNotOptimize(rows.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(prepared.batch.rows()));
  state.counters["matches"] = static_cast<double>(rows.size());
}

BENCHMARK_CAPTURE(select_spans, number, "{ span.http.status_code >= 204 }");
BENCHMARK_CAPTURE(select_spans, text, "{ span.http.route = \"/pay\" }");
BENCHMARK_CAPTURE(select_spans, regex, "{ name =~ \"/log.*\" }");
BENCHMARK_CAPTURE(select_spans, conjunction,
                  "{ resource.service.name = \"api\" && status = error && duration > 100ms }");
BENCHMARK_CAPTURE(select_spans, arithmetic, "{ duration * 2 > 1s }");
BENCHMARK_CAPTURE(select_spans, child, "{ kind = server } > { status = error }");
BENCHMARK_CAPTURE(select_spans, descendant,
                  "{ resource.service.name = \"api\" } >> { status = error }");
BENCHMARK_CAPTURE(select_spans, descendant_of_many, "{ kind = server } >> { kind = client }");
BENCHMARK_CAPTURE(select_spans, count, "{ status = error } | count() > 1");
BENCHMARK_CAPTURE(select_spans, by, "{ } | by(resource.service.name) | count() > 3");
BENCHMARK_CAPTURE(select_spans, root, "{ rootName = \"/pay\" && status = error }");

void group_spans(benchmark::State& state) {
  Prepared prepared("{ resource.service.name != nil && name != nil }");
  FieldTable& table = prepared.table;
  LabelCoder coder({0, 1});
  BudgetMeter meter({}, nullptr);
  for (auto _ : state) {
    BatchFields fields(table, prepared.batch, meter);
    uint64_t sum = 0;
    for (uint32_t row = 0; row < prepared.batch.rows(); ++row)
      sum += coder.group_of(fields, row);
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(prepared.batch.rows()));
}
BENCHMARK(group_spans);

void compile(benchmark::State& state) {
  const char* text =
      "{ resource.service.name = \"api\" && span.http.status_code >= 500 } >> { status = error } "
      "| by(resource.service.name) | count() > 2";
  for (auto _ : state)
    benchmark::DoNotOptimize(compile_query(text));
}
BENCHMARK(compile);

}  // namespace
}  // namespace weft
