#include "analysis/span_metrics.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <tuple>
#include <unordered_map>

#include "analysis/name_table.h"
#include "analysis/pending_calls.h"

namespace weft::analysis {
namespace {

constexpr std::array<std::string_view, 3> kConnectionTypes = {"", "messaging_system", "database"};
enum ConnectionType : uint8_t { kPlain, kMessaging, kDatabase };

bool is_caller(uint8_t kind) {
  return kind == static_cast<uint8_t>(SpanKind::kClient) ||
         kind == static_cast<uint8_t>(SpanKind::kProducer);
}
bool is_callee(uint8_t kind) {
  return kind == static_cast<uint8_t>(SpanKind::kServer) ||
         kind == static_cast<uint8_t>(SpanKind::kConsumer);
}

// The value of a string attribute by row, StringPool::kEmpty where there is none.
void fill_strings(const SpanBatch& batch, const AttributeTable& table, std::string_view key,
                  std::vector<StringPool::Id>& by_row) {
  for (const AttributeColumn& column : table.columns) {
    if (column.type != ValueType::kString || batch.strings.at(column.key) != key) continue;
    for (size_t i = 0; i < column.rows.size(); i++) {
      StringPool::Id& target = by_row[column.rows[i]];
      if (target == StringPool::kEmpty) target = column.strings[i];
    }
  }
}

struct GroupKey {
  StringPool::Id service = 0;
  StringPool::Id name = 0;
  uint8_t kind = 0;
  uint8_t status = 0;

  size_t hash() const {
    uint64_t h = (static_cast<uint64_t>(service) << 32 | name) * 0x9E3779B97F4A7C15u;
    h ^= static_cast<uint64_t>(kind << 8 | status) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
  }
  friend bool operator==(const GroupKey&, const GroupKey&) = default;
};

struct Group {
  GroupKey key;
  LatencyCounts latency;
};

// A side of a call as the batch has it: `resource` instead of a service, and a database's name.
struct BatchSide {
  CallSide side;
  uint32_t resource = 0;
  StringPool::Id database = StringPool::kEmpty;
};

// What observe() works in, kept from batch to batch so that nothing is allocated.
struct Scratch {
  std::vector<Group> groups;
  std::vector<uint32_t> slots;            // open addressing: group number + 1
  std::vector<StringPool::Id> services;   // by resource
  std::vector<StringPool::Id> databases;  // by span; empty when the batch has none
  std::vector<BatchSide> sides;
  std::vector<uint32_t> service_ids;  // by resource, in the State's names
  std::string key;

  void clear_groups(size_t rows) {
    groups.clear();
    slots.assign(std::bit_ceil(std::min<size_t>(rows, 4096) * 2 + 2), 0);
  }

  Group& group_of(const GroupKey& group_key) {
    if (groups.size() * 2 >= slots.size()) grow();
    for (size_t at = group_key.hash() & (slots.size() - 1);; at = (at + 1) & (slots.size() - 1)) {
      if (slots[at] == 0) {
        groups.push_back({group_key, {}});
        slots[at] = static_cast<uint32_t>(groups.size());
        return groups.back();
      }
      if (groups[slots[at] - 1].key == group_key) return groups[slots[at] - 1];
    }
  }

