#include <weft/http/curl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/metrics.h>
#include <weft/tracer.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>

#include "peers.h"
#include "recorded.h"

namespace {

using sdk_test::all;
using sdk_test::closed_port;
using sdk_test::DecodedSpan;
using sdk_test::DnsAction;
using sdk_test::DnsServer;
using sdk_test::find;
using sdk_test::HttpPeer;
using sdk_test::PeerReply;
using sdk_test::PeerRequest;
using sdk_test::Recorded;
using sdk_test::reply;
using weft::http::CurlClient;
using weft::http::CurlClientConfig;
using weft::http::CurlMulti;
using weft::http::HttpResponse;
using weft::http::NetworkDetail;

constexpr int kError = 2;

// `timeout_ms` is short where an answer is not to come, and else long enough for a busy machine.
std::shared_ptr<weft::http::Resolver> resolver_of(const DnsServer& server, unsigned tries = 1,
                                                  unsigned timeout_ms = 10'000) {
  weft::http::ResolverConfig config;
  config.servers = server.endpoint();
  config.tries = tries;
  config.timeout_ms = timeout_ms;
  config.family = weft::http::AddressFamily::kIpv4;
  config.cache_ttl_ms_max = 0;
  return std::make_shared<weft::http::Resolver>(config);
}

PeerReply hello(const PeerRequest&) {
  return reply(200, "hello");
}

TEST(CurlClient, ARequestHasAClientSpanWithItsPhases) {
  Recorded recorded;
  DnsServer dns({DnsAction::kAnswer});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns)});
  const HttpResponse response = client.send(
      {.url = peer.url("/users/7?token=secret", "api.example"), .url_template = "/users/{id}"});
  EXPECT_TRUE(response.ok()) << response.error;
  EXPECT_EQ(response.body, "hello");

  const auto spans = recorded.take();
  const DecodedSpan* root = find(spans, "GET /users/{id}");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->kind, 3);
  EXPECT_EQ(root->status, 0);
  EXPECT_EQ(root->attribute("http.request.method"), "GET");
  EXPECT_EQ(root->attribute("server.address"), "api.example");
  EXPECT_EQ(root->attribute("server.port"), std::to_string(peer.port()));
  EXPECT_EQ(root->attribute("http.response.status_code"), "200");
  EXPECT_EQ(root->attribute("network.peer.address"), "127.0.0.1");
  EXPECT_EQ(root->attribute("network.protocol.version"), "1.1");
  EXPECT_EQ(root->attribute("url.full"), peer.url("/users/7?token=REDACTED", "api.example"));

  const DecodedSpan* getconn = find(spans, "http.getconn");
  ASSERT_NE(getconn, nullptr);
  EXPECT_EQ(getconn->parent_span_id, root->span_id);
  EXPECT_GE(getconn->start_ns, root->start_ns);
  EXPECT_EQ(getconn->attribute("server.address"), "api.example");
  EXPECT_EQ(find(spans, "http.dns")->attribute("server.address"), "api.example");
  EXPECT_EQ(getconn->attribute("http.conn.reused"), "false");
  EXPECT_EQ(getconn->attribute("http.conn.wasidle"), "false");
  EXPECT_EQ(getconn->attribute("http.conn.idletime"), "");
  EXPECT_EQ(getconn->attribute("http.remote"), "127.0.0.1:" + std::to_string(peer.port()));
  for (const char* name : {"http.dns", "http.connect"}) {
    const DecodedSpan* phase = find(spans, name);
    ASSERT_NE(phase, nullptr) << name;
    EXPECT_EQ(phase->parent_span_id, getconn->span_id) << name;
    EXPECT_EQ(phase->status, 0) << name;
    EXPECT_GE(phase->start_ns, getconn->start_ns) << name;
    EXPECT_LE(phase->end_ns, getconn->end_ns) << name;
  }
  const DecodedSpan* send = find(spans, "http.send");
  const DecodedSpan* receive = find(spans, "http.receive");
  ASSERT_NE(send, nullptr);
  ASSERT_NE(receive, nullptr);
  EXPECT_EQ(send->parent_span_id, root->span_id);
  EXPECT_EQ(receive->parent_span_id, root->span_id);
  EXPECT_LE(send->end_ns, receive->start_ns);
  EXPECT_LE(receive->end_ns, root->end_ns);
  EXPECT_EQ(find(spans, "http.tls"), nullptr);
}

