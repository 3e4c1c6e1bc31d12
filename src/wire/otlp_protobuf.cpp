#include "wire/otlp_protobuf.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <deque>
#include <functional>
#include <vector>

#include "base/hash.h"
#include "wire/batch_builder.h"
#include "wire/otlp_value.h"
#include "wire/protobuf_reader.h"
#include "wire/row_memo.h"

namespace weft {
namespace {

using namespace wire;
using Table = AttributeTableBuilder;

constexpr uint64_t kMaxBodyBytes = uint64_t{2} << 30;
// Bytes that may be read behind the attributes on the fast path, as long as they lie in the body.
constexpr ptrdiff_t kReadAhead = Table::kShortReadAhead;

// The spans of one ScopeSpans with what they share.
struct Group {
  std::string_view resource;
  std::string_view resource_schema_url;
  std::string_view scope;
  std::string_view scope_schema_url;
  uint32_t first_span = 0;
  uint32_t last_span = 0;  // one past
};

// A message field while its parent is read. Protobuf merges one that stands more than once; that is
// what the concatenation of its bytes means.
struct Part {
  std::string_view bytes;         // of the body, or of `merged`
  std::string* merged = nullptr;  // what the body has in several places, put together
};

// The outline jumps from span to span; without this each jump would wait for memory. Asks for the
// lines some spans ahead, about as many as this span has. (Inlined by force: g++ 12 takes a
// function that only prefetches for one without effect and drops its calls.)
[[gnu::always_inline]] inline void fetch_ahead(std::string_view span) {
  constexpr size_t kAhead = 2048;
  constexpr size_t kLine = 64;
  constexpr size_t kUsualLines = 8;
  constexpr size_t kMaxLines = 32;
#pragma GCC unroll 8
  for (size_t i = 0; i < kUsualLines; ++i)
    __builtin_prefetch(span.data() + kAhead + i * kLine);
  if (span.size() <= kUsualLines * kLine) [[likely]]
    return;
  for (size_t i = kUsualLines; i < std::min(span.size() / kLine + 1, kMaxLines); ++i)
    __builtin_prefetch(span.data() + kAhead + i * kLine);
}

uint8_t enum_byte(uint64_t value) {
  return value <= 255 ? static_cast<uint8_t>(value) : 0;
}

size_t context_of(uint8_t kind) {
  return kind >= 1 && kind <= Table::kContexts ? kind - 1u : 0;
}

uint32_t to_u32(uint64_t value) {
  return static_cast<uint32_t>(value);
}

template <typename Id>
bool assign_id(std::string_view bytes, Id& id) {
  if (bytes.size() != id.bytes.size()) return false;
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return true;
}

class Decoder {
 public:
  Expected<DecodeResult> decode(std::string_view body, const DecodeLimits& limits);

 private:
  // Where attributes of one message go.
  struct Target {
    AttributeTableBuilder& table;
    uint32_t& dropped;
    size_t context = 0;
  };
  struct Ids {
    TraceId trace_id;
    SpanId span_id;
    SpanId parent_span_id;
    bool trace_ok = false;
    bool span_ok = false;
    bool parent_ok = true;
  };

  Position malformed(Position at, const char* what);
  Position too_many_spans(Position at);

  // First pass: finds the groups and counts the spans.
  Position outline(Position p, Position end);
  Position outline_resource_spans(Position p, Position end);
  Position outline_scope_spans(Position p, Position end, Group group);
  void merge(Part& into, std::string_view more);
  // The part that was begun last is not needed any more.
  void let_go(const Part& part) {
    if (part.merged != nullptr) merged_.pop_back();
  }

  // Second pass.
  Position decode_group(const Group& group);
  Position decode_resource(const Group& group, uint32_t& row);
  Position decode_scope(const Group& group, uint32_t& row);
  Position decode_span(Position p, Position end, uint32_t resource, uint32_t scope);
  Position decode_span_fields(Position p, Position end, uint32_t row);
  Position decode_ids(Position p, Position end, Ids& ids);
  Position decode_event(Position p, Position end);
  Position decode_link(Position p, Position end);
  Position decode_link_attributes(Position p, Position end, uint32_t row);
  Position decode_status(Position p, Position end, uint32_t row);
  // KeyValue messages as long as they carry `tag`, the first of which p points at.
  Position decode_attributes(Position p, Position end, uint8_t tag, Target target);
  Position decode_any_key_value(Position p, Position end, uint32_t& slot, Target target);
  // One KeyValue whose tag is not written as everybody does it (in more bytes than it needs).
  Position decode_attribute(std::string_view bytes, Target target) {
    uint32_t slot = Table::kNoSlot;
    return decode_any_key_value(begin_of(bytes), end_of(bytes), slot, target);
  }
  Position decode_any_value(Position p, Position end, uint32_t slot, Target target);
  Position add_nested(ValueType type, std::string_view bytes, uint32_t slot, Target target);

