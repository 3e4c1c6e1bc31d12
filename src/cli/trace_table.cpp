#include "cli/trace_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/answer.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

using simdjson::SUCCESS;
using simdjson::dom::element;

// An AnyValue of OTLP/JSON, shortened for one line.
std::string value_text(element value) {
  simdjson::dom::object object;
  if (value.get(object) != SUCCESS) return simdjson::minify(value);
  for (const auto field : object) {
    std::string_view text;
    if (field.value.get(text) == SUCCESS) return std::string(text);
    return simdjson::minify(field.value);
  }
  return "";
}

FoundSpan read_span(element span) {
  FoundSpan out;
  out.span_id = text_at(span, "spanId");
  out.service = text_at(span, "serviceName");
  out.name = text_at(span, "name");
  out.status = text_at(span, "status");
  out.duration_ms = number_at(span, "durationMs");
  simdjson::dom::array attributes;
  if (span["attributes"].get(attributes) == SUCCESS) {
    for (const element attribute : attributes) {
      element value;
      if (attribute["value"].get(value) != SUCCESS) continue;
      out.attributes.push_back(text_at(attribute, "key") + "=" + value_text(value));
    }
  }
  return out;
}

FoundTrace read_trace(element trace) {
  FoundTrace out;
  out.trace_id = text_at(trace, "traceId");
  out.root_service = text_at(trace, "rootServiceName");
  out.root_name = text_at(trace, "rootTraceName");
  out.start_ns = nanos_at(trace, "startTimeUnixNano");
  out.duration_ms = number_at(trace, "durationMs");
  out.spans = count_at(trace, "spanCount");
  out.errors = count_at(trace, "errorCount");
  element set;
  simdjson::dom::array spans;
  if (trace["spanSet"].get(set) == SUCCESS) {
    out.matched = count_at(set, "matched");
    if (set["spans"].get(spans) == SUCCESS) {
      for (const element span : spans)
        out.matches.push_back(read_span(span));
    }
  }
  return out;
}

std::string right(const std::string& text, size_t width) {
  const size_t used = display_width(text);
  return used < width ? std::string(width - used, ' ') + text : text;
}

class TableRenderer {
 public:
  TableRenderer(const FoundTraces& found, const TraceTableOptions& options)
      : found_(found), options_(options) {}

  std::vector<std::string> render() {
    if (!found_.traces.empty()) {
      // The day is said once when all traces lie in it.
      const std::string first = format_time_ns(found_.traces[0].start_ns).substr(0, 10);
      same_day_ = std::all_of(found_.traces.begin(), found_.traces.end(), [&](const auto& t) {
        return format_time_ns(t.start_ns).substr(0, 10) == first;
      });
      heading(first);
      for (const FoundTrace& trace : found_.traces)
        row(trace);
      lines_.push_back("");
    }
    footer();
    return std::move(lines_);
  }

 private:
  std::string paint(std::string_view colour, const std::string& text) const {
    return options_.colour ? fmt::format("{}{}\x1b[0m", colour, text) : text;
  }

  void heading(const std::string& day) {
    const std::string when = same_day_ ? day + " UTC" : "START (UTC)";
    add(fmt::format("{:<32}  {}  {:>9}  {:>6}  {:>6}  {:>7}  {}", "TRACE",
                    fit_to_width(when, time_width()), "DURATION", "SPANS", "ERRORS", "MATCHED",
                    "ROOT"),
        "\x1b[1m");
  }

  size_t time_width() const { return same_day_ ? 14 : 23; }

  void row(const FoundTrace& trace) {
    std::string when = format_time_ns(trace.start_ns);
    when = same_day_ ? when.substr(11, 12) : when.substr(0, 23);
    const std::string line = fmt::format(
        "{:<32}  {}  {}  {:>6}  {:>6}  {:>7}  {}", cut_to_width(trace.trace_id, 32),
        fit_to_width(when, time_width()), right(duration_ms_text(trace.duration_ms), 9),
        trace.spans, trace.errors, trace.matched,
        printable(trace.root_service + (trace.root_name.empty() ? "" : ": ") + trace.root_name));
    add(line, trace.errors != 0 ? "\x1b[31m" : "");
    if (!options_.spans) return;
    for (const FoundSpan& span : trace.matches) {
      std::string text =
          fmt::format("    {}  {}  {} {}", cut_to_width(span.span_id, 16),
                      right(duration_ms_text(span.duration_ms), 9), span.service, span.name);
      if (span.status == "error") text += " [error]";
      for (const std::string& attribute : span.attributes)
        text += "  " + attribute;
      add(printable(text), "\x1b[2m");
    }
    if (trace.matched > trace.matches.size()) {
      add(fmt::format("    … {} more matching spans", trace.matched - trace.matches.size()),
          "\x1b[2m");
    }
  }

  void add(const std::string& line, std::string_view colour) {
    const std::string text = cut_to_width(line, options_.width);
    lines_.push_back(colour.empty() ? text : paint(colour, text));
  }

  void footer() {
    std::string text = found_.traces.empty() ? "no trace matches"
                                             : fmt::format("{} trace{}", found_.traces.size(),
                                                           found_.traces.size() == 1 ? "" : "s");
    if (found_.limit_reached) text += ", and more match (--limit N)";
    text += "; " + inspected_text(found_.inspected, found_.elapsed_ms);
    lines_.push_back(paint("\x1b[2m", text));
  }

  const FoundTraces& found_;
  const TraceTableOptions& options_;
  bool same_day_ = false;
  std::vector<std::string> lines_;
};

}  // namespace

Expected<FoundTraces> read_found_traces(std::string_view json) {
  simdjson::dom::parser parser;
  element document;
  simdjson::dom::array traces;
  if (parser.parse(json.data(), json.size()).get(document) != SUCCESS ||
      document["traces"].get(traces) != SUCCESS) {
    return fail(ErrorCode::kCorrupt, "the answer is not that of a search");
  }
  FoundTraces out;
  for (const element trace : traces)
    out.traces.push_back(read_trace(trace));
  out.inspected = read_inspected(document);
  out.elapsed_ms = number_at(document, "elapsedMs");
  bool limit_reached = false;
  if (document["limitReached"].get(limit_reached) == SUCCESS) out.limit_reached = limit_reached;
  return out;
}

std::vector<std::string> render_trace_table(const FoundTraces& found,
                                            const TraceTableOptions& options) {
  return TableRenderer(found, options).render();
}

}  // namespace weft::cli
