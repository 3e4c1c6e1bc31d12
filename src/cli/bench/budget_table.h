// The table that `weft bench` prints: what the project promises, what was measured, and whether
// the promise holds on this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench/machine_limits.h"

namespace weft::cli {

struct BudgetRow {
  std::string what;
  double measured = 0;
  std::string unit;
  // The promise; rows without one are facts that explain the others.
  std::optional<double> budget;
  bool at_least = false;  // the budget is a lower bound
  std::string note;
  // How many spans the budget speaks of, and how many there were; 0: it holds for any number.
  uint64_t budget_spans = 0;
  uint64_t measured_spans = 0;

  bool met() const { return !budget || (at_least ? measured >= *budget : measured <= *budget); }
  // Whether the measurement says that the budget is met or missed: missing it with more spans than
  // it speaks of says nothing, and neither does meeting it with fewer. Workloads end with whole
  // traces, so that a few spans more or less are the same number.
  bool decides() const {
    if (!budget || budget_spans == 0) return true;
    const uint64_t slack = budget_spans / 50;
    return met() ? measured_spans + slack >= budget_spans : measured_spans <= budget_spans + slack;
  }
};

struct BudgetTable {
  MachineLimits machine;
  std::string disk;  // the directory that was measured
  std::vector<BudgetRow> rows;
};

std::string render_budget_table(const BudgetTable& table);
std::string budget_table_json(const BudgetTable& table);

}  // namespace weft::cli
