// Points in time and spans of time as people type them on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "scan/scan.h"

namespace weft::cli {

// "now", "now-15m", "-15m", "2026-01-31", "2026-01-31 09:30[:15[.250]]", RFC 3339 with "Z" or an
// offset, or a number: seconds (up to 11 digits), milliseconds (up to 14), nanoseconds since the
// epoch. Without an offset times are UTC.
Expected<uint64_t> parse_time_ns(std::string_view text, uint64_t now_ns);

// "90s", "15m", "1.5h", "2d", "250ms".
Expected<uint64_t> parse_span_ns(std::string_view text);

struct TimeOptions {
  std::string since;  // a span before now
  std::string start;
  std::string end;
};

// Half open. Everything when nothing is given. `since` goes with neither of the others.
Expected<TimeRange> resolve_range(const TimeOptions& options, uint64_t now_ns);

}  // namespace weft::cli
