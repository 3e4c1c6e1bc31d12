// Weft's own API: every answer fits docs/openapi.yaml, and says what the spans say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "server/testing/api_fixture.h"
#include "server/testing/schema_checker.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft::server {
namespace {

using testing::ApiFixture;
using ::testing::HasSubstr;
using testing::kMs;
using testing::kStart;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kTrace1 = "00000000000000000000000000000001";
const std::string kTrace2 = "00000000000000000000000000000002";

// "{ status = error }" as a parameter.
const std::string kFailed = "q=%7B%20status%20%3D%20error%20%7D";

TEST(OpenApi, EveryAnswerFitsItsSchema) {
  ApiFixture api;
  testing::SchemaChecker schemas = testing::openapi();
  struct Example {
    std::string path, target;
    int status = 200;
  };
  const std::vector<Example> examples = {
      {"/api/v1/traces/{id}", "/api/v1/traces/1"},
      {"/api/v1/traces/{id}", "/api/v1/traces/77", 404},
      {"/api/v1/search", "/api/v1/search"},
      {"/api/v1/search", "/api/v1/search?spss=0&limit=1"},
      {"/api/v1/search", "/api/v1/search?q=%7B%7D%7Cby(name)%7Ccount()%3E0"},
      {"/api/v1/search", "/api/v1/search?q=%7B%20statsu%20%3D%20error%7D", 400},
      {"/api/v1/search", "/api/v1/search?limit=0", 400},
      {"/api/v1/search", "/api/v1/search?q=%7B%7D%7Crate()", 400},
      {"/api/v1/search/stream", "/api/v1/search/stream?q=%7B", 400},
      {"/api/v1/attributes", "/api/v1/attributes"},
      {"/api/v1/attributes", "/api/v1/attributes?start=never", 400},
      {"/api/v1/attributes/{key}/values", "/api/v1/attributes/http.route/values?scope=span"},
      {"/api/v1/attributes/{key}/values", "/api/v1/attributes/kind/values"},
      {"/api/v1/attributes/{key}/values", "/api/v1/attributes/name/values?limit=0", 400},
      {"/api/v1/attributes/{key}/values", "/api/v1/attributes/name/values?scope=spam", 400},
      {"/api/v1/metrics", "/api/v1/metrics?q=%7B%7D%7Crate()by(name)"},
      {"/api/v1/metrics", "/api/v1/metrics?q=%7B%7D%7Cquantile_over_time(duration,.9)&step=1s"},
      {"/api/v1/metrics", "/api/v1/metrics?q=%7B%7D", 400},
      {"/api/v1/heatmap", "/api/v1/heatmap"},
      {"/api/v1/heatmap", "/api/v1/heatmap?bucketsPerOctave=3", 400},
      {"/api/v1/service-map", "/api/v1/service-map"},
      {"/api/v1/service-map", "/api/v1/service-map?last=x", 400},
      {"/api/v1/errors", "/api/v1/errors"},
      {"/api/v1/errors", "/api/v1/errors?limit=9999", 400},
      {"/api/v1/services", "/api/v1/services"},
      {"/api/v1/services", "/api/v1/services?step=1ns", 400},
      {"/api/v1/releases", "/api/v1/releases"},
      {"/api/v1/releases", "/api/v1/releases?start=2&end=1", 400},
      {"/api/v1/links/{id}", "/api/v1/links/nothing", 404},
      {"/api/v1/config", "/api/v1/config"},
  };
  for (const Example& example : examples) {
    const HttpResponse response = api.get(example.target);
    EXPECT_EQ(response.status, example.status) << example.target << " " << response.body;
    EXPECT_EQ(response.content_type, "application/json") << example.target;
    for (const std::string& problem :
         schemas.check(example.path, "get", response.status, response.body))
      ADD_FAILURE() << example.target << ": " << problem << "\n" << response.body;
  }
}

TEST(OpenApi, DescribesEveryRouteAndNoOther) {
  ApiFixture api;
  std::set<std::string> routes, described;
  for (const Route& route : api.router.routes())
    if (route.pattern.starts_with("/api/v1/")) routes.insert(route.pattern);
  for (const std::string& path : testing::openapi().paths())
    described.insert(path);
  EXPECT_EQ(routes, described);
}

TEST(OpenApi, CheckerFindsWhatDoesNotFit) {
  testing::SchemaChecker schemas = testing::openapi();
  EXPECT_FALSE(schemas.check("/api/v1/releases", "get", 200, R"({"releases":[]})").empty());
  EXPECT_FALSE(
      schemas.check("/api/v1/attributes", "get", 200, R"({"attributes":[],"limitReached":0})")
          .empty());
  EXPECT_FALSE(schemas
                   .check("/api/v1/attributes", "get", 200,
                          R"({"attributes":[],"limitReached":true,"more":1})")
                   .empty());
  EXPECT_FALSE(schemas.check("/api/v1/nothing", "get", 200, "{}").empty());
}

TEST(V1Trace, JsonAndProtobufSayTheSame) {
  ApiFixture api;
  const HttpResponse json = api.get("/api/v1/traces/" + kTrace1);
  EXPECT_EQ(json.headers.get("Vary"), "Accept");
  const HttpResponse bytes = api.get("/api/v1/traces/1", "application/protobuf");
  EXPECT_EQ(bytes.content_type, "application/protobuf");
  const auto from_json = decode_otlp_traces_json(json.body);
  const auto from_bytes = decode_otlp_traces(bytes.body);
  ASSERT_TRUE(from_json && from_bytes);
  std::vector<Span> a = to_spans(from_json->batch), b = to_spans(from_bytes->batch);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.size(), 3u);
}

