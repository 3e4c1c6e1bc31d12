// What a server knows of a request before it looks at more than the request line: method, scheme,
// version of the protocol and, with prepared routes, the route. There are few such combinations,
// so each has its span's beginning encoded, and remembers the cells of the duration histogram that
// its answers are counted in.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <weft/context.h>
#include <weft/http/short_text.h>
#include <weft/http/stopwatch.h>
#include <weft/metrics.h>

#include "../metrics/instrument.h"
#include "../span_template.h"

namespace weft::sdk_detail {

// A number below 10 for the usual schemes and versions, else -1.
inline int combination(std::string_view scheme, std::string_view version) noexcept {
  int at = 0;
  if (is_same(scheme, "https")) {
    at = 5;
  } else if (!is_same(scheme, "http")) {
    return -1;
  }
  if (is_same(version, "1.1")) return at;
  if (version == "2") return at + 1;
  if (version == "1.0") return at + 2;
  if (version == "3") return at + 3;
  return version.empty() ? at + 4 : -1;
}

// Any thread may use it.
class ServerOperation {
 public:
  // `method` as the request spells it.
  ServerOperation(std::string_view method, std::string_view scheme, std::string_view version,
                  std::string_view route);
  ServerOperation(const ServerOperation&) = delete;
  ServerOperation& operator=(const ServerOperation&) = delete;
  ~ServerOperation();

  // The operation without a route: the process's own for what is usual, else a new one in `own`.
  static const ServerOperation* find(std::string_view method, std::string_view scheme,
                                     std::string_view version,
                                     std::shared_ptr<const ServerOperation>& own);

  const SpanTemplate& span() const noexcept { return span_; }
  // The same with what a Host header says, server.address and server.port, when that is the host
  // which came first: nearly all servers have one. Spans may lack it nevertheless.
  const SpanTemplate& span_at(std::string_view host) const noexcept {
    const AtHost* const known = at_host_.load(std::memory_order_acquire);
    if (known == nullptr) [[unlikely]]
      return learn_host(host);
    return is_same(known->host, host) ? known->span : span_;
  }
  const std::string& raw_method() const noexcept { return raw_method_; }
  const std::string& method() const noexcept { return method_; }  // "_OTHER" when it is unknown
  const std::string& scheme() const noexcept { return scheme_; }
  const std::string& version() const noexcept { return version_; }
  const std::string& route() const noexcept { return route_; }
  // The method in a span's name.
  std::string_view method_in_name() const noexcept {
    return method_ == "_OTHER" ? std::string_view("HTTP") : std::string_view(method_);
  }
  bool is(std::string_view method, std::string_view scheme,
          std::string_view version) const noexcept {
    return method == raw_method_ && scheme == scheme_ && version == version_;
  }

  // Counts an answer without an error in the histogram. False when this combination has to go the
  // long way.
  bool measure(const Histogram<double>& histogram, const Stopwatch::Stopped& stopped,
               int status_code, const ContextWords& context) const noexcept;

 private:
  struct AtHost {
    std::string host;  // the header
    SpanTemplate span;
  };
  [[gnu::cold]] const SpanTemplate& learn_host(std::string_view host) const noexcept;
  // Immutable once it is seen; freed with the operation.
  struct Cell {
    const InstrumentState* state;
    int status_code;
    MetricCell* cell;
    Cell* replaced = nullptr;  // of a provider that was global before
  };
  static constexpr std::size_t kCells = 8;
  [[gnu::cold]] MetricCell* make_cell(const Histogram<double>& histogram,
                                      const InstrumentState* state, std::atomic<Cell*>& slot,
                                      int status_code) const noexcept;

  const std::string raw_method_, method_, scheme_, version_, route_;
  const SpanTemplate span_;
  mutable std::atomic<const AtHost*> at_host_{nullptr};
  mutable std::array<std::atomic<Cell*>, kCells> cells_{};
};

// The operations of one prepared route, made when they are first asked for.
struct ServerRouteState {
  ServerRouteState(std::string_view method_of_requests, std::string_view route_template)
      : method(method_of_requests), route(route_template) {}
  ~ServerRouteState();
  // Null when scheme or version are unusual, or memory is short.
  const ServerOperation* find(std::string_view scheme, std::string_view version) noexcept {
    const int which = combination(scheme, version);
    if (which >= 0) [[likely]] {
      const ServerOperation* const found =
          operations_[static_cast<std::size_t>(which)].load(std::memory_order_acquire);
      if (found != nullptr) [[likely]]
        return found;
    }
    return make(scheme, version, which);
  }

  const std::string method;
  const std::string route;

 private:
  [[gnu::cold]] const ServerOperation* make(std::string_view scheme, std::string_view version,
                                            int which) noexcept;
  std::array<std::atomic<const ServerOperation*>, 2 * 5> operations_{};
};

}  // namespace weft::sdk_detail
