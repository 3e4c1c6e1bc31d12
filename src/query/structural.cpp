#include "query/structural.h"

#include <algorithm>

namespace weft::traceql {
namespace {

using Mask = std::vector<uint8_t>;
using Parents = std::span<const int32_t>;

constexpr int32_t kNoCycle = -1;

// For each row the cycle it lies on, counted from 0, or kNoCycle; empty when there is no cycle.
std::vector<int32_t> find_cycles(Parents parents) {
  bool ordered = true;  // every parent before its children: no cycle can be
  for (size_t row = 0; row < parents.size(); ++row) {
    ordered = ordered && parents[row] < static_cast<int32_t>(row);
  }
  if (ordered) return {};
  std::vector<uint32_t> seen_by(parents.size(), 0);  // the walk that met the row, from 1
  std::vector<int32_t> cycle_of(parents.size(), kNoCycle);
  int32_t cycles = 0;
  for (uint32_t start = 0; start < parents.size(); ++start) {
    int32_t row = static_cast<int32_t>(start);
    while (row >= 0 && seen_by[static_cast<size_t>(row)] == 0) {
      seen_by[static_cast<size_t>(row)] = start + 1;
      row = parents[static_cast<size_t>(row)];
    }
    if (row < 0 || seen_by[static_cast<size_t>(row)] != start + 1) continue;
    const int32_t first = row;
    do {
      cycle_of[static_cast<size_t>(row)] = cycles;
      row = parents[static_cast<size_t>(row)];
    } while (row != first);
    ++cycles;
  }
  if (cycles == 0) return {};
  return cycle_of;
}

std::vector<uint32_t> count_on_cycles(const std::vector<int32_t>& cycle_of, const Mask& members) {
  std::vector<uint32_t> counts;
  for (size_t row = 0; row < cycle_of.size(); ++row) {
    if (cycle_of[row] == kNoCycle) continue;
    const auto cycle = static_cast<size_t>(cycle_of[row]);
    if (counts.size() <= cycle) counts.resize(cycle + 1);
    counts[cycle] += members[row];
  }
  return counts;
}

bool on_cycle(const std::vector<int32_t>& cycle_of, size_t row) {
  return !cycle_of.empty() && cycle_of[row] != kNoCycle;
}

Mask children_of(Parents parents, const Mask& members) {
  Mask out(parents.size());
  for (size_t row = 0; row < parents.size(); ++row) {
    // A span that names itself as its parent is no child of its own.
    const bool has_parent = parents[row] >= 0 && parents[row] != static_cast<int32_t>(row);
    out[row] = has_parent ? members[static_cast<size_t>(parents[row])] : 0;
  }
  return out;
}

Mask parents_of(Parents parents, const Mask& members) {
  Mask out(parents.size());
  for (size_t row = 0; row < parents.size(); ++row) {
    if (members[row] != 0 && parents[row] >= 0 && parents[row] != static_cast<int32_t>(row)) {
      out[static_cast<size_t>(parents[row])] = 1;
    }
  }
  return out;
}

Mask siblings_of(Parents parents, const Mask& members) {
  std::vector<uint32_t> counts(parents.size());
  for (size_t row = 0; row < parents.size(); ++row) {
    if (parents[row] >= 0) counts[static_cast<size_t>(parents[row])] += members[row];
  }
  Mask out(parents.size());
  for (size_t row = 0; row < parents.size(); ++row) {
    if (parents[row] >= 0) {
      out[row] = counts[static_cast<size_t>(parents[row])] > members[row] ? 1 : 0;
    }
  }
  return out;
}

Mask descendants_of(Parents parents, const Mask& members) {
  const std::vector<int32_t> cycle_of = find_cycles(parents);
  const std::vector<uint32_t> on_cycles = count_on_cycles(cycle_of, members);
  constexpr uint8_t kUnknown = 2;
  Mask out(parents.size(), kUnknown);
  std::vector<uint32_t> path;
  for (uint32_t start = 0; start < parents.size(); ++start) {
    uint32_t row = start;
    // Up to a row whose answer is known, then back down.
    while (out[row] == kUnknown) {
      if (on_cycle(cycle_of, row)) {
        out[row] = on_cycles[static_cast<size_t>(cycle_of[row])] > members[row] ? 1 : 0;
      } else if (parents[row] < 0) {
        out[row] = 0;
      } else {
        path.push_back(row);
        row = static_cast<uint32_t>(parents[row]);
      }
    }
    while (!path.empty()) {
      const uint32_t child = path.back();
      const auto parent = static_cast<size_t>(parents[child]);
      out[child] = members[parent] | out[parent];
      path.pop_back();
    }
  }
  return out;
}

Mask ancestors_of(Parents parents, const Mask& members) {
  const std::vector<int32_t> cycle_of = find_cycles(parents);
  const std::vector<uint32_t> on_cycles = count_on_cycles(cycle_of, members);
  Mask reached_from_outside(on_cycles.size());
  Mask out(parents.size());
  for (uint32_t start = 0; start < parents.size(); ++start) {
    if (members[start] == 0 || on_cycle(cycle_of, start)) continue;
    int32_t row = parents[start];
    while (row >= 0 && out[static_cast<size_t>(row)] == 0) {
      if (on_cycle(cycle_of, static_cast<size_t>(row))) {
        reached_from_outside[static_cast<size_t>(cycle_of[static_cast<size_t>(row)])] = 1;
        break;
      }
      out[static_cast<size_t>(row)] = 1;
      row = parents[static_cast<size_t>(row)];
    }
  }
  for (size_t row = 0; row < cycle_of.size(); ++row) {
    if (cycle_of[row] == kNoCycle) continue;
    const auto cycle = static_cast<size_t>(cycle_of[row]);
    out[row] = reached_from_outside[cycle] != 0 || on_cycles[cycle] > members[row] ? 1 : 0;
  }
  return out;
}

enum class Relation : uint8_t { kChild, kParent, kDescendant, kAncestor, kSibling };

Mask relatives(Relation relation, Parents parents, const Mask& members) {
  switch (relation) {
    case Relation::kChild:
      return children_of(parents, members);
    case Relation::kParent:
      return parents_of(parents, members);
    case Relation::kDescendant:
      return descendants_of(parents, members);
    case Relation::kAncestor:
      return ancestors_of(parents, members);
    case Relation::kSibling:
      return siblings_of(parents, members);
  }
  return {};
}

Relation inverse(Relation relation) {
  switch (relation) {
    case Relation::kChild:
      return Relation::kParent;
    case Relation::kParent:
      return Relation::kChild;
    case Relation::kDescendant:
      return Relation::kAncestor;
    case Relation::kAncestor:
      return Relation::kDescendant;
    case Relation::kSibling:
      return Relation::kSibling;
  }
  return relation;
}

Mask mask_of(size_t rows, std::span<const uint32_t> members) {
  Mask out(rows);
  for (uint32_t row : members)
    out[row] = 1;
  return out;
}

}  // namespace

std::vector<uint32_t> relate(Op op, Parents parents, std::span<const uint32_t> left,
                             std::span<const uint32_t> right) {
  constexpr int kRelations = 5;
  const int number = static_cast<int>(op) - static_cast<int>(Op::kChild);
  const auto relation = static_cast<Relation>(number % kRelations);
  const bool negated = number / kRelations == 1;
  const bool both = number / kRelations == 2;
  std::vector<uint32_t> out;
  if (right.empty() || (left.empty() && !negated)) return out;
  const Mask related = relatives(relation, parents, mask_of(parents.size(), left));
  for (uint32_t row : right) {
    if ((related[row] != 0) != negated) out.push_back(row);
  }
  if (!both) return out;
  const Mask relating = relatives(inverse(relation), parents, mask_of(parents.size(), right));
  std::vector<uint32_t> lefts;
  for (uint32_t row : left) {
    if (relating[row] != 0) lefts.push_back(row);
  }
  std::vector<uint32_t> all;
  std::set_union(out.begin(), out.end(), lefts.begin(), lefts.end(), std::back_inserter(all));
  return all;
}

}  // namespace weft::traceql
