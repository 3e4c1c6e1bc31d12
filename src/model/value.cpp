#include "model/value.h"

#include <bit>
#include <charconv>
#include <cmath>

#include "model/protobuf.h"

namespace weft {
namespace {

using protobuf::Reader;
using protobuf::WireType;

// Field numbers of opentelemetry.proto.common.v1.AnyValue; they equal no ValueType by accident.
enum AnyValueField : uint32_t {
  kStringField = 1,
  kBoolField = 2,
  kIntField = 3,
  kDoubleField = 4,
  kArrayField = 5,
  kKvlistField = 6,
  kBytesField = 7,
};

std::string encode_array(const Value::Array& array);
std::string encode_kvlist(const Value::Kvlist& list);

void put_any_value(std::string& out, const Value& value) {
  switch (value.type()) {
    case ValueType::kNone:
      break;
    case ValueType::kString:
      protobuf::put_bytes(out, kStringField, std::get<std::string>(value.data));
      break;
    case ValueType::kBool:
      protobuf::put_tag(out, kBoolField, WireType::kVarint);
      protobuf::put_varint(out, std::get<bool>(value.data) ? 1 : 0);
      break;
    case ValueType::kInt:
      protobuf::put_tag(out, kIntField, WireType::kVarint);
      protobuf::put_varint(out, static_cast<uint64_t>(std::get<int64_t>(value.data)));
      break;
    case ValueType::kDouble:
      protobuf::put_fixed64(out, kDoubleField,
                            std::bit_cast<uint64_t>(std::get<double>(value.data)));
      break;
    case ValueType::kBytes:
      protobuf::put_bytes(out, kBytesField, std::get<Value::Bytes>(value.data).data);
      break;
    case ValueType::kArray:
      protobuf::put_bytes(out, kArrayField, encode_array(std::get<Value::Array>(value.data)));
      break;
    case ValueType::kKvlist:
      protobuf::put_bytes(out, kKvlistField, encode_kvlist(std::get<Value::Kvlist>(value.data)));
      break;
  }
}

std::string encode_array(const Value::Array& array) {
  std::string out;
  for (const Value& element : array) {
    std::string encoded;
    put_any_value(encoded, element);
    protobuf::put_bytes(out, 1, encoded);
  }
  return out;
}

std::string encode_kvlist(const Value::Kvlist& list) {
  std::string out;
  for (const KeyValue& pair : list) {
    std::string value;
    put_any_value(value, pair.value);
    std::string encoded;
    protobuf::put_bytes(encoded, 1, pair.key);
    protobuf::put_bytes(encoded, 2, value);
    protobuf::put_bytes(out, 1, encoded);
  }
  return out;
}

bool read_array(std::string_view bytes, int depth, Value::Array& out);
bool read_kvlist(std::string_view bytes, int depth, Value::Kvlist& out);

// Reads the one field of an AnyValue that `field` names.
bool read_any_field(Reader& reader, uint32_t field, WireType type, int depth, Value& out) {
  uint64_t word;
  std::string_view bytes;
  switch (field) {
    case kStringField:
      if (type != WireType::kLength || !reader.bytes(bytes)) return false;
      out = Value(bytes);
      return true;
    case kBoolField:
      if (type != WireType::kVarint || !reader.varint(word)) return false;
      out = Value(word != 0);
      return true;
    case kIntField:
      if (type != WireType::kVarint || !reader.varint(word)) return false;
      out = Value(static_cast<int64_t>(word));
      return true;
    case kDoubleField:
      if (type != WireType::kFixed64 || !reader.fixed64(word)) return false;
      out = Value(std::bit_cast<double>(word));
      return true;
    case kBytesField:
      if (type != WireType::kLength || !reader.bytes(bytes)) return false;
      out = Value(Value::Bytes{std::string(bytes)});
      return true;
    case kArrayField: {
      Value::Array array;
      if (type != WireType::kLength || !reader.bytes(bytes)) return false;
      if (!read_array(bytes, depth + 1, array)) return false;
      out = Value(std::move(array));
      return true;
    }
    case kKvlistField: {
      Value::Kvlist list;
      if (type != WireType::kLength || !reader.bytes(bytes)) return false;
      if (!read_kvlist(bytes, depth + 1, list)) return false;
      out = Value(std::move(list));
      return true;
    }
    default:
      return reader.skip(type);
  }
}

bool read_any_value(std::string_view bytes, int depth, Value& out) {
  Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field;
    WireType type;
    if (!reader.tag(field, type) || !read_any_field(reader, field, type, depth, out)) return false;
  }
  return true;
}

bool read_array(std::string_view bytes, int depth, Value::Array& out) {
  if (depth > kMaxValueDepth) return false;
  Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field;
    WireType type;
    std::string_view element;
    if (!reader.tag(field, type)) return false;
    if (field != 1 || type != WireType::kLength) {
      if (!reader.skip(type)) return false;
      continue;
    }
    if (!reader.bytes(element) || !read_any_value(element, depth, out.emplace_back())) return false;
  }
  return true;
}

