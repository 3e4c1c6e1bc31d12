#include "analysis/span_metrics.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <span>
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

// What series are told apart by, as two numbers: the service by its number in the State's names,
// the name by its own there or, while spans are grouped, by the batch's.
struct SeriesKey {
  uint64_t names = 0;
  uint32_t kind_and_status = 0;

  SeriesKey(uint32_t service, uint32_t name, uint8_t kind, uint8_t status)
      : names(static_cast<uint64_t>(service) << 32 | name),
        kind_and_status(static_cast<uint32_t>(kind << 8 | status)) {}
  uint32_t service() const { return static_cast<uint32_t>(names >> 32); }
  uint32_t name() const { return static_cast<uint32_t>(names); }
  uint8_t kind() const { return static_cast<uint8_t>(kind_and_status >> 8); }
  uint8_t status() const { return static_cast<uint8_t>(kind_and_status); }
};

// Numbers keys in the order of their first appearance. What is compared stands in the table itself.
class SeriesKeys {
 public:
  SeriesKeys() { resize(kMinSlots); }
  void clear() {
    // As small as the last use allows: what is written anew stays near.
    resize(std::bit_ceil(std::clamp<size_t>(size_t{size_} * 4, kMinSlots, 8192)));
    size_ = 0;
  }
  // The key's number. A new one gets the next number, from 0, or kNone when it may not be added.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t find(const SeriesKey& key, bool may_add = true) {
    for (size_t at = place(key.names, key.kind_and_status);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.names == key.names && slot.kind_and_status == key.kind_and_status) [[likely]] {
        return slot.number;
      }
      if (slot.kind_and_status != kFree) continue;
      if (!may_add) return kNone;
      slot = {key.names, key.kind_and_status, size_};
      if (size_t{++size_} * 2 > slots_.size()) grow();
      return size_ - 1;
    }
  }

 private:
  static constexpr size_t kMinSlots = 128;
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Slot {
    uint64_t names = 0;
    uint32_t kind_and_status = kFree;
    uint32_t number = 0;
  };

  size_t place(uint64_t names, uint32_t kind_and_status) const {
    return ((names ^ kind_and_status * 0xD6E8FEB86659FD93u) * 0x9E3779B97F4A7C15u) >> shift_;
  }
  void resize(size_t slots) {
    slots_.assign(slots, Slot{});
    shift_ = 64 - std::countr_zero(slots);
  }
  void grow() {
    const std::vector<Slot> old = slots_;
    resize(old.size() * 2);
    for (const Slot& slot : old) {
      if (slot.kind_and_status == kFree) continue;
      size_t at = place(slot.names, slot.kind_and_status);
      while (slots_[at].kind_and_status != kFree)
        at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;  // open addressing, at most half full
  uint32_t size_ = 0;
  int shift_ = 0;  // of a hash to an index in slots_
};

// The spans of one service, name, kind and status in a batch.
struct Group {
  SeriesKey key;  // with the batch's number of the name
  LatencyCounts latency;
};

// A side of a call as the batch has it: `resource` instead of a service, and a database's name.
struct BatchSide {
  CallSide side;
  uint32_t resource = 0;
  StringPool::Id database = StringPool::kEmpty;
};

constexpr uint32_t kNotLookedUp = UINT32_MAX;

// The numbers of a service in the State's names: of series, and of edges.
struct ServiceIds {
  uint32_t series = kNotLookedUp;  // stays so where there may be no more series
  uint32_t edge = 0;
};

// What observe() works in, kept from batch to batch so that nothing is allocated.
struct Scratch {
  SeriesKeys group_keys;
  std::vector<Group> groups;              // by number in group_keys
  std::vector<ServiceIds> services;       // by resource
  std::vector<StringPool::Id> texts;      // of these
  std::vector<StringPool::Id> databases;  // by span; empty when the batch has none
  std::vector<BatchSide> sides;           // the first side_count of them
  size_t side_count = 0;
  std::vector<uint32_t> series_names;  // by string id of the batch, in the State's series_names
};

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
  scratch.group_keys.clear();
  scratch.groups.clear();
  if (scratch.sides.size() < batch.size()) scratch.sides.resize(batch.size());
  BatchSide* out = scratch.sides.data();
  const StringPool::Id* const databases =
      scratch.databases.empty() ? nullptr : scratch.databases.data();
  for (size_t row = 0; row < batch.size(); row++) {
    const uint8_t kind = batch.kind[row];
    const uint64_t duration_ns = batch.duration_ns(row);
    const uint8_t status = batch.status_code[row];
    const uint32_t resource = batch.resource[row];
    const SeriesKey key(scratch.services[resource].series, batch.name[row], kind, status);
    const uint32_t group = scratch.group_keys.find(key);
    if (group == scratch.groups.size()) {
      scratch.groups.push_back({key, {}});
      // Soon it is looked up, and was last in the cache of the thread that decoded it.
      __builtin_prefetch(batch.strings.at(batch.name[row]).data());
    }
    scratch.groups[group].latency.add(duration_ns);
    const bool caller = is_caller(kind);
    if (!caller && (!is_callee(kind) || batch.parent_span_id[row].is_zero())) continue;
    CallSide& side = out->side;
    side.key =
        call_key(batch.trace_id[row], caller ? batch.span_id[row] : batch.parent_span_id[row]);
    side.duration_ns = duration_ns;
    side.is_caller = caller;
    side.failed = status == static_cast<uint8_t>(StatusCode::kError);
    side.messaging = kind == static_cast<uint8_t>(SpanKind::kProducer) ||
                     kind == static_cast<uint8_t>(SpanKind::kConsumer);
    out->resource = resource;
    out->database = caller && databases != nullptr ? databases[row] : StringPool::kEmpty;
    out++;
  }
  scratch.side_count = static_cast<size_t>(out - scratch.sides.data());
}

