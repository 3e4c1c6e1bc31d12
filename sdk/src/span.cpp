#include <weft/span.h>

#include <sched.h>

#include <cstdlib>
#include <new>

#include "clock.h"
#include "exception_text.h"
#include "fork.h"
#include "provider_core.h"
#include "record.h"
#include "signature.h"
#include "small_copy.h"
#include "span_template.h"
#include "thread_state.h"
#include "trace_state.h"

namespace weft::sdk_detail {
namespace {

// Fields of opentelemetry.proto.trace.v1.Span.
constexpr unsigned kTraceId = len_tag(1);
constexpr unsigned kSpanId = len_tag(2);
constexpr unsigned kTraceState = len_tag(3);
constexpr unsigned kParentSpanId = len_tag(4);
constexpr unsigned kKind = varint_tag(6);
constexpr unsigned kStartTime = fixed64_tag(7);
constexpr unsigned kEndTime = fixed64_tag(8);
constexpr unsigned kDroppedAttributes = varint_tag(10);
constexpr unsigned kEvents = len_tag(11);
constexpr unsigned kDroppedEvents = varint_tag(12);
constexpr unsigned kLinks = len_tag(13);
constexpr unsigned kDroppedLinks = varint_tag(14);
constexpr unsigned kStatus = len_tag(15);
constexpr unsigned kFlags = fixed32_tag(16);
// Bits of Span.flags above the W3C ones.
constexpr std::uint32_t kHasIsRemote = 0x100;
constexpr std::uint32_t kIsRemote = 0x200;

std::uint64_t read_varint(const char*& p) noexcept {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*p++);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

// Takes an attribute that is set already out of the record. The fields of the record are all
// length-delimited with tags of one byte.
bool erase_attribute(Record* r, std::string_view key) noexcept {
  const char* end = r->data + r->size;
  for (const char* p = r->data; p < end;) {
    const char* field = p;
    const auto tag = static_cast<unsigned char>(*p++);
    const std::uint64_t size = read_varint(p);
    const char* next = p + size;
    if (tag == kSpanAttributes) {
      const char* q = p + 1;
      const std::uint64_t key_size = read_varint(q);
      if (key_size == key.size() && std::memcmp(q, key.data(), key.size()) == 0) {
        char* to = r->data + (field - r->data);
        std::memmove(to, next, static_cast<std::size_t>(end - next));
        r->size -= static_cast<std::uint32_t>(next - field);
        return true;
      }
    }
    p = next;
  }
  return false;
}

bool grow_signatures(Record* r) noexcept {
  const std::uint32_t capacity = r->signature_capacity * 2;
  auto* grown = static_cast<std::uint32_t*>(std::malloc(capacity * sizeof(std::uint32_t)));
  if (grown == nullptr) return false;
  std::memcpy(grown, r->signatures, r->attribute_count * sizeof(std::uint32_t));
  if (r->signatures != r->inline_signatures) std::free(r->signatures);
  r->signatures = grown;
  r->signature_capacity = capacity;
  return true;
}

// Makes sure that the key may be added: an earlier value is gone and the limits hold.
bool admit_key(Record* r, std::string_view key) noexcept {
  if (key.empty()) [[unlikely]]
    return false;
  const std::uint32_t signature = signature_of(key);
  const std::uint32_t count = r->attribute_count;
  const std::uint32_t* signatures = r->signatures;
  if (may_be_set(*r, signature)) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (signatures[i] == signature && erase_attribute(r, key)) return true;
    }
  }
  if (count >= r->provider->limits.attribute_count) [[unlikely]] {
    ++r->dropped_attributes;
    return false;
  }
  if (count == r->signature_capacity && !grow_signatures(r)) [[unlikely]]
    return false;
  r->signatures[count] = signature;
  r->key_filter |= filter_bit(signature);
  ++r->attribute_count;
  return true;
}

// The general way. Everything is possible: keys that are set already, text to be mended, limits.
[[gnu::noinline]] void append_attribute(Record* r, const Attribute& given) noexcept {
  const std::size_t limit = r->provider->limits.attribute_value_length;
  if (!is_fit(given, limit)) [[unlikely]] {
    AttributeFitter fitter;
    const Attribute fitted = fitter.fit(given, limit);
    if (!admit_key(r, fitted.key)) return;
    const std::size_t size = any_value_size(fitted.value);
    if (char* p = r->extend(key_value_field_size(fitted.key, size))) {
      put_key_value_field(p, kSpanAttributes, fitted.key, fitted.value, size);
    }
    return;
  }
  if (!admit_key(r, given.key)) return;
  const std::size_t size = any_value_size(given.value);
  if (char* p = r->extend(key_value_field_size(given.key, size))) {
    put_key_value_field(p, kSpanAttributes, given.key, given.value, size);
  }
}

