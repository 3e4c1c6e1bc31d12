#include "analysis/service_overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "analysis/duration_histogram.h"
#include "analysis/name_table.h"

namespace weft::analysis {
namespace {

enum Column : size_t { kService, kNamespace, kTeam, kName, kKind, kStatus, kDuration, kParent };

std::vector<ColumnRef> columns() {
  const auto resource = [](const char* key) {
    return ColumnRef::attribute(AttributeScope::kResource, key);
  };
  return {resource("service.name"),
          resource("service.namespace"),
          resource("team"),
          ColumnRef::of(Intrinsic::kName),
          ColumnRef::of(Intrinsic::kKind),
          ColumnRef::of(Intrinsic::kStatusCode),
          ColumnRef::of(Intrinsic::kDurationNs),
          ColumnRef::of(Intrinsic::kParentSpanId)};
}

Predicate entry_spans() {
  const auto kind_is = [](SpanKind kind) {
    return Predicate::of(
        {ColumnRef::of(Intrinsic::kKind), CompareOp::kEqual, Value(static_cast<int64_t>(kind))});
  };
  return Predicate::any_of(
      {kind_is(SpanKind::kServer), kind_is(SpanKind::kConsumer),
       Predicate::of({ColumnRef::of(Intrinsic::kParentSpanId), CompareOp::kNotExists, {}})});
}

struct Counts {
  uint64_t spans = 0;
  uint64_t errors = 0;
  DurationHistogram durations;

  void add(uint64_t duration_ns, bool failed) {
    spans++;
    errors += failed;
    durations.add(duration_ns);
  }
  void merge(const Counts& other) {
    spans += other.spans;
    errors += other.errors;
    durations.merge(other.durations);
  }
};

// What one thread knows of one service. Names of operations are numbers of its NameTable.
struct ServiceCounts {
  std::unordered_map<uint64_t, Counts> operations;  // by name << 8 | kind
  std::map<uint64_t, Counts> steps;
  uint32_t service_namespace = NameTable::kAbsent;
  uint32_t team = NameTable::kAbsent;
};

// A service that puts ids into its span names would need memory without end: beyond this many
// operations a thread counts the others as one.
constexpr size_t kMaxOperationsCounted = 20'000;
constexpr std::string_view kOtherOperations = "<other operations>";
// Operations and steps of all services, each with its histogram: beyond this many a thread gives
// up, since those of many services with many short steps take gigabytes.
constexpr size_t kMaxCounted = 200'000;

class Counter {
 public:
  Counter(TimeRange range, uint64_t step_ns) : range_(range), step_ns_(step_ns) {
    for (size_t i = kService; i <= kName; i++)
      readers_.emplace_back(names);
  }

  void count(const BatchView& view) {
    for (size_t i = kService; i <= kName; i++)
      readers_[i].start_batch(view.column(i));
    for (const uint32_t row : view.rows) {
      const uint64_t kind = view.number(kKind, row);
      const bool entry = kind == static_cast<uint64_t>(SpanKind::kServer) ||
                         kind == static_cast<uint64_t>(SpanKind::kConsumer) ||
                         !view.has(kParent, row);
      if (entry && range_.contains(view.batch.start_ns[row])) add(view, row, kind);
    }
  }

  NameTable names;
  std::unordered_map<uint32_t, ServiceCounts> services;
  bool too_many = false;

 private:
  // The counts of the key, or nullptr when they would be one too many.
  template <typename Map>
  Counts* counts_of(Map& map, uint64_t key) {
    const auto found = map.find(key);
    if (found != map.end()) return &found->second;
    if (counted_ >= kMaxCounted) {
      too_many = true;
      return nullptr;
    }
    ++counted_;
    return &map[key];
  }

  void add(const BatchView& view, size_t row, uint64_t kind) {
    ServiceCounts& service = services[readers_[kService].at(row)];
    if (service.service_namespace == NameTable::kAbsent)
      service.service_namespace = readers_[kNamespace].at(row);
    if (service.team == NameTable::kAbsent) service.team = readers_[kTeam].at(row);
    const uint64_t duration_ns = view.number(kDuration, row);
    const bool failed = view.number(kStatus, row) == static_cast<uint64_t>(StatusCode::kError);
    uint64_t operation = static_cast<uint64_t>(readers_[kName].at(row)) << 8 | (kind & 0xFF);
    if (service.operations.size() >= kMaxOperationsCounted &&
        !service.operations.contains(operation))
      operation = static_cast<uint64_t>(names.id(kOtherOperations)) << 8;
    if (Counts* counts = counts_of(service.operations, operation)) counts->add(duration_ns, failed);
    const uint64_t step = (view.batch.start_ns[row] - range_.from_ns) / step_ns_;
    if (Counts* counts = counts_of(service.steps, step)) counts->add(duration_ns, failed);
  }

