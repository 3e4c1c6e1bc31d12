#include "store/text_template.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
constexpr std::array<size_t, 5> kUuidGroups = {8, 4, 4, 4, 12};

uint8_t nibble(char c) {
  // Letters have bit 6 set, digits have not.
  return static_cast<uint8_t>((c & 15) + (c >> 6) * 9);
}

// Two digits a byte; an odd last digit fills the high half.
void append_binary(std::string& out, std::string_view digits) {
  const size_t before = out.size();
  out.resize(before + (digits.size() + 1) / 2);
  char* to = out.data() + before;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    *to++ = static_cast<char>(nibble(digits[i]) << 4 | nibble(digits[i + 1]));
  if (digits.size() % 2 != 0) *to = static_cast<char>(nibble(digits.back()) << 4);
}

void append_digits(std::string& out, std::string_view binary, size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < digits; ++i) {
    const auto byte = static_cast<uint8_t>(binary[i / 2]);
    out.push_back(kDigits[i % 2 == 0 ? byte >> 4 : byte & 15]);
  }
}

bool is_uuid(std::string_view text) {
  if (text.size() < kUuidChars) return false;
  size_t at = 0;
  for (size_t group : kUuidGroups) {
    for (size_t i = 0; i < group; ++i) {
      if (!is_hex(text[at++])) return false;
    }
    if (at < kUuidChars && text[at++] != '-') return false;
  }
  return text.size() == kUuidChars || !is_word(text[kUuidChars]);
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

// Writes the template of one string without marks. Text is copied character by character until a
// digit comes; then the word around it is looked at as a whole.
class Splitter {
 public:
  Splitter(std::string_view text, std::string& skeleton, TemplateVariables& variables)
      : text_(text), skeleton_(skeleton), variables_(variables) {
    skeleton_.resize(text.size() * 2 + 2);
    out_ = skeleton_.data();
  }

  void run() {
    const char* const data = text_.data();
    const size_t size = text_.size();
    size_t word = 0;  // where the present word begins
    size_t at = 0;
    while (at < size) {
      const char c = data[at];
      const uint8_t type = class_of(c);
      if ((type & kDigit) == 0) {
        *out_++ = c;
        ++at;
        if (type == kOther) word = at;
        continue;
      }
      out_ -= at - word;
      at = word = take_word(word);
    }
    skeleton_.resize(static_cast<size_t>(out_ - skeleton_.data()));
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
        append_uuid_binary(variables_.binary, text_.substr(begin, kUuidChars));
        return begin + kUuidChars;
      }
      if (word.size() >= kMinHexDigits && word.size() <= kMaxHexDigits &&
          ((seen & kHexLetter) != 0 || word.size() > kMaxTemplateIntDigits)) {
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
    if (digits.size() > kMaxTemplateIntDigits || ints_ == kMaxTemplateInts) {
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

// One bit a character: what class it has. Strings of up to kMaxChars, which are nearly all, are
// split by words of bits instead of by characters.
class CharMasks {
 public:
  static constexpr size_t kMaxChars = 256;

  explicit CharMasks(std::string_view text) : size_(text.size()) {
    for (size_t at = 0; at < size_; at += kStep) {
      if (size_ - at >= kStep) {
        classify(text.data() + at, at);
      } else {
        char last[kStep];
        std::memset(last, ' ', sizeof last);  // of no class
        std::memcpy(last, text.data() + at, size_ - at);
        classify(last, at);
      }
    }
  }

  bool any_mark() const { return mark_ != 0; }
  // The first digit at or behind `at`; size() when there is none.
  size_t next_digit(size_t at) const {
    for (size_t w = at / 64; w * 64 < size_; ++w, at = 0) {
      const uint64_t bits = digit_[w] & (~uint64_t{0} << (at % 64));
      if (bits != 0) return w * 64 + static_cast<size_t>(std::countr_zero(bits));
    }
    return size_;
  }
  // Where the word around `at` begins, if not before `from`.
  size_t word_begin(size_t at, size_t from) const {
    while (at > from) {
      const size_t w = (at - 1) / 64;
      const size_t used = at - w * 64;  // 1 to 64 bits of this word lie before `at`
      const uint64_t others = ~word_[w] << (64 - used);
      const auto run = static_cast<size_t>(std::countl_zero(others));
      if (run < used) return std::max(from, at - run);
      at = w * 64;
    }
    return from;
  }
  size_t word_end(size_t at) const {
    for (size_t w = at / 64; w * 64 < size_; ++w, at = 0) {
      const uint64_t others = ~word_[w] & (~uint64_t{0} << (at % 64));
      if (others != 0) return std::min(size_, w * 64 + size_t(std::countr_zero(others)));
    }
    return size_;
  }
  // Bits of the 64 characters from `at` on, the first the lowest.
  uint64_t digits_from(size_t at) const { return window(digit_, at); }
  uint64_t hex_letters_from(size_t at) const { return window(hex_, at); }
  uint64_t word_from(size_t at) const { return window(word_, at); }

 private:
  static constexpr size_t kStep = 16;
  static constexpr size_t kWords = kMaxChars / 64 + 1;  // the last stays zero, for windows

  static uint64_t window(const uint64_t (&bits)[kWords], size_t at) {
    const size_t w = at / 64;
    const size_t shift = at % 64;
    return shift == 0 ? bits[w] : bits[w] >> shift | bits[w + 1] << (64 - shift);
  }

  void classify(const char* text, size_t at) {
    uint64_t digit;
    uint64_t hex;
    uint64_t word;
#ifdef __SSE2__
    const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
    // SSE has comparisons of signed bytes alone: the range is moved to their lowest end.
    const auto in_range = [](__m128i bytes, char first, int count) {
      const __m128i moved = _mm_sub_epi8(bytes, _mm_set1_epi8(static_cast<char>(first + 128)));
      const __m128i in = _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(count - 128)));
      return static_cast<uint64_t>(_mm_movemask_epi8(in));
    };
    digit = in_range(c, '0', 10);
    hex = in_range(c, 'a', 6);
    word = digit | in_range(_mm_or_si128(c, _mm_set1_epi8(0x20)), 'a', 26);
    mark_ |= in_range(c, 0, kMaxTemplateMark + 1);
#else
    digit = hex = word = 0;
    for (size_t i = 0; i < kStep; ++i) {
      const uint64_t type = class_of(text[i]);
      digit |= uint64_t{(type & kDigit) != 0} << i;
      hex |= uint64_t{(type & kHexLetter) != 0} << i;
      word |= uint64_t{(type & (kDigit | kHexLetter | kAlpha)) != 0} << i;
      mark_ |= type & kMark;
    }
#endif
    digit_[at / 64] |= digit << (at % 64);
    hex_[at / 64] |= hex << (at % 64);
    word_[at / 64] |= word << (at % 64);
  }

  size_t size_;
  uint64_t digit_[kWords] = {};
  uint64_t hex_[kWords] = {};
  uint64_t word_[kWords] = {};
  uint64_t mark_ = 0;
};

// What Splitter does, for strings without marks of up to CharMasks::kMaxChars.
class MaskSplitter {
 public:
  MaskSplitter(std::string_view text, const CharMasks& masks, TemplateVariables& variables)
      : text_(text), masks_(masks), variables_(variables) {}

  void run(std::string& skeleton) {
    size_t at = 0;
    while (true) {
      const size_t digit = masks_.next_digit(at);
      if (digit == text_.size()) break;
      const size_t begin = masks_.word_begin(digit, at);
      copy(at, begin);
      at = take_word(begin, masks_.word_end(digit));
    }
    copy(at, text_.size());
    skeleton.assign(buffer_, size_);
  }

 private:
  void put(char c) { buffer_[size_++] = c; }
  void put(TemplateMark mark) { put(static_cast<char>(mark)); }
  void copy(size_t begin, size_t end) {
    std::memcpy(buffer_ + size_, text_.data() + begin, end - begin);
    size_ += end - begin;
  }

  size_t take_word(size_t begin, size_t end) {
    const size_t length = end - begin;
    if (length <= 64) {
      const uint64_t in_word = length == 64 ? ~uint64_t{0} : (uint64_t{1} << length) - 1;
      const uint64_t digits = masks_.digits_from(begin) & in_word;
      const uint64_t hex = masks_.hex_letters_from(begin) & in_word;
      if ((digits | hex) == in_word && take_hex(begin, length, hex != 0)) return taken_;
    } else if (std::ranges::all_of(text_.substr(begin, length), is_hex)) {
      if (take_hex(begin, length, true)) return taken_;  // too long to be a number in any case
    }
    for (size_t at = begin; at < end;) {
      const size_t digit = std::min(masks_.next_digit(at), end);
      copy(at, digit);
      at = digit;
      while (at < end && class_of(text_[at]) == kDigit)
        ++at;
      if (at > digit) take_digits(digit, at);
    }
    return end;
  }

  // A word of nothing but hexadecimal digits, as a UUID or a hexadecimal number. False when it is
  // neither; else taken_ is where the text goes on.
  bool take_hex(size_t begin, size_t length, bool has_letters) {
    if (length == kUuidGroups[0] && is_uuid_at(begin)) {
      put(TemplateMark::kUuid);
      append_uuid_binary(variables_.binary, text_.substr(begin, kUuidChars));
      taken_ = begin + kUuidChars;
      return true;
    }
    if (length < kMinHexDigits || length > kMaxHexDigits ||
        (!has_letters && length <= kMaxTemplateIntDigits)) {
      return false;
    }
    put(TemplateMark::kHex);
    put(static_cast<char>(length));
    append_binary(variables_.binary, text_.substr(begin, length));
    taken_ = begin + length;
    return true;
  }

  bool is_uuid_at(size_t begin) const {
    constexpr uint64_t kDashes = 1u << 8 | 1u << 13 | 1u << 18 | 1u << 23;
    constexpr uint64_t kAll = (uint64_t{1} << kUuidChars) - 1;
    if (text_.size() - begin < kUuidChars) return false;
    const uint64_t hex = masks_.digits_from(begin) | masks_.hex_letters_from(begin);
    if ((hex & kAll) != (kAll ^ kDashes)) return false;
    if ((masks_.word_from(begin) >> kUuidChars & 1) != 0) return false;
    const char* const uuid = text_.data() + begin;
    return uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-';
  }

  void take_digits(size_t begin, size_t end) {
    const size_t length = end - begin;
    if (length > kMaxTemplateIntDigits || ints_ == kMaxTemplateInts) return copy(begin, end);
    if (length > 1 && text_[begin] == '0') {
      put(TemplateMark::kPadded);
      put(static_cast<char>(length));
    } else {
      put(TemplateMark::kInt);
    }
    variables_.ints[ints_++].push_back(parse_decimal(text_.substr(begin, length)));
  }

  std::string_view text_;
  const CharMasks& masks_;
  TemplateVariables& variables_;
  size_t ints_ = 0;
  size_t taken_ = 0;
  size_t size_ = 0;
  char buffer_[CharMasks::kMaxChars];  // no template is longer than its string
};

}  // namespace

void split_template(std::string_view text, std::string& skeleton, TemplateVariables& variables) {
  // Marks are looked for first: nothing must have been appended when the string is kept whole.
  if (text.size() <= CharMasks::kMaxChars) {
    const CharMasks masks(text);
    if (!masks.any_mark()) return MaskSplitter(text, masks, variables).run(skeleton);
  } else if (!has_mark(text)) {
    Splitter(text, skeleton, variables).run();
    return;
  }
  skeleton = kRawTemplate;
  add_raw(text, variables);
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

TemplateNeeds template_needs(std::string_view skeleton) {
  TemplateNeeds out;
  for (size_t at = 0; at < skeleton.size(); ++at) {
    if (class_of(skeleton[at]) != kMark) continue;
    switch (static_cast<TemplateMark>(skeleton[at])) {
      case TemplateMark::kPadded:
        ++at;
        [[fallthrough]];
      case TemplateMark::kInt:
        ++out.ints;
        break;
      case TemplateMark::kHex:
        if (++at < skeleton.size()) {
          out.binary_bytes += (uint32_t{static_cast<uint8_t>(skeleton[at])} + 1) / 2;
        }
        break;
      case TemplateMark::kUuid:
        out.binary_bytes += 16;
        break;
      case TemplateMark::kRaw:
        ++out.raws;
        break;
    }
  }
  return out;
}

bool TemplateJoiner::skip(const TemplateNeeds& needs, uint64_t strings) {
  // No page has 2^32 strings.
  if (needs.ints > kMaxTemplateInts || strings > UINT32_MAX ||
      needs.binary_bytes * strings > variables_.binary.size() - next_binary_ ||
      needs.raws * strings > variables_.raw_lengths.size() - next_raw_) {
    return false;
  }
  // join() looks at the integers' ends itself.
  for (uint32_t i = 0; i < needs.ints; ++i)
    next_int_[i] += strings;
  next_binary_ += needs.binary_bytes * strings;
  for (uint64_t i = 0; i < needs.raws * strings; ++i) {
    const uint64_t length = variables_.raw_lengths[next_raw_++];
    if (length > variables_.raw.size() - next_raw_byte_) return false;
    next_raw_byte_ += length;
  }
  return true;
}

bool TemplateJoiner::next_is(const TemplateNeeds& needs, const TemplateVariables& wanted) const {
  if (needs.raws > 0) return next_raw_is(wanted.raw);
  for (uint32_t i = 0; i < needs.ints; ++i) {
    const auto& ints = variables_.ints[i];
    if (next_int_[i] >= ints.size() || ints[next_int_[i]] != wanted.ints[i].front()) return false;
  }
  return variables_.binary.compare(next_binary_, needs.binary_bytes, wanted.binary) == 0;
}

bool TemplateJoiner::next_raw_is(std::string_view text) const {
  return next_raw_ < variables_.raw_lengths.size() &&
         variables_.raw_lengths[next_raw_] == text.size() &&
         variables_.raw.compare(next_raw_byte_, text.size(), text) == 0;
}

}  // namespace weft::store
