// The repetition of the OTLP specification: exponential back-off with jitter, a receiver's own
// wish before it, and an end at the deadline. Shared by the OTLP and Zipkin exporters.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <weft/exporter.h>

#include "http_transport.h"

namespace weft::sdk_detail {

// What became of one attempt.
struct Attempt {
  enum class Verdict : std::uint8_t { kDone, kRetry, kFinal };
  Verdict verdict = Verdict::kFinal;
  ExportResult result;               // of kDone
  std::string message;               // of the others
  std::int64_t retry_after_ms = -1;  // the receiver's wish
};

struct RetryOptions {
  std::uint32_t timeout_ms;  // of one attempt
  std::uint32_t initial_ms;
  std::uint32_t max_ms;
};

// Posts until `judge` is content or the time is up.
ExportResult post_with_retry(HttpTransport& transport, Body body, const ExportRequest& request,
                             const RetryOptions& options,
                             const std::function<Attempt(const HttpResponse&)>& judge);

// 429, 502, 503 and 504 may be repeated, other answers than 2xx may not.
Attempt judge_http_failure(const HttpResponse& response);

}  // namespace weft::sdk_detail
