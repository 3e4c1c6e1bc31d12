// Random traces and random queries over the same few names and values, so that queries match now
// and then; for comparing the executor with the reference evaluator.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "model/span.h"

namespace weft::testing {

// Traces of up to 12 spans with orphans, several roots, cycles of parents, equal start times,
// attributes of changing types, arrays, events and links.
std::vector<Span> random_traces(std::mt19937_64& random, size_t traces);

// A valid query that selects spans.
std::string random_search_query(std::mt19937_64& random);

// A valid metrics query, compare() left out.
std::string random_metrics_query(std::mt19937_64& random);

inline constexpr uint64_t kRandomTracesBaseNs = 1'700'000'000'000'000'000;
// Spans start within this much of the base.
inline constexpr uint64_t kRandomTracesSpreadNs = 20'000'000'000;

}  // namespace weft::testing
