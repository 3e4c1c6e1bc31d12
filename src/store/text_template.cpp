#include "store/text_template.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "store/stream_codec.h"

namespace weft::store {
namespace {

enum CharClass : uint8_t { kOther = 0, kDigit = 1, kHexLetter = 2, kAlpha = 4, kMark = 8 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = '0'; c <= '9'; ++c)
    classes[static_cast<size_t>(c)] = kDigit;
  for (int c = 'a'; c <= 'z'; ++c)
    classes[static_cast<size_t>(c)] = kAlpha;
  for (int c = 'A'; c <= 'Z'; ++c)
    classes[static_cast<size_t>(c)] = kAlpha;
  for (int c = 'a'; c <= 'f'; ++c)
    classes[static_cast<size_t>(c)] = kHexLetter;
  for (int c = 0; c <= kMaxTemplateMark; ++c)
    classes[static_cast<size_t>(c)] = kMark;
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

uint8_t class_of(char c) {
  return kClasses[static_cast<uint8_t>(c)];
}
bool is_hex(char c) {
  return (class_of(c) & (kDigit | kHexLetter)) != 0;
}
bool is_word(char c) {
  return (class_of(c) & (kDigit | kHexLetter | kAlpha)) != 0;
}

constexpr size_t kMinHexDigits = 6;
constexpr size_t kMaxHexDigits = 255;
constexpr size_t kMaxIntDigits = 18;
constexpr std::array<size_t, 5> kUuidGroups = {8, 4, 4, 4, 12};
constexpr size_t kUuidLength = 36;

uint8_t nibble(char c) {
  return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

// Two digits a byte; an odd last digit fills the high half.
void append_binary(std::string& out, std::string_view digits) {
  for (size_t i = 0; i < digits.size(); i += 2) {
    const uint8_t low = i + 1 < digits.size() ? nibble(digits[i + 1]) : 0;
    out.push_back(static_cast<char>(nibble(digits[i]) << 4 | low));
  }
}

void append_digits(std::string& out, std::string_view binary, size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < digits; ++i) {
    const auto byte = static_cast<uint8_t>(binary[i / 2]);
    out.push_back(kDigits[i % 2 == 0 ? byte >> 4 : byte & 15]);
  }
}

bool is_uuid(std::string_view text) {
  if (text.size() < kUuidLength) return false;
  size_t at = 0;
  for (size_t group : kUuidGroups) {
    for (size_t i = 0; i < group; ++i) {
      if (!is_hex(text[at++])) return false;
    }
    if (at < kUuidLength && text[at++] != '-') return false;
  }
  return text.size() == kUuidLength || !is_word(text[kUuidLength]);
}

void append_uuid_binary(std::string& out, std::string_view uuid) {
  size_t at = 0;
  for (size_t group : kUuidGroups) {
    append_binary(out, uuid.substr(at, group));
    at += group + 1;
  }
}

void append_uuid(std::string& out, std::string_view binary) {
  size_t at = 0;
  for (size_t group : kUuidGroups) {
    if (at > 0) out.push_back('-');
    append_digits(out, binary.substr(at, group / 2), group);
    at += group / 2;
  }
}

uint64_t parse_decimal(std::string_view digits) {
  uint64_t value = 0;
  for (char c : digits)
    value = value * 10 + static_cast<uint64_t>(c - '0');
  return value;
}

}  // namespace

void TemplateVariables::clear() {
  for (auto& slot : ints)
    slot.clear();
  binary.clear();
  raw_lengths.clear();
  raw.clear();
}

void add_raw(std::string_view text, TemplateVariables& variables) {
  variables.raw_lengths.push_back(text.size());
  variables.raw += text;
}

namespace {

// Writes the template of one string. Text is copied character by character until a digit comes;
// then the word around it is looked at as a whole.
class Splitter {
 public:
  Splitter(std::string_view text, std::string& skeleton, TemplateVariables& variables)
      : text_(text), skeleton_(skeleton), variables_(variables) {
    skeleton_.resize(text.size() * 2 + 2);
    out_ = skeleton_.data();
  }

  // False when the string holds a mark itself; some variables may have been appended then.
  bool run() {
    const char* const data = text_.data();
    const size_t size = text_.size();
    size_t word = 0;  // where the present word begins
    size_t at = 0;
    while (at < size) {
      const char c = data[at];
      const uint8_t type = class_of(c);
      if ((type & (kDigit | kMark)) == 0) {
        *out_++ = c;
        ++at;
        if (type == kOther) word = at;
        continue;
      }
      if (type == kMark) return false;
      out_ -= at - word;
      at = word = take_word(word);
    }
    skeleton_.resize(static_cast<size_t>(out_ - skeleton_.data()));
    return true;
  }