TEST(V1Trace, WrongAndUnknownIds) {
  ApiFixture api;
  EXPECT_EQ(api.get("/api/v1/traces/xyz").status, 400);
  const HttpResponse unknown = api.get("/api/v1/traces/abc");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("00000000000000000000000000000abc"));
}

TEST(V1Search, ExactAnswer) {
  ApiFixture api;
  const std::string body = api.body("/api/v1/search?" + kFailed);
  EXPECT_THAT(
      body,
      StartsWith(
          R"({"traces":[{"traceId":"00000000000000000000000000000002","rootServiceName":"web",)"
          R"("rootTraceName":"POST /login","startTimeUnixNano":"1700000002000000000",)"
          R"("durationMs":50,"spanCount":3,"errorCount":1,"serviceStats":{)"
          R"("session-api":{"spanCount":1,"errorCount":1},"web":{"spanCount":2,"errorCount":0}},)"
          R"("spanSet":{"matched":1,"spans":[{"spanId":"0000000000000003",)"
          R"("name":"POST /session","serviceName":"session-api",)"
          R"("startTimeUnixNano":"1700000002010000000","durationMs":30,"kind":"server",)"
          R"("status":"error","attributes":[)"));
  EXPECT_THAT(body, HasSubstr(R"("limitReached":false)"));
}

TEST(V1Search, SaysWhenTheRootIsMissing) {
  ApiFixture api;
  EXPECT_THAT(api.body("/api/v1/search?q=%7Bname=%22tick%22%7D"),
              HasSubstr(R"("rootServiceName":"<root span not received>")"));
}

TEST(V1Search, QueryErrorsPointAtTheirPlace) {
  ApiFixture api;
  const std::string body = api.body("/api/v1/search?q=%7B%20statsu%20%3D%20error%20%7D");
  EXPECT_THAT(body, HasSubstr(R"("code":"invalid_argument")"));
  EXPECT_THAT(body, HasSubstr(R"("offset":2,"length":6,"line":1,"column":3)"));
  EXPECT_THAT(body, HasSubstr(R"("hint":"did you mean `status`?")"));
}

TEST(V1Search, EmptyRangesReadNothing) {
  ApiFixture api;
  EXPECT_THAT(api.body("/api/v1/search?q=%7B%7D&start=1&end=2&limit=1"),
              StartsWith(R"({"traces":[],)"));
}

TEST(V1Search, StopsWhenTheClientHangsUp) {
  ApiFixture api;
  api.cancel->cancel();
  EXPECT_EQ(api.get("/api/v1/search").status, 499);
  EXPECT_EQ(api.get("/api/v1/service-map").status, 499);
}