TEST(CurlClient, AUrlWithoutASchemeIsOneOfHttp) {
  Recorded recorded;
  DnsServer dns({DnsAction::kAnswer});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns)});
  const std::string authority = "api.example:" + std::to_string(peer.port());
  EXPECT_TRUE(client.send({.url = "me:secret@" + authority + "/x"}).ok());
  const auto spans = recorded.take();
  const DecodedSpan* root = find(spans, "GET");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->attribute("url.full"), "http://REDACTED:REDACTED@" + authority + "/x");
  EXPECT_EQ(root->attribute("server.address"), "api.example");
  EXPECT_EQ(root->attribute("server.port"), std::to_string(peer.port()));
}

TEST(CurlClient, TheContextTravelsInTheHeaders) {
  Recorded recorded;
  HttpPeer peer(hello);
  CurlClient client;
  const auto tracer = weft::tracer("test");
  {
    weft::Span parent = tracer.start_span("parent");
    const auto scope = parent.activate();
    client.send({.url = peer.url("/"), .headers = {{"x-own", "kept"}}});
  }
  const auto spans = recorded.take();
  const DecodedSpan* root = find(spans, "GET");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->parent_span_id, find(spans, "parent")->span_id);
  const PeerRequest request = peer.requests().at(0);
  EXPECT_EQ(request.header("traceparent"), "00-" + root->trace_id + "-" + root->span_id + "-03");
  EXPECT_EQ(request.header("x-own"), "kept");
}

TEST(CurlClient, ARetriedLookupShowsBothTries) {
  Recorded recorded;
  DnsServer dns({DnsAction::kDrop, DnsAction::kAnswer});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns, 3, 400)});
  EXPECT_TRUE(client.send({.url = peer.url("/", "api.example")}).ok());
  const auto spans = recorded.take();
  const DecodedSpan* lookup = find(spans, "http.dns");
  ASSERT_NE(lookup, nullptr);
  EXPECT_EQ(lookup->status, 0);
  EXPECT_EQ(lookup->attribute("http.dns.tries"), "2");
  EXPECT_EQ(lookup->attribute("http.dns.timeouts"), "1");
  EXPECT_EQ(lookup->attribute("http.dns.addrs"), "[\"127.0.0.1\"]");
  ASSERT_EQ(lookup->events.size(), 2u);
  EXPECT_EQ(lookup->events[0].attributes.at("dns.try.outcome"), "timeout");
  EXPECT_EQ(lookup->events[1].attributes.at("dns.try.outcome"), "NOERROR");
  EXPECT_EQ(lookup->events[1].attributes.at("dns.try.server"), dns.endpoint());
}

TEST(CurlClient, ASlowNameServerIsSeenInTheTry) {
  Recorded recorded;
  DnsServer dns({DnsAction::kDelay});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns)});
  EXPECT_TRUE(client.send({.url = peer.url("/", "api.example")}).ok());
  const auto spans = recorded.take();
  const DecodedSpan* lookup = find(spans, "http.dns");
  ASSERT_NE(lookup, nullptr);
  EXPECT_EQ(lookup->status, 0);
  EXPECT_EQ(lookup->attribute("http.dns.tries"), "1");
  ASSERT_EQ(lookup->events.size(), 1u);
  EXPECT_EQ(lookup->events[0].attributes.at("dns.try.outcome"), "NOERROR");
  // The server sleeps for 120 ms before it answers.
  EXPECT_GE(lookup->end_ns - lookup->start_ns, 100'000'000u);
}

