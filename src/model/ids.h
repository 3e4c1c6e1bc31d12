// Trace and span ids as W3C Trace Context and OTLP define them: 16 and 8 raw bytes. All zero is
// "no id". Ids are kept as words in memory order, so that comparing and hashing is cheap.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

struct TraceId {
  std::array<uint8_t, 16> bytes{};

  bool is_zero() const { return *this == TraceId{}; }
  // The two halves in memory order: for hashing, not for ordering.
  uint64_t word(size_t index) const {
    uint64_t out;
    std::memcpy(&out, bytes.data() + 8 * index, 8);
    return out;
  }
  // 32 lower-case hex digits.
  std::string to_hex() const;
  // Accepts 1 to 32 hex digits in either case; missing leading zeros are supplied (clients drop
  // them, and B3's 64-bit ids are the low half). nullopt for anything else, and for all zeros.
  static std::optional<TraceId> from_hex(std::string_view hex);
  // Not by default: that of std::array calls memcmp.
  friend bool operator==(const TraceId& a, const TraceId& b) {
    return ((a.word(0) ^ b.word(0)) | (a.word(1) ^ b.word(1))) == 0;
  }
  friend auto operator<=>(const TraceId&, const TraceId&) = default;
};

struct SpanId {
  std::array<uint8_t, 8> bytes{};

  bool is_zero() const { return word() == 0; }
  uint64_t word() const {
    uint64_t out;
    std::memcpy(&out, bytes.data(), 8);
    return out;
  }
  // 16 lower-case hex digits.
  std::string to_hex() const;
  // As TraceId::from_hex, with at most 16 digits.
  static std::optional<SpanId> from_hex(std::string_view hex);
  friend bool operator==(const SpanId& a, const SpanId& b) { return a.word() == b.word(); }
  friend auto operator<=>(const SpanId&, const SpanId&) = default;
};

// A 64-bit mix of a trace id. Ids made by counters or by B3 have few random bits, so both words
// are folded. Stable: bloom filters on disk depend on it. Not for tables, into which a sender could
// put ids that collide (model/id_hash.h).
inline uint64_t hash_trace_id(const TraceId& id) {
  uint64_t h = id.word(0) * 0x9E3779B97F4A7C15u ^ id.word(1);
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

}  // namespace weft
