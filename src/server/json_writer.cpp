#include "server/json_writer.h"

#include <cmath>

#include "wire/json_writer.h"
#include "wire/otlp_json.h"

namespace weft {

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
  json::append_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  json::append_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  return raw(flag ? "true" : "false");
}

JsonWriter& JsonWriter::value(int64_t number) {
  separate();
  json::append_int(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(uint64_t number) {
  separate();
  json::append_uint(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  separate();
  json::append_double(out_, number);
  return *this;
}

JsonWriter& JsonWriter::null() {
  return raw("null");
}

JsonWriter& JsonWriter::decimal(uint64_t number) {
  separate();
  out_ += '"';
  json::append_uint(out_, number);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::decimal(int64_t number) {
  separate();
  out_ += '"';
  json::append_int(out_, number);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

void write_any_value(JsonWriter& writer, const Value& value) {
  std::string text;
  append_any_value_json(text, value);
  writer.raw(text);
}

namespace {

void write_bytes(JsonWriter& writer, const Value::Bytes& bytes) {
  std::string text;
  json::append_base64(text, bytes.data);
  writer.value(text);
}

void write_double(JsonWriter& writer, double number) {
  std::string text;
  json::append_double(text, number);
  writer.raw(text);
}

void write_plain(JsonWriter& writer, const Value& value, int depth) {
  if (depth > kMaxValueDepth) {
    writer.null();
    return;
  }
  switch (value.type()) {
    case ValueType::kNone:
      writer.null();
      break;
    case ValueType::kString:
      writer.value(std::get<std::string>(value.data));
      break;
    case ValueType::kBool:
      writer.value(std::get<bool>(value.data));
      break;
    case ValueType::kInt:
      writer.value(std::get<int64_t>(value.data));
      break;
    case ValueType::kDouble:
      write_double(writer, std::get<double>(value.data));
      break;
    case ValueType::kBytes:
      write_bytes(writer, std::get<Value::Bytes>(value.data));
      break;
    case ValueType::kArray:
      writer.begin_array();
      for (const Value& item : std::get<Value::Array>(value.data))
        write_plain(writer, item, depth + 1);
      writer.end_array();
      break;
    case ValueType::kKvlist:
      writer.begin_object();
      for (const KeyValue& item : std::get<Value::Kvlist>(value.data)) {
        writer.key(item.key);
        write_plain(writer, item.value, depth + 1);
      }
      writer.end_object();
      break;
  }
}

}  // namespace

void write_plain_value(JsonWriter& writer, const Value& value) {
  write_plain(writer, value, 0);
}

}  // namespace weft
