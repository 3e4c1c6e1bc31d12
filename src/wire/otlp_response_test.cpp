#include "wire/otlp_response.h"

#include <gtest/gtest.h>

#include "model/protobuf.h"

namespace weft {
namespace {

std::string field(uint32_t number, const std::string& content) {
  std::string out;
  protobuf::put_bytes(out, number, content);
  return out;
}

TEST(OtlpResponse, FullSuccessIsEmpty) {
  for (const auto signal : {OtlpSignal::kTraces, OtlpSignal::kMetrics, OtlpSignal::kLogs}) {
    EXPECT_EQ(encode_export_response(signal, OtlpEncoding::kProtobuf), "");
    EXPECT_EQ(encode_export_response(signal, OtlpEncoding::kJson), "{}");
  }
}

TEST(OtlpResponse, PartialSuccess) {
  EXPECT_EQ(encode_export_response(OtlpSignal::kTraces, OtlpEncoding::kProtobuf, 300, "why"),
            std::string("\x0A\x08\x08\xAC\x02\x12\x03why"));
  // A warning: nothing was rejected, and yet there is something to say.
  EXPECT_EQ(encode_export_response(OtlpSignal::kTraces, OtlpEncoding::kProtobuf, 0, "why"),
            std::string("\x0A\x05\x12\x03why"));
  EXPECT_EQ(encode_export_response(OtlpSignal::kTraces, OtlpEncoding::kJson, 3, "a \"b\""),
            R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"a \"b\""}})");
  EXPECT_EQ(encode_export_response(OtlpSignal::kMetrics, OtlpEncoding::kJson, 3),
            R"({"partialSuccess":{"rejectedDataPoints":"3"}})");
  EXPECT_EQ(encode_export_response(OtlpSignal::kLogs, OtlpEncoding::kJson, 0, "m"),
            R"({"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"m"}})");
}

TEST(OtlpResponse, MessagesAreShortValidUtf8) {
  const std::string body = encode_export_response(OtlpSignal::kTraces, OtlpEncoding::kProtobuf, 0,
                                                  std::string(5000, '\xff'));
  EXPECT_EQ(body.find('\xff'), std::string::npos);
  EXPECT_LT(body.size(), 4096);
}

TEST(OtlpResponse, RpcStatus) {
  EXPECT_EQ(encode_rpc_status(OtlpEncoding::kProtobuf, 3, "bad"), std::string("\x08\x03\x12\x03"
                                                                              "bad"));
  EXPECT_EQ(encode_rpc_status(OtlpEncoding::kJson, 3, "bad"), R"({"code":3,"message":"bad"})");
  EXPECT_EQ(encode_rpc_status(OtlpEncoding::kJson, 14, "busy", 1500),
            R"({"code":14,"message":"busy","details":[{"@type":)"
            R"("type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}]})");
  const std::string delay("\x08\x01\x10\x80\xCA\xB5\xEE\x01", 8);  // 1 s and 500,000,000 ns
  EXPECT_EQ(encode_rpc_status(OtlpEncoding::kProtobuf, 14, "busy", 1500),
            std::string("\x08\x0E\x12\x04"
                        "busy") +
                field(3, field(1, "type.googleapis.com/google.rpc.RetryInfo") +
                             field(2, field(1, delay))));
}

TEST(OtlpResponse, ItemsAreCounted) {
  const std::string point = field(1, "");
  const std::string gauge = field(1, "name") + field(5, point + point);
  const std::string histogram = field(9, point + point + point);
  const std::string metrics = field(1, field(2, field(2, gauge) + field(2, histogram)));
  const auto count = [](OtlpSignal signal, OtlpEncoding encoding, std::string_view body) {
    const auto result = count_items(signal, encoding, body);
    return result ? static_cast<int64_t>(*result) : -1;
  };
  EXPECT_EQ(count(OtlpSignal::kMetrics, OtlpEncoding::kProtobuf, metrics + metrics), 10);
  EXPECT_EQ(count(OtlpSignal::kMetrics, OtlpEncoding::kProtobuf, ""), 0);
  EXPECT_EQ(count(OtlpSignal::kMetrics, OtlpEncoding::kProtobuf, metrics.substr(0, 9)), -1);
  const std::string logs = field(1, field(1, "") + field(2, field(2, "") + field(2, "")));
  EXPECT_EQ(count(OtlpSignal::kLogs, OtlpEncoding::kProtobuf, logs), 2);
  EXPECT_EQ(count(OtlpSignal::kMetrics, OtlpEncoding::kJson,
                  R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
                    {"name":"a","unit":"s","metadata":[{"key":"k"}],"gauge":{"dataPoints":[{},{}]}},
                    {"name":"b","sum":{"dataPoints":[{}],"isMonotonic":true}}]}]}]})"),
            3);
  EXPECT_EQ(count(OtlpSignal::kLogs, OtlpEncoding::kJson,
                  R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]},{}]})"),
            2);
  EXPECT_EQ(count(OtlpSignal::kLogs, OtlpEncoding::kJson, "{}"), 0);
  EXPECT_EQ(count(OtlpSignal::kLogs, OtlpEncoding::kJson, "[]"), -1);
  EXPECT_EQ(count(OtlpSignal::kLogs, OtlpEncoding::kJson, "{"), -1);
}

TEST(OtlpResponse, FaultsThatMayPassAreRetryable) {
  EXPECT_EQ(grpc_code(ErrorCode::kUnavailable), 14);
  EXPECT_EQ(grpc_code(ErrorCode::kNoSpace), 14);
  EXPECT_EQ(grpc_code(ErrorCode::kIo), 14);
  EXPECT_EQ(grpc_code(ErrorCode::kInvalidArgument), 3);
  EXPECT_EQ(grpc_code(ErrorCode::kResourceExhausted), 8);
}

}  // namespace
}  // namespace weft
