#include "store/stream_codec.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <memory>

#include "store/join_planes.h"

namespace weft::store {
namespace {

// The last two are of bits alone.
enum class PlaneMode : uint8_t { kConstant = 0, kRaw = 1, kZstd = 2, kOnes = 3, kZeros = 4 };

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

// What compression has to save of a plane. Bytes of clocks and durations give up 4 to 12 % as
// Huffman codes: 0.2 bytes a span, for which every seal and every scan of them would pay.
constexpr size_t kMinSavedShare = 8;  // an eighth

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
  return static_cast<double>(squares) < random * 1.5;
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
    if (!ZSTD_isError(size) && size + plane.size() / kMinSavedShare < plane.size()) {
      out.push_back(static_cast<char>(PlaneMode::kZstd));
      put_varint(out, size);
      out.append(buffer.data(), size);
      return;
    }
  }
  out.push_back(static_cast<char>(PlaneMode::kRaw));
  out.append(plane);
}

// A plane of `size` bytes where it lies, or unpacked into room(), which has as many.
template <typename Room>
bool view_plane(ByteReader& in, size_t size, Room&& room, BytePlane& plane) {
  switch (static_cast<PlaneMode>(in.fixed<uint8_t>())) {
    case PlaneMode::kConstant:
      plane = {nullptr, in.fixed<uint8_t>()};
      return in.ok();
    case PlaneMode::kRaw:
      plane = {in.bytes(size).data(), 0};
      return in.ok();
    case PlaneMode::kZstd: {
      const std::string_view packed = in.string();
      if (!in.ok()) return false;
      char* const unpacked = room();
      plane = {unpacked, 0};
      return ZSTD_decompressDCtx(decompressor(), unpacked, size, packed.data(), packed.size()) ==
             size;
    }
    case PlaneMode::kOnes:
    case PlaneMode::kZeros:
      return false;
  }
  return false;
}

bool get_plane(ByteReader& in, char* out, size_t size) {
  BytePlane plane;
  if (!view_plane(in, size, [out] { return out; }, plane)) return false;
  if (plane.bytes == nullptr) {
    std::memset(out, plane.constant, size);
  } else if (plane.bytes != out) {
    std::memcpy(out, plane.bytes, size);
  }
  return true;
}

// --- bits of which few are ones, or few zeros ---

constexpr uint8_t kLongGap = 255;

// Appends how many bits lie before each set one of `packed`, with all bits turned round when
// `flip` is 0xFF: a byte each, or kLongGap for as many without a set one.
void put_gaps(std::string& out, std::string_view packed, uint8_t flip) {
  size_t next = 0;  // the bit behind the last one that was set
  for (size_t i = 0; i < packed.size(); ++i) {
    for (auto bits = static_cast<uint8_t>(static_cast<uint8_t>(packed[i]) ^ flip); bits != 0;
         bits &= static_cast<uint8_t>(bits - 1)) {
      const size_t at = i * 8 + static_cast<size_t>(std::countr_zero(bits));
      for (; at - next >= kLongGap; next += kLongGap)
        out.push_back(static_cast<char>(kLongGap));
      out.push_back(static_cast<char>(at - next));
      next = at + 1;
    }
  }
}

// Turns the bits round that `gaps` names. False when one is not there.
bool apply_gaps(std::string_view gaps, std::string& packed) {
  size_t at = 0;
  for (const char gap : gaps) {
    at += static_cast<uint8_t>(gap);
    if (static_cast<uint8_t>(gap) == kLongGap) continue;
    if (at >= packed.size() * 8) return false;
    packed[at / 8] = static_cast<char>(packed[at / 8] ^ 1 << (at % 8));
    ++at;
  }
  return true;
}

// Positions of a few bits take as little room as what zstd makes of them, and a hundredth of its
// time; a table of many rare columns has ten thousand such planes. False: there are too many.
bool put_rare_bits(std::string& out, std::string_view packed) {
  size_t ones = 0;
  for (const char byte : packed)
    ones += static_cast<size_t>(std::popcount(static_cast<uint8_t>(byte)));
  const size_t bits = packed.size() * 8;
  const bool few_ones = ones < bits / 2;
  if ((few_ones ? ones : bits - ones) + bits / kLongGap > packed.size() / 3) return false;
  out.push_back(static_cast<char>(few_ones ? PlaneMode::kOnes : PlaneMode::kZeros));
  thread_local std::string gaps;
  gaps.clear();
  put_gaps(gaps, packed, few_ones ? 0 : 0xFF);
  put_string(out, gaps);
  return true;
}

