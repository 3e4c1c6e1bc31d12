// weft bench-load: generates load and sends it to a server; a process of its own, so that the
// server's CPU time can be told from the load's. Prints one line of JSON at the end.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "cli/bench/load_sender.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "workload/workload.h"

namespace weft::cli {
namespace {

struct LoadOptions {
  std::string address;
  std::string transport = "grpc";
  std::string workload = "S";
  uint64_t spans = 1'000'000;
  uint64_t rate = 0;  // spans a second; 0: as fast as they are acknowledged
  uint64_t connections = 16;
  uint64_t seed = 1;
};

// Hands batches to the senders; paced when a rate is given.
class BatchQueue {
 public:
  BatchQueue(const LoadOptions& options, workload::Kind kind)
      : options_(options), workload_(workload_options(options, kind)) {}

  std::optional<workload::Batch> next() {
    const std::lock_guard lock(mutex_);
    if (begun_ns_ == 0) begun_ns_ = system_clock().steady_ns();
    std::optional<workload::Batch> batch;
    if (taken_ < options_.spans) {
      batch = workload_.next_batch();
    } else {
      batch = workload_.drain();
    }
    if (!batch) return batch;
    if (options_.rate != 0) pace();
    taken_ += batch->spans;
    bytes_ += batch->body.size();
    return batch;
  }

  uint64_t traces() const { return workload_.traces_begun(); }
  uint64_t spans() const { return taken_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t begun_ns() const { return begun_ns_; }

 private:
  static workload::Options workload_options(const LoadOptions& options, workload::Kind kind) {
    workload::Options out;
    out.kind = kind;
    out.seed = options.seed;
    // Ends about now, at the rate at which the traces follow each other.
    const uint64_t span_ns = options.spans / 10 * 1'000'000'000 / out.traces_per_second;
    const uint64_t now = system_clock().now_ns();
    out.start_ns = now - std::min(now, span_ns);
    return out;
  }

  void pace() {
    const uint64_t due = begun_ns_ + static_cast<uint64_t>(static_cast<double>(taken_) * 1e9 /
                                                           static_cast<double>(options_.rate));
    const uint64_t now = system_clock().steady_ns();
    if (due > now) std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
  }

  const LoadOptions& options_;
  std::mutex mutex_;
  workload::Workload workload_;
  uint64_t taken_ = 0;
  uint64_t bytes_ = 0;
  uint64_t begun_ns_ = 0;
};

struct LoadCounts {
  std::atomic<uint64_t> spans{0};
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused{0};
  std::mutex mutex;
  std::optional<Error> error;
};

void send_all(BatchQueue& queue, LoadSender& sender, LoadCounts& counts) {
  while (const auto batch = queue.next()) {
    Status sent = sender.send(batch->body);
    while (!sent && sent.error().code == ErrorCode::kUnavailable && counts.refused < 1'000'000) {
      ++counts.refused;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      sent = sender.send(batch->body);
    }
    if (!sent) {
      const std::lock_guard lock(counts.mutex);
      counts.error = sent.error();
      return;
    }
    counts.spans += batch->spans;
    ++counts.requests;
  }
}

int run_load(const LoadOptions& options) {
  const auto kind = workload::kind_from_name(options.workload);
  if (!kind) {
    return complain("bench-load", {ErrorCode::kInvalidArgument, "workloads are S, C and M"});
  }
  BatchQueue queue(options, *kind);
  std::vector<std::unique_ptr<LoadSender>> senders;
  for (uint64_t i = 0; i < std::clamp<uint64_t>(options.connections, 1, 256); ++i) {
    auto sender = options.transport == "http" ? make_http_sender(options.address)
                                              : make_grpc_sender(options.address);
    if (!sender) return complain("bench-load", sender.error());
    senders.push_back(*std::move(sender));
  }
  LoadCounts counts;
  std::vector<std::thread> threads;
  for (const auto& sender : senders) {
    threads.emplace_back([&] { send_all(queue, *sender, counts); });
  }
  for (std::thread& thread : threads)
    thread.join();
  const double seconds = static_cast<double>(system_clock().steady_ns() - queue.begun_ns()) / 1e9;
  if (counts.error) return complain("bench-load", *counts.error);
  return print(fmt::format(
      R"({{"spans":{},"requests":{},"refused":{},"traces":{},"bytes":{},"seconds":{:.6f}}})"
      "\n",
      counts.spans.load(), counts.requests.load(), counts.refused.load(), queue.traces(),
      queue.bytes(), seconds));
}

}  // namespace

int run_bench_load(int argc, const char* const* argv) {
  LoadOptions options;
  CommandLine line("bench-load", "Sends generated spans to a server, for `weft bench`.");
  line.option("--to", options.address, "HOST:PORT", "Where to send");
  line.option("--transport", options.transport, "NAME", "grpc or http");
  line.option("--workload", options.workload, "NAME", "S, C or M");
  line.option("--spans", options.spans, "N", "How many spans");
  line.option("--rate", options.rate, "N", "Spans a second; 0: as many as are acknowledged");
  line.option("--connections", options.connections, "N", "Connections, one request each");
  line.option("--seed", options.seed, "N", "Of the generator");
  line.require("--to");
  line.examples({"weft bench-load --to 127.0.0.1:4317 --workload C --spans 100000"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  return run_load(options);
}

}  // namespace weft::cli