  void add(AttributeOutcome outcome, Target target) {
    if (outcome != AttributeOutcome::kAdded) [[unlikely]] {
      builder_.count_attribute(outcome, target.dropped);
    }
  }
  StringPool::Id intern(std::string_view text) { return builder_.strings().intern(text); }
  StringPool::Id intern_name(std::string_view name);

  Position base_ = nullptr;
  Position limit_ = nullptr;  // end of the body
  DecodeLimits limits_;
  Error error_;
  BatchBuilder builder_;
  std::vector<Group> groups_;
  std::vector<std::string_view> spans_;
  std::deque<std::string> merged_;
  RowMemo resource_rows_;
  RowMemo scope_rows_;
  // Names of spans that occurred, by a few of their bytes.
  std::array<StringPool::Id, 64> recent_names_{};
};

Position Decoder::malformed(Position at, const char* what) {
  if (!error_.message.empty()) return nullptr;
  // Messages that stand more than once are merged elsewhere; there are no offsets there.
  const bool in_body = std::greater_equal<>()(at, base_) && std::less_equal<>()(at, limit_);
  error_ = {ErrorCode::kInvalidArgument,
            in_body ? fmt::format("malformed OTLP protobuf at byte {}: {}", at - base_, what)
                    : fmt::format("malformed OTLP protobuf: {}, in one that is repeated", what)};
  return nullptr;
}

Position Decoder::too_many_spans(Position at) {
  if (error_.message.empty()) {
    error_ = {ErrorCode::kResourceExhausted,
              fmt::format("the request has more than {} spans (byte {}); send smaller requests",
                          limits_.max_spans, at - base_)};
  }
  return nullptr;
}

Expected<DecodeResult> Decoder::decode(std::string_view body, const DecodeLimits& limits) {
  limits_ = limits;
  if (body.size() > std::min(limits.max_body_bytes, kMaxBodyBytes)) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the request has {} bytes, the limit is {}", body.size(),
                            std::min(limits.max_body_bytes, kMaxBodyBytes)));
  }
  base_ = begin_of(body);
  limit_ = end_of(body);
  error_ = {};
  groups_.clear();
  spans_.clear();
  recent_names_.fill(StringPool::kEmpty);
  Position ok = base_ == nullptr ? limit_ : outline(base_, limit_);
  if (ok != nullptr || body.empty()) {
    builder_.begin(limits, spans_.size());
    resource_rows_.begin();
    scope_rows_.begin();
    for (const Group& group : groups_) {
      if (decode_group(group) == nullptr) break;
    }
  }
  auto result = builder_.finish();
  merged_.clear();
  // One huge request does not fix this thread's memory for ever.
  if (spans_.capacity() > 65'536) spans_ = std::vector<std::string_view>();
  if (groups_.capacity() > 65'536) groups_ = std::vector<Group>();
  resource_rows_.end();
  scope_rows_.end();
  if (!error_.message.empty()) return std::unexpected(std::move(error_));
  return result;
}

// --- First pass ---

Position Decoder::outline(Position p, Position end) {
  while (p < end) {
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in the request");
    if (field.number != 1) continue;
    if (field.type != WireType::kBytes) return malformed(at, "resource_spans is not a message");
    if (outline_resource_spans(begin_of(field.bytes), p) == nullptr) return nullptr;
  }
  return p;
}

// A field can stand a million times: what is there already is not copied for each of them.
void Decoder::merge(Part& into, std::string_view more) {
  if (more.empty()) return;
  if (into.bytes.empty()) {
    into.bytes = more;
    return;
  }
  if (into.merged == nullptr) into.merged = &merged_.emplace_back(into.bytes);
  // The slack behind it may be read, as on the fast path everywhere else in the body.
  const size_t size = into.bytes.size() + more.size();
  into.merged->resize(into.bytes.size());
  into.merged->append(more).append(kReadAhead, '\0');
  into.bytes = std::string_view(*into.merged).substr(0, size);
}

Position Decoder::outline_resource_spans(Position p, Position end) {
  const size_t first_group = groups_.size();
  Group shared;
  Part resource;
  while (p < end) {
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in resource_spans");
    if (field.number < 1 || field.number > 3) continue;
    if (field.type != WireType::kBytes) return malformed(at, "wrong wire type in resource_spans");
    if (field.number == 1) {
      merge(resource, field.bytes);
    } else if (field.number == 3) {
      shared.resource_schema_url = field.bytes;
    } else if (outline_scope_spans(begin_of(field.bytes), p, shared) == nullptr) {
      return nullptr;
    }
  }
  // The resource may stand after its spans.
  for (size_t i = first_group; i < groups_.size(); ++i) {
    groups_[i].resource = resource.bytes;
    groups_[i].resource_schema_url = shared.resource_schema_url;
  }
  if (groups_.size() == first_group) let_go(resource);
  return p;
}

Position Decoder::outline_scope_spans(Position p, Position end, Group group) {
  group.first_span = static_cast<uint32_t>(spans_.size());
  Part scope;
  while (p < end) {
    const Position at = p;
    Field field;
    if (*p == 0x12) [[likely]] {
      field.number = 2;
      field.type = WireType::kBytes;
      p = read_bytes(p + 1, end, field.bytes);
      if (p != nullptr) fetch_ahead(field.bytes);
    } else {
      p = read_field(p, end, field);
    }
    if (p == nullptr) return malformed(at, "in scope_spans");
    if (field.number < 1 || field.number > 3) continue;
    if (field.type != WireType::kBytes) return malformed(at, "wrong wire type in scope_spans");
    if (field.number == 2) {
      if (spans_.size() >= limits_.max_spans) return too_many_spans(at);
      spans_.push_back(field.bytes);
    } else if (field.number == 1) {
      merge(scope, field.bytes);
    } else {
      group.scope_schema_url = field.bytes;
    }
  }
  group.scope = scope.bytes;
  group.last_span = static_cast<uint32_t>(spans_.size());
  // Without spans there is nothing to keep.
  if (group.last_span > group.first_span) {
    groups_.push_back(group);
  } else {
    let_go(scope);
  }
  return p;
}

// --- Second pass ---

Position Decoder::decode_group(const Group& group) {
  uint32_t resource = 0;
  uint32_t scope = 0;
  if (decode_resource(group, resource) == nullptr || decode_scope(group, scope) == nullptr) {
    return nullptr;
  }
  for (uint32_t i = group.first_span; i < group.last_span; ++i) {
    if (decode_span(begin_of(spans_[i]), end_of(spans_[i]), resource, scope) == nullptr) {
      return nullptr;
    }
  }
  return limit_;
}

Position Decoder::decode_resource(const Group& group, uint32_t& row) {
  bool fresh = false;
  RowMemo::Entry& known = resource_rows_.find(group.resource, group.resource_schema_url, fresh);
  if (fresh) known.row = builder_.begin_resource();
  row = known.row;
  if (!fresh) return limit_;
  ResourceTable& table = builder_.resources();
  table.schema_url[row] = intern(group.resource_schema_url);
  uint32_t dropped_by_sender = 0;
  Position p = begin_of(group.resource);
  const Position end = end_of(group.resource);
  while (p < end) {
    if (*p == 0x0A) {
      p = decode_attributes(p, end, 0x0A,
                            {builder_.resource_attributes(), table.dropped_attributes_count[row]});
      if (p == nullptr) return nullptr;
      continue;
    }
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in a resource");
    static constexpr std::array<int8_t, 3> kWireTypes = {-1, 2, 0};
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) {
      return malformed(at, "wrong wire type in a resource");
    }
    if (field.number == 2) {
      dropped_by_sender = to_u32(field.value);
    } else if (decode_attribute(field.bytes, {builder_.resource_attributes(),
                                              table.dropped_attributes_count[row]}) == nullptr) {
      return nullptr;
    }
  }
  // What a limit left out depends on the limits, and on what else the request has.
  if (table.dropped_attributes_count[row] == 0) table.origin[row] = known.number;
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return limit_;
}

