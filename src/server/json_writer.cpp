#include "server/json_writer.h"

#include <charconv>
#include <cmath>

namespace weft {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The length of the well-formed UTF-8 sequence at `at` (by the table of RFC 3629), or 0.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0;
  };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_escape(std::string& out, uint8_t c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

bool is_plain(uint8_t c) {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

template <typename T>
void append_number(std::string& out, T number) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), number);
  out.append(buffer, result.ptr);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && is_plain(static_cast<uint8_t>(text[end])))
      end++;
    out.append(text, at, end - at);
    at = end;
    if (at == text.size()) break;
    const auto c = static_cast<uint8_t>(text[at]);
    if (c < 0x80) {
      append_escape(out, c);
      at++;
    } else if (const size_t length = utf8_length(text, at); length > 0) {
      out.append(text, at, length);
      at += length;
    } else {
      out += kReplacement;
      at++;
    }
  }
  out += '"';
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](size_t i) {
    return i < bytes.size() ? static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) : 0u;
  };
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kDigits[group & 63] : '=';
  }
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  return raw(flag ? "true" : "false");
}

JsonWriter& JsonWriter::value(int64_t number) {
  separate();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(uint64_t number) {
  separate();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  separate();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::null() {
  return raw("null");
}

JsonWriter& JsonWriter::decimal(uint64_t number) {
  separate();
  out_ += '"';
  append_number(out_, number);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::decimal(int64_t number) {
  separate();
  out_ += '"';
  append_number(out_, number);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

namespace {

void write_bytes(JsonWriter& json, const Value::Bytes& bytes) {
  std::string text;
  append_base64(text, bytes.data);
  json.value(text);
}

// OTLP/JSON writes doubles that JSON has no number for as strings, as protobuf's JSON does.
void write_double(JsonWriter& json, double number) {
  if (std::isnan(number)) {
    json.value("NaN");
  } else if (std::isinf(number)) {
    json.value(number > 0 ? "Infinity" : "-Infinity");
  } else {
    json.value(number);
  }
}

void write_members(JsonWriter& json, const Value& value, int depth);

void write_any(JsonWriter& json, const Value& value, int depth) {
  json.begin_object();
  if (depth <= kMaxValueDepth) write_members(json, value, depth);
  json.end_object();
}

void write_members(JsonWriter& json, const Value& value, int depth) {
  switch (value.type()) {
    case ValueType::kNone:
      break;
    case ValueType::kString:
      json.field("stringValue", std::get<std::string>(value.data));
      break;
    case ValueType::kBool:
      json.field("boolValue", std::get<bool>(value.data));
      break;
    case ValueType::kInt:
      json.key("intValue").decimal(std::get<int64_t>(value.data));
      break;
    case ValueType::kDouble:
      json.key("doubleValue");
      write_double(json, std::get<double>(value.data));
      break;
    case ValueType::kBytes:
      json.key("bytesValue");
      write_bytes(json, std::get<Value::Bytes>(value.data));
      break;
    case ValueType::kArray:
      json.key("arrayValue").begin_object().key("values").begin_array();
      for (const Value& item : std::get<Value::Array>(value.data))
        write_any(json, item, depth + 1);
      json.end_array().end_object();
      break;
    case ValueType::kKvlist:
      json.key("kvlistValue").begin_object().key("values").begin_array();
      for (const KeyValue& item : std::get<Value::Kvlist>(value.data)) {
        json.begin_object().field("key", item.key).key("value");
        write_any(json, item.value, depth + 1);
        json.end_object();
      }
      json.end_array().end_object();
      break;
  }
}

void write_plain(JsonWriter& json, const Value& value, int depth) {
  if (depth > kMaxValueDepth) {
    json.null();
    return;
  }
  switch (value.type()) {
    case ValueType::kNone:
      json.null();
      break;
    case ValueType::kString:
      json.value(std::get<std::string>(value.data));
      break;
    case ValueType::kBool:
      json.value(std::get<bool>(value.data));
      break;
    case ValueType::kInt:
      json.value(std::get<int64_t>(value.data));
      break;
    case ValueType::kDouble:
      write_double(json, std::get<double>(value.data));
      break;
    case ValueType::kBytes:
      write_bytes(json, std::get<Value::Bytes>(value.data));
      break;
    case ValueType::kArray:
      json.begin_array();
      for (const Value& item : std::get<Value::Array>(value.data))
        write_plain(json, item, depth + 1);
      json.end_array();
      break;
    case ValueType::kKvlist:
      json.begin_object();
      for (const KeyValue& item : std::get<Value::Kvlist>(value.data)) {
        json.key(item.key);
        write_plain(json, item.value, depth + 1);
      }
      json.end_object();
      break;
  }
}

}  // namespace

void write_any_value(JsonWriter& json, const Value& value) {
  write_any(json, value, 0);
}

void write_plain_value(JsonWriter& json, const Value& value) {
  write_plain(json, value, 0);
}

}  // namespace weft
