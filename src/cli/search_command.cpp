// weft search '{ status = error }': finds traces and prints them as a table, or as JSON; of a
// metrics query its series.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/query_complaint.h"
#include "cli/series_table.h"
#include "cli/terminal.h"
#include "cli/time_option.h"
#include "cli/trace_table.h"
#include "query/query_service.h"

namespace weft::cli {
namespace {

struct SearchArguments {
  std::string query;
  TargetOptions target;
  TimeOptions time;
  uint64_t limit = 20;
  uint64_t spans_per_trace = 3;
  std::string step;
  bool json = false;
  bool spans = false;
  bool explain_plan = false;
  std::string colour = "auto";
};

ApiError to_api_error(const QueryError& error) {
  ApiError out;
  out.error = error.error;
  out.offset = error.at.offset;
  out.length = error.at.length;
  out.expected = error.expected;
  out.hint = error.hint;
  return out;
}

// The plan depends on the query alone, so no server is asked.
int explain_plan(const SearchArguments& arguments) {
  const auto query = compile_query(arguments.query);
  if (!query) {
    print_error_text(explain_query_error(arguments.query, to_api_error(query.error()),
                                         use_colour(arguments.colour, STDERR_FILENO)));
    return kExitUsage;
  }
  return print(query->explain());
}

size_t output_width() {
  return is_terminal(STDOUT_FILENO) ? terminal_width(STDOUT_FILENO) : 200;
}

int print_lines(const std::vector<std::string>& lines, bool found) {
  std::string text;
  for (const std::string& line : lines)
    text += line + "\n";
  const int printed = print(text);
  return printed != kExitOk ? printed : found ? kExitOk : kExitNegative;
}

int show_traces(const SearchArguments& arguments, const HttpReply& reply) {
  const auto found = read_found_traces(reply.body);
  if (!found) return complain("search", found.error());
  TraceTableOptions options;
  options.width = output_width();
  options.colour = use_colour(arguments.colour, STDOUT_FILENO);
  options.spans = arguments.spans;
  return print_lines(render_trace_table(*found, options), !found->traces.empty());
}

int show_series(const SearchArguments& arguments, const HttpReply& reply) {
  const auto found = read_found_metrics(reply.body);
  if (!found) return complain("search", found.error());
  SeriesTableOptions options;
  options.width = output_width();
  options.limit = arguments.limit;
  options.colour = use_colour(arguments.colour, STDOUT_FILENO);
  options.ascii = !locale_is_utf8();
  return print_lines(render_series_table(*found, options), !found->series.empty());
}

int search_for(const SearchArguments& arguments) {
  const auto range = resolve_range(arguments.time, system_clock().now_ns());
  if (!range) return complain("search", range.error());
  const auto api = open_api(arguments.target);
  if (!api) return complain("search", api.error());
  // A query that this program does not understand is the server's to judge.
  const auto query = compile_query(arguments.query);
  const bool is_metrics = query && query->is_metrics();
  HttpClient::Parameters parameters = {{"q", arguments.query}};
  if (is_metrics) {
    if (!arguments.step.empty()) parameters.emplace_back("step", arguments.step);
  } else {
    parameters.emplace_back("limit", std::to_string(arguments.limit));
    parameters.emplace_back("spss", std::to_string(arguments.spans_per_trace));
  }
  add_range(parameters, *range);
  const auto reply = (*api)->get(is_metrics ? "/api/v1/metrics" : "/api/v1/search", parameters);
  if (!reply) return complain("search", reply.error());
  if (reply->status == 200) {
    if (arguments.json) return print(reply->body + "\n");
    return is_metrics ? show_series(arguments, *reply) : show_traces(arguments, *reply);
  }
  const ApiError error = read_api_error(*reply);
  if (arguments.json) {
    print_error_text(reply->body + "\n");
  } else {
    print_error_text(
        explain_query_error(arguments.query, error, use_colour(arguments.colour, STDERR_FILENO)));
  }
  return exit_code_of(error.error);
}

}  // namespace

int run_search(int argc, const char* const* argv) {
  SearchArguments arguments;
  CommandLine line("search",
                   "Finds the traces that match a TraceQL query, newest first, or draws the series "
                   "of a metrics query. Exits with 1 when there is none, with 2 when the query is "
                   "wrong.");
  line.option("query", arguments.query, "TRACEQL", "The query, in quotes");
  line.require("query");
  arguments.target.add_to(line);
  line.option("--since", arguments.time.since, "SPAN", "Only the last 15m, 2h, 3d, ...");
  line.option("--start", arguments.time.start, "TIME",
              "From here on: 2026-01-31T09:30:00Z, now-15m, nanoseconds");
  line.option("--end", arguments.time.end, "TIME", "Up to, not including, this time");
  line.option("-n,--limit", arguments.limit, "N", "Traces or series at most");
  line.option("--spans-per-trace", arguments.spans_per_trace, "N", "Matching spans of each");
  line.option("--step", arguments.step, "SPAN",
              "Of a metrics query: from point to point (30s, 5m)");
  line.flag("--spans", arguments.spans, "Show the matching spans below their trace");
  line.flag("--json", arguments.json, "Print the API's answer as it is");
  line.flag("--explain-plan", arguments.explain_plan, "Say how the query would be run, and stop");
  line.option("--color", arguments.colour, "WHEN", "auto, always or never");
  line.allow("--color", {"auto", "always", "never"});
  line.examples(
      {"weft search '{ status = error }' --since 1h",
       "weft search '{ resource.service.name = \"shop\" && duration > 500ms }' --spans",
       "weft search '{ span.http.route = \"/login\" } >> { status = error }' --data DIR",
       "weft search '{ status = error } | rate() by (resource.service.name)' --since 1h"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  return arguments.explain_plan ? explain_plan(arguments) : search_for(arguments);
}

}  // namespace weft::cli
