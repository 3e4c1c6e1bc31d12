// The server side: Beast routes, cpp-httplib, the router, and what must not reach a span.
#include <gtest/gtest.h>
#include <weft/http/beast.h>
#include <weft/http/httplib.h>
#include <weft/http/semantics.h>
#include <weft/metrics.h>
#include <boost/beast/http/write.hpp>

#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "recorded.h"

namespace {

using sdk_test::DecodedSpan;
using sdk_test::find;
using sdk_test::Recorded;
using weft::http::BeastCall;
using weft::http::BeastPeer;
using weft::http::BeastRequest;
using weft::http::BeastResponse;
using weft::http::BeastRoutes;
using weft::http::ServerPeer;
namespace beast = boost::beast;

BeastRequest make_request(beast::http::verb verb, const char* target) {
  BeastRequest request(verb, target, 11);
  request.set(beast::http::field::host, "shop.example:8080");
  request.set(beast::http::field::user_agent, "test/1");
  return request;
}

TEST(BeastRoutes, ARequestHasASpanNamedByItsRoute) {
  Recorded recorded;
  BeastRoutes routes;
  routes.add("GET", "/users/{id}", [](BeastCall& call) {
    weft::current_span().set("account.state", "suspended");
    return call.respond(200, "text/plain", std::string(call.parameter("id")));
  });
  BeastRequest request = make_request(beast::http::verb::get, "/users/7?password=hunter2&x=1");
  request.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  request.set(beast::http::field::cookie, "session=topsecret");
  const BeastResponse response =
      routes.handle(request, {.address = "192.0.2.7", .port = 51234, .tls = true});
  EXPECT_EQ(response.body(), "7");
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 1u);
  const DecodedSpan& span = spans[0];
  EXPECT_EQ(span.name, "GET /users/{id}");
  EXPECT_EQ(span.kind, 2);
  EXPECT_EQ(span.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(span.parent_span_id, "00f067aa0ba902b7");
  EXPECT_EQ(span.attribute("http.route"), "/users/{id}");
  EXPECT_EQ(span.attribute("http.request.method"), "GET");
  EXPECT_EQ(span.attribute("http.response.status_code"), "200");
  EXPECT_EQ(span.attribute("url.path"), "/users/7");
  EXPECT_EQ(span.attribute("url.scheme"), "https");
  EXPECT_EQ(span.attribute("url.query"), "password=REDACTED&x=1");
  EXPECT_EQ(span.attribute("server.address"), "shop.example");
  EXPECT_EQ(span.attribute("server.port"), "8080");
  EXPECT_EQ(span.attribute("client.address"), "192.0.2.7");
  EXPECT_EQ(span.attribute("network.peer.port"), "51234");
  EXPECT_EQ(span.attribute("user_agent.original"), "test/1");
  EXPECT_EQ(span.attribute("account.state"), "suspended");
  EXPECT_EQ(span.status, 0);
  for (const auto& [key, value] : span.attributes) {
    EXPECT_EQ(value.find("topsecret"), std::string::npos) << key;
    EXPECT_EQ(value.find("hunter2"), std::string::npos) << key;
  }
}

TEST(BeastRoutes, StatusesFollowTheConventions) {
  Recorded recorded;
  BeastRoutes routes;
  routes.add("GET", "/teapot", [](BeastCall& call) { return call.respond(418, "text/plain", ""); });
  routes.add("GET", "/broken", [](BeastCall& call) { return call.respond(503, "text/plain", ""); });
  routes.add("GET", "/throws",
             [](BeastCall&) -> BeastResponse { throw std::runtime_error("no data base"); });
  routes.add("GET", "/throws-number", [](BeastCall&) -> BeastResponse { throw 7; });
  const auto status = [&](const char* target, beast::http::verb verb = beast::http::verb::get) {
    return routes.handle(make_request(verb, target), {}).result_int();
  };
  EXPECT_EQ(status("/teapot"), 418u);
  EXPECT_EQ(status("/broken"), 503u);
  EXPECT_EQ(status("/throws"), 500u);
  EXPECT_EQ(status("/throws-number"), 500u);
  EXPECT_EQ(status("/nowhere"), 404u);
  EXPECT_EQ(status("/teapot", beast::http::verb::delete_), 405u);
  const auto spans = recorded.take();
  EXPECT_EQ(find(spans, "GET /teapot")->status, 0);
  EXPECT_EQ(find(spans, "GET /broken")->status, 2);
  EXPECT_EQ(find(spans, "GET /broken")->attribute("error.type"), "503");
  const DecodedSpan* thrown = find(spans, "GET /throws");
  EXPECT_EQ(thrown->status, 2);
  ASSERT_NE(thrown->event("exception"), nullptr);
  EXPECT_EQ(thrown->event("exception")->attributes.at("exception.message"), "no data base");
  EXPECT_EQ(thrown->attribute("error.type"), "std::runtime_error");
  const DecodedSpan* number = find(spans, "GET /throws-number");
  ASSERT_NE(number, nullptr);
  EXPECT_EQ(number->attribute("error.type"), "int");
  EXPECT_EQ(number->attribute("http.response.status_code"), "500");
  EXPECT_NE(number->event("exception"), nullptr);
  EXPECT_EQ(find(spans, "GET")->attribute("http.response.status_code"), "404");
  EXPECT_EQ(find(spans, "GET")->attribute("http.route"), "");
  EXPECT_EQ(find(spans, "DELETE")->attribute("http.response.status_code"), "405");
}

TEST(BeastRoutes, ATargetWithAHostIsRoutedByItsPath) {
  Recorded recorded;
  BeastRoutes routes;
  routes.add("GET", "/users/{id}", [](BeastCall& call) {
    return call.respond(200, "text/plain", std::string(call.parameter("id")));
  });
  const auto answer = [&](const char* target) {
    return routes.handle(make_request(beast::http::verb::get, target), {}).body();
  };
  EXPECT_EQ(answer("http://me:secret@shop.example/users/7?x=1"), "7");
  answer("http://shop.example");
  answer("http://shop.example?x=1");
  answer("*");
  const auto spans = recorded.take();
  EXPECT_EQ(find(spans, "GET /users/{id}")->attribute("url.path"), "/users/7");
  EXPECT_EQ(find(spans, "GET /users/{id}")->attribute("url.query"), "x=1");
  EXPECT_EQ(spans[1].attribute("url.path"), "/");
  EXPECT_EQ(spans[2].attribute("url.path"), "/");
  EXPECT_EQ(spans[2].attribute("url.query"), "x=1");
  EXPECT_EQ(spans[3].attribute("url.path"), "*");
}

#ifdef __GLIBCXX__
std::string header_of(const BeastResponse& response) {
  std::ostringstream out;
  out << response.base();
  return out.str();
}

// Whatever either side says of the connection and of the body, as Beast's own functions would.
TEST(BeastRoutes, AnswersAreFramedAsBeastDoes) {
  Recorded recorded;
  constexpr const char* kConnections[] = {nullptr, "close", "keep-alive", "Upgrade, close"};
  BeastResponse wanted;
  BeastRoutes routes;
  routes.add("GET", "/", [&](BeastCall&) { return wanted; });
  for (const unsigned version : {10u, 11u}) {
    for (const unsigned answered : {10u, 11u}) {
      for (const char* asked : kConnections) {
        for (const char* given : kConnections) {
          for (const unsigned status : {101u, 200u, 204u, 304u, 404u, 500u}) {
            for (const char* coding : {"", "chunked", "gzip, chunked"}) {
              for (const char* body : {"", "x", "ten letters"}) {
                const bool may_have_body = status >= 200 && status != 204 && status != 304;
                if (*body != 0 && !may_have_body) continue;  // Beast refuses it
                BeastRequest request(beast::http::verb::get, "/", version);
                if (asked != nullptr) request.set(beast::http::field::connection, asked);
                wanted = BeastResponse(static_cast<beast::http::status>(status), answered);
                wanted.set(beast::http::field::content_type, "text/plain");
                if (given != nullptr) wanted.set(beast::http::field::connection, given);
                if (*coding != 0) wanted.set(beast::http::field::transfer_encoding, coding);
                if (status == 404) wanted.set(beast::http::field::content_length, "77");
                wanted.body() = body;
                const BeastResponse framed = routes.handle(request, {});
                BeastResponse reference = wanted;
                reference.keep_alive(request.keep_alive());
                reference.prepare_payload();
                ASSERT_EQ(header_of(framed), header_of(reference))
                    << "HTTP " << version << ", Connection "
                    << (asked != nullptr ? asked : "unsaid");
                ASSERT_EQ(framed.keep_alive(), reference.keep_alive());
              }
            }
          }
        }
      }
    }
  }
}

TEST(BeastRoutes, AThreadThatIsCancelledInAHandlerEnds) {
  Recorded recorded;
  BeastRoutes routes;
  routes.add("GET", "/", [](BeastCall& call) {
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return call.respond(200, "text/plain", "");
  });
  std::thread([&] { routes.handle(make_request(beast::http::verb::get, "/"), {}); }).join();
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].attribute("error.type"), "cancelled");
}
#endif

