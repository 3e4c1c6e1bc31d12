// What questions cost: the queries whose times are promised, asked over HTTP of a server that
// stores workload C, with the server's CPU time for each. `weft bench` and `weft bench --only
// query`.
#pragma once

#include <cstdint>
#include <functional>

#include "base/error.h"
#include "cli/bench/bench_server.h"
#include "cli/bench/budget_table.h"

namespace weft::cli {

// Asks each question `rounds` times after two to warm up; a row each, with the median time and the
// spans that a second of one core's time gets through. `stored` is how many spans lie there.
// A question that does not reach them, whose answer is not 200, or that finds nothing where its row
// says that something is found, is an error.
Status measure_query_budgets(BenchServer& server, uint64_t stored, int rounds,
                             const std::function<void(BudgetRow)>& add);

}  // namespace weft::cli
