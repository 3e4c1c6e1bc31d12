#include "store/bloom.h"

#include <algorithm>
#include <cstring>

namespace weft::store {
namespace {

constexpr size_t kBitsPerId = 24;

}  // namespace

Bloom::Bloom(size_t ids)
    : lines_(std::max<size_t>(1, (ids * kBitsPerId + kWords * 32 - 1) / (kWords * 32))) {}

void Bloom::add(const TraceId& id) {
  const uint64_t hash = hash_trace_id(id);
  Line& line = lines_[line_of(hash)];
  for (size_t i = 0; i < kWords; ++i)
    line[i] |= uint32_t{1} << bit(hash, i);
}

std::string Bloom::encode() const {
  return {reinterpret_cast<const char*>(lines_.data()), memory_bytes()};
}

std::optional<Bloom> Bloom::decode(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % sizeof(Line) != 0) return std::nullopt;
  Bloom bloom;
  bloom.lines_.resize(bytes.size() / sizeof(Line));
  std::memcpy(bloom.lines_.data(), bytes.data(), bytes.size());
  return bloom;
}

}  // namespace weft::store