TEST(BeastRoutes, UnknownMethodsBecomeOther) {
  Recorded recorded;
  BeastRoutes routes;
  BeastRequest request = make_request(beast::http::verb::get, "/x");
  request.method_string("BREW");
  routes.handle(request, {});
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].name, "HTTP");
  EXPECT_EQ(spans[0].attribute("http.request.method"), "_OTHER");
  EXPECT_EQ(spans[0].attribute("http.request.method_original"), "BREW");
}

TEST(BeastRoutes, MiddlewareStandsAroundEveryHandler) {
  Recorded recorded;
  BeastRoutes routes;
  std::string order;
  routes.use([&](BeastCall& call, const auto& next) {
    order += "a(";
    auto response = next(call);
    order += ")";
    return response;
  });
  routes.use([&](BeastCall& call, const auto& next) {
    order += "b";
    return call.path == "/stop" ? call.respond(403, "text/plain", "") : next(call);
  });
  routes.add("GET", "/{any}", [&](BeastCall& call) {
    order += "h";
    return call.respond(200, "text/plain", "");
  });
  EXPECT_EQ(routes.handle(make_request(beast::http::verb::get, "/go"), {}).result_int(), 200u);
  EXPECT_EQ(order, "a(bh)");
  EXPECT_EQ(routes.handle(make_request(beast::http::verb::get, "/stop"), {}).result_int(), 403u);
}

