#include "container_id.h"

#include <algorithm>

namespace weft::sdk_detail {
namespace {

constexpr std::size_t kIdDigits = 64;

// The digits that name a container in a path such as /docker/<id> or cri-containerd-<id>.scope. Of
// several the last: a container in a container is that.
std::string_view find_id(std::string_view text) {
  std::string_view found;
  std::size_t run = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool hex = i < text.size() &&
                     ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'));
    if (hex) {
      ++run;
    } else {
      if (run == kIdDigits) found = text.substr(i - kIdDigits, kIdDigits);
      run = 0;
    }
  }
  return found;
}

// Takes the first line off.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

std::string container_id_of(std::string_view cgroups, std::string_view mounts) {
  while (!cgroups.empty()) {
    const std::string_view id = find_id(next_line(cgroups));
    if (!id.empty()) return std::string(id);
  }
  // Version 2 of control groups hides the path; container engines mount their hostname file from a
  // path with the id.
  while (!mounts.empty()) {
    const std::string_view line = next_line(mounts);
    if (line.find("/hostname") == std::string_view::npos ||
        line.find("/containers/") == std::string_view::npos) {
      continue;
    }
    const std::string_view id = find_id(line);
    if (!id.empty()) return std::string(id);
  }
  return {};
}

}  // namespace weft::sdk_detail
