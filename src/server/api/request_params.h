// Reads the parameters of API requests: times, durations, limits. Every function answers what is
// wrong by the parameter's name, so that handlers only pass errors on.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "scan/scan.h"
#include "server/http_types.h"

namespace weft::server {

// "2026-01-02T03:04:05.678Z", also with an offset; nanoseconds since the epoch.
std::optional<uint64_t> parse_rfc3339(std::string_view text);

// "1h30m", "1.5s", "100ms", "20us", "7d"; a bare number is not a duration. Nanoseconds.
std::optional<uint64_t> parse_duration(std::string_view text);

// Decimal digits and nothing else.
std::optional<uint64_t> parse_unsigned(std::string_view text);

// A whole number from `least` to `most`; `fallback` when the parameter is absent or empty.
Expected<uint64_t> unsigned_param(const HttpParameters& query, std::string_view name,
                                  uint64_t fallback, uint64_t least, uint64_t most);

// A duration as parse_duration has it or a number of seconds; nullopt when absent or empty.
Expected<std::optional<uint64_t>> duration_param(const HttpParameters& query,
                                                 std::string_view name);

// `start` and `end` in nanoseconds or RFC 3339, or `last`; everything without them. `last` counts
// back from now_ns, and ends a second after it (senders' clocks run ahead).
Expected<TimeRange> range_params(const HttpParameters& query, uint64_t now_ns);

// `start` and `end` as Tempo's clients send them: seconds since the epoch, perhaps with a
// fraction, or milliseconds, microseconds or nanoseconds (told apart by their size), or RFC 3339.
Expected<TimeRange> tempo_range_params(const HttpParameters& query);

// A trace id of up to 32 hex digits.
Expected<TraceId> trace_id_of(std::string_view text);

// Whether the request's Accept header names protobuf before JSON.
bool wants_protobuf(const HttpRequest& request);

}  // namespace weft::server
