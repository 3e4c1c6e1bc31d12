#include "analysis/service_map.h"

#include <gtest/gtest.h>

#include "analysis/testing/fixture.h"

namespace weft::analysis {
namespace {

using testing::Fixture;
using testing::make;
using testing::SpanBuilder;

const ServiceNode* node(const ServiceMap& map, std::string_view service) {
  for (const ServiceNode& n : map.nodes)
    if (n.service == service) return &n;
  return nullptr;
}

const ServiceEdge* edge(const ServiceMap& map, std::string_view from, std::string_view to) {
  for (const ServiceEdge& e : map.edges)
    if (e.from == from && e.to == to) return &e;
  return nullptr;
}

// web -> api (continued), api -> database (never continues).
std::vector<Span> login(uint8_t trace) {
  return {make(trace, 1, 0, "web", "POST /login").server().at(0, 50),
          make(trace, 2, 1, "web", "POST").client().at(5, 40).with("http.request.method", "POST"),
          make(trace, 3, 2, "api", "POST /session").server().at(10, 30),
          make(trace, 4, 3, "api", "SELECT").client().at(12, 5).with("db.system", "postgresql")};
}

TEST(ServiceMap, NodesEdgesAndVirtualPeers) {
  Fixture fixture(login(1));
  const auto map = service_map(fixture.request(), Ownership({{"Product", "Gaming", {"web"}}}));
  ASSERT_TRUE(map) << map.error().message;
  ASSERT_EQ(map->nodes.size(), 3u);
  EXPECT_EQ(node(*map, "web")->owner.squad, "Product");
  EXPECT_EQ(node(*map, "web")->spans, 2u);
  EXPECT_EQ(node(*map, "web")->requests, 1u);
  EXPECT_EQ(node(*map, "api")->p50_ns, 30e6);
  EXPECT_TRUE(node(*map, "postgresql")->is_virtual);
  EXPECT_EQ(node(*map, "postgresql")->requests, 1u);
  ASSERT_EQ(map->edges.size(), 2u);
  const ServiceEdge* call = edge(*map, "web", "api");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->kind, "http");
  EXPECT_EQ(call->calls, 1u);
  EXPECT_EQ(call->continued_share, 1);
  EXPECT_EQ(call->p50_ns, 40e6) << "what the caller waited";
  const ServiceEdge* query = edge(*map, "api", "postgresql");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->kind, "db");
  EXPECT_EQ(query->continued_share, 0);
  EXPECT_EQ(fixture.inspected.spans > 0, true);
}