// The short way: a new, short key and a short value, with room for both. All lengths take one
// byte, so the place of everything is known, and nothing counts until commit.
class ShortAttribute {
 public:
  static constexpr std::size_t kMaxKey = 56;
  static constexpr std::size_t kMaxAny = 64;  // of the AnyValue message
  static constexpr std::size_t kRoom = 2 + 2 + kMaxKey + 2 + kMaxAny;

  ShortAttribute(Record* r, std::string_view key) noexcept : r_(r), key_size_(key.size()) {
    if (key.size() - 1 >= kMaxKey || r->capacity - r->size < kRoom) return;
    signature_ = signature_of(key);
    if (r->attribute_count >= r->short_attribute_limit || may_be_set(*r, signature_)) return;
    field_ = r->data + r->size;
    seen_ = copy_and_check(field_ + 4, key.data(), key.size());
  }
  bool possible() const noexcept { return field_ != nullptr; }
  // Where the AnyValue message goes.
  char* any() const noexcept { return field_ + 4 + key_size_ + 2; }
  // False, and nothing has happened, when the text was not ASCII.
  bool commit(std::size_t any_size, std::uint64_t seen) noexcept {
    if (((seen_ | seen) & kHighBits) != 0) [[unlikely]]
      return false;
    field_[0] = static_cast<char>(kSpanAttributes);
    field_[1] = static_cast<char>(key_size_ + any_size + 4);
    field_[2] = static_cast<char>(len_tag(1));
    field_[3] = static_cast<char>(key_size_);
    field_[4 + key_size_] = static_cast<char>(len_tag(2));
    field_[5 + key_size_] = static_cast<char>(any_size);
    r_->size += static_cast<std::uint32_t>(key_size_ + any_size + 6);
    r_->signatures[r_->attribute_count++] = signature_;
    r_->key_filter |= filter_bit(signature_);
    return true;
  }

 private:
  Record* r_;
  char* field_ = nullptr;
  std::size_t key_size_;
  std::uint64_t seen_ = 0;
  std::uint32_t signature_ = 0;
};

// False, and nothing has happened, when the attribute has to go the general way.
[[gnu::always_inline]] inline bool put_short_string(Record* r, std::string_view key,
                                                    std::string_view value) noexcept {
  if (value.size() > r->short_value_limit) [[unlikely]]
    return false;
  ShortAttribute attribute(r, key);
  if (!attribute.possible()) [[unlikely]]
    return false;
  char* any = attribute.any();
  const std::uint64_t seen = copy_and_check(any + 2, value.data(), value.size());
  any[0] = static_cast<char>(len_tag(1));
  any[1] = static_cast<char>(value.size());
  return attribute.commit(value.size() + 2, seen);
}

[[gnu::always_inline]] inline bool put_short_int(Record* r, std::string_view key,
                                                 std::int64_t value) noexcept {
  ShortAttribute attribute(r, key);
  if (!attribute.possible()) [[unlikely]]
    return false;
  char* any = attribute.any();
  any[0] = static_cast<char>(varint_tag(3));
  const char* end = put_varint(any + 1, static_cast<std::uint64_t>(value));
  return attribute.commit(static_cast<std::size_t>(end - any), 0);
}

// Records that others may reach, and everything unusual. Apart from the short ways, so that they
// need no frame.
[[gnu::noinline]] void set_string_slowly(Record* r, std::string_view key,
                                         std::string_view value) noexcept {
  const RecordLock lock(r, Access::kOwner);
  if (!put_short_string(r, key, value)) append_attribute(r, {key, value});
}
[[gnu::noinline]] void set_int_slowly(Record* r, std::string_view key,
                                      std::int64_t value) noexcept {
  const RecordLock lock(r, Access::kOwner);
  if (!put_short_int(r, key, value)) append_attribute(r, {key, value});
}

void append_message(Record* r, unsigned tag, std::string_view message) noexcept {
  if (char* p = r->extend(len_size(message.size()))) put_len(p, tag, message);
}

// Nothing but what every span has, and at most a parent.
bool is_plain(const Record& r) noexcept {
  return (r.dropped_attributes | r.dropped_events | r.dropped_links |
          static_cast<std::uint32_t>(r.status)) == 0 &&
         r.state == nullptr;
}

