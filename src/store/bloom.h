// A split-block bloom filter on trace ids: eight bits of one 32-byte line an id, about 24 bits of
// memory each, one cache line a question. Part of every sealed block.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"

namespace weft::store {

class Bloom {
 public:
  // For this many ids.
  explicit Bloom(size_t ids);

  void add(const TraceId& id);
  // False: certainly not there. True for about one in 5,000 that is not.
  bool may_contain(const TraceId& id) const {
    const uint64_t hash = hash_trace_id(id);
    const Line& line = lines_[line_of(hash)];
    bool all = true;
    for (size_t i = 0; i < kWords; ++i)
      all &= (line[i] >> bit(hash, i) & 1) != 0;
    return all;
  }
  size_t memory_bytes() const { return lines_.size() * sizeof(Line); }

  std::string encode() const;
  static std::optional<Bloom> decode(std::string_view bytes);

 private:
  static constexpr size_t kWords = 8;
  using Line = std::array<uint32_t, kWords>;
  Bloom() = default;
  // The high half of the hash picks the line, the low half the bits.
  size_t line_of(uint64_t hash) const { return (hash >> 32) * lines_.size() >> 32; }
  static uint32_t bit(uint64_t hash, size_t word) {
    static constexpr std::array<uint32_t, kWords> kSalt = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                           0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                           0x9efc4947U, 0x5c6bfb31U};
    return static_cast<uint32_t>(hash) * kSalt[word] >> 27;
  }
  std::vector<Line> lines_;
};

}  // namespace weft::store
