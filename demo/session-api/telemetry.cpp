#include "telemetry.h"

#include <weft/otlp.h>
#include <weft/propagation.h>

#include <cstdio>
#include <cstdlib>

namespace session_api {
namespace {

constexpr uint32_t kShutdownTimeoutMs = 3000;

void add(weft::TracerProviderConfig& config, std::unique_ptr<weft::Exporter> exporter,
         const std::string& error) {
  if (exporter == nullptr) {
    std::fprintf(stderr, "session-api: an exporter is left out: %s\n", error.c_str());
    return;
  }
  weft::BatchOptions batch;
  batch.schedule_delay_ms = 500;
  config.exporters.push_back({std::move(exporter), batch});
}

void add_exporters(weft::TracerProviderConfig& config, const Settings& settings) {
  std::string error;
  if (!settings.otlp_grpc.empty()) {
    weft::OtlpConfig weft_endpoint;
    weft_endpoint.protocol = weft::OtlpProtocol::kGrpc;
    weft_endpoint.endpoint = settings.otlp_grpc;
    if (!settings.ingest_token.empty()) {
      weft_endpoint.headers = {{"authorization", "Bearer " + settings.ingest_token}};
    }
    add(config, weft::make_otlp_exporter(std::move(weft_endpoint), &error), error);
  }
  if (!settings.vendor_otlp.empty()) {
    weft::OtlpConfig vendor;
    vendor.endpoint = settings.vendor_otlp;
    vendor.headers = {{"api-key", settings.vendor_api_key}};
    vendor.gzip = true;
    add(config, weft::make_otlp_exporter(std::move(vendor), &error), error);
  }
  if (!settings.spans_file.empty()) {
    add(config, weft::make_file_exporter(settings.spans_file, &error), error);
  }
}

}  // namespace

Telemetry start_telemetry(const Settings& settings) {
  weft::Resource resource = weft::Resource::detect();
  if (std::getenv("OTEL_SERVICE_NAME") == nullptr) resource.set("service.name", "session-api");

  weft::TracerProviderConfig traces;
  traces.resource = resource;
  traces.shutdown_timeout_ms = kShutdownTimeoutMs;
  add_exporters(traces, settings);
  weft::MeterProviderConfig metrics;
  metrics.resource = resource;

  Telemetry telemetry{weft::TracerProvider(std::move(traces)),
                      weft::MeterProvider(std::move(metrics))};
  telemetry.tracer_provider.set_global();
  telemetry.meter_provider.set_global();
  if (const char* names = std::getenv("OTEL_PROPAGATORS")) {
    weft::set_global_propagator(weft::Propagator::from_names(names));
  }
  return telemetry;
}

}  // namespace session_api
