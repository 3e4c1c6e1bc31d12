#include "store/text_regex.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "store/text_template.h"

namespace weft::store {
namespace {

// What a template has at one place, of strings in lower case.
enum class Allowed : uint8_t { kChar, kDigits, kHex, kUuid };
struct TemplatePlace {
  Allowed allowed = Allowed::kChar;
  char character = 0;  // kChar: this one; else any number of those that are allowed

  bool takes(char c) const {
    const bool digit = c >= '0' && c <= '9';
    switch (allowed) {
      case Allowed::kChar:
        return c == character;
      case Allowed::kDigits:
        return digit;
      case Allowed::kHex:
        return digit || (c >= 'a' && c <= 'f');
      case Allowed::kUuid:
        return digit || (c >= 'a' && c <= 'f') || c == '-';
    }
    return true;
  }
};

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Empty when strings of the template can be anything.
std::vector<TemplatePlace> places_of(std::string_view skeleton) {
  std::vector<TemplatePlace> out;
  for (size_t at = 0; at < skeleton.size(); ++at) {
    const char c = skeleton[at];
    if (c <= 0 || c > kMaxTemplateMark) {
      const bool upper = c >= 'A' && c <= 'Z';
      out.push_back({Allowed::kChar, upper ? static_cast<char>(c - 'A' + 'a') : c});
      continue;
    }
    switch (static_cast<TemplateMark>(c)) {
      case TemplateMark::kPadded:
        ++at;
        [[fallthrough]];
      case TemplateMark::kInt:
        out.push_back({Allowed::kDigits});
        break;
      case TemplateMark::kHex:
        ++at;
        out.push_back({Allowed::kHex});
        break;
      case TemplateMark::kUuid:
        out.push_back({Allowed::kUuid});
        break;
      case TemplateMark::kRaw:
        return {};
    }
  }
  return out;
}

}  // namespace

// Follows all ways in which the part can stand in the template: after each of its characters, the
// places where the next one may be.
bool template_may_contain(std::string_view skeleton, std::string_view part) {
  // Other letters have other ways to lower case.
  if (skeleton == kRawTemplate || !is_ascii(skeleton) || !is_ascii(part)) return true;
  const std::vector<TemplatePlace> places = places_of(skeleton);
  if (places.empty()) return !skeleton.empty();
  std::vector<uint8_t> open(places.size() + 1, 1);
  std::vector<uint8_t> next(places.size() + 1);
  for (const char c : part) {
    std::ranges::fill(next, 0);
    bool any = false;
    for (size_t i = 0; i < places.size(); ++i) {
      if (open[i] == 0) continue;
      const bool variable = places[i].allowed != Allowed::kChar;
      // A variable may have ended before.
      if (variable) open[i + 1] = 1;
      if (!places[i].takes(c)) continue;
      next[variable ? i : i + 1] = 1;
      any = true;
    }
    if (!any) return false;
    open.swap(next);
  }
  return true;
}

bool template_may_match(std::string_view skeleton, const RegexPrefilter& prefilter) {
  std::vector<int> occurring;
  for (size_t i = 0; i < prefilter.atoms().size(); ++i) {
    if (template_may_contain(skeleton, prefilter.atoms()[i])) {
      occurring.push_back(static_cast<int>(i));
    }
  }
  return prefilter.may_match(occurring);
}

}  // namespace weft::store
