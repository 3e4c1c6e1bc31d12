#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "analysis/error_groups.h"
#include "base/hash.h"

namespace weft::analysis {
namespace {

constexpr size_t kMinVariants = 5;
constexpr size_t kMinWords = 3;  // shorter messages have too little in common
constexpr size_t kMaxWords = 40;
constexpr std::string_view kAny = "<*>";

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

std::string join_without(std::string_view type, const std::vector<std::string_view>& words,
                         size_t hole) {
  std::string out(type);
  for (size_t i = 0; i < words.size(); i++) {
    out += i == 0 ? '\0' : ' ';
    out += i == hole ? kAny : words[i];
  }
  return out;
}

}  // namespace

std::vector<std::string> collapse_templates(
    const std::vector<std::pair<std::string, std::string>>& types_and_templates) {
  // The variants of each text with a hole, by its hash: of many long templates the texts themselves
  // would take a gigabyte. Two that collide are as good as never among them.
  std::unordered_map<uint64_t, std::set<std::string_view>> variants;
  for (const auto& [type, text] : types_and_templates) {
    const auto words = split_words(text);
    if (words.size() < kMinWords || words.size() > kMaxWords) continue;
    for (size_t hole = 0; hole < words.size(); hole++)
      variants[hash_bytes(join_without(type, words, hole))].insert(words[hole]);
  }
  std::vector<std::string> out;
  for (const auto& [type, text] : types_and_templates) {
    const auto words = split_words(text);
    std::string best = text;
    size_t most = kMinVariants - 1;
    if (words.size() >= kMinWords && words.size() <= kMaxWords) {
      for (size_t hole = 0; hole < words.size(); hole++) {
        const std::string holed = join_without(type, words, hole);
        const size_t count = variants[hash_bytes(holed)].size();
        if (count > most) {
          most = count;
          best = holed.substr(type.size() + 1);
        }
      }
    }
    out.push_back(std::move(best));
  }
  return out;
}

}  // namespace weft::analysis
