// The streams that block pages are made of: numbers as byte planes, and bytes. Each plane is
// constant, raw or compressed with zstd, whichever is smallest by a margin that is worth its time.
// docs/formats/block.md describes the bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/bytes.h"

namespace weft::store {

// Bytes, compressed when that saves something.
void put_stream(std::string& out, std::string_view data);
// False when the stream is damaged or longer than max_bytes.
bool get_stream(ByteReader& in, std::string& data, uint64_t max_bytes);

// Numbers: less their minimum, divided by 1,000 or 1,000,000 when all are multiples (clocks of
// microseconds), as planes of bytes.
void put_ints(std::string& out, std::span<const uint64_t> values);
// Exactly `count` numbers, or false.
bool get_ints(ByteReader& in, std::vector<uint64_t>& values, uint64_t count);
// Which of a stream's numbers are wanted: [begin, end).
struct StreamSlice {
  uint64_t begin = 0;
  uint64_t end = 0;
};
// Those of the slice alone, of `count` that there are.
bool get_ints(ByteReader& in, std::vector<uint64_t>& values, uint64_t count, StreamSlice slice);

// Dictionary codes: planes of the bytes that max_code needs.
void put_codes(std::string& out, std::span<const uint32_t> codes, uint32_t max_code);
bool get_codes(ByteReader& in, std::vector<uint32_t>& codes, uint64_t count, uint32_t max_code);
bool get_codes(ByteReader& in, std::vector<uint32_t>& codes, uint64_t count, uint32_t max_code,
               StreamSlice slice);

// Bits, one byte each (0 or 1) in memory.
void put_bits(std::string& out, std::span<const uint8_t> bits);
// The same from bits that are packed already, the first in the lowest bit of the first byte.
void put_packed_bits(std::string& out, std::string_view packed);
bool get_bits(ByteReader& in, std::vector<uint8_t>& bits, uint64_t count);

}  // namespace weft::store