TEST(ServerMetrics, DurationsAreCountedByRouteAndStatus) {
  Recorded recorded;
  weft::MeterProvider meters{weft::MeterProviderConfig{}};
  meters.set_global();
  BeastRoutes routes;
  routes.add("GET", "/users/{id}", [](BeastCall& call) {
    return call.respond(call.parameter("id") == "0" ? 503 : 200, "text/plain", "");
  });
  for (const char* target : {"/users/1", "/users/2", "/users/0", "/nowhere/secret"}) {
    routes.handle(make_request(beast::http::verb::get, target), {});
  }
  const std::string text = meters.prometheus_text("application/openmetrics-text");
  const auto line = [&text](std::string_view start, std::initializer_list<std::string_view> parts) {
    return sdk_test::metric_value(text, start, parts);
  };
  const char* count = "http_server_request_duration_seconds_count{";
  EXPECT_EQ(line(count, {R"(http_route="/users/{id}")", R"(http_request_method="GET")",
                         R"(url_scheme="http")", R"(http_response_status_code="200")"}),
            "2");
  EXPECT_EQ(line(count, {R"(http_response_status_code="503")", R"(error_type="503")"}), "1");
  EXPECT_EQ(line(count, {R"(http_response_status_code="404")"}), "1");
  for (const char* bound : {"0.005", "0.075", "7.5", "10", "+Inf"}) {
    const std::string label = "le=\"" + std::string(bound);
    EXPECT_NE(line("http_server_request_duration_seconds_bucket{", {std::string_view(label)}), "")
        << bound;
  }
  EXPECT_EQ(text.find("secret"), std::string::npos);
  // An exemplar leads from the histogram to a trace.
  EXPECT_NE(text.find("# {trace_id=\""), std::string::npos) << text;
}

TEST(ServerMetrics, FollowTheProviderThatIsGlobal) {
  BeastRoutes routes;
  routes.add("GET", "/here", [](BeastCall& call) { return call.respond(200, "text/plain", ""); });
  for (const int requests : {1, 3, 2}) {
    weft::MeterProvider meters{weft::MeterProviderConfig{}};
    meters.set_global();
    for (int i = 0; i < requests; ++i)
      routes.handle(make_request(beast::http::verb::get, "/here"), {});
    EXPECT_EQ(sdk_test::metric_value(
                  meters.prometheus_text(), "http_server_request_duration_seconds_count{",
                  {R"(http_route="/here")", R"(http_response_status_code="200")"}),
              std::to_string(requests));
  }
}

// Statuses that share a place in what a route remembers are told apart, and so are methods,
// versions and schemes.
TEST(ServerMetrics, EveryCombinationIsCountedForItself) {
  Recorded recorded;
  weft::MeterProvider meters{weft::MeterProviderConfig{}};
  meters.set_global();
  BeastRoutes routes;
  routes.add("GET", "/{status}", [](BeastCall& call) {
    return call.respond(static_cast<unsigned>(std::stoul(std::string(call.parameter("status")))),
                        "text/plain", "");
  });
  for (const char* target : {"/200", "/208", "/400", "/200", "/208"})
    routes.handle(make_request(beast::http::verb::get, target), {});
  routes.handle(make_request(beast::http::verb::get, "/200"),
                {.address = "192.0.2.7", .tls = true});
  routes.handle(make_request(beast::http::verb::head, "/200"), {});
  BeastRequest old = make_request(beast::http::verb::get, "/200");
  old.version(10);
  routes.handle(old, {});
  const std::string text = meters.prometheus_text();
  const auto count = [&text](std::initializer_list<std::string_view> labels) {
    return sdk_test::metric_value(text, "http_server_request_duration_seconds_count{", labels);
  };
  const std::string_view get = R"(http_request_method="GET")", http = R"(url_scheme="http")",
                         v11 = R"(network_protocol_version="1.1")",
                         ok = R"(http_response_status_code="200")";
  EXPECT_EQ(count({get, http, v11, ok}), "2");
  EXPECT_EQ(count({get, http, v11, R"(http_response_status_code="208")"}), "2");
  EXPECT_EQ(count({get, http, v11, R"(http_response_status_code="400")"}), "1");
  EXPECT_EQ(count({get, R"(url_scheme="https")", v11, ok}), "1");
  EXPECT_EQ(count({R"(http_request_method="HEAD")", http, v11, ok}), "1");
  EXPECT_EQ(count({get, http, R"(network_protocol_version="1.0")", ok}), "1");
  const auto spans = recorded.take();
  const DecodedSpan* head = find(spans, "HEAD /{status}");
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->attribute("http.route"), "/{status}");
  EXPECT_EQ(head->attribute("http.request.method"), "HEAD");
}