TEST(V1Search, StreamEndsWithDone) {
  ApiFixture api;
  const HttpResponse response = api.get("/api/v1/search/stream?limit=2");
  EXPECT_EQ(response.content_type, "text/event-stream");
  EXPECT_THAT(response.body,
              HasSubstr("event: traces\ndata: {\"traces\":[{\"traceId\":\"" + kTrace2));
  EXPECT_THAT(response.body, HasSubstr("\n\nevent: done\ndata: {\"inspected\":"));
  EXPECT_THAT(response.body, HasSubstr("\"limitReached\":true"));
  EXPECT_TRUE(response.body.ends_with("}\n\n"));
}

TEST(V1Attributes, KeysAndValuesWithCounts) {
  ApiFixture api;
  EXPECT_THAT(api.body("/api/v1/attributes"),
              HasSubstr(R"({"scope":"span","key":"http.route","type":"string","spans":2})"));
  EXPECT_EQ(api.body("/api/v1/attributes/http.route/values"),
            R"({"values":[{"value":"/session","type":"string","spans":2}],"limitReached":false})");
  EXPECT_EQ(api.body("/api/v1/attributes/retry/values?scope=span"),
            R"({"values":[{"value":"true","type":"bool","spans":2}],"limitReached":false})");
  EXPECT_THAT(api.body("/api/v1/attributes/kind/values"),
              StartsWith(R"({"values":[{"value":"server","type":"kind","spans":4})"));
  EXPECT_EQ(api.body("/api/v1/attributes/rootServiceName/values"),
            R"({"values":[{"value":"web","type":"string","spans":2}],"limitReached":false})");
  EXPECT_EQ(api.body("/api/v1/attributes/name/values?prefix=ti"),
            R"({"values":[{"value":"tick","type":"string","spans":1}],"limitReached":false})");
  EXPECT_EQ(
      api.body("/api/v1/attributes/service.name/values?" + kFailed),
      R"({"values":[{"value":"session-api","type":"string","spans":1}],"limitReached":false})");
  EXPECT_EQ(api.body("/api/v1/attributes/duration/values"),
            R"({"values":[],"limitReached":false})");
}