Position Decoder::decode_scope(const Group& group, uint32_t& row) {
  bool fresh = false;
  RowMemo::Entry& known = scope_rows_.find(group.scope, group.scope_schema_url, fresh);
  if (fresh) known.row = builder_.begin_scope();
  row = known.row;
  if (!fresh) return limit_;
  ScopeTable& table = builder_.scopes();
  table.schema_url[row] = intern(group.scope_schema_url);
  uint32_t dropped_by_sender = 0;
  Position p = begin_of(group.scope);
  const Position end = end_of(group.scope);
  while (p < end) {
    if (*p == 0x1A) {
      p = decode_attributes(p, end, 0x1A,
                            {builder_.scope_attributes(), table.dropped_attributes_count[row]});
      if (p == nullptr) return nullptr;
      continue;
    }
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in an instrumentation scope");
    static constexpr std::array<int8_t, 5> kWireTypes = {-1, 2, 2, 2, 0};
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) {
      return malformed(at, "wrong wire type in an instrumentation scope");
    }
    if (field.number == 1) table.name[row] = intern(field.bytes);
    if (field.number == 2) table.version[row] = intern(field.bytes);
    if (field.number == 4) dropped_by_sender = to_u32(field.value);
    if (field.number == 3 &&
        decode_attribute(field.bytes, {builder_.scope_attributes(),
                                       table.dropped_attributes_count[row]}) == nullptr) {
      return nullptr;
    }
  }
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return limit_;
}

