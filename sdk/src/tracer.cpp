#include <weft/tracer.h>

#include <algorithm>

#include "clock.h"
#include "fork.h"
#include "provider_core.h"
#include "small_copy.h"
#include "span_template.h"
#include "thread_state.h"

namespace weft {

namespace sdk_detail {
namespace {

constinit const TracerHandle null_handle{nullptr};

// The longest string that fits the short way of span.cpp.
constexpr std::uint32_t kShortValue = 60;

// Ids as the words they are made of. Copying them as such, and not as the 16 bytes that were just
// written in two halves, spares the processor a stall of a dozen cycles.
struct Ids {
  std::uint64_t trace[2];
  std::uint64_t span;
};

// Fills in what a fresh record lacks.
void prepare(Record* r, const TracerBinding& binding, const Ids& ids, std::uint8_t flags,
             SpanKind kind, const ContextWords& parent, bool has_parent) noexcept {
  const SpanLimits& limits = binding.provider->limits;
  r->shared = false;
  r->parent_remote = parent.remote;
  r->flags = flags;
  r->kind = kind;
  r->status = StatusCode::kUnset;
  r->scope = binding.scope;
  r->forks = fork_generation.load(std::memory_order_relaxed);
  r->provider = binding.provider;
  std::memcpy(r->trace_id.bytes, &ids.trace[0], 8);
  std::memcpy(r->trace_id.bytes + 8, &ids.trace[1], 8);
  std::memcpy(r->span_id.bytes, &ids.span, 8);
  std::memcpy(r->parent_id.bytes, &parent.span_id, 8);
  r->has_parent = has_parent;
  r->attribute_count = r->dropped_attributes = 0;
  r->event_count = r->dropped_events = 0;
  r->link_count = r->dropped_links = 0;
  r->size = 0;
  r->name_bytes = 0;
  r->key_filter = 0;
  r->short_attribute_limit = std::min(Record::kInlineSignatures, limits.attribute_count);
  r->short_value_limit = std::min<std::uint32_t>(kShortValue, limits.attribute_value_length);
}

// The name of a fresh record, which has room for a short one.
void put_name(Record* r, std::string_view name) noexcept {
  constexpr std::size_t kOneByteLength = 127;
  static_assert(kOneByteLength + 2 <= kInlineDataBytes);
  if (name.size() > kOneByteLength) [[unlikely]] {
    set_name(r, name);
    return;
  }
  const std::uint64_t seen = copy_and_check(r->data + 2, name.data(), name.size());
  if ((seen & kHighBits) != 0) [[unlikely]] {
    set_name(r, name);
    return;
  }
  r->data[0] = static_cast<char>(kSpanName);
  r->data[1] = static_cast<char>(name.size());
  r->size = r->name_bytes = static_cast<std::uint32_t>(name.size()) + 2;
}

}  // namespace

// Every return names one variable, so that the span is made where the caller wants it.
template <class Decide, class Fill>
[[gnu::always_inline]] inline Span SpanFactory::start(const TracerBinding& binding,
                                                      const ContextWords& parent, SpanKind kind,
                                                      Decide&& decide, Fill&& fill) noexcept {
  Span span;
  ThreadState& state = thread_state;
  const bool has_parent = parent.span_id != 0 && (parent.trace_id[0] | parent.trace_id[1]) != 0;
  SpanContext& context = span.context_;
  Ids ids;
  std::uint8_t flags = kFlagRandom;
  ids.span = next_random(state);
  if (has_parent) {
    ids.trace[0] = parent.trace_id[0];
    ids.trace[1] = parent.trace_id[1];
    flags = parent.flags & kFlagRandom;
    if (parent.state != nullptr) context.state_ = TraceState::share(parent.state);
  } else {
    ids.trace[0] = next_random(state);
    ids.trace[1] = next_random(state);
  }
  std::memcpy(context.trace_id_.bytes, &ids.trace[0], 8);
  std::memcpy(context.trace_id_.bytes + 8, &ids.trace[1], 8);
  std::memcpy(context.span_id_.bytes, &ids.span, 8);

  ProviderCore& provider = *binding.provider;
  const bool sampled =
      provider.fixed_decision >= 0
          ? provider.fixed_decision != 0
          : decide(provider.sampler, BorrowedIdentity(parent).span(), context.trace_id_);
  Record* record = nullptr;
  if (sampled) {
    record = acquire_record(state);
    if (record != nullptr) [[likely]] {
      flags |= kFlagSampled;
    } else {
      static_assert(kMaxRecords == 131072, "the message says so");
      provider.pipeline->count_dropped(
          "131072 are open at once, or there is no memory left; are there some that never end?");
    }
  }
  context.flags_ = flags;
  if (record == nullptr) return span;
  span.record_ = record;
  prepare(record, binding, ids, flags, kind, parent, has_parent);
  record->state = TraceState(context.state_).detach();
  fill(record);
  // Last, so that the span does not time its own making.
  record->start_monotonic_ns = monotonic_ns();
  record->start_ns = to_wall_ns(record->start_monotonic_ns);
  return span;
}

Span start_span(const Tracer& tracer, const SpanTemplate& span_template, SpanKind kind,
                const Context& parent, const Attribute& sampled_by) noexcept {
  const TracerBinding* binding =
      __atomic_load_n(&SpanFactory::handle_of(tracer)->binding, __ATOMIC_ACQUIRE);
  if (binding == nullptr) return tracer.start_span({}, {.kind = kind, .parent = &parent});
  return SpanFactory::start(
      *binding, words_of(parent), kind,
      [&](const Sampler& sampler, const SpanContext& parent_span, const TraceIdentifier& trace) {
        constexpr std::size_t kMost = 16;
        Attribute attributes[kMost] = {sampled_by};
        std::size_t count = 1;
        for (const auto& [key, value] : span_template.attributes()) {
          if (count < kMost) attributes[count++] = {key, std::string_view(value)};
        }
        return sampler.decide({parent_span, trace, span_template.name(), kind,
                               std::span<const Attribute>(attributes, count), Links()});
      },
      [&](Record* record) { span_template.put(record); });
}

}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::Record;

Tracer::Tracer() noexcept : handle_(&sdk_detail::null_handle) {}

Span Tracer::pass_through(const Context& parent) noexcept {
  Span span;
  span.context_ = parent.span_context();
  return span;
}

Span Tracer::pass_through_ambient() noexcept {
  return pass_through(Context::current());
}

Span Tracer::start(std::string_view name, SpanKind kind,
                   const StartOptions* options) const noexcept {
  const sdk_detail::TracerBinding* binding = __atomic_load_n(&handle_->binding, __ATOMIC_ACQUIRE);
  if (binding == nullptr) {
    return options == nullptr || options->parent == nullptr ? pass_through()
                                                            : pass_through(*options->parent);
  }
  Span span = sdk_detail::SpanFactory::start(
      *binding,
      options != nullptr && options->parent != nullptr ? options->parent->words_
                                                       : sdk_detail::ambient_context,
      kind,
      [&](const Sampler& sampler, const SpanContext& parent, const TraceIdentifier& trace) {
        return sampler.decide({parent, trace, name, kind,
                               options == nullptr ? Attributes() : options->attributes,
                               options == nullptr ? Links() : options->links});
      },
      [&](Record* record) {
        sdk_detail::put_name(record, name);
        if (options == nullptr) return;
        for (const Attribute& a : options->attributes)
          sdk_detail::set_attribute(record, a.key, a.value);
        for (const Link& link : options->links)
          sdk_detail::add_link(record, link.context, link.attributes);
      });
  Record* record = span.record_;
  if (record != nullptr && options != nullptr && options->start_time_ns != 0) {
    // The end is a reading of the clock whatever the start was said to be.
    record->start_monotonic_ns -=
        static_cast<std::int64_t>(record->start_ns - options->start_time_ns);
    record->start_ns = options->start_time_ns;
  }
  return span;
}

}  // namespace v1
}  // namespace weft
