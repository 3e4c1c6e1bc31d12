#include "query/testing/fixture.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace weft::testing {
namespace {

TraceId trace_id(uint64_t number) {
  TraceId id;
  id.bytes[0] = 0xf1;
  id.bytes[15] = static_cast<uint8_t>(number);
  return id;
}

SpanId span_id(char letter) {
  SpanId id;
  id.bytes[7] = static_cast<uint8_t>(letter);
  return id;
}

// Words of a line; quotes, braces and brackets hold spaces together.
std::vector<std::string> words(std::string_view line, char separator) {
  std::vector<std::string> out;
  std::string word;
  bool quoted = false;
  int depth = 0;
  for (char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '{' || c == '[')) ++depth;
    if (!quoted && (c == '}' || c == ']')) --depth;
    if (c == separator && !quoted && depth == 0) {
      if (!word.empty()) out.push_back(std::move(word));
      word.clear();
    } else {
      word.push_back(c);
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number out{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<int64_t> duration_of(std::string_view text) {
  for (const auto& [unit, ns] : {std::pair<std::string_view, int64_t>{"ms", 1'000'000},
                                 {"us", 1'000},
                                 {"ns", 1},
                                 {"s", 1'000'000'000}}) {
    if (!text.ends_with(unit)) continue;
    const auto count = number_of<int64_t>(text.substr(0, text.size() - unit.size()));
    if (count) return *count * ns;
  }
  return std::nullopt;
}

std::string unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

Value value_of(std::string_view text) {
  if (text.starts_with("\"")) return Value(unquoted(text));
  if (text == "true" || text == "false") return Value(text == "true");
  if (text.starts_with("[")) {
    Value::Array array;
    for (const std::string& element : words(text.substr(1, text.size() - 2), ',')) {
      array.push_back(value_of(element));
    }
    return Value(std::move(array));
  }
  if (const auto integer = number_of<int64_t>(text)) return Value(*integer);
  if (const auto number = number_of<double>(text)) return Value(*number);
  if (const auto ns = duration_of(text)) return Value(*ns);
  return Value(text);
}

// "head{a=1,b=2}": the head, and the attributes in braces.
std::string take_braces(std::string_view text, Attributes& attributes) {
  const size_t open = text.find('{');
  if (open == std::string_view::npos) return std::string(text);
  for (const std::string& entry : words(text.substr(open + 1, text.size() - open - 2), ',')) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    attributes.push_back({entry.substr(0, equals), value_of(entry.substr(equals + 1))});
  }
  return std::string(text.substr(0, open));
}

SpanKind kind_of(std::string_view word) {
  constexpr std::array<std::string_view, 6> kKinds = {"unspecified", "internal", "server",
                                                      "client",      "producer", "consumer"};
  const auto found = std::find(kKinds.begin(), kKinds.end(), word);
  return static_cast<SpanKind>(found == kKinds.end() ? 0 : found - kKinds.begin());
}

void add_event(std::string_view text, Span& span) {
  SpanEvent event;
  const std::string head = take_braces(text, event.attributes);
  const size_t at = head.find('@');
  event.name = head.substr(0, at);
  const auto offset = at == std::string::npos ? 0 : duration_of(head.substr(at + 1)).value_or(0);
  event.time_ns = span.start_ns + static_cast<uint64_t>(offset);
  span.events.push_back(std::move(event));
}

void add_link(std::string_view text, Span& span) {
  SpanLink link;
  const std::string head = take_braces(text, link.attributes);
  const size_t dot = head.find('.');
  link.trace_id = trace_id(number_of<uint64_t>(head.substr(0, dot)).value_or(0));
  link.span_id = span_id(head.back());
  span.links.push_back(std::move(link));
}

void set_attribute(std::string_view key, std::string_view text, Span& span) {
  if (key == "status") {
    span.status_code = text == "error" ? StatusCode::kError
                       : text == "ok"  ? StatusCode::kOk
                                       : StatusCode::kUnset;
  } else if (key == "message") {
    span.status_message = unquoted(text);
  } else if (key == "tracestate") {
    span.trace_state = unquoted(text);
  } else if (key == "parent") {
    span.parent_span_id = span_id(text.front());
  } else if (key == "scope") {
    const size_t slash = text.find('/');
    span.scope.name = std::string(text.substr(0, slash));
    if (slash != std::string_view::npos) span.scope.version = std::string(text.substr(slash + 1));
  } else if (key.starts_with("resource.")) {
    span.resource.attributes.push_back({std::string(key.substr(9)), value_of(text)});
  } else if (key.starts_with("instrumentation.")) {
    span.scope.attributes.push_back({std::string(key.substr(16)), value_of(text)});
  } else {
    span.attributes.push_back({unquoted(key), value_of(text)});
  }
}

struct Reader {
  uint64_t trace = 0;
  uint64_t trace_start_ns = 0;
  std::vector<std::pair<size_t, SpanId>> parents;  // indentation and span, outermost first
  std::vector<Span> spans;

  Status read_span(std::string_view line) {
    const size_t indent = line.find_first_not_of(' ');
    const std::vector<std::string> parts = words(line.substr(indent), ' ');
    if (parts.size() < 6) return fail(ErrorCode::kInvalidArgument, "a span needs six words");
    const auto start = duration_of(parts[2]);
    const auto duration = duration_of(parts[3]);
    if (!start || !duration) return fail(ErrorCode::kInvalidArgument, "bad start or duration");
    Span span;
    span.trace_id = trace_id(trace);
    span.span_id = span_id(parts[0][0]);
    span.kind = kind_of(parts[1]);
    span.start_ns = trace_start_ns + static_cast<uint64_t>(*start);
    span.end_ns = span.start_ns + static_cast<uint64_t>(*duration);
    if (parts[4] != "-") span.resource.attributes.push_back({"service.name", Value(parts[4])});
    span.name = unquoted(parts[5]);
    while (!parents.empty() && parents.back().first >= indent)
      parents.pop_back();
    if (!parents.empty()) span.parent_span_id = parents.back().second;
    parents.emplace_back(indent, span.span_id);
    for (size_t i = 6; i < parts.size(); ++i) {
      const std::string& part = parts[i];
      if (part.starts_with("event:")) {
        add_event(std::string_view(part).substr(6), span);
      } else if (part.starts_with("link:")) {
        add_link(std::string_view(part).substr(5), span);
      } else {
        const size_t equals = part.find('=');
        if (equals == std::string::npos) {
          return fail(ErrorCode::kInvalidArgument, "no `=` in " + part);
        }
        set_attribute(part.substr(0, equals), part.substr(equals + 1), span);
      }
    }
    spans.push_back(std::move(span));
    return {};
  }
};

}  // namespace

Expected<std::vector<Span>> parse_fixture(std::string_view text) {
  Reader reader;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(' ') == std::string_view::npos || line.starts_with("#")) continue;
    if (line.starts_with("trace ")) {
      const std::vector<std::string> parts = words(line, ' ');
      reader.trace = number_of<uint64_t>(parts[1]).value_or(0);
      reader.trace_start_ns =
          kFixtureBaseNs +
          static_cast<uint64_t>(parts.size() > 2 ? duration_of(parts[2]).value_or(0) : 0);
      reader.parents.clear();
      continue;
    }
    if (auto read = reader.read_span(line); !read) {
      return std::unexpected(std::move(read).error().with_prefix("line " + std::to_string(number)));
    }
  }
  return std::move(reader.spans);
}

std::string fixture_trace(const TraceId& id) {
  return std::to_string(id.bytes[15]);
}

std::string fixture_span(const SpanId& id) {
  return std::string(1, static_cast<char>(id.bytes[7]));
}

}  // namespace weft::testing
