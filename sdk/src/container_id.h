// The id of the container that a process runs in, for the resource attribute container.id: found in
// what the kernel says of its control groups and mounts.
#pragma once

#include <string>
#include <string_view>

namespace weft::sdk_detail {

// From the texts of /proc/self/cgroup and /proc/self/mountinfo. Empty outside of a container.
std::string container_id_of(std::string_view cgroups, std::string_view mounts);

}  // namespace weft::sdk_detail