// Ids wherever they stand, the last one of each counts.
Position Decoder::decode_ids(Position p, Position end, Ids& ids) {
  while (p < end) {
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in a span");
    if (field.number != 1 && field.number != 2 && field.number != 4) continue;
    if (field.type != WireType::kBytes) return malformed(at, "an id of a span is not bytes");
    if (field.number == 1) ids.trace_ok = assign_id(field.bytes, ids.trace_id);
    if (field.number == 2) ids.span_ok = assign_id(field.bytes, ids.span_id);
    if (field.number == 4) {
      ids.parent_ok = field.bytes.empty() || assign_id(field.bytes, ids.parent_span_id);
      if (field.bytes.empty()) ids.parent_span_id = {};
    }
  }
  return p;
}

Position Decoder::decode_span(Position p, Position end, uint32_t resource, uint32_t scope) {
  Ids ids;
  // How every SDK writes it: trace id, span id, parent's id when there is one, name.
  if (end - p >= 40 && load_fixed64(p) << 48 == uint64_t{0x100A} << 48 && p[18] == 0x12 &&
      p[19] == 8 && (p[28] == 0x2A || (p[28] == 0x22 && p[29] == 8 && p[38] == 0x2A))) {
    std::memcpy(ids.trace_id.bytes.data(), p + 2, 16);
    std::memcpy(ids.span_id.bytes.data(), p + 20, 8);
    if (p[28] == 0x22) {
      std::memcpy(ids.parent_span_id.bytes.data(), p + 30, 8);
      p += 38;
    } else {
      p += 28;
    }
  } else {
    if (decode_ids(p, end, ids) == nullptr) return nullptr;
    // What is not an id is rejected below, as zeros are.
    if (!ids.trace_ok) ids.trace_id = {};
    if (!ids.span_ok) ids.span_id = {};
    if (!ids.parent_ok && !ids.trace_id.is_zero() && !ids.span_id.is_zero()) {
      builder_.reject_span("a span's parent id does not have 8 bytes");
      return end;
    }
  }
  if ((ids.trace_id.word(0) | ids.trace_id.word(1)) == 0) [[unlikely]] {
    builder_.reject_span("a span's trace id does not have 16 bytes or is all zeros");
    return end;
  }
  if (ids.span_id.is_zero()) [[unlikely]] {
    builder_.reject_span("a span's id does not have 8 bytes or is all zeros");
    return end;
  }
  const uint32_t row = builder_.begin_span();
  if (row == BatchBuilder::kNoRow) return too_many_spans(p);
  SpanColumns& spans = builder_.spans();
  spans.trace_id[row] = ids.trace_id;
  spans.span_id[row] = ids.span_id;
  spans.parent_span_id[row] = ids.parent_span_id;
  spans.resource[row] = resource;
  spans.scope[row] = scope;
  return decode_span_fields(p, end, row);
}

