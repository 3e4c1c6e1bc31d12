// Propagation: writing a context into the headers of a request that leaves, and reading it from
// one that arrives. Used by HTTP instrumentation and by everybody who carries a context over a
// queue. There is no carrier class to derive from:
//
//   writing   a callable set(name, value), a map of strings, or a vector of pairs of strings
//   reading   a callable get(name) that returns something that converts to std::string_view (empty
//             or null data means absent) or an optional of that; a callable get(name, emit) that
//             calls emit(value) once for each header line of that name; a map or multimap of
//             strings, or a vector of pairs (names are compared without regard to case)
//
// Hostile headers never throw and never allocate more than the limits of the formats allow; what
// is malformed is as good as absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/baggage.h>
#include <weft/context.h>
#include <weft/span_context.h>

namespace weft {

inline namespace v1 {

// The formats of headers.
enum class Format : std::uint8_t {
  kTraceContext,  // W3C traceparent and tracestate, level 2
  kBaggage,       // W3C baggage
  kB3,            // one header, b3
  kB3Multi,       // X-B3-TraceId and its kin
  kJaeger,        // uber-trace-id and uberctx-*
};

// Length of a version 00 traceparent.
inline constexpr std::size_t kTraceparentBytes = 55;

// Writes "00-<trace id>-<span id>-<flags>" (55 characters, no terminating zero).
void write_traceparent(const SpanContext& span, char* out) noexcept;
// Reads a traceparent of version 00 or higher. False, and `out` untouched, when it is malformed.
bool read_traceparent(std::string_view text, SpanContext& out) noexcept;

}  // namespace v1

namespace sdk_detail {

// The values of one header, joined by commas, as a reader of the formats wants them.
class HeaderText {
 public:
  static constexpr std::size_t kMaxBytes = 16384;
  void add(std::string_view value) {
    ++count_;
    if (count_ == 1) {
      view_ = value;
      return;
    }
    if (count_ == 2) joined_ = std::string(view_);
    if (joined_.size() + value.size() < kMaxBytes) joined_.append(",").append(value);
    view_ = joined_;
  }
  void add_owned(std::string value) {
    if (count_ == 0) {
      joined_ = std::move(value);
      view_ = joined_;
      count_ = 1;
    } else {
      add(value);
    }
  }
  // A value that does not outlive the call.
  void add_copy(std::string_view value) {
    if (count_ != 0 || value.size() > sizeof(small_)) return add_owned(std::string(value));
    value.copy(small_, value.size());
    add({small_, value.size()});
  }
  HeaderText() = default;
  HeaderText(const HeaderText&) = delete;  // view_ points into it
  HeaderText& operator=(const HeaderText&) = delete;

  std::string_view view() const { return view_; }
  unsigned count() const { return count_; }

 private:
  std::string_view view_;
  std::string joined_;
  char small_[64];  // enough for a traceparent
  unsigned count_ = 0;
};

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

struct EmitToNothing {
  void operator()(std::string_view) const {}
};

// Collects the values of one header from any of the kinds of carrier.
template <class Carrier>
void collect(const Carrier& carrier, std::string_view name, HeaderText& out) {
  if constexpr (std::is_invocable_v<const Carrier&, std::string_view, EmitToNothing>) {
    carrier(name, [&out](std::string_view value) { out.add_copy(value); });
  } else if constexpr (std::is_invocable_v<const Carrier&, std::string_view>) {
    using Result = std::invoke_result_t<const Carrier&, std::string_view>;
    using Plain = std::remove_cvref_t<Result>;
    // A string made for us must be kept; a view or a reference lives on in the carrier.
    auto take = [&out](auto&& value) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string>) {
        out.add_owned(std::string(std::forward<decltype(value)>(value)));
      } else {
        const std::string_view view(value);
        if (view.data() != nullptr && !view.empty()) out.add(view);
      }
    };
    if constexpr (std::is_convertible_v<Result, std::string_view>) {
      if constexpr (std::is_pointer_v<Plain>) {
        Plain text = carrier(name);
        if (text != nullptr) take(std::string_view(text));
      } else if constexpr (std::is_reference_v<Result>) {
        take(std::string_view(carrier(name)));
      } else {
        Plain value = carrier(name);
        if (std::string_view(value).size() != 0) take(std::move(value));
      }
    } else {
      auto value = carrier(name);
      if (value) take(std::move(*value));
    }
  } else {
    for (const auto& [key, value] : carrier) {
      const std::string_view text(key);
      if (text.size() == name.size() && equal_ignoring_case(text, name)) out.add(value);
    }
  }
}