// A prepared route that is set late says the same as its text, in the span and in the metric.
TEST(ServerSpan, APreparedRouteMayComeLate) {
  Recorded recorded;
  weft::MeterProvider meters{weft::MeterProviderConfig{}};
  meters.set_global();
  const weft::http::ServerRoute prepared("GET", "/late/{id}");
  const auto run = [&](std::string_view method, std::string_view scheme, auto&&... routes) {
    weft::http::ServerSpan span({.method = method, .scheme = scheme, .protocol_version = "1.1"},
                                weft::Context());
    (span.set_route(routes), ...);
    span.finish(200);
  };
  run("GET", "http", prepared);
  run("GET", "http", "/late/{id}");
  run("GET", "http", prepared, prepared);
  run("GET", "gopher", prepared);
  run("PURGE", "http", prepared);
  run("GET", "http", prepared, "/other");
  run("GET", "http", "/other", prepared);
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 7u);
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const std::string route = i == 5 ? "/other" : "/late/{id}";
    EXPECT_EQ(spans[i].name, (i == 4 ? "HTTP " : "GET ") + route);
    EXPECT_EQ(spans[i].attribute("http.route"), route);
    EXPECT_EQ(spans[i].attribute("http.request.method"), i == 4 ? "_OTHER" : "GET");
  }
  EXPECT_EQ(sdk_test::metric_value(meters.prometheus_text(),
                                   "http_server_request_duration_seconds_count{",
                                   {R"(http_route="/late/{id}")", R"(http_request_method="GET")",
                                    R"(url_scheme="http")", R"(http_response_status_code="200")"}),
            "4");
}

// What does not fit the prepared form of a span is cut, mended or dropped as everywhere else.
TEST(ServerSpan, LimitsHoldForPreparedRoutes) {
  // Longer than what is written the short way, and than the room for what is encoded beforehand.
  for (const std::size_t length : {200, 700}) {
    const std::string long_route = "/" + std::string(length, 'r') + "/{id}";
    BeastRoutes routes;
    routes.add("GET", long_route, [](BeastCall& call) {
      weft::current_span().set("http.route", "overwritten");
      return call.respond(200, "text/plain", "");
    });
    const std::string target = "/" + std::string(length, 'r') + "/7";
    BeastRequest request = make_request(beast::http::verb::get, target.c_str());
    request.set(beast::http::field::user_agent, "\xFF" + std::string(300, 'u'));
    {
      Recorded recorded;
      routes.handle(request, {});
      const auto spans = recorded.take();
      ASSERT_EQ(spans.size(), 1u);
      EXPECT_EQ(spans[0].name, "GET " + long_route);
      EXPECT_EQ(spans[0].attribute("http.route"), "overwritten");
      EXPECT_EQ(spans[0].attribute("url.path"), target);
      EXPECT_EQ(spans[0].attribute("user_agent.original"), "\xEF\xBF\xBD" + std::string(300, 'u'));
    }
  }
}

TEST(ServerSpan, APreparedPeerSaysWhatItsPartsWould) {
  Recorded recorded;
  BeastRoutes routes;
  const BeastRequest request = make_request(beast::http::verb::get, "/");
  auto peer = BeastPeer::of({boost::asio::ip::make_address("2001:db8::7"), 51234});
  routes.handle(request, peer);
  peer.port = 51235;  // no longer what was prepared
  routes.handle(request, peer);
  const ServerPeer prepared("192.0.2.7", 0);
  weft::http::ServerSpan({.method = "GET", .peer = &prepared}, weft::Context()).finish(200);
  weft::http::ServerSpan({.method = "GET", .client_address = "198.51.100.9", .peer = &prepared},
                         weft::Context())
      .finish(200);
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 4u);
  for (const std::size_t i : {0, 1}) {
    EXPECT_EQ(spans[i].attribute("network.peer.address"), "2001:db8::7");
    EXPECT_EQ(spans[i].attribute("client.address"), "2001:db8::7");
    EXPECT_EQ(spans[i].attribute("network.peer.port"), i == 0 ? "51234" : "51235");
  }
  for (const std::size_t i : {2, 3}) {
    EXPECT_EQ(spans[i].attribute("network.peer.address"), "192.0.2.7");
    EXPECT_EQ(spans[i].attribute("network.peer.port"), "");
    EXPECT_EQ(spans[i].attribute("client.address"), i == 2 ? "192.0.2.7" : "198.51.100.9");
  }
}

