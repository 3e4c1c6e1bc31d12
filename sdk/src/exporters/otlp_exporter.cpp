#include <weft/otlp.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <vector>

#include <weft/propagation.h>

#include "../protobuf_reader.h"
#include "http_transport.h"
#include "retry.h"

namespace weft::inline v1 {
namespace {

using sdk_detail::Attempt;
using sdk_detail::HttpResponse;
using sdk_detail::ProtoReader;

std::string_view grpc_service(Signal signal) {
  switch (signal) {
    case Signal::kTraces:
      return "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    case Signal::kMetrics:
      return "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    case Signal::kLogs:
      return "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
  }
  return "";
}

// Export*ServiceResponse{partial_success = 1 {rejected = 1, error_message = 2}}
ExportResult read_partial_success(std::string_view message) {
  ExportResult out;
  ProtoReader r(message);
  while (r.next()) {
    if (r.field() != 1) continue;
    ProtoReader partial(r.bytes());
    while (partial.next()) {
      if (partial.field() == 1) out.rejected = partial.number();
      if (partial.field() == 2) out.message = partial.bytes();
    }
  }
  return out;
}

// The same in JSON, looked for by name: the answer is one object of two members.
ExportResult read_partial_success_json(std::string_view json) {
  ExportResult out;
  const std::size_t rejected = json.find("\"rejected");
  if (rejected != std::string_view::npos) {
    std::size_t at = json.find(':', rejected);
    while (at < json.size() && (json[at] < '0' || json[at] > '9') && json[at] != ',')
      ++at;
    for (; at < json.size() && json[at] >= '0' && json[at] <= '9'; ++at) {
      out.rejected = out.rejected * 10 + static_cast<std::uint64_t>(json[at] - '0');
    }
  }
  const std::size_t message = json.find("\"errorMessage\"");
  if (message != std::string_view::npos) {
    const std::size_t begin = json.find('"', json.find(':', message));
    for (std::size_t i = begin + 1; begin < json.size() && i < json.size() && json[i] != '"'; ++i) {
      if (json[i] == '\\') ++i;
      if (i < json.size()) out.message += json[i];
    }
  }
  return out;
}

std::string decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    std::uint32_t digit = 0;
    if (c >= 'A' && c <= 'Z') {
      digit = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      digit = static_cast<std::uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '/') {
      digit = c == '+' ? 62 : 63;
    } else {
      break;
    }
    word = word << 6 | digit;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xFF);
    }
  }
  return out;
}

// The delay in a google.rpc.RetryInfo among the details of a google.rpc.Status; -1 without one.
std::int64_t read_retry_info(std::string_view details_base64) {
  const std::string status = decode_base64(details_base64);
  ProtoReader r(status);
  while (r.next()) {
    if (r.field() != 3) continue;
    std::string_view type, value;
    ProtoReader any(r.bytes());
    while (any.next()) {
      if (any.field() == 1) type = any.bytes();
      if (any.field() == 2) value = any.bytes();
    }
    if (!type.ends_with("google.rpc.RetryInfo")) continue;
    std::int64_t ms = 0;
    ProtoReader info(value);
    while (info.next()) {
      if (info.field() != 1) continue;
      ProtoReader duration(info.bytes());
      while (duration.next()) {
        const auto n = static_cast<std::int64_t>(duration.number());
        if (duration.field() == 1) ms += std::clamp<std::int64_t>(n, 0, 86400) * 1000;
        if (duration.field() == 2) ms += std::clamp<std::int64_t>(n, 0, 999'999'999) / 1'000'000;
      }
    }
    return ms;
  }
  return -1;
}

Attempt judge_grpc(const HttpResponse& response) {
  Attempt out;
  if (response.status != 200) {
    out = sdk_detail::judge_http_failure(response);
    return out;
  }
  if (response.grpc_status == 0) {
    out.verdict = Attempt::Verdict::kDone;
    // One uncompressed message: a flag, the length in four bytes, the bytes.
    if (response.body.size() >= 5 && response.body[0] == 0) {
      out.result = read_partial_success(std::string_view(response.body).substr(5));
    }
    return out;
  }
  out.retry_after_ms = read_retry_info(response.grpc_details);
  out.message = response.grpc_status < 0
                    ? "the answer has no grpc-status; is this a gRPC endpoint?"
                    : "gRPC status " + std::to_string(response.grpc_status) + ": " +
                          sdk_detail::percent_decode(response.grpc_message);
  switch (response.grpc_status) {
    case 1:   // cancelled
    case 4:   // deadline exceeded
    case 10:  // aborted
    case 11:  // out of range
    case 14:  // unavailable
    case 15:  // data loss
      out.verdict = Attempt::Verdict::kRetry;
      break;
    case 8:  // resource exhausted: only when the receiver says when
      out.verdict = out.retry_after_ms >= 0 ? Attempt::Verdict::kRetry : Attempt::Verdict::kFinal;
      break;
    default:
      out.verdict = Attempt::Verdict::kFinal;
  }
  return out;
}

class OtlpExporter final : public Exporter {
 public:
  OtlpExporter(OtlpConfig config, std::string url)
      : config_(std::move(config)),
        url_(std::move(url)),
        transport_(url_, make_headers(config_),
                   {config_.ca_file, config_.client_key_file, config_.client_certificate_file},
                   config_.protocol == OtlpProtocol::kGrpc) {}

