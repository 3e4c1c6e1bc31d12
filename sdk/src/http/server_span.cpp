#include <weft/http/server_span.h>

#include <cstring>
#include <new>
#include <utility>

#include <weft/http/semantics.h>
#include <weft/metrics.h>
#include <weft/tracer.h>
#include <weft/version.h>

#include "../span_template.h"
#include "server_operation.h"

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
  for (const char c : digits) {
    if (c < '0' || c > '9') break;
    out.port = out.port * 10 + (c - '0');
    if (out.port > 65535) {  // no port
      out.port = 0;
      break;
    }
  }
  return out;
}

// What the conventions ask for beyond what the operation has. Nobody else reaches the record yet.
void describe(sdk_detail::Record* record, const ServerRequest& request) {
  sdk_detail::FreshAttributes attributes(record);
  attributes.text<"url.path">(request.path);
  if (!request.query.empty()) attributes.text<"url.query">(redact_query(request.query));
  if (!request.host.empty()) {
    const HostPort host = split_host(request.host);
    attributes.text<"server.address">(host.host);
    if (host.port != 0) attributes.number<"server.port">(host.port);
  }
  if (!request.user_agent.empty()) attributes.text<"user_agent.original">(request.user_agent);
  if (!request.peer_address.empty()) {
    attributes.text<"network.peer.address">(request.peer_address);
    if (request.peer_port != 0) attributes.number<"network.peer.port">(request.peer_port);
  }
  const std::string_view client =
      request.client_address.empty() ? request.peer_address : request.client_address;
  if (!client.empty()) attributes.text<"client.address">(client);
}

}  // namespace

ServerRoute::ServerRoute(std::string_view method, std::string_view route)
    : state_(std::make_shared<sdk_detail::ServerRouteState>(method, route)) {}

std::string_view ServerRoute::method() const noexcept {
  return state_->method;
}

ServerSpan::ServerSpan(const ServerRequest& request, Context&& parent) {
  operation_ = sdk_detail::ServerOperation::find(request.method, request.scheme,
                                                 request.protocol_version, unusual_);
  start(request, std::move(parent));
}

ServerSpan::ServerSpan(const ServerRequest& request, Context&& parent, const ServerRoute& route) {
  operation_ = route.state_->find(request.scheme, request.protocol_version);
  const bool prepared = operation_ != nullptr;
  if (!prepared) {
    operation_ = sdk_detail::ServerOperation::find(request.method, request.scheme,
                                                   request.protocol_version, unusual_);
  }
  start(request, std::move(parent));
  if (!prepared) set_route(route.state_->route);
}

void ServerSpan::start(const ServerRequest& request, Context&& parent) {
  context_ = std::move(parent);
  span_ = sdk_detail::start_span(server_tracer(), operation_->span(), SpanKind::kServer, context_,
                                 {"url.path", request.path});
  stopwatch_.start(span_);
  if (sdk_detail::Record* record = sdk_detail::record_of(span_)) describe(record, request);
  // Last: from here on the span may be reached by others, and every write takes a lock.
  context_.set_span(span_);
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
  if (operation_ == nullptr || (route_.empty() && operation_->route() == route)) return;
  route_ = route;
  span_.set("http.route", route);
  const std::string_view method = operation_->method_in_name();
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
  if (status_code >= 500 && error_type_.empty()) set_error(std::to_string(status_code));
  measure(stopwatch_.stop(span_, {"http.response.status_code", status_code}), status_code);
}

void ServerSpan::end(int status_code) {
  measure(stopwatch_.stop(span_), status_code);
}

void ServerSpan::measure(double seconds, int status_code) {
  if (route_.empty() && error_type_.empty() &&
      operation_->measure(duration_histogram(), seconds, status_code,
                          sdk_detail::words_of(context_))) {
    return;
  }
  const std::string_view route = route_.empty() ? operation_->route() : route_;
  Attribute attributes[6] = {{"http.request.method", operation_->method()},
                             {"url.scheme", operation_->scheme()}};
  std::size_t count = 2;
  if (status_code != 0) attributes[count++] = {"http.response.status_code", status_code};
  if (!route.empty()) attributes[count++] = {"http.route", route};
  if (!error_type_.empty()) attributes[count++] = {"error.type", error_type_};
  if (!operation_->version().empty()) {
    attributes[count++] = {"network.protocol.version", operation_->version()};
  }
  // Under the span's context, so that the histogram's exemplars name this trace.
  const Scope scope(context_);
  duration_histogram().record(seconds, std::span<const Attribute>(attributes, count));
}

}  // namespace weft::inline v1::http
