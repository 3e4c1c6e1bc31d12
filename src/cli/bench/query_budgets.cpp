#include "cli/bench/query_budgets.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

// What the answer has to hold, for a question that finds nothing where something was to be found,
// or the other way round, is another one than its row says.
enum class Finds : uint8_t { kNothing, kSomething };

struct Question {
  const char* what;
  const char* path;
  const char* query;  // "" for questions without one
  std::optional<double> budget_ms;
  Finds finds = Finds::kSomething;
  bool looks_at_all = true;  // false: the newest matches, or a summary, are answer enough
};

// Stored, when the budgets hold.
constexpr uint64_t kBudgetSpans = 10'000'000;

// Searches that can stop at the newest matches stand beside those that must look at everything.
constexpr std::array kQuestions = {
    Question{"search by attribute, common value", "/api/v1/search",
             "{ span.http.response.status_code = 503 }", 50, Finds::kSomething, false},
    Question{"search by attribute, value not there", "/api/v1/search",
             "{ span.user.id = \"u-nobody\" }", 50, Finds::kNothing},
    // Of the shape of those that are there: no dictionary rules it out.
    Question{"search by attribute, near-unique, not there", "/api/v1/search",
             "{ span.user.id = \"u-1234567\" }", 50, Finds::kNothing},
    // Fewer than the limit: the search goes on to the oldest span.
    Question{"search by attribute and duration, rare (all)", "/api/v1/search",
             "{ span.http.response.status_code = 503 && duration > 80ms }", 50},
    Question{"search, two attributes, none together (all)", "/api/v1/search",
             "{ span.db.system = \"postgresql\" && span.http.request.method = \"GET\" }", 50,
             Finds::kNothing},
    Question{"search, two attributes of the same spans (all)", "/api/v1/search",
             "{ span.http.response.status_code = 304 && span.user.id = \"u-1234567\" }", 50,
             Finds::kNothing},
    // Any string with a number can have this one: none is ruled out by its template.
    Question{"search by regex on near-unique values (all)", "/api/v1/search",
             "{ span.url.path =~ \".*9999999.*\" }", std::nullopt, Finds::kNothing},
    Question{"heatmap of all spans", "/api/v1/heatmap", "{ }", 100},
    Question{"heatmap of a filter's spans", "/api/v1/heatmap",
             "{ resource.service.name != \"none\" && kind = server }", 100},
    // There are traces with both, but never in this order: no limit ends it before the last trace.
    Question{"structural {a} >> {b}, none (all)", "/api/v1/search",
             "{ status = error && span.db.system = \"mysql\" } >> "
             "{ span.http.response.status_code = 503 }",
             300, Finds::kNothing},
    Question{"structural {a} >> {b}, counted (all)", "/api/v1/metrics",
             "{ kind = server && status = error } >> { kind = client && status = error } | "
             "count_over_time()",
             300},
    Question{"quantile_over_time by (all)", "/api/v1/metrics",
             "{ } | quantile_over_time(duration, .5, .95, .99) by(resource.service.name)", 200},
    Question{"attribute keys for completion", "/api/v1/attributes", "", 20, Finds::kSomething,
             false},
    Question{"attribute values for completion", "/api/v1/attributes/http.route/values", "", 20,
             Finds::kSomething, false},
    Question{"service names for completion", "/api/v1/attributes/service.name/values", "", 20,
             Finds::kSomething, false},
};

// Whether the list that an answer consists of has an entry.
Expected<bool> found_something(const Question& question, const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  simdjson::dom::array list;
  if (parser.parse(body).get(document) == simdjson::SUCCESS) {
    for (const char* name : {"traces", "buckets", "series", "attributes", "values"}) {
      if (document[name].get(list) == simdjson::SUCCESS) return list.begin() != list.end();
    }
  }
  return fail(ErrorCode::kInternal,
              fmt::format("{}: the answer is none: {}", question.what, body.substr(0, 200)));
}

class Asker {
 public:
  explicit Asker(BenchServer& server) : server_(server) {}

  Expected<double> ask_ms(const Question& question) {
    HttpClient::Parameters parameters;
    if (*question.query != '\0') parameters.emplace_back("q", question.query);
    // The answer of a chart, not a single number.
    if (std::string_view(question.path) == "/api/v1/metrics")
      parameters.emplace_back("step", "60s");
    const uint64_t begin = system_clock().steady_ns();
    WEFT_ASSIGN(const HttpReply reply, server_.api().get(question.path, parameters));
    const double ms = static_cast<double>(system_clock().steady_ns() - begin) / 1e6;
    if (reply.status != 200) {
      return std::unexpected(read_api_error(reply).error.with_prefix(question.what));
    }
    WEFT_ASSIGN(last_found_, found_something(question, reply.body));
    return ms;
  }
  // Whether the last question found anything.
  bool last_found() const { return last_found_; }

 private:
  bool last_found_ = false;
  BenchServer& server_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

}  // namespace

Status measure_query_budgets(BenchServer& server, uint64_t stored, int rounds,
                             const std::function<void(BudgetRow)>& add) {
  Asker asker(server);
  for (const Question& question : kQuestions) {
    for (int i = 0; i < 2; ++i)
      WEFT_TRY(asker.ask_ms(question));
    WEFT_ASSIGN(const ProcessUsage before, server.usage());
    std::vector<double> times_ms;
    for (int i = 0; i < rounds; ++i) {
      WEFT_ASSIGN(const double ms, asker.ask_ms(question));
      times_ms.push_back(ms);
    }
    WEFT_ASSIGN(const ProcessUsage after, server.usage());
    // What is rare need not be there among fewer spans.
    const bool expected = question.finds == Finds::kSomething;
    if (asker.last_found() != expected && (!expected || stored >= kBudgetSpans)) {
      return fail(ErrorCode::kInternal,
                  fmt::format("\"{}\" measures something else than it says: {} was found by {}",
                              question.what, expected ? "nothing" : "something", question.query));
    }
    const double cpu_s = (after.cpu_s - before.cpu_s) / rounds;
    BudgetRow row;
    row.what = question.what;
    row.measured = median(std::move(times_ms));
    row.unit = "ms";
    row.budget = question.budget_ms;
    row.budget_spans = kBudgetSpans;
    row.measured_spans = stored;
    row.note = fmt::format("{:.1f} ms of CPU", cpu_s * 1e3);
    // The kernel counts CPU time in hundredths of a second: say no rate of nothing.
    if (question.looks_at_all && cpu_s * rounds >= 0.02) {
      row.note +=
          fmt::format(", {} spans/s a core",
                      with_thousands(static_cast<uint64_t>(static_cast<double>(stored) / cpu_s)));
    }
    if (*question.query != '\0') row.note += fmt::format("; {}", question.query);
    add(std::move(row));
  }
  return {};
}

}  // namespace weft::cli
