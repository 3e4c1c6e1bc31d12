// The beginning of the last line of a text that comes in parts of any size. `weft export` knows by
// it an answer that the server broke off.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::cli {

class LastLine {
 public:
  static constexpr size_t kMaxBytes = 4'096;

  void add(std::string_view part);
  // Without its line break, at most kMaxBytes of it.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool ended_ = false;  // by a line break, behind which nothing has come yet
};

}  // namespace weft::cli
