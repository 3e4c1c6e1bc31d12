#include <weft/http/server_span.h>

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <weft/http/semantics.h>
#include <weft/metrics.h>
#include <weft/tracer.h>
#include <weft/version.h>

#include "../span_template.h"
#include "server_attributes.h"
#include "server_operation.h"

namespace weft::sdk_detail {

struct ServerSpanExtra {
  std::shared_ptr<const ServerOperation> operation;  // of its own
  std::string route;                                 // of set_route()
  std::string error_type;
};

void DeleteServerSpanExtra::operator()(ServerSpanExtra* extra) const noexcept {
  delete extra;
}

}  // namespace weft::sdk_detail

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

using sdk_detail::FreshAttributes;

void describe_host(sdk_detail::Record* record, std::string_view text) {
  const sdk_detail::HostBlock* known = sdk_detail::find_host(text);
  if (known != nullptr && known->put(record)) return;
  FreshAttributes attributes(record);
  const sdk_detail::HostPort host = sdk_detail::split_host(text);
  attributes.text<"server.address">(host.host);
  if (host.port != 0) attributes.number<"server.port">(host.port);
}

void describe_peer(sdk_detail::Record* record, std::string_view address, int port,
                   std::string_view client) {
  FreshAttributes attributes(record);
  if (!address.empty()) {
    attributes.text<"network.peer.address">(address);
    if (port != 0) attributes.number<"network.peer.port">(port);
  }
  if (client.empty()) client = address;
  if (!client.empty()) attributes.text<"client.address">(client);
}

// What the conventions ask for beyond what the operation and the peer have. Nobody else reaches the
// record yet.
void describe(sdk_detail::Record* record, const ServerRequest& request) {
  FreshAttributes attributes(record);
  attributes.text<"url.path">(request.path);
  if (!request.query.empty()) attributes.text<"url.query">(redact_query(request.query));
  if (!request.host.empty()) describe_host(record, request.host);
  if (!request.user_agent.empty()) attributes.text<"user_agent.original">(request.user_agent);
}

}  // namespace

ServerRoute::ServerRoute(std::string_view method, std::string_view route)
    : state_(std::make_shared<sdk_detail::ServerRouteState>(method, route)) {}

std::string_view ServerRoute::method() const noexcept {
  return state_->method;
}

ServerPeer::ServerPeer(std::string_view address, int port)
    : state_(std::make_shared<const sdk_detail::ServerPeerState>(address, port)) {}

bool ServerPeer::is(std::string_view address, int port) const noexcept {
  return state_ != nullptr && state_->port == port && state_->address == address;
}

void ServerPeer::prefetch() const noexcept {
  const char* const state = reinterpret_cast<const char*>(state_.get());
  constexpr std::size_t kLine = 64;
  if (state == nullptr) return;
  for (std::size_t at = 0; at < sizeof(sdk_detail::ServerPeerState); at += kLine)
    __builtin_prefetch(state + at);
}

const sdk_detail::ServerOperation* ServerSpan::find_operation(const ServerRequest& request,
                                                              const ServerRoute* route,
                                                              Extra& extra) {
  if (route != nullptr) {
    const auto* found = route->state_->find(request.scheme, request.protocol_version);
    if (found != nullptr) return found;
  }
  std::shared_ptr<const sdk_detail::ServerOperation> own;
  const auto* found = sdk_detail::ServerOperation::find(request.method, request.scheme,
                                                        request.protocol_version, own);
  if (own != nullptr) {
    extra.reset(new sdk_detail::ServerSpanExtra);
    extra->operation = std::move(own);
  }
  return found;
}

ServerSpan::ServerSpan(const ServerRequest& request, Context&& parent)
    : operation_(find_operation(request, nullptr, extra_)),
      context_(std::move(parent)),
      span_(sdk_detail::start_span(server_tracer(), operation_->span(), SpanKind::kServer, context_,
                                   {"url.path", request.path})) {
  start(request);
}

