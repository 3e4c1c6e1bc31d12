// A `weft serve` of its own process that is measured: started on free ports, loaded by a
// `weft bench-load` process, asked over HTTP, ended in order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "cli/child_process.h"
#include "cli/http_client.h"

namespace weft::cli {

struct LoadRun {
  std::string transport = "grpc";  // or "http"
  std::string workload = "S";
  uint64_t spans = 0;
  uint64_t rate = 0;
  uint64_t connections = 16;
  uint64_t seed = 1;
};

struct LoadOutcome {
  uint64_t spans = 0;    // acknowledged
  uint64_t refused = 0;  // requests that were refused for a moment and sent again
  uint64_t traces = 0;
  uint64_t bytes = 0;  // of request bodies
  double seconds = 0;
};

class BenchServer {
 public:
  // Resolves when the ready line is there. The server's messages go to a file beside `data`.
  static Expected<std::unique_ptr<BenchServer>> start(const std::string& data);

  Expected<LoadOutcome> load(const LoadRun& run);
  // SIGTERM, and the wait for the end: everything is sealed then. The usage of its whole life.
  Expected<ProcessUsage> stop();
  Expected<ProcessUsage> usage() const { return child_->usage(); }
  HttpClient& api() { return *api_; }
  // From exec to the ready line.
  double start_ms() const { return start_ms_; }

 private:
  BenchServer() = default;
  std::unique_ptr<ChildProcess> child_;
  std::unique_ptr<HttpClient> api_;
  std::string grpc_, http_;
  double start_ms_ = 0;
};

}  // namespace weft::cli
