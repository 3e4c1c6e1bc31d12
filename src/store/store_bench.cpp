// Sealing, bytes a span and questions on the workloads S, C and M. Beside each other on one
// machine: `weft_store_bench --benchmark_filter=...`.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <map>

#include "base/fault_file_system.h"
#include "store/block_writer.h"
#include "store/page_reader.h"
#include "store/store.h"
#include "store/unsealed.h"
#include "wire/otlp_protobuf.h"
#include "workload/workload.h"

namespace weft::store {
namespace {

std::vector<SpanBatchPtr> make_batches(workload::Kind kind, size_t spans, uint64_t seed = 1) {
  workload::Workload source({.kind = kind, .seed = seed});
  std::vector<SpanBatchPtr> batches;
  for (size_t made = 0; made < spans;) {
    const auto request = source.next_batch();
    auto batch = std::make_shared<SpanBatch>();
    auto decoded = decode_otlp_traces(request.body);
    *batch = std::move(decoded->batch);
    batch->strings.drop_index();
    made += batch->size();
    batches.push_back(std::move(batch));
  }
  return batches;
}

void BM_Seal(benchmark::State& state) {
  const auto batches = make_batches(static_cast<workload::Kind>(state.range(0)),
                                    static_cast<size_t>(state.range(1)));
  size_t spans = 0;
  size_t memory = 0;
  for (const auto& batch : batches) {
    spans += batch->size();
    memory += batch->memory_bytes();
  }
  size_t bytes = 0;
  for (auto _ : state) {
    const TraceOrder order = order_by_trace(batches);
    const EncodedBlock block = encode_block(batches, order, {}, {});
    bytes = block.bytes.size();
  }
  state.counters["B/span"] = static_cast<double>(bytes) / static_cast<double>(spans);
  state.counters["memory B/span"] = static_cast<double>(memory) / static_cast<double>(spans);
  state.counters["ns/span"] = benchmark::Counter(
      static_cast<double>(spans) * 1e-9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Seal)
    ->ArgNames({"SCM", "spans"})
    ->ArgsProduct({{0, 1, 2}, {1'000'000}})
    ->Unit(benchmark::kMillisecond);

void BM_Order(benchmark::State& state) {
  const auto batches = make_batches(workload::Kind::kS, 1'000'000);
  for (auto _ : state)
    benchmark::DoNotOptimize(order_by_trace(batches));
}
BENCHMARK(BM_Order)->Unit(benchmark::kMillisecond);

// What a query waits for before it begins, when something was stored since the one before: the view
// of the unsealed spans, after each batch that is added.
void BM_ViewWhileIngesting(benchmark::State& state) {
  constexpr size_t kMore = 200'000;
  const auto spans = static_cast<size_t>(state.range(1));
  const auto batches = make_batches(static_cast<workload::Kind>(state.range(0)), spans + kMore);
  Unsealed unsealed(1);
  size_t next = 0;
  while (unsealed.total_spans() < spans)
    unsealed.add(SpanBatch(*batches[next++]), 1);
  benchmark::DoNotOptimize(unsealed.view(unsealed.capture()));
  for (auto _ : state) {
    state.PauseTiming();
    if (next == batches.size()) {
      state.SkipWithError("too few batches");
      break;
    }
    unsealed.add(SpanBatch(*batches[next++]), 1);
    state.ResumeTiming();
    benchmark::DoNotOptimize(unsealed.view(unsealed.capture()));
  }
}
BENCHMARK(BM_ViewWhileIngesting)
    ->ArgNames({"SCM", "spans"})
    ->ArgsProduct({{0, 1, 2}, {500'000, 1'000'000}})
    ->Iterations(60)
    ->Unit(benchmark::kMillisecond);

// A search that finds nothing, or the reading of twenty whole traces, over a sealed block and as
// many unsealed spans, after each batch that is stored.
void ask_while_ingesting(benchmark::State& state, bool for_traces) {
  const auto spans = static_cast<size_t>(state.range(1));
  const auto batches =
      make_batches(static_cast<workload::Kind>(state.range(0)), 2 * spans + 200'000);
  FaultFileSystem fs;
  Options options;
  options.dir = "d";
  options.fs = &fs;
  options.group_delay_ns = 0;
  auto store = *Store::open(options);
  const auto append = [&](const SpanBatchPtr& batch) {
    std::promise<Status> answer;
    const Status taken = store->append(SpanBatch(*batch), nullptr,
                                       [&](Status status) { answer.set_value(std::move(status)); });
    return taken && answer.get_future().get();
  };
  size_t next = 0;
  for (size_t stored = 0; stored < spans; stored += batches[next++]->size())
    (void)append(batches[next]);
  (void)store->seal();
  for (size_t stored = 0; stored < spans; stored += batches[next++]->size())
    (void)append(batches[next]);
  ScanRequest request;
  request.filter = Predicate::of({.column = ColumnRef::of(Intrinsic::kName),
                                  .op = CompareOp::kEqual,
                                  .operand = Value(std::string("nothing"))});
  if (for_traces) {
    request.filter = {};
    request.whole_traces = true;
    for (size_t b = 0; b < next; b += next / 20 + 1)
      request.traces.push_back(batches[b]->trace_id[0]);
  }
  for (auto _ : state) {
    state.PauseTiming();
    if (next == batches.size() || !append(batches[next++])) {
      state.SkipWithError("too few batches");
      break;
    }
    state.ResumeTiming();
    const CancelToken cancel;
    ScanStats stats;
    const auto cursor = store->scan(request, cancel, stats);
    while (*(*cursor)->next()) {
    }
  }
}

void BM_SearchWhileIngesting(benchmark::State& state) {
  ask_while_ingesting(state, false);
}
BENCHMARK(BM_SearchWhileIngesting)
    ->ArgNames({"SCM", "spans"})
    ->ArgsProduct({{0, 2}, {500'000}})
    ->Iterations(30)
    ->Unit(benchmark::kMillisecond);

void BM_TracesWhileIngesting(benchmark::State& state) {
  ask_while_ingesting(state, true);
}
BENCHMARK(BM_TracesWhileIngesting)
    ->ArgNames({"SCM", "spans"})
    ->ArgsProduct({{0, 2}, {500'000}})
    ->Iterations(30)
    ->Unit(benchmark::kMillisecond);

// Where the bytes of a block go; printed once.
void BM_Anatomy(benchmark::State& state) {
  const auto batches = make_batches(static_cast<workload::Kind>(state.range(0)), 1'000'000);
  for (auto _ : state) {
    FaultFileSystem fs;
    Cache cache(256 << 20);
    const auto encoded = encode_block(batches, order_by_trace(batches), {}, {});
    (void)write_file_atomically(fs, "d", "b", encoded.bytes);
    auto block = *Block::open(fs, "d/b", cache, nullptr);
    std::vector<std::pair<double, std::string>> parts;
    const BlockColumns& columns = **block->columns();
    for (size_t i = 0; i < columns.columns.size(); ++i) {
      const auto column = *block->column(i);
      double bytes = static_cast<double>(column->meta.dictionary.size + column->meta.classes.size +
                                         column->meta.index.size);
      for (const auto& chunk : column->chunks)
        bytes += chunk.size;
      parts.emplace_back(bytes / static_cast<double>(encoded.meta.spans),
                         (column->meta.key.empty()
                              ? "field " + std::to_string(static_cast<int>(column->meta.field))
                              : column->meta.key) +
                             " table " + std::to_string(static_cast<int>(column->meta.table)) +
                             " encoding " +
                             std::to_string(static_cast<int>(column->meta.encoding)) + " entries " +
                             std::to_string(column->meta.dictionary_size) + " values " +
                             std::to_string(column->meta.values));
    }
    std::ranges::sort(parts, std::greater{});
    parts.resize(std::min<size_t>(parts.size(), 40));
    std::printf("classes %u columns %zu\n", columns.classes[0], columns.columns.size());
    for (const auto& [bytes, name] : parts)
      std::printf("%8.3f B/span  %s\n", bytes, name.c_str());
  }
}
BENCHMARK(BM_Anatomy)->Arg(0)->Arg(1)->Arg(2)->Iterations(1);

}  // namespace
}  // namespace weft::store
