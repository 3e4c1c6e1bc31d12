#include <weft/otlp.h>

#include "../diagnostics.h"
#include "env.h"

namespace weft::inline v1 {
namespace {

using sdk_detail::env_text;

// The variable of the signal, else the one of all signals; `which` becomes the name of the one.
std::string for_signal(Signal signal, const char* what, std::string* which = nullptr) {
  static constexpr const char* kNames[] = {"TRACES_", "METRICS_", "LOGS_"};
  for (const std::string prefix : {kNames[static_cast<std::size_t>(signal)], ""}) {
    const std::string name = "OTEL_EXPORTER_OTLP_" + prefix + what;
    const std::string text = env_text(name.c_str());
    if (text.empty()) continue;
    if (which != nullptr) *which = name;
    return text;
  }
  return {};
}

// As env_name().
std::string name_for_signal(Signal signal, const char* what, std::string* which) {
  return sdk_detail::lower_case(for_signal(signal, what, which));
}

OtlpProtocol read_protocol(Signal signal, std::string_view given) {
  std::string which = "the protocol";
  const std::string text =
      given.empty() ? name_for_signal(signal, "PROTOCOL", &which) : std::string(given);
  if (text == "grpc") return OtlpProtocol::kGrpc;
  if (text == "http/json") return OtlpProtocol::kHttpJson;
  if (!text.empty() && text != "http/protobuf") {
    sdk_detail::diagnose(DiagnosticLevel::kWarn,
                         which + "=" + text +
                             " is unknown; http/protobuf is used. Known are http/protobuf, "
                             "http/json, grpc");
  }
  return OtlpProtocol::kHttpProtobuf;
}

// An endpoint for all signals is a base that the signal's path is added to; one for this signal is
// taken as it is.
std::string read_endpoint(Signal signal, OtlpProtocol protocol) {
  std::string which;
  std::string endpoint = for_signal(signal, "ENDPOINT", &which);
  if (endpoint.empty()) return endpoint;
  if (protocol == OtlpProtocol::kGrpc) {
    if (endpoint.find("://") == std::string::npos) {
      const bool insecure =
          !for_signal(signal, "INSECURE", &which).empty() && sdk_detail::env_bool(which.c_str());
      endpoint = (insecure ? "http://" : "https://") + endpoint;
    }
    return endpoint;
  }
  if (which == "OTEL_EXPORTER_OTLP_ENDPOINT") {
    while (endpoint.ends_with('/'))
      endpoint.pop_back();
    endpoint += "/v1/" + std::string(signal_name(signal));
  } else if (endpoint.find('/', endpoint.find("://") + 3) == std::string::npos) {
    endpoint += '/';
  }
  return endpoint;
}

std::uint32_t read_timeout(Signal signal) {
  std::string which;
  return for_signal(signal, "TIMEOUT", &which).empty()
             ? 10000
             : sdk_detail::env_number(which.c_str(), 10000, 1);
}

// What OpenTelemetry has variables for and this library one way alone.
void report_the_only_way(const char* variable, std::string_view way, const char* what) {
  const std::string text = env_text(variable);
  if (text.empty() || sdk_detail::lower_case(text) == way) return;
  sdk_detail::diagnose(DiagnosticLevel::kWarn,
                       std::string(variable) + "=" + text + " is not supported; " + what);
}

}  // namespace

OtlpConfig otlp_config_from_env(Signal signal, std::string_view protocol) {
  OtlpConfig config;
  config.signal = signal;
  config.protocol = read_protocol(signal, protocol);
  config.endpoint = read_endpoint(signal, config.protocol);
  std::string which;
  const std::string headers = for_signal(signal, "HEADERS", &which);
  config.headers = sdk_detail::parse_headers(which.c_str(), headers);
  const std::string compression = name_for_signal(signal, "COMPRESSION", &which);
  config.gzip = compression == "gzip";
  if (!compression.empty() && compression != "gzip" && compression != "none") {
    sdk_detail::diagnose(DiagnosticLevel::kWarn, which + "=" + compression +
                                                     " is unknown; nothing is compressed. Known "
                                                     "are gzip and none");
  }
  config.timeout_ms = read_timeout(signal);
  if (signal == Signal::kMetrics) {
    report_the_only_way("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative",
                        "metrics are cumulative");
    report_the_only_way("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                        "explicit_bucket_histogram", "histograms have explicit buckets");
  }
  config.ca_file = for_signal(signal, "CERTIFICATE");
  config.client_key_file = for_signal(signal, "CLIENT_KEY");
  config.client_certificate_file = for_signal(signal, "CLIENT_CERTIFICATE");
  return config;
}

}  // namespace weft::inline v1
