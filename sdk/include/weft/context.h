// Context: what travels with one request through a program: the current span and the baggage. It
// is a small value (64 bytes) that is passed explicitly wherever that is possible, and made
// ambient on one thread by a Scope where it is not. Used by tracers, propagators and everybody who
// hands work to another thread.
//
// Asynchronous code: <weft/asio.h> keeps a context across co_await of Asio coroutines,
// <weft/coroutine.h> across any other awaitable, and bind_context() below carries it into a
// call-back or a thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include <weft/span_context.h>

namespace weft {

namespace sdk_detail {

struct Record;
struct BaggageRep;
void retain(BaggageRep* rep) noexcept;
void release(BaggageRep* rep) noexcept;

// The bare words of a context. Trivial, so that the ambient one can lie in constant-initialised
// thread-local storage; Context adds the counting of references.
struct ContextWords {
  std::uint64_t trace_id[2];
  std::uint64_t span_id;
  std::uint8_t flags;
  bool remote;
  TraceStateRep* state;
  Record* record;
  std::uint64_t generation;
  BaggageRep* baggage;
};

// The ambient context of the thread. Only Scope and the span functions touch it.
#if defined(__GNUC__)
#define WEFT_INITIAL_EXEC __attribute__((tls_model("initial-exec")))
#else
#define WEFT_INITIAL_EXEC
#endif
extern constinit thread_local ContextWords ambient_context WEFT_INITIAL_EXEC;
// The chain of work whose pieces run on changing threads, while one of them runs here: set by
// executors that carry the ambient context along. Null: the thread itself.
extern constinit thread_local const void* ambient_chain WEFT_INITIAL_EXEC;
#undef WEFT_INITIAL_EXEC

// Whose the ambient context of this moment is.
inline const void* ambient_owner() noexcept {
  return ambient_chain != nullptr ? ambient_chain : &ambient_context;
}

[[gnu::cold]] void report_scope_misuse() noexcept;
class W3cHeaders;

}  // namespace sdk_detail

inline namespace v1 {

class Baggage;
class Context;
class Span;
class SpanRef;
// Declared here because Context befriends it; explained below.
void swap_ambient(Context& context) noexcept;

}  // namespace v1

namespace sdk_detail {
// The words of a context, for as long as it lives unchanged.
const ContextWords& words_of(const Context& context) noexcept;
}  // namespace sdk_detail

inline namespace v1 {

// The span and the baggage that belong to one request. Copies are cheap and independent. One
// object must not be written by two threads at once; different copies may be used anywhere.
class Context {
 public:
  // The empty context: no span, no baggage.
  constexpr Context() noexcept : words_{} {}
  // A context whose span is the one with this identity, which cannot be written through it: what
  // a propagator makes of a remote parent.
  explicit Context(const SpanContext& span) noexcept;
  Context(const Context& other) noexcept : words_(other.words_) { retain_all(); }
  Context(Context&& other) noexcept : words_(other.words_) { other.words_ = {}; }
  Context& operator=(Context other) noexcept {
    std::swap(words_, other.words_);
    return *this;
  }
  ~Context() { release_all(); }

  // A copy of the context that is ambient on this thread.
  static Context current() noexcept {
    Context copy;
    copy.words_ = sdk_detail::ambient_context;
    copy.retain_all();
    return copy;
  }

  // Identity of the span; invalid when there is none.
  SpanContext span_context() const noexcept;
  // A handle to the span, through which any thread may write to it while it runs.
  SpanRef span() const noexcept;
  Baggage baggage() const noexcept;

  // Replaces the span; the baggage stays.
  void set_span(SpanContext&& span) noexcept {
    if (words_.state != nullptr) sdk_detail::release(words_.state);
    std::memcpy(words_.trace_id, span.trace_id_.bytes, 16);
    std::memcpy(&words_.span_id, span.span_id_.bytes, 8);
    words_.flags = span.flags_;
    words_.remote = span.remote_;
    words_.state = span.state_.detach();
    words_.record = nullptr;
    words_.generation = 0;
  }

  // The same with a span of this process, through which any thread may write to it.
  void set_span(const Span& span) noexcept;

  // Copies with one part replaced.
  Context with_span(const SpanContext& span) const noexcept;
  Context with_span(const Span& span) const noexcept;
  Context with_baggage(const Baggage& baggage) const noexcept;

 private:
  friend class Scope;
  friend class Logger;
  friend class Span;
  friend class SpanRef;
  friend class Tracer;
  friend class sdk_detail::BorrowedIdentity;
  friend class sdk_detail::W3cHeaders;
  friend const sdk_detail::ContextWords& sdk_detail::words_of(const Context& context) noexcept;
  friend void swap_ambient(Context& context) noexcept;
  void retain_all() const noexcept {
    if (words_.state != nullptr) sdk_detail::retain(words_.state);
    if (words_.baggage != nullptr) sdk_detail::retain(words_.baggage);
  }
  void release_all() noexcept { release_all(words_.state, words_.baggage); }
  static void release_all(sdk_detail::TraceStateRep* state,
                          sdk_detail::BaggageRep* baggage) noexcept {
    if (state != nullptr) sdk_detail::release(state);
    if (baggage != nullptr) sdk_detail::release(baggage);
  }
  sdk_detail::ContextWords words_;
};

}  // namespace v1

namespace sdk_detail {

inline const ContextWords& words_of(const Context& context) noexcept {
  return context.words_;
}

// The identity in a context without counting a reference: for the length of one call.
class BorrowedIdentity {
 public:
  explicit BorrowedIdentity(const Context& context) noexcept : BorrowedIdentity(context.words_) {}
  explicit BorrowedIdentity(const ContextWords& words) noexcept {
    std::memcpy(span_.trace_id_.bytes, words.trace_id, 16);
    std::memcpy(span_.span_id_.bytes, &words.span_id, 8);
    span_.flags_ = words.flags;
    span_.remote_ = words.remote;
    span_.state_.rep_ = words.state;
  }
  BorrowedIdentity(const BorrowedIdentity&) = delete;
  BorrowedIdentity& operator=(const BorrowedIdentity&) = delete;
  ~BorrowedIdentity() { span_.state_.rep_ = nullptr; }
  const SpanContext& span() const noexcept { return span_; }

