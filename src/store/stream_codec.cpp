#include "store/stream_codec.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <memory>

namespace weft::store {
namespace {

enum class PlaneMode : uint8_t { kConstant = 0, kRaw = 1, kZstd = 2 };

// Below this many bytes a frame's overhead eats what compression saves.
constexpr size_t kMinCompressBytes = 48;

struct CompressorFree {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct DecompressorFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, CompressorFree> context{ZSTD_createCCtx()};
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, DecompressorFree> context{ZSTD_createDCtx()};
  return context.get();
}

// Whether the bytes look random: then zstd's time is wasted. Judged from at most 1,024 of them.
bool looks_random(std::string_view data) {
  const size_t sample = std::min<size_t>(data.size(), 1024);
  if (sample < 256) return false;
  std::array<uint16_t, 256> counts{};
  const size_t step = data.size() / sample;
  for (size_t i = 0; i < sample; ++i)
    ++counts[static_cast<uint8_t>(data[i * step])];
  // The sum of squares of random bytes is about n + n^2/256; of skewed ones it is far above.
  uint64_t squares = 0;
  for (uint64_t count : counts)
    squares += count * count;
  const double random = static_cast<double>(sample) +
                        static_cast<double>(sample) * static_cast<double>(sample) / 256.0;
  return static_cast<double>(squares) < random * 1.12;
}

// Appends mode, size where it is needed, and payload.
void put_plane(std::string& out, std::string_view plane) {
  const bool constant =
      !plane.empty() && plane.find_first_not_of(plane.front()) == std::string_view::npos;
  if (constant) {
    out.push_back(static_cast<char>(PlaneMode::kConstant));
    out.push_back(plane.front());
    return;
  }
  if (plane.size() >= kMinCompressBytes && !looks_random(plane)) {
    thread_local std::string buffer;
    buffer.resize(ZSTD_compressBound(plane.size()));
    const size_t size = ZSTD_compressCCtx(compressor(), buffer.data(), buffer.size(), plane.data(),
                                          plane.size(), 1);
    if (!ZSTD_isError(size) && size + plane.size() / 32 < plane.size()) {
      out.push_back(static_cast<char>(PlaneMode::kZstd));
      put_varint(out, size);
      out.append(buffer.data(), size);
      return;
    }
  }
  out.push_back(static_cast<char>(PlaneMode::kRaw));
  out.append(plane);
}

bool get_plane(ByteReader& in, char* out, size_t size) {
  switch (static_cast<PlaneMode>(in.fixed<uint8_t>())) {
    case PlaneMode::kConstant:
      std::memset(out, in.fixed<char>(), size);
      return in.ok();
    case PlaneMode::kRaw: {
      const std::string_view raw = in.bytes(size);
      if (!in.ok()) return false;
      std::memcpy(out, raw.data(), size);
      return true;
    }
    case PlaneMode::kZstd: {
      const std::string_view packed = in.string();
      if (!in.ok()) return false;
      return ZSTD_decompressDCtx(decompressor(), out, size, packed.data(), packed.size()) == size;
    }
  }
  return false;
}

int bytes_of(uint64_t value) {
  return (static_cast<int>(std::bit_width(value)) + 7) / 8;
}

template <typename Word>
void put_planes(std::string& out, const Word* values, size_t count, int planes) {
  thread_local std::string plane;
  plane.resize(count);
  for (int p = 0; p < planes; ++p) {
    const int shift = p * 8;
    for (size_t i = 0; i < count; ++i)
      plane[i] = static_cast<char>(values[i] >> shift);
    put_plane(out, plane);
  }
}

template <typename Word>
bool get_planes(ByteReader& in, std::vector<Word>& values, size_t count, int planes) {
  values.assign(count, 0);
  if (count == 0) return true;
  thread_local std::string plane;
  plane.resize(count);
  for (int p = 0; p < planes; ++p) {
    if (!get_plane(in, plane.data(), count)) return false;
    const int shift = p * 8;
    for (size_t i = 0; i < count; ++i) {
      values[i] |= static_cast<Word>(static_cast<Word>(static_cast<uint8_t>(plane[i])) << shift);
    }
  }
  return true;
}

constexpr std::array<uint64_t, 3> kScales = {1, 1'000, 1'000'000};

size_t common_scale(const std::vector<uint64_t>& values) {
  size_t scale = kScales.size() - 1;
  for (uint64_t value : values) {
    while (scale > 0 && value % kScales[scale] != 0)
      --scale;
    if (scale == 0) break;
  }
  return scale;
}

}  // namespace

void put_stream(std::string& out, std::string_view data) {
  put_varint(out, data.size());
  if (!data.empty()) put_plane(out, data);
}

bool get_stream(ByteReader& in, std::string& data, uint64_t max_bytes) {
  const uint64_t size = in.varint();
  if (!in.ok() || size > max_bytes) return false;
  data.resize(size);
  return size == 0 || get_plane(in, data.data(), size);
}

void put_ints(std::string& out, std::span<const uint64_t> values) {
  if (values.empty()) return;
  thread_local std::vector<uint64_t> rest;
  const uint64_t min = std::ranges::min(values);
  rest.assign(values.begin(), values.end());
  for (uint64_t& value : rest)
    value -= min;
  const size_t scale = common_scale(rest);
  if (scale > 0) {
    for (uint64_t& value : rest)
      value /= kScales[scale];
  }
  const int planes = bytes_of(std::ranges::max(rest));
  put_varint(out, min);
  out.push_back(static_cast<char>(scale << 4 | static_cast<size_t>(planes)));
  put_planes(out, rest.data(), rest.size(), planes);
}

bool get_ints(ByteReader& in, std::vector<uint64_t>& values, uint64_t count) {
  values.clear();
  if (count == 0) return true;
  const uint64_t min = in.varint();
  const auto header = in.fixed<uint8_t>();
  const size_t scale = header >> 4;
  const int planes = header & 15;
  if (!in.ok() || scale >= kScales.size() || planes > 8) return false;
  if (!get_planes(in, values, count, planes)) return false;
  for (uint64_t& value : values)
    value = value * kScales[scale] + min;
  return true;
}

void put_codes(std::string& out, std::span<const uint32_t> codes, uint32_t max_code) {
  if (!codes.empty()) put_planes(out, codes.data(), codes.size(), bytes_of(max_code));
}

bool get_codes(ByteReader& in, std::vector<uint32_t>& codes, uint64_t count, uint32_t max_code) {
  if (!get_planes(in, codes, count, bytes_of(max_code))) return false;
  return std::ranges::all_of(codes, [max_code](uint32_t code) { return code <= max_code; });
}

void put_bits(std::string& out, std::span<const uint8_t> bits) {
  if (bits.empty()) return;
  thread_local std::string packed;
  packed.assign((bits.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bits.size(); ++i) {
    packed[i / 8] = static_cast<char>(packed[i / 8] | (bits[i] << (i % 8)));
  }
  put_plane(out, packed);
}

bool get_bits(ByteReader& in, std::vector<uint8_t>& bits, uint64_t count) {
  bits.clear();
  if (count == 0) return true;
  thread_local std::string packed;
  packed.resize((count + 7) / 8);
  if (!get_plane(in, packed.data(), packed.size())) return false;
  bits.resize(count);
  for (size_t i = 0; i < count; ++i) {
    bits[i] = static_cast<uint8_t>(static_cast<uint8_t>(packed[i / 8]) >> (i % 8)) & 1;
  }
  return true;
}

}  // namespace weft::store
