// The value of an attribute: OTLP's AnyValue. Value is the owned, row-at-a-time form that query
// literals, tests, the command line and slow paths use; columns keep the same information spread
// out (see model/attribute_table.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

// Stored on disk; never renumber.
enum class ValueType : uint8_t {
  kNone = 0,    // no value: an absent attribute, or an AnyValue with no field set
  kString = 1,  // UTF-8 by OTLP's rule; hostile bytes are kept as they came
  kBool = 2,
  kInt = 3,  // int64
  kDouble = 4,
  kBytes = 5,
  kArray = 6,   // encoded as the bytes of opentelemetry.proto.common.v1.ArrayValue
  kKvlist = 7,  // encoded as the bytes of opentelemetry.proto.common.v1.KeyValueList
};

std::string_view to_string(ValueType type);

struct KeyValue;

struct Value {
  struct Bytes {
    std::string data;
    friend bool operator==(const Bytes&, const Bytes&) = default;
  };
  using Array = std::vector<Value>;
  using Kvlist = std::vector<KeyValue>;

  // The alternatives stand in the order of ValueType.
  std::variant<std::monostate, std::string, bool, int64_t, double, Bytes, Array, Kvlist> data;

  // Defined below KeyValue: clang looks into vector<KeyValue> as soon as it sees a body.
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();
  Value(std::string v);
  Value(std::string_view v);
  Value(const char* v);
  Value(bool v);
  Value(int64_t v);
  Value(int v);
  Value(double v);
  Value(Bytes v);
  Value(Array v);
  Value(Kvlist v);

  ValueType type() const { return static_cast<ValueType>(data.index()); }
  friend bool operator==(const Value&, const Value&);
};

struct KeyValue {
  std::string key;
  Value value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

inline Value::Value() = default;
inline Value::Value(const Value&) = default;
inline Value::Value(Value&&) noexcept = default;
inline Value& Value::operator=(const Value&) = default;
inline Value& Value::operator=(Value&&) noexcept = default;
inline Value::~Value() = default;
inline Value::Value(std::string v) : data(std::move(v)) {}
inline Value::Value(std::string_view v) : data(std::string(v)) {}
inline Value::Value(const char* v) : data(std::string(v)) {}
inline Value::Value(bool v) : data(v) {}
inline Value::Value(int64_t v) : data(v) {}
inline Value::Value(int v) : data(static_cast<int64_t>(v)) {}
inline Value::Value(double v) : data(v) {}
inline Value::Value(Bytes v) : data(std::move(v)) {}
inline Value::Value(Array v) : data(std::move(v)) {}
inline Value::Value(Kvlist v) : data(std::move(v)) {}

// Deeper nesting than this is refused by encode and decode (hostile input would exhaust the stack).
inline constexpr int kMaxValueDepth = 32;

// The protobuf bytes of the ArrayValue or KeyValueList in `value`, as columns keep them.
// Precondition: value is an array or a kvlist.
std::string encode_nested(const Value& value);

// The inverse. Malformed or too deep bytes give a Value of type kBytes that holds them, so that
// nothing is lost.
Value decode_nested(ValueType type, std::string_view encoded);

// One line for a person: strings bare, bytes as base64, arrays and kvlists as JSON.
std::string to_display(const Value& value);

}  // namespace weft
