// Attributes: a key and a value of one of the types that OpenTelemetry knows. Both are views: they
// copy nothing and live as long as the expression that passes them to a call, which is all that
// is needed, because every call that takes them has encoded them when it returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <type_traits>

namespace weft::sdk_detail {

// The types that an array attribute is made of.
template <class T>
inline constexpr bool kIsElement = std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t> ||
                                   std::is_same_v<T, double> || std::is_same_v<T, std::string_view>;

}  // namespace weft::sdk_detail

namespace weft::inline v1 {

// Raw bytes as an attribute value (`bytes_value` of OTLP), told apart from text by its type.
struct Bytes {
  std::span<const unsigned char> data;
};

// A value of an attribute, seen and not owned. Converts implicitly from bool, every integer and
// floating-point type, everything that converts to std::string_view (which must be UTF-8; bytes
// that are not are replaced by U+FFFD when encoded), Bytes, and contiguous ranges of bool,
// std::int64_t, double or std::string_view. An unsigned value above INT64_MAX becomes INT64_MAX,
// because OTLP has no unsigned type.
class AttributeValue {
 public:
  // What a value holds; the kinds of OTLP's AnyValue.
  enum class Type : std::uint8_t {
    kString,
    kBool,
    kInt,
    kDouble,
    kBytes,
    kBoolArray,
    kIntArray,
    kDoubleArray,
    kStringArray,
  };

  // The empty string.
  constexpr AttributeValue() : type_(Type::kString), size_(0), string_("") {}

  // bool, integers and floating-point numbers.
  template <class T>
    requires std::is_arithmetic_v<T>
  constexpr AttributeValue(T value) : size_(0) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_same_v<T, bool>) {
      type_ = Type::kBool;
      bool_ = value;
    } else if constexpr (std::is_floating_point_v<T>) {
      type_ = Type::kDouble;
      double_ = static_cast<double>(value);
    } else {
      type_ = Type::kInt;
      if constexpr (std::is_unsigned_v<T> && sizeof(T) == 8) {
        int_ = value > static_cast<T>(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(value);
      } else {
        int_ = static_cast<std::int64_t>(value);
      }
    }
  }

  // A null pointer is the empty string.
  constexpr AttributeValue(const char* value)  // NOLINT(google-explicit-constructor)
      : AttributeValue(value == nullptr ? std::string_view("") : std::string_view(value)) {}

  // Text, which has to live as long as the value.
  constexpr AttributeValue(std::string_view value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kString), size_(value.size()), string_(value.data()) {}

  // std::string and other types that convert to std::string_view.
  template <class T>
    requires(std::is_class_v<T> && std::is_convertible_v<const T&, std::string_view> &&
             !std::is_same_v<T, std::string_view>)
  constexpr AttributeValue(const T& value)  // NOLINT(google-explicit-constructor)
      : AttributeValue(static_cast<std::string_view>(value)) {}

  // Bytes, and arrays of the four element types; the data has to live as long as the value.
  constexpr AttributeValue(Bytes value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kBytes), size_(value.data.size()), bytes_(value.data.data()) {}
  constexpr AttributeValue(std::span<const bool> values)  // NOLINT(google-explicit-constructor)
      : type_(Type::kBoolArray), size_(values.size()), bools_(values.data()) {}
  constexpr AttributeValue(
      std::span<const std::int64_t> values)  // NOLINT(google-explicit-constructor)
      : type_(Type::kIntArray), size_(values.size()), ints_(values.data()) {}
  constexpr AttributeValue(std::span<const double> values)  // NOLINT(google-explicit-constructor)
      : type_(Type::kDoubleArray), size_(values.size()), doubles_(values.data()) {}
  constexpr AttributeValue(
      std::span<const std::string_view> values)  // NOLINT(google-explicit-constructor)
      : type_(Type::kStringArray), size_(values.size()), strings_(values.data()) {}

  // Vectors, std::array and C arrays of the four element types. Others, std::string among them,
  // need an array of these that lives as long as the value.
  template <class R>
    requires(!std::is_convertible_v<const R&, std::string_view> &&
             requires(const R& range) {
               std::span(range);
               requires sdk_detail::kIsElement<typename decltype(std::span(range))::value_type>;
             })
  constexpr AttributeValue(const R& range)  // NOLINT(google-explicit-constructor)
      : AttributeValue(
            std::span<const typename decltype(std::span(range))::value_type>(std::span(range))) {}

  // Which of the accessors below may be called.
  constexpr Type type() const { return type_; }
  // Elements of an array, bytes of a string; 0 for the rest.
  constexpr std::size_t size() const { return size_; }

  // Each of these may only be called when type() says so.
  constexpr std::string_view string() const { return {string_, size_}; }
  constexpr bool boolean() const { return bool_; }
  constexpr std::int64_t integer() const { return int_; }
  constexpr double floating() const { return double_; }
  constexpr std::span<const unsigned char> bytes() const { return {bytes_, size_}; }
  constexpr std::span<const bool> bools() const { return {bools_, size_}; }
  constexpr std::span<const std::int64_t> ints() const { return {ints_, size_}; }
  constexpr std::span<const double> doubles() const { return {doubles_, size_}; }
  constexpr std::span<const std::string_view> strings() const { return {strings_, size_}; }

 private:
  Type type_;
  std::size_t size_;
  union {
    const char* string_;
    bool bool_;
    std::int64_t int_;
    double double_;
    const unsigned char* bytes_;
    const bool* bools_;
    const std::int64_t* ints_;
    const double* doubles_;
    const std::string_view* strings_;
  };
};

// One attribute. An attribute with an empty key is ignored, as OpenTelemetry says.
struct Attribute {
  std::string_view key;
  AttributeValue value;
};

// A list of attributes, seen and not owned. A braced list lives as long as the expression that it
// stands in: pass it straight to a call, and keep an array where the list has to outlive that.
// Made from a braced list in a call, from an array, a
// std::vector<Attribute> or a std::span.
class Attributes {
 public:
  constexpr Attributes() = default;
  // The list has to live as long as this object.
  constexpr Attributes(  // NOLINT(google-explicit-constructor)
      std::initializer_list<Attribute> list)
      : size_(list.size()) {
    data_ = list.begin();
  }
  constexpr Attributes(  // NOLINT(google-explicit-constructor)
      std::span<const Attribute> list)
      : data_(list.data()), size_(list.size()) {}
  template <class R>
    requires(!std::is_same_v<R, Attributes> &&
             std::is_convertible_v<const R&, std::span<const Attribute>>)
  constexpr Attributes(const R& range)  // NOLINT(google-explicit-constructor)
      : Attributes(std::span<const Attribute>(range)) {}

  constexpr const Attribute* begin() const { return data_; }
  constexpr const Attribute* end() const { return data_ + size_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  // `i` is below size().
  constexpr const Attribute& operator[](std::size_t i) const { return data_[i]; }

 private:
  const Attribute* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace weft::inline v1
