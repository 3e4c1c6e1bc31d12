// The APIs over spans in memory, called through their routes but without a server.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "analysis/testing/fixture.h"
#include "server/api/api.h"

namespace weft::server::testing {

using analysis::testing::kMs;
using analysis::testing::kStart;
using analysis::testing::make;

// A login that fails, one that does not, and a span without its root.
inline std::vector<Span> login_story() {
  std::vector<Span> out;
  for (uint8_t trace = 1; trace <= 2; trace++) {
    auto server =
        make(trace, 3, 2, "session-api", "POST /session").server().at(trace * 1000 + 10, 30);
    server.resource("service.version", trace == 1 ? "1.0" : "1.1").with("http.route", "/session");
    server.with("retry", true).with("load", 0.5);
    if (trace == 2) server.error("x").exception("unauthorized", "customer 4711 lacks scope 'a'");
    out.push_back(make(trace, 1, 0, "web", "POST /login").server().at(trace * 1000, 50));
    out.push_back(make(trace, 2, 1, "web", "POST")
                      .client()
                      .at(trace * 1000 + 5, 40)
                      .with("http.request.method", "POST"));
    out.push_back(server);
  }
  out.push_back(make(3, 9, 8, "job", "tick").at(500, 2));
  return out;
}

class ApiFixture {
 public:
  explicit ApiFixture(std::vector<Span> spans = login_story(), ApiLimits limits = {})
      : source(std::move(spans), {.aggregates = true}) {
    char name[] = "/tmp/weft-api-XXXXXX";
    dir_ = mkdtemp(name);
    links = LinkStore::open(real_file_system(), dir_ + "/links").value();
    ApiOptions options;
    options.source = &source;
    options.clock = &clock;
    options.links = links.get();
    options.pin = [this](std::span<const TraceId> ids) {
      pinned.insert(pinned.end(), ids.begin(), ids.end());
      return Status();
    };
    options.ownership = analysis::Ownership({{"Account", "Identity", {"session-api"}}});
    options.limits = limits;
    info.version = "9.9";
    info.otlp_http = "http://127.0.0.1:4318";
    options.info = [this] { return info; };
    api = std::make_unique<Api>(std::move(options));
    api->add_routes(router);
  }
  ~ApiFixture() { std::filesystem::remove_all(dir_); }

  HttpResponse call(HttpMethod method, std::string_view target, std::string body = {},
                    std::string_view accept = {}) {
    const size_t question = std::min(target.find('?'), target.size());
    const std::string_view path = target.substr(0, question);
    const Router::Match match = router.match(method, path);
    if (match.route == nullptr) return text_response("no route", 404);
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.path = path;
    request.params = match.params;
    request.body = std::move(body);
    request.cancel = cancel;
    if (question < target.size())
      request.query = HttpParameters::parse(target.substr(question + 1));
    if (!accept.empty()) request.headers.add("Accept", accept);
    HttpResponse response = match.route->handler(request);
    if (response.stream) {
      Collector collector;
      response.stream(collector);
      response.body = collector.text;
    }
    return response;
  }
  HttpResponse get(std::string_view target, std::string_view accept = {}) {
    return call(HttpMethod::kGet, target, {}, accept);
  }
  std::string body(std::string_view target) { return get(target).body; }

  weft::testing::MemorySource source;
  ManualClock clock{kStart + 10'000 * kMs};
  std::shared_ptr<CancelToken> cancel = std::make_shared<CancelToken>();
  std::unique_ptr<LinkStore> links;
  std::vector<TraceId> pinned;  // what the store was asked to keep
  ApiInfo info;
  std::unique_ptr<Api> api;
  Router router;

 private:
  struct Collector final : ResponseStream {
    bool write(std::string_view bytes) override {
      text += bytes;
      return true;
    }
    bool client_gone() const override { return false; }
    std::string text;
  };

  std::string dir_;
};

}  // namespace weft::server::testing