template <class Carrier>
void put(Carrier& carrier, std::string_view name, std::string_view value) {
  if constexpr (std::is_invocable_v<Carrier&, std::string_view, std::string_view>) {
    carrier(name, value);
  } else if constexpr (requires {
                         carrier.insert_or_assign(std::string(name), std::string(value));
                       }) {
    carrier.insert_or_assign(std::string(name), std::string(value));
  } else if constexpr (requires { carrier.emplace_back(std::string(name), std::string(value)); }) {
    carrier.emplace_back(std::string(name), std::string(value));
  } else {
    carrier.emplace(std::string(name), std::string(value));
  }
}

// Whether the global propagator reads W3C's formats and no other; and which of them.
struct GlobalFormats {
  bool w3c_only;
  bool trace_context;
  bool baggage;
};
[[gnu::cold]] GlobalFormats unusual_formats() noexcept;
// Four bits a format, from the lowest, 15 for none. Read and written atomically.
inline constexpr std::uint64_t kDefaultFormats = ~std::uint64_t{0xFF} | 0x10;
extern constinit std::uint64_t format_word;
inline GlobalFormats global_formats() noexcept {
  // As it is unless somebody has chosen otherwise.
  if (__atomic_load_n(&format_word, __ATOMIC_RELAXED) == kDefaultFormats) [[likely]]
    return {true, true, true};
  return unusual_formats();
}

// Reads a traceparent into the identity of a context, and leaves the rest of it alone. False, and
// `out` untouched, when it is malformed.
bool read_parent(std::string_view text, ContextWords& out) noexcept;

// The headers of the W3C formats, picked out of one walk over all of a message's.
class W3cHeaders {
 public:
  // Keeps the value if the header is one of them. It has to live as long as this object.
  void offer(std::string_view name, std::string_view value) {
    switch (name.size()) {
      case 7:
        if (is(name, "baggage")) baggage_.add(value);
        break;
      case 10:
        if (is(name, "tracestate")) state_.add(value);
        break;
      case 11:
        if (is(name, "traceparent")) parent_.add(value);
        break;
      default:
        break;
    }
  }
  // What they say, of the formats that are wanted.
  Context extract(const GlobalFormats& formats) const {
    Context context;
    if (formats.trace_context && parent_.count == 1 && read_parent(parent_.first, context.words_) &&
        state_.count != 0) [[unlikely]] {
      context.words_.state = TraceState::parse(state_.text()).detach();
    }
    if (formats.baggage && baggage_.count != 0) [[unlikely]] {
      context = context.with_baggage(Baggage::parse(baggage_.text()));
    }
    return context;
  }

 private:
  // The lines of one header. Nearly always there is one at most.
  struct Lines {
    std::string_view first;
    std::unique_ptr<std::string> joined;  // all of them, when there are several
    unsigned count = 0;
    void add(std::string_view value) {
      if (++count == 1) [[likely]] {
        first = value;
      } else {
        add_another(value);
      }
    }
    [[gnu::noinline, gnu::cold]] void add_another(std::string_view value) {
      if (joined == nullptr) joined = std::make_unique<std::string>(first);
      if (joined->size() + value.size() < HeaderText::kMaxBytes) joined->append(",").append(value);
    }
    std::string_view text() const { return count > 1 ? std::string_view(*joined) : first; }
  };
  // Nearly always spelled like this.
  static bool is(std::string_view name, std::string_view lower_case) {
    return name == lower_case || equal_ignoring_case(name, lower_case);
  }
  Lines parent_, state_, baggage_;
};

