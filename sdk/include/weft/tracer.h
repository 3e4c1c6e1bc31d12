// Tracer: what starts spans. This header is all that instrumented code includes; it needs nothing
// but a few small headers of the standard library.
//
//   static const weft::Tracer tracer = weft::tracer("checkout", "1.4.0");
//
//   weft::Span span = tracer.start_span("charge card", {.kind = weft::SpanKind::kClient});
//   span.set("card.network", "visa");
//   auto scope = span.activate();   // children find their parent, current_span() finds the span
//   ...                             // the span ends when it goes out of scope
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include <weft/attribute.h>
#include <weft/context.h>
#include <weft/span.h>

namespace weft {

namespace sdk_detail {
struct TracerBinding;

// What a tracer points to. Never freed, so that tracers may be copied and kept freely, also in
// static objects, and outlive their provider.
struct TracerHandle {
  const TracerBinding* binding;  // null: nothing is recorded. Read and written atomically.
};
}  // namespace sdk_detail

inline namespace v1 {

// A list of links, seen and not owned.
class Links {
 public:
  constexpr Links() = default;
  // The list has to live as long as this object.
  Links(std::initializer_list<Link> list) : size_(list.size()) {  // NOLINT
    data_ = list.begin();
  }
  constexpr Links(std::span<const Link> list)  // NOLINT
      : data_(list.data()), size_(list.size()) {}
  const Link* begin() const { return data_; }
  const Link* end() const { return data_ + size_; }
  std::size_t size() const { return size_; }

 private:
  const Link* data_ = nullptr;
  std::size_t size_ = 0;
};

// How a span starts. Everything has a default; name what differs:
//   tracer.start_span("GET /login", {.kind = SpanKind::kServer, .parent = &context});
// Pointers and views need to live until start_span returns.
struct StartOptions {
  SpanKind kind = SpanKind::kInternal;
  // The context whose span is the parent; null means the ambient one of the calling thread. Pass
  // an empty Context to start a new trace.
  const Context* parent = nullptr;
  // Nanoseconds since the epoch; 0 means now.
  std::uint64_t start_time_ns = 0;
  // Attributes and links that a sampler may look at.
  Attributes attributes = {};
  Links links = {};
};

// Starts spans for one instrumentation scope (a library or a component). A pointer in size;
// copies are free; any thread may use it, also before a provider is installed and after it was
// shut down, when its spans record nothing and pass on the identity of their parent.
class Tracer {
 public:
  // A tracer that never records.
  Tracer() noexcept;

  // Starts a span. Never fails: whatever goes wrong gives a span that is not recorded.
  Span start_span(std::string_view name) const noexcept {
    if (__atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE) == nullptr) return pass_through();
    return start(name, SpanKind::kInternal, nullptr);
  }
  Span start_span(std::string_view name, const StartOptions& options) const noexcept {
    if (__atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE) == nullptr) {
      return options.parent == nullptr ? pass_through() : pass_through(*options.parent);
    }
    return start(name, options.kind, &options);
  }
  Span start_span(std::string_view name, SpanKind kind) const noexcept {
    if (__atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE) == nullptr) return pass_through();
    return start(name, kind, nullptr);
  }

  // False when no provider is installed: nothing this tracer starts is recorded.
  bool enabled() const noexcept {
    return __atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE) != nullptr;
  }

 private:
  friend struct sdk_detail::SpanFactory;
  explicit Tracer(const sdk_detail::TracerHandle* handle) noexcept : handle_(handle) {}
  static Span pass_through() noexcept {
    if (sdk_detail::ambient_context.span_id == 0) [[likely]]
      return Span();
    return pass_through_ambient();
  }
  static Span pass_through_ambient() noexcept;
  static Span pass_through(const Context& parent) noexcept;
  // `options` may be null; their kind is not looked at.
  Span start(std::string_view name, SpanKind kind, const StartOptions* options) const noexcept;

  const sdk_detail::TracerHandle* handle_;
};

// The tracer of the global provider for an instrumentation scope: name and version of the library
// that makes the spans. May be called before a provider is installed (set_global_provider or
// init_from_env); the tracer records from then on. Costs a look-up under a lock: keep the result.
// More than 1000 different scopes share the tracer of the first.
Tracer tracer(std::string_view scope_name, std::string_view scope_version = {},
              std::string_view schema_url = {});

}  // namespace v1
}  // namespace weft