// Whether or not a limit lets what is prepared be used: the same attributes are there.
TEST(ServerSpan, LimitsHoldForWhatIsPrepared) {
  BeastRoutes routes;
  routes.add("GET", "/users/{id}", [](BeastCall& call) { return call.respond(200, "", ""); });
  const BeastRequest request = make_request(beast::http::verb::get, "/users/7");
  const auto peer = BeastPeer::of({boost::asio::ip::make_address("192.0.2.7"), 51234});
  const auto attributes_with = [&](const weft::SpanLimits& limits) {
    Recorded recorded(limits);
    routes.handle(request, peer);
    return recorded.take().at(0);
  };
  const auto whole = attributes_with({});
  EXPECT_EQ(whole.attributes.size(), 12u);
  for (std::uint32_t limit = 0; limit <= 12; ++limit) {
    weft::SpanLimits limits;
    limits.attribute_count = limit;
    const auto span = attributes_with(limits);
    EXPECT_EQ(span.attributes.size(), limit);
    EXPECT_EQ(span.dropped_attributes, 12 - limit);
    for (const auto& [key, value] : span.attributes)
      EXPECT_EQ(value, whole.attribute(key)) << key;
  }
  weft::SpanLimits limits;
  limits.attribute_value_length = 5;
  const auto cut = attributes_with(limits);
  EXPECT_EQ(cut.attribute("network.peer.address"), "192.0");
  EXPECT_EQ(cut.attribute("server.address"), "shop.");
  EXPECT_EQ(cut.attribute("server.port"), "8080");
}

// However much room a long path leaves for what is prepared of host and peer.
TEST(ServerSpan, PathsOfEveryLengthLeaveTheRestWhole) {
  BeastRoutes routes;
  routes.add("GET", "/{path...}", [](BeastCall& call) {
    weft::current_span().set("account.state", "active");
    return call.respond(200, "", "");
  });
  const auto peer = BeastPeer::of({boost::asio::ip::make_address("192.0.2.7"), 51234});
  Recorded recorded;
  // Records lie side by side, and one that has grown stays large: each request gets a new one, next
  // to those of spans that go on.
  const weft::Tracer tracer = weft::tracer("neighbours");
  std::vector<weft::Span> neighbours;
  for (const char* host : {"shop.example:8080", "other.example:8080"}) {
    for (std::size_t length = 1; length < 700; ++length) {
      neighbours.push_back(tracer.start_span("neighbour"));
      neighbours.back().set("kept", "all the while");
      const std::string path = "/" + std::string(length, 'p');
      BeastRequest request = make_request(beast::http::verb::get, path.c_str());
      request.set(beast::http::field::host, host);
      request.erase(beast::http::field::user_agent);  // it would make room
      routes.handle(request, peer);
      const auto span = recorded.take().at(0);
      ASSERT_EQ(span.attribute("url.path"), path);
      ASSERT_EQ(span.attribute("server.port"), "8080") << length;
      ASSERT_EQ(span.attribute("network.peer.address"), "192.0.2.7") << length;
      ASSERT_EQ(span.attribute("network.peer.port"), "51234") << length;
      ASSERT_EQ(span.attribute("client.address"), "192.0.2.7") << length;
      ASSERT_EQ(span.attribute("account.state"), "active") << length;
      ASSERT_EQ(span.attribute("http.response.status_code"), "200") << length;
    }
  }
  neighbours.clear();
  const auto kept = recorded.take();
  EXPECT_EQ(kept.size(), 2u * 699);
  for (const auto& span : kept) {
    EXPECT_EQ(span.name, "neighbour");
    EXPECT_EQ(span.attribute("kept"), "all the while");
  }
}

