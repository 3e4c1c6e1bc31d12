#include "analysis/ownership.h"

#include <algorithm>

namespace weft::analysis {

Ownership::Ownership(std::vector<Squad> squads) : squads_(std::move(squads)) {
  for (size_t i = 0; i < squads_.size(); i++) {
    by_name_.emplace(squads_[i].name, i);
    for (const std::string& service : squads_[i].services) {
      if (service.ends_with('*')) {
        by_prefix_.emplace_back(service.substr(0, service.size() - 1), i);
      } else {
        by_service_.emplace(service, i);
      }
    }
  }
  std::ranges::stable_sort(by_prefix_, std::greater{},
                           [](const auto& entry) { return entry.first.size(); });
}

Owner Ownership::owner_of(std::string_view service, std::string_view service_namespace,
                          std::string_view team) const {
  if (const auto it = by_service_.find(std::string(service)); it != by_service_.end())
    return as_owner(it->second);
  for (const auto& [prefix, squad] : by_prefix_) {
    if (service.starts_with(prefix)) return as_owner(squad);
  }
  const std::string name(service_namespace.empty() ? team : service_namespace);
  if (const auto it = by_name_.find(name); it != by_name_.end()) return as_owner(it->second);
  return {name, {}};
}

}  // namespace weft::analysis
