#include "analysis/service_map.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <numeric>
#include <tuple>

#include "analysis/duration_histogram.h"
#include "analysis/name_table.h"

namespace weft::analysis {
namespace {

// Of nodes, and of edges, a thread counts no more: names of peers may be addresses without end.
// What comes after them is left out, and the answer says that a limit was reached.
constexpr size_t kMaxCounted = 20'000;

constexpr std::array<std::string_view, 5> kEdgeKinds = {"http", "rpc", "db", "messaging", "other"};

// The columns of the scan, by their place in ScanShape::columns.
enum Column : size_t {
  kService,
  kNamespace,
  kTeam,
  kKind,
  kStatus,
  kDuration,
  kFirstPeer,  // the names of a peer, in the order of preference
  kPeerService = kFirstPeer,
  kServerAddress,
  kNetPeerName,
  kDbSystemName,
  kDbSystem,
  kMessagingSystem,
  kPeerEnd,
  kHttpMethod = kPeerEnd,
  kHttpMethodOld,
  kRpcSystem,
  kColumnEnd,
};

std::vector<ColumnRef> columns() {
  const auto resource = [](const char* key) {
    return ColumnRef::attribute(AttributeScope::kResource, key);
  };
  const auto span = [](const char* key) {
    return ColumnRef::attribute(AttributeScope::kSpan, key);
  };
  return {resource("service.name"),
          resource("service.namespace"),
          resource("team"),
          ColumnRef::of(Intrinsic::kKind),
          ColumnRef::of(Intrinsic::kStatusCode),
          ColumnRef::of(Intrinsic::kDurationNs),
          span("peer.service"),
          span("server.address"),
          span("net.peer.name"),
          span("db.system.name"),
          span("db.system"),
          span("messaging.system"),
          span("http.request.method"),
          span("http.method"),
          span("rpc.system")};
}

struct NodeCounts {
  uint32_t service_namespace = NameTable::kAbsent;
  uint32_t team = NameTable::kAbsent;
  uint64_t spans = 0;
  uint64_t requests = 0;
  uint64_t errors = 0;
  DurationHistogram durations;
};

struct EdgeCounts {
  uint64_t calls = 0;
  uint64_t errors = 0;
  uint64_t client_calls = 0;  // calls with a span of the caller
  uint64_t continued = 0;     // of these
  std::array<uint64_t, kEdgeKinds.size()> kinds{};
  DurationHistogram durations;

  void merge(const EdgeCounts& other) {
    calls += other.calls;
    errors += other.errors;
    client_calls += other.client_calls;
    continued += other.continued;
    for (size_t i = 0; i < kinds.size(); i++)
      kinds[i] += other.kinds[i];
    durations.merge(other.durations);
  }
};

bool is_caller(uint64_t kind) {
  return kind == static_cast<uint64_t>(SpanKind::kClient) ||
         kind == static_cast<uint64_t>(SpanKind::kProducer);
}
bool is_callee(uint64_t kind) {
  return kind == static_cast<uint64_t>(SpanKind::kServer) ||
         kind == static_cast<uint64_t>(SpanKind::kConsumer);
}

// What one thread counts. Edges are kept by caller, the peer's name as the caller has it, and the
// service that continued the call (kAbsent: nobody did).
class Counter {
 public:
  explicit Counter(TimeRange range) : range_(range) {
    for (size_t i = kService; i < kColumnEnd; i++)
      readers_.emplace_back(names);
  }

  void count(const BatchView& view) {
    view_ = &view;
    for (size_t i : {kService, kNamespace, kTeam, kPeerService, kServerAddress, kNetPeerName,
                     kDbSystemName, kDbSystem, kMessagingSystem})
      readers_[i].start_batch(view.column(i));
    const size_t rows = view.batch.rows();
    continued_by_.assign(rows, NameTable::kAbsent);
    continuing_row_.assign(rows, UINT32_MAX);
    wraps_.assign(rows, false);
    for (const uint32_t row : view.rows)
      link_to_parent(row);
    for (const uint32_t row : view.rows)
      mark_wrappers(row);
    for (const uint32_t row : view.rows)
      count_row(row);
  }