TEST(ServiceMap, PeersWithoutEndAreCutOff) {
  std::vector<Span> spans;
  for (int i = 0; i < 25'000; i++) {
    SpanBuilder call = make(1, 1, 0, "crawler", "GET").client();
    for (int byte = 0; byte < 4; byte++)
      call.span.span_id.bytes[byte] = static_cast<uint8_t>((i + 256) >> (8 * byte));
    spans.push_back(call.with("server.address", std::to_string(i)));
  }
  Fixture fixture(std::move(spans));
  const auto map = service_map(fixture.request(), Ownership());
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_TRUE(map->limit_reached);
  EXPECT_EQ(map->edges.size(), ServiceMap::kMaxEdges);
  EXPECT_EQ(node(*map, "crawler")->spans, 25'000u);
}

TEST(ServiceMap, CallsThatLoseTheirContextLowerTheShare) {
  std::vector<Span> spans;
  for (uint8_t trace = 1; trace <= 4; trace++) {
    spans.push_back(make(trace, 1, 0, "web", "GET").client().with("server.address", "api:80"));
    // In the fourth trace the load balancer dropped traceparent: the server began its own.
    if (trace < 4) {
      spans.push_back(make(trace, 2, 1, "api", "GET /").server());
    } else {
      spans.push_back(make(9, 2, 0, "api", "GET /").server());
    }
  }
  Fixture fixture(spans);
  const auto map = service_map(fixture.request(), {});
  ASSERT_TRUE(map);
  ASSERT_EQ(map->edges.size(), 1u) << "the address is known to be api's";
  EXPECT_EQ(map->edges[0].to, "api");
  EXPECT_EQ(map->edges[0].calls, 4u);
  EXPECT_EQ(map->edges[0].continued_share, 0.75);
}

TEST(ServiceMap, PeerServiceThatIsAServiceIsNoVirtualNode) {
  Fixture fixture({make(1, 1, 0, "web", "GET").client().with("peer.service", "api").error(),
                   make(2, 1, 0, "api", "GET /").server()});
  const auto map = service_map(fixture.request(), {});
  ASSERT_TRUE(map);
  ASSERT_EQ(map->nodes.size(), 2u);
  ASSERT_EQ(map->edges.size(), 1u);
  EXPECT_EQ(map->edges[0].continued_share, 0);
  EXPECT_EQ(map->edges[0].errors, 1u);
}

TEST(ServiceMap, WrappersAndInnerPhasesAreNoCallsOfTheirOwn) {
  Fixture fixture({make(1, 1, 0, "web", "SDK call").client().with("peer.service", "wrapper"),
                   make(1, 2, 1, "web", "GET").client().with("server.address", "api"),
                   make(1, 3, 2, "api", "GET /").server(),
                   make(2, 1, 0, "web", "GET").client().with("server.address", "cdn"),
                   make(2, 2, 1, "web", "http.connect").client().with("server.address", "cdn")});
  const auto map = service_map(fixture.request(), {});
  ASSERT_TRUE(map);
  ASSERT_EQ(map->edges.size(), 2u);
  EXPECT_EQ(edge(*map, "web", "api")->calls, 1u);
  EXPECT_EQ(edge(*map, "web", "cdn")->calls, 1u);
}

TEST(ServiceMap, MessagesAndBareCallees) {
  Fixture fixture({make(1, 1, 0, "shop", "send")
                       .kind(SpanKind::kProducer)
                       .at(0, 1)
                       .with("messaging.system", "kafka"),
                   make(1, 2, 1, "mail", "receive").kind(SpanKind::kConsumer).at(100, 20),
                   make(1, 3, 2, "audit", "log").kind(SpanKind::kInternal).at(110, 2)});
  const auto map = service_map(fixture.request(), {});
  ASSERT_TRUE(map);
  const ServiceEdge* sent = edge(*map, "shop", "mail");
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->kind, "messaging");
  EXPECT_EQ(sent->p50_ns, 20e6) << "the consumer's time: a producer does not wait";
  ASSERT_TRUE(edge(*map, "mail", "audit"));
  EXPECT_EQ(edge(*map, "mail", "audit")->continued_share, 1);
}

TEST(ServiceMap, OfTheTracesThatMatch) {
  std::vector<Span> spans = login(1);
  for (Span& span : login(2)) {
    if (span.span_id == testing::span_id(1)) span.status_code = StatusCode::kError;
    spans.push_back(span);
  }
  for (const bool superset : {false, true}) {
    Fixture fixture(spans, {.superset = superset});
    const auto map = service_map(fixture.request("{ status = error }"), {});
    ASSERT_TRUE(map);
    EXPECT_EQ(edge(*map, "web", "api")->calls, 1u);
    EXPECT_EQ(node(*map, "web")->errors, 1u);
    EXPECT_EQ(node(*map, "postgresql")->requests, 1u);
  }
}

TEST(ServiceMap, RangesCountSpansThatStartInThem) {
  Fixture fixture(login(1));
  const auto map = service_map(fixture.request("", {testing::kStart + 8 * testing::kMs,
                                                    testing::kStart + 11 * testing::kMs}),
                               {});
  ASSERT_TRUE(map);
  ASSERT_EQ(map->nodes.size(), 1u);
  EXPECT_EQ(map->nodes[0].service, "api");
  EXPECT_NEAR(map->nodes[0].rate, 1 / 0.003, 1e-6);
}

TEST(ServiceMap, EmptyStore) {
  Fixture fixture({});
  const auto map = service_map(fixture.request(), {});
  ASSERT_TRUE(map);
  EXPECT_TRUE(map->nodes.empty());
}

}  // namespace
}  // namespace weft::analysis