TEST(CurlClient, ATruncatedAnswerShowsTheSecondTryOverTcp) {
  Recorded recorded;
  DnsServer dns({DnsAction::kTruncate});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns)});
  EXPECT_TRUE(client.send({.url = peer.url("/", "api.example")}).ok());
  const auto spans = recorded.take();
  const DecodedSpan* lookup = find(spans, "http.dns");
  ASSERT_NE(lookup, nullptr);
  EXPECT_EQ(lookup->status, 0);
  EXPECT_EQ(lookup->attribute("http.dns.tries"), "2");
  ASSERT_EQ(lookup->events.size(), 2u);
  EXPECT_EQ(lookup->events[0].attributes.at("dns.try.outcome"), "truncated");
  EXPECT_EQ(lookup->events[1].attributes.at("dns.try.outcome"), "NOERROR");
}

TEST(CurlClient, AFailedLookupMarksTheLookupAndNamesItsReason) {
  const struct {
    DnsAction action;
    const char* type;
  } cases[] = {{DnsAction::kDrop, "timeout"},
               {DnsAction::kNxdomain, "nxdomain"},
               {DnsAction::kServfail, "servfail"},
               {DnsAction::kRefuse, "refused"}};
  for (const auto& c : cases) {
    Recorded recorded;
    DnsServer dns({c.action});
    CurlClient client(
        {.resolver = resolver_of(dns, 1, c.action == DnsAction::kDrop ? 100 : 10'000)});
    const HttpResponse response = client.send({.url = "http://api.example:1/"});
    EXPECT_EQ(response.result, CURLE_COULDNT_RESOLVE_HOST);
    EXPECT_EQ(response.error_type, std::string("dns.") + c.type);
    const auto spans = recorded.take();
    const DecodedSpan* root = find(spans, "GET");
    ASSERT_NE(root, nullptr);
    EXPECT_EQ(root->status, kError);
    EXPECT_EQ(root->attribute("error.type"), std::string("dns.") + c.type);
    EXPECT_EQ(root->attribute("http.failed_phase"), "dns");
    const DecodedSpan* lookup = find(spans, "http.dns");
    ASSERT_NE(lookup, nullptr);
    EXPECT_EQ(lookup->status, kError);
    EXPECT_EQ(lookup->attribute("error.type"), c.type);
    EXPECT_EQ(find(spans, "http.connect"), nullptr);
    EXPECT_EQ(find(spans, "http.send"), nullptr);
  }
}

TEST(ClientMetrics, DurationsAreCountedByServerTemplateAndOutcome) {
  Recorded recorded;
  weft::MeterProvider meters{weft::MeterProviderConfig{}};
  meters.set_global();
  HttpPeer peer([](const PeerRequest& request) {
    return reply(request.path.starts_with("/users/0") ? 404 : 200, "");
  });
  CurlClient client;
  const auto send = [&](const std::string& path) {
    return client.send({.url = peer.url(path + "?token=secret"), .url_template = "/users/{id}"});
  };
  EXPECT_EQ(send("/users/1").status, 200);
  EXPECT_EQ(send("/users/2").status, 200);
  EXPECT_EQ(send("/users/0").status, 404);
  client.send({.url = "http://127.0.0.1:" + std::to_string(closed_port()) + "/"});
  const std::string text = meters.prometheus_text("application/openmetrics-text");
  const std::string_view count = "http_client_request_duration_seconds_count{";
  const std::string port = "server_port=\"" + std::to_string(peer.port()) + "\"";
  EXPECT_EQ(
      sdk_test::metric_value(text, count,
                             {R"(http_request_method="GET")", R"(http_response_status_code="200")",
                              R"(server_address="127.0.0.1")", R"(url_template="/users/{id}")",
                              R"(network_protocol_version="1.1")", port}),
      "2")
      << text;
  EXPECT_EQ(sdk_test::metric_value(text, count,
                                   {R"(http_response_status_code="404")", R"(error_type="404")"}),
            "1");
  EXPECT_EQ(sdk_test::metric_value(text, count, {R"(error_type="connect")"}), "1");
  for (const std::string_view bound : {R"(le="0.005")", R"(le="7.5")", R"(le="+Inf")"}) {
    EXPECT_NE(sdk_test::metric_value(text, "http_client_request_duration_seconds_bucket{", {bound}),
              "")
        << bound;
  }
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_NE(text.find("# {trace_id=\""), std::string::npos);  // an exemplar
}

TEST(CurlClient, ARefusedPortMarksTheConnection) {
  Recorded recorded;
  CurlClient client;
  const HttpResponse response =
      client.send({.url = "http://127.0.0.1:" + std::to_string(closed_port()) + "/"});
  EXPECT_EQ(response.error_type, "connect");
  const auto spans = recorded.take();
  const DecodedSpan* connect = find(spans, "http.connect");
  ASSERT_NE(connect, nullptr);
  EXPECT_EQ(connect->status, kError);
  EXPECT_NE(connect->status_message.find("refused"), std::string::npos) << connect->status_message;
  EXPECT_EQ(find(spans, "GET")->attribute("http.failed_phase"), "connect");
  EXPECT_EQ(find(spans, "http.getconn")->status, kError);
}

TEST(CurlClient, WhatFailsBeforeAnythingBeganMarksNoLookup) {
  Recorded recorded;
  EXPECT_EQ(CurlClient().send({.url = "gopher://host/x"}).error_type, "curl.1");
  const auto spans = recorded.take();
  EXPECT_EQ(find(spans, "GET")->attribute("http.failed_phase"), "getconn");
  EXPECT_EQ(find(spans, "http.getconn")->status, kError);
  EXPECT_EQ(find(spans, "http.dns"), nullptr);
}

TEST(CurlClient, AUrlWithoutAHostIsNotLookedUp) {
  Recorded recorded;
  DnsServer dns({DnsAction::kDrop});
  const CurlClientConfig config{.resolver = resolver_of(dns)};
  CurlMulti multi(config);
  for (const char* url : {"", "http://", "http://me@/x"}) {
    EXPECT_EQ(CurlClient(config).send({.url = url}).error_type, "curl.3") << url;
    multi.add({.url = url},
              [](const HttpResponse& response) { EXPECT_EQ(response.error_type, "curl.3"); });
  }
  multi.run();
  EXPECT_EQ(dns.queries(), 0);
  const auto spans = recorded.take();
  EXPECT_EQ(all(spans, "GET").size(), 6u);
  EXPECT_EQ(find(spans, "http.dns"), nullptr);
}

TEST(CurlClient, WhenOneAddressRefusesTheNextIsTriedAndBothAreSeen) {
  Recorded recorded;
  HttpPeer peer(hello);
  weft::http::DnsResult known;
  known.addresses = {"127.0.0.9", "127.0.0.1"};  // nobody listens on the first
  CURL* easy = curl_easy_init();
  const std::string url = peer.url("/", "api.example");
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  {
    weft::http::CurlTransfer transfer(easy, {.url = url, .dns = &known});
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    EXPECT_EQ(transfer.perform(), CURLE_OK);
  }
  curl_easy_cleanup(easy);
  const auto spans = recorded.take();
  const auto connects = all(spans, "http.connect");
  ASSERT_EQ(connects.size(), 2u);
  const auto refused = std::find_if(connects.begin(), connects.end(),
                                    [](const auto& s) { return s.status == kError; });
  ASSERT_NE(refused, connects.end());
  EXPECT_EQ(refused->attribute("http.remote"), "127.0.0.9:" + std::to_string(peer.port()));
  EXPECT_EQ(find(spans, "http.getconn")->status, 0);
}

TEST(CurlClient, ABlackHoleMarksTheConnectionAsTimedOut) {
  Recorded recorded;
  // A listener with a full backlog answers no further handshake.
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  listen(listener, 0);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  CurlClient client;
  const HttpResponse response =
      client.send({.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/",
                   .timeout_ms = 1000});
  EXPECT_EQ(response.error_type, "timeout.connect");
  const auto spans = recorded.take();
  ASSERT_NE(find(spans, "http.connect"), nullptr);
  EXPECT_EQ(find(spans, "http.connect")->status, kError);
  for (const int fd : fillers)
    close(fd);
  close(listener);
}

TEST(CurlClient, ASlowFirstByteMarksTheWait) {
  Recorded recorded;
  HttpPeer peer([](const PeerRequest&) { return PeerReply{.bytes = {}, .hang = true}; });
  CurlClient client;
  const HttpResponse response = client.send({.url = peer.url("/"), .timeout_ms = 1000});
  EXPECT_EQ(response.error_type, "timeout.wait");
  const auto spans = recorded.take();
  const DecodedSpan* receive = find(spans, "http.receive");
  ASSERT_NE(receive, nullptr);
  EXPECT_EQ(receive->status, kError);
  EXPECT_EQ(receive->attribute("http.receive.first_byte"), "false");
  EXPECT_EQ(find(spans, "http.connect")->status, 0);
  EXPECT_EQ(find(spans, "http.send")->status, 0);
  EXPECT_EQ(find(spans, "GET")->attribute("http.failed_phase"), "wait");
}

TEST(CurlClient, AnAnswerThatBreaksOffMarksTheReceiving) {
  Recorded recorded;
  HttpPeer peer([](const PeerRequest&) {
    return PeerReply{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .close = true};
  });
  CurlClient client;
  const HttpResponse response = client.send({.url = peer.url("/")});
  EXPECT_EQ(response.error_type, "receive");
  const auto spans = recorded.take();
  EXPECT_EQ(find(spans, "http.receive")->status, kError);
  EXPECT_EQ(find(spans, "GET")->attribute("http.response.status_code"), "200");
  EXPECT_EQ(find(spans, "GET")->status, kError);
}

TEST(CurlClient, ErrorStatusesAreErrors) {
  Recorded recorded;
  HttpPeer peer(
      [](const PeerRequest& request) { return reply(request.path == "/404" ? 404 : 503, "no"); });
  CurlClient client;
  EXPECT_EQ(client.send({.url = peer.url("/404")}).status, 404);
  EXPECT_EQ(client.send({.url = peer.url("/503")}).status, 503);
  const auto roots = all(recorded.take(), "GET");
  ASSERT_EQ(roots.size(), 2u);
  EXPECT_EQ(roots[0].attribute("error.type"), "404");
  EXPECT_EQ(roots[1].attribute("error.type"), "503");
  EXPECT_EQ(roots[0].status, kError);
  EXPECT_EQ(roots[1].status, kError);
}

TEST(CurlClient, AKeptConnectionIsReusedAndNotLookedUpAgain) {
  Recorded recorded;
  DnsServer dns({DnsAction::kAnswer});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns)});
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(client.send({.url = peer.url("/", "api.example")}).ok());
  EXPECT_EQ(peer.connections(), 1);
  EXPECT_EQ(dns.queries(), 1);
  const auto spans = recorded.take();
  EXPECT_EQ(all(spans, "http.connect").size(), 1u);
  EXPECT_EQ(all(spans, "http.dns").size(), 1u);
  const auto getconns = all(spans, "http.getconn");
  ASSERT_EQ(getconns.size(), 3u);
  EXPECT_EQ(getconns[0].attribute("http.conn.reused"), "false");
  EXPECT_EQ(getconns[1].attribute("http.conn.reused"), "true");
  EXPECT_EQ(getconns[2].attribute("http.conn.reused"), "true");
  EXPECT_EQ(getconns[0].attribute("http.conn.wasidle"), "false");
  EXPECT_EQ(getconns[0].attribute("http.conn.idletime"), "");
  EXPECT_EQ(getconns[1].attribute("http.conn.wasidle"), "true");
  EXPECT_THAT(getconns[1].attribute("http.conn.idletime"),
              testing::MatchesRegex("[1-9][0-9]*(\\.[0-9]*[1-9])?(s|ms|\xC2\xB5s|ns)"));
}