// Exact size of the Span message around the fields that are in the record already.
constexpr std::size_t kPlainBytes = 18 + 10 + 2 + 9 + 9 + 6;
constexpr std::size_t kParentBytes = 10;
std::size_t plain_span_size(const Record& r) noexcept {
  return kPlainBytes + r.size + (r.has_parent ? kParentBytes : 0);
}
[[gnu::noinline, gnu::cold]] std::size_t unusual_span_size(const Record& r) noexcept {
  std::size_t size = plain_span_size(r);
  if (r.state != nullptr) size += len_size(trace_state_text(r.state).size());
  for (const std::uint32_t count : {r.dropped_attributes, r.dropped_events, r.dropped_links})
    size += count == 0 ? 0 : 1 + varint_size(count);
  if (r.status != StatusCode::kUnset) {
    const std::size_t description =
        r.status_description.empty() ? 0 : len_size(r.status_description.size());
    size += len_size(description + 2);
  }
  return size;
}

char* put_count(char* p, unsigned tag, std::uint32_t count) noexcept {
  if (count == 0) return p;
  *p++ = static_cast<char>(tag);
  return put_varint(p, count);
}

char* put_status(char* p, const Record& r) noexcept {
  const std::string& text = r.status_description;
  *p++ = static_cast<char>(kStatus);
  p = put_varint(p, (text.empty() ? 0 : len_size(text.size())) + 2);
  if (!text.empty()) p = put_len(p, len_tag(2), text);
  *p++ = static_cast<char>(varint_tag(3));
  *p++ = static_cast<char>(r.status);
  return p;
}

// What is_plain() rules out.
[[gnu::noinline, gnu::cold]] char* put_unusual(char* p, const Record& r) noexcept {
  if (r.state != nullptr) p = put_len(p, kTraceState, trace_state_text(r.state));
  p = put_count(p, kDroppedAttributes, r.dropped_attributes);
  p = put_count(p, kDroppedEvents, r.dropped_events);
  p = put_count(p, kDroppedLinks, r.dropped_links);
  if (r.status != StatusCode::kUnset) p = put_status(p, r);
  return p;
}

// A tag and a length, or a tag and a small number: one store.
inline char* put_two(char* p, unsigned first, unsigned second) noexcept {
  const auto both = static_cast<std::uint16_t>(first | second << 8);
  std::memcpy(p, &both, 2);
  return p + 2;
}

char* put_span(char* p, const Record& r, std::uint64_t end_ns) noexcept {
  p = put_raw(put_two(p, kTraceId, 16), r.trace_id.bytes, 16);
  p = put_raw(put_two(p, kSpanId, 8), r.span_id.bytes, 8);
  std::uint32_t flags = r.flags | kHasIsRemote;
  if (r.has_parent) {
    p = put_raw(put_two(p, kParentSpanId, 8), r.parent_id.bytes, 8);
    if (r.parent_remote) flags |= kIsRemote;
  }
  p = put_two(p, kKind, static_cast<unsigned>(r.kind));
  *p++ = static_cast<char>(kStartTime);
  p = put_fixed64(p, r.start_ns);
  *p++ = static_cast<char>(kEndTime);
  p = put_fixed64(p, end_ns);
  static_assert(kFlags >= 0x80 && kFlags < 0x4000, "a tag of two bytes");
  p = put_two(p, (kFlags & 0x7F) | 0x80, kFlags >> 7);
  p = put_fixed32(p, flags);
  return put_raw(p, r.data, r.size);  // name, attributes, events, links
}

[[gnu::always_inline]] inline void export_record(Record* r, ThreadState& state,
                                                 std::uint64_t end_ns) noexcept {
  Pipeline& pipeline = *r->provider->pipeline;
  if (!pipeline.has_exporters()) return;
  const bool plain = is_plain(*r);
  const std::size_t span = plain ? plain_span_size(*r) : unusual_span_size(*r);
  const std::size_t field = len_size(span);
  char* p = pipeline.reserve(state, field);
  if (p == nullptr) [[unlikely]]
    return;
  *p++ = static_cast<char>(len_tag(2));  // ScopeSpans.spans
  p = put_varint(p, span);
  p = put_span(p, *r, end_ns);
  if (!plain) [[unlikely]]
    put_unusual(p, *r);
  pipeline.commit(state, field, r->scope);
}

// Hands the span over. Under the lock of records that others may reach: from here on SpanRefs find
// another generation.
[[gnu::noinline]] void finish(Record* r, std::uint64_t end_ns) noexcept {
  r->generation.store(r->generation.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (r->forks == fork_generation.load(std::memory_order_relaxed)) [[likely]] {
    export_record(r, thread_state, end_ns);
  }
}

inline void recycle(Record* r) noexcept {
  r->clear();
  release_record(thread_state, r);
}

}  // namespace

