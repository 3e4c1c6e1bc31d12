#include "scan/regex_prefilter.h"

#include <re2/filtered_re2.h>

#include "scan/regex_options.h"

namespace weft {

RegexPrefilter::RegexPrefilter(std::string_view pattern)
    : filter_(std::make_unique<re2::FilteredRE2>()) {
  int id = 0;
  filter_->Add(re2::StringPiece(pattern.data(), pattern.size()), regex_options(), &id);
  filter_->Compile(&atoms_);
}

RegexPrefilter::~RegexPrefilter() = default;

bool RegexPrefilter::may_match(const std::vector<int>& occurring) const {
  // Of no pattern nothing is known.
  if (filter_->NumRegexps() == 0) return true;
  std::vector<int> potential;
  filter_->AllPotentials(occurring, &potential);
  return !potential.empty();
}

}  // namespace weft
