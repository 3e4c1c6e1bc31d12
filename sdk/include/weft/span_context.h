// What identifies a span across processes: the trace id, the span id, the W3C trace flags and the
// W3C tracestate. A SpanContext is a value; copying one copies 40 bytes (and counts a reference
// when, rarely, there is a tracestate). Used by spans, contexts, links and propagators.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft {

namespace sdk_detail {
struct TraceStateRep;
void retain(TraceStateRep* rep) noexcept;
void release(TraceStateRep* rep) noexcept;
// `count` is a multiple of 8.
void to_hex(const std::uint8_t* bytes, unsigned count, char* out) noexcept;
class BorrowedIdentity;
class W3cHeaders;
struct SpanFactory;
}  // namespace sdk_detail

inline namespace v1 {

// Lower-case hexadecimal text of an id, without allocation.
template <unsigned N>
struct Hex {
  char text[N];
  // A view into this object.
  constexpr operator std::string_view() const { return {text, N}; }  // NOLINT
  constexpr std::string_view view() const { return {text, N}; }
};

// The id of a trace: 16 bytes in network order. All zero means none.
struct TraceIdentifier {
  std::uint8_t bytes[16] = {};

  // Not all zero.
  bool is_valid() const {
    std::uint64_t halves[2];
    std::memcpy(halves, bytes, 16);
    return (halves[0] | halves[1]) != 0;
  }
  // As W3C writes it.
  Hex<32> hex() const {
    Hex<32> out;
    sdk_detail::to_hex(bytes, 16, out.text);
    return out;
  }
  friend bool operator==(const TraceIdentifier& a, const TraceIdentifier& b) {
    return std::memcmp(a.bytes, b.bytes, 16) == 0;
  }
};

// The id of a span: 8 bytes in network order. All zero means none.
struct SpanIdentifier {
  std::uint8_t bytes[8] = {};

  // Not all zero.
  bool is_valid() const {
    std::uint64_t value;
    std::memcpy(&value, bytes, 8);
    return value != 0;
  }
  // As W3C writes it.
  Hex<16> hex() const {
    Hex<16> out;
    sdk_detail::to_hex(bytes, 8, out.text);
    return out;
  }
  friend bool operator==(const SpanIdentifier& a, const SpanIdentifier& b) {
    return std::memcmp(a.bytes, b.bytes, 8) == 0;
  }
};

// W3C tracestate: an immutable, validated list of at most 32 vendors' key=value members, kept as
// its text. Empty most of the time, and then it costs nothing. Copies share one text by an atomic
// count; any thread may read.
class TraceState {
 public:
  // W3C: at most 32 members; texts longer than this are refused as a whole.
  static constexpr unsigned kMaxMembers = 32;
  static constexpr unsigned kMaxBytes = 8192;

  constexpr TraceState() noexcept = default;
  TraceState(const TraceState& other) noexcept : rep_(other.rep_) {
    if (rep_ != nullptr) sdk_detail::retain(rep_);
  }
  TraceState(TraceState&& other) noexcept : rep_(other.rep_) { other.rep_ = nullptr; }
  TraceState& operator=(TraceState other) noexcept {
    auto* mine = rep_;
    rep_ = other.rep_;
    other.rep_ = mine;
    return *this;
  }
  ~TraceState() {
    if (rep_ != nullptr) sdk_detail::release(rep_);
  }

  // Reads a header's text (several headers joined by commas). A text that breaks the grammar or
  // has more than 32 members gives the empty tracestate, as the recommendation asks; of members
  // with the same key the first is kept. Never throws.
  static TraceState parse(std::string_view header) noexcept;

  bool empty() const noexcept { return rep_ == nullptr; }
  // The text as it goes into the header; empty when there is none. Lives as long as this object.
  std::string_view header() const noexcept;
  // The value of a member; empty when there is none. Lives as long as this object.
  std::string_view get(std::string_view key) const noexcept;
  // A copy with the member set (moved to the front) or, with an empty value, removed. An invalid
  // key or value gives an unchanged copy. When 32 members are there already the last one leaves.
  TraceState with(std::string_view key, std::string_view value) const;

 private:
  friend class Context;
  friend class Tracer;
  friend class sdk_detail::BorrowedIdentity;
  friend class sdk_detail::W3cHeaders;
  friend struct sdk_detail::SpanFactory;
  explicit TraceState(sdk_detail::TraceStateRep* rep) noexcept : rep_(rep) {}
  // A further reference to a text that somebody else holds.
  static TraceState share(sdk_detail::TraceStateRep* rep) noexcept {
    if (rep != nullptr) sdk_detail::retain(rep);
    return TraceState(rep);
  }
  // Gives the reference away.
  sdk_detail::TraceStateRep* detach() noexcept {
    auto* rep = rep_;
    rep_ = nullptr;
    return rep;
  }
  sdk_detail::TraceStateRep* rep_ = nullptr;
};

// W3C trace flags.
inline constexpr std::uint8_t kFlagSampled = 0x01;
// W3C level 2: at least the seven right-most bytes of the trace id are random.
inline constexpr std::uint8_t kFlagRandom = 0x02;

// The identity of a span as others see it. A default-made one is invalid (all zero).
class SpanContext {
 public:
  SpanContext() = default;
  // Of ids and flags from elsewhere; `remote` when they came out of a carrier.
  SpanContext(const TraceIdentifier& trace_id, const SpanIdentifier& span_id, std::uint8_t flags,
              bool remote = false, TraceState state = {}) noexcept
      : trace_id_(trace_id),
        span_id_(span_id),
        flags_(flags),
        remote_(remote),
        state_(static_cast<TraceState&&>(state)) {}

  // The parts. References into this object.
  const TraceIdentifier& trace_id() const noexcept { return trace_id_; }
  const SpanIdentifier& span_id() const noexcept { return span_id_; }
  std::uint8_t flags() const noexcept { return flags_; }
  const TraceState& trace_state() const noexcept { return state_; }

  // Both ids are there.
  bool is_valid() const noexcept { return trace_id_.is_valid() && span_id_.is_valid(); }
  // The caller recorded its span, or this process records it.
  bool is_sampled() const noexcept { return (flags_ & kFlagSampled) != 0; }
  // It came out of a carrier: the span runs in another process.
  bool is_remote() const noexcept { return remote_; }

  // Replaces the tracestate.
  void set_trace_state(TraceState state) noexcept { state_ = static_cast<TraceState&&>(state); }
  // The same identity with another tracestate.
  SpanContext with_trace_state(TraceState state) const noexcept {
    SpanContext copy(*this);
    copy.state_ = static_cast<TraceState&&>(state);
    return copy;
  }

 private:
  friend class sdk_detail::BorrowedIdentity;
  friend struct sdk_detail::SpanFactory;
  friend class Context;
  friend class Tracer;
  TraceIdentifier trace_id_;
  SpanIdentifier span_id_;
  std::uint8_t flags_ = 0;
  bool remote_ = false;
  TraceState state_;
};

}  // namespace v1
}  // namespace weft
