// The table that `weft bench` prints: what the project promises, what was measured, and whether
// the promise holds on this machine.
#pragma once

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

  bool met() const { return !budget || (at_least ? measured >= *budget : measured <= *budget); }
};

struct BudgetTable {
  MachineLimits machine;
  std::string disk;  // the directory that was measured
  std::vector<BudgetRow> rows;
};

std::string render_budget_table(const BudgetTable& table);
std::string budget_table_json(const BudgetTable& table);

}  // namespace weft::cli