Position Decoder::decode_span_fields(Position p, Position end, uint32_t row) {
  SpanColumns& spans = builder_.spans();
  uint32_t dropped_attributes = 0;
  uint32_t dropped_events = 0;
  uint32_t dropped_links = 0;
  // How every SDK writes it: name, kind, start, end, attributes.
  const bool ahead = limit_ - end >= kReadAhead;
  if (ahead && end - p >= 24 && p[0] == 0x2A && p[1] < end - p - 22) [[likely]] {
    const Position times = p + 4 + p[1];
    if (p[1] < 0x80 && times[-2] == 0x30 && times[-1] < 0x80 && times[0] == 0x39 &&
        times[9] == 0x41) [[likely]] {
      spans.name[row] = intern_name(view(p + 2, times - 2));
      spans.kind[row] = times[-1];
      spans.start_ns[row] = load_fixed64(times + 1);
      spans.end_ns[row] = load_fixed64(times + 10);
      p = times + 18;
      if (p < end && *p == 0x4A) {
        p = decode_attributes(p, end, 0x4A,
                              {builder_.span_attributes(), spans.dropped_attributes_count[row],
                               context_of(spans.kind[row])});
        if (p == nullptr) return nullptr;
      }
    }
  }
  while (p < end) {
    const Position at = p;
    switch (*p) {
      case 0x2A: {
        std::string_view name;
        p = read_bytes(p + 1, end, name);
        if (p == nullptr) return malformed(at, "in a span's name");
        spans.name[row] = intern_name(name);
        continue;
      }
      case 0x30:
        if (end - p < 2 || p[1] >= 0x80) break;
        spans.kind[row] = p[1];
        p += 2;
        continue;
      case 0x39:
      case 0x41:
        if (end - p < 9) return malformed(at, "in a span's time");
        (*p == 0x39 ? spans.start_ns : spans.end_ns)[row] = load_fixed64(p + 1);
        p += 9;
        continue;
      case 0x4A:
        p = decode_attributes(p, end, 0x4A,
                              {builder_.span_attributes(), spans.dropped_attributes_count[row],
                               context_of(spans.kind[row])});
        if (p == nullptr) return nullptr;
        continue;
      case 0x7A:  // a status that is empty or has a code alone
        if (end - p >= 2 && p[1] == 0) {
          p += 2;
          continue;
        }
        if (end - p < 4 || p[1] != 2 || p[2] != 0x18 || p[3] >= 0x80) break;
        spans.status_code[row] = p[3];
        p += 4;
        continue;
      case 0x85:
        if (end - p < 6 || p[1] != 0x01) break;
        spans.flags[row] = load_fixed32(p + 2);
        p += 6;
        continue;
      default:
        break;
    }
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in a span");
    static constexpr std::array<int8_t, 17> kWireTypes = {-1, 2, 2, 2, 2, 2, 0, 1, 1,
                                                          2,  0, 2, 0, 2, 0, 2, 5};
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) {
      return malformed(at, "wrong wire type in a span");
    }
    Position nested = end;
    switch (field.number) {
      case 3:
        spans.trace_state[row] = intern(field.bytes);
        break;
      case 5:
        spans.name[row] = intern(field.bytes);
        break;
      case 6:
        spans.kind[row] = enum_byte(field.value);
        break;
      case 7:
        spans.start_ns[row] = field.value;
        break;
      case 8:
        spans.end_ns[row] = field.value;
        break;
      case 9:
        nested = decode_attribute(
            field.bytes, {builder_.span_attributes(), spans.dropped_attributes_count[row]});
        break;
      case 10:
        dropped_attributes = to_u32(field.value);
        break;
      case 11:
        nested = decode_event(begin_of(field.bytes), p);
        break;
      case 12:
        dropped_events = to_u32(field.value);
        break;
      case 13:
        nested = decode_link(begin_of(field.bytes), p);
        break;
      case 14:
        dropped_links = to_u32(field.value);
        break;
      case 15:
        nested = decode_status(begin_of(field.bytes), p, row);
        break;
      case 16:
        spans.flags[row] = to_u32(field.value);
        break;
      default:  // ids: read before
        break;
    }
    if (nested == nullptr) return nullptr;
  }
  if ((dropped_attributes | dropped_events | dropped_links) != 0) {
    saturating_add(spans.dropped_attributes_count[row], dropped_attributes);
    saturating_add(spans.dropped_events_count[row], dropped_events);
    saturating_add(spans.dropped_links_count[row], dropped_links);
  }
  return p;
}

