#include "server/config.h"

#include <gmock/gmock.h>

#include <set>

#include "server/testing/server_fixture.h"
#include "server/testing/tls_files.h"

namespace weft::server {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

std::string complaint_of(const std::string& yaml) {
  Config config;
  const Status status = load_config_text(config, yaml, "weft.yaml");
  return status ? "no error" : status.error().message;
}

std::string finalize_complaint(Config config) {
  const auto finalized = finalize_config(std::move(config));
  return finalized ? "no error" : finalized.error().message;
}

TEST(ConfigTest, ReadsEverySectionOfAFile) {
  Config config;
  const Status status = load_config_text(config, R"(
data: /var/lib/weft
listen:
  otlp_grpc: 0.0.0.0:4317
  zipkin: off
insecure: true
cors:
  origins: [https://shop.example, "http://localhost:3000"]
limits:
  request_bytes: 16MiB
  query_timeout: 90s
  browser_requests_per_second: 2.5
  connections: 100
retention:
  age: 30d
  size: 50GiB
squads:
  - name: Account
    tribe: Identity
    services: [account-oauth, "account-*"]
  - {name: Product, services: []}
)",
                                         "weft.yaml");
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(config.data_dir, "/var/lib/weft");
  EXPECT_EQ(config.otlp_grpc, "0.0.0.0:4317");
  EXPECT_EQ(config.otlp_http, "127.0.0.1:4318");  // silence keeps the default
  EXPECT_TRUE(config.insecure);
  EXPECT_EQ(config.cors_origins.size(), 2u);
  EXPECT_EQ(config.max_request_bytes, 16u << 20);
  EXPECT_EQ(config.http_limits.query_timeout_ns, 90'000'000'000u);
  EXPECT_EQ(config.browser_requests_per_second, 2.5);
  EXPECT_EQ(config.http_limits.max_connections, 100u);
  EXPECT_EQ(config.retention_age_ns, 30ull * 86'400'000'000'000);
  EXPECT_EQ(config.retention_bytes, 50ull << 30);
  ASSERT_EQ(config.squads.size(), 2u);
  EXPECT_EQ(config.squads[0].tribe, "Identity");
  EXPECT_EQ(config.squads[0].services[1], "account-*");
  const auto finalized = finalize_config(std::move(config));
  ASSERT_TRUE(finalized) << finalized.error().message;
  EXPECT_FALSE(finalized->zipkin);
  EXPECT_EQ(finalized->values.decode.max_body_bytes, 16u << 20);
  EXPECT_GE(finalized->values.io_threads, 1u);
}

TEST(ConfigTest, EmptyFilesAreFine) {
  EXPECT_EQ(complaint_of(""), "no error");
  EXPECT_EQ(complaint_of("# nothing\n"), "no error");
  EXPECT_EQ(complaint_of("limits:\n"), "no error");
}

TEST(ConfigTest, MistakesSayWhereAndWhatWasMeant) {
  EXPECT_EQ(complaint_of("data: x\nlisten:\n  otlp_grcp: x\n"),
            "weft.yaml:3:3: unknown key 'listen.otlp_grcp'; did you mean 'listen.otlp_grpc'?");
  EXPECT_EQ(complaint_of("retnetion:\n  age: 3d\n"),
            "weft.yaml:1:1: unknown key 'retnetion'; did you mean 'retention'?");
  EXPECT_EQ(complaint_of("wholly_different_thing: 1\n"),
            "weft.yaml:1:1: unknown key 'wholly_different_thing'");
  EXPECT_THAT(
      complaint_of("limits:\n  request_bytes: 64 parsecs\n"),
      HasSubstr("weft.yaml:2:18: limits.request_bytes: '64 parsecs' is not one of the form"));
  EXPECT_THAT(complaint_of("retention:\n  age: 30\n"), HasSubstr("250ms, 30s, 5m, 12h or 14d"));
  EXPECT_THAT(complaint_of("insecure: maybe\n"), HasSubstr("not true or false"));
  EXPECT_THAT(complaint_of("limits: 5\n"), HasSubstr("'limits' is a section"));
  EXPECT_THAT(complaint_of("data: [a, b]\n"), HasSubstr("needs a single value"));
  EXPECT_THAT(complaint_of("squads:\n  - tribe: x\n"),
              HasSubstr("weft.yaml:2:5: a squad needs a name"));
  EXPECT_THAT(complaint_of("squads:\n  - name: x\n    service: [y]\n"),
              HasSubstr("'service' is none"));
  EXPECT_THAT(complaint_of("limits:\n  connections: -1\n"), HasSubstr("number of 0 or more"));
  EXPECT_THAT(complaint_of("limits:\n  connections: 99999999999\n"), HasSubstr("is not a number"));
  EXPECT_THAT(complaint_of("a: [b\nc"), HasSubstr("not valid YAML"));
  EXPECT_THAT(complaint_of("- a\n"), HasSubstr("not a mapping"));
}

TEST(ConfigTest, EveryKeyHasAFlagAHelpAndARoundTrip) {
  std::set<std::string_view> keys;
  std::set<std::string_view> flags;
  const Config defaults;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(keys.insert(key.key).second) << key.key;
    EXPECT_TRUE(flags.insert(key.flag).second) << key.flag;
    EXPECT_TRUE(key.flag.starts_with("--")) << key.flag;
    EXPECT_FALSE(key.help.empty()) << key.key;
    if (key.kind == ConfigKey::Kind::kList) continue;
    Config config;
    const std::string text = key.get(defaults);
    EXPECT_TRUE(key.set(config, text)) << key.key << " " << text;
    EXPECT_EQ(key.get(config), text) << key.key;
  }
}

TEST(ConfigTest, TheManualNamesEveryKeyFlagAndDefault) {
  const char* root = std::getenv("WEFT_SOURCE_DIR");
  if (root == nullptr) GTEST_SKIP() << "WEFT_SOURCE_DIR is not set: run it through ctest";
  std::ifstream file(std::string(root) + "/docs/configuration.md");
  const std::string manual((std::istreambuf_iterator<char>(file)), {});
  ASSERT_FALSE(manual.empty());
  const Config defaults;
  for (const ConfigKey& key : config_keys()) {
    const std::string text = key.get(defaults);
    const std::string row = "| `" + std::string(key.key) + "` | `" + std::string(key.flag) +
                            "` | " + (text.empty() ? "" : "`" + text + "` ") + "|";
    EXPECT_THAT(manual, HasSubstr(row));
  }
}

TEST(ConfigTest, Endpoints) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:4317")->value().port, 4317);
  EXPECT_EQ(parse_endpoint("[::1]:80")->value().host, "::1");
  EXPECT_EQ(parse_endpoint(":80")->value().host, "0.0.0.0");
  EXPECT_FALSE(parse_endpoint("off")->has_value());
  for (const char* bad :
       {"", "4317", "127.0.0.1", "a:b", "a:", "a:70000", "a:-1", "::1:80", "[::1"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
  for (const char* host : {"127.0.0.1", "127.8.8.8", "::1", "localhost"}) {
    EXPECT_TRUE((Endpoint{host, 1}.is_loopback())) << host;
  }
  for (const char* host : {"0.0.0.0", "10.0.0.1", "::", "example.com", "127.evil.example"}) {
    EXPECT_FALSE((Endpoint{host, 1}.is_loopback())) << host;
  }
}

TEST(ConfigTest, SizesAndTimes) {
  EXPECT_EQ(parse_bytes("1.5GiB"), 3ull << 29);
  EXPECT_EQ(parse_bytes("100 MB"), 100'000'000u);
  EXPECT_EQ(parse_bytes("17"), 17u);
  EXPECT_FALSE(parse_bytes("-1"));
  EXPECT_FALSE(parse_bytes("1e30"));
  EXPECT_FALSE(parse_bytes("nan"));
  EXPECT_EQ(parse_duration_ns("250ms"), 250'000'000u);
  EXPECT_EQ(parse_duration_ns("0"), 0u);
  EXPECT_FALSE(parse_duration_ns("5"));
  EXPECT_EQ(format_duration_ns(90'000'000'000), "90s");
  EXPECT_EQ(format_bytes(64u << 20), "64MiB");
}

TEST(ConfigTest, OtherMachinesNeedTokensOrAWord) {
  for (const auto& [set, flag, file] :
       {std::tuple{+[](Config& c) { c.otlp_grpc = "0.0.0.0:0"; }, "--otlp-grpc", "--ingest"},
        {+[](Config& c) { c.otlp_http = "[::]:0"; }, "--otlp-http", "--ingest"},
        {+[](Config& c) { c.http = "10.0.0.1:0"; }, "--http", "--query"},
        {+[](Config& c) { c.zipkin = "example.com:0"; }, "--zipkin", "--ingest"}}) {
    Config config;
    set(config);
    const std::string complaint = finalize_complaint(config);
    EXPECT_THAT(complaint, HasSubstr(flag));
    EXPECT_THAT(complaint, HasSubstr(std::string(file) + "-token-file"));
    EXPECT_THAT(complaint, HasSubstr("--insecure"));
    config.insecure = true;
    EXPECT_EQ(finalize_complaint(config), "no error");
  }
  // The right kind of token for each door; Zipkin's takes spans and answers queries.
  TempDir dir;
  Config config;
  config.ingest_token_file = dir.write("ingest", "0123456789abcdef0123\n");
  config.otlp_http = "0.0.0.0:0";
  EXPECT_EQ(finalize_complaint(config), "no error");
  EXPECT_THAT(finalize_config(config)->warnings[0], HasSubstr("in the clear"));
  config.zipkin = "0.0.0.0:0";
  EXPECT_THAT(finalize_complaint(config), HasSubstr("--query-token-file"));
}

TEST(ConfigTest, ChecksTheWhole) {
  const auto complaint = [](auto change) {
    Config config;
    change(config);
    return finalize_complaint(config);
  };
  EXPECT_THAT(complaint([](Config& c) { c.tls.cert_file = "x"; }), HasSubstr("needs both"));
  EXPECT_THAT(complaint([](Config& c) { c.tls = {"/nope/c", "/nope/k"}; }), HasSubstr("/nope/c"));
  EXPECT_THAT(complaint([](Config& c) { c.ingest_token_file = "/nope/t"; }), HasSubstr("/nope/t"));
  EXPECT_THAT(complaint([](Config& c) { c.otlp_grpc = c.otlp_http = c.http = c.zipkin = "off"; }),
              HasSubstr("nothing to serve"));
  EXPECT_THAT(complaint([](Config& c) { c.cors_origins = {"shop.example"}; }),
              HasSubstr("not an origin"));
  EXPECT_THAT(complaint([](Config& c) { c.cors_origins = {"https://shop.example/"}; }),
              HasSubstr("without a path"));
  EXPECT_THAT(complaint([](Config& c) { c.max_request_bytes = 0; }), HasSubstr("above 0"));
  EXPECT_THAT(complaint([](Config& c) { c.max_request_bytes = 2ull << 30; }),
              HasSubstr("at most 1GiB"));
  EXPECT_THAT(complaint([](Config& c) { c.max_inflight_bytes = 1; }),
              HasSubstr("--max-inflight-bytes"));
  EXPECT_THAT(complaint([](Config& c) { c.http_limits.max_header_bytes = 1; }), HasSubstr("1KiB"));
  EXPECT_THAT(complaint([](Config& c) { c.http = "4300"; }), HasSubstr("--http: '4300' is not"));
  // A key that belongs to another certificate.
  TempDir dir;
  const std::string cert = dir.write("c", testing::make_certificate("a").cert_pem);
  const std::string key = dir.write("k", testing::make_certificate("b").key_pem);
  EXPECT_THAT(complaint([&](Config& c) { c.tls = {cert, key}; }), HasSubstr("tls key"));
}

}  // namespace
}  // namespace weft::server