 private:
  void grow() {
    slots.assign(slots.size() * 2, 0);
    for (uint32_t i = 0; i < groups.size(); i++) {
      size_t at = groups[i].key.hash() & (slots.size() - 1);
      while (slots[at] != 0)
        at = (at + 1) & (slots.size() - 1);
      slots[at] = i + 1;
    }
  }
};

void find_services(const SpanBatch& batch, Scratch& scratch) {
  scratch.services.assign(batch.resources.size(), StringPool::kEmpty);
  fill_strings(batch, batch.resources.attributes, "service.name", scratch.services);
}

// The names of the databases that spans call, so far as the batch has any.
void find_databases(const SpanBatch& batch, Scratch& scratch) {
  const auto names_database = [&batch](const AttributeColumn& column) {
    const std::string_view key = batch.strings.at(column.key);
    return key == "db.system" || key == "db.system.name";
  };
  scratch.databases.clear();
  if (std::ranges::none_of(batch.attributes.columns, names_database)) return;
  std::vector<StringPool::Id> peers(batch.size());
  fill_strings(batch, batch.attributes, "peer.service", peers);
  fill_strings(batch, batch.attributes, "server.address", peers);
  scratch.databases.assign(batch.size(), StringPool::kEmpty);
  fill_strings(batch, batch.attributes, "db.system.name", scratch.databases);
  fill_strings(batch, batch.attributes, "db.system", scratch.databases);
  for (size_t row = 0; row < batch.size(); row++) {
    StringPool::Id& database = scratch.databases[row];
    if (database != StringPool::kEmpty && peers[row] != StringPool::kEmpty) database = peers[row];
  }
}

void group_spans(const SpanBatch& batch, Scratch& scratch) {
  scratch.clear_groups(batch.size());
  scratch.sides.clear();
  for (size_t row = 0; row < batch.size(); row++) {
    const uint8_t kind = batch.kind[row];
    const uint64_t duration_ns = batch.duration_ns(row);
    const uint8_t status = batch.status_code[row];
    const GroupKey key{scratch.services[batch.resource[row]], batch.name[row], kind, status};
    scratch.group_of(key).latency.add(duration_ns);
    const bool caller = is_caller(kind);
    if (!caller && (!is_callee(kind) || batch.parent_span_id[row].is_zero())) continue;
    BatchSide& out = scratch.sides.emplace_back();
    out.resource = batch.resource[row];
    out.side.key =
        call_key(batch.trace_id[row], caller ? batch.span_id[row] : batch.parent_span_id[row]);
    out.side.duration_ns = duration_ns;
    out.side.is_caller = caller;
    out.side.failed = status == static_cast<uint8_t>(StatusCode::kError);
    out.side.messaging = kind == static_cast<uint8_t>(SpanKind::kProducer) ||
                         kind == static_cast<uint8_t>(SpanKind::kConsumer);
    if (caller && !scratch.databases.empty()) out.database = scratch.databases[row];
  }
}

using Series = SpanMetricsSnapshot::Series;
using Edge = SpanMetricsSnapshot::Edge;

}  // namespace

void LatencyCounts::add(uint64_t duration_ns) {
  count++;
  sum_ns += duration_ns;
  // The first bound that is not below the duration: bounds belong to their bucket.
  const uint64_t steps = duration_ns == 0 ? 0 : (duration_ns - 1) / kFirstBoundNs;
  buckets[std::min<size_t>(std::bit_width(steps), kBounds)]++;
}

void LatencyCounts::merge(const LatencyCounts& other) {
  count += other.count;
  sum_ns += other.sum_ns;
  for (size_t i = 0; i < buckets.size(); i++)
    buckets[i] += other.buckets[i];
}

std::vector<double> LatencyCounts::bounds_s() {
  std::vector<double> out;
  for (size_t i = 0; i < kBounds; i++)
    out.push_back(static_cast<double>(kFirstBoundNs << i) / 1e9);
  return out;
}

struct SpanMetrics::State {
  explicit State(SpanMetricsOptions given) : options(given), pending(given.max_pending_calls) {
    series_overflow.overflow = true;
    edge_overflow.overflow = true;
  }

  void merge_groups(const SpanBatch& batch, Scratch& scratch) {
    for (const Group& group : scratch.groups)
      series_of(batch, group.key, scratch.key).latency.merge(group.latency);
  }

  Series& series_of(const SpanBatch& batch, const GroupKey& group, std::string& key) {
    const std::string_view service = batch.strings.at(group.service);
    const std::string_view name = batch.strings.at(group.name);
    key.assign(service);
    key += '\0';
    key += name;
    key += static_cast<char>(group.kind);
    key += static_cast<char>(group.status);
    if (const auto it = series_by_key.find(std::string_view(key)); it != series_by_key.end())
      return series[it->second];
    if (series.size() >= options.max_series) return series_overflow;
    series_by_key.emplace(key, series.size());
    return series.emplace_back(
        Series{std::string(service), std::string(name), group.kind, group.status, false, {}});
  }

  Edge& edge_of(uint32_t client, uint32_t server, ConnectionType type) {
    const auto key = std::make_tuple(client, server, type);
    if (const auto it = edge_by_key.find(key); it != edge_by_key.end()) return edges[it->second];
    if (edges.size() >= options.max_edges) return edge_overflow;
    edge_by_key.emplace(key, edges.size());
    Edge& edge = edges.emplace_back();
    edge.client = names.name(client);
    edge.server = names.name(server);
    edge.connection_type = kConnectionTypes[type];
    return edge;
  }

  // Services that come after the names are full share one.
  uint32_t name_id(std::string_view name) {
    if (names.size() >= 2 * options.max_edges) name = "<other>";
    return names.id(name.empty() ? std::string_view("<unknown>") : name);
  }

