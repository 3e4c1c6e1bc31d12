#include "server/api/request_params.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>

namespace weft::server {
namespace {

std::optional<unsigned> digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  unsigned out = 0;
  for (size_t i = at; i < at + count; i++) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    out = out * 10 + static_cast<unsigned>(text[i] - '0');
  }
  return out;
}

// ".678" at `at`, moved behind it; nanoseconds.
uint64_t fraction_ns(std::string_view text, size_t& at) {
  uint64_t out = 0, unit = 100'000'000;
  if (at >= text.size() || text[at] != '.') return 0;
  for (at++; at < text.size() && text[at] >= '0' && text[at] <= '9'; at++) {
    out += static_cast<uint64_t>(text[at] - '0') * unit;
    unit /= 10;
  }
  return out;
}

// "Z", "+01:00": seconds to take off; nullopt when the text does not end with one.
std::optional<int64_t> zone_seconds(std::string_view zone) {
  if (zone == "Z" || zone == "z") return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto hours = digits(zone, 1, 2), minutes = digits(zone, 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int64_t seconds = *hours * 3600 + *minutes * 60;
  return zone[0] == '+' ? seconds : -seconds;
}

struct Unit {
  std::string_view name;
  double ns;
};
constexpr Unit kUnits[] = {{"ns", 1},     {"us", 1e3},    {"\xC2\xB5s", 1e3},
                           {"ms", 1e6},   {"s", 1e9},     {"m", 60e9},
                           {"h", 3600e9}, {"d", 86400e9}, {"w", 604800e9}};

std::unexpected<Error> bad_param(std::string_view name, std::string_view value,
                                 std::string_view wanted) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: \"{}\" is not {}", name, value.substr(0, 100), wanted));
}

using TimeParser = std::optional<uint64_t> (*)(std::string_view);

std::optional<uint64_t> parse_time(std::string_view text) {
  if (const auto ns = parse_unsigned(text)) return ns;
  return parse_rfc3339(text);
}

// What lies beyond the last time that nanoseconds can say (the year 2554) is no end at all: clients
// write 99999999999 for one.
std::optional<uint64_t> parse_tempo_time(std::string_view text) {
  constexpr double kMostSeconds = 9.2e9;  // llround's
  double number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size())
    return parse_rfc3339(text);
  if (!(number >= 0)) return std::nullopt;
  // Until the year 5138 seconds have 11 digits or less; milliseconds have had 12 since 1973.
  const auto whole = parse_unsigned(text);
  if (!whole) {
    if (number >= 1e11) return std::nullopt;
    return number >= kMostSeconds ? TimeRange::kNoEnd
                                  : static_cast<uint64_t>(std::llround(number * 1e9));
  }
  const uint64_t unit_ns = *whole < 100'000'000'000           ? 1'000'000'000
                           : *whole < 100'000'000'000'000     ? 1'000'000
                           : *whole < 100'000'000'000'000'000 ? 1000
                                                              : 1;
  uint64_t ns = 0;
  return __builtin_mul_overflow(*whole, unit_ns, &ns) ? TimeRange::kNoEnd : ns;
}

Expected<TimeRange> start_and_end(const HttpParameters& query, TimeParser parse,
                                  std::string_view wanted) {
  TimeRange range;
  if (const std::string_view start = query.get("start"); !start.empty()) {
    const auto ns = parse(start);
    if (!ns) return bad_param("start", start, wanted);
    range.from_ns = *ns;
  }
  if (const std::string_view end = query.get("end"); !end.empty()) {
    const auto ns = parse(end);
    if (!ns) return bad_param("end", end, wanted);
    range.to_ns = *ns;
  }
  if (range.from_ns > range.to_ns)
    return fail(ErrorCode::kInvalidArgument, "start is after end; swap them");
  return range;
}

}  // namespace

std::optional<uint64_t> parse_unsigned(std::string_view text) {
  uint64_t out = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<uint64_t> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  const auto h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (!y || !mo || !d || !h || !mi || !s) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return std::nullopt;
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  const year_month_day date{year(static_cast<int>(*y)), month(*mo), day(*d)};
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
  size_t at = 19;
  const uint64_t fraction = fraction_ns(text, at);
  const auto zone = zone_seconds(text.substr(at));
  if (!zone) return std::nullopt;
  const int64_t days = sys_days(date).time_since_epoch().count();
  const int64_t seconds = days * 86400 + *h * 3600 + *mi * 60 + *s - *zone;
  if (seconds < 0 || seconds > 18'446'744'072) return std::nullopt;
  return static_cast<uint64_t>(seconds) * 1'000'000'000 + fraction;
}

std::optional<uint64_t> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double total_ns = 0;
  while (!text.empty()) {
    double number = 0;
    const auto result =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (result.ec != std::errc{} || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
    const size_t unit_length = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view name = text.substr(0, unit_length);
    double unit_ns = 0;
    for (const Unit& unit : kUnits)
      if (unit.name == name) unit_ns = unit.ns;
    if (unit_ns == 0) return std::nullopt;
    total_ns += number * unit_ns;
    text.remove_prefix(unit_length);
  }
  if (!(total_ns < 9.2e18)) return std::nullopt;
  return static_cast<uint64_t>(std::llround(total_ns));
}

Expected<uint64_t> unsigned_param(const HttpParameters& query, std::string_view name,
                                  uint64_t fallback, uint64_t least, uint64_t most) {
  const std::string_view text = query.get(name);
  if (text.empty()) return fallback;
  const auto value = parse_unsigned(text);
  if (!value || *value < least || *value > most)
    return bad_param(name, text, fmt::format("a whole number from {} to {}", least, most));
  return *value;
}

Expected<std::optional<uint64_t>> duration_param(const HttpParameters& query,
                                                 std::string_view name) {
  const std::string_view text = query.get(name);
  if (text.empty()) return std::nullopt;
  if (const auto ns = parse_duration(text)) return ns;
  double seconds = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || !(seconds >= 0) ||
      seconds > 9.2e9)
    return bad_param(name, text, "a duration like 250ms, 10s or 1h, or a number of seconds");
  return static_cast<uint64_t>(std::llround(seconds * 1e9));
}

Expected<TimeRange> range_params(const HttpParameters& query, uint64_t now_ns) {
  if (const std::string_view last = query.get("last"); !last.empty()) {
    const auto back_ns = parse_duration(last);
    if (!back_ns) return bad_param("last", last, "a duration like 15m, 6h or 7d");
    return TimeRange{now_ns > *back_ns ? now_ns - *back_ns : 0, now_ns + 1'000'000'000};
  }
  return start_and_end(query, parse_time,
                       "a time: nanoseconds since the epoch or RFC 3339 (2026-01-02T03:04:05Z)");
}

Expected<TimeRange> tempo_range_params(const HttpParameters& query) {
  return start_and_end(query, parse_tempo_time, "a time: seconds since the epoch or RFC 3339");
}

Expected<TraceId> trace_id_of(std::string_view text) {
  const auto id = TraceId::from_hex(text);
  if (!id) return bad_param("trace id", text, "an id of up to 32 hex digits that are not all zero");
  return *id;
}

bool wants_protobuf(const HttpRequest& request) {
  const std::string_view accept = request.headers.get("Accept");
  const size_t protobuf =
      std::min(accept.find("application/protobuf"), accept.find("application/x-protobuf"));
  return protobuf != std::string_view::npos && protobuf < accept.find("application/json");
}

}  // namespace weft::server