using Series = SpanMetricsSnapshot::Series;
using Edge = SpanMetricsSnapshot::Edge;

}  // namespace

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
    scratch.series_names.assign(batch.strings.size(), kNotLookedUp);
    for (const Group& group : scratch.groups)
      series_of(batch, group.key, scratch).latency.merge(group.latency);
  }

  Series& series_of(const SpanBatch& batch, const SeriesKey& key, Scratch& scratch) {
    const bool may_add = series.size() < options.max_series;
    const uint32_t service = key.service();
    uint32_t& name = scratch.series_names[key.name()];
    if (name == kNotLookedUp) name = series_name_id(batch.strings.at(key.name()));
    if (service == kNotLookedUp || name == kNotLookedUp) return series_overflow;
    const uint32_t number = series_keys.find({service, name, key.kind(), key.status()}, may_add);
    if (number == SeriesKeys::kNone) return series_overflow;
    if (number == series.size()) {
      series.push_back({series_names.name(service),
                        series_names.name(name),
                        key.kind(),
                        key.status(),
                        false,
                        {}});
    }
    return series[number];
  }

  // A name that is of no series yet is not kept once there are as many as there may be.
  uint32_t series_name_id(std::string_view name) {
    if (name.size() > options.max_name_bytes) return kNotLookedUp;
    if (series.size() < options.max_series) return series_names.id(name);
    return series_names.find(name).value_or(kNotLookedUp);
  }

  Edge& edge_of(uint32_t client, uint32_t server, ConnectionType type) {
    const uint64_t key = static_cast<uint64_t>(client) << 34 | static_cast<uint64_t>(server) << 2 |
                         static_cast<uint64_t>(type);
    RecentEdge& recent = recent_edges[key * 0x9E3779B97F4A7C15u >> 58];
    if (recent.edge == kNoEdge || recent.key != key) {
      const auto it = edge_by_key.find(key);
      if (it == edge_by_key.end() && edges.size() >= options.max_edges) return edge_overflow;
      recent = {key, it == edge_by_key.end() ? add_edge(key, client, server, type) : it->second};
    }
    return edges[recent.edge];
  }

  size_t add_edge(uint64_t key, uint32_t client, uint32_t server, ConnectionType type) {
    edge_by_key.emplace(key, edges.size());
    Edge& edge = edges.emplace_back();
    edge.client = names.name(client);
    edge.server = names.name(server);
    edge.connection_type = kConnectionTypes[type];
    return edges.size() - 1;
  }

  // Services that come after the names are full share one, as do those with names too long.
  uint32_t name_id(std::string_view name) {
    if (names.size() >= 2 * options.max_edges || name.size() > options.max_name_bytes) {
      name = "<other>";
    }
    return names.id(name.empty() ? std::string_view("<unknown>") : name);
  }

  // A resource that requests repeat is known by its origin.
  void find_services(const SpanBatch& batch, Scratch& scratch) {
    const size_t resources = batch.resources.size();
    const std::span<const uint64_t> origins = batch.resources.origin;
    scratch.services.assign(resources, ServiceIds{});
    bool all_known = origins.size() == resources;
    for (size_t row = 0; row < origins.size(); row++) {
      const auto known = services.find(origins[row]);
      if (known == services.end()) {
        all_known = false;
      } else {
        scratch.services[row] = known->second;
      }
    }
    if (all_known) return;
    scratch.texts.assign(resources, StringPool::kEmpty);
    fill_strings(batch, batch.resources.attributes, "service.name", scratch.texts);
    if (services.size() + resources > kMaxKnownServices) services.clear();
    for (size_t row = 0; row < resources; row++) {
      ServiceIds& service = scratch.services[row];
      if (service.series != kNotLookedUp) continue;
      const std::string_view name = batch.strings.at(scratch.texts[row]);
      service = {series_name_id(name), name_id(name)};
      if (service.series != kNotLookedUp && row < origins.size() && origins[row] != 0) {
        services.emplace(origins[row], service);
      }
    }
  }

  void join_calls(const SpanBatch& batch, Scratch& scratch) {
    // Some calls ahead: a side is copied as a whole, which would wait for a service just written.
    constexpr size_t kKnownDatabases = 32;
    std::array<std::pair<StringPool::Id, uint32_t>, kKnownDatabases> databases;
    databases.fill({StringPool::kEmpty, 0});
    const auto prepare = [&](BatchSide& ahead) {
      ahead.side.service = scratch.services[ahead.resource].edge;
      pending.prefetch(ahead.side.key);
    };
    constexpr size_t kAhead = 8;
    for (size_t i = 0; i < std::min(kAhead, scratch.side_count); i++)
      prepare(scratch.sides[i]);
    for (size_t i = 0; i < scratch.side_count; i++) {
      if (i + kAhead < scratch.side_count) prepare(scratch.sides[i + kAhead]);
      const BatchSide& here = scratch.sides[i];
      if (here.database != StringPool::kEmpty) {
        auto& [text, number] = databases[here.database % kKnownDatabases];
        if (text != here.database) {
          text = here.database;
          number = name_id(batch.strings.at(text));
        }
        count_database_call(here.side, number);
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

  static constexpr size_t kMaxKnownServices = 65'536;
  static constexpr size_t kNoEdge = SIZE_MAX;
  struct RecentEdge {
    uint64_t key = 0;
    size_t edge = kNoEdge;
  };
  struct EdgeKeyHash {
    size_t operator()(uint64_t key) const {
      const uint64_t h = key * 0x9E3779B97F4A7C15u;
      return h ^ h >> 32;
    }
  };

  const SpanMetricsOptions options;
  mutable std::mutex mutex;
  std::unordered_map<uint64_t, ServiceIds> services;  // by the origin of resources
  NameTable series_names;
  SeriesKeys series_keys;      // by series_names
  std::vector<Series> series;  // by number in series_keys
  Series series_overflow;
  NameTable names;
  std::unordered_map<uint64_t, size_t, EdgeKeyHash> edge_by_key;  // client, server and type
  std::array<RecentEdge, 64> recent_edges;                        // most calls go along few edges
  std::vector<Edge> edges;
  Edge edge_overflow;
  PendingCalls pending;
};

SpanMetrics::SpanMetrics(SpanMetricsOptions options) : state_(std::make_unique<State>(options)) {}
SpanMetrics::~SpanMetrics() = default;

void SpanMetrics::observe(const SpanBatch& batch) {
  if (batch.empty()) return;
  thread_local Scratch scratch;
  find_databases(batch, scratch);
  const std::lock_guard lock(state_->mutex);
  state_->find_services(batch, scratch);
  group_spans(batch, scratch);
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
