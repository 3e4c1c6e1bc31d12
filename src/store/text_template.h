// Near-unique strings as a template and its variables: "/orders/1234/items/9f86d081…" becomes the
// template "/orders/<int>/items/<hex>" (which repeats, and is a dictionary entry) and an integer
// and a few bytes. Block pages keep columns of such strings this way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/bytes.h"

namespace weft::store {

// Marks in a template. Strings that hold one of these bytes themselves are kept whole (kRaw).
enum class TemplateMark : char {
  kInt = 1,     // a decimal number without leading zeros, below 2^63
  kHex = 2,     // followed by a byte: the number of lower-case hex digits
  kUuid = 3,    // 8-4-4-4-12 lower-case hex digits, 16 bytes
  kPadded = 4,  // followed by a byte: the number of digits; a number with leading zeros
  kRaw = 5,     // the whole string; stands alone
};

inline constexpr char kMaxTemplateMark = 5;
// Variables of one string beyond this are left as text.
inline constexpr size_t kMaxTemplateInts = 8;
// Longer numbers are text; words of more hexadecimal digits than this need no letter.
inline constexpr size_t kMaxTemplateIntDigits = 18;
inline constexpr size_t kUuidChars = 36;

// The variables of one page of strings, in row order.
struct TemplateVariables {
  // By position of the integer within its string.
  std::vector<uint64_t> ints[kMaxTemplateInts];
  std::string binary;                 // of kHex and kUuid
  std::vector<uint64_t> raw_lengths;  // of kRaw
  std::string raw;

  void clear();
};

// Splits `text`: the template into `skeleton`, its variables appended to `variables`. How a string
// is split belongs to the format: readers look for a string by its template and variables.
void split_template(std::string_view text, std::string& skeleton, TemplateVariables& variables);
// The template of all strings that have no other.
inline constexpr std::string_view kRawTemplate = "\x05";
// Appends `text` as a variable of kRawTemplate.
void add_raw(std::string_view text, TemplateVariables& variables);

void put_variables(std::string& out, const TemplateVariables& variables);
// Of at most `strings` strings. False when they are damaged.
bool get_variables(ByteReader& in, TemplateVariables& variables, uint64_t strings,
                   uint64_t max_bytes);

// How many variables a template takes.
struct TemplateNeeds {
  uint32_t ints = 0;  // more than kMaxTemplateInts: damage
  uint32_t binary_bytes = 0;
  uint32_t raws = 0;
};
TemplateNeeds template_needs(std::string_view skeleton);

// Puts the strings of a page together again, in the order in which they were split.
class TemplateJoiner {
 public:
  explicit TemplateJoiner(const TemplateVariables& variables) : variables_(variables) {}
  // False when the variables have run out (damage). `text` is replaced.
  bool join(std::string_view skeleton, std::string& text);
  // Passes over strings of one template that nobody wants. False as of join.
  bool skip(const TemplateNeeds& needs, uint64_t strings = 1);
  // Whether the next string, whose template has these needs, has the variables of `wanted` (of one
  // string). Nothing is passed over.
  bool next_is(const TemplateNeeds& needs, const TemplateVariables& wanted) const;
  // Whether the next string, which is kept whole, is `text`.
  bool next_raw_is(std::string_view text) const;

 private:
  const TemplateVariables& variables_;
  size_t next_int_[kMaxTemplateInts] = {};
  size_t next_binary_ = 0;
  size_t next_raw_ = 0;
  size_t next_raw_byte_ = 0;
};

}  // namespace weft::store
