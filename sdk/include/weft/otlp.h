// The exporters that speak HTTP: OTLP (protobuf or JSON over HTTP, and gRPC framing over HTTP/2)
// and Zipkin. Part of the component weft::exporters, which links libcurl and zlib.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/exporter.h>

namespace weft::inline v1 {

// The three transports of OTLP; OTEL_EXPORTER_OTLP_PROTOCOL calls them http/protobuf, http/json,
// grpc.
enum class OtlpProtocol : std::uint8_t { kHttpProtobuf, kHttpJson, kGrpc };

// Where and how OTLP goes out.
struct OtlpConfig {
  Signal signal = Signal::kTraces;
  OtlpProtocol protocol = OtlpProtocol::kHttpProtobuf;
  // The whole URL for HTTP ("http://localhost:4318/v1/traces"); scheme, host and port for gRPC
  // ("http://localhost:4317"; https means TLS). Empty: the default of the protocol on localhost.
  std::string endpoint;
  std::vector<std::pair<std::string, std::string>> headers;
  bool gzip = false;
  // Of one attempt. The whole export, with repetitions, is bounded by the batch's time-out.
  std::uint32_t timeout_ms = 10000;
  // PEM files: the authorities to trust instead of the system's; key and certificate of ours.
  std::string ca_file;
  std::string client_key_file;
  std::string client_certificate_file;
  // First wait before a repetition; doubles each time up to the maximum, with jitter of a half.
  // A Retry-After of the receiver replaces it, unless that is no wait at all.
  std::uint32_t retry_initial_ms = 1000;
  std::uint32_t retry_max_ms = 30000;
};

// Null with a reason in `error` when the configuration makes no sense (a URL that is none, a file
// that cannot be read).
std::unique_ptr<Exporter> make_otlp_exporter(OtlpConfig config, std::string* error);

// The configuration that OTEL_EXPORTER_OTLP_* gives for a signal. `protocol` empty: from the
// environment, else http/protobuf.
OtlpConfig otlp_config_from_env(Signal signal, std::string_view protocol = {});

// Where Zipkin JSON goes.
struct ZipkinConfig {
  std::string endpoint = "http://localhost:9411/api/v2/spans";
  std::uint32_t timeout_ms = 10000;
  std::vector<std::pair<std::string, std::string>> headers;
};
// Zipkin v2 JSON. Traces only.
std::unique_ptr<Exporter> make_zipkin_exporter(ZipkinConfig config, std::string* error);
// The JSON list of an OTLP trace request. False when the bytes are no such request.
bool otlp_to_zipkin_json(std::string_view otlp, std::string& json);

}  // namespace weft::inline v1
