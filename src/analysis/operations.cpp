#include "analysis/operations.h"

#include <deque>
#include <map>

#include "analysis/name_table.h"

namespace weft::analysis {
namespace {

using OperationMap = std::map<std::pair<std::string, uint8_t>, uint64_t>;

Expected<OperationMap> from_aggregate(const AnalysisRequest& request) {
  AggregateRequest aggregate;
  aggregate.range = request.range;
  aggregate.group_by = {ColumnRef::of(Intrinsic::kName), ColumnRef::of(Intrinsic::kKind)};
  aggregate.max_groups = kMaxOperations;
  WEFT_ASSIGN(const GroupTable table, aggregate_spans(request, std::move(aggregate)));
  OperationMap out;
  for (const GroupTable::Group& group : table.groups) {
    const auto* name = std::get_if<std::string>(&group.keys[0].data);
    const auto* kind = std::get_if<int64_t>(&group.keys[1].data);
    if (group.cells.empty() || group.cells[0].count == 0) continue;
    out[{name ? *name : std::string(), kind ? static_cast<uint8_t>(*kind) : uint8_t{0}}] +=
        group.cells[0].count;
  }
  return out;
}

Expected<OperationMap> from_scan(const AnalysisRequest& request) {
  struct Worker {
    NameTable names;
    NameColumn name{names};
    std::map<std::pair<uint32_t, uint8_t>, uint64_t> counts;
  };
  std::deque<Worker> workers(request.workers());
  ScanShape shape;
  shape.columns = {ColumnRef::of(Intrinsic::kName), ColumnRef::of(Intrinsic::kKind)};
  WEFT_TRY(scan_spans(request, request.range, shape, [&](unsigned index, const BatchView& view) {
    Worker& worker = workers[index];
    worker.name.start_batch(view.column(0));
    if (worker.counts.size() > kMaxOperations) return;
    for (const uint32_t row : view.rows)
      worker.counts[{worker.name.at(row), static_cast<uint8_t>(view.number(1, row))}]++;
  }));
  OperationMap out;
  for (const Worker& worker : workers) {
    for (const auto& [key, count] : worker.counts)
      out[{worker.names.name(key.first), key.second}] += count;
  }
  return out;
}

}  // namespace

Expected<std::vector<Operation>> operations(const AnalysisRequest& request) {
  auto counts = from_aggregate(request);
  if (!counts && counts.error().code == ErrorCode::kUnimplemented) counts = from_scan(request);
  if (!counts) return std::unexpected<Error>(std::move(counts).error());
  if (counts->size() > kMaxOperations)
    return fail(ErrorCode::kResourceExhausted,
                "there are more than 100000 different operations; ask for a shorter time");
  std::vector<Operation> out;
  for (const auto& [key, spans] : *counts)
    out.push_back({key.first, static_cast<SpanKind>(key.second), spans});
  return out;
}

}  // namespace weft::analysis
