#include <weft/otlp.h>

#include <exception>

#include "../json_writer.h"
#include "../otlp_view.h"
#include "http_transport.h"
#include "retry.h"

namespace weft::inline v1 {
namespace {

using sdk_detail::append_hex;
using sdk_detail::append_json_string;
using sdk_detail::ScopeView;
using sdk_detail::SpanView;
using sdk_detail::TextAttribute;

std::string_view find(const std::vector<TextAttribute>& list, std::string_view key) {
  for (const TextAttribute& a : list) {
    if (a.key == key) return a.value;
  }
  return {};
}

void append_tag(std::string& out, std::string_view key, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, key);
  out += ':';
  append_json_string(out, value);
}

void append_dropped(std::string& out, std::string_view what, std::uint64_t count) {
  if (count == 0) return;
  append_tag(out, "otel.dropped_" + std::string(what) + "_count", std::to_string(count));
}

// OpenTelemetry's mapping: the peer's service, else its address.
void append_remote(std::string& out, const SpanView& span) {
  if (span.kind != 3 && span.kind != 4) return;
  for (const std::string_view key : {"peer.service", "server.address", "network.peer.address"}) {
    const std::string_view name = find(span.attributes, key);
    if (name.empty()) continue;
    out += ",\"remoteEndpoint\":{\"serviceName\":";
    append_json_string(out, name);
    out += '}';
    return;
  }
}

void append_span(std::string& out, const ScopeView& scope, const SpanView& span) {
  static constexpr std::string_view kKinds[] = {"", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
  out += out.back() == '[' ? "{\"traceId\":\"" : ",{\"traceId\":\"";
  append_hex(out, span.trace_id);
  out += "\",\"id\":\"";
  append_hex(out, span.span_id);
  out += '"';
  if (!span.parent_id.empty()) {
    out += ",\"parentId\":\"";
    append_hex(out, span.parent_id);
    out += '"';
  }
  if (span.kind <= 5 && !kKinds[span.kind].empty()) {
    out.append(",\"kind\":\"").append(kKinds[span.kind]).append("\"");
  }
  out += ",\"name\":";
  append_json_string(out, span.name);
  const std::uint64_t start_us = span.start_ns / 1000;
  const std::uint64_t duration_us =
      span.end_ns > span.start_ns ? (span.end_ns - span.start_ns) / 1000 : 0;
  out += ",\"timestamp\":" + std::to_string(start_us);
  // Zipkin knows no duration of zero.
  out += ",\"duration\":" + std::to_string(duration_us == 0 ? 1 : duration_us);
  out += ",\"localEndpoint\":{\"serviceName\":";
  append_json_string(out, find(scope.resource, "service.name"));
  out += '}';
  append_remote(out, span);
  out += ",\"tags\":{";
  for (const TextAttribute& a : span.attributes)
    append_tag(out, a.key, a.value);
  if (!scope.name.empty()) append_tag(out, "otel.scope.name", scope.name);
  if (!scope.version.empty()) append_tag(out, "otel.scope.version", scope.version);
  if (span.status == 1) append_tag(out, "otel.status_code", "OK");
  if (span.status == 2) {
    append_tag(out, "otel.status_code", "ERROR");
    append_tag(out, "error", span.status_message);
  }
  append_dropped(out, "attributes", span.dropped_attributes);
  append_dropped(out, "events", span.dropped_events);
  append_dropped(out, "links", span.dropped_links);
  out += "},\"annotations\":[";
  for (const auto& event : span.events) {
    if (out.back() != '[') out += ',';
    out += "{\"timestamp\":" + std::to_string(event.time_ns / 1000) + ",\"value\":";
    std::string value(event.name);
    if (!event.attributes.empty()) {
      value.clear();
      append_json_string(value, event.name);
      value += ": {";
      for (const TextAttribute& a : event.attributes)
        append_tag(value, a.key, a.value);
      value += '}';
    }
    append_json_string(out, value);
    out += '}';
  }
  out += "]}";
}

class ZipkinExporter final : public Exporter {
 public:
  explicit ZipkinExporter(ZipkinConfig config)
      : config_(std::move(config)),
        description_("zipkin " + sdk_detail::without_secrets(config_.endpoint)),
        transport_(config_.endpoint, make_headers(config_), {}, false) {}

  ExportResult send(const ExportRequest& request) noexcept override {
    try {
      if (request.signal != Signal::kTraces) {
        return {ExportOutcome::kRejected, 0, "Zipkin takes traces only"};
      }
      body_->clear();
      if (!otlp_to_zipkin_json(request.otlp(), *body_)) {
        return {ExportOutcome::kRejected, 0, "the request could not be written as JSON"};
      }
      const std::string_view body = *body_;
      return sdk_detail::post_with_retry(transport_, {&body, 1}, request,
                                         {config_.timeout_ms, 1000, 30000},
                                         [](const sdk_detail::HttpResponse& response) {
                                           if (response.status < 200 || response.status > 299) {
                                             return sdk_detail::judge_http_failure(response);
                                           }
                                           sdk_detail::Attempt done;
                                           done.verdict = sdk_detail::Attempt::Verdict::kDone;
                                           return done;
                                         });
    } catch (const std::exception& e) {
      return {ExportOutcome::kGaveUp, 0, e.what()};
    }
  }
  void after_fork_in_child() noexcept override {
    transport_.forget_connections();
    // The parent's worker may have been in the midst of growing it.
    (void)body_.release();
    body_ = std::make_unique<std::string>();
  }
  std::string description() const override { return description_; }

 private:
  static std::vector<std::string> make_headers(const ZipkinConfig& config) {
    std::vector<std::string> out = {"Expect:", "Content-Type: application/json"};
    sdk_detail::append_header_lines(out, config.headers);
    return out;
  }

  const ZipkinConfig config_;
  const std::string description_;
  sdk_detail::HttpTransport transport_;
  std::unique_ptr<std::string> body_ = std::make_unique<std::string>();  // to reuse its memory
};

}  // namespace

bool otlp_to_zipkin_json(std::string_view otlp, std::string& json) {
  std::string out = "[";
  if (!sdk_detail::for_each_span(otlp, [&out](const ScopeView& scope, const SpanView& span) {
        append_span(out, scope, span);
      })) {
    return false;
  }
  out += ']';
  json += out;
  return true;
}

std::unique_ptr<Exporter> make_zipkin_exporter(ZipkinConfig config, std::string* error) {
  std::string why = sdk_detail::fault_of(config.headers);
  if (!config.endpoint.starts_with("http://") && !config.endpoint.starts_with("https://")) {
    why = "the Zipkin endpoint " + sdk_detail::without_secrets(config.endpoint) +
          " does not start with http:// or https://";
  }
  if (why.empty()) return std::make_unique<ZipkinExporter>(std::move(config));
  if (error != nullptr) *error = why;
  return nullptr;
}

}  // namespace weft::inline v1
