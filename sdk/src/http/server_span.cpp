#include <weft/http/server_span.h>

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <weft/http/semantics.h>
#include <weft/metrics.h>
#include <weft/tracer.h>
#include <weft/version.h>

#include "../exception_text.h"
#include "../provider_core.h"
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

// What follows is apart from the function that calls it so that what every request needs lies close
// together: between two requests the kernel takes most of the processor's first-level caches.
[[gnu::noinline, gnu::cold]] void describe_unknown_host(sdk_detail::Record* record,
                                                        std::string_view text) {
  FreshAttributes attributes(record);
  const sdk_detail::HostPort host = sdk_detail::split_host(text);
  attributes.text<"server.address">(host.host);
  if (host.port != 0) attributes.number<"server.port">(host.port);
}

[[gnu::noinline, gnu::cold]] void describe_peer(sdk_detail::Record* record,
                                                const ServerRequest& request,
                                                const sdk_detail::ServerPeerState* prepared) {
  const bool given = prepared == nullptr || !request.peer_address.empty();
  const std::string_view address = given ? request.peer_address : prepared->address;
  const int port = given ? request.peer_port : prepared->port;
  FreshAttributes attributes(record);
  if (!address.empty()) {
    attributes.text<"network.peer.address">(address);
    if (port != 0) attributes.number<"network.peer.port">(port);
  }
  const std::string_view client = request.client_address.empty() ? address : request.client_address;
  if (!client.empty()) attributes.text<"client.address">(client);
}

[[gnu::noinline]] void describe_query(sdk_detail::Record* record, std::string_view query) {
  FreshAttributes(record).text<"url.query">(redact_query(query));
}
[[gnu::noinline]] void describe_user_agent(sdk_detail::Record* record, std::string_view agent) {
  FreshAttributes(record).text<"user_agent.original">(agent);
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
  return state_ != nullptr && state_->is(address, port);
}

void ServerPeer::prefetch() const noexcept {
  const char* const state = reinterpret_cast<const char*>(state_.get());
  constexpr std::size_t kLine = 64;
  if (state == nullptr) return;
  for (std::size_t at = 0; at < sizeof(sdk_detail::ServerPeerState); at += kLine)
    __builtin_prefetch(state + at);
}

// The process has it for what is usual, else it is the span's own.
const sdk_detail::ServerOperation* ServerSpan::find_operation_slowly(const ServerRequest& request,
                                                                     Extra& extra) {
  std::shared_ptr<const sdk_detail::ServerOperation> own;
  const auto* found = sdk_detail::ServerOperation::find(request.method, request.scheme,
                                                        request.protocol_version, own);
  if (own != nullptr) {
    extra.reset(new sdk_detail::ServerSpanExtra);
    extra->operation = std::move(own);
  }
  return found;
}

inline const sdk_detail::ServerOperation* ServerSpan::find_operation(const ServerRequest& request,
                                                                     const ServerRoute* route,
                                                                     Extra& extra) {
  if (route != nullptr) {
    const auto* found = route->state_->find(request.scheme, request.protocol_version);
    if (found != nullptr) [[likely]]
      return found;
  }
  return find_operation_slowly(request, extra);
}

inline Span ServerSpan::start_span(const ServerRequest& request) const {
  return sdk_detail::start_span(server_tracer(), operation_->span_at(request.host),
                                SpanKind::kServer, context_, {"url.path", request.path});
}

ServerSpan::ServerSpan(const ServerRequest& request, Context&& parent)
    : operation_(find_operation(request, nullptr, extra_)),
      context_(std::move(parent)),
      span_(start_span(request)) {
  describe(request, nullptr);
}

ServerSpan::ServerSpan(const ServerRequest& request, Context&& parent, const ServerRoute& route)
    : operation_(find_operation(request, &route, extra_)),
      context_(std::move(parent)),
      span_(start_span(request)) {
  describe(request, &route);
}

ServerSpan::ServerSpan(const ServerRequest& request, const sdk_detail::W3cHeaders& headers,
                       const sdk_detail::GlobalFormats& formats, const ServerRoute* route)
    : operation_(find_operation(request, route, extra_)),
      context_(headers.extract(formats)),
      span_(start_span(request)) {
  describe(request, route);
}

// What the conventions ask for beyond what the operation has.
void ServerSpan::describe(const ServerRequest& request, const ServerRoute* route) {
  stopwatch_.start(span_);
  if (sdk_detail::Record* record = sdk_detail::SpanFactory::record_of(span_)) {
    FreshAttributes(record).text<"url.path">(request.path);
    if (!request.query.empty()) describe_query(record, request.query);
    constexpr std::uint32_t kServerAddress = sdk_detail::signature_of("server.address");
    if (!sdk_detail::may_be_set(*record, kServerAddress) && !request.host.empty()) [[unlikely]] {
      const sdk_detail::HostBlock* const known = sdk_detail::find_host(request.host);
      if (known == nullptr || !known->put(record)) [[unlikely]]
        describe_unknown_host(record, request.host);
    }
    if (!request.user_agent.empty()) describe_user_agent(record, request.user_agent);
    const auto* peer = request.peer == nullptr ? nullptr : request.peer->state_.get();
    if (peer == nullptr || !request.client_address.empty() ||
        !(request.peer_address.empty() || peer->is(request.peer_address, request.peer_port)) ||
        !peer->attributes.put(record)) [[unlikely]] {
      describe_peer(record, request, peer);
    }
  }
  // Last: from here on the span may be reached by others, and every write takes a lock.
  context_.set_span(span_);
  // It has the route or, when something about the request is unusual, none.
  if (route != nullptr && operation_->route().size() != route->state_->route.size()) [[unlikely]] {
    set_route(route->state_->route);
  }
}

sdk_detail::ServerSpanExtra& ServerSpan::extra() {
  if (extra_ == nullptr) extra_.reset(new sdk_detail::ServerSpanExtra);
  return *extra_;
}

ServerSpan& ServerSpan::operator=(ServerSpan&& other) noexcept {
  if (this == &other) return *this;
  this->~ServerSpan();
  return *new (this) ServerSpan(std::move(other));
}

void ServerSpan::abandon() noexcept {
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

void ServerSpan::set_current_exception() {
  sdk_detail::let_forced_unwinding_go_on();
  const sdk_detail::ExceptionText text = sdk_detail::current_exception_text();
  span_.record_current_exception();
  set_error(text.type, text.message);
}

void ServerSpan::finish(int status_code) {
  if (!stopwatch_.running()) return;
  if (status_code >= 500 && (extra_ == nullptr || extra_->error_type.empty())) {
    set_error(std::to_string(status_code));
  }
  measure(stopwatch_.stop(span_, status_code), status_code);
}

void ServerSpan::measure(const sdk_detail::Stopwatch::Stopped& stopped, int status_code) {
  const bool usual = extra_ == nullptr || (extra_->route.empty() && extra_->error_type.empty());
  if (!usual || !operation_->measure(duration_histogram(), stopped, status_code,
                                     sdk_detail::words_of(context_))) [[unlikely]] {
    measure_by_attributes(stopped, status_code);
  }
}

void ServerSpan::measure_by_attributes(const sdk_detail::Stopwatch::Stopped& stopped,
                                       int status_code) {
  const std::string_view error_type = extra_ == nullptr ? std::string_view() : extra_->error_type;
  std::string_view route = extra_ == nullptr ? std::string_view() : extra_->route;
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
