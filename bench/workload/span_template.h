// A span encoded once as protobuf, with holes for what differs each time: ids, times, numbers and
// uuids inside strings. All holes have a fixed width, so that stamping a span is a copy and some
// stores. The workload generator keeps one template for each kind of span that its services emit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"
#include "model/span_batch.h"
#include "workload/random.h"

namespace weft::workload {

// What a span is stamped with.
struct Stamp {
  TraceId trace_id;
  SpanId span_id;
  SpanId parent_span_id;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
};

class SpanTemplate {
 public:
  // In a string, "{d6}" is a hole for six decimal digits (the first is not 0), "{x8}" one for eight
  // hex digits, "{uuid}" one for a uuid, "{o}" for three digits from 100 to 249 (an IP address's
  // octet).
  SpanTemplate(std::string_view name, SpanKind kind, bool root);
  void add_string(std::string_view key, std::string_view pattern);
  void add_int(std::string_view key, int64_t value);
  // A number from 128 to 16383, anew for each span.
  void add_random_int(std::string_view key);
  void add_exception(std::string_view type, std::string_view message, std::string_view stacktrace);
  // The end of the span; nothing can be added after it.
  void finish(StatusCode code, std::string_view status_message);

  // Appends the span as field 2 of a ScopeSpans.
  void stamp(const Stamp& stamp, Random& random, std::string& out) const;
  // The same with each attribute left out with the given chance, and `extra` (encoded attributes)
  // added.
  void stamp_messy(const Stamp& stamp, Random& random, uint32_t drop_percent,
                   std::string_view extra, std::string& out) const;

 private:
  enum class Hole : uint8_t {
    kTraceId,
    kSpanId,
    kParentId,
    kStart,
    kEnd,
    kMiddle,
    kDigits,
    kHex,
    kUuid,
    kOctet,
    kVarint
  };
  struct Patch {
    uint32_t offset;  // in bytes_
    Hole hole;
    uint8_t width;
  };
  struct Segment {
    uint32_t begin, end;               // in bytes_
    uint32_t first_patch, last_patch;  // one past
    bool is_attribute;
  };

  void open_segment(bool is_attribute);
  void close_segment();
  void put_hole(Hole hole, uint8_t width);
  void put_pattern(uint32_t field, std::string_view pattern);
  std::string parse_pattern(std::string_view pattern, std::vector<Patch>& patches) const;
  void apply(const Stamp& stamp, Random& random, uint32_t first_patch, uint32_t last_patch,
             char* base) const;

  std::string bytes_;
  std::string header_;  // field tag and length of the whole span
  std::vector<Patch> patches_;
  std::vector<Segment> segments_;
};

}  // namespace weft::workload