// A route remembers the first host that it is asked for: the others are told apart from it.
TEST(ServerSpan, EveryHostOfARouteIsItsOwn) {
  Recorded recorded;
  BeastRoutes routes;
  routes.add("GET", "/users/{id}", [](BeastCall& call) { return call.respond(200, "", ""); });
  const std::vector<std::string> hosts = {"first.example:81",
                                          "second.example",
                                          "",
                                          "first.example:82",
                                          std::string(200, 'a') + ":83",
                                          "first.example:81",
                                          "f\xC3\xBCnf.example:84"};
  for (const std::string& host : hosts) {
    BeastRequest request = make_request(beast::http::verb::get, "/users/7");
    request.set(beast::http::field::host, host);
    routes.handle(request, {});
  }
  BeastRoutes odd;  // what comes first cannot be prepared
  odd.add("GET", "/users/{id}", [](BeastCall& call) { return call.respond(200, "", ""); });
  for (const char* host : {"f\xC3\xBCnf.example:84", "first.example:81"}) {
    BeastRequest request = make_request(beast::http::verb::get, "/users/7");
    request.set(beast::http::field::host, host);
    odd.handle(request, {});
  }
  std::string seen;
  for (const auto& span : recorded.take()) {
    EXPECT_EQ(span.attribute("http.route"), "/users/{id}");
    seen.append(span.attribute("server.address")).append(":");
    seen.append(span.attribute("server.port")).append(" ");
  }
  EXPECT_EQ(seen, "first.example:81 second.example: : first.example:82 " + std::string(200, 'a') +
                      ":83 first.example:81 f\xC3\xBCnf.example:84 f\xC3\xBCnf.example:84 "
                      "first.example:81 ");
}

// The table of hosts is small, and not all that comes is fit for it.
TEST(ServerSpan, EveryHostIsTakenApart) {
  Recorded recorded;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 40; ++i) {
      const std::string host = "shop" + std::to_string(i) + ":80";
      weft::http::ServerSpan({.method = "GET", .host = host}, weft::Context()).finish(200);
    }
    for (const std::string_view host : {"[::1]:99", "caf\xC3\xA9:99999", "\xFF"})
      weft::http::ServerSpan({.method = "GET", .host = host}, weft::Context()).finish(200);
  }
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 86u);
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const std::size_t n = i % 43;
    const std::string odd[] = {"::1", "caf\xC3\xA9", "\xEF\xBF\xBD"};
    const std::string odd_ports[] = {"99", "", ""};
    EXPECT_EQ(spans[i].attribute("server.address"),
              n < 40 ? "shop" + std::to_string(n) : odd[n - 40]);
    EXPECT_EQ(spans[i].attribute("server.port"), n < 40 ? "80" : odd_ports[n - 40]);
  }
}

// The variable is read once, so in a process of its own.
TEST(KnownMethods, AreThoseOfTheVariable) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto check = [] {
    setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", " GET ,PURGE,,", 1);
    using weft::http::classify_method;
    const auto purge = classify_method("PURGE");
    const auto post = classify_method("POST");
    if (purge.name != "PURGE" || !purge.original.empty()) return 1;
    if (post.name != "_OTHER" || post.original != "POST") return 2;
    if (classify_method("GET").name != "GET" || classify_method("get").name != "_OTHER") return 3;
    Recorded recorded;
    BeastRoutes routes;
    routes.handle(make_request(beast::http::verb::post, "/"), {});
    const auto spans = recorded.take();
    if (spans.size() != 1 || spans[0].name != "HTTP") return 4;
    return spans[0].attribute("http.request.method_original") == "POST" ? 0 : 5;
  };
  EXPECT_EXIT(_exit(check()), testing::ExitedWithCode(0), "");
}

TEST(ServerSpan, AnAbandonedRequestIsAnError) {
  Recorded recorded;
  {
    weft::http::ServerSpan span(weft::http::ServerRequest{.method = "GET"}, weft::Context());
  }
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].attribute("error.type"), "cancelled");
  EXPECT_EQ(spans[0].status, 2);
}

TEST(Httplib, ServerAndClientMakeOneTrace) {
  Recorded recorded;
  httplib::Server server;
  weft::http::instrument(server);
  server.Get(R"(/users/(\d+))",
             weft::http::route("/users/{id}", [](const auto& request, auto& response) {
               weft::current_span().set("user.id", request.matches[1].str());
               response.set_content("hello", "text/plain");
             }));
  server.Get("/throws", weft::http::route("/throws", [](const auto&, auto&) {
               throw std::runtime_error("broken");
             }));
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  weft::http::HttplibClient client("http://127.0.0.1:" + std::to_string(port));
  const auto result = client.get("/users/7", "/users/{id}");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->body, "hello");
  EXPECT_EQ(client.get("/throws", "/throws")->status, 500);
  EXPECT_EQ(client.get("/nothing", "/nothing")->status, 404);
  EXPECT_EQ(client.get("/a%2Fb?x=1", "/escaped")->status, 404);
  server.stop();
  thread.join();
  const auto spans = recorded.take();
  const DecodedSpan *server_span = nullptr, *client_span = nullptr;
  for (const DecodedSpan& span : spans) {
    if (span.name != "GET /users/{id}") continue;
    (span.kind == 2 ? server_span : client_span) = &span;
  }
  ASSERT_NE(server_span, nullptr);
  ASSERT_NE(client_span, nullptr);
  EXPECT_EQ(server_span->parent_span_id, client_span->span_id);
  EXPECT_EQ(server_span->trace_id, client_span->trace_id);
  EXPECT_EQ(server_span->attribute("user.id"), "7");
  EXPECT_EQ(server_span->attribute("http.response.status_code"), "200");
  for (const DecodedSpan& span : spans) {
    if (span.attribute("url.query") == "x=1") {
      EXPECT_EQ(span.attribute("url.path"), "/a%2Fb");
    }
    if (span.name == "GET /throws" && span.kind == 2) {
      EXPECT_EQ(span.status, 2);
      EXPECT_EQ(span.attribute("error.type"), "std::runtime_error");
      EXPECT_NE(span.event("exception"), nullptr);
    }
  }
  EXPECT_EQ(client.get("/users/7").error(), httplib::Error::Connection);
  EXPECT_EQ(recorded.take().at(0).attribute("error.type"), "connect");
}