// Of packed.size() bytes.
bool get_packed_bits(ByteReader& in, std::string& packed) {
  ByteReader ahead = in;
  const auto mode = static_cast<PlaneMode>(ahead.fixed<uint8_t>());
  if (mode != PlaneMode::kOnes && mode != PlaneMode::kZeros) {
    return get_plane(in, packed.data(), packed.size());
  }
  packed.assign(packed.size(), mode == PlaneMode::kOnes ? '\0' : '\xFF');
  const std::string_view gaps = ahead.string();
  in = ahead;
  return in.ok() && apply_gaps(gaps, packed);
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

constexpr size_t kMaxPlanes = 8;

// The planes of `count` numbers, without those before `skip`. They stay where they are until the
// thread asks for the next ones, or `in`'s bytes go.
bool view_planes(ByteReader& in, size_t count, size_t skip, std::span<BytePlane> planes) {
  thread_local std::array<std::string, kMaxPlanes> buffers;
  for (size_t p = 0; p < planes.size(); ++p) {
    const auto room = [&buffer = buffers[p], count] {
      if (buffer.size() < count) buffer.resize(count);
      return buffer.data();
    };
    if (!view_plane(in, count, room, planes[p])) return false;
    if (planes[p].bytes != nullptr) planes[p].bytes += skip;
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
  return get_ints(in, values, count, {0, count});
}

bool get_ints(ByteReader& in, std::vector<uint64_t>& values, uint64_t count, StreamSlice slice) {
  assert(slice.begin <= slice.end && slice.end <= count);
  values.clear();
  if (count == 0) return true;
  const uint64_t min = in.varint();
  const auto header = in.fixed<uint8_t>();
  const size_t scale = header >> 4;
  const size_t planes = header & 15;
  if (!in.ok() || scale >= kScales.size() || planes > kMaxPlanes) return false;
  std::array<BytePlane, kMaxPlanes> views;
  const std::span<BytePlane> used(views.data(), planes);
  if (!view_planes(in, count, slice.begin, used)) return false;
  values.resize(slice.end - slice.begin);
  join_planes(used, scale == 0 ? min : 0, values.data(), values.size());
  if (scale != 0) {
    for (uint64_t& value : values)
      value = value * kScales[scale] + min;
  }
  return true;
}

void put_codes(std::string& out, std::span<const uint32_t> codes, uint32_t max_code) {
  if (!codes.empty()) put_planes(out, codes.data(), codes.size(), bytes_of(max_code));
}

bool get_codes(ByteReader& in, std::vector<uint32_t>& codes, uint64_t count, uint32_t max_code) {
  return get_codes(in, codes, count, max_code, {0, count});
}

bool get_codes(ByteReader& in, std::vector<uint32_t>& codes, uint64_t count, uint32_t max_code,
               StreamSlice slice) {
  assert(slice.begin <= slice.end && slice.end <= count);
  codes.clear();
  if (count == 0) return true;
  std::array<BytePlane, sizeof(uint32_t)> views;
  const std::span<BytePlane> used(views.data(), static_cast<size_t>(bytes_of(max_code)));
  if (!view_planes(in, count, slice.begin, used)) return false;
  codes.resize(slice.end - slice.begin);
  join_planes(used, codes.data(), codes.size());
  uint32_t largest = 0;
  for (uint32_t code : codes)
    largest = std::max(largest, code);
  return largest <= max_code;
}

void put_bits(std::string& out, std::span<const uint8_t> bits) {
  if (bits.empty()) return;
  thread_local std::string packed;
  packed.assign((bits.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bits.size(); ++i) {
    packed[i / 8] = static_cast<char>(packed[i / 8] | (bits[i] << (i % 8)));
  }
  put_packed_bits(out, packed);
}

void put_packed_bits(std::string& out, std::string_view packed) {
  if (packed.empty()) return;
  // One byte says as much when all bits are the same.
  if (packed.find_first_not_of(packed.front()) == std::string_view::npos ||
      !put_rare_bits(out, packed)) {
    put_plane(out, packed);
  }
}

bool get_bits(ByteReader& in, std::vector<uint8_t>& bits, uint64_t count) {
  bits.clear();
  if (count == 0) return true;
  thread_local std::string packed;
  packed.resize((count + 7) / 8);
  if (!get_packed_bits(in, packed)) return false;
  bits.resize(count);
  for (size_t i = 0; i < count; ++i) {
    bits[i] = static_cast<uint8_t>(static_cast<uint8_t>(packed[i / 8]) >> (i % 8)) & 1;
  }
  return true;
}

}  // namespace weft::store
