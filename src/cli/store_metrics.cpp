#include "cli/store_metrics.h"

namespace weft::cli {
namespace {

struct CounterRow {
  const char* name;
  const char* help;
  std::atomic<uint64_t> store::Counters::* value;
};

constexpr CounterRow kCounters[] = {
    {"weft_store_appended_spans_total", "Spans that are on disk and were acknowledged",
     &store::Counters::appended_spans},
    {"weft_store_appended_requests_total", "Requests that are on disk and were acknowledged",
     &store::Counters::appended_requests},
    {"weft_store_refused_requests_total", "Requests refused: queue full, disk full, log failed",
     &store::Counters::refused_requests},
    {"weft_store_log_groups_total", "Groups written to the write-ahead log and synced",
     &store::Counters::log_groups},
    {"weft_store_log_bytes_total", "Bytes written to the write-ahead log",
     &store::Counters::log_bytes},
    {"weft_store_log_errors_total", "Failed writes or syncs of the write-ahead log",
     &store::Counters::log_errors},
    {"weft_store_replayed_spans_total", "Spans read back from the log at start",
     &store::Counters::replayed_spans},
    {"weft_store_replay_failures_total", "Requests of the log that could not be decoded again",
     &store::Counters::replay_failures},
    {"weft_store_sealed_blocks_total", "Blocks sealed", &store::Counters::sealed_blocks},
    {"weft_store_sealed_spans_total", "Spans sealed into blocks", &store::Counters::sealed_spans},
    {"weft_store_seal_errors_total", "Blocks that could not be sealed and were kept open",
     &store::Counters::seal_errors},
    {"weft_store_merged_blocks_total", "Small blocks merged into larger ones",
     &store::Counters::merged_blocks},
    {"weft_store_dropped_blocks_total", "Blocks dropped by retention",
     &store::Counters::dropped_blocks},
    {"weft_store_dropped_spans_total", "Spans dropped by retention",
     &store::Counters::dropped_spans},
    {"weft_store_duplicate_spans_total", "Spans received again and left out when sealing",
     &store::Counters::duplicate_spans},
    {"weft_store_corruptions_total", "Damaged places met on disk", &store::Counters::corruptions},
};

constexpr CounterRow kSeconds[] = {
    {"weft_store_log_sync_seconds_total", "Time spent in writing and syncing the log",
     &store::Counters::log_sync_ns},
    {"weft_store_seal_seconds_total", "Time spent in sealing blocks", &store::Counters::seal_ns},
};

constexpr CounterRow kGauges[] = {
    {"weft_store_queue_bytes", "Bytes of requests that wait for the log",
     &store::Counters::queue_bytes},
    {"weft_store_frozen_blocks", "Blocks that wait to be sealed", &store::Counters::frozen_blocks},
    {"weft_store_cache_bytes", "Memory of decoded dictionaries and classes",
     &store::Counters::cache_bytes},
};

}  // namespace

void write_store_metrics(const store::Store& store, server::MetricsWriter& writer) {
  const store::Counters& counters = store.counters();
  const auto value = [&](const CounterRow& row) {
    return (counters.*row.value).load(std::memory_order_relaxed);
  };
  for (const CounterRow& row : kCounters) {
    writer.family(row.name, row.help, "counter");
    writer.sample({}, value(row));
  }
  for (const CounterRow& row : kSeconds) {
    writer.family(row.name, row.help, "counter");
    writer.sample({}, static_cast<double>(value(row)) / 1e9);
  }
  for (const CounterRow& row : kGauges) {
    writer.family(row.name, row.help, "gauge");
    writer.sample({}, value(row));
  }
  const StorageStats stats = store.stats();
  const auto gauge = [&](const char* name, const char* help, uint64_t number) {
    writer.family(name, help, "gauge");
    writer.sample({}, number);
  };
  gauge("weft_store_spans", "Spans stored", stats.spans);
  gauge("weft_store_blocks", "Sealed blocks", stats.blocks);
  gauge("weft_store_disk_bytes", "Bytes of blocks and log on disk", stats.disk_bytes);
  gauge("weft_store_memory_bytes", "Memory of spans that are not sealed", stats.memory_bytes);
}

}  // namespace weft::cli
