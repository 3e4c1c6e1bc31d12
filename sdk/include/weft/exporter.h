// Exporter: what takes encoded telemetry out of the process. Every exporter gets the same OTLP
// request bytes, from a worker thread and a bounded queue of its own, so that one that is slow or
// hangs harms no other. This header has the interface, for exporters of one's own, and the
// exporters that need no library; <weft/otlp.h> has OTLP and Zipkin over HTTP.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weft::inline v1 {

// The three kinds of telemetry.
enum class Signal : std::uint8_t { kTraces, kMetrics, kLogs };
// "traces", "metrics", "logs".
std::string_view signal_name(Signal signal) noexcept;

// How an export ended.
enum class ExportOutcome : std::uint8_t {
  kDelivered,  // taken, apart from `rejected` items
  kRejected,   // refused for good; another try would be refused too
  kGaveUp,     // could not be delivered within the time
  kCancelled,  // shutdown cut it short
};

// What send() answers.
struct ExportResult {
  ExportOutcome outcome = ExportOutcome::kDelivered;
  // Items that a partial success refused.
  std::uint64_t rejected = 0;
  // Why, for the diagnostic output; empty when all is well.
  std::string message;
};

// One request: an ExportTraceServiceRequest, ExportMetricsServiceRequest or
// ExportLogsServiceRequest in protobuf. It and all its views are valid during send(), on the thread
// that has called it.
class ExportRequest {
 public:
  // For providers. All but the numbers is borrowed.
  ExportRequest(Signal of, std::span<const std::string_view> message, std::uint64_t item_count,
                std::int64_t until_ns, const std::atomic<bool>& cancel) noexcept
      : signal(of), pieces(message), items(item_count), deadline_ns(until_ns), cancelled(cancel) {}
  ExportRequest(const ExportRequest&) = delete;
  ExportRequest& operator=(const ExportRequest&) = delete;

  const Signal signal;
  // The message, cut into pieces, each where it was written: an exporter that can send one after
  // the other spares their being copied.
  const std::span<const std::string_view> pieces;
  // Spans, data points or log records in it.
  const std::uint64_t items;
  // When send() must have returned, on CLOCK_MONOTONIC in nanoseconds.
  const std::int64_t deadline_ns;
  // Becomes true when the provider shuts down and can wait no longer; look at it while waiting.
  const std::atomic<bool>& cancelled;

  // The message as a whole. The first call puts the pieces together: std::bad_alloc when there is
  // no memory for that.
  std::string_view otlp() const;

 private:
  mutable std::string joined_;
};

// Takes requests, one at a time, always on the same worker thread. Must not throw.
class Exporter {
 public:
  virtual ~Exporter() = default;
  // Delivers the request, with whatever repetition makes sense before the deadline.
  virtual ExportResult send(const ExportRequest& request) noexcept = 0;
  // Called once on the worker thread when nothing more will come.
  virtual void shutdown() noexcept {}
  // Called in the child after fork(): forget connections and descriptors that belong to the
  // parent, without speaking on them.
  virtual void after_fork_in_child() noexcept {}
  // For the diagnostic output, such as "otlp http://localhost:4318/v1/traces".
  virtual std::string description() const = 0;
};

// The JSON form of an OTLP request (the mapping of the OTLP specification: ids in hexadecimal,
// 64-bit integers as strings, enums as numbers). False when the bytes are not such a request.
bool otlp_to_json(Signal signal, std::string_view otlp, std::string& json);

// Writes one line of OTLP JSON a request to a file, which it appends to and creates when needed.
// Null with a reason in `error` when the file cannot be opened.
std::unique_ptr<Exporter> make_file_exporter(const std::string& path, std::string* error);

// Writes one readable line a span, data point or log record to a file descriptor (1: stdout),
// which it does not own.
std::unique_ptr<Exporter> make_console_exporter(int descriptor = 1);

// Keeps the requests in memory, for tests of instrumented code. The newest `max_bytes` are kept.
class MemoryExporter : public Exporter {
 public:
  // What has been sent. Share it between the exporter, which a provider owns, and the test.
  class Storage;
  static std::shared_ptr<Storage> make_storage(std::size_t max_bytes = 64U << 20);
  explicit MemoryExporter(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {}
  ExportResult send(const ExportRequest& request) noexcept override;
  void after_fork_in_child() noexcept override;
  std::string description() const override { return "memory"; }

 private:
  std::shared_ptr<Storage> storage_;
};

// The requests in the order of their arrival. Any thread.
class MemoryExporter::Storage {
 public:
  virtual ~Storage() = default;
  // Adds one request.
  virtual void add(Signal signal, std::string_view otlp) = 0;
  // Takes all requests of a signal out.
  virtual std::string take(Signal signal) = 0;  // concatenated requests are one valid request
  // Starts empty in the child of a fork, whatever another thread of the parent was doing.
  virtual void after_fork_in_child() noexcept = 0;
};

}  // namespace weft::inline v1
