#include "store/trace_order.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>

#include "model/id_hash.h"

namespace weft::store {
namespace {

constexpr uint32_t kFree = UINT32_MAX;
// Rows that are looked at before they are reached, since each needs another line.
constexpr size_t kAhead = 16;

// Trace ids to ordinals, in order of first sight.
class TraceIndex {
 public:
  explicit TraceIndex(size_t expected) { grow(std::bit_ceil(expected * 2 + 16)); }

  uint32_t ordinal(const TraceId& id) {
    if ((ids_.size() + 1) * 2 > slots_.size()) grow(slots_.size() * 2);
    for (size_t slot = slot_hash(id) & mask_;; slot = (slot + 1) & mask_) {
      if (slots_[slot] == kFree) {
        slots_[slot] = static_cast<uint32_t>(ids_.size());
        ids_.push_back(id);
        return slots_[slot];
      }
      if (ids_[slots_[slot]] == id) return slots_[slot];
    }
  }
  // Soon ordinal() is asked for it, in a memory that no near cache holds.
  void fetch(const TraceId& id) const { __builtin_prefetch(&slots_[slot_hash(id) & mask_]); }
  std::vector<TraceId>& ids() { return ids_; }

 private:
  void grow(size_t slots) {
    slots_.assign(slots, kFree);
    mask_ = slots - 1;
    for (uint32_t i = 0; i < ids_.size(); ++i) {
      size_t slot = slot_hash(ids_[i]) & mask_;
      while (slots_[slot] != kFree)
        slot = (slot + 1) & mask_;
      slots_[slot] = i;
    }
  }
  std::vector<uint32_t> slots_;
  size_t mask_ = 0;
  std::vector<TraceId> ids_;
};

struct Entry {
  uint64_t start_ns;
  uint64_t span_id;  // big endian: numbers order as the bytes do
  RowRef ref;
};

// Of one trace, without duplicates: no two have the same id.
bool entry_before(const Entry& a, const Entry& b) {
  return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.span_id < b.span_id;
}

// Removes all but the first stored of the spans with one id. `entries` are in order of arrival.
class Deduplicator {
 public:
  // Returns what is left.
  std::span<Entry> remove_duplicates(std::span<Entry> entries) {
    if (entries.size() < 2) return entries;
    const size_t slots = std::bit_ceil(entries.size() * 2);
    slots_.assign(slots, 0);
    bool has_zero = false;
    size_t kept = 0;
    for (const Entry& entry : entries) {
      if (is_new(entry.span_id, slots - 1, has_zero)) entries[kept++] = entry;
    }
    return entries.first(kept);
  }

 private:
  bool is_new(uint64_t id, size_t mask, bool& has_zero) {
    if (id == 0) return !std::exchange(has_zero, true);
    size_t slot = hash_span_id(id) & mask;
    for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
      if (slots_[slot] == id) return false;
    }
    slots_[slot] = id;
    return true;
  }
  std::vector<uint64_t> slots_;
};

void sort_entries(std::span<Entry> entries) {
  if (entries.size() > 24) {
    std::sort(entries.begin(), entries.end(), entry_before);
    return;
  }
  for (size_t i = 1; i < entries.size(); ++i) {
    const Entry entry = entries[i];
    size_t j = i;
    for (; j > 0 && entry_before(entry, entries[j - 1]); --j)
      entries[j] = entries[j - 1];
    entries[j] = entry;
  }
}

}  // namespace

TraceOrder order_by_trace(std::span<const SpanBatchPtr> batches) {
  size_t total = 0;
  for (const auto& batch : batches)
    total += batch->size();

  // The trace of every row, in order of arrival.
  TraceIndex index(total / 8);
  std::vector<uint32_t> trace_of(total);
  std::vector<uint32_t> counts;
  std::vector<uint64_t> first_start;
  size_t at = 0;
  for (const auto& batch : batches) {
    for (size_t row = 0; row < batch->size(); ++row) {
      if (row + kAhead < batch->size()) index.fetch(batch->trace_id[row + kAhead]);
      // Spans of one trace often lie together.
      const uint32_t trace = row > 0 && batch->trace_id[row] == batch->trace_id[row - 1]
                                 ? trace_of[at - 1]
                                 : index.ordinal(batch->trace_id[row]);
      if (trace == counts.size()) {
        counts.push_back(0);
        first_start.push_back(UINT64_MAX);
      }
      ++counts[trace];
      first_start[trace] = std::min(first_start[trace], batch->start_ns[row]);
      trace_of[at++] = trace;
    }
  }

  const size_t traces = counts.size();
  std::vector<uint32_t> order(traces);
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    if (first_start[a] != first_start[b]) return first_start[a] < first_start[b];
    return index.ids()[a] < index.ids()[b];
  });

  // Counting sort of the rows by trace, stable in arrival. What rows are sorted by within
  // a trace is taken along: here a batch is read from its begin to its end; below, each row would
  // lie in another batch.
  std::vector<uint32_t> next(traces);
  uint32_t begin = 0;
  for (uint32_t trace : order) {
    next[trace] = begin;
    begin += counts[trace];
  }
  const auto grouped = std::make_unique_for_overwrite<Entry[]>(total);
  at = 0;
  for (uint32_t b = 0; b < batches.size(); ++b) {
    const SpanBatch& batch = *batches[b];
    for (uint32_t row = 0; row < batch.size(); ++row) {
      if (at + kAhead < total) __builtin_prefetch(grouped.get() + next[trace_of[at + kAhead]], 1);
      const uint32_t to = next[trace_of[at++]]++;
      grouped[to] = {batch.start_ns[row], std::byteswap(batch.span_id[row].word()), {b, row}};
    }
  }

  TraceOrder out;
  out.rows.reserve(total);
  out.trace_begin.reserve(traces + 1);
  out.trace_ids.reserve(traces);
  out.trace_start_ns.reserve(traces);
  Deduplicator deduplicator;
  size_t from = 0;
  for (uint32_t trace : order) {
    const std::span<Entry> entries =
        deduplicator.remove_duplicates({grouped.get() + from, counts[trace]});
    from += counts[trace];
    sort_entries(entries);
    out.trace_begin.push_back(static_cast<uint32_t>(out.rows.size()));
    out.trace_ids.push_back(index.ids()[trace]);
    out.trace_start_ns.push_back(entries.front().start_ns);
    for (const Entry& entry : entries)
      out.rows.push_back(entry.ref);
  }
  out.trace_begin.push_back(static_cast<uint32_t>(out.rows.size()));
  out.duplicates = total - out.rows.size();
  return out;
}

}  // namespace weft::store
