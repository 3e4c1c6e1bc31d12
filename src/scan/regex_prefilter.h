// What must occur in a text so that a regular expression can match it: sources that keep texts in
// parts rule most of them out before they put one together.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class FilteredRE2;
}

namespace weft {

// Immutable; any thread.
class RegexPrefilter {
 public:
  // Of a pattern that RE2 takes.
  explicit RegexPrefilter(std::string_view pattern);
  ~RegexPrefilter();
  RegexPrefilter(const RegexPrefilter&) = delete;
  RegexPrefilter& operator=(const RegexPrefilter&) = delete;

  // Lower-case strings, none of them empty. Whether one occurs in a text is asked of the text in
  // lower case.
  const std::vector<std::string>& atoms() const { return atoms_; }
  // Whether a text can match in which these occur, by index, and no others. The more occur, the
  // more can match.
  bool may_match(const std::vector<int>& occurring) const;

 private:
  std::unique_ptr<re2::FilteredRE2> filter_;
  std::vector<std::string> atoms_;
};

}  // namespace weft
