#include "wire/otlp_value.h"

#include <algorithm>
#include <array>

#include "wire/protobuf_reader.h"

namespace weft {
namespace {

using namespace wire;

NestedCheck check_elements(std::string_view bytes, bool key_values, uint32_t depth_left);

NestedCheck check_any_value(std::string_view bytes, uint32_t depth_left) {
  static constexpr std::array<int8_t, 8> kWireTypes = {-1, 2, 0, 0, 1, 2, 2, 2};
  Position p = begin_of(bytes);
  const Position end = end_of(bytes);
  while (p < end) {
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return NestedCheck::kMalformed;
    if (field.number >= kWireTypes.size()) continue;
    if (kWireTypes[field.number] != static_cast<int8_t>(field.type)) return NestedCheck::kMalformed;
    if (field.number != 5 && field.number != 6) continue;
    const NestedCheck check = check_elements(field.bytes, field.number == 6, depth_left);
    if (check != NestedCheck::kOk) return check;
  }
  return NestedCheck::kOk;
}

NestedCheck check_key_value(std::string_view bytes, uint32_t depth_left) {
  Position p = begin_of(bytes);
  const Position end = end_of(bytes);
  while (p < end) {
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return NestedCheck::kMalformed;
    if (field.number > 2) continue;
    if (field.type != WireType::kBytes) return NestedCheck::kMalformed;
    if (field.number == 1) continue;
    const NestedCheck check = check_any_value(field.bytes, depth_left);
    if (check != NestedCheck::kOk) return check;
  }
  return NestedCheck::kOk;
}

// The elements of an ArrayValue or KeyValueList: both are field 1, repeated.
NestedCheck check_elements(std::string_view bytes, bool key_values, uint32_t depth_left) {
  if (depth_left == 0) return NestedCheck::kTooDeep;
  Position p = begin_of(bytes);
  const Position end = end_of(bytes);
  while (p < end) {
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return NestedCheck::kMalformed;
    if (field.number != 1) continue;
    if (field.type != WireType::kBytes) return NestedCheck::kMalformed;
    const NestedCheck check = key_values ? check_key_value(field.bytes, depth_left - 1)
                                         : check_any_value(field.bytes, depth_left - 1);
    if (check != NestedCheck::kOk) return check;
  }
  return NestedCheck::kOk;
}

}  // namespace

NestedCheck check_nested(ValueType type, std::string_view bytes, uint32_t max_depth) {
  const uint32_t depth = std::min<uint32_t>(max_depth, kMaxValueDepth);
  return check_elements(bytes, type == ValueType::kKvlist, depth);
}

}  // namespace weft
