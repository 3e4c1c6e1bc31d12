#include <weft/tracer.h>

#include <algorithm>

#include "clock.h"
#include "fork.h"
#include "provider_core.h"
#include "thread_state.h"

namespace weft {

namespace sdk_detail {
namespace {

constinit const TracerHandle null_handle{nullptr};

// The longest string that fits the short way of span.cpp.
constexpr std::uint32_t kShortValue = 60;

// Fills in what a fresh record lacks.
void prepare(Record* r, const TracerBinding& binding, const SpanContext& span,
             const SpanContext& parent) noexcept {
  r->shared = false;
  r->parent_remote = parent.is_remote();
  r->flags = span.flags();
  r->kind = SpanKind::kInternal;
  r->status = StatusCode::kUnset;
  r->scope = binding.scope;
  r->forks = fork_generation.load(std::memory_order_relaxed);
  r->provider = binding.provider;
  r->trace_id = span.trace_id();
  r->span_id = span.span_id();
  r->parent_id = parent.is_valid() ? parent.span_id() : SpanIdentifier();
  r->attribute_count = r->dropped_attributes = 0;
  r->event_count = r->dropped_events = 0;
  r->link_count = r->dropped_links = 0;
  r->size = 0;
  r->name_bytes = 0;
  r->key_filter = 0;
  r->short_attribute_limit =
      std::min(Record::kInlineSignatures, binding.provider->limits.attribute_count);
  r->short_value_limit =
      std::min<std::uint32_t>(kShortValue, binding.provider->limits.attribute_value_length);
  r->status_description.clear();
}

void put_name(Record* r, std::string_view name) noexcept {
  if (!is_ascii(name) || name.size() > 512) [[unlikely]] {
    set_name(r, name);
    return;
  }
  const std::size_t size = len_size(name.size());
  put_len(r->extend(size), len_tag(5), name);
  r->name_bytes = static_cast<std::uint32_t>(size);
}

}  // namespace
}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::Record;

Tracer::Tracer() noexcept : handle_(&sdk_detail::null_handle) {}

Span Tracer::start(std::string_view name, const StartOptions* options) const noexcept {
  const sdk_detail::TracerBinding* binding = __atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE);
  if (binding == nullptr) return pass_through();
  const sdk_detail::ContextWords& parent_words =
      options != nullptr && options->parent != nullptr ? options->parent->words_
                                                       : sdk_detail::ambient_context;
  sdk_detail::ThreadState& state = sdk_detail::thread_state;
  const sdk_detail::BorrowedIdentity parent_identity(parent_words);
  const SpanContext& parent = parent_identity.span();
  const bool has_parent = parent.is_valid();
  TraceIdentifier trace_id;
  SpanIdentifier span_id;
  std::uint8_t flags = kFlagRandom;
  const std::uint64_t id = sdk_detail::next_random(state);
  std::memcpy(span_id.bytes, &id, 8);
  if (has_parent) {
    trace_id = parent.trace_id();
    flags = parent.flags() & kFlagRandom;
  } else {
    const std::uint64_t halves[2] = {sdk_detail::next_random(state),
                                     sdk_detail::next_random(state)};
    std::memcpy(trace_id.bytes, halves, 16);
  }

  sdk_detail::ProviderCore& provider = *binding->provider;
  const SpanKind kind = options == nullptr ? SpanKind::kInternal : options->kind;
  const bool sampled =
      provider.fixed_decision >= 0
          ? provider.fixed_decision != 0
          : provider.sampler.decide(
                {parent, trace_id, name, kind,
                 options == nullptr ? Attributes() : options->attributes,
                 options == nullptr ? Links() : options->links});
  Record* record = nullptr;
  if (sampled) {
    record = sdk_detail::acquire_record(state);
    if (record != nullptr) [[likely]] {
      flags |= kFlagSampled;
    } else {
      provider.pipeline->count_dropped();
    }
  }

  Span span;
  span.context_ = SpanContext(trace_id, span_id, flags, false,
                              has_parent ? TraceState(parent.trace_state()) : TraceState());
  if (record == nullptr) return span;
  span.record_ = record;
  sdk_detail::prepare(record, *binding, span.context_, parent);
  record->state = TraceState(span.context_.trace_state()).detach();
  sdk_detail::put_name(record, name);
  if (options != nullptr) {
    record->kind = kind;
    for (const Attribute& a : options->attributes) {
      sdk_detail::set_attribute(record, a.key, a.value);
    }
    for (const Link& link : options->links) {
      sdk_detail::add_link(record, link.context, link.attributes);
    }
  }
  // Last, so that the span does not time its own making.
  record->start_monotonic_ns = sdk_detail::monotonic_ns();
  record->start_ns = sdk_detail::to_wall_ns(record->start_monotonic_ns);
  if (options != nullptr && options->start_time_ns != 0) {
    // The end is a reading of the clock whatever the start was said to be.
    record->start_monotonic_ns -=
        static_cast<std::int64_t>(record->start_ns - options->start_time_ns);
    record->start_ns = options->start_time_ns;
  }
  return span;
}

}  // namespace v1
}  // namespace weft