// Readers that work on collected text. Each returns whether it found something usable.
bool read_b3(std::string_view text, SpanContext& out) noexcept;
bool read_b3_multi(std::string_view trace_id, std::string_view span_id, std::string_view sampled,
                   std::string_view flags, SpanContext& out) noexcept;
bool read_jaeger(std::string_view text, SpanContext& out) noexcept;
// Writers; each returns how many characters it wrote. `out` holds at least 96.
std::size_t write_b3(const SpanContext& span, char* out) noexcept;
std::size_t write_jaeger(const SpanContext& span, char* out) noexcept;
std::string percent_encode(std::string_view text);
std::string percent_decode(std::string_view text);

}  // namespace sdk_detail

inline namespace v1 {

// An ordered list of formats to write and read. When several formats find a span, the last one
// listed wins, as OpenTelemetry says. A small value; any thread may use it.
class Propagator {
 public:
  // More than there are formats.
  static constexpr std::size_t kMaxFormats = 8;

  // W3C Trace Context and Baggage.
  Propagator() noexcept : Propagator({Format::kTraceContext, Format::kBaggage}) {}
  // Formats in the order in which they are written and read.
  Propagator(std::initializer_list<Format> formats) noexcept {
    for (const Format format : formats)
      add(format);
  }
  // From the names of OTEL_PROPAGATORS: tracecontext, baggage, b3, b3multi, jaeger, none. Unknown
  // names are reported on the diagnostic output and left out; the default when no other is there.
  static Propagator from_names(std::string_view names);

  // Adds a format at the end of the list unless it is there already.
  void add(Format format) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      if (formats_[i] == format) return;
    }
    if (count_ < kMaxFormats) formats_[count_++] = format;
  }
  const Format* begin() const noexcept { return formats_; }
  const Format* end() const noexcept { return formats_ + count_; }

  // Writes the span and the baggage of the context. Headers that have nothing to say are not set.
  template <class Carrier>
  void inject(const Context& context, Carrier&& carrier) const {
    const sdk_detail::BorrowedIdentity identity(context);
    inject(identity.span(), carrier);
    for (const Format format : *this) {
      if (format == Format::kBaggage || format == Format::kJaeger) {
        inject_baggage(format, context, carrier);
      }
    }
  }

  // Writes the identity of a span alone.
  template <class Carrier>
    requires(!std::is_same_v<std::remove_cvref_t<Carrier>, Context>)
  void inject(const SpanContext& span, Carrier&& carrier) const {
    if (!span.is_valid()) return;
    char text[96];
    for (const Format format : *this) {
      switch (format) {
        case Format::kTraceContext:
          write_traceparent(span, text);
          sdk_detail::put(carrier, "traceparent", std::string_view(text, kTraceparentBytes));
          if (!span.trace_state().empty()) {
            sdk_detail::put(carrier, "tracestate", span.trace_state().header());
          }
          break;
        case Format::kB3:
          sdk_detail::put(carrier, "b3", std::string_view(text, sdk_detail::write_b3(span, text)));
          break;
        case Format::kB3Multi:
          sdk_detail::put(carrier, "X-B3-TraceId", span.trace_id().hex());
          sdk_detail::put(carrier, "X-B3-SpanId", span.span_id().hex());
          sdk_detail::put(carrier, "X-B3-Sampled", span.is_sampled() ? "1" : "0");
          break;
        case Format::kJaeger:
          sdk_detail::put(carrier, "uber-trace-id",
                          std::string_view(text, sdk_detail::write_jaeger(span, text)));
          break;
        case Format::kBaggage:
          break;
      }
    }
  }

  // Reads whatever the formats find; the rest comes from `base`.
  template <class Carrier>
  Context extract(const Carrier& carrier, const Context& base = Context()) const {
    SpanContext span;
    bool found = false;
    Context context(base);
    for (const Format format : *this) {
      if (format == Format::kBaggage) {
        sdk_detail::HeaderText text;
        sdk_detail::collect(carrier, "baggage", text);
        if (text.count() != 0) context = context.with_baggage(Baggage::parse(text.view()));
      } else {
        found |= extract_span(format, carrier, span);
        if (format == Format::kJaeger) extract_jaeger_baggage(carrier, context);
      }
    }
    if (found) context.set_span(static_cast<SpanContext&&>(span));
    return context;
  }

 private:
  template <class Carrier>
  static bool extract_span(Format format, const Carrier& carrier, SpanContext& span) {
    using sdk_detail::collect;
    using sdk_detail::HeaderText;
    if (format == Format::kTraceContext) {
      HeaderText parent;
      collect(carrier, "traceparent", parent);
      if (parent.count() != 1 || !read_traceparent(parent.view(), span)) return false;
      HeaderText state;
      collect(carrier, "tracestate", state);
      if (state.count() != 0) span.set_trace_state(TraceState::parse(state.view()));
      return true;
    }
    if (format == Format::kB3Multi || format == Format::kB3) {
      HeaderText single;
      collect(carrier, "b3", single);
      if (single.count() == 1 && sdk_detail::read_b3(single.view(), span)) return true;
      HeaderText trace_id, span_id, sampled, flags;
      collect(carrier, "X-B3-TraceId", trace_id);
      if (trace_id.count() != 1) return false;
      collect(carrier, "X-B3-SpanId", span_id);
      collect(carrier, "X-B3-Sampled", sampled);
      collect(carrier, "X-B3-Flags", flags);
      return sdk_detail::read_b3_multi(trace_id.view(), span_id.view(), sampled.view(),
                                       flags.view(), span);
    }
    HeaderText text;
    collect(carrier, "uber-trace-id", text);
    return text.count() == 1 && sdk_detail::read_jaeger(text.view(), span);
  }

  // Jaeger spreads baggage over headers whose names are not known beforehand: only carriers that
  // can be walked have it.
  template <class Carrier>
  static void extract_jaeger_baggage(const Carrier& carrier, Context& context) {
    if constexpr (!std::is_invocable_v<const Carrier&, std::string_view,
                                       sdk_detail::EmitToNothing> &&
                  !std::is_invocable_v<const Carrier&, std::string_view>) {
      constexpr std::string_view kPrefix = "uberctx-";
      for (const auto& [key, value] : carrier) {
        const std::string_view name(key);
        if (name.size() <= kPrefix.size() ||
            !sdk_detail::equal_ignoring_case(name.substr(0, kPrefix.size()), kPrefix)) {
          continue;
        }
        context = context.with_baggage(
            context.baggage().with(name.substr(kPrefix.size()), sdk_detail::percent_decode(value)));
      }
    }
  }

  template <class Carrier>
  static void inject_baggage(Format format, const Context& context, Carrier& carrier) {
    const Baggage baggage = context.baggage();
    if (baggage.empty()) return;
    if (format == Format::kBaggage) {
      sdk_detail::put(carrier, "baggage", baggage.header());
      return;
    }
    baggage.for_each([&](std::string_view key, std::string_view value, std::string_view) {
      sdk_detail::put(carrier, std::string("uberctx-").append(key),
                      sdk_detail::percent_encode(value));
    });
  }

  Format formats_[kMaxFormats] = {};
  std::size_t count_ = 0;
};

// The propagator of the process: W3C Trace Context and Baggage unless set_global_propagator or
// init_from_env (OTEL_PROPAGATORS) has chosen others. Any thread.
Propagator global_propagator() noexcept;
void set_global_propagator(const Propagator& propagator) noexcept;

}  // namespace v1
}  // namespace weft