TEST(Router, LiteralSegmentsWinAndParametersAreDecoded) {
  weft::http::Router<int> router;
  router.add("GET", "/users/{id}", 1);
  router.add("GET", "/users/me", 2);
  router.add("GET", "/files/{path...}", 3);
  router.add("POST", "/users/{id}", 4);
  EXPECT_EQ(*router.find("GET", "/users/me").handler, 2);
  const auto match = router.find("GET", "/users/a%20b%2Fc");
  EXPECT_EQ(*match.handler, 1);
  EXPECT_EQ(match.parameter("id"), "a b/c");
  EXPECT_EQ(router.find("GET", "/files/a/b/c").parameter("path"), "a/b/c");
  EXPECT_EQ(*router.find("HEAD", "/users/7").handler, 1);
  EXPECT_FALSE(router.find("GET", "/users/").found());
  EXPECT_FALSE(router.find("GET", "/users/7/x").found());
  const auto wrong = router.find("DELETE", "/users/7");
  EXPECT_FALSE(wrong.found());
  EXPECT_EQ(wrong.allowed, (std::vector<std::string_view>{"GET", "POST"}));
}

TEST(Router, SegmentsCountWhetherEmptyOrNot) {
  weft::http::Router<int> router;
  router.add("GET", "/", 1);
  router.add("GET", "/a", 2);
  router.add("GET", "/a/", 3);
  router.add("GET", "/a//b", 4);
  router.add("GET", "/a/{x}/b", 5);
  router.add("GET", "/a/{x}/b/{rest...}", 6);
  router.add("GET", "/{x}/{y}", 7);
  router.add("GET", "/static/{path...}", 8);
  const auto found = [&](const char* path) {
    const auto match = router.find("GET", path);
    return match.found() ? *match.handler : 0;
  };
  EXPECT_EQ(found("/"), 1);
  EXPECT_EQ(found(""), 1);
  EXPECT_EQ(found("//"), 0);
  EXPECT_EQ(found("/a"), 2);
  EXPECT_EQ(found("a"), 2);
  EXPECT_EQ(found("/ab"), 0);
  EXPECT_EQ(found("/a/"), 3);
  EXPECT_EQ(found("/a//b"), 4);
  EXPECT_EQ(found("/a/1/b"), 5);
  EXPECT_EQ(found("/a/1/c"), 0);
  EXPECT_EQ(found("/a/1/b/"), 6);
  EXPECT_EQ(found("/a//b/"), 0);
  EXPECT_EQ(found("/a/1"), 7);
  EXPECT_EQ(found("/b/"), 0);
  EXPECT_EQ(found("/static"), 0);
  EXPECT_EQ(found("/static/"), 8);
  EXPECT_EQ(router.find("GET", "/static/").parameter("path"), "");
  EXPECT_EQ(router.find("GET", "/static/%41//b%2").parameter("path"), "A//b%2");
  EXPECT_EQ(router.find("GET", "/a/1/b/2/3").parameter("rest"), "2/3");
  EXPECT_EQ(router.find("GET", "/a/1/b/2/3").parameter("x"), "1");
}

TEST(Router, OnlyTheRouteThatWinsGivesParameters) {
  weft::http::Router<int> router;
  router.add("GET", "/{kind}/{id}/{name}", 1);
  router.add("GET", "/{kind}/{id}/x", 2);
  router.add("GET", "/{all...}", 3);
  router.add("GET", "/a/{id}/{name}", 4);
  router.add("POST", "/{kind}/{id}", 5);
  router.add("GET", "/{kind}/{id}/x/{more}", 6);
  const auto parameters = [&](const char* path) {
    std::string text;
    const auto match = router.find("GET", path);
    text = std::to_string(match.found() ? *match.handler : 0);
    for (const auto& [name, value] : match.parameters)
      text.append(" ").append(name).append("=").append(value);
    return text;
  };
  EXPECT_EQ(parameters("/a/1/b"), "4 id=1 name=b");
  EXPECT_EQ(parameters("/b/1/x"), "2 kind=b id=1");
  EXPECT_EQ(parameters("/b/1/y"), "1 kind=b id=1 name=y");
  EXPECT_EQ(parameters("/b/%31"), "3 all=b/1");
  EXPECT_EQ(parameters("/b/1/x/2"), "6 kind=b id=1 more=2");
  EXPECT_EQ(parameters("/b/1/x/2/3"), "3 all=b/1/x/2/3");
  weft::http::Router<int> other;
  other.add("GET", "/{kind}/{id}/x", 1);
  const auto none = other.find("GET", "/b/1/y");
  EXPECT_FALSE(none.found());
  EXPECT_TRUE(none.parameters.empty());
  EXPECT_TRUE(none.allowed.empty());
}

