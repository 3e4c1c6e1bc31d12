#include <weft/propagation.h>

#include <cstring>

#include "diagnostics.h"
#include "hex.h"

namespace weft {

namespace sdk_detail {
namespace {

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// An id of up to 2 * size digits, short ones filled with zeros on the left. False when it is
// malformed or zero.
bool read_padded_id(std::string_view text, std::uint8_t* out, unsigned size) noexcept {
  char digits[32];
  if (text.empty() || text.size() > std::size_t{2} * size) return false;
  const std::size_t zeros = std::size_t{2} * size - text.size();
  std::memset(digits, '0', zeros);
  std::memcpy(digits + zeros, text.data(), text.size());
  if (!read_hex(digits, size, out, true)) return false;
  for (unsigned i = 0; i < size; ++i) {
    if (out[i] != 0) return true;
  }
  return false;
}

// B3 knows trace ids of 16 and of 32 digits.
bool read_b3_ids(std::string_view trace, std::string_view span, TraceIdentifier& trace_id,
                 SpanIdentifier& span_id) noexcept {
  return (trace.size() == 16 || trace.size() == 32) && span.size() == 16 &&
         read_padded_id(trace, trace_id.bytes, 16) && read_padded_id(span, span_id.bytes, 8);
}

constexpr std::uint8_t kKnownFlags = kFlagSampled | kFlagRandom;

// What is not of version 00, or has flags that we do not know. Of `text` the dashes have been
// looked at.
[[gnu::noinline, gnu::cold]] bool read_unusual_ends(std::string_view text,
                                                    std::uint8_t& flags) noexcept {
  std::uint8_t version = 0;
  if (!read_hex(text.data(), 1, &version) || !read_hex(text.data() + 53, 1, &flags)) return false;
  flags &= kKnownFlags;
  // Version 00 ends here; later ones may go on after a dash.
  return version != 0xFF &&
         (version == 0 ? text.size() == kTraceparentBytes
                       : text.size() == kTraceparentBytes || text[kTraceparentBytes] == '-');
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool read_parent(std::string_view text, ContextWords& out) noexcept {
  if (text.size() != kTraceparentBytes) [[unlikely]] {
    text = trim(text);
    if (text.size() < kTraceparentBytes) return false;
  }
  const char* const p = text.data();
  std::uint64_t trace[2];
  std::uint64_t span = 0;
  bool good = p[2] == '-' && p[35] == '-' && p[52] == '-';
  good &= read_hex16(p + 3, trace[0]);
  good &= read_hex16(p + 19, trace[1]);
  good &= read_hex16(p + 36, span);
  if (!good || (trace[0] | trace[1]) == 0 || span == 0) return false;
  std::uint8_t flags = static_cast<std::uint8_t>(p[54] - '0');
  // Version and flags are hardly ever others than these.
  if (p[0] != '0' || p[1] != '0' || p[53] != '0' || flags > kKnownFlags ||
      text.size() != kTraceparentBytes) [[unlikely]] {
    if (!read_unusual_ends(text, flags)) return false;
  }
  out.trace_id[0] = trace[0];
  out.trace_id[1] = trace[1];
  out.span_id = span;
  out.flags = flags;
  out.remote = true;
  return true;
}

bool read_b3(std::string_view text, SpanContext& out) noexcept {
  text = trim(text);
  // {trace}-{span}[-{state}[-{parent}]]; a lone state ("0") says nothing about identity.
  const std::size_t first = text.find('-');
  if (first == std::string_view::npos) return false;
  std::string_view rest = text.substr(first + 1);
  const std::size_t second = rest.find('-');
  const std::string_view span = rest.substr(0, second);
  std::uint8_t flags = 0;
  if (second != std::string_view::npos) {
    rest = rest.substr(second + 1);
    const std::size_t third = rest.find('-');
    const std::string_view state = rest.substr(0, third);
    if (state == "1" || state == "d") {
      flags = kFlagSampled;
    } else if (state != "0") {
      return false;
    }
    SpanIdentifier parent;
    if (third != std::string_view::npos &&
        (rest.size() - third != 17 || !read_hex(rest.data() + third + 1, 8, parent.bytes, true))) {
      return false;
    }
  }
  TraceIdentifier trace_id;
  SpanIdentifier span_id;
  if (!read_b3_ids(text.substr(0, first), span, trace_id, span_id)) return false;
  out = SpanContext(trace_id, span_id, flags, true);
  return true;
}

bool read_b3_multi(std::string_view trace, std::string_view span, std::string_view sampled,
                   std::string_view debug, SpanContext& out) noexcept {
  TraceIdentifier trace_id;
  SpanIdentifier span_id;
  if (!read_b3_ids(trim(trace), trim(span), trace_id, span_id)) return false;
  sampled = trim(sampled);
  const bool is_sampled = trim(debug) == "1" || sampled == "1" || sampled == "true";
  out = SpanContext(trace_id, span_id, is_sampled ? kFlagSampled : std::uint8_t{0}, true);
  return true;
}

bool read_jaeger(std::string_view text, SpanContext& out) noexcept {
  text = trim(text);
  char decoded[96];
  if (text.find('%') != std::string_view::npos) {  // some clients encode the colons
    const std::string plain = text.size() > 96 ? std::string() : percent_decode(text);
    if (plain.empty() || plain.size() > sizeof(decoded)) return false;
    std::memcpy(decoded, plain.data(), plain.size());
    text = {decoded, plain.size()};
  }
  std::string_view parts[4];
  for (int i = 0; i < 4; ++i) {
    const std::size_t colon = text.find(':');
    if ((colon == std::string_view::npos) != (i == 3)) return false;
    parts[i] = text.substr(0, colon);
    text = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  }
  TraceIdentifier trace_id;
  SpanIdentifier span_id;
  std::uint8_t flags = 0;
  char flag_digits[2] = {'0', '0'};
  if (parts[3].empty() || parts[3].size() > 2) return false;
  std::memcpy(flag_digits + 2 - parts[3].size(), parts[3].data(), parts[3].size());
  if (!read_padded_id(parts[0], trace_id.bytes, 16) ||
      !read_padded_id(parts[1], span_id.bytes, 8) || !read_hex(flag_digits, 1, &flags, true)) {
    return false;
  }
  out = SpanContext(trace_id, span_id, flags & kFlagSampled, true);
  return true;
}

std::size_t write_b3(const SpanContext& span, char* out) noexcept {
  write_hex16(span.trace_id().bytes, out);
  write_hex16(span.trace_id().bytes + 8, out + 16);
  out[32] = '-';
  write_hex16(span.span_id().bytes, out + 33);
  out[49] = '-';
  out[50] = span.is_sampled() ? '1' : '0';
  return 51;
}

std::size_t write_jaeger(const SpanContext& span, char* out) noexcept {
  write_hex16(span.trace_id().bytes, out);
  write_hex16(span.trace_id().bytes + 8, out + 16);
  out[32] = ':';
  write_hex16(span.span_id().bytes, out + 33);
  std::memcpy(out + 49, ":0:", 3);
  out[52] = span.is_sampled() ? '1' : '0';
  return 53;
}

}  // namespace sdk_detail

inline namespace v1 {

void write_traceparent(const SpanContext& span, char* out) noexcept {
  std::memcpy(out, "00-", 3);
  sdk_detail::write_hex16(span.trace_id().bytes, out + 3);
  sdk_detail::write_hex16(span.trace_id().bytes + 8, out + 19);
  out[35] = '-';
  sdk_detail::write_hex16(span.span_id().bytes, out + 36);
  // Level 2: sampled and random; other bits must be zero in version 00.
  std::memcpy(out + 52, "-0", 2);
  out[54] = static_cast<char>('0' + (span.flags() & (kFlagSampled | kFlagRandom)));
}

bool read_traceparent(std::string_view text, SpanContext& out) noexcept {
  sdk_detail::ContextWords words{};
  if (!sdk_detail::read_parent(text, words)) return false;
  TraceIdentifier trace_id;
  SpanIdentifier span_id;
  std::memcpy(trace_id.bytes, words.trace_id, sizeof(trace_id.bytes));
  std::memcpy(span_id.bytes, &words.span_id, sizeof(span_id.bytes));
  out = SpanContext(trace_id, span_id, words.flags, true);
  return true;
}

Propagator Propagator::from_names(std::string_view names) {
  Propagator out({});
  while (!names.empty()) {
    const std::size_t comma = names.find(',');
    const std::string_view name = sdk_detail::trim(names.substr(0, comma));
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
    if (name == "tracecontext") {
      out.add(Format::kTraceContext);
    } else if (name == "baggage") {
      out.add(Format::kBaggage);
    } else if (name == "b3") {
      out.add(Format::kB3);
    } else if (name == "b3multi") {
      out.add(Format::kB3Multi);
    } else if (name == "jaeger") {
      out.add(Format::kJaeger);
    } else if (name == "none") {
      return Propagator({});
    } else if (!name.empty()) {
      sdk_detail::diagnose(DiagnosticLevel::kWarn,
                           "OTEL_PROPAGATORS: " + std::string(name) +
                               " is unknown and left out; known are tracecontext, baggage, b3, "
                               "b3multi, jaeger, none");
    }
  }
  return out.begin() == out.end() ? Propagator() : out;
}

namespace {

// The formats of the global propagator, four bits each from the lowest, 15 for none: one word, so
// that reading it takes no lock.
constexpr std::uint64_t kNoFormat = 15;

std::uint64_t pack(const Propagator& propagator) noexcept {
  std::uint64_t packed = ~std::uint64_t{0};
  int shift = 0;
  for (const Format format : propagator) {
    packed &= ~(kNoFormat << shift);
    packed |= static_cast<std::uint64_t>(format) << shift;
    shift += 4;
  }
  return packed;
}

}  // namespace

}  // namespace v1

constinit std::uint64_t sdk_detail::format_word = sdk_detail::kDefaultFormats;

sdk_detail::GlobalFormats sdk_detail::unusual_formats() noexcept {
  GlobalFormats out{true, false, false};
  for (std::uint64_t packed = __atomic_load_n(&format_word, __ATOMIC_RELAXED);
       (packed & kNoFormat) != kNoFormat; packed = packed >> 4 | kNoFormat << 60) {
    const auto format = static_cast<Format>(packed & kNoFormat);
    if (format == Format::kTraceContext) {
      out.trace_context = true;
    } else if (format == Format::kBaggage) {
      out.baggage = true;
    } else {
      out.w3c_only = false;
    }
  }
  return out;
}

inline namespace v1 {

Propagator global_propagator() noexcept {
  Propagator out({});
  std::uint64_t packed = __atomic_load_n(&sdk_detail::format_word, __ATOMIC_RELAXED);
  for (std::size_t i = 0; i < Propagator::kMaxFormats; ++i, packed >>= 4) {
    if ((packed & kNoFormat) == kNoFormat) break;
    out.add(static_cast<Format>(packed & kNoFormat));
  }
  return out;
}

void set_global_propagator(const Propagator& propagator) noexcept {
  __atomic_store_n(&sdk_detail::format_word, pack(propagator), __ATOMIC_RELAXED);
}

}  // namespace v1
}  // namespace weft
