#include "wire/attribute_text.h"

#include <bit>

#include "wire/json_writer.h"

namespace weft {

std::string attribute_text(const AttributeColumn& column, size_t index, const StringPool& strings) {
  std::string out;
  switch (column.type) {
    case ValueType::kNone:
      break;
    case ValueType::kString:
      out = strings.at(column.strings[index]);
      break;
    case ValueType::kBool:
      out = column.numbers[index] != 0 ? "true" : "false";
      break;
    case ValueType::kInt:
      json::append_int(out, static_cast<int64_t>(column.numbers[index]));
      break;
    case ValueType::kDouble:
      out = to_display(Value(std::bit_cast<double>(column.numbers[index])));
      break;
    case ValueType::kBytes:
      json::append_base64(out, strings.at(column.strings[index]));
      break;
    case ValueType::kArray:
    case ValueType::kKvlist:
      out = to_display(decode_nested(column.type, strings.at(column.strings[index])));
      break;
  }
  return out;
}

}  // namespace weft