char* Record::extend(std::size_t bytes) {
  if (bytes > capacity - size) [[unlikely]] {
    const std::size_t wanted = std::size_t{size} + bytes;
    // One span may not grow without bound: 64 MiB is more than any receiver takes.
    if (wanted > (64U << 20)) {
      ++dropped_attributes;
      return nullptr;
    }
    const std::size_t grown = wanted < 4096 ? 8192 : wanted * 2;
    auto* memory = static_cast<char*>(std::malloc(grown));
    if (memory == nullptr) {
      ++dropped_attributes;
      return nullptr;
    }
    std::memcpy(memory, data, size);
    if (data != inline_data) std::free(data);
    data = memory;
    capacity = static_cast<std::uint32_t>(grown);
  }
  char* p = data + size;
  size += static_cast<std::uint32_t>(bytes);
  return p;
}

void Record::clear_slowly() noexcept {
  if (status != StatusCode::kUnset) status_description.clear();
  // A moderate buffer is kept for the next span, a large one given back.
  if (capacity > 16384) {
    std::free(data);
    data = inline_data;
    capacity = static_cast<std::uint32_t>(kInlineDataBytes);
  }
  if (status_description.capacity() > 1024) status_description = std::string();
  if (state != nullptr) release(std::exchange(state, nullptr));
}

void Record::abandon_contents() noexcept {
  attribute_count = event_count = link_count = 0;
  size = name_bytes = 0;
  key_filter = 0;
  data = inline_data;
  capacity = static_cast<std::uint32_t>(kInlineDataBytes);
  signatures = inline_signatures;
  signature_capacity = kInlineSignatures;
  status = StatusCode::kUnset;
  new (&status_description) std::string;
  locked.store(false, std::memory_order_relaxed);
}

void RecordLock::wait(Record* record) noexcept {
  do {
    for (int spins = 0; record->locked.load(std::memory_order_relaxed); ++spins) {
      if (spins > 100) sched_yield();
    }
  } while (record->locked.exchange(true, std::memory_order_acquire));
}

void set_attribute(Record* r, std::string_view key, const AttributeValue& value,
                   Access access) noexcept {
  const RecordLock lock(r, access);
  if (value.type() == AttributeValue::Type::kString) {
    if (put_short_string(r, key, value.string())) [[likely]]
      return;
  } else if (value.type() == AttributeValue::Type::kInt) {
    if (put_short_int(r, key, value.integer())) [[likely]]
      return;
  }
  append_attribute(r, {key, value});
}

void set_string(Record* r, std::string_view key, std::string_view value) noexcept {
  if (!r->shared && put_short_string(r, key, value)) [[likely]]
    return;
  set_string_slowly(r, key, value);
}

void set_int(Record* r, std::string_view key, std::int64_t value) noexcept {
  if (!r->shared && put_short_int(r, key, value)) [[likely]]
    return;
  set_int_slowly(r, key, value);
}

void add_event(Record* r, std::string_view name, std::uint64_t time_ns, Attributes attributes,
               Access access) noexcept {
  if (time_ns == 0) time_ns = wall_now_ns();
  const RecordLock lock(r, access);
  const SpanLimits& limits = r->provider->limits;
  if (r->event_count >= limits.event_count) {
    ++r->dropped_events;
    return;
  }
  ++r->event_count;
  // Event{time_unix_nano = 1, name = 2, attributes = 3, dropped_attributes_count = 4}
  std::string message;
  std::string scratch;
  append_fixed64(message, 1, time_ns);
  append_len(message, 2, fit_text(name, SIZE_MAX, scratch));
  const std::uint32_t dropped = append_attributes(
      message, 3, attributes, limits.event_attribute_count, limits.attribute_value_length);
  if (dropped != 0) append_uint(message, 4, dropped);
  append_message(r, kEvents, message);
}

void add_link(Record* r, const SpanContext& context, Attributes attributes,
              Access access) noexcept {
  if (!context.is_valid() && attributes.empty() && context.trace_state().empty()) return;
  const RecordLock lock(r, access);
  const SpanLimits& limits = r->provider->limits;
  if (r->link_count >= limits.link_count) {
    ++r->dropped_links;
    return;
  }
  ++r->link_count;
  // Link{trace_id = 1, span_id = 2, trace_state = 3, attributes = 4, dropped = 5, flags = 6}
  std::string message;
  append_len(message, 1, {reinterpret_cast<const char*>(context.trace_id().bytes), 16});
  append_len(message, 2, {reinterpret_cast<const char*>(context.span_id().bytes), 8});
  if (!context.trace_state().empty()) append_len(message, 3, context.trace_state().header());
  const std::uint32_t dropped = append_attributes(
      message, 4, attributes, limits.link_attribute_count, limits.attribute_value_length);
  if (dropped != 0) append_uint(message, 5, dropped);
  append_fixed32(message, 6,
                 context.flags() | kHasIsRemote | (context.is_remote() ? kIsRemote : 0));
  append_message(r, kLinks, message);
}