// A batch has few names of spans; most are found without hashing all of their bytes.
[[gnu::always_inline]] inline StringPool::Id Decoder::intern_name(std::string_view name) {
  const size_t size = name.size();
  if (size < 8 || limit_ - end_of(name) < kReadAhead) [[unlikely]]
    return intern(name);
  const uint64_t bytes = load_fixed64(begin_of(name)) * 31 + load_fixed64(end_of(name) - 8) + size;
  StringPool::Id& recent = recent_names_[bytes * 0x9E3779B97F4A7C15u >> 58];
  StringInterner& strings = builder_.strings();
  if (strings.equals_overread(recent, name.data(), size)) [[likely]]
    return recent;
  return recent = strings.intern_overread(name.data(), size);
}

Position Decoder::decode_status(Position p, Position end, uint32_t row) {
  SpanColumns& spans = builder_.spans();
  while (p < end) {
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in a status");
    if (field.number == 2) {
      if (field.type != WireType::kBytes) return malformed(at, "status.message is not a string");
      spans.status_message[row] = intern(field.bytes);
    } else if (field.number == 3) {
      if (field.type != WireType::kVarint) return malformed(at, "status.code is not a number");
      spans.status_code[row] = enum_byte(field.value);
    }
  }
  return p;
}

Position Decoder::decode_event(Position p, Position end) {
  const uint32_t row = builder_.begin_event();
  if (row == BatchBuilder::kNoRow) return end;
  EventTable& table = builder_.events();
  uint32_t dropped_by_sender = 0;
  while (p < end) {
    const Position at = p;
    if (*p == 0x1A) {
      p = decode_attributes(p, end, 0x1A,
                            {builder_.event_attributes(), table.dropped_attributes_count[row]});
      if (p == nullptr) return nullptr;
      continue;
    }
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in an event");
    static constexpr std::array<int8_t, 5> kWireTypes = {-1, 1, 2, 2, 0};
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) {
      return malformed(at, "wrong wire type in an event");
    }
    if (field.number == 1) table.time_ns[row] = field.value;
    if (field.number == 2) table.name[row] = intern(field.bytes);
    if (field.number == 4) dropped_by_sender = to_u32(field.value);
    if (field.number == 3 &&
        decode_attribute(field.bytes, {builder_.event_attributes(),
                                       table.dropped_attributes_count[row]}) == nullptr) {
      return nullptr;
    }
  }
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return end;
}

Position Decoder::decode_link(Position p, Position end) {
  TraceId trace_id;
  SpanId span_id;
  bool ids_ok = true;
  std::string_view trace_state;
  uint32_t flags = 0;
  uint32_t dropped_by_sender = 0;
  for (Position q = p; q < end;) {
    const Position at = q;
    Field field;
    q = read_field(q, end, field);
    if (q == nullptr) return malformed(at, "in a link");
    static constexpr std::array<int8_t, 7> kWireTypes = {-1, 2, 2, 2, 2, 0, 5};
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) {
      return malformed(at, "wrong wire type in a link");
    }
    if (field.number == 1) ids_ok &= field.bytes.empty() || assign_id(field.bytes, trace_id);
    if (field.number == 2) ids_ok &= field.bytes.empty() || assign_id(field.bytes, span_id);
    if (field.number == 3) trace_state = field.bytes;
    if (field.number == 5) dropped_by_sender = to_u32(field.value);
    if (field.number == 6) flags = to_u32(field.value);
  }
  if (!ids_ok) {
    builder_.drop_link("some links were left out: an id has the wrong length");
    return end;
  }
  const uint32_t row = builder_.begin_link();
  if (row == BatchBuilder::kNoRow) return end;
  LinkTable& table = builder_.links();
  table.trace_id[row] = trace_id;
  table.span_id[row] = span_id;
  table.trace_state[row] = intern(trace_state);
  table.flags[row] = flags;
  if (decode_link_attributes(p, end, row) == nullptr) return nullptr;
  saturating_add(table.dropped_attributes_count[row], dropped_by_sender);
  return end;
}

Position Decoder::decode_link_attributes(Position p, Position end, uint32_t row) {
  LinkTable& table = builder_.links();
  while (p < end) {
    if (*p == 0x22) {
      p = decode_attributes(p, end, 0x22,
                            {builder_.link_attributes(), table.dropped_attributes_count[row]});
      if (p == nullptr) return nullptr;
      continue;
    }
    Field field;
    const Position at = p;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in a link");
    if (field.number == 4 &&
        decode_attribute(field.bytes, {builder_.link_attributes(),
                                       table.dropped_attributes_count[row]}) == nullptr) {
      return nullptr;
    }
  }
  return end;
}

