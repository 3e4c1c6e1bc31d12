#include <weft/access_log.h>

#include <time.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "../clock.h"
#include "../json_writer.h"

namespace weft::inline v1 {
namespace {

bool is_error(const RequestSummary& r) {
  return r.status >= 500 || !r.error_type.empty();
}

std::vector<Attribute> to_attributes(const RequestSummary& r) {
  std::vector<Attribute> out;
  out.reserve(10 + r.attributes.size());
  auto text = [&out](std::string_view key, std::string_view value) {
    if (!value.empty()) out.push_back({key, value});
  };
  text("http.request.method", r.method);
  text("http.route", r.route);
  text("url.path", r.path);
  if (r.status > 0) out.push_back({"http.response.status_code", r.status});
  // In seconds, as the metric of the same name.
  if (r.duration_ns >= 0) {
    out.push_back({"http.server.request.duration", static_cast<double>(r.duration_ns) / 1e9});
  }
  if (r.request_body_bytes >= 0) out.push_back({"http.request.body.size", r.request_body_bytes});
  if (r.response_body_bytes >= 0) out.push_back({"http.response.body.size", r.response_body_bytes});
  text("client.address", r.client_address);
  text("user_agent.original", r.user_agent);
  text("error.type", r.error_type);
  out.insert(out.end(), r.attributes.begin(), r.attributes.end());
  return out;
}

void append_value(std::string& out, const AttributeValue& value) {
  auto list = [&out](const auto& values, auto put) {
    out += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i != 0) out += ',';
      put(values[i]);
    }
    out += ']';
  };
  auto put_bool = [&out](bool v) { out += v ? "true" : "false"; };
  auto put_double = [&out](double v) { sdk_detail::append_json_double(out, v); };
  switch (value.type()) {
    case AttributeValue::Type::kString:
      return sdk_detail::append_json_string(out, value.string());
    case AttributeValue::Type::kBool:
      return put_bool(value.boolean());
    case AttributeValue::Type::kInt:
      out += std::to_string(value.integer());
      return;
    case AttributeValue::Type::kDouble:
      return put_double(value.floating());
    case AttributeValue::Type::kBytes:
      out += '"';
      sdk_detail::append_base64(
          out, {reinterpret_cast<const char*>(value.bytes().data()), value.size()});
      out += '"';
      return;
    case AttributeValue::Type::kBoolArray:
      return list(value.bools(), put_bool);
    case AttributeValue::Type::kIntArray:
      return list(value.ints(), [&out](std::int64_t v) { out += std::to_string(v); });
    case AttributeValue::Type::kDoubleArray:
      return list(value.doubles(), put_double);
    case AttributeValue::Type::kStringArray:
      return list(value.strings(),
                  [&out](std::string_view v) { sdk_detail::append_json_string(out, v); });
  }
}

std::string format_time(std::uint64_t ns) {
  const auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof(text) - n, ".%06uZ",
                static_cast<unsigned>(ns % 1'000'000'000 / 1000));
  return text;
}

}  // namespace

std::string format_request(const RequestSummary& request) {
  std::string out = "{\"time\":\"" + format_time(sdk_detail::wall_now_ns()) + "\",\"level\":\"" +
                    (is_error(request) ? "ERROR" : "INFO") + '"';
  const SpanContext span = request.context == nullptr ? Context::current().span_context()
                                                      : request.context->span_context();
  if (span.is_valid()) {
    out.append(",\"trace_id\":\"").append(span.trace_id().hex().view());
    out.append("\",\"span_id\":\"").append(span.span_id().hex().view()).append("\"");
  }
  for (const Attribute& a : to_attributes(request)) {
    out += ',';
    sdk_detail::append_json_string(out, a.key);
    out += ':';
    append_value(out, a.value);
  }
  out += '}';
  return out;
}

void log_request(const Logger& logger, const RequestSummary& request) noexcept {
  if (!logger.enabled()) return;
  try {
    const std::vector<Attribute> attributes = to_attributes(request);
    std::string body(request.method);
    body += ' ';
    body += request.route.empty() ? request.path : request.route;
    if (request.status > 0) body += " " + std::to_string(request.status);
    LogRecord record;
    record.severity = is_error(request) ? Severity::kError : Severity::kInfo;
    record.body = body;
    record.attributes = std::span<const Attribute>(attributes);
    record.event_name = "http.server.request";
    record.context = request.context;
    logger.emit(record);
  } catch (const std::exception&) {
    // Out of memory: the access log is not worth more trouble.
  }
}

}  // namespace weft::inline v1