TEST(V1Analyses, SayWhatTheSpansSay) {
  ApiFixture api;
  const std::string map = api.body("/api/v1/service-map");
  EXPECT_THAT(map, HasSubstr(R"({"from":"web","to":"session-api","kind":"http","calls":2,)"));
  EXPECT_THAT(map, HasSubstr(R"("service":"session-api","squad":"Account","tribe":"Identity")"));
  EXPECT_THAT(map, HasSubstr(R"("service":"web","squad":null,"tribe":null)"));
  const std::string errors = api.body("/api/v1/errors");
  EXPECT_THAT(
      errors,
      HasSubstr(
          R"("type":"unauthorized","template":"customer <num> lacks scope <str>","count":1)"));
  EXPECT_THAT(errors, HasSubstr(R"("newSince":{"service":"session-api","version":"1.1"})"));
  EXPECT_THAT(api.body("/api/v1/releases"),
              HasSubstr(R"({"service":"session-api","version":"1.0",)"));
  EXPECT_THAT(api.body("/api/v1/services"),
              HasSubstr(R"("name":"POST /login","kind":"server","spans":2)"));
  EXPECT_THAT(api.body("/api/v1/heatmap?columns=2&bucketsPerOctave=1"), HasSubstr(R"("cells":[[)"));
  EXPECT_THAT(api.body("/api/v1/metrics?q=%7B%7D%7Ccount_over_time()by(name)&step=1h"),
              HasSubstr(R"({"labels":{"name":"POST /login"},"points":[{"timeUnixNano":")"));
}

TEST(V1Links, KeepTheirTraces) {
  ApiFixture api;
  testing::SchemaChecker schemas = testing::openapi();
  const HttpResponse made =
      api.call(HttpMethod::kPost, "/api/v1/links",
               R"({"path":"/trace/1?span=2","traceIds":["1","00000000000000000000000000000001"]})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_TRUE(schemas.check("/api/v1/links", "post", 201, made.body).empty());
  const std::string id = made.body.substr(7, 12);
  const HttpResponse link = api.get("/api/v1/links/" + id);
  EXPECT_TRUE(schemas.check("/api/v1/links/{id}", "get", 200, link.body).empty()) << link.body;
  EXPECT_THAT(link.body, HasSubstr(R"("path":"/trace/1?span=2","traceIds":[")" + kTrace1 + "\"]"));
  ASSERT_EQ(api.pinned.size(), 1u);
  EXPECT_EQ(api.pinned[0].to_hex(), kTrace1);
  // The store forgets the trace; the link does not.
  api.source = weft::testing::MemorySource({});
  EXPECT_EQ(api.get("/api/v1/traces/1").status, 200);
  EXPECT_EQ(api.get("/api/v1/traces/2").status, 404);
}

TEST(V1Links, AreNotMadeByPagesOfOtherSites) {
  ApiFixture api;
  testing::SchemaChecker schemas = testing::openapi();
  const Router::Match match = api.router.match(HttpMethod::kPost, "/api/v1/links");
  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.body = R"({"path":"/a"})";
  for (const auto& [site, status] : {std::pair("cross-site", 403), std::pair("same-origin", 201)}) {
    request.headers.set("Sec-Fetch-Site", site);
    const HttpResponse response = match.route->handler(request);
    EXPECT_EQ(response.status, status) << site;
    EXPECT_TRUE(schemas.check("/api/v1/links", "post", status, response.body).empty());
  }
}

// A server that listens on every address is reached where it was asked.
TEST(V1Config, AddressesAreThoseThatTheClientCanReach) {
  ApiFixture api;
  const Router::Match match = api.router.match(HttpMethod::kGet, "/api/v1/config");
  const auto answer = [&](std::string_view host) {
    HttpRequest request;
    request.headers.set("Host", host);
    return match.route->handler(request).body;
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(answer("weft.example"), HasSubstr(R"("otlpHttp":"http://127.0.0.1:4318")"));
  api.info.otlp_http = "https://0.0.0.0:4318";
  api.info.otlp_grpc = "[::]:4317";
  EXPECT_THAT(answer("Weft.example:4300"), HasSubstr(R"("otlpHttp":"https://weft.example:4318")"));
  EXPECT_THAT(answer("weft.example"), HasSubstr(R"("otlpGrpc":"weft.example:4317")"));
  EXPECT_THAT(answer("[2001:db8::1]:80"), HasSubstr(R"("otlpGrpc":"[2001:db8::1]:4317")"));
  EXPECT_THAT(answer(""), HasSubstr(R"("otlpGrpc":"[::]:4317")"));
}

TEST(V1Links, RefuseWhatIsNoLink) {
  ApiFixture api;
  testing::SchemaChecker schemas = testing::openapi();
  for (const char* body : {"", "[]", "{}", R"({"path":5})", R"({"path":"//evil"})",
                           R"({"path":"/a","traceIds":5})", R"({"path":"/a","traceIds":["zz"]})"}) {
    const HttpResponse response = api.call(HttpMethod::kPost, "/api/v1/links", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_TRUE(schemas.check("/api/v1/links", "post", 400, response.body).empty());
  }
}

TEST(V1Limits, AreNamedInTheAnswer) {
  ApiLimits limits;
  limits.max_trace_spans = 2;
  ApiFixture api(testing::login_story(), limits);
  const HttpResponse response = api.get("/api/v1/traces/1");
  EXPECT_EQ(response.status, 422) << response.body;
  EXPECT_THAT(response.body, HasSubstr("resource_exhausted"));
}

TEST(V1Answers, HostileStringsStayJson) {
  std::vector<Span> spans = {analysis::testing::make(1, 1, 0, "a\"b\\\n\xFF</script>", "\x01<b>")};
  spans[0].status_code = StatusCode::kError;
  ApiFixture api(spans);
  testing::SchemaChecker schemas = testing::openapi();
  for (const char* path : {"/api/v1/search", "/api/v1/service-map", "/api/v1/errors",
                           "/api/v1/services", "/api/v1/attributes"})
    EXPECT_TRUE(schemas.check(path, "get", 200, api.body(path)).empty()) << path;
}

}  // namespace
}  // namespace weft::server
