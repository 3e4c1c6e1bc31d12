// weft trace ID: draws one trace as a waterfall, or prints it as OTLP/JSON.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/api.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/waterfall.h"
#include "model/span.h"
#include "wire/otlp_protobuf.h"

namespace weft::cli {
namespace {

struct TraceArguments {
  std::string id;
  TargetOptions target;
  bool json = false;
  bool ascii = false;
  uint64_t width = 0;
  std::string colour = "auto";
  WaterfallOptions drawing;
  uint64_t max_spans = 400;
};

int draw(const TraceArguments& arguments, const std::string& body) {
  DecodeLimits limits;
  limits.max_body_bytes = 1ull << 30;
  const auto decoded = decode_otlp_traces(body, limits);
  if (!decoded) return complain("trace", decoded.error());
  WaterfallOptions options = arguments.drawing;
  options.width = arguments.width != 0 ? arguments.width : terminal_width(STDOUT_FILENO);
  options.colour = use_colour(arguments.colour, STDOUT_FILENO);
  options.ascii = arguments.ascii || !locale_is_utf8();
  options.max_spans = arguments.max_spans;
  std::string text;
  for (const std::string& line : render_waterfall(to_spans(decoded->batch), options)) {
    text += line + "\n";
  }
  return print(text);
}

int show_trace(const TraceArguments& arguments) {
  const auto id = TraceId::from_hex(arguments.id);
  if (!id) {
    return complain("trace", {ErrorCode::kInvalidArgument,
                              "'" + printable(arguments.id) +
                                  "' is no trace id; it has 1 to 32 hex digits, not all zero"});
  }
  const auto api = open_api(arguments.target);
  if (!api) return complain("trace", api.error());
  const auto reply = (*api)->get("/api/v1/traces/" + id->to_hex(), {},
                                 arguments.json ? "application/json" : "application/protobuf");
  if (!reply) return complain("trace", reply.error());
  if (reply->status != 200) return complain("trace", read_api_error(*reply).error);
  return arguments.json ? print(reply->body + "\n") : draw(arguments, reply->body);
}

}  // namespace

int run_trace(int argc, const char* const* argv) {
  TraceArguments arguments;
  CommandLine line("trace",
                   "Draws one trace as a waterfall. Exits with 1 when there is no such trace.");
  line.option("id", arguments.id, "ID", "The trace id in hex; leading zeros may be left out");
  line.require("id");
  arguments.target.add_to(line);
  line.flag("-a,--attributes", arguments.drawing.attributes, "Show every span's attributes");
  line.option("--max-spans", arguments.max_spans, "N",
              "Spans to draw; errors and the longest come first");
  line.option("--width", arguments.width, "COLUMNS", "0 takes the terminal's width");
  line.flag("--ascii", arguments.ascii, "Draw with ASCII characters alone");
  line.flag("--json", arguments.json, "Print OTLP/JSON instead");
  line.option("--color", arguments.colour, "WHEN", "auto, always or never");
  line.allow("--color", {"auto", "always", "never"});
  line.examples({"weft trace 0af7651916cd43dd8448eb211c80319c",
                 "weft trace 0af7651916cd43dd8448eb211c80319c --data DIR -a",
                 "weft trace 0af7651916cd43dd8448eb211c80319c --json | jq ."});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  return show_trace(arguments);
}

}  // namespace weft::cli
