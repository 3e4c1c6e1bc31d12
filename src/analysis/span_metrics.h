// Counts spans as they are stored, for Prometheus: calls and latencies by service, span name, kind
// and status, and requests between services, which is what Grafana's span metrics and service graph
// read. The server calls observe() for every batch that is on disk; server/api/prometheus.h writes
// the snapshot.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"

namespace weft::analysis {

struct SpanMetricsOptions {
  // Series of span metrics, beyond which spans are counted in one series that is marked.
  size_t max_series = 10'000;
  // Edges of the service graph; beyond them the same.
  size_t max_edges = 5'000;
  // Of a service's or span's name. Every series carries its names many times over, so one of many
  // megabytes would make an answer that nobody can take; spans with a longer one are counted in the
  // series that is marked, calls under the service "<other>".
  size_t max_name_bytes = 256;
  // Calls of which one side has been seen and the other is awaited, rounded up to a power of two;
  // 32 bytes each. The oldest make room for new ones and count as unpaired.
  size_t max_pending_calls = 1 << 17;
};

// Latencies in buckets from 2 ms to 16.384 s, doubling; the last bucket is what is above.
struct LatencyCounts {
  static constexpr size_t kBounds = 14;
  static constexpr uint64_t kFirstBoundNs = 2'000'000;

  uint64_t count = 0;
  uint64_t sum_ns = 0;
  std::array<uint64_t, kBounds + 1> buckets{};  // not cumulative

  void add(uint64_t duration_ns) {
    count++;
    sum_ns += duration_ns;
    buckets[bucket_of(duration_ns)]++;
  }
  void merge(const LatencyCounts& other);
  // The upper bounds in seconds.
  static std::vector<double> bounds_s();

 private:
  // The first bound that is not below the duration: bounds belong to their bucket.
  static size_t bucket_of(uint64_t duration_ns) {
    const uint64_t steps = (duration_ns - (duration_ns != 0)) / kFirstBoundNs;
    // bit_width(steps), without a case for 0
    return std::min<size_t>(std::bit_width(steps << 1 | 1) - 1, kBounds);
  }
};

struct SpanMetricsSnapshot {
  struct Series {
    std::string service, span_name;
    uint8_t kind = 0;
    uint8_t status_code = 0;
    bool overflow = false;  // all names are empty: what the limit keeps from having its own series
    LatencyCounts latency;
  };
  struct Edge {
    std::string client, server;
    std::string_view connection_type;  // "", "messaging_system" or "database"
    bool overflow = false;
    uint64_t requests = 0;
    uint64_t failed = 0;
    LatencyCounts server_latency;
    LatencyCounts client_latency;
  };
  std::vector<Series> series;  // sorted by service, name, kind, status; overflow last
  std::vector<Edge> edges;     // sorted by client, server, type; overflow last
  uint64_t unpaired_spans = 0;
};

// Any thread. Counters only grow, and start at 0 with the process.
class SpanMetrics {
 public:
  explicit SpanMetrics(SpanMetricsOptions options = {});
  ~SpanMetrics();
  SpanMetrics(const SpanMetrics&) = delete;
  SpanMetrics& operator=(const SpanMetrics&) = delete;

  // Counts the batch's spans. Grouping is done on the batch's own string ids before the lock is
  // taken, so that strings are looked at once a group and batch.
  void observe(const SpanBatch& batch);

  SpanMetricsSnapshot snapshot() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::analysis
