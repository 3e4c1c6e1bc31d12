#include "store/known_template.h"

#include <array>
#include <bit>
#include <cstring>

namespace weft::store {
namespace {

// Longer strings are rare, and what they hold is not parsed into memory of fixed size.
constexpr size_t kMaxChars = 256;
constexpr uint8_t kNoNibble = 0x80;

constexpr std::array<uint8_t, 256> make_nibbles() {
  std::array<uint8_t, 256> nibbles{};
  nibbles.fill(kNoNibble);
  for (uint8_t i = 0; i < 10; ++i)
    nibbles[static_cast<size_t>('0' + i)] = i;
  for (uint8_t i = 0; i < 6; ++i)
    nibbles[static_cast<size_t>('a' + i)] = static_cast<uint8_t>(10 + i);
  return nibbles;
}
constexpr std::array<uint8_t, 256> kNibbles = make_nibbles();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
// A letter that no hexadecimal number has.
bool is_plain_letter(char c) {
  return is_word(c) && !is_digit(c) && !(c >= 'a' && c <= 'f');
}
bool is_mark(char c) {
  return c > 0 && c <= kMaxTemplateMark;
}

// memcmp() == 0 without a call, for texts that are mostly a few bytes.
[[gnu::always_inline]] inline bool equal_bytes(const char* a, const char* b, size_t size) {
  const auto differ64 = [](const char* x, const char* y) {
    uint64_t left;
    uint64_t right;
    std::memcpy(&left, x, 8);
    std::memcpy(&right, y, 8);
    return left ^ right;
  };
  if (size >= 8) {
    // The last word overlaps the one before it.
    if (differ64(a + size - 8, b + size - 8) != 0) return false;
    for (size_t at = 0; at + 8 < size; at += 8) {
      if (differ64(a + at, b + at) != 0) return false;
    }
    return true;
  }
  if (size >= 4) {
    uint32_t head[2];
    uint32_t tail[2];
    std::memcpy(&head[0], a, 4);
    std::memcpy(&head[1], b, 4);
    std::memcpy(&tail[0], a + size - 4, 4);
    std::memcpy(&tail[1], b + size - 4, 4);
    return ((head[0] ^ head[1]) | (tail[0] ^ tail[1])) == 0;
  }
  for (size_t at = 0; at < size; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

// Variables of one string until it is known that its template is the right one.
struct Parsed {
  std::array<uint64_t, kMaxTemplateInts> ints;
  size_t int_count = 0;
  std::array<char, kMaxChars> binary;
  size_t binary_size = 0;
};

// The number at `at`, which goes to what is behind its digits. Without meaning when there are none
// or more than kMaxTemplateIntDigits.
uint64_t parse_number(const char*& at, const char* end) {
  uint64_t value = 0;
  if (std::endian::native == std::endian::little && end - at >= 8) {
    // Most have a few digits: all at once, as a word whose first byte is the first character.
    uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= 0x3030'3030'3030'3030u;  // digits become 0 to 9
    const uint64_t others = ((word + 0x7676'7676'7676'7676u) | word) & 0x8080'8080'8080'8080u;
    if (others != 0) {
      const auto digits = static_cast<size_t>(std::countr_zero(others)) / 8;
      at += digits;
      if (digits == 0) return 0;
      word <<= 64 - digits * 8;  // zeros before them
      word = (word * 2561) >> 8;
      word = ((word & 0x00FF'00FF'00FF'00FFu) * 6'553'601) >> 16;
      return ((word & 0x0000'FFFF'0000'FFFFu) * 42'949'672'960'001u) >> 32;
    }
  }
  for (; at < end && is_digit(*at); ++at)
    value = value * 10 + static_cast<uint64_t>(*at - '0');
  return value;
}

enum class HexKind : uint8_t { kNone, kDigits, kLetters, kMixed };

// `count` hexadecimal digits, at least one, into `out`. kNone: there is something else.
HexKind parse_hex(const char* text, size_t count, Parsed& out) {
  char* to = out.binary.data() + out.binary_size;
  uint8_t seen = 0;
  uint8_t any = 0;
  uint8_t all = 0xFF;
  for (size_t i = 0; i + 1 < count; i += 2) {
    const uint8_t high = kNibbles[static_cast<uint8_t>(text[i])];
    const uint8_t low = kNibbles[static_cast<uint8_t>(text[i + 1])];
    seen |= high | low;
    any |= static_cast<uint8_t>(text[i] | text[i + 1]);
    all &= static_cast<uint8_t>(text[i] & text[i + 1]);
    *to++ = static_cast<char>(high << 4 | low);
  }
  if (count % 2 != 0) {
    const uint8_t high = kNibbles[static_cast<uint8_t>(text[count - 1])];
    seen |= high;
    any |= static_cast<uint8_t>(text[count - 1]);
    all &= static_cast<uint8_t>(text[count - 1]);
    *to++ = static_cast<char>(high << 4);
  }
  out.binary_size = static_cast<size_t>(to - out.binary.data());
  if ((seen & kNoNibble) != 0) return HexKind::kNone;
  // Letters have bit 6 set, digits have not.
  if ((all & 0x40) != 0) return HexKind::kLetters;
  return (any & 0x40) != 0 ? HexKind::kMixed : HexKind::kDigits;
}

bool parse_uuid(const char* text, Parsed& out) {
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return false;
  // Words are looked at when they have a digit.
  const HexKind first = parse_hex(text, 8, out);
  if (first == HexKind::kNone || first == HexKind::kLetters) return false;
  return parse_hex(text + 9, 4, out) != HexKind::kNone &&
         parse_hex(text + 14, 4, out) != HexKind::kNone &&
         parse_hex(text + 19, 4, out) != HexKind::kNone &&
         parse_hex(text + 24, 12, out) != HexKind::kNone;
}

}  // namespace

KnownTemplate::KnownTemplate(std::string_view skeleton) {
  for (size_t at = 0; at < skeleton.size();) {
    if (!add_step(skeleton, at)) {
      steps_.clear();
      return;
    }
  }
  // The text behind the last variable.
  steps_.push_back({.text_end = static_cast<uint32_t>(text_.size())});
}

// Takes text up to a variable and the variable. Whether digits are a number, or part of a
// hexadecimal one or of a UUID, is for the word around them to say. Here it has to follow from the
// template alone, or from what split() looks at: a number that stands alone, or in a word that has
// a letter which no hexadecimal number has. False: it does not follow.
bool KnownTemplate::add_step(std::string_view skeleton, size_t& at) {
  while (at < skeleton.size() && !is_mark(skeleton[at])) {
    if (is_digit(skeleton[at])) return false;
    text_ += skeleton[at++];
  }
  if (at == skeleton.size()) return true;
  Step step;
  step.text_end = static_cast<uint32_t>(text_.size());
  step.mark = static_cast<TemplateMark>(skeleton[at]);
  const size_t begin = at++;
  switch (step.mark) {
    case TemplateMark::kRaw:
      return false;
    case TemplateMark::kHex:
    case TemplateMark::kPadded:
      if (at == skeleton.size()) return false;
      step.digits = static_cast<uint8_t>(skeleton[at++]);
      break;
    case TemplateMark::kInt:
    case TemplateMark::kUuid:
      break;
  }
  const bool is_number = step.mark == TemplateMark::kInt || step.mark == TemplateMark::kPadded;
  const bool joined_before = begin > 0 && !text_.empty() && is_word(skeleton[begin - 1]);
  const bool joined_behind = at < skeleton.size() && is_word(skeleton[at]);
  if (joined_before || joined_behind) {
    if (!is_number) return false;
    bool plain = false;
    for (size_t i = begin; i > 0 && is_word(skeleton[i - 1]); --i)
      plain = plain || is_plain_letter(skeleton[i - 1]);
    for (size_t i = at; i < skeleton.size() && is_word(skeleton[i]); ++i)
      plain = plain || is_plain_letter(skeleton[i]);
    if (!plain) return false;
  }
  steps_.push_back(step);
  return true;
}

bool KnownTemplate::split(std::string_view text, TemplateVariables& variables) const {
  if (steps_.empty() || text.size() > kMaxChars) return false;
  Parsed parsed;
  const char* at = text.data();
  const char* const end = at + text.size();
  size_t text_begin = 0;
  for (const Step& step : steps_) {
    const size_t size = step.text_end - text_begin;
    if (static_cast<size_t>(end - at) < size) return false;
    if (!equal_bytes(at, text_.data() + text_begin, size)) return false;
    at += size;
    text_begin = step.text_end;
    switch (step.mark) {
      case TemplateMark::kRaw:
        break;  // the end
      case TemplateMark::kInt:
      case TemplateMark::kPadded: {
        const char* const begin = at;
        const uint64_t value = parse_number(at, end);
        const auto digits = static_cast<size_t>(at - begin);
        const bool is_padded = digits > 1 && *begin == '0';
        if (digits == 0 || digits > kMaxTemplateIntDigits || parsed.int_count == kMaxTemplateInts)
          return false;
        if (is_padded != (step.mark == TemplateMark::kPadded)) return false;
        if (is_padded && digits != step.digits) return false;
        if (digits == 8 && at < end && *at == '-') return false;  // the begin of a UUID?
        parsed.ints[parsed.int_count++] = value;
        break;
      }
      case TemplateMark::kHex: {
        if (static_cast<size_t>(end - at) < step.digits) return false;
        const HexKind kind = parse_hex(at, step.digits, parsed);
        at += step.digits;
        // Words without a digit stay text, words of up to 18 digits are a number.
        if (kind == HexKind::kNone || kind == HexKind::kLetters) return false;
        if (kind == HexKind::kDigits && step.digits <= kMaxTemplateIntDigits) return false;
        if (at < end && is_word(*at)) return false;
        if (step.digits == 8 && at < end && *at == '-') return false;
        break;
      }
      case TemplateMark::kUuid:
        if (static_cast<size_t>(end - at) < kUuidChars || !parse_uuid(at, parsed)) return false;
        at += kUuidChars;
        if (at < end && is_word(*at)) return false;
        break;
    }
  }
  if (at != end) return false;
  for (size_t i = 0; i < parsed.int_count; ++i)
    variables.ints[i].push_back(parsed.ints[i]);
  variables.binary.append(parsed.binary.data(), parsed.binary_size);
  return true;
}

}  // namespace weft::store
