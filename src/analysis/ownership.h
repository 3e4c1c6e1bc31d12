// Who owns a service: a squad, and the tribe that the squad belongs to. The configuration says so;
// where it is silent the resource attributes service.namespace and team do.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weft::analysis {

// One entry of the configuration's `squads` section.
struct Squad {
  std::string name;
  std::string tribe;                  // may be empty
  std::vector<std::string> services;  // names, or prefixes that end in *
};

struct Owner {
  std::string squad;  // empty: nobody
  std::string tribe;
  friend bool operator==(const Owner&, const Owner&) = default;
};

// Immutable; any thread.
class Ownership {
 public:
  Ownership() = default;
  // An exact name comes before a prefix, a longer prefix before a shorter one, and among equals
  // the squad that stands first.
  explicit Ownership(std::vector<Squad> squads);

  const std::vector<Squad>& squads() const { return squads_; }

  // `service_namespace` and `team` are the resource's attributes, empty when absent. A squad that
  // is known by name from the attributes brings its tribe along.
  Owner owner_of(std::string_view service, std::string_view service_namespace = {},
                 std::string_view team = {}) const;

 private:
  Owner as_owner(size_t squad) const { return {squads_[squad].name, squads_[squad].tribe}; }

  std::vector<Squad> squads_;
  std::unordered_map<std::string, size_t> by_service_;
  std::vector<std::pair<std::string, size_t>> by_prefix_;  // longest first
  std::unordered_map<std::string, size_t> by_name_;
};

}  // namespace weft::analysis