 private:
  SpanContext span_;
};

}  // namespace sdk_detail

inline namespace v1 {

// Makes a context ambient on the calling thread until the Scope is destroyed, which must happen on
// the same thread and in the reverse order of construction. A Scope that is destroyed on another
// thread changes nothing there and is reported once on the diagnostic output. Do not keep one
// across a co_await unless the coroutine runs on the executor of <weft/asio.h>.
class [[nodiscard]] Scope {
 public:
  // Puts the context on; the one that was ambient comes back at the end.
  explicit Scope(const Context& context) noexcept
      : previous_(sdk_detail::ambient_context), owner_(sdk_detail::ambient_owner()) {
    context.retain_all();
    sdk_detail::ambient_context = context.words_;
  }
  explicit Scope(Context&& context) noexcept
      : previous_(sdk_detail::ambient_context), owner_(sdk_detail::ambient_owner()) {
    sdk_detail::ambient_context = context.words_;
    context.words_ = {};
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    if (owner_ == sdk_detail::ambient_owner()) [[likely]] {
      sdk_detail::TraceStateRep* const state = sdk_detail::ambient_context.state;
      sdk_detail::BaggageRep* const baggage = sdk_detail::ambient_context.baggage;
      sdk_detail::ambient_context = previous_;
      Context::release_all(state, baggage);
    } else {
      Context::release_all(previous_.state, previous_.baggage);
      sdk_detail::report_scope_misuse();
    }
  }

 private:
  sdk_detail::ContextWords previous_;
  const void* owner_;
};

// Swaps the ambient context of the calling thread with the given one. The building block of
// executors and awaitables that keep a context over a suspension; everybody else uses Scope.
inline void swap_ambient(Context& context) noexcept {
  const sdk_detail::ContextWords before = sdk_detail::ambient_context;
  sdk_detail::ambient_context = context.words_;
  context.words_ = before;
}

// A callable that runs `function` with the context that is ambient now (or the given one), on
// whichever thread it is called. Owns the function and the context.
template <class F>
auto bind_context(F&& function, Context context = Context::current()) {
  return [function = std::forward<F>(function),
          context = std::move(context)](auto&&... args) mutable -> decltype(auto) {
    Scope scope(context);
    return function(std::forward<decltype(args)>(args)...);
  };
}

}  // namespace v1
}  // namespace weft
