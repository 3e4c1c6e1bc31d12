// Parses the metrics half of TraceQL: functions over time, what happens to their series, and
// hints. Part of the parser.
#pragma once

#include <functional>

#include "query/token_cursor.h"

namespace weft::traceql {

// The metrics function that the next word names, if it does.
std::optional<MetricsFunction> metrics_function_at(const TokenCursor& cursor);

// name(arguments) [by(...)], without the spans before it. `parse_spanset` reads the argument of
// compare().
MetricsExpr parse_metrics_function(TokenCursor& cursor, MetricsFunction function,
                                   const std::function<SpansetExpr()>& parse_spanset);

// topk(n) or bottomk(n), after the pipe.
void parse_series_stage(TokenCursor& cursor, MetricsExpr& metrics);
// The number after a comparison; `parse_number` reads it, nullopt: it is something else.
void parse_series_filter(TokenCursor& cursor, Op op, MetricsExpr& metrics,
                         const std::function<std::optional<double>()>& parse_number);

// with(name=literal, ...)
std::vector<Hint> parse_hints(TokenCursor& cursor);

// How a literal stands beside series: durations in seconds.
double series_number(const Literal& literal);

}  // namespace weft::traceql
