#include "container_id.h"

#include <algorithm>

namespace weft::sdk_detail {
namespace {

constexpr std::size_t kIdDigits = 64;

// The digits that name a container in a path such as /docker/<id> or cri-containerd-<id>.scope.
std::string_view find_id(std::string_view text) {
  std::size_t run = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool hex = i < text.size() &&
                     ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'));
    if (hex) {
      ++run;
    } else {
      if (run == kIdDigits) return text.substr(i - kIdDigits, kIdDigits);
      run = 0;
    }
  }
  return {};
}

}  // namespace

std::string container_id_of(std::string_view cgroups, std::string_view mounts) {
  const std::string_view in_path = find_id(cgroups);
  if (!in_path.empty()) return std::string(in_path);
  // Version 2 of control groups hides the path; container engines mount their hostname file from a
  // path with the id.
  while (!mounts.empty()) {
    const std::size_t end = std::min(mounts.find('\n'), mounts.size());
    const std::string_view line = mounts.substr(0, end);
    mounts.remove_prefix(std::min(end + 1, mounts.size()));
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
