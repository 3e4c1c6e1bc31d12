// The spans of one trace as a tree in drawing order: who is whose child, what is missing, which
// clocks disagree. The waterfall draws it; nothing here knows about terminals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/span.h"

namespace weft::cli {

struct TreeRow {
  enum class Kind : uint8_t {
    kSpan,
    kMissingParent,  // stands for a parent that was not received; its children follow
    kHidden,         // stands for `hidden` spans that are not drawn
  };
  Kind kind = Kind::kSpan;
  uint32_t span = 0;    // kSpan: index into the spans
  SpanId missing;       // kMissingParent
  uint64_t hidden = 0;  // kHidden
  uint32_t depth = 0;   // 0 for roots
  // Whether a sibling follows on each level above, outermost first; at most kMaxGuides levels.
  std::vector<bool> guides;
  bool last_sibling = true;
  // How far the span starts before its parent. A child cannot begin first: the clocks differ.
  uint64_t starts_before_parent_ns = 0;
  bool in_parent_loop = false;  // its parents form a circle; drawn as a root
};

struct TraceTree {
  static constexpr uint32_t kMaxGuides = 64;

  std::vector<TreeRow> rows;  // in drawing order
  uint64_t start_ns = 0;      // of the earliest span
  uint64_t end_ns = 0;        // of the latest end
  uint64_t errors = 0;
  uint64_t missing_parents = 0;
  uint64_t hidden = 0;
};

// Draws at most `max_spans` spans: errors first, then the longest, each with its ancestors. Any
// input is drawn: parents that are missing, form circles or are the span itself included. Time
// O(n log n), no recursion.
TraceTree build_trace_tree(const std::vector<Span>& spans, size_t max_spans);

}  // namespace weft::cli
