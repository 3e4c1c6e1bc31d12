// Log records and the spdlog bridge carry the ids of the span they were written in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

#include <weft/access_log.h>
#include <weft/logs.h>
#include <weft/spdlog.h>

#include "recording.h"

namespace {

using testing::HasSubstr;
using testing::Not;

class LogRecording {
 public:
  LogRecording() : storage_(weft::MemoryExporter::make_storage()) {
    weft::LoggerProviderConfig config;
    config.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage_)});
    provider_ = weft::LoggerProvider(std::move(config));
    provider_.set_global();
  }
  std::string take() {
    provider_.force_flush();
    std::string json;
    EXPECT_TRUE(weft::otlp_to_json(weft::Signal::kLogs, storage_->take(weft::Signal::kLogs), json));
    return json;
  }

 private:
  std::shared_ptr<weft::MemoryExporter::Storage> storage_;
  weft::LoggerProvider provider_;
};

std::string ids(const weft::Span& span) {
  return "\"traceId\":\"" + std::string(span.context().trace_id().hex().view()) +
         "\",\"spanId\":\"" + std::string(span.context().span_id().hex().view()) + "\"";
}

TEST(Logs, CarryTheIdsOfTheCurrentSpan) {
  LogRecording logs;
  sdk_test::Recording recording;
  const auto logger = weft::logger("app", "3");
  auto span = recording.tracer().start_span("s");
  {
    auto scope = span.activate();
    logger.emit({.severity = weft::Severity::kWarn,
                 .body = "low on \"disk\"",
                 .attributes = {{"free", 5}, {"free", 4}},
                 .event_name = "disk"});
  }
  const std::string inside = logs.take();
  EXPECT_THAT(inside, HasSubstr(ids(span)));
  EXPECT_THAT(inside, HasSubstr(R"("severityNumber":13,"severityText":"WARN")"));
  EXPECT_THAT(inside, HasSubstr(R"("body":{"stringValue":"low on \"disk\""})"));
  EXPECT_THAT(inside, HasSubstr(R"("attributes":[{"key":"free","value":{"intValue":"4"}}])"));
  EXPECT_THAT(inside, HasSubstr(R"("eventName":"disk")"));
  EXPECT_THAT(inside, HasSubstr(R"("scope":{"name":"app","version":"3"})"));
  logger.emit({.body = "outside"});
  EXPECT_THAT(logs.take(), Not(HasSubstr("traceId")));
}

TEST(Logs, GoNowhereWithoutAProvider) {
  const auto logger = weft::logger("nobody");
  EXPECT_FALSE(logger.enabled());
  logger.emit({.body = "x"});
}

TEST(Spdlog, LinesAndRecordsCarryTheIds) {
  LogRecording logs;
  sdk_test::Recording recording;
  std::ostringstream text;
  spdlog::logger log("main", {std::make_shared<spdlog::sinks::ostream_sink_mt>(text),
                              std::make_shared<weft::SpdlogSink>()});
  weft::set_spdlog_pattern(log, "[%l] [%*] %v");
  auto span = recording.tracer().start_span("s");
  {
    auto scope = span.activate();
    log.error("user {} failed", 42);
  }
  log.info("outside");
  EXPECT_EQ(text.str(), "[error] [trace_id=" + std::string(span.context().trace_id().hex().view()) +
                            " span_id=" + std::string(span.context().span_id().hex().view()) +
                            "] user 42 failed\n[info] [-] outside\n");
  const std::string json = logs.take();
  EXPECT_THAT(json, HasSubstr(ids(span)));
  EXPECT_THAT(json, HasSubstr(R"("severityNumber":17,"severityText":"error")"));
  EXPECT_THAT(json, HasSubstr("user 42 failed"));
  EXPECT_THAT(json, HasSubstr(R"({"key":"logger.name","value":{"stringValue":"main"}})"));
}

TEST(AccessLog, IsOneStructuredLine) {
  LogRecording logs;
  sdk_test::Recording recording;
  auto span = recording.tracer().start_span("s");
  auto scope = span.activate();
  // A braced list would end with the declaration; the summary only looks at it.
  const weft::Attribute attributes[] = {{"customer.kind", "legacy\n"}};
  const weft::RequestSummary summary{.method = "GET",
                                     .route = "/login/{id}",
                                     .path = "/login/7",
                                     .status = 503,
                                     .duration_ns = 1'500'000,
                                     .attributes = attributes};
  const std::string line = weft::format_request(summary);
  EXPECT_THAT(line, HasSubstr(R"("level":"ERROR","trace_id":")" +
                              std::string(span.context().trace_id().hex().view())));
  EXPECT_THAT(
      line, HasSubstr(R"("http.response.status_code":503,"http.server.request.duration":0.0015)"));
  EXPECT_THAT(line, HasSubstr(R"("customer.kind":"legacy\n"})"));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  weft::log_request(weft::logger("access"), summary);
  const std::string json = logs.take();
  EXPECT_THAT(json, HasSubstr(R"("body":{"stringValue":"GET /login/{id} 503"})"));
  EXPECT_THAT(json, HasSubstr(ids(span)));
}

}  // namespace