  NameTable names;
  std::map<uint32_t, NodeCounts> nodes;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, EdgeCounts> edges;
  bool limit_reached = false;

 private:
  // The entry of the key, or nullptr when it is one too many.
  template <typename Map>
  typename Map::mapped_type* entry(Map& map, const typename Map::key_type& key) {
    const auto found = map.find(key);
    if (found != map.end()) return &found->second;
    if (map.size() < kMaxCounted) return &map[key];
    limit_reached = true;
    return nullptr;
  }

  uint32_t service(size_t row) { return readers_[kService].at(row); }
  uint64_t kind(size_t row) const { return view_->number(kKind, row); }
  bool failed(size_t row) const {
    return view_->number(kStatus, row) == static_cast<uint64_t>(StatusCode::kError);
  }
  int32_t parent(size_t row) const { return view_->batch.parent_row[row]; }

  void link_to_parent(uint32_t row) {
    const int32_t up = parent(row);
    if (up < 0 || !is_caller(kind(up))) return;
    if (!is_callee(kind(row)) && service(row) == service(up)) return;
    if (is_caller(kind(row))) return;
    // The first span that continues a call counts; rows are ordered by start.
    if (continuing_row_[up] != UINT32_MAX) return;
    continuing_row_[up] = row;
    continued_by_[up] = service(row);
  }

  // A caller around a continued caller of the same service is not a call of its own.
  void mark_wrappers(uint32_t row) {
    if (!is_caller(kind(row)) || continuing_row_[row] == UINT32_MAX) return;
    int32_t up = parent(row);
    while (up >= 0 && is_caller(kind(up)) && service(up) == service(row) && !wraps_[up]) {
      wraps_[up] = true;
      up = parent(up);
    }
  }

  void count_row(uint32_t row) {
    if (!range_.contains(view_->batch.start_ns[row])) return;
    const uint32_t own = service(row);
    if (NodeCounts* node = entry(nodes, own)) count_span(row, *node);
    if (is_caller(kind(row))) {
      count_call(row);
    } else if (const int32_t up = parent(row); up >= 0 && !is_caller(kind(up))) {
      if (service(up) != own) count_bare_callee(row, service(up));
    }
  }

  void count_span(uint32_t row, NodeCounts& node) {
    node.spans++;
    if (node.service_namespace == NameTable::kAbsent)
      node.service_namespace = readers_[kNamespace].at(row);
    if (node.team == NameTable::kAbsent) node.team = readers_[kTeam].at(row);
    if (is_callee(kind(row)) || parent(row) == ScanBatch::kRoot) {
      node.requests++;
      node.errors += failed(row);
      node.durations.add(view_->number(kDuration, row));
    }
  }

  void count_call(uint32_t row) {
    const bool continued = continuing_row_[row] != UINT32_MAX;
    if (!continued && wraps_[row]) return;
    const uint32_t peer = peer_name(row);
    if (!continued) {
      if (peer == NameTable::kAbsent) return;
      // The inner part of a call that is counted already: a connect below its request.
      const int32_t up = parent(row);
      if (up >= 0 && is_caller(kind(up)) && service(up) == service(row) &&
          peer_name(up) != NameTable::kAbsent)
        return;
    }
    EdgeCounts* edge = entry(edges, {service(row), peer, continued_by_[row]});
    if (edge == nullptr) return;
    const uint32_t callee = continuing_row_[row];
    edge->calls++;
    edge->client_calls++;
    edge->continued += continued;
    edge->errors += failed(row) || (continued && failed(callee));
    edge->kinds[edge_kind(row)]++;
    const bool waits = kind(row) == static_cast<uint64_t>(SpanKind::kClient) || !continued;
    edge->durations.add(view_->number(kDuration, waits ? row : callee));
  }