TEST(CurlClient, RedirectsStayInOneSpan) {
  Recorded recorded;
  HttpPeer peer([](const PeerRequest& request) {
    return request.path == "/old" ? reply(302, "", "Location: /new\r\n") : reply(200, "there");
  });
  CurlClient client({.follow_redirects = true});
  EXPECT_EQ(client.send({.url = peer.url("/old")}).body, "there");
  const auto spans = recorded.take();
  const DecodedSpan* root = find(spans, "GET");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->attribute("http.request.resend_count"), "1");
  EXPECT_EQ(root->attribute("http.response.status_code"), "200");
  const auto* redirect = root->event("http.redirect");
  ASSERT_NE(redirect, nullptr);
  EXPECT_EQ(redirect->attributes.at("http.response.status_code"), "302");
  EXPECT_EQ(redirect->attributes.at("url.full"), peer.url("/new"));
  EXPECT_EQ(all(spans, "http.send").size(), 2u);
  EXPECT_EQ(all(spans, "http.receive").size(), 2u);
}

TEST(CurlClient, APostThatIsToBeLookedAtElsewhereGoesOnAsAGet) {
  Recorded recorded;
  HttpPeer peer([](const PeerRequest& request) {
    return request.path == "/form" ? reply(303, "", "Location: /result\r\n") : reply(200, "there");
  });
  CurlClient client({.follow_redirects = true});
  EXPECT_EQ(client.send({.method = "POST", .url = peer.url("/form"), .body = "a=1"}).body, "there");
  const auto requests = peer.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].body, "a=1");
  EXPECT_EQ(requests[1].method, "GET");
}

