#include "model/testing/random_spans.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

namespace weft::testing {
namespace {

using Random = std::mt19937_64;

uint64_t below(Random& random, uint64_t bound) {
  return random() % bound;
}
bool one_in(Random& random, uint64_t n) {
  return below(random, n) == 0;
}

std::string random_text(Random& random, bool hostile) {
  static constexpr std::array<std::string_view, 6> kWords = {
      "checkout", "login", "GET /cart", "ünïcode-✓", "", "a \"quoted\"\n line"};
  if (hostile && one_in(random, 4)) return std::string("\xff\xfe\x00<script>", 11);
  if (one_in(random, 3)) return "/users/" + std::to_string(below(random, 100'000)) + "/orders";
  return std::string(kWords[below(random, kWords.size())]);
}

Value random_value(Random& random, bool hostile, int depth = 0) {
  switch (below(random, depth < 3 ? 8 : 6)) {
    case 0:
      return Value();
    case 1:
      return Value(one_in(random, 2));
    case 2:
      return Value(static_cast<int64_t>(random()) >> below(random, 64));
    case 3:
      return Value(static_cast<double>(random()) / 1e9);
    case 4:
      return Value(Value::Bytes{random_text(random, true)});
    case 6: {
      Value::Array array;
      for (uint64_t i = below(random, 4); i > 0; --i) {
        array.push_back(random_value(random, hostile, depth + 1));
      }
      return Value(std::move(array));
    }
    case 7: {
      Value::Kvlist list;
      for (uint64_t i = below(random, 4); i > 0; --i) {
        list.push_back({"k" + std::to_string(i), random_value(random, hostile, depth + 1)});
      }
      return Value(std::move(list));
    }
    default:
      return Value(random_text(random, hostile));
  }
}

Attributes random_attributes(Random& random, std::string_view prefix, size_t keys, bool hostile) {
  Attributes out;
  for (size_t i = 0; i < keys; ++i) {
    if (one_in(random, 2)) continue;
    const std::string key = std::string(prefix) + std::to_string(i);
    // Most keys keep one type, as real ones do; key 0 takes any.
    switch (i % 4) {
      case 1:
        out.push_back({key, Value(random_text(random, hostile))});
        break;
      case 2:
        out.push_back({key, Value(static_cast<int64_t>(below(random, 600)))});
        break;
      case 3:
        out.push_back({key, Value(static_cast<double>(below(random, 1000)) / 8)});
        break;
      default:
        out.push_back({key, random_value(random, hostile)});
    }
  }
  return out;
}

template <typename Id>
Id random_id(Random& random) {
  Id id;
  for (uint8_t& byte : id.bytes)
    byte = static_cast<uint8_t>(random());
  id.bytes.back() |= 1;
  return id;
}

Resource random_resource(Random& random, bool hostile) {
  static constexpr std::array<std::string_view, 4> kServices = {"web", "api", "oauth", "legacy"};
  Resource resource;
  resource.attributes = random_attributes(random, "resource.", 4, hostile);
  resource.attributes.push_back({"service.name", Value(kServices[below(random, 4)])});
  if (one_in(random, 4)) resource.schema_url = "https://opentelemetry.io/schemas/1.27.0";
  if (one_in(random, 8)) resource.dropped_attributes_count = 3;
  return resource;
}

InstrumentationScope random_scope(Random& random, bool hostile) {
  InstrumentationScope scope;
  scope.name = one_in(random, 3) ? "" : "lib-" + std::to_string(below(random, 3));
  if (one_in(random, 2)) scope.version = "1." + std::to_string(below(random, 3));
  if (one_in(random, 4)) scope.attributes = random_attributes(random, "scope.", 3, hostile);
  return scope;
}

void add_details(Random& random, bool hostile, Span& span) {
  span.attributes = random_attributes(random, "key.", 12, hostile);
  for (uint64_t i = below(random, 4); i > 1; --i) {
    span.events.push_back({span.start_ns + below(random, 1'000'000), random_text(random, hostile),
                           random_attributes(random, "event.", 4, hostile),
                           static_cast<uint32_t>(below(random, 2))});
  }
  if (one_in(random, 5)) {
    span.links.push_back({random_id<TraceId>(random), random_id<SpanId>(random),
                          one_in(random, 2) ? "vendor=1" : "",
                          static_cast<uint32_t>(below(random, 0x300)),
                          random_attributes(random, "link.", 3, hostile), 0});
  }
  if (one_in(random, 6)) span.annotations.push_back({"received_ns", Value(int64_t{42})});
  if (one_in(random, 9)) {
    span.dropped_attributes_count = static_cast<uint32_t>(below(random, 9));
    span.dropped_events_count = static_cast<uint32_t>(below(random, 9));
    span.dropped_links_count = static_cast<uint32_t>(below(random, 9));
  }
}

void make_hostile(Random& random, Span& span) {
  constexpr uint64_t kYear2500Ns = 16'725'225'600'000'000'000u;
  switch (below(random, 6)) {
    case 0:
      span.start_ns = 0;
      break;
    case 1:
      span.end_ns = kYear2500Ns;
      break;
    case 2:
      std::swap(span.start_ns, span.end_ns);
      break;
    case 3:
      span.kind = static_cast<SpanKind>(77);
      break;
    case 4:
      span.parent_span_id = span.span_id;
      break;
    case 5:
      span.start_ns = UINT64_MAX;
      break;
  }
}

Span random_span(Random& random, const RandomSpanOptions& options, const TraceId& trace,
                 const std::vector<Span>& earlier, size_t first_of_trace) {
  Span span;
  span.trace_id = trace;
  span.span_id = random_id<SpanId>(random);
  if (earlier.size() > first_of_trace && !one_in(random, 8)) {
    span.parent_span_id =
        earlier[first_of_trace + below(random, earlier.size() - first_of_trace)].span_id;
  } else if (one_in(random, 8)) {
    span.parent_span_id = random_id<SpanId>(random);  // a parent that never arrives
  }
  span.start_ns = options.base_ns + below(random, options.spread_ns);
  span.end_ns = span.start_ns + (random() >> (28 + below(random, 30)));
  span.name = random_text(random, options.hostile);
  span.kind = static_cast<SpanKind>(below(random, 6));
  span.status_code = static_cast<StatusCode>(below(random, 3));
  if (one_in(random, 4)) span.status_message = random_text(random, options.hostile);
  if (one_in(random, 5)) span.trace_state = "vendor=value";
  span.flags = static_cast<uint32_t>(below(random, 2) ? 0x101 : 0);
  if (earlier.size() > first_of_trace && one_in(random, 2)) {
    span.resource = earlier.back().resource;
    span.scope = earlier.back().scope;
  } else {
    span.resource = random_resource(random, options.hostile);
    span.scope = random_scope(random, options.hostile);
  }
  add_details(random, options.hostile, span);
  if (options.hostile && one_in(random, 3)) make_hostile(random, span);
  return span;
}

}  // namespace

uint64_t test_seed(std::string_view test_name) {
  const char* given = std::getenv("WEFT_TEST_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("%.*s: WEFT_TEST_SEED=%llu\n", static_cast<int>(test_name.size()), test_name.data(),
              static_cast<unsigned long long>(seed));
  return seed;
}

std::vector<Span> random_spans(std::mt19937_64& random, const RandomSpanOptions& options) {
  std::vector<Span> spans;
  for (size_t t = 0; t < options.traces; ++t) {
    const auto trace = random_id<TraceId>(random);
    const size_t first = spans.size();
    for (uint64_t i = 1 + below(random, options.max_spans_per_trace); i > 0; --i) {
      spans.push_back(random_span(random, options, trace, spans, first));
    }
  }
  std::shuffle(spans.begin(), spans.end(), random);
  return spans;
}

SpanBatch to_batch(const std::vector<Span>& spans) {
  SpanBatch batch;
  for (const Span& span : spans)
    append_span(batch, span);
  return batch;
}

std::vector<Span> canonical(std::vector<Span> spans) {
  for (Span& span : spans)
    normalise(span);
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::tie(a.trace_id, a.span_id) < std::tie(b.trace_id, b.span_id);
  });
  return spans;
}

std::vector<Span> canonical(const SpanBatch& batch) {
  return canonical(to_spans(batch));
}

}  // namespace weft::testing