TEST(Router, EveryCharacterOfALiteralAndOfAMethodCounts) {
  for (std::size_t length = 1; length <= 40; ++length) {
    const std::string literal(length, 'x');
    weft::http::Router<int> router;
    router.add(literal, "/" + literal + "/{id}", 1);
    EXPECT_TRUE(router.find(literal, "/" + literal + "/7").found());
    EXPECT_FALSE(router.find(literal, "/" + literal).found());
    for (std::size_t i = 0; i < length; ++i) {
      std::string other = literal;
      other[i] = 'y';
      EXPECT_FALSE(router.find(literal, "/" + other + "/7").found());
      EXPECT_FALSE(router.find(other, "/" + literal + "/7").found());
    }
  }
}

TEST(Router, TakesMoreParametersThanLieInTheMatch) {
  weft::http::Router<int> router;
  router.add("GET", "/{a}/{b}/{c}/{d}/{e}/{f...}", 1);
  const std::string path = "/1/2/3/4/a value that is too long for a short string/6/7";
  auto match = router.find("GET", path);
  const auto copy = match;
  const auto moved = std::move(match);
  for (const auto* m : {&copy, &moved}) {
    ASSERT_EQ(m->parameters.size(), 6u);
    EXPECT_EQ(m->parameters[0].first, "a");
    EXPECT_EQ(m->parameter("d"), "4");
    EXPECT_EQ(m->parameter("e"), "a value that is too long for a short string");
    EXPECT_EQ(m->parameter("f"), "6/7");
    EXPECT_EQ(m->parameter("g"), "");
  }
}

TEST(Semantics, SecretsAreRedacted) {
  using weft::http::redact_url;
  EXPECT_EQ(redact_url("https://user:pw@host/p?a=1&sig=abc&Token=t#frag"),
            "https://REDACTED:REDACTED@host/p?a=1&sig=REDACTED&Token=REDACTED");
  EXPECT_EQ(redact_url("http://host/@at?x=@"), "http://host/@at?x=@");
  EXPECT_EQ(redact_url("/only/a/path?password=x"), "/only/a/path?password=REDACTED");
  EXPECT_EQ(redact_url("me:secret@host:80/x?u=http://a"), "REDACTED:REDACTED@host:80/x?u=http://a");
  EXPECT_EQ(redact_url("http:/me:secret@host/x"), "http:/REDACTED:REDACTED@host/x");
  EXPECT_EQ(redact_url("http:///me:secret@host/x"), "http:///REDACTED:REDACTED@host/x");
  EXPECT_EQ(redact_url(""), "");
  EXPECT_TRUE(weft::http::is_secret_header("Set-Cookie"));
  EXPECT_FALSE(weft::http::is_secret_header("content-type"));
}

TEST(Semantics, UrlsAreTakenApart) {
  const auto url = weft::http::split_url("https://u:p@[2001:db8::1]:8443/a/b?q=1#f");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "2001:db8::1");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a/b");
  EXPECT_EQ(url.query, "q=1");
  EXPECT_EQ(weft::http::split_url("http://host").port, 80);
  EXPECT_EQ(weft::http::split_url("https://host/").port, 443);
  EXPECT_EQ(weft::http::split_url("HTTPS://host/").port, 443);
  EXPECT_EQ(weft::http::split_url("https:/host/x").host, "host");
  const auto bare = weft::http::split_url("me@host:8080/a?u=http://b");
  EXPECT_EQ(bare.scheme, "");
  EXPECT_EQ(bare.host, "host");
  EXPECT_EQ(bare.port, 8080);
  EXPECT_EQ(bare.query, "u=http://b");
  EXPECT_EQ(weft::http::split_url("host").port, 80);
  EXPECT_EQ(weft::http::split_url("/only/a/path").host, "");
  EXPECT_EQ(weft::http::split_url("http://[").host, "");
  EXPECT_EQ(weft::http::split_url("http://h:99999999999/x").port, 0);
  EXPECT_EQ(weft::http::split_url("http://h:99999999999/x").path, "/x");
}

}  // namespace
