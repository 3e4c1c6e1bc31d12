#include <weft/context.h>

#include <weft/baggage.h>
#include <weft/span.h>

#include "diagnostics.h"

namespace weft {

namespace sdk_detail {

constinit thread_local ContextWords ambient_context{};
constinit thread_local const void* ambient_chain = nullptr;

void report_scope_misuse() noexcept {
  static RateLimit limit;
  if (limit.allow()) {
    diagnose(DiagnosticLevel::kError,
             "a weft::Scope was destroyed on another thread than the one it was made on, or with a "
             "coroutine that had not come to its end; the ambient context of that thread stays as "
             "it is. Use bind_context or the executor of <weft/asio.h> in asynchronous code");
  }
}

}  // namespace sdk_detail

inline namespace v1 {

Context::Context(const SpanContext& span) noexcept : words_{} {
  set_span(SpanContext(span));
}

SpanContext Context::span_context() const noexcept {
  return sdk_detail::BorrowedIdentity(*this).span();
}

SpanRef Context::span() const noexcept {
  return SpanRef(*this);
}

Context Context::with_span(const SpanContext& span) const noexcept {
  Context copy(*this);
  copy.set_span(SpanContext(span));
  return copy;
}

void Context::set_span(const Span& span) noexcept {
  const SpanContext& identity = span.context_;
  sdk_detail::TraceStateRep* state = TraceState(identity.state_).detach();
  if (words_.state != nullptr) sdk_detail::release(words_.state);
  std::memcpy(words_.trace_id, identity.trace_id_.bytes, 16);
  std::memcpy(&words_.span_id, identity.span_id_.bytes, 8);
  words_.flags = identity.flags_;
  words_.remote = identity.remote_;
  words_.state = state;
  words_.record = span.record_;
  words_.generation = span.record_ == nullptr ? 0 : sdk_detail::share(span.record_);
}

Context Context::with_span(const Span& span) const noexcept {
  Context copy(*this);
  copy.set_span(span);
  return copy;
}

Context Context::with_baggage(const Baggage& baggage) const noexcept {
  Context copy(*this);
  if (copy.words_.baggage != nullptr) sdk_detail::release(copy.words_.baggage);
  copy.words_.baggage = baggage.rep_;
  if (copy.words_.baggage != nullptr) sdk_detail::retain(copy.words_.baggage);
  return copy;
}

Baggage Context::baggage() const noexcept {
  Baggage out;
  out.rep_ = words_.baggage;
  if (out.rep_ != nullptr) sdk_detail::retain(out.rep_);
  return out;
}

}  // namespace v1
}  // namespace weft
