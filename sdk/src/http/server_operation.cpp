#include "server_operation.h"

#include <exception>
#include <new>
#include <utility>
#include <vector>

#include <weft/http/semantics.h>

#include "../clock.h"
#include "server_attributes.h"

namespace weft::sdk_detail {
namespace {

SpanTemplate make_template(std::string_view raw_method, std::string_view scheme,
                           std::string_view version, std::string_view route) {
  const http::Method method = http::classify_method(raw_method);
  std::string name(method.in_span_name());
  if (!route.empty()) name.append(" ").append(route);
  std::vector<std::pair<std::string, std::string>> attributes;
  attributes.emplace_back("http.request.method", method.name);
  attributes.emplace_back("url.scheme", scheme);
  if (!method.original.empty()) {
    attributes.emplace_back("http.request.method_original", method.original);
  }
  if (!version.empty()) attributes.emplace_back("network.protocol.version", version);
  if (!route.empty()) attributes.emplace_back("http.route", route);
  return {std::move(name), std::move(attributes)};
}

}  // namespace

ServerOperation::ServerOperation(std::string_view method, std::string_view scheme,
                                 std::string_view version, std::string_view route)
    : raw_method_(method),
      method_(http::classify_method(method).name),
      scheme_(scheme),
      version_(version),
      route_(route),
      span_(make_template(method, scheme, version, route)) {}

ServerOperation::~ServerOperation() {
  delete at_host_.load(std::memory_order_relaxed);
  for (std::atomic<Cell*>& slot : cells_) {
    Cell* cell = slot.load(std::memory_order_relaxed);
    while (cell != nullptr)
      delete std::exchange(cell, cell->replaced);
  }
}

const SpanTemplate& ServerOperation::learn_host(std::string_view host) const noexcept {
  constexpr std::size_t kMaxBytes = 64;
  constexpr std::string_view kNoHost = "\n";  // like no header
  if (host.empty() || host.size() > kMaxBytes) return span_;
  try {
    const HostAttributes attributes(split_host(host));
    auto made = std::make_unique<AtHost>(
        AtHost{std::string(host), {span_.name(), span_.attributes(), attributes.view()}});
    if (!made->span.usable()) made->host = kNoHost;
    const AtHost* known = nullptr;
    if (at_host_.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) {
      return made.release()->span;
    }
  } catch (const std::exception&) {
    // As if it were not known.
  }
  return span_;
}

const ServerOperation* ServerOperation::find(std::string_view method, std::string_view scheme,
                                             std::string_view version,
                                             std::shared_ptr<const ServerOperation>& own) {
  // Bounded, though the names of methods come from outside: only known ones are kept, and no more
  // than there is room for.
  constexpr std::size_t kSlots = 128;
  static constinit std::array<std::atomic<const ServerOperation*>, kSlots> table{};
  const int which = combination(scheme, version);
  if (which >= 0 && !method.empty()) {
    const std::size_t hash = static_cast<std::size_t>(which) * 11 + method.size() * 3 +
                             static_cast<unsigned char>(method.back());
    for (std::size_t i = 0; i < 8; ++i) {
      std::atomic<const ServerOperation*>& slot = table[(hash + i) % kSlots];
      const ServerOperation* found = slot.load(std::memory_order_acquire);
      if (found == nullptr) {
        if (!http::classify_method(method).original.empty()) break;
        auto made = std::make_unique<const ServerOperation>(method, scheme, version, "");
        if (slot.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel)) {
          return made.release();
        }
      }
      if (found->is(method, scheme, version)) return found;
    }
  }
  own = std::make_shared<const ServerOperation>(method, scheme, version, "");
  return own.get();
}

bool ServerOperation::measure(const Histogram<double>& histogram, const Stopwatch::Stopped& stopped,
                              int status_code, const ContextWords& context) const noexcept {
  const InstrumentState* state = state_of(InstrumentAccess::handle_of(histogram));
  if (state == nullptr) return true;
  std::atomic<Cell*>& slot = cells_[static_cast<unsigned>(status_code) % kCells];
  const Cell* kept = slot.load(std::memory_order_acquire);
  MetricCell* cell = kept != nullptr && kept->state == state && kept->status_code == status_code
                         ? kept->cell
                         : make_cell(histogram, state, slot, status_code);
  if (cell == nullptr) return false;
  record_under(*cell, stopped.seconds, to_wall_ns(stopped.at_ns), context);
  return true;
}

MetricCell* ServerOperation::make_cell(const Histogram<double>& histogram,
                                       const InstrumentState* state, std::atomic<Cell*>& slot,
                                       int status_code) const noexcept {
  Cell* kept = slot.load(std::memory_order_acquire);
  // The first status to come keeps the slot.
  if (kept != nullptr && (kept->state == state || kept->status_code != status_code)) return nullptr;
  Attribute attributes[5] = {{"http.request.method", method_}, {"url.scheme", scheme_}};
  std::size_t count = 2;
  if (status_code != 0) attributes[count++] = {"http.response.status_code", status_code};
  if (!route_.empty()) attributes[count++] = {"http.route", route_};
  if (!version_.empty()) attributes[count++] = {"network.protocol.version", version_};
  MetricCell* cell = sdk_detail::bind(InstrumentAccess::handle_of(histogram),
                                      std::span<const Attribute>(attributes, count));
  // A provider that became global meanwhile must not be taken for the one before.
  if (cell == nullptr || cell->owner != state) return nullptr;
  auto* made = new (std::nothrow) Cell{state, status_code, cell, kept};
  if (made != nullptr && !slot.compare_exchange_strong(kept, made, std::memory_order_acq_rel)) {
    delete made;
  }
  return cell;
}

ServerRouteState::~ServerRouteState() {
  for (std::atomic<const ServerOperation*>& operation : operations_)
    delete operation.load(std::memory_order_relaxed);
}

const ServerOperation* ServerRouteState::make(std::string_view scheme, std::string_view version,
                                              int which) noexcept {
  if (which < 0) return nullptr;
  std::atomic<const ServerOperation*>& slot = operations_[static_cast<std::size_t>(which)];
  const ServerOperation* found = nullptr;
  try {
    auto made = std::make_unique<const ServerOperation>(method, scheme, version, route);
    if (slot.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel)) {
      return made.release();
    }
    return found;
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace weft::sdk_detail