  ExportResult send(const ExportRequest& request) noexcept override {
    try {
      sdk_detail::Body body = request.pieces;
      std::string_view whole;  // what `body` is when it is in one piece
      if (config_.protocol == OtlpProtocol::kHttpJson) {
        buffers_->json.clear();
        if (!otlp_to_json(request.signal, request.otlp(), buffers_->json)) {
          return {ExportOutcome::kRejected, 0, "the request could not be written as JSON"};
        }
        whole = buffers_->json;
        body = {&whole, 1};
      }
      if (config_.gzip) {
        if (!sdk_detail::gzip(body, buffers_->packed)) {
          return {ExportOutcome::kGaveUp, 0, "the request could not be compressed"};
        }
        whole = buffers_->packed;
        body = {&whole, 1};
      }
      char prefix[5];
      if (config_.protocol == OtlpProtocol::kGrpc) {
        std::uint32_t size = 0;
        for (const std::string_view piece : body)
          size += static_cast<std::uint32_t>(piece.size());
        prefix[0] = static_cast<char>(config_.gzip ? 1 : 0);
        for (int i = 0; i < 4; ++i)
          prefix[i + 1] = static_cast<char>(size >> (24 - 8 * i));
        buffers_->framed.assign(1, {prefix, sizeof(prefix)});
        buffers_->framed.insert(buffers_->framed.end(), body.begin(), body.end());
        body = buffers_->framed;
      }
      return sdk_detail::post_with_retry(
          transport_, body, request,
          {config_.timeout_ms, config_.retry_initial_ms, config_.retry_max_ms},
          [this](const HttpResponse& response) { return judge(response); });
    } catch (const std::exception& e) {
      return {ExportOutcome::kGaveUp, 0, e.what()};
    }
  }

  void after_fork_in_child() noexcept override {
    transport_.forget_connections();
    // The parent's worker may have been in the midst of growing them.
    (void)buffers_.release();
    buffers_ = std::make_unique<Buffers>();
  }

  std::string description() const override {
    const char* how = config_.protocol == OtlpProtocol::kGrpc       ? "otlp/grpc "
                      : config_.protocol == OtlpProtocol::kHttpJson ? "otlp/json "
                                                                    : "otlp ";
    return how + sdk_detail::without_secrets(url_);
  }

 private:
  static std::vector<std::string> make_headers(const OtlpConfig& config) {
    std::vector<std::string> out = {"Expect:"};
    if (config.protocol == OtlpProtocol::kGrpc) {
      out.emplace_back("Content-Type: application/grpc");
      out.emplace_back("TE: trailers");
      if (config.gzip) out.emplace_back("grpc-encoding: gzip");
    } else {
      out.emplace_back(config.protocol == OtlpProtocol::kHttpJson
                           ? "Content-Type: application/json"
                           : "Content-Type: application/x-protobuf");
      if (config.gzip) out.emplace_back("Content-Encoding: gzip");
    }
    sdk_detail::append_header_lines(out, config.headers);
    return out;
  }

  Attempt judge(const HttpResponse& response) const {
    if (config_.protocol == OtlpProtocol::kGrpc) return judge_grpc(response);
    if (response.status < 200 || response.status > 299) {
      return sdk_detail::judge_http_failure(response);
    }
    Attempt out;
    out.verdict = Attempt::Verdict::kDone;
    out.result = config_.protocol == OtlpProtocol::kHttpJson
                     ? read_partial_success_json(response.body)
                     : read_partial_success(response.body);
    return out;
  }

  const OtlpConfig config_;
  const std::string url_;
  sdk_detail::HttpTransport transport_;
  // Kept to reuse their memory.
  struct Buffers {
    std::string json, packed;
    std::vector<std::string_view> framed;  // pieces of a message with its prefix
  };
  std::unique_ptr<Buffers> buffers_ = std::make_unique<Buffers>();
};

bool is_readable(const std::string& path, std::string& why) {
  if (path.empty()) return true;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    return true;
  }
  why = path + ": " + std::strerror(errno);
  return false;
}

}  // namespace

std::unique_ptr<Exporter> make_otlp_exporter(OtlpConfig config, std::string* error) {
  std::string why;
  const bool grpc = config.protocol == OtlpProtocol::kGrpc;
  std::string url = config.endpoint;
  if (url.empty()) {
    url = grpc ? "http://localhost:4317"
               : "http://localhost:4318/v1/" + std::string(signal_name(config.signal));
  }
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    why = "the endpoint " + sdk_detail::without_secrets(url) +
          " does not start with http:// or https://";
  } else if (url.find_first_of(" \t\r\n") != std::string::npos) {
    why = "the endpoint " + sdk_detail::without_secrets(url) + " contains a blank";
  } else if (config.client_key_file.empty() != config.client_certificate_file.empty()) {
    why = "mutual TLS needs both a client key and a client certificate";
  } else {
    why = sdk_detail::fault_of(config.headers);
  }
  if (!why.empty() || !is_readable(config.ca_file, why) ||
      !is_readable(config.client_key_file, why) ||
      !is_readable(config.client_certificate_file, why)) {
    if (error != nullptr) *error = why;
    return nullptr;
  }
  if (grpc) {
    const std::size_t slash = url.find('/', url.find("://") + 3);
    url.resize(std::min(url.size(), slash));
    url += grpc_service(config.signal);
  }
  config.timeout_ms = std::max(config.timeout_ms, 1U);
  return std::make_unique<OtlpExporter>(std::move(config), std::move(url));
}

}  // namespace weft::inline v1
