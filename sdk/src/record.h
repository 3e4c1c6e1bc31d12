// Record: the working memory of one recorded span while it is open. Attributes, events and links
// are encoded into it as OTLP bytes the moment they are set; the end of the span puts the rest
// around them and copies the whole into the chunk of the thread that ends it.
//
// Records are recycled and their memory is never given back, so that a SpanRef may look at the
// generation of a record at any time, however long ago its span ended.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <weft/attribute.h>
#include <weft/span.h>
#include <weft/span_context.h>

#include "attribute_encoder.h"
#include "protobuf_writer.h"

namespace weft::sdk_detail {

struct ProviderCore;

// The fields of opentelemetry.proto.trace.v1.Span that are written while the span is open.
inline constexpr unsigned kSpanName = len_tag(5);
inline constexpr unsigned kSpanAttributes = len_tag(9);

struct alignas(64) Record {
  static constexpr std::size_t kBytes = 1024;
  static constexpr std::uint32_t kInlineSignatures = 24;
  // Behind the signatures there is room to write that many more than there are.
  static constexpr std::uint32_t kSpareSignatures = 8;

  // Counts the spans that have used this record; a SpanRef with another number is out of date.
  std::atomic<std::uint64_t> generation{1};
  // Spin lock of shared records. Held for the length of one encoding.
  std::atomic<bool> locked{false};
  // SpanRefs to this span exist: every access takes the lock. Written by the owner only, before
  // the first SpanRef can exist.
  bool shared = false;
  bool has_parent = false;
  bool parent_remote = false;
  std::uint8_t flags = 0;
  SpanKind kind = SpanKind::kInternal;
  StatusCode status = StatusCode::kUnset;
  std::uint32_t scope = 0;
  std::uint32_t forks = 0;

  ProviderCore* provider = nullptr;
  TraceStateRep* state = nullptr;  // owned
  Record* next_free = nullptr;
  std::int64_t start_monotonic_ns = 0;
  std::uint64_t start_ns = 0;
  TraceIdentifier trace_id;
  SpanIdentifier span_id;
  SpanIdentifier parent_id;

  std::uint32_t attribute_count = 0;
  std::uint32_t dropped_attributes = 0;
  std::uint32_t event_count = 0;
  std::uint32_t dropped_events = 0;
  std::uint32_t link_count = 0;
  std::uint32_t dropped_links = 0;

  // Encoded fields of the Span message: the name first, then attributes, events and links in the
  // order of their setting. Points to inline_data or to the heap.
  char* data = inline_data;
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;
  std::uint32_t name_bytes = 0;  // length of the name's field

  // What the short way of setting attributes may do: derived from the limits at the start, never
  // more than the inline signatures and one-byte lengths allow.
  std::uint32_t short_attribute_limit = 0;
  std::uint32_t short_value_limit = 0;

  // Signatures (signature.h) of the keys of the attributes, to find one that is set twice, and
  // which of 64 values they end in, to know at once that none is.
  std::uint64_t key_filter = 0;
  std::uint32_t* signatures = inline_signatures;
  std::uint32_t signature_capacity = kInlineSignatures;

  std::string status_description;
  std::uint32_t inline_signatures[kInlineSignatures + kSpareSignatures];
  char inline_data[1];  // up to the end of the kBytes

  char* extend(std::size_t bytes);
  // Gives back what the next span is not to find. Most spans leave nothing of that kind.
  void clear() noexcept {
    if (data != inline_data || state != nullptr || status != StatusCode::kUnset) clear_slowly();
  }

  // In the child of a fork, of a record that another thread was writing to: unlocks it, as empty as
  // it was made. What it held on the heap is lost on purpose, since it may be half changed. The
  // identity stays.
  [[gnu::cold]] void abandon_contents() noexcept;

 private:
  [[gnu::cold]] void clear_slowly() noexcept;
};

inline constexpr std::size_t kInlineDataBytes = Record::kBytes - offsetof(Record, inline_data);

// The lock of shared records, nothing for the others.
class RecordLock {
 public:
  RecordLock(Record* record, Access access) noexcept
      : record_(access == Access::kOwner && record->shared ? record : nullptr) {
    if (record_ != nullptr) acquire(record_);
  }
  RecordLock(const RecordLock&) = delete;
  RecordLock& operator=(const RecordLock&) = delete;
  ~RecordLock() {
    if (record_ != nullptr) record_->locked.store(false, std::memory_order_release);
  }
  static void acquire(Record* record) noexcept {
    if (record->locked.exchange(true, std::memory_order_acquire)) [[unlikely]]
      wait(record);
  }

 private:
  [[gnu::cold]] static void wait(Record* record) noexcept;  // and acquires it
  Record* record_;
};

}  // namespace weft::sdk_detail
