#include "server/receiver.h"

#include <algorithm>

namespace weft::server {

namespace {

constexpr uint32_t kRetryAfterS = 1;
// A full disk does not pass in a second.
constexpr uint32_t kRetryAfterNoSpaceS = 10;

bool may_pass(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled:
      return true;
    default:
      return false;
  }
}

IngestResult failed(Error error, uint32_t retry_after_s = 0) {
  IngestResult out;
  out.retry_after_s = retry_after_s;
  if (out.retry_after_s == 0 && may_pass(error.code)) {
    out.retry_after_s = error.code == ErrorCode::kNoSpace ? kRetryAfterNoSpaceS : kRetryAfterS;
  }
  out.status = std::unexpected(std::move(error));
  return out;
}

// The service.name of each resource of the batch, "" where it has none.
std::vector<std::string_view> service_names(const SpanBatch& batch) {
  std::vector<std::string_view> out(batch.resources.size());
  for (const AttributeColumn& column : batch.resources.attributes.columns) {
    if (column.type != ValueType::kString || batch.strings.at(column.key) != "service.name") {
      continue;
    }
    for (size_t i = 0; i < column.rows.size(); ++i) {
      out[column.rows[i]] = batch.strings.at(column.strings[i]);
    }
  }
  return out;
}

}  // namespace

bool is_retryable(const IngestResult& result) {
  return !result.status && (result.retry_after_s > 0 || may_pass(result.status.error().code));
}

Receiver::Receiver(SpanSink& sink, Options options, MetricsRegistry& metrics)
    : sink_(sink),
      options_(options),
      spans_(metrics.counter("weft_ingest_spans_total", "Spans acknowledged: on disk.")),
      rejected_spans_(metrics.counter("weft_ingest_rejected_spans_total",
                                      "Spans refused within accepted requests.")),
      requests_(metrics.counter("weft_ingest_requests_total", "Trace requests acknowledged.")),
      body_bytes_(metrics.counter("weft_ingest_body_bytes_total",
                                  "Bytes of acknowledged trace requests, as received.")),
      metrics_(metrics),
      append_s_(metrics.histogram("weft_ingest_append_seconds",
                                  "From a decoded request to its spans being on disk.",
                                  duration_buckets_s())) {}

uint32_t Receiver::quota_wait_s(const AccessToken& token) {
  if (token.max_spans_per_second <= 0) return 0;
  return quotas_.take(token.name, 0, token.max_spans_per_second, token.max_spans_per_second,
                      options_.clock->steady_ns());
}

void Receiver::count_failure(const Error& error) {
  metrics_
      .counter("weft_ingest_failed_requests_total", "Trace requests refused whole, by reason.",
               {{"reason", std::string(to_string(error.code))}})
      .add();
}

Status Receiver::check_services(const AccessToken& token, const SpanBatch& batch) const {
  if (token.services.empty()) return {};
  for (const std::string_view service : service_names(batch)) {
    if (token.allows_service(service)) continue;
    return fail(ErrorCode::kPermissionDenied, "the token '" + token.name +
                                                  "' may not write spans of the service '" +
                                                  std::string(service.substr(0, 100)) + "'");
  }
  return {};
}

// Weft keeps traces. A success would let the sender believe that its metrics are somewhere.
IngestResult Receiver::refuse_other_signal(const IngestRequest& request) {
  std::string plain;
  std::string_view body = request.body;
  if (request.compression != Compression::kNone) {
    auto decompressed = decompress(request.body, request.compression, request.max_body_bytes);
    if (!decompressed) return failed(std::move(decompressed).error());
    plain = *std::move(decompressed);
    body = plain;
  }
  const OtlpEncoding encoding =
      request.format == WireFormat::kOtlpJson ? OtlpEncoding::kJson : OtlpEncoding::kProtobuf;
  auto count = count_items(request.signal, encoding, body, options_.decode);
  if (!count) return failed(std::move(count).error());
  IngestResult out;
  out.rejected = *count;
  const bool metrics = request.signal == OtlpSignal::kMetrics;
  if (*count > 0) {
    out.message = metrics ? "this server keeps traces; it does not store metrics yet"
                          : "this server keeps traces; it does not store logs yet";
  }
  metrics_
      .counter("weft_ingest_unsupported_items_total",
               "Metric points and log records refused, since they are not stored yet.",
               {{"signal", metrics ? "metrics" : "logs"}})
      .add(*count);
  return out;
}

