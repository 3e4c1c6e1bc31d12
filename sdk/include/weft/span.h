// Span: one timed operation, a move-only value that ends when it is destroyed; and SpanRef, a
// handle through which anybody may add to a span that somebody else owns. Spans come from a Tracer
// (<weft/tracer.h>).
//
// Threads: a Span belongs to one thread at a time, like any value; it may be moved to another
// thread and end there. A SpanRef may be used from any thread at any time, also after the span has
// ended, when it does nothing.
//
// Cost: every call is a test of one pointer when the span is not recorded.
#pragma once

#include <cstdint>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <weft/attribute.h>
#include <weft/context.h>
#include <weft/span_context.h>

namespace weft {

inline namespace v1 {

// The role of the operation, with the numbers of OTLP.
enum class SpanKind : std::uint8_t {
  kInternal = 1,
  kServer = 2,
  kClient = 3,
  kProducer = 4,
  kConsumer = 5,
};

// How the operation ended, with the numbers of OTLP.
enum class StatusCode : std::uint8_t {
  kUnset = 0,
  kOk = 1,
  kError = 2,
};

// A pointer to a span of another trace, or of the same one, that caused this one.
struct Link {
  SpanContext context;
  Attributes attributes;
};

}  // namespace v1

// Out of line: encodes into the record, which must not be null.
namespace sdk_detail {
// kOwner: the caller owns the span; a lock is taken when SpanRefs to it exist. kRef: the caller
// holds the lock that lock_ref took.
enum class Access : std::uint8_t { kOwner, kRef };
void set_attribute(Record* record, std::string_view key, const AttributeValue& value,
                   Access access = Access::kOwner) noexcept;
void set_string(Record* record, std::string_view key, std::string_view value) noexcept;
void set_int(Record* record, std::string_view key, std::int64_t value) noexcept;
void add_event(Record* record, std::string_view name, std::uint64_t time_ns, Attributes attributes,
               Access access = Access::kOwner) noexcept;
void add_link(Record* record, const SpanContext& context, Attributes attributes,
              Access access = Access::kOwner) noexcept;
void set_status(Record* record, StatusCode code, std::string_view description,
                Access access = Access::kOwner) noexcept;
void set_name(Record* record, std::string_view name, Access access = Access::kOwner) noexcept;
void add_exception(Record* record, const char* mangled_type, std::string_view message,
                   Attributes attributes, Access access = Access::kOwner) noexcept;
void add_current_exception(Record* record, Attributes attributes,
                           Access access = Access::kOwner) noexcept;
void end_span(Record* record, std::uint64_t end_time_ns) noexcept;
// The monotonic clock's reading, in nanoseconds, at the start of the span; and the end at such a
// reading, for who needs the time as well and would read the clock twice.
std::int64_t started_at(const Record* record) noexcept;
void end_span_at(Record* record, std::int64_t monotonic_now_ns) noexcept;
// Sets http.response.status_code and ends the span, under one lock.
void end_span_with_status(Record* record, int status_code, std::int64_t monotonic_now_ns) noexcept;
// Marks the record as reachable by SpanRefs and returns its generation.
std::uint64_t share(Record* record) noexcept;

// Null when the record holds another span by now.
Record* lock_ref(Record* record, std::uint64_t generation) noexcept;
void unlock_ref(Record* record) noexcept;
// Text, under the lock; nothing when the record holds another span by now.
void set_ref_string(Record* record, std::uint64_t generation, std::string_view key,
                    std::string_view value) noexcept;
struct SpanFactory;
class Stopwatch;
}  // namespace sdk_detail

inline namespace v1 {

// One operation. A default-made Span is empty: it records nothing and its context is invalid.
class [[nodiscard]] Span {
 public:
  Span() noexcept = default;
  Span(Span&& other) noexcept
      : context_(static_cast<SpanContext&&>(other.context_)), record_(other.record_) {
    other.record_ = nullptr;
  }
  // Ends the span that is overwritten.
  Span& operator=(Span&& other) noexcept {
    if (this != &other) {
      end();
      context_ = static_cast<SpanContext&&>(other.context_);
      record_ = std::exchange(other.record_, nullptr);
    }
    return *this;
  }
  ~Span() { end(); }

  // The identity, for links and propagators. Stays readable after end().
  const SpanContext& context() const noexcept { return context_; }
  // False for a span that was not sampled or has ended: worth asking before computing something
  // costly for an attribute.
  bool is_recording() const noexcept { return record_ != nullptr; }

  // Sets an attribute; a key that is set already is overwritten. More keys than the provider's
  // limit are counted as dropped; longer strings are cut.
  Span& set(std::string_view key, const AttributeValue& value) noexcept {
    if (record_ != nullptr) sdk_detail::set_attribute(record_, key, value);
    return *this;
  }
  // Text: std::string_view, std::string, literals; a null pointer is the empty string.
  template <class T>
    requires std::is_convertible_v<const T&, std::string_view>
  Span& set(std::string_view key, const T& value) noexcept {
    if (record_ != nullptr) {
      if constexpr (std::is_pointer_v<T>) {
        sdk_detail::set_string(record_, key,
                               value == nullptr ? std::string_view("") : std::string_view(value));
      } else {
        sdk_detail::set_string(record_, key, std::string_view(value));
      }
    }
    return *this;
  }
  template <class T>
    requires(std::is_integral_v<T> && std::is_signed_v<T> && !std::is_same_v<T, bool>)
  Span& set(std::string_view key, T value) noexcept {
    if (record_ != nullptr) sdk_detail::set_int(record_, key, static_cast<std::int64_t>(value));
    return *this;
  }
  Span& set(Attributes attributes) noexcept {
    if (record_ != nullptr) {
      for (const Attribute& a : attributes)
        sdk_detail::set_attribute(record_, a.key, a.value);
    }
    return *this;
  }

  // Adds an event, by default at the present moment. `time_ns` is in nanoseconds since the epoch.
  Span& add_event(std::string_view name, Attributes attributes = {},
                  std::uint64_t time_ns = 0) noexcept {
    if (record_ != nullptr) sdk_detail::add_event(record_, name, time_ns, attributes);
    return *this;
  }

  // Adds a link. Links known at the start go into StartOptions, where samplers see them.
  Span& add_link(const SpanContext& context, Attributes attributes = {}) noexcept {
    if (record_ != nullptr) sdk_detail::add_link(record_, context, attributes);
    return *this;
  }

  // Sets the status. kOk is final; kUnset never replaces anything; the description is kept for
  // kError only, as OpenTelemetry says.
  Span& set_status(StatusCode code, std::string_view description = {}) noexcept {
    if (record_ != nullptr) sdk_detail::set_status(record_, code, description);
    return *this;
  }

  // Replaces the name that the span was started with.
  Span& update_name(std::string_view name) noexcept {
    if (record_ != nullptr) sdk_detail::set_name(record_, name);
    return *this;
  }

  // Adds the event `exception` with exception.type (demangled) and exception.message. Does not set
  // the status: an exception that was handled is no error.
  template <class E>
    requires requires(const E& e) { std::string_view(e.what()); }
  Span& record_exception(const E& exception, Attributes attributes = {}) noexcept {
    if (record_ != nullptr) {
      sdk_detail::add_exception(record_, typeid(exception).name(), exception.what(), attributes);
    }
    return *this;
  }
  // The same for the exception being handled, of any type. Call it in a catch block.
  Span& record_current_exception(Attributes attributes = {}) noexcept {
    if (record_ != nullptr) sdk_detail::add_current_exception(record_, attributes);
    return *this;
  }

  // Ends the span now, or at a time in nanoseconds since the epoch. Later calls do nothing.
  void end(std::uint64_t end_time_ns = 0) noexcept {
    if (record_ != nullptr) sdk_detail::end_span(std::exchange(record_, nullptr), end_time_ns);
  }

  // Makes this span the ambient one of the calling thread until the Scope is destroyed. Baggage
  // stays. From here on SpanRefs may reach the span, and every write takes an uncontended lock.
  Scope activate() const noexcept { return Scope(Context::current().with_span(*this)); }

 private:
  friend class Context;
  friend class Tracer;
  friend struct sdk_detail::SpanFactory;
  friend class sdk_detail::Stopwatch;
  SpanContext context_;
  sdk_detail::Record* record_ = nullptr;
};

// A handle to a span that somebody else owns, as current_span() gives it. Writing through it after
// the span has ended does nothing.
class SpanRef {
 public:
  SpanRef() noexcept = default;
  // The span of a context. Nothing is written when that does not run in this process.
  explicit SpanRef(const Context& context) noexcept : context_(context) {}
  explicit SpanRef(Context&& context) noexcept : context_(std::move(context)) {}

  // The identity of the span, also after it has ended.
  SpanContext context() const noexcept { return context_.span_context(); }
  // False when the span is not recorded or has ended.
  bool is_recording() const noexcept {
    return with([](sdk_detail::Record*) {});
  }

  // As the functions of Span with the same names. Each takes the lock of the span for its length.
  SpanRef& set(std::string_view key, const AttributeValue& value) noexcept {
    with([&](sdk_detail::Record* r) { sdk_detail::set_attribute(r, key, value, kRef); });
    return *this;
  }
  template <class T>
    requires(std::is_convertible_v<const T&, std::string_view> && !std::is_pointer_v<T>)
  SpanRef& set(std::string_view key, const T& value) noexcept {
    if (context_.words_.record != nullptr) {
      sdk_detail::set_ref_string(context_.words_.record, context_.words_.generation, key,
                                 std::string_view(value));
    }
    return *this;
  }
  SpanRef& set(Attributes attributes) noexcept {
    with([&](sdk_detail::Record* r) {
      for (const Attribute& a : attributes)
        sdk_detail::set_attribute(r, a.key, a.value, kRef);
    });
    return *this;
  }
  SpanRef& add_event(std::string_view name, Attributes attributes = {},
                     std::uint64_t time_ns = 0) noexcept {
    with([&](sdk_detail::Record* r) { sdk_detail::add_event(r, name, time_ns, attributes, kRef); });
    return *this;
  }
  SpanRef& add_link(const SpanContext& context, Attributes attributes = {}) noexcept {
    with([&](sdk_detail::Record* r) { sdk_detail::add_link(r, context, attributes, kRef); });
    return *this;
  }
  SpanRef& set_status(StatusCode code, std::string_view description = {}) noexcept {
    with([&](sdk_detail::Record* r) { sdk_detail::set_status(r, code, description, kRef); });
    return *this;
  }
  SpanRef& update_name(std::string_view name) noexcept {
    with([&](sdk_detail::Record* r) { sdk_detail::set_name(r, name, kRef); });
    return *this;
  }
  template <class E>
    requires requires(const E& e) { std::string_view(e.what()); }
  SpanRef& record_exception(const E& exception, Attributes attributes = {}) noexcept {
    with([&](sdk_detail::Record* r) {
      sdk_detail::add_exception(r, typeid(exception).name(), exception.what(), attributes, kRef);
    });
    return *this;
  }
  SpanRef& record_current_exception(Attributes attributes = {}) noexcept {
    with([&](sdk_detail::Record* r) { sdk_detail::add_current_exception(r, attributes, kRef); });
    return *this;
  }

 private:
  template <class F>
  bool with(F&& function) const noexcept {
    if (context_.words_.record == nullptr) return false;
    auto* record = sdk_detail::lock_ref(context_.words_.record, context_.words_.generation);
    if (record == nullptr) return false;
    function(record);
    sdk_detail::unlock_ref(record);
    return true;
  }
  static constexpr auto kRef = sdk_detail::Access::kRef;
  Context context_;
};

// The ambient span of the calling thread:
//   weft::current_span().set("account.state", "suspended");
inline SpanRef current_span() noexcept {
  return SpanRef(Context::current());
}

}  // namespace v1
}  // namespace weft