void set_status(Record* r, StatusCode code, std::string_view description, Access access) noexcept {
  const RecordLock lock(r, access);
  if (code == StatusCode::kUnset || r->status == StatusCode::kOk) return;
  r->status = code;
  r->status_description.clear();
  if (code == StatusCode::kError && !description.empty()) {
    std::string scratch;
    r->status_description.assign(fit_text(description, SIZE_MAX, scratch));  // no attribute
  }
}

void set_name(Record* r, std::string_view name, Access access) noexcept {
  const RecordLock lock(r, access);
  std::string scratch;
  if (!is_ascii(name)) name = fit_text(name, SIZE_MAX, scratch);
  const auto field = static_cast<std::uint32_t>(len_size(name.size()));
  const std::uint32_t old = r->name_bytes;
  if (field > old && r->extend(field - old) == nullptr) return;
  if (field < old) r->size -= old - field;
  const std::uint32_t rest = r->size - field;
  std::memmove(r->data + field, r->data + old, rest);
  put_len(r->data, kSpanName, name);
  r->name_bytes = field;
}

namespace {

void put_exception(Record* r, std::string_view type, std::string_view message,
                   Attributes attributes, Access access) noexcept {
  std::vector<Attribute> all = {{"exception.type", type}, {"exception.message", message}};
  all.insert(all.end(), attributes.begin(), attributes.end());
  add_event(r, "exception", 0, std::span<const Attribute>(all), access);
}

}  // namespace

void add_exception(Record* r, const char* mangled_type, std::string_view message,
                   Attributes attributes, Access access) noexcept {
  put_exception(r, demangle(mangled_type), message, attributes, access);
}

void add_current_exception(Record* r, Attributes attributes, Access access) noexcept {
  const ExceptionText text = current_exception_text();
  if (text.type.empty()) return;
  put_exception(r, text.type, text.message, attributes, access);
}

std::int64_t started_at(const Record* r) noexcept {
  return r->start_monotonic_ns;
}

void end_span_with_status(Record* r, int status_code, std::int64_t monotonic_now_ns) noexcept {
  constexpr KeyText kKey = "http.response.status_code";
  constexpr std::uint32_t kSignature = signature_of(kKey.view());
  {
    const RecordLock lock(r, Access::kOwner);
    if (may_be_set(*r, kSignature) || !FreshAttributes(r).try_number<kKey>(status_code))
        [[unlikely]] {
      append_attribute(r, {kKey.view(), status_code});
    }
    finish(r, r->start_ns + static_cast<std::uint64_t>(monotonic_now_ns - r->start_monotonic_ns));
  }
  recycle(r);
}

void end_span_at(Record* r, std::int64_t monotonic_now_ns) noexcept {
  end_span(r, r->start_ns + static_cast<std::uint64_t>(monotonic_now_ns - r->start_monotonic_ns));
}

void end_span(Record* r, std::uint64_t end_time_ns) noexcept {
  if (end_time_ns == 0) {
    end_time_ns = r->start_ns + static_cast<std::uint64_t>(monotonic_ns() - r->start_monotonic_ns);
  }
  {
    const RecordLock lock(r, Access::kOwner);
    finish(r, end_time_ns);
  }
  recycle(r);
}

std::uint64_t share(Record* r) noexcept {
  r->shared = true;
  return r->generation.load(std::memory_order_relaxed);
}

void unlock_ref(Record* r) noexcept {
  r->locked.store(false, std::memory_order_release);
}

Record* lock_ref(Record* r, std::uint64_t generation) noexcept {
  if (r->generation.load(std::memory_order_relaxed) != generation) return nullptr;
  RecordLock::acquire(r);
  if (r->generation.load(std::memory_order_relaxed) == generation) return r;
  unlock_ref(r);
  return nullptr;
}

void set_ref_string(Record* r, std::uint64_t generation, std::string_view key,
                    std::string_view value) noexcept {
  if (lock_ref(r, generation) == nullptr) return;
  if (!put_short_string(r, key, value)) append_attribute(r, {key, value});
  unlock_ref(r);
}

}  // namespace weft::sdk_detail