void Receiver::take(IngestRequest request, Done done) {
  if (request.signal != OtlpSignal::kTraces) {
    done(refuse_other_signal(request));
    return;
  }
  take_traces(std::move(request), std::move(done));
}

void Receiver::take(IngestRequest request, std::string body, Done done) {
  if (options_.large_bodies == nullptr || body.size() <= kLargeBodyBytes) {
    request.body = body;
    take(std::move(request), std::move(done));
    return;
  }
  // Shared, so that it is still there when the pool refuses.
  const auto shared_done = std::make_shared<Done>(std::move(done));
  WorkerPool::Work work = [this, request = std::move(request), body = std::move(body),
                           shared_done]() mutable {
    request.body = body;
    take(std::move(request),
         [shared_done](IngestResult result) { (*shared_done)(std::move(result)); });
  };
  if (options_.large_bodies->try_submit(work)) return;
  (*shared_done)(failed({ErrorCode::kUnavailable, "too many large requests are waiting"}));
}

void Receiver::take_traces(IngestRequest request, Done done) {
  DecodeLimits limits = options_.decode;
  limits.max_body_bytes = request.max_body_bytes;
  auto decoded =
      decode_raw(request.format, request.compression, request.body,
                 request.browser ? std::optional(request.received_ns) : std::nullopt, limits);
  if (!decoded) {
    count_failure(decoded.error());
    done(failed(std::move(decoded).error()));
    return;
  }
  if (request.token) {
    if (auto allowed = check_services(*request.token, decoded->batch); !allowed) {
      count_failure(allowed.error());
      done(failed(std::move(allowed).error()));
      return;
    }
    const double quota = request.token->max_spans_per_second;
    const uint32_t wait_s =
        quota <= 0 ? 0
                   : quotas_.take(request.token->name, static_cast<double>(decoded->batch.size()),
                                  quota, quota, options_.clock->steady_ns());
    if (wait_s > 0) {
      Error error{ErrorCode::kResourceExhausted,
                  "the token '" + request.token->name + "' has used up its quota of spans"};
      count_failure(error);
      done(failed(std::move(error), wait_s));
      return;
    }
  }
  rejected_spans_.add(decoded->rejected_spans);
  IngestResult result;
  result.rejected = decoded->rejected_spans;
  result.message = std::move(decoded->message);
  if (decoded->batch.empty()) {
    requests_.add();
    done(std::move(result));
    return;
  }

  SpanSink::RawRequest raw;
  raw.format = static_cast<SpanSink::RawRequest::Format>(request.format);
  raw.compression = static_cast<SpanSink::RawRequest::Compression>(request.compression);
  raw.body = request.body;
  raw.received_ns = request.received_ns;
  raw.untrusted_clock = request.browser;
  const size_t spans = decoded->batch.size();
  const uint64_t started_ns = options_.clock->steady_ns();
  const auto shared_done = std::make_shared<Done>(std::move(done));
  auto status = sink_.append(
      std::move(decoded->batch), &raw,
      [this, shared_done, result = std::move(result), spans, started_ns,
       bytes = request.body.size()](Status stored) mutable {
        append_s_.observe(static_cast<double>(options_.clock->steady_ns() - started_ns) * 1e-9);
        if (stored) {
          spans_.add(spans);
          requests_.add();
          body_bytes_.add(bytes);
          (*shared_done)(std::move(result));
        } else {
          count_failure(stored.error());
          (*shared_done)(failed(std::move(stored).error()));
        }
      });
  if (!status) {
    count_failure(status.error());
    (*shared_done)(failed(std::move(status).error()));
  }
}

}  // namespace weft::server
