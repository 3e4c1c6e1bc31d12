#include "retry.h"

#include <algorithm>

#include "../clock.h"
#include "../protobuf_reader.h"
#include "../thread_state.h"

namespace weft::sdk_detail {
namespace {

// What the body of a refusal says: the message of a google.rpc.Status, else all of it.
std::string_view reason_in(std::string_view body) noexcept {
  std::string_view message;
  ProtoReader r(body);
  while (r.next()) {
    if (r.field() == 2) message = r.bytes();
  }
  return r.ok() && !message.empty() ? message : body;
}

}  // namespace

Attempt judge_http_failure(const HttpResponse& response) {
  Attempt out;
  out.retry_after_ms = response.retry_after_ms;
  const long s = response.status;
  out.verdict = s == 429 || s == 502 || s == 503 || s == 504 ? Attempt::Verdict::kRetry
                                                             : Attempt::Verdict::kFinal;
  out.message = "HTTP status " + std::to_string(s);
  std::string text;
  for (const char c : reason_in(response.body).substr(0, 300)) {
    if (c >= 0x20 && c < 0x7F) text += c;
  }
  if (!text.empty()) out.message += ": " + text;
  if (s == 401 || s == 403) out.message += " (check OTEL_EXPORTER_OTLP_HEADERS)";
  if (s == 404) out.message += " (check the path of OTEL_EXPORTER_OTLP_ENDPOINT)";
  return out;
}

ExportResult post_with_retry(HttpTransport& transport, Body body, const ExportRequest& request,
                             const RetryOptions& options,
                             const std::function<Attempt(const HttpResponse&)>& judge) {
  std::int64_t back_off_ms = std::max<std::int64_t>(options.initial_ms, 1);
  std::string last;
  for (int attempts = 1;; ++attempts) {
    const std::int64_t left_ms = (request.deadline_ns - monotonic_ns()) / kNsPerMs;
    if (left_ms <= 0) return {ExportOutcome::kGaveUp, 0, "no time left; " + last};
    const HttpResponse response = transport.post(
        body, std::min<std::int64_t>(left_ms, options.timeout_ms), request.cancelled);
    if (response.cancelled) return {ExportOutcome::kCancelled, 0, last};
    Attempt attempt;
    if (response.status == 0) {
      attempt.verdict = response.final ? Attempt::Verdict::kFinal : Attempt::Verdict::kRetry;
      attempt.message = response.error;
    } else {
      attempt = judge(response);
    }
    if (attempt.verdict == Attempt::Verdict::kDone) return attempt.result;
    if (attempt.verdict == Attempt::Verdict::kFinal) {
      return {ExportOutcome::kRejected, 0, attempt.message};
    }
    last = attempt.message;
    // Between a half and one and a half of the back-off, so that senders do not come in step.
    std::int64_t wait =
        back_off_ms / 2 + static_cast<std::int64_t>(next_random(thread_state) %
                                                    static_cast<std::uint64_t>(back_off_ms + 1));
    // A receiver that asks for no wait at all still gets the back-off: it has just refused.
    if (attempt.retry_after_ms > 0) wait = attempt.retry_after_ms;
    back_off_ms = std::min<std::int64_t>(back_off_ms * 2, std::max(options.max_ms, 1U));
    if (monotonic_ns() + wait * kNsPerMs >= request.deadline_ns) {
      return {ExportOutcome::kGaveUp, 0,
              "gave up after " + std::to_string(attempts) +
                  (attempts == 1 ? " try: " : " tries: ") + last};
    }
    if (!wait_ms(wait, request.cancelled)) return {ExportOutcome::kCancelled, 0, last};
  }
}

}  // namespace weft::sdk_detail
