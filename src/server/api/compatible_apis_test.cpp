// What clients of Tempo, Jaeger and Zipkin get: shapes down to the byte where they are small.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/protobuf.h"
#include "server/api/traceql_text.h"
#include "server/testing/api_fixture.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"
#include "wire/zipkin_json.h"

namespace weft::server {
namespace {

using testing::ApiFixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

const std::string kTrace1 = "00000000000000000000000000000001";
const std::string kTrace2 = "00000000000000000000000000000002";
// The story's seconds since the epoch.
const std::string kSeconds = "start=1700000000&end=1700000100";

TEST(Tempo, EchoAndBuildInfo) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/echo"), "echo");
  EXPECT_EQ(api.body("/tempo/api/echo"), "echo");
  EXPECT_THAT(api.body("/api/status/buildinfo"), HasSubstr(R"("version":"9.9")"));
}

TEST(Tempo, TraceById) {
  ApiFixture api;
  EXPECT_THAT(api.body("/tempo/api/traces/1"), StartsWith(R"({"batches":[{"resource":)"));
  const std::string v2 = api.body("/api/v2/traces/1");
  EXPECT_THAT(v2, StartsWith(R"({"trace":{"resourceSpans":[)"));
  EXPECT_TRUE(v2.ends_with(R"(},"metrics":{}})"));
  // TraceByIDResponse holds a Trace, which is TracesData.
  const HttpResponse bytes = api.get("/api/v2/traces/" + kTrace1, "application/protobuf");
  protobuf::Reader reader(bytes.body);
  uint32_t field = 0;
  protobuf::WireType type{};
  std::string_view trace;
  ASSERT_TRUE(reader.tag(field, type) && reader.bytes(trace) && reader.done());
  EXPECT_EQ(field, 1u);
  EXPECT_EQ(decode_otlp_traces(trace)->batch.size(), 3u);
  const HttpResponse v1 = api.get("/api/traces/" + kTrace1, "application/protobuf");
  EXPECT_EQ(v1.body, trace);
  EXPECT_EQ(api.get("/api/v2/traces/abc").status, 404);
  EXPECT_EQ(api.get("/api/traces/abc", "application/protobuf").status, 404);
}

TEST(Tempo, SearchWithTraceQl) {
  ApiFixture api;
  EXPECT_THAT(api.body("/api/search?q=%7Bstatus%3Derror%7D%7Cselect(span.http.route)&" + kSeconds),
              StartsWith(R"({"traces":[{"traceID":"00000000000000000000000000000002",)"
                         R"("rootServiceName":"web","rootTraceName":"POST /login",)"
                         R"("startTimeUnixNano":"1700000002000000000","durationMs":50,)"
                         R"("spanSet":{"spans":[{"spanID":"0000000000000003",)"
                         R"("name":"POST /session","startTimeUnixNano":"1700000002010000000",)"
                         R"("durationNanos":"30000000","attributes":[{"key":"http.route",)"
                         R"("value":{"stringValue":"/session"}},{"key":"status",)"
                         R"("value":{"stringValue":"error"}}]}],"matched":1},"spanSets":[)"));
  EXPECT_THAT(api.body("/api/search?q=%7Bkind%3Dclient%7D%7Cselect(kind)&" + kSeconds),
              HasSubstr(R"("attributes":[{"key":"kind","value":{"stringValue":"client"}}]})"))
      << "once, whether it is compared or selected";
  EXPECT_THAT(api.body("/api/search?q=%7B%7D&start=1&end=2"), StartsWith(R"({"traces":[],)"));
  EXPECT_EQ(api.get("/api/search?q=%7B").status, 400);
}

TEST(Tempo, SearchWithTags) {
  ApiFixture api;
  const auto ids = [&api](const std::string& parameters) {
    const std::string body = api.body("/api/search?" + parameters);
    std::string out;
    for (size_t at = body.find("\"traceID\":\""); at != std::string::npos;
         at = body.find("\"traceID\":\"", at + 1))
      out += body[at + 42];
    return out;
  };
  EXPECT_EQ(ids("tags=service.name%3Dsession"), "21") << "a part of the value, in any case";
  EXPECT_EQ(ids("tags=service.name%3DSESSION%20error%3Dtrue"), "2");
  EXPECT_EQ(ids("tags=retry%3Dtrue&minDuration=50ms"), "21");
  EXPECT_EQ(ids("tags=name%3Dtick"), "3");
  EXPECT_EQ(ids("maxDuration=10ms"), "3");
  EXPECT_EQ(ids("tags=http.route%3D%22%2Fsession%22"), "21");
  EXPECT_EQ(ids("tags=http.route%3D."), "") << "no regular expression";
  EXPECT_EQ(api.get("/api/search?tags=a%3D%22b").status, 400);
}

TEST(Tempo, Tags) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/search/tags?scope=span"),
            R"({"tagNames":["http.request.method","http.route","load","retry"],"metrics":{}})");
  EXPECT_EQ(api.body("/api/v2/search/tags?scope=resource"),
            R"({"scopes":[{"name":"resource","tags":["service.name","service.version"]}],)"
            R"("metrics":{}})");
  EXPECT_THAT(api.body("/api/v2/search/tags"),
              HasSubstr(R"({"name":"intrinsic","tags":["duration")"));
  EXPECT_EQ(api.get("/api/v2/search/tags?scope=wrong").status, 400);
  EXPECT_EQ(api.body("/api/v2/search/tags?scope=event&limit=1"),
            R"({"scopes":[{"name":"event","tags":["exception.message"]}],"metrics":{}})")
      << "the limit is that of a scope, whatever the others have";
}

