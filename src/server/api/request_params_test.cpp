#include "server/api/request_params.h"

#include <gtest/gtest.h>

namespace weft::server {
namespace {

TEST(RequestParams, Rfc3339) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0u);
  EXPECT_EQ(parse_rfc3339("2023-11-14T22:13:20Z"), 1'700'000'000'000'000'000u);
  EXPECT_EQ(parse_rfc3339("2023-11-14T23:13:20.000000001+01:00"), 1'700'000'000'000'000'001u);
  EXPECT_EQ(parse_rfc3339("2023-11-14 21:13:20.5-01:00"), 1'700'000'000'500'000'000u);
  EXPECT_EQ(parse_rfc3339("2024-02-29T00:00:00Z"), 1'709'164'800'000'000'000u);
  for (const char* bad : {"", "2023-11-14", "2023-02-29T00:00:00Z", "2023-11-14T24:00:00Z",
                          "2023-11-14T22:13:20", "2023-11-14T22:13:20+1:00", "x023-11-14T22:13:20Z",
                          "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "2023-11-14T22:13:20Zx"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(RequestParams, Durations) {
  EXPECT_EQ(parse_duration("15m"), 900'000'000'000u);
  EXPECT_EQ(parse_duration("1h30m"), 5'400'000'000'000u);
  EXPECT_EQ(parse_duration("1.5ms"), 1'500'000u);
  EXPECT_EQ(parse_duration("20us"), 20'000u);
  EXPECT_EQ(parse_duration("2d"), 172'800'000'000'000u);
  for (const char* bad : {"", "5", "m", "-5s", "5 s", "5x", "1e300s", "999999999w", "inf"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(RequestParams, RangeOfWeft) {
  const uint64_t now = 1'700'000'000'000'000'000;
  EXPECT_EQ(range_params(HttpParameters::parse(""), now), TimeRange());
  EXPECT_EQ(range_params(HttpParameters::parse("start=5&end=2023-11-14T22:13:20Z"), now),
            (TimeRange{5, now}));
  EXPECT_EQ(range_params(HttpParameters::parse("last=15m"), now),
            (TimeRange{now - 900'000'000'000, now + 1'000'000'000}));
  const auto bad = range_params(HttpParameters::parse("start=yesterday"), now);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(bad.error().message.find("start: \"yesterday\""), std::string::npos);
  EXPECT_FALSE(range_params(HttpParameters::parse("start=6&end=5"), now));
}

TEST(RequestParams, RangeOfTempo) {
  const uint64_t second = 1'700'000'000'000'000'000;
  for (const char* text : {"1700000000", "1700000000000", "1700000000000000", "1700000000000000000",
                           "2023-11-14T22:13:20Z"})
    EXPECT_EQ(tempo_range_params(HttpParameters::parse(std::string("start=") + text)),
              (TimeRange{second, UINT64_MAX}))
        << text;
  EXPECT_EQ(tempo_range_params(HttpParameters::parse("end=1700000000.5"))->to_ns,
            second + 500'000'000);
  // Later than nanoseconds can say: no end.
  for (const char* text : {"99999999999", "99999999999.5", "99999999999999", "99999999999999999",
                           "18446744073709551615"})
    EXPECT_EQ(tempo_range_params(HttpParameters::parse(std::string("end=") + text)),
              (TimeRange{0, UINT64_MAX}))
        << text;
  EXPECT_FALSE(tempo_range_params(HttpParameters::parse("end=-5")));
  EXPECT_FALSE(tempo_range_params(HttpParameters::parse("end=nan")));
}

TEST(RequestParams, NumbersHaveBounds) {
  const HttpParameters query = HttpParameters::parse("a=5&b=&c=x&d=1001&step=2.5&wide=1m");
  EXPECT_EQ(unsigned_param(query, "a", 20, 1, 1000), 5u);
  EXPECT_EQ(unsigned_param(query, "b", 20, 1, 1000), 20u);
  EXPECT_EQ(unsigned_param(query, "none", 20, 1, 1000), 20u);
  EXPECT_FALSE(unsigned_param(query, "c", 20, 1, 1000));
  EXPECT_FALSE(unsigned_param(query, "d", 20, 1, 1000));
  EXPECT_EQ(duration_param(query, "step").value(), 2'500'000'000u);
  EXPECT_EQ(duration_param(query, "wide").value(), 60'000'000'000u);
  EXPECT_EQ(duration_param(query, "none").value(), std::nullopt);
  EXPECT_FALSE(duration_param(query, "c"));
}

TEST(RequestParams, AcceptHeader) {
  const auto wants = [](const char* accept) {
    HttpRequest request;
    request.headers.add("accept", accept);
    return wants_protobuf(request);
  };
  EXPECT_TRUE(wants("application/protobuf"));
  EXPECT_TRUE(wants("application/x-protobuf, application/json"));
  EXPECT_FALSE(wants("application/json, application/protobuf"));
  EXPECT_FALSE(wants("*/*"));
  EXPECT_FALSE(wants_protobuf(HttpRequest()));
}

}  // namespace
}  // namespace weft::server