ServerSpan::ServerSpan(const ServerRequest& request, Context&& parent, const ServerRoute& route)
    : operation_(find_operation(request, &route, extra_)),
      context_(std::move(parent)),
      span_(sdk_detail::start_span(server_tracer(), operation_->span(), SpanKind::kServer, context_,
                                   {"url.path", request.path})) {
  start(request);
  // It has this route or, when something about the request is unusual, none.
  if (operation_->route().size() != route.state_->route.size()) set_route(route.state_->route);
}

void ServerSpan::start(const ServerRequest& request) {
  stopwatch_.start(span_);
  if (sdk_detail::Record* record = sdk_detail::record_of(span_)) {
    describe(record, request);
    const auto* known = request.peer == nullptr ? nullptr : request.peer->state_.get();
    if (known == nullptr) {
      describe_peer(record, request.peer_address, request.peer_port, request.client_address);
    } else if (!request.client_address.empty() || !known->attributes.put(record)) {
      describe_peer(record, known->address, known->port, request.client_address);
    }
  }
  // Last: from here on the span may be reached by others, and every write takes a lock.
  context_.set_span(span_);
}

sdk_detail::ServerSpanExtra& ServerSpan::extra() {
  if (extra_ == nullptr) extra_.reset(new sdk_detail::ServerSpanExtra);
  return *extra_;
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
  measure(stopwatch_.stop(span_), 0);
}

void ServerSpan::set_route(std::string_view route) {
  if (operation_ == nullptr) return;
  const bool renamed = extra_ != nullptr && !extra_->route.empty();
  if (!renamed && operation_->route() == route) return;
  extra().route = route;
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

void ServerSpan::set_route(const ServerRoute& route) {
  if (operation_ == nullptr) return;
  const bool named = !operation_->route().empty() || (extra_ != nullptr && !extra_->route.empty());
  const auto* found = named || operation_->raw_method() != route.method()
                          ? nullptr
                          : route.state_->find(operation_->scheme(), operation_->version());
  if (found == nullptr) return set_route(route.state_->route);
  operation_ = found;
  span_.set("http.route", found->route());
  span_.update_name(found->span().name());
}

void ServerSpan::set_error(std::string_view type, std::string_view message) {
  extra().error_type = type;
  span_.set("error.type", type);
  span_.set_status(StatusCode::kError, message);
}

void ServerSpan::finish(int status_code) {
  if (!stopwatch_.running()) return;
  if (status_code >= 500 && (extra_ == nullptr || extra_->error_type.empty())) {
    set_error(std::to_string(status_code));
  }
  measure(stopwatch_.stop(span_, {"http.response.status_code", status_code}), status_code);
}

void ServerSpan::measure(const sdk_detail::Stopwatch::Stopped& stopped, int status_code) {
  const std::string_view error_type = extra_ == nullptr ? std::string_view() : extra_->error_type;
  std::string_view route = extra_ == nullptr ? std::string_view() : extra_->route;
  if (route.empty() && error_type.empty() &&
      operation_->measure(duration_histogram(), stopped, status_code,
                          sdk_detail::words_of(context_))) {
    return;
  }
  if (route.empty()) route = operation_->route();
  Attribute attributes[6] = {{"http.request.method", operation_->method()},
                             {"url.scheme", operation_->scheme()}};
  std::size_t count = 2;
  if (status_code != 0) attributes[count++] = {"http.response.status_code", status_code};
  if (!route.empty()) attributes[count++] = {"http.route", route};
  if (!error_type.empty()) attributes[count++] = {"error.type", error_type};
  if (!operation_->version().empty()) {
    attributes[count++] = {"network.protocol.version", operation_->version()};
  }
  // Under the span's context, so that the histogram's exemplars name this trace.
  const Scope scope(context_);
  duration_histogram().record(stopped.seconds, std::span<const Attribute>(attributes, count));
}

}  // namespace weft::inline v1::http