TEST(Tempo, TagValues) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/search/tag/service.name/values"),
            R"({"tagValues":["web","session-api","job"],"metrics":{}})");
  EXPECT_EQ(api.body("/api/v2/search/tag/resource.service.name/values?q=%7Bstatus%3Derror"),
            R"({"tagValues":[{"type":"string","value":"session-api"}],"metrics":{}})")
      << "of an unfinished query what makes sense";
  EXPECT_EQ(api.body("/api/v2/search/tag/.retry/values"),
            R"({"tagValues":[{"type":"bool","value":"true"}],"metrics":{}})");
  EXPECT_EQ(api.body("/api/v2/search/tag/status/values"),
            R"({"tagValues":[{"type":"keyword","value":"unset"},)"
            R"({"type":"keyword","value":"error"}],"metrics":{}})");
  EXPECT_EQ(api.body("/api/v2/search/tag/duration/values"), R"({"tagValues":[],"metrics":{}})");
}

TEST(Tempo, ValuesOfRootsAreThoseOfTheTracesThatMatch) {
  ApiFixture api;
  const std::string login =
      R"({"tagValues":[{"type":"string","value":"POST /login"}],"metrics":{}})";
  // No root is of this service, but the root's name finds its spans.
  for (const char* q : {"%7Bresource.service.name%3D%22session-api%22%7D",
                        "%7Bname%3D%22POST%20/session%22%7D%20|%20count()%20%3E%200%20//%20x"}) {
    EXPECT_EQ(api.body(std::string("/api/v2/search/tag/rootName/values?q=") + q), login) << q;
  }
  EXPECT_EQ(api.body("/api/v2/search/tag/trace:rootService/values?q=%7Bname%3D%22tick%22%7D"),
            R"({"tagValues":[],"metrics":{}})");
}

TEST(Tempo, ValuesOfArraysAreTheirElements) {
  auto spans = testing::login_story();
  const auto array = [](std::vector<Value> values) { return Value(Value::Array(values)); };
  spans[0].attributes.emplace_back("tier", array({Value("gold"), Value("gold"), Value("eu")}));
  spans[1].attributes.emplace_back("tier", array({Value("eu"), Value(int64_t{7}), array({})}));
  spans[2].attributes.emplace_back("tier", Value("eu"));
  ApiFixture api(std::move(spans));
  EXPECT_EQ(api.body("/api/v1/attributes/tier/values"),
            R"({"values":[{"value":"eu","type":"string","spans":3},)"
            R"({"value":"7","type":"int","spans":1},{"value":"gold","type":"string","spans":1}],)"
            R"("limitReached":false})");
}

