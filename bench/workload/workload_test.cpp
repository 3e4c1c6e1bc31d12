#include "workload/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "wire/otlp_protobuf.h"

namespace weft::workload {
namespace {

struct Facts {
  size_t spans = 0, bytes = 0, roots = 0, orphans = 0, errors = 0, attributes = 0, events = 0;
  std::set<std::string> keys, services, routes;
  std::map<TraceId, size_t> traces;
  std::set<SpanId> span_ids;
  size_t max_resources = 0;
};

void take(const Batch& batch, Facts& facts, std::map<SpanId, TraceId>& owners,
          std::vector<std::pair<SpanId, TraceId>>& parents) {
  const auto decoded = decode_otlp_traces(batch.body);
  ASSERT_TRUE(decoded) << decoded.error().message;
  ASSERT_EQ(decoded->rejected_spans, 0);
  ASSERT_EQ(decoded->message, "");
  const SpanBatch& spans = decoded->batch;
  ASSERT_EQ(spans.size(), batch.spans);
  facts.bytes += batch.body.size();
  facts.spans += spans.size();
  facts.events += spans.events.size();
  facts.max_resources = std::max(facts.max_resources, spans.resources.size());
  for (const AttributeColumn& column : spans.attributes.columns) {
    facts.keys.emplace(spans.strings.at(column.key));
    facts.attributes += column.rows.size();
    if (spans.strings.at(column.key) != "http.route") continue;
    for (const auto id : column.strings)
      facts.routes.emplace(spans.strings.at(id));
  }
  for (const AttributeColumn& column : spans.resources.attributes.columns) {
    if (spans.strings.at(column.key) != "service.name") continue;
    for (const auto id : column.strings)
      facts.services.emplace(spans.strings.at(id));
  }
  for (size_t row = 0; row < spans.size(); ++row) {
    ++facts.traces[spans.trace_id[row]];
    facts.span_ids.insert(spans.span_id[row]);
    facts.errors += spans.status_code[row] == 2;
    facts.roots += spans.parent_span_id[row].is_zero();
    ASSERT_LE(spans.start_ns[row], spans.end_ns[row]);
    owners[spans.span_id[row]] = spans.trace_id[row];
    if (!spans.parent_span_id[row].is_zero()) {
      parents.emplace_back(spans.parent_span_id[row], spans.trace_id[row]);
    }
  }
}

Facts examine(Kind kind, size_t batches) {
  Workload workload({.kind = kind, .seed = 7});
  Facts facts;
  std::map<SpanId, TraceId> owners;
  std::vector<std::pair<SpanId, TraceId>> parents;
  for (size_t i = 0; i < batches; ++i)
    take(workload.next_batch(), facts, owners, parents);
  while (auto batch = workload.drain())
    take(*batch, facts, owners, parents);
  for (const auto& [parent, trace] : parents) {
    const auto owner = owners.find(parent);
    facts.orphans += owner == owners.end() || owner->second != trace;
  }
  EXPECT_EQ(facts.traces.size(), workload.traces_begun());
  EXPECT_TRUE(facts.traces.contains(workload.trace_id(0)));
  EXPECT_TRUE(facts.traces.contains(workload.trace_id(workload.traces_begun() - 1)));
  EXPECT_EQ(facts.span_ids.size(), facts.spans);
  EXPECT_EQ(facts.roots, facts.traces.size());
  EXPECT_EQ(facts.orphans, 0);
  printf(
      "spans %zu, %.1f B/span, %.2f spans/trace, %.2f attributes/span, %zu keys, %zu events, "
      "%zu errors\n",
      facts.spans, double(facts.bytes) / double(facts.spans),
      double(facts.spans) / double(facts.traces.size()),
      double(facts.attributes) / double(facts.spans), facts.keys.size(), facts.events,
      facts.errors);
  return facts;
}

void expect_near(double actual, double wanted, double tolerance) {
  EXPECT_GT(actual, wanted * (1 - tolerance));
  EXPECT_LT(actual, wanted * (1 + tolerance));
}

TEST(Workload, SIsOneResourceABatch) {
  const Facts facts = examine(Kind::kS, 100);
  EXPECT_EQ(facts.max_resources, 1);
  EXPECT_EQ(facts.services.size(), 20);
  EXPECT_EQ(facts.keys.size(), 31);
  EXPECT_LE(facts.routes.size(), 80);  // a route repeats, whatever its paths hold
  EXPECT_TRUE(facts.routes.contains("/products/{id}"));
  expect_near(double(facts.bytes) / double(facts.spans), 418, 0.03);
  expect_near(double(facts.spans) / double(facts.traces.size()), 11.5, 0.05);
  EXPECT_GT(facts.errors, 0);
  EXPECT_GT(facts.events, 0);
}

TEST(Workload, CMixesSixtyResources) {
  const Facts facts = examine(Kind::kC, 100);
  EXPECT_GT(facts.max_resources, 50);
  EXPECT_EQ(facts.services.size(), 20);
  expect_near(double(facts.bytes) / double(facts.spans), 472, 0.03);
}

TEST(Workload, MLeavesAttributesOutAndAddsRareKeys) {
  const Facts facts = examine(Kind::kM, 100);
  EXPECT_EQ(facts.keys.size(), 231);
  expect_near(double(facts.bytes) / double(facts.spans), 444, 0.03);
}

TEST(Workload, TheSameSeedGivesTheSameBytes) {
  Workload a({.kind = Kind::kM, .seed = 3});
  Workload b({.kind = Kind::kM, .seed = 3});
  Workload c({.kind = Kind::kM, .seed = 4});
  const std::string first = a.next_batch().body;
  EXPECT_EQ(first, b.next_batch().body);
  EXPECT_NE(first, c.next_batch().body);
}

}  // namespace
}  // namespace weft::workload
