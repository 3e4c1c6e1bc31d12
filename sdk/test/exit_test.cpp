// Programs that end with spans in flight end at once and cleanly, and what was finished arrives.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>

#include "collector.h"
#include "decoded_span.h"

namespace {

using sdk_test::Collector;
using sdk_test::Reply;

// Runs the program; its wait status. -1 when it did not end within two minutes.
int run(const std::string& way, const std::string& endpoint, int shutdown_ms) {
  const std::string milliseconds = std::to_string(shutdown_ms);
  const std::string path = WEFT_SDK_EXIT_PROGRAM;
  const pid_t pid = fork();
  if (pid == 0) {
    setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
    setenv("OTEL_METRICS_EXPORTER", "none", 1);
    setenv("OTEL_LOGS_EXPORTER", "none", 1);
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.c_str(), 1);
    setenv("OTEL_LOG_LEVEL", "none", 1);
    execl(path.c_str(), path.c_str(), way.c_str(), milliseconds.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 12'000; ++i) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) return status;
    usleep(10'000);
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return -1;
}

// How many spans of each name have arrived.
std::map<std::string, std::size_t> names(const Collector& collector) {
  std::map<std::string, std::size_t> out;
  for (const auto& request : collector.received()) {
    for (const auto& span : sdk_test::decode_spans(request.body))
      ++out[span.name];
  }
  return out;
}

class Exit : public testing::TestWithParam<const char*> {};

TEST_P(Exit, DeliversWhatWasFinished) {
  Collector collector;
  EXPECT_EQ(run(GetParam(), collector.url(""), 60'000), 0);
  const std::string way = GetParam();
  auto arrived = names(collector);
  if (way == "threads") {
    // The queue was full all the time; what it took is delivered.
    EXPECT_GT(arrived["running"], 0U);
  } else if (way != "quick") {
    EXPECT_EQ(arrived["before"], 100U);
  }
  EXPECT_EQ(arrived["after"], 0U);
  EXPECT_EQ(arrived["open for ever"], 0U);
}

TEST_P(Exit, EndsThoughTheCollectorHangs) {
  Collector collector({{.kind = Reply::Kind::kHang}});
  EXPECT_EQ(run(GetParam(), collector.url(""), 100), 0);
}

INSTANTIATE_TEST_SUITE_P(Ways, Exit,
                         testing::Values("return", "static", "exit", "threads", "joined", "quick",
                                         "shutdown_early"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(ExitAbsent, EndsThoughNobodyListens) {
  EXPECT_EQ(run("return", "http://127.0.0.1:" + std::to_string(sdk_test::unused_port()), 100), 0);
}

}  // namespace
