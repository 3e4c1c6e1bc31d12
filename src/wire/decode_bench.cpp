// Decoding of the workloads S, C and M, with a copy of the same bytes beside it: the copy is what
// the machine could do at best.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "wire/compress.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"
#include "workload/workload.h"

namespace weft {
namespace {

using workload::Batch;
using workload::Kind;

// More than fits the caches near the core, so that each batch comes from memory as it would from
// a socket.
constexpr size_t kBatches = 128;

const std::vector<Batch>& batches(Kind kind) {
  static std::vector<Batch> kept[3];
  auto& out = kept[static_cast<size_t>(kind)];
  if (out.empty()) {
    workload::Workload load({.kind = kind});
    for (size_t i = 0; i < kBatches; ++i)
      out.push_back(load.next_batch());
  }
  return out;
}

void report(benchmark::State& state, uint64_t spans, uint64_t bytes) {
  state.SetItemsProcessed(static_cast<int64_t>(spans));
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["ns/span"] = benchmark::Counter(
      static_cast<double>(spans) / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <typename Work>
void each_batch(benchmark::State& state, Kind kind, Work&& work) {
  const auto& all = batches(kind);
  uint64_t spans = 0;
  uint64_t bytes = 0;
  size_t next = 0;
  for (auto _ : state) {
    const Batch& batch = all[next];
    next = (next + 1) % all.size();
    work(batch);
    spans += batch.spans;
    bytes += batch.body.size();
  }
  report(state, spans, bytes);
}

void BM_Memcpy(benchmark::State& state, Kind kind) {
  std::vector<char> copy(4u << 20);
  each_batch(state, kind, [&](const Batch& batch) {
    std::memcpy(copy.data(), batch.body.data(), batch.body.size());
    benchmark::DoNotOptimize(copy.data());
    benchmark::ClobberMemory();
  });
}
BENCHMARK_CAPTURE(BM_Memcpy, S, Kind::kS);
BENCHMARK_CAPTURE(BM_Memcpy, C, Kind::kC);
BENCHMARK_CAPTURE(BM_Memcpy, M, Kind::kM);

void BM_DecodeProtobuf(benchmark::State& state, Kind kind) {
  each_batch(state, kind, [&](const Batch& batch) {
    const auto decoded = decode_otlp_traces(batch.body);
    benchmark::DoNotOptimize(decoded->batch.trace_id.data());
  });
}
BENCHMARK_CAPTURE(BM_DecodeProtobuf, S, Kind::kS);
BENCHMARK_CAPTURE(BM_DecodeProtobuf, C, Kind::kC);
BENCHMARK_CAPTURE(BM_DecodeProtobuf, M, Kind::kM);

void BM_DecodeJson(benchmark::State& state, Kind kind) {
  std::vector<Batch> all;
  for (const Batch& batch : batches(kind)) {
    if (all.size() == 16) break;
    Batch& json = all.emplace_back();
    json.spans = batch.spans;
    encode_otlp_traces_json(decode_otlp_traces(batch.body)->batch, json.body);
  }
  uint64_t spans = 0;
  uint64_t bytes = 0;
  size_t next = 0;
  for (auto _ : state) {
    const Batch& batch = all[next];
    next = (next + 1) % all.size();
    benchmark::DoNotOptimize(decode_otlp_traces_json(batch.body)->batch.trace_id.data());
    spans += batch.spans;
    bytes += batch.body.size();
  }
  report(state, spans, bytes);
}
BENCHMARK_CAPTURE(BM_DecodeJson, S, Kind::kS);

void BM_Decompress(benchmark::State& state, Compression compression) {
  std::vector<std::string> bodies;
  std::vector<uint64_t> sizes;
  for (const Batch& batch : batches(Kind::kS)) {
    if (bodies.size() == 32) break;
    bodies.push_back(*compress(batch.body, compression));
    sizes.push_back(batch.body.size());
  }
  uint64_t spans = 0;
  uint64_t bytes = 0;
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decompress(bodies[next], compression, 64u << 20)->data());
    spans += 512;
    bytes += sizes[next];
    next = (next + 1) % bodies.size();
  }
  report(state, spans, bytes);
}
BENCHMARK_CAPTURE(BM_Decompress, gzip, Compression::kGzip);
BENCHMARK_CAPTURE(BM_Decompress, zstd, Compression::kZstd);

void BM_EncodeProtobuf(benchmark::State& state) {
  std::vector<SpanBatch> decoded;
  for (size_t i = 0; i < 16; ++i) {
    decoded.push_back(decode_otlp_traces(batches(Kind::kS)[i].body)->batch);
  }
  uint64_t spans = 0;
  uint64_t bytes = 0;
  size_t next = 0;
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode_otlp_traces(decoded[next], out);
    spans += decoded[next].size();
    bytes += out.size();
    next = (next + 1) % decoded.size();
  }
  report(state, spans, bytes);
}
BENCHMARK(BM_EncodeProtobuf);

void BM_Generate(benchmark::State& state, Kind kind) {
  workload::Workload load({.kind = kind});
  uint64_t spans = 0;
  uint64_t bytes = 0;
  for (auto _ : state) {
    const Batch batch = load.next_batch();
    spans += batch.spans;
    bytes += batch.body.size();
  }
  report(state, spans, bytes);
}
BENCHMARK_CAPTURE(BM_Generate, S, Kind::kS);
BENCHMARK_CAPTURE(BM_Generate, C, Kind::kC);
BENCHMARK_CAPTURE(BM_Generate, M, Kind::kM);

}  // namespace
}  // namespace weft
