// Turns an error message into the template that it was made from, as far as that can be seen: what
// varies from one occurrence to the next (numbers, ids, addresses, quoted text) is replaced by a
// placeholder. Error groups are formed by it.
#pragma once

#include <string>
#include <string_view>

namespace weft::analysis {

// Messages are cut to this many bytes (at a character's boundary) before they are looked at.
inline constexpr size_t kMaxTemplateBytes = 512;

// "customer 4711 lacks scope 'a:read'" -> "customer <num> lacks scope <str>". Placeholders:
// <uuid> <email> <time> <ip> <hex> <id> <num> <str>. Only the first line of a message counts (the
// others are usually a stack trace); runs of white space become one space. Two messages that
// differ in nothing but such parts have equal templates. Any thread.
std::string message_template(std::string_view message);

}  // namespace weft::analysis