 private:
  // The word at `begin` has a digit. Returns where the text goes on.
  size_t take_word(size_t begin) {
    size_t end = begin;
    uint8_t seen = 0;
    while (end < text_.size() && is_word(text_[end]))
      seen |= class_of(text_[end++]);
    const std::string_view word = text_.substr(begin, end - begin);
    if ((seen & kAlpha) == 0) {
      if (word.size() == kUuidGroups[0] && is_uuid(text_.substr(begin))) {
        *out_++ = static_cast<char>(TemplateMark::kUuid);
        append_uuid_binary(variables_.binary, text_.substr(begin, kUuidLength));
        return begin + kUuidLength;
      }
      if (word.size() >= kMinHexDigits && word.size() <= kMaxHexDigits &&
          ((seen & kHexLetter) != 0 || word.size() > kMaxIntDigits)) {
        *out_++ = static_cast<char>(TemplateMark::kHex);
        *out_++ = static_cast<char>(word.size());
        append_binary(variables_.binary, word);
        return end;
      }
    }
    for (size_t at = begin; at < end;) {
      if (class_of(text_[at]) != kDigit) {
        *out_++ = text_[at++];
        continue;
      }
      size_t stop = at;
      while (stop < end && class_of(text_[stop]) == kDigit)
        ++stop;
      take_digits(text_.substr(at, stop - at));
      at = stop;
    }
    return end;
  }

  void take_digits(std::string_view digits) {
    if (digits.size() > kMaxIntDigits || ints_ == kMaxTemplateInts) {
      out_ = std::ranges::copy(digits, out_).out;
      return;
    }
    if (digits.size() > 1 && digits.front() == '0') {
      *out_++ = static_cast<char>(TemplateMark::kPadded);
      *out_++ = static_cast<char>(digits.size());
    } else {
      *out_++ = static_cast<char>(TemplateMark::kInt);
    }
    variables_.ints[ints_++].push_back(parse_decimal(digits));
  }

  std::string_view text_;
  std::string& skeleton_;
  TemplateVariables& variables_;
  char* out_;
  size_t ints_ = 0;
};

bool has_mark(std::string_view text) {
  uint8_t seen = 0;
  for (char c : text)
    seen |= class_of(c);
  return (seen & kMark) != 0;
}

}  // namespace

void split_template(std::string_view text, std::string& skeleton, TemplateVariables& variables) {
  // Marks are looked for first: nothing must have been appended when the string is kept whole.
  if (has_mark(text) || !Splitter(text, skeleton, variables).run()) {
    skeleton = kRawTemplate;
    add_raw(text, variables);
  }
}

void put_variables(std::string& out, const TemplateVariables& variables) {
  uint8_t present = 0;
  for (size_t slot = 0; slot < kMaxTemplateInts; ++slot) {
    if (!variables.ints[slot].empty()) present |= static_cast<uint8_t>(1u << slot);
  }
  put_fixed(out, present);
  for (const auto& slot : variables.ints) {
    if (slot.empty()) continue;
    put_varint(out, slot.size());
    put_ints(out, slot);
  }
  put_stream(out, variables.binary);
  put_varint(out, variables.raw_lengths.size());
  put_ints(out, variables.raw_lengths);
  put_stream(out, variables.raw);
}

bool get_variables(ByteReader& in, TemplateVariables& variables, uint64_t strings,
                   uint64_t max_bytes) {
  variables.clear();
  const auto present = in.fixed<uint8_t>();
  const auto ints = [&](std::vector<uint64_t>& out) {
    const uint64_t count = in.varint();
    return in.ok() && count <= strings && get_ints(in, out, count);
  };
  for (size_t slot = 0; slot < kMaxTemplateInts; ++slot) {
    if ((present >> slot & 1) != 0 && !ints(variables.ints[slot])) return false;
  }
  return get_stream(in, variables.binary, max_bytes) && ints(variables.raw_lengths) &&
         get_stream(in, variables.raw, max_bytes) && in.ok();
}

bool TemplateJoiner::join(std::string_view skeleton, std::string& text) {
  text.clear();
  size_t ints = 0;
  const auto binary = [&](size_t bytes, std::string_view& out) {
    if (bytes > variables_.binary.size() - next_binary_) return false;
    out = std::string_view(variables_.binary).substr(next_binary_, bytes);
    next_binary_ += bytes;
    return true;
  };
  for (size_t at = 0; at < skeleton.size(); ++at) {
    const char c = skeleton[at];
    if (class_of(c) != kMark) {
      text.push_back(c);
      continue;
    }
    std::string_view bytes;
    switch (static_cast<TemplateMark>(c)) {
      case TemplateMark::kInt:
      case TemplateMark::kPadded: {
        if (ints == kMaxTemplateInts || next_int_[ints] >= variables_.ints[ints].size()) {
          return false;
        }
        const uint64_t value = variables_.ints[ints][next_int_[ints]];
        ++next_int_[ints++];
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        const auto length = static_cast<size_t>(end - digits);
        if (static_cast<TemplateMark>(c) == TemplateMark::kPadded) {
          if (++at >= skeleton.size()) return false;
          const auto width = static_cast<uint8_t>(skeleton[at]);
          if (length < width) text.append(width - length, '0');
        }
        text.append(digits, length);
        break;
      }
      case TemplateMark::kHex: {
        if (++at >= skeleton.size()) return false;
        const size_t count = static_cast<uint8_t>(skeleton[at]);
        if (!binary((count + 1) / 2, bytes)) return false;
        append_digits(text, bytes, count);
        break;
      }
      case TemplateMark::kUuid:
        if (!binary(16, bytes)) return false;
        append_uuid(text, bytes);
        break;
      case TemplateMark::kRaw: {
        if (next_raw_ >= variables_.raw_lengths.size()) return false;
        const uint64_t length = variables_.raw_lengths[next_raw_++];
        if (length > variables_.raw.size() - next_raw_byte_) return false;
        text.append(variables_.raw, next_raw_byte_, length);
        next_raw_byte_ += length;
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

}  // namespace weft::store
