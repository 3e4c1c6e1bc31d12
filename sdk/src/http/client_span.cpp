#include <weft/http/client_span.h>

#include <ctime>
#include <new>
#include <utility>

#include <weft/http/semantics.h>
#include <weft/metrics.h>
#include <weft/tracer.h>
#include <weft/version.h>

namespace weft::inline v1::http {
namespace {

const Tracer& client_tracer() {
  static const Tracer instance = tracer("weft.http.client", WEFT_SDK_VERSION);
  return instance;
}

const Histogram<double>& duration_histogram() {
  static const Histogram<double> histogram =
      meter("weft.http.client", WEFT_SDK_VERSION)
          .histogram("http.client.request.duration",
                     {.unit = "s",
                      .description = "Duration of HTTP client requests.",
                      .boundaries = kHttpDurationBoundaries});
  return histogram;
}

std::uint64_t wall_clock_ns() {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(ts.tv_nsec);
}

std::string span_name(const Method& method, std::string_view url_template) {
  std::string name(method.in_span_name());
  if (!url_template.empty()) name.append(" ").append(url_template);
  return name;
}

}  // namespace

ClientSpan::ClientSpan(const ClientRequest& request) : url_template_(request.url_template) {
  const Method method = classify_method(request.method);
  const UrlParts url = split_url(request.url);
  method_ = method.name;
  server_address_ = url.host;
  server_port_ = url.port;
  std::string full = redact_url(request.url);
  if (url.scheme.empty() && !url.host.empty()) full.insert(0, "http://");
  const Attribute sampling[] = {{"http.request.method", method.name},
                                {"server.address", url.host},
                                {"server.port", url.port},
                                {"url.full", full}};
  const Context parent = request.parent != nullptr ? *request.parent : Context::current();
  span_ = client_tracer().start_span(span_name(method, request.url_template),
                                     {.kind = SpanKind::kClient,
                                      .parent = &parent,
                                      .start_time_ns = request.start_time_ns,
                                      .attributes = sampling});
  start_stopwatch(request.start_time_ns);
  if (!method.original.empty()) span_.set("http.request.method_original", method.original);
  if (!request.url_template.empty()) span_.set("url.template", request.url_template);
  // Last: from here on the span may be reached by others, and every write takes a lock.
  context_ = parent.with_span(span_);
}

void ClientSpan::start_stopwatch(std::uint64_t start_time_ns) {
  if (span_.is_recording() || start_time_ns == 0) return stopwatch_.start(span_);
  const std::uint64_t now_ns = wall_clock_ns();
  stopwatch_.start_ago(start_time_ns > now_ns ? 0
                                              : static_cast<std::int64_t>(now_ns - start_time_ns));
}

ClientSpan::~ClientSpan() {
  abandon();
}

ClientSpan& ClientSpan::operator=(ClientSpan&& other) noexcept {
  if (this == &other) return *this;
  this->~ClientSpan();
  return *new (this) ClientSpan(std::move(other));
}

void ClientSpan::abandon() noexcept {
  if (!stopwatch_.running()) return;
  fail("cancelled", "the request was given up before it was answered");
}

void ClientSpan::set_peer(std::string_view address, int port) {
  if (address.empty()) return;
  span_.set("network.peer.address", address);
  if (port > 0) span_.set("network.peer.port", port);
}

void ClientSpan::set_protocol_version(std::string_view version) {
  if (version.empty()) return;
  protocol_version_ = version;
  span_.set("network.protocol.version", version);
}

void ClientSpan::set_resend_count(int count) {
  if (count > 0) span_.set("http.request.resend_count", count);
}

void ClientSpan::finish(int status_code) {
  if (!stopwatch_.running()) return;
  span_.set("http.response.status_code", status_code);
  if (status_code < 400) return end(status_code, {});
  const std::string type = std::to_string(status_code);
  span_.set("error.type", std::string_view(type));
  span_.set_status(StatusCode::kError);
  end(status_code, type);
}

void ClientSpan::fail(std::string_view type, std::string_view message, int status_code) {
  if (!stopwatch_.running()) return;
  if (status_code != 0) span_.set("http.response.status_code", status_code);
  span_.set("error.type", type);
  span_.set_status(StatusCode::kError, message);
  end(status_code, type);
}

void ClientSpan::end(int status_code, std::string_view error_type) {
  const double seconds = stopwatch_.stop(span_).seconds;
  Attribute attributes[7] = {{"http.request.method", method_},
                             {"server.address", server_address_},
                             {"server.port", server_port_}};
  std::size_t count = 3;
  if (status_code != 0) attributes[count++] = {"http.response.status_code", status_code};
  if (!error_type.empty()) attributes[count++] = {"error.type", error_type};
  if (!url_template_.empty()) attributes[count++] = {"url.template", url_template_};
  if (!protocol_version_.empty()) {
    attributes[count++] = {"network.protocol.version", protocol_version_};
  }
  // Under the span's context, so that the histogram's exemplars name this trace.
  const Scope scope(context_);
  duration_histogram().record(seconds, std::span<const Attribute>(attributes, count));
}

}  // namespace weft::inline v1::http
