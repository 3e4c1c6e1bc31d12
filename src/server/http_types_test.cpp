#include "server/http_types.h"

#include <gmock/gmock.h>

namespace weft::server {
namespace {

HttpHandler named(std::string name) {
  return [name](const HttpRequest&) { return text_response(name); };
}

// The name of the handler that the path leads to, and its parameters.
std::string lead(const Router& router, std::string_view path,
                 HttpMethod method = HttpMethod::kGet) {
  const Router::Match match = router.match(method, path);
  if (match.route == nullptr) return match.allow.empty() ? "404" : "405 " + match.allow;
  std::string out = match.route->handler(HttpRequest()).body;
  for (const auto& [name, value] : match.params.fields())
    out += " " + name + "=" + value;
  return out;
}

TEST(RouterTest, TheMostLiteralPatternWins) {
  Router router;
  router.get("/{path...}", named("page"));
  router.get("/api/{name}", named("any"));
  router.get("/api/search", named("search"));
  router.get("/api/{key}/values", named("values"));
  router.get("/files/{path...}", named("files"));
  EXPECT_EQ(lead(router, "/api/search"), "search");
  EXPECT_EQ(lead(router, "/api/other"), "any name=other");
  EXPECT_EQ(lead(router, "/api/http.route/values"), "values key=http.route");
  EXPECT_EQ(lead(router, "/api/a%2Fb/values"), "values key=a/b");
  EXPECT_EQ(lead(router, "/files/a/b"), "files path=a/b");
  EXPECT_EQ(lead(router, "/files/"), "files path=");
  EXPECT_EQ(lead(router, "/"), "page path=");
  EXPECT_EQ(lead(router, "/x/y"), "page path=x/y");
  EXPECT_EQ(lead(router, "/api//values"), "page path=api//values");
}

TEST(RouterTest, OtherMethodsAreToldWhichThereAre) {
  Router router;
  router.get("/{path...}", named("page"));
  router.get("/links", named("list"));
  router.post("/links", named("add"));
  EXPECT_EQ(lead(router, "/links", HttpMethod::kPost), "add");
  EXPECT_EQ(lead(router, "/links", HttpMethod::kHead), "list");
  EXPECT_EQ(lead(router, "/links", HttpMethod::kDelete), "405 GET, HEAD, POST");
  EXPECT_EQ(lead(router, "/nothing", HttpMethod::kPost), "404");
}

TEST(HttpParametersTest, DecodesAndKeepsOrder) {
  const auto parameters = HttpParameters::parse("q=%7B+a+%3D+1+%7D&limit=20&&x&q=second&bad=%zz");
  EXPECT_EQ(parameters.get("q"), "{ a = 1 }");
  EXPECT_EQ(parameters.get("limit"), "20");
  EXPECT_EQ(parameters.find("x"), "");
  EXPECT_FALSE(parameters.find("y"));
  EXPECT_EQ(parameters.all("q").size(), 2u);
  EXPECT_EQ(parameters.get("bad"), "%zz");
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += "a=1&";
  EXPECT_EQ(HttpParameters::parse(many).fields().size(), HttpParameters::kMax);
}

TEST(HttpHeadersTest, NamesCompareWithoutCase) {
  HttpHeaders headers;
  headers.add("Content-Type", "a");
  headers.add("content-type", "b");
  EXPECT_EQ(headers.get("CONTENT-TYPE"), "a");
  headers.set("content-TYPE", "c");
  EXPECT_EQ(headers.fields().size(), 1u);
  EXPECT_FALSE(headers.find("content-typ"));
}

TEST(JsonTest, EscapesAndReplacesWhatIsNotUtf8) {
  std::string out;
  append_json_escaped(out, "a\"\\\n\x01é\xff\xc3\xed\xa0\x80\xf4\x90\x80\x80");
  EXPECT_EQ(out, "a\\\"\\\\\\n\\u0001é\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(error_response({ErrorCode::kNotFound, "no \"x\""}).body,
            R"({"error":{"code":"not_found","message":"no \"x\""}})");
}

}  // namespace
}  // namespace weft::server
