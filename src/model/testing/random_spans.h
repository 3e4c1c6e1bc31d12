// Random spans for tests of every layer: all attribute types, nested values, events, links,
// hostile strings and times. The seed comes from WEFT_TEST_SEED when that is set, and is printed.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "model/span.h"

namespace weft::testing {

// The seed of this run: WEFT_TEST_SEED or a random one. Prints "WEFT_TEST_SEED=…" once a call.
uint64_t test_seed(std::string_view test_name);

struct RandomSpanOptions {
  size_t traces = 20;
  size_t max_spans_per_trace = 12;
  uint64_t base_ns = 1'700'000'000'000'000'000;
  // Spans start within this much of base_ns.
  uint64_t spread_ns = 60'000'000'000;
  // Times of 0 and of the year 2500, ends before starts, invalid UTF-8, unknown enum numbers,
  // cyclic parents.
  bool hostile = false;
};

// Whole traces with true parents, in random order. Span ids are unique.
std::vector<Span> random_spans(std::mt19937_64& random, const RandomSpanOptions& options = {});

SpanBatch to_batch(const std::vector<Span>& spans);
// Normalised and sorted by (trace id, span id): two such lists are equal when the spans are.
std::vector<Span> canonical(std::vector<Span> spans);
std::vector<Span> canonical(const SpanBatch& batch);

}  // namespace weft::testing