TEST(CurlClient, ACertificateMayLieInOneFileWithItsKey) {
  HttpPeer peer(hello, true, true);
  const std::string both = testing::TempDir() + "weft_sdk_both_" + std::to_string(getpid());
  std::ofstream(both) << std::ifstream(peer.certificate_file()).rdbuf()
                      << std::ifstream(peer.key_file()).rdbuf();
  CurlClient client({.ca_file = peer.certificate_file(), .certificate_file = both});
  const HttpResponse response = client.send({.url = peer.url("/", "localhost")});
  EXPECT_TRUE(response.ok()) << response.error;
  std::remove(both.c_str());
}

TEST(CurlClient, TlsShowsItsFacts) {
  Recorded recorded;
  HttpPeer peer(hello, true);
  CurlClient client({.ca_file = peer.certificate_file()});
  const HttpResponse response = client.send({.url = peer.url("/", "localhost")});
  EXPECT_TRUE(response.ok()) << response.error;
  const auto spans = recorded.take();
  const DecodedSpan* tls = find(spans, "http.tls");
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->status, 0);
  EXPECT_EQ(tls->parent_span_id, find(spans, "http.getconn")->span_id);
  EXPECT_EQ(tls->attribute("tls.protocol.version"), "1.3");
  EXPECT_NE(tls->attribute("tls.cipher").find("TLS_"), std::string::npos);
  EXPECT_THAT(tls->attribute("tls.server.not_after"),
              testing::MatchesRegex("20[0-9-]{8}T[0-9:]{8}.000Z"));
  const auto connects = all(spans, "http.connect");
  ASSERT_FALSE(connects.empty());
  EXPECT_GE(tls->start_ns, connects.back().start_ns);
}

