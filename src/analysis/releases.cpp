#include "analysis/releases.h"

#include <algorithm>
#include <deque>
#include <map>

#include "analysis/name_table.h"

namespace weft::analysis {
namespace {

// A release for each service and version; a fleet that stamps every pod with a version of its own
// is cut off here.
constexpr uint32_t kMaxReleases = 100'000;

struct Sightings {
  uint64_t first_ns = UINT64_MAX;
  uint64_t last_ns = 0;
  uint64_t spans = 0;

  void merge(const Sightings& other) {
    first_ns = std::min(first_ns, other.first_ns);
    last_ns = std::max(last_ns, other.last_ns);
    spans += other.spans;
  }
};

using ReleaseMap = std::map<std::pair<std::string, std::string>, Sightings>;

ColumnRef service_column() {
  return ColumnRef::attribute(AttributeScope::kResource, "service.name");
}
ColumnRef version_column() {
  return ColumnRef::attribute(AttributeScope::kResource, "service.version");
}
Predicate has_version() {
  return Predicate::of({version_column(), CompareOp::kExists, {}});
}

std::string text_of(const Value& value) {
  const auto* text = std::get_if<std::string>(&value.data);
  return text ? *text : std::string();
}

Expected<ReleaseMap> from_aggregate(const AnalysisRequest& request) {
  AggregateRequest aggregate;
  aggregate.range = request.range;
  aggregate.filter = has_version();
  aggregate.group_by = {service_column(), version_column()};
  aggregate.value = ColumnRef::of(Intrinsic::kStartNs);
  aggregate.max_groups = kMaxReleases;
  WEFT_ASSIGN(const GroupTable table, aggregate_spans(request, std::move(aggregate)));
  ReleaseMap out;
  for (const GroupTable::Group& group : table.groups) {
    const std::string version = text_of(group.keys[1]);
    if (version.empty() || group.cells.empty() || group.cells[0].count == 0) continue;
    const AggregateCell& cell = group.cells[0];
    out[{text_of(group.keys[0]), version}].merge(
        {static_cast<uint64_t>(cell.min), static_cast<uint64_t>(cell.max), cell.count});
  }
  return out;
}

Expected<ReleaseMap> from_scan(const AnalysisRequest& request) {
  struct Worker {
    NameTable names;
    NameColumn service{names};
    NameColumn version{names};
    std::map<std::pair<uint32_t, uint32_t>, Sightings> seen;
  };
  std::deque<Worker> workers(request.workers());
  ScanShape shape;
  shape.columns = {service_column(), version_column()};
  shape.candidates = has_version();
  WEFT_TRY(
      scan_spans(request, request.range, shape, [&workers](unsigned index, const BatchView& view) {
        Worker& worker = workers[index];
        worker.service.start_batch(view.column(0));
        worker.version.start_batch(view.column(1));
        for (const uint32_t row : view.rows) {
          const uint32_t version = worker.version.at(row);
          if (version == NameTable::kAbsent) continue;
          const uint64_t start_ns = view.batch.start_ns[row];
          worker.seen[{worker.service.at(row), version}].merge({start_ns, start_ns, 1});
        }
      }));
  ReleaseMap out;
  for (const Worker& worker : workers) {
    for (const auto& [key, sightings] : worker.seen)
      out[{worker.names.name(key.first), worker.names.name(key.second)}].merge(sightings);
  }
  if (out.size() > kMaxReleases)
    return fail(ErrorCode::kResourceExhausted,
                "more than 100000 different pairs of service.name and service.version are stored");
  return out;
}

}  // namespace

Expected<std::vector<Release>> releases(const AnalysisRequest& request) {
  AnalysisRequest everything = request;
  everything.range = {0, UINT64_MAX};
  everything.query.reset();
  auto seen = from_aggregate(everything);
  if (!seen && seen.error().code == ErrorCode::kUnimplemented) seen = from_scan(everything);
  if (!seen) return std::unexpected<Error>(std::move(seen).error());
  std::vector<Release> out;
  for (auto& [key, sightings] : *seen) {
    // Whether a span of it lies in the range is not known exactly, only that its life overlaps.
    if (!request.range.overlaps(sightings.first_ns, sightings.last_ns)) continue;
    out.push_back({key.first, key.second, sightings.first_ns, sightings.last_ns, sightings.spans});
  }
  std::ranges::stable_sort(out, [](const Release& a, const Release& b) {
    return a.service != b.service ? a.service < b.service : a.first_seen_ns < b.first_seen_ns;
  });
  return out;
}

}  // namespace weft::analysis