  // Equal resources may stand many times in a batch: a few names are kept at hand.
  void find_service_ids(const SpanBatch& batch, Scratch& scratch) {
    std::array<std::pair<StringPool::Id, uint32_t>, 16> recent{};
    recent.fill({UINT32_MAX, 0});
    size_t next = 0;
    scratch.service_ids.clear();
    for (const StringPool::Id service : scratch.services) {
      auto known = std::ranges::find(recent, service, &std::pair<StringPool::Id, uint32_t>::first);
      if (known == recent.end()) {
        known = recent.begin() + static_cast<ptrdiff_t>(next++ % recent.size());
        *known = {service, name_id(batch.strings.at(service))};
      }
      scratch.service_ids.push_back(known->second);
    }
  }

  void join_calls(const SpanBatch& batch, Scratch& scratch) {
    find_service_ids(batch, scratch);
    constexpr size_t kAhead = 8;
    for (size_t i = 0; i < scratch.sides.size(); i++) {
      if (i + kAhead < scratch.sides.size()) pending.prefetch(scratch.sides[i + kAhead].side.key);
      BatchSide& here = scratch.sides[i];
      here.side.service = scratch.service_ids[here.resource];
      if (here.database != StringPool::kEmpty) {
        count_database_call(here.side, name_id(batch.strings.at(here.database)));
      } else if (const auto other = pending.match(here.side)) {
        count_call(here.side.is_caller ? here.side : *other,
                   here.side.is_caller ? *other : here.side);
      }
    }
  }

  // Databases send no spans: their side is the client's.
  void count_database_call(const CallSide& client, uint32_t database) {
    Edge& edge = edge_of(client.service, database, kDatabase);
    edge.requests++;
    edge.failed += client.failed;
    edge.client_latency.add(client.duration_ns);
    edge.server_latency.add(client.duration_ns);
  }

  void count_call(const CallSide& client, const CallSide& server) {
    const bool messaging = client.messaging || server.messaging;
    Edge& edge = edge_of(client.service, server.service, messaging ? kMessaging : kPlain);
    edge.requests++;
    edge.failed += client.failed || server.failed;
    edge.client_latency.add(client.duration_ns);
    edge.server_latency.add(server.duration_ns);
  }

  struct EdgeKeyHash {
    size_t operator()(const std::tuple<uint32_t, uint32_t, ConnectionType>& key) const {
      const auto& [client, server, type] = key;
      const uint64_t h =
          (static_cast<uint64_t>(client) << 34 | static_cast<uint64_t>(server) << 2 | type) *
          0x9E3779B97F4A7C15u;
      return h ^ h >> 32;
    }
  };

  const SpanMetricsOptions options;
  mutable std::mutex mutex;
  std::unordered_map<std::string, size_t, StringHash, std::equal_to<>> series_by_key;
  std::vector<Series> series;
  Series series_overflow;
  NameTable names;
  std::unordered_map<std::tuple<uint32_t, uint32_t, ConnectionType>, size_t, EdgeKeyHash>
      edge_by_key;
  std::vector<Edge> edges;
  Edge edge_overflow;
  PendingCalls pending;
};

SpanMetrics::SpanMetrics(SpanMetricsOptions options) : state_(std::make_unique<State>(options)) {}
SpanMetrics::~SpanMetrics() = default;

void SpanMetrics::observe(const SpanBatch& batch) {
  if (batch.empty()) return;
  thread_local Scratch scratch;
  find_services(batch, scratch);
  find_databases(batch, scratch);
  group_spans(batch, scratch);
  const std::lock_guard lock(state_->mutex);
  state_->merge_groups(batch, scratch);
  state_->join_calls(batch, scratch);
}

SpanMetricsSnapshot SpanMetrics::snapshot() const {
  SpanMetricsSnapshot out;
  {
    const std::lock_guard lock(state_->mutex);
    out.series = state_->series;
    out.edges = state_->edges;
    out.series.push_back(state_->series_overflow);
    out.edges.push_back(state_->edge_overflow);
    out.unpaired_spans = state_->pending.evicted();
  }
  if (out.series.back().latency.count == 0) out.series.pop_back();
  if (out.edges.back().requests == 0) out.edges.pop_back();
  std::ranges::sort(out.series, {}, [](const Series& s) {
    return std::tuple(s.overflow, std::string_view(s.service), std::string_view(s.span_name),
                      s.kind, s.status_code);
  });
  std::ranges::sort(out.edges, {}, [](const Edge& e) {
    return std::tuple(e.overflow, std::string_view(e.client), std::string_view(e.server),
                      e.connection_type);
  });
  return out;
}

}  // namespace weft::analysis