TEST(CurlClient, ABadCertificateMarksTls) {
  Recorded recorded;
  HttpPeer peer(hello, true);
  CurlClient client;  // which does not trust the peer's own signature
  const HttpResponse response = client.send({.url = peer.url("/", "localhost")});
  EXPECT_EQ(response.error_type, "tls.certificate");
  const auto spans = recorded.take();
  const DecodedSpan* tls = find(spans, "http.tls");
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->status, kError);
  EXPECT_EQ(find(spans, "GET")->attribute("http.failed_phase"), "tls");
  EXPECT_EQ(find(spans, "http.send"), nullptr);
}

TEST(CurlClient, WithoutAResolverTheLookupSaysWhoseItWas) {
  Recorded recorded;
  HttpPeer peer(hello);
  CurlClient client;
  EXPECT_TRUE(client.send({.url = peer.url("/", "localhost")}).ok());
  const auto spans = recorded.take();
  const DecodedSpan* lookup = find(spans, "http.dns");
  ASSERT_NE(lookup, nullptr);
  EXPECT_EQ(lookup->attribute("http.dns.source"), "libcurl");
  EXPECT_EQ(lookup->attribute("http.dns.tries"), "");
}

TEST(CurlClient, EventsInsteadOfSpans) {
  Recorded recorded;
  DnsServer dns({DnsAction::kAnswer});
  HttpPeer peer(hello);
  CurlClient client({.resolver = resolver_of(dns), .detail = NetworkDetail::kEvents});
  EXPECT_TRUE(client.send({.url = peer.url("/", "api.example")}).ok());
  const auto spans = recorded.take();
  ASSERT_EQ(spans.size(), 1u);
  for (const char* name :
       {"http.getconn.start", "http.getconn.done", "http.dns.start", "http.dns.done",
        "http.connect.done", "http.send.start", "http.receive.done"}) {
    EXPECT_NE(spans[0].event(name), nullptr) << name;
  }
  EXPECT_EQ(spans[0].event("http.getconn.start")->attributes.at("server.address"), "api.example");
  EXPECT_EQ(spans[0].event("http.connect.start")->attributes.at("http.conn.start.network"), "tcp");
  EXPECT_EQ(spans[0].event("http.dns.done")->attributes.at("http.dns.tries"), "1");
}

