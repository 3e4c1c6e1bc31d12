#include "cli/waterfall.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cli/terminal.h"
#include "cli/trace_tree.h"

namespace weft::cli {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kBold = "\x1b[1m";
// A start that is less than this before the parent's says nothing of clocks.
constexpr uint64_t kTellingSkewNs = 1'000'000;
// One a service, in order of appearance; red and yellow are kept for what is wrong.
constexpr std::string_view kServiceColours[] = {"\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[34m",
                                                "\x1b[96m", "\x1b[92m", "\x1b[95m", "\x1b[94m"};

struct Glyphs {
  std::string_view branch, last_branch, guide, gap, bar, tick, error, event, warn, hidden;
};
constexpr Glyphs kUtf8Glyphs{"├─ ", "└─ ", "│  ", "   ", "█", "▏", "✗", "•", "⚠", "…"};
constexpr Glyphs kAsciiGlyphs{"|- ", "`- ", "|  ", "   ", "#", "|", "x", "*", "!", "..."};

std::string service_of(const Span& span) {
  const Value* name = find_attribute(span.resource.attributes, "service.name");
  return name == nullptr ? "(no service.name)" : to_display(*name);
}

class Renderer {
 public:
  Renderer(const std::vector<Span>& spans, const WaterfallOptions& options)
      : spans_(spans),
        options_(options),
        glyphs_(options.ascii ? kAsciiGlyphs : kUtf8Glyphs),
        width_(std::max<size_t>(options.width, 40)),
        tree_(build_trace_tree(spans, options.max_spans)) {
    duration_width_ = 10;
    label_width_ = std::clamp<size_t>(width_ * 45 / 100, 18, 80);
    bar_width_ = width_ - label_width_ - duration_width_ - 2;
  }

  std::vector<std::string> render() {
    if (spans_.empty()) return {"(no spans)"};
    header();
    for (const TreeRow& row : tree_.rows) {
      switch (row.kind) {
        case TreeRow::Kind::kSpan:
          span_lines(row);
          break;
        case TreeRow::Kind::kMissingParent:
          missing_line(row);
          break;
        case TreeRow::Kind::kHidden:
          hidden_line(row);
          break;
      }
    }
    footer();
    return std::move(lines_);
  }

 private:
  std::string paint(std::string_view colour, std::string text) const {
    if (!options_.colour || colour.empty() || text.empty()) return text;
    return fmt::format("{}{}{}", colour, text, kReset);
  }