// --- Attributes ---

Position Decoder::decode_attributes(Position p, Position end, uint8_t tag, Target target) {
  uint32_t previous = Table::kRowStart;
  // Where the last attribute must end on the fast path.
  const Position short_end = limit_ - end >= kReadAhead ? end
                             : limit_ - p >= kReadAhead ? limit_ - kReadAhead
                                                        : p;
  while (p < end && *p == tag) {
    // Most are short and laid out as everybody does it.
    const Position next = target.table.add_short(
        p, short_end, tag, previous, target.context,
        [&](AttributeOutcome outcome) { builder_.count_attribute(outcome, target.dropped); });
    if (next != p) {
      p = next;
      continue;
    }
    const Position at = p;
    size_t size = 0;
    p = read_length(p + 1, end, size);
    if (p == nullptr) return malformed(at, "an attribute is cut off");
    uint32_t slot = Table::kNoSlot;
    if (decode_any_key_value(p, p + size, slot, target) == nullptr) return nullptr;
    if (slot != Table::kNoSlot) previous = slot;
    p += size;
  }
  return p;
}

Position Decoder::decode_any_key_value(Position p, Position end, uint32_t& slot, Target target) {
  std::string_view key;
  Part value;
  while (p < end) {
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in an attribute");
    if (field.number > 2) continue;
    if (field.type != WireType::kBytes) return malformed(at, "wrong wire type in an attribute");
    if (field.number == 1) {
      key = field.bytes;
    } else {
      merge(value, field.bytes);
    }
  }
  slot = target.table.find_slot(key);
  if (decode_any_value(begin_of(value.bytes), end_of(value.bytes), slot, target) == nullptr) {
    return nullptr;
  }
  let_go(value);
  return end;
}

Position Decoder::decode_any_value(Position p, Position end, uint32_t slot, Target target) {
  Field last;   // of a oneof, the last field that stands counts
  Part nested;  // when that is a message, with what its like said right before it
  while (p < end) {
    const Position at = p;
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return malformed(at, "in a value");
    static constexpr std::array<int8_t, 8> kWireTypes = {-1, 2, 0, 0, 1, 2, 2, 2};
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) {
      return malformed(at, "wrong wire type in a value");
    }
    if (field.number != last.number) {
      let_go(nested);
      nested = {};
    }
    if (field.number == 5 || field.number == 6) merge(nested, field.bytes);
    last = field;
  }
  if (last.number == 5 || last.number == 6) {
    const ValueType type = last.number == 5 ? ValueType::kArray : ValueType::kKvlist;
    if (add_nested(type, nested.bytes, slot, target) == nullptr) return nullptr;
    let_go(nested);
    return limit_;
  }
  if (slot == Table::kNoSlot) {
    add(AttributeOutcome::kTooMany, target);
    return limit_;
  }
  switch (last.number) {
    case 1:
      add(target.table.add_string(slot, ValueType::kString, last.bytes), target);
      break;
    case 2:
      add(target.table.add_number(slot, ValueType::kBool, last.value != 0), target);
      break;
    case 3:
      add(target.table.add_number(slot, ValueType::kInt, last.value), target);
      break;
    case 4:
      add(target.table.add_number(slot, ValueType::kDouble, last.value), target);
      break;
    case 7:
      add(target.table.add_string(slot, ValueType::kBytes, last.bytes), target);
      break;
    default:
      add(target.table.add_none(slot), target);
      break;
  }
  return limit_;
}

Position Decoder::add_nested(ValueType type, std::string_view bytes, uint32_t slot, Target target) {
  const NestedCheck check = check_nested(type, bytes, limits_.max_value_depth);
  if (check == NestedCheck::kMalformed) {
    return malformed(begin_of(bytes), "in an array or key-value list");
  }
  if (check == NestedCheck::kTooDeep) {
    saturating_add(target.dropped, 1);
    builder_.warn(
        "some attributes were left out: their arrays or key-value lists lie deeper in "
        "each other than the configured limit");
    return limit_;
  }
  add(slot == Table::kNoSlot ? AttributeOutcome::kTooMany
                             : target.table.add_string(slot, type, bytes),
      target);
  return limit_;
}

}  // namespace

Expected<DecodeResult> decode_otlp_traces(std::string_view body, const DecodeLimits& limits) {
  thread_local Decoder decoder;
  return decoder.decode(body, limits);
}

}  // namespace weft
