#include <weft/http/server_span.h>

#include <charconv>
#include <cstring>
#include <new>
#include <utility>

#include <weft/http/semantics.h>
#include <weft/metrics.h>
#include <weft/tracer.h>
#include <weft/version.h>

namespace weft::inline v1::http {
namespace {

const Tracer& server_tracer() {
  static const Tracer instance = tracer("weft.http.server", WEFT_SDK_VERSION);
  return instance;
}

const Histogram<double>& duration_histogram() {
  static const Histogram<double> histogram =
      meter("weft.http.server", WEFT_SDK_VERSION)
          .histogram("http.server.request.duration",
                     {.unit = "s",
                      .description = "Duration of HTTP server requests.",
                      .boundaries = kHttpDurationBoundaries});
  return histogram;
}

// Splits "host:port" of a Host header; the port is 0 when there is none.
struct HostPort {
  std::string_view host;
  int port = 0;
};

HostPort split_host(std::string_view text) {
  HostPort out{text, 0};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find(']', colon) != std::string_view::npos) {
    return out;
  }
  out.host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  return out;
}

}  // namespace

ServerSpan::ServerSpan(const ServerRequest& request, const Context& parent)
    : scheme_(request.scheme), protocol_version_(request.protocol_version) {
  const Method method = classify_method(request.method);
  method_ = method.name;
  const Attribute sampling[] = {{"http.request.method", method.name},
                                {"url.path", request.path},
                                {"url.scheme", request.scheme}};
  span_ = server_tracer().start_span(
      method.in_span_name(),
      {.kind = SpanKind::kServer, .parent = &parent, .attributes = sampling});
  stopwatch_.start(span_);
  if (span_.is_recording()) describe(request, method.original);
  // Last: from here on the span may be reached by others, and every write takes a lock.
  context_ = parent.with_span(span_);
}

void ServerSpan::describe(const ServerRequest& request, std::string_view original_method) {
  if (!original_method.empty()) span_.set("http.request.method_original", original_method);
  if (!request.query.empty()) span_.set("url.query", std::string_view(redact_query(request.query)));
  if (!request.host.empty()) {
    const HostPort host = split_host(request.host);
    span_.set("server.address", host.host);
    if (host.port != 0) span_.set("server.port", host.port);
  }
  if (!request.user_agent.empty()) span_.set("user_agent.original", request.user_agent);
  if (!request.protocol_version.empty()) {
    span_.set("network.protocol.version", request.protocol_version);
  }
  if (!request.peer_address.empty()) {
    span_.set("network.peer.address", request.peer_address);
    if (request.peer_port != 0) span_.set("network.peer.port", request.peer_port);
  }
  const std::string_view client =
      request.client_address.empty() ? request.peer_address : request.client_address;
  if (!client.empty()) span_.set("client.address", client);
}

ServerSpan::~ServerSpan() {
  abandon();
}

ServerSpan& ServerSpan::operator=(ServerSpan&& other) noexcept {
  if (this == &other) return *this;
  this->~ServerSpan();
  return *new (this) ServerSpan(std::move(other));
}

void ServerSpan::abandon() noexcept {
  if (!stopwatch_.running()) return;
  set_error("cancelled", "the request was abandoned before it was answered");
  end(0);
}

void ServerSpan::set_route(std::string_view route) {
  route_ = route;
  span_.set("http.route", route);
  const std::string_view method = method_ == "_OTHER" ? std::string_view("HTTP") : method_;
  char name[128];
  const std::size_t size = method.size() + 1 + route.size();
  if (size > sizeof(name)) {
    span_.update_name(std::string(method).append(" ").append(route));
    return;
  }
  std::memcpy(name, method.data(), method.size());
  name[method.size()] = ' ';
  if (!route.empty()) std::memcpy(name + method.size() + 1, route.data(), route.size());
  span_.update_name({name, size});
}

void ServerSpan::set_error(std::string_view type, std::string_view message) {
  error_type_ = type;
  span_.set("error.type", type);
  span_.set_status(StatusCode::kError, message);
}

void ServerSpan::finish(int status_code) {
  if (!stopwatch_.running()) return;
  span_.set("http.response.status_code", status_code);
  if (status_code >= 500 && error_type_.empty()) set_error(std::to_string(status_code));
  end(status_code);
}

void ServerSpan::end(int status_code) {
  const double seconds = stopwatch_.stop(span_);
  Attribute attributes[6] = {{"http.request.method", method_}, {"url.scheme", scheme_}};
  std::size_t count = 2;
  if (status_code != 0) attributes[count++] = {"http.response.status_code", status_code};
  if (!route_.empty()) attributes[count++] = {"http.route", route_};
  if (!error_type_.empty()) attributes[count++] = {"error.type", error_type_};
  if (!protocol_version_.empty()) {
    attributes[count++] = {"network.protocol.version", protocol_version_};
  }
  // Under the span's context, so that the histogram's exemplars name this trace.
  const Scope scope(context_);
  duration_histogram().record(seconds, std::span<const Attribute>(attributes, count));
}

}  // namespace weft::inline v1::http
