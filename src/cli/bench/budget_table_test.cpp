#include "cli/bench/budget_table.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

BudgetRow row_of(double measured, uint64_t budget_spans, uint64_t measured_spans) {
  BudgetRow row{"heatmap", measured, "ms", 100, false, "12 ms of CPU"};
  row.budget_spans = budget_spans;
  row.measured_spans = measured_spans;
  return row;
}

std::string last_line(const BudgetRow& row) {
  BudgetTable table;
  table.rows = {row};
  std::string text = render_budget_table(table);
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST(BudgetTable, ABudgetForAnotherSizeIsNeitherMetNorMissed) {
  constexpr uint64_t kTen = 10'000'000;
  // Ten times the spans take longer than is promised: no promise is broken.
  for (const auto& row : {row_of(500, kTen, 10 * kTen), row_of(5, kTen, kTen / 20)}) {
    EXPECT_FALSE(row.decides());
    const std::string line = last_line(row);
    EXPECT_EQ(line.find("MISSED"), std::string::npos) << line;
    EXPECT_EQ(line.find("met"), std::string::npos) << line;
    EXPECT_NE(line.find("not for this size, for 10,000,000 spans"), std::string::npos) << line;
    EXPECT_NE(line.find("12 ms of CPU"), std::string::npos) << line;
    BudgetTable table;
    table.rows = {row};
    EXPECT_EQ(budget_table_json(table).find("\"met\""), std::string::npos);
  }
  // What holds for more spans holds for fewer, and the other way round.
  EXPECT_NE(last_line(row_of(50, kTen, 10 * kTen)).find(" met"), std::string::npos);
  EXPECT_NE(last_line(row_of(500, kTen, kTen / 20)).find("MISSED"), std::string::npos);
  // Its own size, but for the end of the last trace; and any size.
  EXPECT_NE(last_line(row_of(50, kTen, kTen - 9)).find(" met"), std::string::npos);
  EXPECT_NE(last_line(row_of(500, kTen, kTen + 9)).find("MISSED"), std::string::npos);
  EXPECT_NE(last_line(row_of(500, 0, 5)).find("MISSED"), std::string::npos);
}

}  // namespace
}  // namespace weft::cli