  std::string cut(std::string_view text, size_t width) const {
    if (!options_.ascii) return cut_to_width(text, width);
    // The terminal takes ASCII alone: whatever else stands in the data is drawn as '?'.
    std::string ascii;
    for (const char c : printable(text.substr(0, 8 * width))) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80) {
        ascii += c;
      } else if (byte >= 0xC0) {
        ascii += '?';
      }
    }
    if (ascii.size() > width) {
      ascii.resize(width);
      if (width > 0) ascii.back() = '~';
    }
    return ascii;
  }

  std::string_view colour_of(const std::string& service) {
    const auto [at, is_new] = service_colours_.emplace(service, service_colours_.size());
    return kServiceColours[at->second % std::size(kServiceColours)];
  }

  void header() {
    std::set<std::string> services;
    for (const Span& span : spans_)
      services.insert(service_of(span));
    lines_.push_back(paint(kBold, cut("Trace " + spans_[0].trace_id.to_hex(), width_)));
    std::string facts = fmt::format("{}  {}  {}  {}", format_time_ns(tree_.start_ns),
                                    duration_of(tree_.end_ns - tree_.start_ns),
                                    plural(spans_.size(), "span", "spans"),
                                    plural(services.size(), "service", "services"));
    if (tree_.errors != 0) facts += "  " + plural(tree_.errors, "error", "errors");
    lines_.push_back(cut(facts, width_));
    // The axis: 0 at the left end of the bars, the whole at the right.
    const std::string total = cut(duration_of(tree_.end_ns - tree_.start_ns), bar_width_);
    const size_t pad = bar_width_ - std::min(bar_width_, 1 + display_width(total));
    lines_.push_back(std::string(label_width_ + 1, ' ') +
                     paint(kDim, "0" + std::string(pad, ' ') + total));
  }

  // What stands left of a row's text; deep levels are folded so that text keeps its room.
  std::string prefix_of(const TreeRow& row, bool below) const {
    const size_t max_levels = std::max<size_t>(label_width_ / 6, 2);
    std::string out;
    if (row.depth == 0) return below ? std::string(glyphs_.gap) : std::string();
    // A root has no branch, so level 0 draws no guide.
    const size_t first = row.depth > max_levels ? row.depth - max_levels : 1;
    if (first > 1) out += fmt::format("{}", row.depth) + (options_.ascii ? ">" : "›");
    for (size_t level = first; level < row.depth; ++level) {
      const bool more = level < row.guides.size() && row.guides[level];
      out += more ? glyphs_.guide : glyphs_.gap;
    }
    if (below) {
      out += row.last_sibling ? glyphs_.gap : glyphs_.guide;
      out += glyphs_.gap;
    } else {
      out += row.last_sibling ? glyphs_.last_branch : glyphs_.branch;
    }
    return out;
  }

  void span_lines(const TreeRow& row) {
    const Span& span = spans_[row.span];
    const bool error = span.status_code == StatusCode::kError;
    const std::string service = service_of(span);
    const std::string_view colour = colour_of(service);

    const std::string prefix = prefix_of(row, false);
    const size_t prefix_width = display_width(prefix);
    const size_t room = label_width_ - std::min(label_width_, prefix_width + (error ? 2 : 0));
    const size_t service_width = std::min(display_width(printable(service)), room * 2 / 5);
    const std::string service_text = cut(service, service_width);
    const size_t name_room = room - std::min(room, display_width(service_text) + 1);
    const std::string name = cut(span.name.empty() ? "(no name)" : span.name, name_room);
    std::string label = paint(kDim, prefix);
    if (error) label += paint(kRed, std::string(glyphs_.error)) + " ";
    label += paint(colour, service_text) + " " + paint(error ? kRed : std::string_view(), name);
    const size_t used =
        prefix_width + (error ? 2 : 0) + display_width(service_text) + 1 + display_width(name);
    if (used < label_width_) label.append(label_width_ - used, ' ');

    const std::string duration = duration_text(span);
    lines_.push_back(label + " " + bar_of(span, error ? kRed : colour) + " " + duration);
    notes_below(row, span);
  }

  std::string duration_of(uint64_t duration_ns) const {
    std::string text = format_duration_ns(duration_ns);
    if (options_.ascii && text.ends_with("µs")) text.replace(text.size() - 3, 3, "us");
    return text;
  }

  std::string duration_text(const Span& span) const {
    const std::string text = duration_of(span.duration_ns());
    const size_t used = display_width(text);
    return used < duration_width_ ? std::string(duration_width_ - used, ' ') + text : text;
  }

  std::string bar_of(const Span& span, std::string_view colour) const {
    const double total = std::max<double>(static_cast<double>(tree_.end_ns - tree_.start_ns), 1);
    const double scale = static_cast<double>(bar_width_) / total;
    const double from = static_cast<double>(span.start_ns - tree_.start_ns) * scale;
    const double length = static_cast<double>(span.duration_ns()) * scale;
    const size_t begin = std::min(static_cast<size_t>(from), bar_width_ - 1);
    const size_t end = std::clamp(static_cast<size_t>(from + length + 0.5), begin, bar_width_);
    std::string bar;
    if (end == begin) bar = glyphs_.tick;
    for (size_t i = begin; i < end; ++i)
      bar += glyphs_.bar;
    const size_t cells = std::max<size_t>(end - begin, 1);
    return std::string(begin, ' ') + paint(colour, bar) +
           std::string(bar_width_ - begin - cells, ' ');
  }

  void note(const TreeRow& row, std::string_view colour, const std::string& text) {
    const std::string prefix = prefix_of(row, true);
    const size_t used = display_width(prefix);
    lines_.push_back(paint(kDim, prefix) +
                     paint(colour, cut(text, width_ - std::min(width_, used))));
  }

  void notes_below(const TreeRow& row, const Span& span) {
    if (span.status_code == StatusCode::kError && !span.status_message.empty()) {
      note(row, kRed, "error: " + span.status_message);
    }
    if (row.starts_before_parent_ns >= kTellingSkewNs) {
      note(row, kYellow,
           fmt::format("{} clock skew: starts {} before its parent", glyphs_.warn,
                       duration_of(row.starts_before_parent_ns)));
    }
    if (span.end_ns < span.start_ns) {
      note(row, kYellow,
           fmt::format("{} ends {} before it starts", glyphs_.warn,
                       duration_of(span.start_ns - span.end_ns)));
    }
    if (row.in_parent_loop) {
      note(row, kYellow,
           fmt::format("{} its parents form a circle; drawn as a root", glyphs_.warn));
    }
    event_notes(row, span);
    for (const SpanLink& link : span.links) {
      if (&link - span.links.data() == static_cast<ptrdiff_t>(options_.max_events)) {
        note(row, kDim,
             fmt::format("{} {} more links", glyphs_.hidden,
                         span.links.size() - options_.max_events));
        break;
      }
      note(row, kDim,
           fmt::format("{} link to span {} of trace {}", glyphs_.event, link.span_id.to_hex(),
                       link.trace_id.to_hex()));
    }
    if (options_.attributes) attribute_notes(row, span);
  }

  // Events that have nothing but a name share lines: a browser's fetch has eight of them.
  void event_notes(const TreeRow& row, const Span& span) {
    const size_t room = width_ - std::min(width_, display_width(prefix_of(row, true)));
    std::string line;
    const auto end_line = [&] {
      if (!line.empty()) note(row, kDim, std::exchange(line, {}));
    };
    size_t shown = 0;
    for (const SpanEvent& event : span.events) {
      if (shown++ == options_.max_events) {
        end_line();
        note(row, kDim,
             fmt::format("{} {} more events", glyphs_.hidden,
                         span.events.size() - options_.max_events));
        break;
      }
      const std::string text = event_text(span, event);
      if (is_exception(event) || !event.attributes.empty()) {
        end_line();
        note(row, is_exception(event) ? kRed : kDim, text);
        continue;
      }
      if (!line.empty() &&
          display_width(printable(line)) + 1 + display_width(printable(text)) > room)
        end_line();
      line += (line.empty() ? "" : " ") + text;
    }
    end_line();
  }

  static bool is_exception(const SpanEvent& event) {
    return event.name == "exception" ||
           find_attribute(event.attributes, "exception.type") != nullptr;
  }

  std::string event_text(const Span& span, const SpanEvent& event) const {
    const bool early = event.time_ns < span.start_ns;
    const uint64_t distance = early ? span.start_ns - event.time_ns : event.time_ns - span.start_ns;
    const Value* type = find_attribute(event.attributes, "exception.type");
    const Value* message = find_attribute(event.attributes, "exception.message");
    std::string text = fmt::format("{} {}{} {}", glyphs_.event, early ? "-" : "+",
                                   duration_of(distance), event.name);
    if (type != nullptr) text += " " + to_display(*type);
    if (message != nullptr) text += ": " + to_display(*message);
    if (type == nullptr && message == nullptr) {
      for (const KeyValue& attribute : event.attributes) {
        text += fmt::format(" {}={}", attribute.key, to_display(attribute.value));
        if (text.size() > 4 * width_) break;
      }
    }
    return text;
  }

  void attribute_notes(const TreeRow& row, const Span& span) {
    const auto print = [&](std::string_view scope, const Attributes& attributes) {
      for (const KeyValue& attribute : attributes) {
        note(row, kDim,
             fmt::format("{}{} = {}", scope, attribute.key, to_display(attribute.value)));
      }
    };
    print("", span.attributes);
    print("resource.", span.resource.attributes);
  }

  void missing_line(const TreeRow& row) {
    const std::string text =
        fmt::format("{} parent span {} was not received", glyphs_.warn, row.missing.to_hex());
    lines_.push_back(paint(kYellow, cut(text, width_)));
  }

  void hidden_line(const TreeRow& row) {
    const std::string prefix = prefix_of(row, false);
    const std::string text =
        fmt::format("{} {} more", glyphs_.hidden, plural(row.hidden, "span", "spans"));
    const size_t used = std::min(width_, display_width(prefix));
    lines_.push_back(paint(kDim, prefix + cut(text, width_ - used)));
  }

  void footer() {
    if (tree_.missing_parents != 0) {
      lines_.push_back(
          paint(kYellow, cut(fmt::format("{} not received: their sender was sampled out, is not "
                                         "traced, or has not exported yet",
                                         plural(tree_.missing_parents, "parent", "parents")),
                             width_)));
    }
    if (tree_.hidden != 0) {
      lines_.push_back(
          paint(kDim, cut(fmt::format("{} of {} spans drawn, errors and the longest first; "
                                      "--max-spans N draws more",
                                      with_thousands(spans_.size() - tree_.hidden),
                                      with_thousands(spans_.size())),
                          width_)));
    }
  }

  const std::vector<Span>& spans_;
  const WaterfallOptions& options_;
  const Glyphs& glyphs_;
  size_t width_;
  size_t label_width_ = 0;
  size_t bar_width_ = 0;
  size_t duration_width_ = 0;
  TraceTree tree_;
  std::map<std::string, size_t> service_colours_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> render_waterfall(const std::vector<Span>& spans,
                                          const WaterfallOptions& options) {
  return Renderer(spans, options).render();
}

}  // namespace weft::cli