  // A span of another service than its parent's, without a caller's span in between.
  void count_bare_callee(uint32_t row, uint32_t from) {
    EdgeCounts* edge = entry(edges, {from, NameTable::kAbsent, service(row)});
    if (edge == nullptr) return;
    edge->calls++;
    edge->errors += failed(row);
    edge->kinds[edge_kind(row)]++;
    edge->durations.add(view_->number(kDuration, row));
  }

  uint32_t peer_name(size_t row) {
    for (size_t i = kFirstPeer; i < kPeerEnd; i++) {
      if (const uint32_t name = readers_[i].at(row); name != NameTable::kAbsent) return name;
    }
    return NameTable::kAbsent;
  }

  size_t edge_kind(size_t row) const {
    if (view_->has(kDbSystemName, row) || view_->has(kDbSystem, row)) return 2;
    if (view_->has(kMessagingSystem, row)) return 3;
    if (view_->has(kRpcSystem, row)) return 1;
    if (view_->has(kHttpMethod, row) || view_->has(kHttpMethodOld, row)) return 0;
    return 4;
  }

  TimeRange range_;
  const BatchView* view_ = nullptr;
  std::vector<NameColumn> readers_;
  std::vector<uint32_t> continued_by_;    // service, by the caller's row
  std::vector<uint32_t> continuing_row_;  // by the caller's row; UINT32_MAX: nobody
  std::vector<bool> wraps_;
};

struct EdgeKey {
  std::string from, peer, to;
  friend auto operator<=>(const EdgeKey&, const EdgeKey&) = default;
};

struct Merged {
  struct Node {
    std::string service_namespace, team;
    NodeCounts counts;
  };
  std::map<std::string, Node> nodes;
  std::map<EdgeKey, EdgeCounts> edges;
  bool limit_reached = false;
};

Merged merge(std::deque<Counter>& counters) {
  Merged all;
  for (Counter& counter : counters) {
    const NameTable& names = counter.names;
    all.limit_reached = all.limit_reached || counter.limit_reached;
    for (auto& [id, counts] : counter.nodes) {
      Merged::Node& node = all.nodes[names.name(id)];
      // The smallest name wins, so that the answer does not depend on the threads.
      const auto keep = [&names](std::string& target, uint32_t name_id) {
        const std::string& name = names.name(name_id);
        if (!name.empty() && (target.empty() || name < target)) target = name;
      };
      keep(node.service_namespace, counts.service_namespace);
      keep(node.team, counts.team);
      node.counts.spans += counts.spans;
      node.counts.requests += counts.requests;
      node.counts.errors += counts.errors;
      node.counts.durations.merge(counts.durations);
    }
    for (auto& [key, counts] : counter.edges) {
      const auto& [from, peer, to] = key;
      all.edges[{names.name(from), names.name(peer), names.name(to)}].merge(counts);
    }
  }
  return all;
}

// Where calls to a peer's name lead when nobody continues them: to the service that continues
// most of the calls to that name, or of that name.
std::map<std::string, std::string> resolve_peers(const Merged& all) {
  std::map<std::string, std::map<std::string, uint64_t>> seen;
  for (const auto& [key, counts] : all.edges) {
    if (!key.peer.empty() && !key.to.empty()) seen[key.peer][key.to] += counts.continued;
  }
  std::map<std::string, std::string> out;
  for (const auto& [peer, services] : seen) {
    const auto best =
        std::ranges::max_element(services, {}, [](const auto& entry) { return entry.second; });
    out[peer] = best->first;
  }
  for (const auto& [name, node] : all.nodes)
    out[name] = name;
  return out;
}

void fill_percentiles(const DurationHistogram& durations, auto& out) {
  out.p50_ns = durations.quantile(0.5);
  out.p95_ns = durations.quantile(0.95);
  out.p99_ns = durations.quantile(0.99);
}

ServiceEdge to_edge(const std::pair<std::string, std::string>& ends, const EdgeCounts& counts,
                    double seconds) {
  ServiceEdge edge;
  edge.from = ends.first;
  edge.to = ends.second;
  const auto kind = std::ranges::max_element(counts.kinds);
  edge.kind = kEdgeKinds[static_cast<size_t>(kind - counts.kinds.begin())];
  edge.calls = counts.calls;
  edge.errors = counts.errors;
  edge.rate = static_cast<double>(counts.calls) / seconds;
  edge.continued_share = counts.client_calls == 0 ? 1
                                                  : static_cast<double>(counts.continued) /
                                                        static_cast<double>(counts.client_calls);
  fill_percentiles(counts.durations, edge);
  return edge;
}

// Leaves the `limit` entries with the highest number (the first ones among equals), in their order.
template <typename T, typename Number>
bool cut(std::vector<T>& entries, size_t limit, Number number) {
  if (entries.size() <= limit) return false;
  std::vector<size_t> order(entries.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return number(entries[i]); });
  order.resize(limit);
  std::ranges::sort(order);
  std::vector<T> kept;
  for (const size_t i : order)
    kept.push_back(std::move(entries[i]));
  entries = std::move(kept);
  return true;
}

ServiceMap build(const Merged& all, const Ownership& ownership, TimeRange range) {
  ServiceMap map;
  map.range = range;
  const double seconds = seconds_of(range);
  const auto services = resolve_peers(all);
  std::map<std::pair<std::string, std::string>, EdgeCounts> edges;
  std::map<std::string, EdgeCounts> virtual_nodes;
  for (const auto& [key, counts] : all.edges) {
    std::string to = key.to;
    if (to.empty()) {
      const auto known = services.find(key.peer);
      to = known != services.end() ? known->second : key.peer;
    }
    edges[{key.from, to}].merge(counts);
    if (!all.nodes.contains(to)) virtual_nodes[to].merge(counts);
  }
  for (const auto& [ends, counts] : edges)
    map.edges.push_back(to_edge(ends, counts, seconds));
  for (const auto& [name, merged] : all.nodes) {
    ServiceNode node;
    node.service = name;
    node.owner = ownership.owner_of(name, merged.service_namespace, merged.team);
    node.spans = merged.counts.spans;
    node.requests = merged.counts.requests;
    node.errors = merged.counts.errors;
    node.rate = static_cast<double>(node.requests) / seconds;
    fill_percentiles(merged.counts.durations, node);
    map.nodes.push_back(std::move(node));
  }
  for (const auto& [name, counts] : virtual_nodes) {
    ServiceNode node;
    node.service = name;
    node.owner = ownership.owner_of(name);
    node.is_virtual = true;
    node.requests = counts.calls;
    node.errors = counts.errors;
    node.rate = static_cast<double>(counts.calls) / seconds;
    fill_percentiles(counts.durations, node);
    map.nodes.push_back(std::move(node));
  }
  std::ranges::sort(map.nodes, {}, &ServiceNode::service);
  const bool cut_nodes = cut(map.nodes, ServiceMap::kMaxNodes,
                             [](const ServiceNode& node) { return node.spans + node.requests; });
  const bool cut_edges =
      cut(map.edges, ServiceMap::kMaxEdges, [](const ServiceEdge& edge) { return edge.calls; });
  map.limit_reached = cut_nodes || cut_edges || all.limit_reached;
  return map;
}

}  // namespace

Expected<ServiceMap> service_map(const AnalysisRequest& request, const Ownership& ownership) {
  const TimeRange range = bounded_range(request);
  std::deque<Counter> counters;  // whose elements stay where they are
  for (unsigned i = 0; i < request.workers(); i++)
    counters.emplace_back(range);
  ScanShape shape;
  shape.columns = columns();
  shape.whole_traces = true;
  WEFT_TRY(scan_spans(request, range, shape, [&counters](unsigned worker, const BatchView& view) {
    counters[worker].count(view);
  }));
  Merged all = merge(counters);
  return build(all, ownership, range);
}

}  // namespace weft::analysis
