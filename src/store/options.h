// What a Store can be told when it is opened, and what it counts while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "scan/scan.h"
#include "store/log_format.h"

namespace weft::store {

enum class Severity : uint8_t { kInfo, kWarning, kError };

struct Options {
  // The data directory; created when it does not exist (unless read_only).
  std::string dir;
  // Both must outlive the store.
  const Clock* clock = &system_clock();
  FileSystem* fs = &real_file_system();
  // Makes spans of a logged request again, when the log is replayed. Called while opening, by one
  // thread. Columns that were logged without a request are decoded by the store itself. What it
  // refuses is kept aside and tried again at the next start.
  std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)> decode;
  // One line for the operator. Any thread. Nothing by default.
  std::function<void(Severity, std::string_view)> log;
  // Called once for each batch that append() has put on disk, before its acknowledgement, one at a
  // time, on the thread that writes the log: it should be quick. Not for what is replayed. May be
  // empty.
  std::function<void(const SpanBatch&)> stored;
  // Changes nothing on disk and keeps no lock that would hinder another reader: spans of the log
  // are replayed into memory. append() is refused.
  bool read_only = false;

  // The open block is sealed when it has one of these.
  uint64_t block_max_spans = 1'000'000;
  // In memory. Two blocks are there at a time under load, one that fills and one that is sealed:
  // with larger ones more memory is fresh and sealing waits longer for it (a twentieth more a
  // span at 160 MiB), and a block is hardly smaller (0.03 bytes a span of 27.7).
  uint64_t block_max_bytes = 96u << 20;
  uint64_t block_max_age_ns = 600'000'000'000;
  // Sealed blocks below this many spans are merged with their neighbours.
  uint64_t merge_below_spans = 500'000;
  // Blocks that wait to be sealed; with more, append() waits and then refuses. Another one would
  // help while the sealer merges, but holds another block_max_bytes, which cost more to get from
  // the kernel and to keep in caches than the waiting does.
  size_t max_frozen = 1;

  uint64_t log_file_bytes = kLogFileBytes;
  size_t log_spare_files = 8;
  // A group is synced when it has group_min_bytes or when its oldest request has waited this long,
  // as soon as the one before is done.
  uint64_t group_max_bytes = 2u << 20;
  uint64_t group_min_bytes = 1u << 20;
  uint64_t group_delay_ns = 2'000'000;
  // Requests that wait for the log.
  uint64_t queue_max_bytes = 64u << 20;
  size_t queue_max_requests = 16'384;
  // In memory, of their spans: a compressed request can have a thousand times its size.
  uint64_t queue_max_span_bytes = 256u << 20;

  // Whole blocks are dropped that were sealed longer ago than this (whatever the times of their
  // spans: old ones may be imported, clocks may be wrong); 0: kept for ever.
  uint64_t retention_age_ns = 0;
  // The oldest blocks are dropped while all have more bytes than this; 0: no bound.
  uint64_t retention_bytes = 0;
  // Decoded dictionaries, class tables and (a quarter) classes of pages' rows that are kept for the
  // next query.
  uint64_t cache_bytes = 128u << 20;
  // How often retention, merging and ageing are looked at.
  uint64_t maintenance_interval_ns = 1'000'000'000;
};

// Counters for /metrics; all only grow, but for those that say otherwise.
struct Counters {
  std::atomic<uint64_t> appended_spans{0};  // acknowledged
  std::atomic<uint64_t> appended_requests{0};
  std::atomic<uint64_t> refused_requests{0};  // queue full, disk full, log failed
  std::atomic<uint64_t> log_groups{0};
  std::atomic<uint64_t> log_bytes{0};
  std::atomic<uint64_t> log_sync_ns{0};  // time spent in writing and syncing groups
  std::atomic<uint64_t> log_errors{0};
  std::atomic<uint64_t> replayed_spans{0};
  std::atomic<uint64_t> replay_failures{0};  // requests of the log that could not be decoded
  std::atomic<uint64_t> sealed_blocks{0};
  std::atomic<uint64_t> sealed_spans{0};
  std::atomic<uint64_t> seal_ns{0};
  std::atomic<uint64_t> seal_errors{0};
  std::atomic<uint64_t> merged_blocks{0};
  std::atomic<uint64_t> dropped_blocks{0};  // by retention
  std::atomic<uint64_t> dropped_spans{0};
  std::atomic<uint64_t> duplicate_spans{0};  // left out when sealing
  std::atomic<uint64_t> corruptions{0};      // damaged places met
  std::atomic<uint64_t> queue_bytes{0};      // gauge
  std::atomic<uint64_t> frozen_blocks{0};    // gauge
  std::atomic<uint64_t> cache_bytes{0};      // gauge
};

}  // namespace weft::store
