// An append-only JSON writer for answers of the HTTP APIs: it escapes, places commas and replaces
// what is not UTF-8, and otherwise trusts its caller to open and close in order. Large answers are
// written straight into the body, without a document in between. The text of single values is
// made by wire/json_writer.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/value.h"

namespace weft {

// One thread. `out` is borrowed and grows; what is in it before stays.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(int64_t number);
  JsonWriter& value(uint64_t number);
  JsonWriter& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(uint32_t number) { return value(static_cast<uint64_t>(number)); }
  // The shortest digits that read back the same; NaN and infinities, which JSON lacks, as null.
  // (OTLP's attribute values have them as strings: write_any_value.)
  JsonWriter& value(double number);
  JsonWriter& null();
  // A 64-bit number as a string of decimal digits, as OTLP/JSON has it.
  JsonWriter& decimal(uint64_t number);
  JsonWriter& decimal(int64_t number);
  // Text that is JSON already.
  JsonWriter& raw(std::string_view json);

  template <typename T>
  JsonWriter& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }
  // "startTimeUnixNano": "1700000000000000000".
  JsonWriter& nanos_field(std::string_view name, uint64_t time_ns) {
    return key(name).decimal(time_ns);
  }
  // A duration of nanoseconds as a number of milliseconds.
  JsonWriter& millis_field(std::string_view name, double duration_ns) {
    return key(name).value(duration_ns / 1e6);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string& out_;
  bool comma_ = false;
};

// An attribute's value as OTLP/JSON's AnyValue: {"stringValue": "a"}, {"intValue": "1"}.
void write_any_value(JsonWriter& json, const Value& value);

// The bare JSON value: "a", 1, true, [1, 2]; bytes as base64, kvlists as objects.
void write_plain_value(JsonWriter& json, const Value& value);

}  // namespace weft