TEST(CurlClient, AnAnswerOverTheLimitIsRefused) {
  Recorded recorded;
  HttpPeer peer([](const PeerRequest&) { return reply(200, std::string(5000, 'x')); });
  CurlClient client({.response_bytes_max = 1000});
  EXPECT_EQ(client.send({.url = peer.url("/")}).error_type, "response.refused");
}

// Whether or not a request is sampled, it is counted among the same.
TEST(ClientMetrics, UnsampledRequestsHaveTheSameAttributes) {
  weft::TracerProviderConfig config;
  config.sampler = weft::Sampler::always_off();
  weft::TracerProvider provider(std::move(config));
  provider.set_global();
  weft::MeterProvider meters{weft::MeterProviderConfig{}};
  meters.set_global();
  HttpPeer peer([](const PeerRequest& request) {
    PeerReply out = reply(200, "hello");
    out.hang = request.path != "/";
    if (request.path == "/wait") out.bytes.clear();
    if (request.path == "/receive") out.bytes.pop_back();
    return out;
  });
  CurlClient client;
  EXPECT_TRUE(client.send({.url = peer.url("/")}).ok());
  for (const char* path : {"/wait", "/receive"})
    EXPECT_FALSE(client.send({.url = peer.url(path), .timeout_ms = 500}).ok());
  const std::string text = meters.prometheus_text();
  const std::string_view count = "http_client_request_duration_seconds_count{";
  const std::string_view version = R"(network_protocol_version="1.1")";
  EXPECT_EQ(sdk_test::metric_value(text, count, {R"(response_status_code="200")", version}), "1")
      << text;
  for (const std::string_view type :
       {R"(error_type="timeout.wait")", R"(error_type="timeout.receive")"}) {
    EXPECT_EQ(sdk_test::metric_value(text, count, {type}), "1") << type << text;
  }
}

TEST(CurlClient, AnUnsampledRequestStillCarriesItsContext) {
  weft::TracerProviderConfig config;
  config.sampler = weft::Sampler::always_off();
  weft::TracerProvider provider(std::move(config));
  provider.set_global();
  HttpPeer peer(hello);
  CurlClient client;
  EXPECT_TRUE(client.send({.url = peer.url("/")}).ok());
  const std::string header = peer.requests().at(0).header("traceparent");
  ASSERT_EQ(header.size(), 55u);
  EXPECT_EQ((header.back() - '0') & 1, 0) << header;
}

