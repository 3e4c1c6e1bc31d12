#include "cli/time_option.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace weft::cli {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

std::unexpected<Error> not_a_time(std::string_view text) {
  return fail(
      ErrorCode::kInvalidArgument,
      "'" + std::string(text) + "' is no time; write 2026-01-31T09:30:00Z, now-15m or nanoseconds");
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Takes exactly `count` digits off the front.
std::optional<unsigned> take_digits(std::string_view& text, size_t count) {
  if (text.size() < count || !all_digits(text.substr(0, count))) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(0, count))
    value = value * 10 + static_cast<unsigned>(c - '0');
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// ".250" in nanoseconds; 0 when there is no fraction.
std::optional<uint64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  uint64_t value = 0, unit = kSecond;
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    unit /= 10;
    value += unit * static_cast<uint64_t>(text[0] - '0');
    text.remove_prefix(1);
  }
  return value;
}

// "Z", "+01:00", "-0130" or nothing, in seconds east of Greenwich.
std::optional<int64_t> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return 0;
  const bool west = text[0] == '-';
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int64_t seconds = static_cast<int64_t>(*hours * 3600 + *minutes * 60);
  return west ? -seconds : seconds;
}

std::optional<uint64_t> parse_calendar(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok() || *year < 1970 || *year > 2553) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  int64_t seconds = days * 86'400;
  uint64_t fraction = 0;
  if (!text.empty() && (take(text, 'T') || take(text, 't') || take(text, ' '))) {
    const auto hour = take_digits(text, 2);
    if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2);
    if (!minute || *minute > 59) return std::nullopt;
    seconds += static_cast<int64_t>(*hour * 3600 + *minute * 60);
    if (take(text, ':')) {
      const auto second = take_digits(text, 2);
      if (!second || *second > 60) return std::nullopt;
      seconds += *second;
      const auto part = take_fraction(text);
      if (!part) return std::nullopt;
      fraction = *part;
    }
    const auto zone = take_zone(text);
    if (!zone) return std::nullopt;
    seconds -= *zone;
  }
  if (!text.empty() || seconds < 0) return std::nullopt;
  return static_cast<uint64_t>(seconds) * kSecond + fraction;
}

}  // namespace

Expected<uint64_t> parse_span_ns(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ns;
  };
  static constexpr Unit kUnits[] = {{"ns", 1},      {"us", 1e3},     {"µs", 1e3},
                                    {"ms", 1e6},    {"s", 1e9},      {"m", 60e9},
                                    {"h", 3'600e9}, {"d", 86'400e9}, {"w", 604'800e9}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error == std::errc() && number >= 0 && std::isfinite(number)) {
    for (const Unit& known : kUnits) {
      if (known.name == unit && number * known.ns < 9e18) {
        return static_cast<uint64_t>(std::llround(number * known.ns));
      }
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              "'" + std::string(text) + "' is no length of time; write 90s, 15m, 1.5h or 2d");
}

Expected<uint64_t> parse_time_ns(std::string_view text, uint64_t now_ns) {
  if (text == "now") return now_ns;
  std::string_view relative = text;
  if (relative.starts_with("now-")) relative.remove_prefix(3);
  if (relative.starts_with('-')) {
    const auto span = parse_span_ns(relative.substr(1));
    if (!span) return not_a_time(text);
    return now_ns - std::min(now_ns, *span);
  }
  if (all_digits(text)) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return not_a_time(text);
    const uint64_t unit = text.size() <= 11 ? kSecond : text.size() <= 14 ? 1'000'000 : 1;
    if (number > UINT64_MAX / unit) return not_a_time(text);
    return number * unit;
  }
  const auto calendar = parse_calendar(text);
  if (!calendar) return not_a_time(text);
  return *calendar;
}

Expected<TimeRange> resolve_range(const TimeOptions& options, uint64_t now_ns) {
  TimeRange range;
  if (!options.since.empty()) {
    if (!options.start.empty() || !options.end.empty()) {
      return fail(ErrorCode::kInvalidArgument, "--since goes with neither --start nor --end");
    }
    WEFT_ASSIGN(const uint64_t span, parse_span_ns(options.since));
    range.from_ns = now_ns - std::min(now_ns, span);
    return range;
  }
  if (!options.start.empty()) {
    WEFT_ASSIGN(range.from_ns, parse_time_ns(options.start, now_ns));
  }
  if (!options.end.empty()) {
    WEFT_ASSIGN(range.to_ns, parse_time_ns(options.end, now_ns));
  }
  if (range.from_ns >= range.to_ns) {
    return fail(ErrorCode::kInvalidArgument, "--start must lie before --end");
  }
  return range;
}

}  // namespace weft::cli
