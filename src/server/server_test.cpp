// The whole server: what its listeners serve, who is let in, TLS, the page, and how it stops.
#include "server/server.h"

#include <curl/curl.h>
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "server/page.h"
#include "server/testing/server_fixture.h"
#include "server/testing/tls_files.h"

namespace weft::server {
namespace {

using testing::get_request;
using ::testing::HasSubstr;
using testing::local_config;
using testing::post_request;
using testing::RawClient;
using testing::RawResponse;
using testing::TempDir;

class ServerTest : public testing::ServerFixture {
 protected:
  RawResponse get(std::string_view target, std::string_view more_headers = {}) {
    RawClient client(http_port());
    return client.ask(get_request(target, more_headers));
  }
  static Router api() {
    Router router;
    router.get("/api/v1/search", [](const HttpRequest&) { return json_response("{}"); });
    return router;
  }
};

TEST_F(ServerTest, HealthAndReadinessNeedNoToken) {
  TempDir dir;
  Config config = local_config();
  config.query_token_file = dir.write("tokens", "0123456789abcdef0123\n");
  std::atomic<bool> is_ready{false};
  start(std::move(config), api(), {}, [&]() -> Status {
    if (is_ready) return {};
    return fail(ErrorCode::kUnavailable, "reading the log");
  });
  EXPECT_EQ(get("/healthz").body, "ok\n");
  const RawResponse early = get("/readyz");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(early.body, "not ready: reading the log\n");
  is_ready = true;
  EXPECT_EQ(get("/readyz").status, 200);
  // Also on the receiving ports, for balancers that see those alone.
  EXPECT_EQ(RawClient(otlp_http_port()).ask(get_request("/readyz")).status, 200);
}

TEST_F(ServerTest, QueriesNeedTheQueryToken) {
  TempDir dir;
  Config config = local_config();
  config.query_token_file = dir.write("query", "query-token-0123456789\n");
  config.ingest_token_file = dir.write("ingest", "ingest-token-0123456789\n");
  Router zipkin;
  zipkin.get("/api/v2/traces", [](const HttpRequest&) { return json_response("[]"); });
  start(std::move(config), api(), std::move(zipkin));
  const RawResponse refused = get("/api/v1/search");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers.get("www-authenticate"), "Bearer");
  EXPECT_THAT(refused.body, HasSubstr(R"("code":"unauthenticated")"));
  EXPECT_EQ(get("/metrics").status, 401);
  EXPECT_EQ(get("/api/v1/search", "Authorization: Bearer ingest-token-0123456789\r\n").status, 401);
  EXPECT_EQ(get("/api/v1/search", "Authorization: Bearer query-token-0123456789\r\n").status, 200);
  EXPECT_EQ(get("/metrics", "Authorization: Bearer query-token-0123456789\r\n").status, 200);
  EXPECT_EQ(get("/").status, 200);  // the page asks for the token itself
  EXPECT_EQ(RawClient(zipkin_port()).ask(get_request("/api/v2/traces")).status, 401);
  EXPECT_EQ(RawClient(zipkin_port()).ask(post_request("/api/v2/spans", "", "[]")).status, 401);
  // A query token may not send.
  EXPECT_EQ(RawClient(otlp_http_port())
                .ask(post_request("/v1/traces", "application/json", "{}",
                                  "Authorization: Bearer query-token-0123456789\r\n"))
                .status,
            401);
}

TEST_F(ServerTest, ForeignNamesAreNotAnsweredWithoutTokens) {
  Config config = local_config();
  config.allowed_hosts = {"weft.internal"};
  start(std::move(config), api());
  const auto status = [&](const std::string& host) {
    return RawClient(http_port())
        .ask("GET /api/v1/search HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
        .status;
  };
  EXPECT_EQ(status("rebound.evil.example:4300"), 421);
  EXPECT_EQ(status("LOCALHOST:4300"), 200);
  EXPECT_EQ(status("Weft.Internal:4300"), 200);
  for (const char* good : {"localhost", "localhost:4300", "127.0.0.1:4300", "[::1]:4300",
                           "weft.localhost", "weft.internal:80"}) {
    EXPECT_EQ(status(good), 200) << good;
  }
}

TEST_F(ServerTest, ReloadExchangesTokens) {
  TempDir dir;
  Config config = local_config();
  config.query_token_file = dir.write("query", "first-token-0123456789\n");
  start(std::move(config), api());
  const auto status = [&](const std::string& token) {
    return get("/api/v1/search", "Authorization: Bearer " + token + "\r\n").status;
  };
  EXPECT_EQ(status("first-token-0123456789"), 200);
  dir.write("query", "second-token-0123456789\n");
  ASSERT_TRUE(server_->reload());
  EXPECT_EQ(status("first-token-0123456789"), 401);
  EXPECT_EQ(status("second-token-0123456789"), 200);
  dir.write("query", "bad\n");
  EXPECT_FALSE(server_->reload());
  EXPECT_EQ(status("second-token-0123456789"), 200);
}

TEST_F(ServerTest, ServesThePageWithStrictHeaders) {
  start(local_config(), api());
  const RawResponse response = get("/s/k3f9");  // a route of the page
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(std::string(response.headers.get("content-security-policy")),
              HasSubstr("default-src 'self'"));
  EXPECT_EQ(response.headers.get("x-content-type-options"), "nosniff");
  const std::string etag(response.headers.get("etag"));
  EXPECT_EQ(get("/", "If-None-Match: " + etag + "\r\n").status, 304);
  const RawResponse unknown = get("/api/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.headers.get("content-type"), "application/json");
  EXPECT_EQ(get("/assets/gone.js").status, 404);
}

TEST_F(ServerTest, ATakenPortStopsTheStartAndSaysWhy) {
  start();
  for (int which = 0; which < 2; ++which) {
    Config config = local_config();
    (which == 0 ? config.http : config.otlp_grpc) =
        "127.0.0.1:" + std::to_string(which == 0 ? http_port() : server_->otlp_grpc()->port);
    ServerParts parts;
    parts.sink = &sink_;
    parts.metrics = &metrics_;
    const auto second = Server::start(*finalize_config(config), std::move(parts));
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("choose another port"));
  }
}

TEST_F(ServerTest, ListenersCanBeOff) {
  Config config = local_config();
  config.zipkin = "off";
  config.otlp_grpc = "off";
  start(std::move(config));
  EXPECT_FALSE(server_->zipkin());
  EXPECT_FALSE(server_->otlp_grpc());
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ServerTest, ShutdownFinishesIngestInFlightAndLeavesNoListener) {
  start();
  sink_.hold();
  RawClient client(otlp_http_port());
  client.send(post_request("/v1/traces", "application/json", testing::json_request(3)));
  sink_.wait_for_requests(1);
  const uint16_t port = otlp_http_port();
  auto stopping = std::async(std::launch::async, [&] { server_->shutdown(30'000'000'000); });
  while (RawClient(port).connected())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  sink_.release();
  EXPECT_EQ(client.read().status, 200);
  client.close();
  stopping.get();
}

TEST_F(ServerTest, ShutdownDoesNotWaitForEverForAStore) {
  start();
  sink_.hold();
  RawClient client(otlp_http_port());
  client.send(post_request("/v1/traces", "application/json", testing::json_request(3)));
  sink_.wait_for_requests(1);
  server_->shutdown(100'000'000);
  EXPECT_EQ(client.read().status, 0);
  sink_.release();  // after the end: dropped without harm
}

size_t append_to_string(const char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

TEST_F(ServerTest, Tls) {
  TempDir dir;
  Config config = local_config();
  const testing::Certificate first = testing::make_certificate("localhost");
  config.tls = {dir.write("cert.pem", first.cert_pem), dir.write("key.pem", first.key_pem)};
  start(std::move(config), api());
  const auto get_with = [&](const testing::Certificate& trusted, uint16_t port,
                            const std::string& path, std::string* body) {
    const std::string trust = dir.write("trust.pem", trusted.cert_pem);
    CURL* curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL,
                     ("https://localhost:" + std::to_string(port) + path).c_str());
    curl_easy_setopt(curl, CURLOPT_CAINFO, trust.c_str());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_to_string);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    const std::string large = testing::protobuf_request(20'000);
    curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/x-protobuf");
    if (path == "/v1/traces") {
      curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
      curl_easy_setopt(curl, CURLOPT_POSTFIELDS, large.data());
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(large.size()));
    }
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return code == CURLE_OK ? status : -static_cast<long>(code);
  };
  std::string body;
  EXPECT_EQ(get_with(first, http_port(), "/healthz", &body), 200);
  EXPECT_EQ(body, "ok\n");
  EXPECT_EQ(get_with(first, otlp_http_port(), "/v1/traces", &body), 200);
  EXPECT_EQ(sink_.spans(), 20'000u);
  // Plain HTTP on a TLS port gets nothing.
  EXPECT_EQ(RawClient(http_port()).ask(get_request("/healthz")).status, 0);
  // A renewed certificate is used after a reload, without a restart.
  const testing::Certificate second = testing::make_certificate("localhost");
  EXPECT_EQ(get_with(second, http_port(), "/healthz", &body), -CURLE_PEER_FAILED_VERIFICATION);
  dir.write("cert.pem", second.cert_pem);
  EXPECT_FALSE(server_->reload());  // the key is still the old one: nothing changes
  EXPECT_EQ(get_with(first, http_port(), "/healthz", &body), 200);
  dir.write("key.pem", second.key_pem);
  EXPECT_TRUE(server_->reload());
  EXPECT_EQ(get_with(second, http_port(), "/healthz", &body), 200);
}

// Without anybody asking, as soon as both files belong together.
TEST(TlsContextTest, NoticesRenewedFiles) {
  const TempDir dir;
  const auto fingerprint = [](TlsContext& context) {
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(context.new_connection(Alpn::kHttp2),
                                                        SSL_free);
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    X509_digest(SSL_get_certificate(ssl.get()), EVP_sha256(), hash.data(), &size);
    return std::string(hash.begin(), hash.begin() + size);
  };
  const testing::Certificate first = testing::make_certificate("localhost");
  const testing::Certificate second = testing::make_certificate("localhost");
  TlsFiles files{dir.write("cert.pem", first.cert_pem), dir.write("key.pem", first.key_pem)};
  // Files that are written within one tick of the file system's clock have the same time.
  const auto renew = [](const std::string& file, int seconds) {
    std::filesystem::last_write_time(
        file, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(seconds));
  };
  auto context = TlsContext::load(files, std::chrono::seconds(0));
  ASSERT_TRUE(context) << context.error().message;
  const std::string before = fingerprint(**context);
  renew(dir.write("cert.pem", second.cert_pem), 10);
  EXPECT_EQ(fingerprint(**context), before);  // the key is still the old one
  renew(dir.write("key.pem", second.key_pem), 10);
  EXPECT_NE(fingerprint(**context), before);
  auto patient = TlsContext::load(files, std::chrono::hours(1));
  const std::string now = fingerprint(**patient);
  renew(dir.write("cert.pem", first.cert_pem), 20);
  renew(dir.write("key.pem", first.key_pem), 20);
  EXPECT_EQ(fingerprint(**patient), now);
}

TEST(PageTest, AssetsHaveTypesTagsAndCompression) {
  const std::string script(5000, 'x');
  const PageAsset assets[] = {{"/index.html", "<!doctype html><title>Weft</title>"},
                              {"/assets/app-1a2b.js", script}};
  Router router;
  add_page(router, assets);
  const auto get = [&](std::string_view path, std::string_view encoding = "") {
    HttpRequest request;
    request.path = path;
    if (!encoding.empty()) request.headers.add("Accept-Encoding", encoding);
    const Router::Match match = router.match(HttpMethod::kGet, path);
    return match.route->handler(request);
  };
  EXPECT_EQ(get("/").body, "<!doctype html><title>Weft</title>");
  EXPECT_EQ(get("/trace/abc").body, get("/").body);
  for (const char* path : {"/api/x", "/tempo/api/x", "/jaeger/api/x", "/zipkin/api/v2/x"})
    EXPECT_EQ(get(path).status, 404) << path << " is no route of the page";
  EXPECT_EQ(get("/").headers.get("cache-control"), "no-cache");
  const HttpResponse plain = get("/assets/app-1a2b.js");
  EXPECT_EQ(plain.content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(plain.body, script);
  EXPECT_THAT(std::string(plain.headers.get("cache-control")), HasSubstr("immutable"));
  EXPECT_EQ(plain.headers.get("vary"), "Accept-Encoding");
  const HttpResponse packed = get("/assets/app-1a2b.js", "gzip");
  EXPECT_EQ(packed.headers.get("content-encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 100u);
  Router without;
  add_page(without, {});
  EXPECT_THAT(without.match(HttpMethod::kGet, "/").route->handler(HttpRequest()).body,
              HasSubstr("npm run build"));
}

}  // namespace
}  // namespace weft::server