TEST(CurlTransfer, GivingUpEndsTheSpanAsCancelled) {
  Recorded recorded;
  HttpPeer peer([](const PeerRequest&) { return PeerReply{.bytes = {}, .hang = true}; });
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();
  const std::string url = peer.url("/");
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  {
    weft::http::CurlTransfer transfer(easy, {.url = url});
    ASSERT_TRUE(transfer.begin());
    curl_multi_add_handle(multi, easy);
    int running = 0;
    for (int i = 0; i < 100 && peer.requests().empty(); ++i) {
      curl_multi_perform(multi, &running);
      curl_multi_poll(multi, nullptr, 0, 20, nullptr);
    }
    curl_multi_remove_handle(multi, easy);
  }
  curl_easy_cleanup(easy);
  curl_multi_cleanup(multi);
  const auto spans = recorded.take();
  ASSERT_NE(find(spans, "GET"), nullptr);
  EXPECT_EQ(find(spans, "GET")->attribute("error.type"), "cancelled");
  EXPECT_EQ(find(spans, "http.receive")->status, kError);
}

TEST(CurlMulti, HundredsOfTransfersEachHaveTheirOwnPhases) {
  Recorded recorded;
  DnsServer dns({DnsAction::kAnswer});
  HttpPeer peer([](const PeerRequest& request) { return reply(200, request.path); });
  constexpr int kRequests = 300;
  int done = 0;
  CurlMulti multi({.resolver = resolver_of(dns)});
  for (int i = 0; i < kRequests; ++i) {
    const std::string path = "/item/" + std::to_string(i);
    multi.add({.url = peer.url(path, "api.example"), .url_template = path},
              [&done, path](const HttpResponse& response) {
                EXPECT_EQ(response.body, path);
                ++done;
              });
  }
  multi.run();
  EXPECT_EQ(done, kRequests);
  const auto spans = recorded.take();
  std::map<std::string, int> phases_of;  // by the trace: each request is a trace of its own
  std::map<std::string, std::string> root_of;
  for (const DecodedSpan& span : spans) {
    if (span.parent_span_id.empty()) root_of[span.trace_id] = span.name;
    if (span.name == "http.send" || span.name == "http.receive" || span.name == "http.getconn") {
      ++phases_of[span.trace_id];
    }
    EXPECT_EQ(span.status, 0) << span.name << " " << span.status_message;
  }
  EXPECT_EQ(root_of.size(), static_cast<std::size_t>(kRequests));
  for (const auto& [trace, count] : phases_of)
    EXPECT_EQ(count, 3) << root_of[trace];
}

TEST(CurlMulti, CancellingAtAnyMomentEndsTheSpanOnce) {
  for (int rounds = 0; rounds < 12; ++rounds) {
    Recorded recorded;
    DnsServer dns({rounds % 2 == 0 ? DnsAction::kDrop : DnsAction::kAnswer});
    HttpPeer peer([](const PeerRequest&) { return PeerReply{.bytes = {}, .hang = true}; });
    bool called = false;
    CurlMulti multi({.resolver = resolver_of(dns, 1, 100)});
    const auto id = multi.add({.url = peer.url("/", "api.example")},
                              [&called](const HttpResponse&) { called = true; });
    for (int i = 0; i < rounds; ++i)
      multi.run_once(5);
    multi.cancel(id);
    multi.cancel(id);
    EXPECT_EQ(multi.run_once(0), 0u);
    const auto spans = recorded.take();
    if (called) continue;  // the lookup had timed out before
    EXPECT_EQ(all(spans, "GET").size(), 1u) << rounds;
    EXPECT_EQ(find(spans, "GET")->status, kError) << rounds;
  }
}

TEST(CurlMulti, OneThatHangsHoldsNoOtherUp) {
  Recorded recorded;
  HttpPeer slow([](const PeerRequest&) { return PeerReply{.bytes = {}, .hang = true}; });
  HttpPeer quick(hello);
  std::vector<std::string> order;
  CurlMulti multi;
  multi.add({.url = slow.url("/"), .timeout_ms = 2000},
            [&](const HttpResponse& response) { order.push_back(response.error_type); });
  multi.add({.url = quick.url("/")},
            [&](const HttpResponse& response) { order.push_back(response.body); });
  multi.run();
  EXPECT_EQ(order, (std::vector<std::string>{"hello", "timeout.wait"}));
}

}  // namespace