bool read_key_value(std::string_view bytes, int depth, KeyValue& out) {
  Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field;
    WireType type;
    std::string_view content;
    if (!reader.tag(field, type)) return false;
    if (type != WireType::kLength || (field != 1 && field != 2)) {
      if (!reader.skip(type)) return false;
      continue;
    }
    if (!reader.bytes(content)) return false;
    if (field == 1) {
      out.key = content;
    } else if (!read_any_value(content, depth, out.value)) {
      return false;
    }
  }
  return true;
}

bool read_kvlist(std::string_view bytes, int depth, Value::Kvlist& out) {
  if (depth > kMaxValueDepth) return false;
  Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field;
    WireType type;
    std::string_view pair;
    if (!reader.tag(field, type)) return false;
    if (field != 1 || type != WireType::kLength) {
      if (!reader.skip(type)) return false;
      continue;
    }
    if (!reader.bytes(pair) || !read_key_value(pair, depth, out.emplace_back())) return false;
  }
  return true;
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = static_cast<uint8_t>(bytes[i]) << 16;
    if (i + 1 < bytes.size()) group |= static_cast<uint8_t>(bytes[i + 1]) << 8;
    if (i + 2 < bytes.size()) group |= static_cast<uint8_t>(bytes[i + 2]);
    out.push_back(kAlphabet[group >> 18]);
    out.push_back(kAlphabet[group >> 12 & 63]);
    out.push_back(i + 1 < bytes.size() ? kAlphabet[group >> 6 & 63] : '=');
    out.push_back(i + 2 < bytes.size() ? kAlphabet[group & 63] : '=');
  }
}

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out.push_back('"');
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out += "\\u00";
      out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
      out.push_back(kDigits[c & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

template <typename Number>
void append_number(std::string& out, Number number) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
  out.append(buffer, result.ptr);
}

void append_display(std::string& out, const Value& value, bool quote) {
  switch (value.type()) {
    case ValueType::kNone:
      out += "null";
      break;
    case ValueType::kString:
      if (quote) {
        append_quoted(out, std::get<std::string>(value.data));
      } else {
        out += std::get<std::string>(value.data);
      }
      break;
    case ValueType::kBool:
      out += std::get<bool>(value.data) ? "true" : "false";
      break;
    case ValueType::kInt:
      append_number(out, std::get<int64_t>(value.data));
      break;
    case ValueType::kDouble:
      append_number(out, std::get<double>(value.data));
      break;
    case ValueType::kBytes: {
      if (quote) out.push_back('"');
      append_base64(out, std::get<Value::Bytes>(value.data).data);
      if (quote) out.push_back('"');
      break;
    }
    case ValueType::kArray: {
      out.push_back('[');
      bool first = true;
      for (const Value& element : std::get<Value::Array>(value.data)) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_display(out, element, true);
      }
      out.push_back(']');
      break;
    }
    case ValueType::kKvlist: {
      out.push_back('{');
      bool first = true;
      for (const KeyValue& pair : std::get<Value::Kvlist>(value.data)) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_quoted(out, pair.key);
        out.push_back(':');
        append_display(out, pair.value, true);
      }
      out.push_back('}');
      break;
    }
  }
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.type() == ValueType::kDouble && b.type() == ValueType::kDouble) {
    // Bitwise, so that a NaN that was stored equals the NaN that comes back.
    return std::bit_cast<uint64_t>(std::get<double>(a.data)) ==
           std::bit_cast<uint64_t>(std::get<double>(b.data));
  }
  return a.data == b.data;
}

std::string_view to_string(ValueType type) {
  switch (type) {
    case ValueType::kNone:
      return "none";
    case ValueType::kString:
      return "string";
    case ValueType::kBool:
      return "bool";
    case ValueType::kInt:
      return "int";
    case ValueType::kDouble:
      return "double";
    case ValueType::kBytes:
      return "bytes";
    case ValueType::kArray:
      return "array";
    case ValueType::kKvlist:
      return "kvlist";
  }
  return "none";
}

std::string encode_nested(const Value& value) {
  if (value.type() == ValueType::kArray) return encode_array(std::get<Value::Array>(value.data));
  return encode_kvlist(std::get<Value::Kvlist>(value.data));
}

Value decode_nested(ValueType type, std::string_view encoded) {
  if (type == ValueType::kArray) {
    Value::Array array;
    if (read_array(encoded, 1, array)) return Value(std::move(array));
  } else if (type == ValueType::kKvlist) {
    Value::Kvlist list;
    if (read_kvlist(encoded, 1, list)) return Value(std::move(list));
  }
  return Value(Value::Bytes{std::string(encoded)});
}

std::string to_display(const Value& value) {
  std::string out;
  append_display(out, value, false);
  return out;
}

}  // namespace weft
