#include "cli/last_line.h"

#include <algorithm>

namespace weft::cli {

void LastLine::add(std::string_view part) {
  if (part.empty()) return;
  const bool ends = part.back() == '\n';
  if (ends) part.remove_suffix(1);
  const size_t before = part.rfind('\n');
  if (ended_ || before != std::string_view::npos) text_.clear();
  if (before != std::string_view::npos) part.remove_prefix(before + 1);
  text_ += part.substr(0, kMaxBytes - std::min(kMaxBytes, text_.size()));
  ended_ = ends;
}

}  // namespace weft::cli
