#include "cli/bench/bench_server.h"

#include <signal.h>
#include <simdjson.h>

#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "cli/signals.h"

namespace weft::cli {
namespace {

constexpr uint64_t kReadyTimeoutMs = 120'000;
constexpr uint64_t kLoadTimeoutMs = 3'600'000;
constexpr uint64_t kStopTimeoutMs = 300'000;

// The value of "key=value" in the ready line; "" when it is not there.
std::string value_of(const std::string& line, const std::string& key) {
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (word.starts_with(key + "=")) return word.substr(key.size() + 1);
  }
  return "";
}

// What a log says at its end, as a continuation of a sentence; "" when it says nothing.
std::string end_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::string all = text.str();
  while (all.ends_with('\n'))
    all.pop_back();
  if (all.empty()) return "";
  constexpr size_t kMaxBytes = 2'000;
  return ":\n" + (all.size() <= kMaxBytes ? all : "…" + all.substr(all.size() - kMaxBytes));
}

}  // namespace

Expected<std::unique_ptr<BenchServer>> BenchServer::start(const std::string& data) {
  std::unique_ptr<BenchServer> server(new BenchServer());
  const uint64_t begin = system_clock().steady_ns();
  const std::string log = data + ".log";
  WEFT_ASSIGN(server->child_,
              ChildProcess::start({own_executable(), "serve", "--data", data, "--otlp-grpc",
                                   "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--http",
                                   "127.0.0.1:0", "--zipkin", "off", "--retention-age", "0"},
                                  log));
  auto line = server->child_->read_line(kReadyTimeoutMs);
  // With its own words: the log may be removed with the directory that it lies in.
  if (!line) return fail(ErrorCode::kInternal, "weft serve did not get ready" + end_of(log));
  server->start_ms_ = static_cast<double>(system_clock().steady_ns() - begin) / 1e6;
  server->grpc_ = value_of(*line, "otlp-grpc");
  server->http_ = value_of(*line, "otlp-http");
  HttpClientOptions options;
  options.url = "http://" + value_of(*line, "http");
  WEFT_ASSIGN(server->api_, HttpClient::create(std::move(options)));
  return server;
}

Expected<LoadOutcome> BenchServer::load(const LoadRun& run) {
  WEFT_ASSIGN(const auto load,
              ChildProcess::start(
                  {own_executable(), "bench-load", "--to", run.transport == "http" ? http_ : grpc_,
                   "--transport", run.transport, "--workload", run.workload, "--spans",
                   std::to_string(run.spans), "--rate", std::to_string(run.rate), "--connections",
                   std::to_string(run.connections), "--seed", std::to_string(run.seed)},
                  ""));
  auto line = load->read_line(kLoadTimeoutMs, stop_on_signals());
  if (!line && line.error().code == ErrorCode::kCancelled) {
    return std::unexpected(std::move(line).error());
  }
  WEFT_ASSIGN(const int status, load->wait(10'000));
  if (!line || status != 0) return fail(ErrorCode::kInternal, "the load generator failed");
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.parse(*line).get(document) != simdjson::SUCCESS) {
    return fail(ErrorCode::kInternal, "the load generator said: " + *line);
  }
  const auto count = [&](const char* key) {
    uint64_t value = 0;
    return document[key].get(value) == simdjson::SUCCESS ? value : 0;
  };
  LoadOutcome outcome;
  outcome.spans = count("spans");
  outcome.refused = count("refused");
  outcome.traces = count("traces");
  outcome.bytes = count("bytes");
  double seconds = 0;
  if (document["seconds"].get(seconds) == simdjson::SUCCESS) outcome.seconds = seconds;
  return outcome;
}

Expected<ProcessUsage> BenchServer::stop() {
  child_->signal(SIGTERM);
  WEFT_ASSIGN(const int status, child_->wait(kStopTimeoutMs));
  if (status != 0) {
    return fail(ErrorCode::kInternal, "weft serve ended with " + std::to_string(status));
  }
  return child_->final_usage();
}

}  // namespace weft::cli