TEST(Tempo, Metrics) {
  ApiFixture api;
  EXPECT_THAT(
      api.body("/api/metrics/query_range?q=%7B%7D%7Ccount_over_time()by(name)&step=100&" +
               kSeconds),
      StartsWith(
          R"({"series":[{"labels":[{"key":"name","value":{"stringValue":"POST"}}],)"
          R"("promLabels":"{name=\"POST\"}","samples":[{"timestampMs":"1700000000000","value":2})"));
  EXPECT_THAT(
      api.body("/api/metrics/query?q=%7Bstatus%3Derror%7D%7Ccount_over_time()by(name)&" + kSeconds),
      StartsWith(R"({"series":[{"labels":[{"key":"name","value":{"stringValue":)"
                 R"("POST /session"}}],"promLabels":"{name=\"POST /session\"}","value":1}],)"));
  EXPECT_EQ(api.get("/api/metrics/query_range?q=%7B%7D").status, 400);
  for (const char* path : {"/api/metrics/query_range", "/api/metrics/query"})
    EXPECT_EQ(api.get(path + std::string("?query=%7B%7D%7Crate()")).status, 400) << "no q";
}

TEST(Jaeger, ServicesAndOperations) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/services"),
            R"({"data":["job","session-api","web"],"total":3,"limit":0,"offset":0,"errors":null})");
  EXPECT_EQ(api.body("/jaeger/api/services/web/operations"),
            R"({"data":["POST","POST /login"],"total":2,"limit":0,"offset":0,"errors":null})");
  EXPECT_EQ(api.body("/api/operations?service=web&spanKind=server"),
            R"({"data":[{"name":"POST /login","spanKind":"server"}],"total":1,"limit":0,)"
            R"("offset":0,"errors":null})");
}

TEST(Jaeger, Traces) {
  ApiFixture api;
  const std::string one = api.body("/api/traces/1");
  EXPECT_THAT(one, StartsWith(R"({"data":[{"traceID":")" + kTrace1));
  EXPECT_THAT(one, HasSubstr(R"("processes":{"p1":)"));
  EXPECT_THAT(api.body("/api/traces?service=session-api&tags=%7B%22error%22:%22true%22%7D"),
              StartsWith(R"({"data":[{"traceID":")" + kTrace2));
  EXPECT_THAT(api.body("/api/traces?service=web&operation=none"), StartsWith(R"({"data":[],)"));
  EXPECT_THAT(api.body("/api/traces?service=session-api&tag=load:0.5&tag=retry:true&limit=1"),
              StartsWith(R"({"data":[{"traceID":")" + kTrace2));
  EXPECT_THAT(api.body("/api/traces?service=web&start=1700000001500000&minDuration=45ms"),
              StartsWith(R"({"data":[{"traceID":")" + kTrace2));
  EXPECT_THAT(api.body("/api/traces?traceID=1&traceID=2"), HasSubstr(kTrace2));
  EXPECT_EQ(api.body("/api/traces"),
            R"({"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":400,)"
            R"("msg":"service: the parameter is required"}]})");
  EXPECT_EQ(api.get("/api/traces/abc").status, 404);
  EXPECT_EQ(api.get("/api/traces?service=web&tags=x").status, 400);
}

TEST(Jaeger, TagsThatItShowsAreFound) {
  auto spans = testing::login_story();
  spans[4].scope.name = "weft.http";
  spans[4].scope.version = "2.1";
  spans[4].trace_state = "a=1";
  ApiFixture api(std::move(spans));
  // The failure and its exception, and what OTLP has outside of the attributes.
  for (const char* tag : {"otel.status_code:ERROR", "otel.status_description:x", "error:true",
                          "event:exception", "exception.type:unauthorized"}) {
    EXPECT_THAT(api.body(std::string("/api/traces?service=session-api&tag=") + tag),
                StartsWith(R"({"data":[{"traceID":")" + kTrace2))
        << tag;
  }
  for (const char* tag :
       {"otel.scope.name:weft.http", "otel.scope.version:2.1", "w3c.tracestate:a=1"}) {
    EXPECT_THAT(api.body(std::string("/api/traces?service=web&tag=") + tag),
                StartsWith(R"({"data":[{"traceID":")" + kTrace2))
        << tag;
  }
  for (const char* tag : {"otel.status_code:OK", "event:retry", "otel.status_description:y"}) {
    EXPECT_THAT(api.body(std::string("/api/traces?service=session-api&tag=") + tag),
                StartsWith(R"({"data":[],)"))
        << tag;
  }
}

TEST(Jaeger, Dependencies) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/dependencies?endTs=1700000100000&lookback=3600000"),
            R"({"data":[{"parent":"web","child":"session-api","callCount":2}],"total":1,)"
            R"("limit":0,"offset":0,"errors":null})");
  EXPECT_THAT(api.body("/api/dependencies?endTs=5&lookback=5"), StartsWith(R"({"data":[],)"));
  const std::string of = "/api/dependencies?endTs=1700000100000&lookback=3600000&service=";
  EXPECT_THAT(api.body(of + "session-api"), HasSubstr(R"("total":1)"));
  EXPECT_THAT(api.body(of + "job"), StartsWith(R"({"data":[],"total":0)"));
}

TEST(Jaeger, ThirdVersion) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/v3/services"), R"({"services":["job","session-api","web"]})");
  EXPECT_EQ(api.body("/api/v3/operations?service=job"),
            R"({"operations":[{"name":"tick","spanKind":"unspecified"}]})");
  const std::string trace = api.body("/api/v3/traces/1");
  ASSERT_THAT(trace, StartsWith(R"({"result":{"resourceSpans":)"));
  EXPECT_EQ(decode_otlp_traces_json(trace.substr(10, trace.size() - 11))->batch.size(), 3u);
  EXPECT_THAT(api.body("/jaeger/api/v3/traces?query.serviceName=web&"
                       "query.startTimeMin=2023-11-14T22:13:21Z&"
                       "query.startTimeMax=2023-11-14T22:13:22Z"),
              HasSubstr(kTrace1));
  EXPECT_EQ(api.body("/api/v3/traces?query.service_name=nobody"),
            R"({"error":{"httpCode":404,"message":"no traces found"}})");
  EXPECT_EQ(api.get("/api/v3/traces?query.startTimeMin=5").status, 400);
  EXPECT_EQ(api.get("/api/v3/traces/abc").status, 404);
}

TEST(Zipkin, ServicesAndNames) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/v2/services"), R"(["job","session-api","web"])");
  EXPECT_EQ(api.body("/zipkin/api/v2/spans?serviceName=web"), R"(["POST","POST /login"])");
  EXPECT_EQ(api.body("/api/v2/remoteServices?serviceName=web"), "[]");
  EXPECT_EQ(api.get("/api/v2/spans").status, 400);
}

TEST(Zipkin, Traces) {
  ApiFixture api;
  const std::string at = "&endTs=1700000100000&lookback=3600000";
  const std::string one = api.body("/api/v2/trace/1");
  EXPECT_EQ(decode_zipkin_json(one)->batch.size(), 3u);
  EXPECT_EQ(api.body("/api/v2/traceMany?traceIds=1,1"), "[" + one + "]");
  EXPECT_EQ(api.body("/api/v2/traces?serviceName=web&limit=5" + at),
            "[" + api.body("/api/v2/trace/2") + "," + one + "]");
  EXPECT_EQ(api.body("/api/v2/traces?annotationQuery=error%20and%20http.route=/session" + at),
            "[" + api.body("/api/v2/trace/2") + "]");
  for (const char* query : {"exception", "error%3Dx", "otel.status_code%3DERROR"}) {
    EXPECT_EQ(api.body("/api/v2/traces?annotationQuery=" + std::string(query) + at),
              "[" + api.body("/api/v2/trace/2") + "]")
        << query;
  }
  EXPECT_EQ(api.body("/api/v2/traces?spanName=tick&minDuration=2000" + at),
            "[" + api.body("/api/v2/trace/3") + "]");
  EXPECT_EQ(api.body("/api/v2/traces?serviceName=web&endTs=5"), "[]");
  EXPECT_EQ(api.get("/api/v2/trace/abc").status, 404);
  EXPECT_EQ(api.get("/api/v2/traceMany").status, 400);
}

TEST(Zipkin, RemoteServicesAreThoseThatAnswersShow) {
  auto spans = testing::login_story();
  spans[1].attributes.emplace_back("peer.service", Value("session"));  // a client of trace 1
  spans[1].attributes.emplace_back("server.address", Value("10.0.0.1"));
  spans[4].attributes.emplace_back("db.system", Value("redis"));  // a client of trace 2
  spans[4].attributes.emplace_back("db.name", Value("carts"));
  spans[3].attributes.emplace_back("server.address", Value("web.example"));  // its own name
  ApiFixture api(std::move(spans));
  EXPECT_EQ(api.body("/api/v2/remoteServices?serviceName=web"), R"(["carts","session"])");
  const std::string at = "&endTs=1700000100000&lookback=3600000";
  const auto found = [&](const std::string& name) {
    return api.body("/api/v2/traces?serviceName=web&remoteServiceName=" + name + at);
  };
  EXPECT_EQ(found("session"), "[" + api.body("/api/v2/trace/1") + "]");
  EXPECT_EQ(found("carts"), "[" + api.body("/api/v2/trace/2") + "]");
  for (const char* name : {"10.0.0.1", "redis", "web.example"})
    EXPECT_EQ(found(name), "[]") << name;
}

TEST(Zipkin, IdsOf64BitsAreFound) {
  auto batch = decode_zipkin_json(
      R"([{"traceId":"48485a3953bb6124","id":"48485a3953bb6124","name":"get","timestamp":1700000000000000,"duration":5,"localEndpoint":{"serviceName":"b3"}}])");
  ASSERT_TRUE(batch);
  ApiFixture api(to_spans(batch->batch));
  EXPECT_THAT(api.body("/api/v2/trace/48485a3953bb6124"),
              StartsWith(R"([{"traceId":"48485a3953bb6124",)"));
  EXPECT_EQ(api.get("/api/v1/traces/48485a3953bb6124").status, 200);
}

TEST(Zipkin, Dependencies) {
  ApiFixture api;
  EXPECT_EQ(api.body("/api/v2/dependencies?endTs=1700000100000&lookback=3600000"),
            R"([{"parent":"web","child":"session-api","callCount":2,"errorCount":1}])");
}

TEST(Zipkin, OwnListenerHasItsQueriesAlone) {
  ApiFixture api;
  Router router;
  api.api->add_zipkin_routes(router);
  EXPECT_TRUE(router.match(HttpMethod::kGet, "/api/v2/services").route);
  EXPECT_TRUE(router.match(HttpMethod::kGet, "/zipkin/api/v2/trace/1").route);
  EXPECT_FALSE(router.match(HttpMethod::kGet, "/api/v1/search").route);
}

TEST(CompatibleApis, AnswersHaveALimit) {
  ApiLimits limits;
  limits.max_answer_spans = 4;
  ApiFixture api(testing::login_story(), limits);
  EXPECT_EQ(api.get("/api/traces?service=web&limit=1").status, 200);
  EXPECT_EQ(api.get("/api/traces?service=web").status, 422);
  EXPECT_EQ(api.get("/api/v2/traceMany?traceIds=1,2").status, 422);
  EXPECT_EQ(
      api.call(HttpMethod::kPost, "/api/v1/links", R"({"path":"/a","traceIds":["1","2"]})").status,
      422);
  EXPECT_EQ(
      api.call(HttpMethod::kPost, "/api/v1/links", R"({"path":"/a","traceIds":["1"]})").status,
      201);
}

TEST(CompatibleApis, WholeTracesAreInTheMemoryOfAQuery) {
  ApiLimits limits;
  limits.budget.memory_bytes = 100;
  ApiFixture api(testing::login_story(), limits);
  const HttpResponse refused = api.get("/api/v2/traceMany?traceIds=1,2");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.body, HasSubstr("--query-memory"));
}

TEST(CompatibleApis, TracesAreNotReadForAClientThatHasGone) {
  ApiFixture api;
  api.cancel->cancel();
  EXPECT_EQ(api.get("/api/v2/traceMany?traceIds=1,2").status, 499);
}

TEST(TraceQlText, Logfmt) {
  EXPECT_THAT(parse_logfmt("a=b  c=\"d \\\"e\" f= g").value(),
              ElementsAre(Pair("a", "b"), Pair("c", "d \"e"), Pair("f", ""), Pair("g", "")));
  EXPECT_FALSE(parse_logfmt("=x"));
  EXPECT_FALSE(parse_logfmt("a=\"x"));
  EXPECT_TRUE(parse_logfmt("  ")->empty());
}

TEST(TraceQlText, QuotesAndEscapes) {
  EXPECT_EQ(quote_traceql("a\"b\\\n"), R"("a\"b\\\n")");
  EXPECT_EQ(any_attribute("a b"), ".\"a b\"");
  EXPECT_EQ(escape_regex("a.b*(c)"), "a\\.b\\*\\(c\\)");
  for (const char* typed : {"5", "-5", "0.5", "true", "false"})
    EXPECT_TRUE(is_typed_literal(typed)) << typed;
  for (const char* text : {"", "a", "5ms", "1e5", ".", "5.", "inf", "nan", "0x5", "-"})
    EXPECT_FALSE(is_typed_literal(text)) << text;
}

}  // namespace
}  // namespace weft::server
