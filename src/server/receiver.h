// What happens to a request for storage, whatever transport it came by: decompress, decode, hand
// to the sink, and say honestly what was kept. The HTTP and gRPC receivers stand before it and
// turn its results into the answers of their protocols.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "scan/scan.h"
#include "server/auth.h"
#include "server/metrics.h"
#include "server/worker_pool.h"
#include "wire/decode_raw.h"
#include "wire/otlp_response.h"

namespace weft::server {

struct IngestRequest {
  OtlpSignal signal = OtlpSignal::kTraces;
  WireFormat format = WireFormat::kOtlpProtobuf;
  Compression compression = Compression::kNone;
  std::string_view body;  // borrowed until take() returns
  std::shared_ptr<const AccessToken> token;
  bool browser = false;  // the sender's clock is not trusted
  uint64_t received_ns = 0;
  uint64_t max_body_bytes = 64u << 20;  // after decompression
};

struct IngestResult {
  // An error: nothing was kept. kInvalidArgument, kCorrupt, kResourceExhausted (too large),
  // kPermissionDenied and kUnimplemented are final; kUnavailable, kNoSpace and kIo may pass.
  Status status;
  uint64_t rejected = 0;  // of an otherwise successful request
  std::string message;    // why, or a warning
  // The sender is to wait so long; with kResourceExhausted: it was throttled.
  uint32_t retry_after_s = 0;
};

// May the same request succeed later?
bool is_retryable(const IngestResult& result);

class Receiver {
 public:
  struct Options {
    DecodeLimits decode;
    const Clock* clock = &system_clock();
    // Decodes bodies above kLargeBodyBytes, which would hold up the other connections of an I/O
    // thread; null: whoever calls does. Outlives the receiver's calls.
    WorkerPool* large_bodies = nullptr;
  };
  static constexpr size_t kLargeBodyBytes = 1u << 20;
  using Done = std::move_only_function<void(IngestResult)>;

  // `sink` and `metrics` outlive the receiver; the receiver outlives every `done`.
  Receiver(SpanSink& sink, Options options, MetricsRegistry& metrics);

  // Calls `done` exactly once: before it returns, or later from the sink's thread. Any thread;
  // decoding happens on the caller's.
  void take(IngestRequest request, Done done);
  // The same with a body of its own, in place of request.body; for I/O threads. The body's memory
  // is free as soon as it is decoded: the answer comes when the disk has the spans.
  void take(IngestRequest request, std::string body, Done done);
  // 0, or the seconds that the token's quota makes its owner wait: asked before a body is read.
  uint32_t quota_wait_s(const AccessToken& token);

 private:
  void take_traces(IngestRequest request, Done done);
  IngestResult refuse_other_signal(const IngestRequest& request);
  Status check_services(const AccessToken& token, const SpanBatch& batch) const;
  void count_failure(const Error& error);

  SpanSink& sink_;
  const Options options_;
  RateLimiter quotas_;
  Counter& spans_;
  Counter& rejected_spans_;
  Counter& requests_;
  Counter& body_bytes_;
  MetricsRegistry& metrics_;
  Histogram& append_s_;
};

}  // namespace weft::server
