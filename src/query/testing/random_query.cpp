#include "query/testing/random_query.h"

#include <array>

namespace weft::testing {
namespace {

using Random = std::mt19937_64;

uint64_t below(Random& random, uint64_t bound) {
  return random() % bound;
}
bool one_in(Random& random, uint64_t n) {
  return below(random, n) == 0;
}

template <size_t N>
std::string pick(Random& random, const std::array<const char*, N>& from) {
  return from[below(random, N)];
}

// ---- traces ----

Value random_value(Random& random) {
  switch (below(random, 9)) {
    case 0:
      return Value(true);
    case 1:
      return Value(false);
    case 2:
      return Value("x");
    case 3:
      return Value("y");
    case 4:
      return Value(static_cast<double>(below(random, 8)) / 2);
    case 5:
      return Value(Value::Array{Value("x"), Value(static_cast<int64_t>(below(random, 3)))});
    case 6:
      return Value(Value::Array{});
    default:
      return Value(static_cast<int64_t>(below(random, 6)) - 2);
  }
}

Attributes random_attributes(Random& random) {
  Attributes out;
  for (const char* key : {"a", "b", "c"}) {
    if (one_in(random, 2)) out.push_back({key, random_value(random)});
  }
  return out;
}

SpanId span_id(uint64_t number) {
  SpanId id;
  id.bytes[6] = static_cast<uint8_t>(number >> 8);
  id.bytes[7] = static_cast<uint8_t>(number);
  return id;
}

Span random_span(Random& random, const TraceId& trace, uint64_t number, uint64_t spans,
                 uint64_t trace_start_ns) {
  constexpr std::array<const char*, 3> kNames = {"GET", "POST", "db"};
  constexpr std::array<const char*, 3> kServices = {"web", "api", "x"};
  Span span;
  span.trace_id = trace;
  span.span_id = span_id(number);
  // Mostly a tree; else any parent: orphans, cycles, itself.
  if (number > 1 && !one_in(random, 10)) {
    span.parent_span_id =
        span_id(one_in(random, 12) ? 1 + below(random, spans + 2) : 1 + below(random, number - 1));
  }
  span.start_ns = trace_start_ns + below(random, 8) * 100'000'000;
  span.end_ns = span.start_ns + below(random, 5) * 50'000'000;
  if (one_in(random, 30)) span.end_ns = span.start_ns - 1;
  span.name = pick(random, kNames);
  span.kind = static_cast<SpanKind>(below(random, 6));
  span.status_code = static_cast<StatusCode>(below(random, 3));
  if (one_in(random, 4)) span.status_message = "x";
  span.attributes = random_attributes(random);
  span.resource.attributes = random_attributes(random);
  if (!one_in(random, 6)) {
    span.resource.attributes.push_back({"service.name", Value(pick(random, kServices))});
  }
  span.scope.name = one_in(random, 2) ? "lib" : "";
  if (one_in(random, 3)) span.scope.attributes = random_attributes(random);
  for (uint64_t i = below(random, 3); i > 0; --i) {
    span.events.push_back(
        {span.start_ns + i * 1'000'000, pick(random, kNames), random_attributes(random), 0});
  }
  if (one_in(random, 4)) {
    span.links.push_back(
        {trace, span_id(1 + below(random, spans)), "", 0, random_attributes(random), 0});
  }
  return span;
}

// ---- queries ----

std::string field(Random& random) {
  constexpr std::array<const char*, 30> kFields = {".a",
                                                   ".b",
                                                   ".c",
                                                   "span.a",
                                                   "span.b",
                                                   "resource.a",
                                                   "resource.b",
                                                   "resource.service.name",
                                                   "event.a",
                                                   "link.b",
                                                   "parent.a",
                                                   "parent.span.b",
                                                   "parent.resource.service.name",
                                                   "instrumentation.a",
                                                   "event:name",
                                                   "link:spanID",
                                                   "instrumentation:name",
                                                   "name",
                                                   "statusMessage",
                                                   "rootName",
                                                   "rootServiceName",
                                                   ".a",
                                                   "span.a",
                                                   ".b",
                                                   "duration",
                                                   "trace:duration",
                                                   "span:childCount",
                                                   "nestedSetLeft",
                                                   "nestedSetRight",
                                                   "span:id"};
  return pick(random, kFields);
}

std::string number_field(Random& random) {
  constexpr std::array<const char*, 12> kFields = {".a",
                                                   ".b",
                                                   "span.c",
                                                   "resource.a",
                                                   "duration",
                                                   "trace:duration",
                                                   "childCount",
                                                   "event:timeSinceStart",
                                                   "nestedSetParent",
                                                   "event.a",
                                                   "parent.a",
                                                   "nestedSetLeft"};
  return pick(random, kFields);
}

std::string number(Random& random) {
  switch (below(random, 5)) {
    case 0:
      return std::to_string(static_cast<int64_t>(below(random, 6)) - 2);
    case 1:
      return std::to_string(below(random, 4)) + ".5";
    case 2:
      return std::to_string(below(random, 250)) + "ms";
    default:
      return std::to_string(below(random, 4));
  }
}

std::string numeric(Random& random, int depth) {
  if (depth <= 0 || one_in(random, 2)) {
    return one_in(random, 3) ? number(random) : number_field(random);
  }
  if (one_in(random, 6)) return "-(" + numeric(random, depth - 1) + ")";
  constexpr std::array<const char*, 6> kOps = {" + ", " - ", " * ", " / ", " % ", " ^ "};
  return "(" + numeric(random, depth - 1) + pick(random, kOps) + numeric(random, depth - 1) + ")";
}

std::string condition(Random& random, int depth) {
  constexpr std::array<const char*, 6> kOrder = {" = ", " != ", " < ", " <= ", " > ", " >= "};
  constexpr std::array<const char*, 2> kEqual = {" = ", " != "};
  constexpr std::array<const char*, 5> kAny = {".a", ".b", "span.a", "resource.b", "event.c"};
  if (depth > 0 && one_in(random, 3)) {
    switch (below(random, 4)) {
      case 0:
        return "!(" + condition(random, depth - 1) + ")";
      case 1:
        return "(" + condition(random, depth - 1) + " || " + condition(random, depth - 1) + ")";
      default:
        return condition(random, depth - 1) + " && " + condition(random, depth - 1);
    }
  }
  switch (below(random, 12)) {
    case 0:
      return field(random) + " = nil";
    case 1:
      return field(random) + " != nil";
    case 2:
      return "status" + pick(random, kEqual) +
             pick(random, std::array<const char*, 3>{"ok", "error", "unset"});
    case 3:
      return "kind" + pick(random, kEqual) +
             pick(random, std::array<const char*, 3>{"server", "client", "internal"});
    case 4:
      return "name" + pick(random, kOrder) +
             pick(random, std::array<const char*, 3>{"\"GET\"", "\"db\"", "`x`"});
    case 5:
      return pick(random, kAny) + pick(random, std::array<const char*, 2>{" =~ ", " !~ "}) +
             pick(random, std::array<const char*, 3>{"\"x|y\"", "\".*\"", "\"z\""});
    case 6:
      return pick(random, kAny);
    case 7:
      return "!" + pick(random, kAny);
    case 8:
      return pick(random, kAny) + pick(random, kOrder) +
             pick(random, std::array<const char*, 2>{"\"x\"", "\"y\""});
    case 9:
      return pick(random, kAny) + pick(random, kEqual) +
             pick(random, std::array<const char*, 4>{"true", "false", "error", ".b"});
    case 10:
      return number(random) + pick(random, kOrder) + number_field(random);
    default:
      return numeric(random, 2) + pick(random, kOrder) + numeric(random, 1);
  }
}

std::string filter(Random& random) {
  if (one_in(random, 8)) return "{ }";
  if (one_in(random, 20)) return "{ nestedSetParent < 0 }";
  return "{ " + condition(random, 2) + " }";
}

std::string pipeline(Random& random, int depth);

std::string spanset(Random& random, int depth) {
  if (depth <= 0 || one_in(random, 2)) return filter(random);
  if (one_in(random, 8)) return "(" + pipeline(random, depth - 1) + ")";
  constexpr std::array<const char*, 17> kOps = {" && ", " || ", " > ",   " < ",   " >> ",  " << ",
                                                " ~ ",  " !> ", " !< ",  " !>> ", " !<< ", " !~ ",
                                                " &> ", " &< ", " &>> ", " &<< ", " &~ "};
  return "(" + spanset(random, depth - 1) + pick(random, kOps) + spanset(random, depth - 1) + ")";
}

std::string aggregate(Random& random) {
  if (one_in(random, 3)) return "count()";
  return pick(random, std::array<const char*, 4>{"min(", "max(", "sum(", "avg("}) +
         numeric(random, one_in(random, 4) ? 1 : 0) + ")";
}

// An aggregate's argument must name something of a span.
std::string safe_aggregate(Random& random) {
  for (;;) {
    std::string out = aggregate(random);
    if (out == "count()" ||
        out.find_first_of("abcdefghijklmnopqrstuvwxyz", 4) != std::string::npos) {
      const std::string argument = out.substr(4);
      if (out == "count()" || argument.find('.') == 0 ||
          argument.find("duration") != std::string::npos ||
          argument.find("span") != std::string::npos ||
          argument.find("resource") != std::string::npos ||
          argument.find("nested") != std::string::npos ||
          argument.find("event") != std::string::npos ||
          argument.find("childCount") != std::string::npos) {
        return out;
      }
    }
  }
}

std::string scalar(Random& random, int depth) {
  if (depth > 0 && one_in(random, 4)) {
    return "(" + pipeline(random, depth - 1) + " | " + safe_aggregate(random) + ")";
  }
  if (one_in(random, 5)) return "(" + safe_aggregate(random) + " + " + number(random) + ")";
  return safe_aggregate(random);
}

std::string pipeline(Random& random, int depth) {
  constexpr std::array<const char*, 6> kOrder = {" = ", " != ", " < ", " <= ", " > ", " >= "};
  std::string out = spanset(random, depth);
  for (uint64_t stages = below(random, 3); stages > 0; --stages) {
    out += " | ";
    switch (below(random, 6)) {
      case 0:
        out += "by(" + field(random) + ")";
        break;
      case 1:
        out += "coalesce()";
        break;
      case 2:
        out += "select(" + field(random) + ")";
        break;
      case 3:
        out += spanset(random, depth - 1);
        break;
      default:
        out += scalar(random, depth - 1) + pick(random, kOrder) + number(random);
        break;
    }
  }
  return out;
}

}  // namespace

std::vector<Span> random_traces(Random& random, size_t traces) {
  std::vector<Span> out;
  for (size_t t = 0; t < traces; ++t) {
    TraceId id;
    id.bytes[0] = static_cast<uint8_t>(random());
    id.bytes[15] = static_cast<uint8_t>(t + 1);
    // A few start values only, so that traces start at the same time.
    const uint64_t start_ns =
        kRandomTracesBaseNs + below(random, 16) * (kRandomTracesSpreadNs / 16);
    const uint64_t spans = 1 + below(random, 12);
    for (uint64_t number = 1; number <= spans; ++number) {
      out.push_back(random_span(random, id, number, spans, start_ns));
    }
  }
  return out;
}

std::string random_search_query(Random& random) {
  return pipeline(random, 2);
}

std::string random_metrics_query(Random& random) {
  std::string out = one_in(random, 3) ? pipeline(random, 1) : filter(random);
  const std::string value = number_field(random);
  switch (below(random, 8)) {
    case 0:
      out += " | rate()";
      break;
    case 1:
      out += " | count_over_time()";
      break;
    case 2:
      out += " | min_over_time(" + value + ")";
      break;
    case 3:
      out += " | max_over_time(" + value + ")";
      break;
    case 4:
      out += " | sum_over_time(" + value + ")";
      break;
    case 5:
      out += " | avg_over_time(" + value + ")";
      break;
    case 6:
      out += " | quantile_over_time(" + value + ", 0, .5, .9, 1)";
      break;
    default:
      out += " | histogram_over_time(" + value + ")";
      break;
  }
  if (one_in(random, 2)) {
    out += " by(" + field(random);
    if (one_in(random, 3)) out += ", status";
    out += ")";
  }
  return out;
}

}  // namespace weft::testing