  TimeRange range_;
  uint64_t step_ns_;
  size_t counted_ = 0;
  std::vector<NameColumn> readers_;
};

struct Merged {
  std::map<std::pair<std::string, uint8_t>, Counts> operations;
  std::map<uint64_t, Counts> steps;
  std::string service_namespace, team;
};

void keep_smaller(std::string& target, const std::string& name) {
  if (!name.empty() && (target.empty() || name < target)) target = name;
}

std::map<std::string, Merged> merge(const std::deque<Counter>& counters) {
  std::map<std::string, Merged> all;
  for (const Counter& counter : counters) {
    for (const auto& [id, counts] : counter.services) {
      Merged& service = all[counter.names.name(id)];
      for (const auto& [operation, operation_counts] : counts.operations) {
        const std::string& name = counter.names.name(static_cast<uint32_t>(operation >> 8));
        service.operations[{name, static_cast<uint8_t>(operation)}].merge(operation_counts);
      }
      for (const auto& [step, step_counts] : counts.steps)
        service.steps[step].merge(step_counts);
      keep_smaller(service.service_namespace, counter.names.name(counts.service_namespace));
      keep_smaller(service.team, counter.names.name(counts.team));
    }
  }
  return all;
}

RedStats to_stats(const Counts& counts, double seconds) {
  RedStats stats;
  stats.spans = counts.spans;
  stats.errors = counts.errors;
  stats.rate = static_cast<double>(counts.spans) / seconds;
  stats.error_rate = counts.spans == 0
                         ? 0
                         : static_cast<double>(counts.errors) / static_cast<double>(counts.spans);
  stats.p50_ns = counts.durations.quantile(0.5);
  stats.p95_ns = counts.durations.quantile(0.95);
  stats.p99_ns = counts.durations.quantile(0.99);
  return stats;
}

ServiceOverview to_overview(const std::string& name, const Merged& merged,
                            const Ownership& ownership, const ServicesOverview& frame) {
  const double seconds = seconds_of(frame.range);
  ServiceOverview out;
  out.service = name;
  out.owner = ownership.owner_of(name, merged.service_namespace, merged.team);
  Counts all;
  for (const auto& [key, counts] : merged.operations) {
    all.merge(counts);
    out.operations.push_back(
        {key.first, static_cast<SpanKind>(key.second), to_stats(counts, seconds)});
  }
  out.stats = to_stats(all, seconds);
  std::ranges::stable_sort(out.operations, std::greater{},
                           [](const OperationOverview& o) { return o.stats.spans; });
  out.operations_cut = out.operations.size() > ServiceOverview::kMaxOperations;
  if (out.operations_cut) out.operations.resize(ServiceOverview::kMaxOperations);
  for (const auto& [step, counts] : merged.steps) {
    out.over_time.push_back({frame.range.from_ns + step * frame.step_ns, counts.spans,
                             counts.errors, counts.durations.quantile(0.95)});
  }
  return out;
}

}  // namespace

Expected<ServicesOverview> services_overview(const AnalysisRequest& request,
                                             const Ownership& ownership, uint64_t step_ns) {
  ServicesOverview out;
  out.range = bounded_range(request);
  const bool empty = out.range.from_ns >= out.range.to_ns;
  out.step_ns = step_ns != 0 ? step_ns : round_step_ns(out.range, 60);
  if (empty) return out;
  if ((out.range.to_ns - out.range.from_ns) / out.step_ns > kMaxSteps)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("step: the range has more than {} steps of {} ms; ask for longer ones",
                            kMaxSteps, out.step_ns / 1'000'000));
  std::deque<Counter> counters;
  for (unsigned i = 0; i < request.workers(); i++)
    counters.emplace_back(out.range, out.step_ns);
  ScanShape shape;
  shape.columns = columns();
  shape.candidates = entry_spans();
  WEFT_TRY(scan_spans(
      request, out.range, shape,
      [&counters](unsigned worker, const BatchView& view) { counters[worker].count(view); }));
  if (std::ranges::any_of(counters, &Counter::too_many))
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the services have more than {} operations and steps together; ask for "
                            "longer steps, or filter by service",
                            kMaxCounted));
  for (const auto& [name, merged] : merge(counters))
    out.services.push_back(to_overview(name, merged, ownership, out));
  return out;
}

}  // namespace weft::analysis
