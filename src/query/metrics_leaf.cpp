#include "query/metrics_leaf.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/label_coder.h"
#include "query/matching_rows.h"
#include "query/parallel_scan.h"

namespace weft::traceql {
namespace {

FieldRef duration_field() {
  FieldRef out;
  out.kind = FieldKind::kDuration;
  return out;
}

double seconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

// What one leaf reads of each span.
struct LeafFields {
  FieldTable table;
  std::shared_ptr<const PipelineProgram> program;
  std::optional<FieldTable::Slot> value;
  FieldTable::Slot duration = 0;
  std::vector<FieldTable::Slot> by;

  static Expected<LeafFields> create(const MetricsExpr& metrics, const SpanPlan& plan,
                                     bool exemplars) {
    LeafFields out;
    WEFT_ASSIGN(out.program, PipelineProgram::create(plan.pipeline, out.table));
    if (metrics.value) out.value = out.table.add(*metrics.value);
    if (exemplars) out.duration = out.table.add(duration_field());
    for (const FieldRef& field : metrics.by)
      out.by.push_back(out.table.add(field));
    return out;
  }
};

bool is_finite_number(const FieldValue& value) {
  return value.is_number() && std::isfinite(value.as_double());
}

// One worker's share of a leaf.
class LeafWorker {
 public:
  LeafWorker(const MetricsExpr& metrics, const LeafFields& leaf, const MetricsContext& context)
      : metrics_(&metrics),
        leaf_(&leaf),
        accumulator_(metrics, context.axis, context.options, context.exemplars, context.meter),
        coder_(leaf.by) {}

  // `exemplars_only`: what is counted was counted by the source.
  Status consume(BatchFields& fields, const std::vector<uint32_t>& rows, bool exemplars_only) {
    for (uint32_t row : rows) {
      FieldValue value;
      if (leaf_->value) {
        value = fields.value(*leaf_->value, row);
        if (!is_finite_number(value)) continue;
      }
      WEFT_ASSIGN(SeriesData * series, series_of(coder_.group_of(fields, row)));
      const uint64_t start_ns = fields.batch().start_ns[row];
      if (!exemplars_only) accumulator_.add(*series, start_ns, value);
      if (accumulator_.exemplar_limit() > 0) add_exemplar(fields, row, value, *series);
    }
    return accumulator_.charge_growth();
  }

  MetricsAccumulator& accumulator() { return accumulator_; }

 private:
  Expected<SeriesData*> series_of(uint32_t group) {
    if (group < by_group_.size() && by_group_[group] != nullptr) return by_group_[group];
    WEFT_ASSIGN(SeriesData * series, accumulator_.series(coder_.labels(group)));
    if (by_group_.size() <= group) by_group_.resize(group + 1);
    by_group_[group] = series;
    return series;
  }

  void add_exemplar(BatchFields& fields, uint32_t row, const FieldValue& value,
                    SeriesData& series) {
    const ScanBatch& batch = fields.batch();
    Exemplar exemplar;
    exemplar.trace_id = batch.trace_ids[fields.trace_of(row)];
    exemplar.span_id = batch.span_ids[row];
    exemplar.time_ns = batch.start_ns[row];
    if (!leaf_->value) {
      exemplar.value = seconds(fields.value(leaf_->duration, row).word);
    } else {
      const bool is_duration = metrics_->value->type() == StaticType::kDuration;
      exemplar.value = is_duration ? value.as_double() / 1e9 : value.as_double();
    }
    accumulator_.add_exemplar(series, exemplar);
  }

  const MetricsExpr* metrics_;
  const LeafFields* leaf_;
  MetricsAccumulator accumulator_;
  LabelCoder coder_;
  std::vector<SeriesData*> by_group_;  // stable: an unordered_map does not move its values
};

Expected<std::vector<MetricsSeries>> run_by_scan(const MetricsExpr& metrics, const SpanPlan& plan,
                                                 const MetricsContext& context) {
  WEFT_ASSIGN(LeafFields leaf, LeafFields::create(metrics, plan, context.exemplars > 0));
  std::vector<LeafWorker> workers;
  const unsigned threads = worker_count(context.options.budget);
  for (unsigned i = 0; i < threads; ++i)
    workers.emplace_back(metrics, leaf, context);
  WEFT_TRY(scan_leaf(plan, leaf.table, leaf.program, context,
                     [&](unsigned worker, BatchFields& fields, const std::vector<uint32_t>& rows) {
                       return workers[worker].consume(fields, rows, false);
                     }));
  for (unsigned i = 1; i < threads; ++i) {
    WEFT_TRY(workers[0].accumulator().merge(std::move(workers[i].accumulator())));
  }
  return workers[0].accumulator().finish();
}

bool is_stored_single(const FieldRef& field) {
  return !field.is_computed() && !field.of_parent && !field.is_multi_valued();
}

// The request that makes the source count, if the leaf can be said as one.
std::optional<AggregateRequest> aggregate_request(const MetricsExpr& metrics, const SpanPlan& plan,
                                                  const MetricsContext& context) {
  if (!plan.filters_only || !plan.candidates.exact) return std::nullopt;
  AggregateRequest out;
  for (const FieldRef& field : metrics.by) {
    if (!is_stored_single(field)) return std::nullopt;
    out.group_by.push_back(field.column());
  }
  if (metrics.value) {
    if (!is_stored_single(*metrics.value)) return std::nullopt;
    out.value = metrics.value->column();
  }
  const CellNeeds needs = CellNeeds::of(metrics.function);
  // The source's buckets are made for durations: whole numbers from 1 up.
  if (needs.histogram && metrics.value->type() != StaticType::kDuration) return std::nullopt;
  out.want_histogram = needs.histogram;
  out.buckets_per_octave =
      metrics.function == MetricsFunction::kQuantileOverTime ? kQuantileBucketsPerOctave : 1;
  out.range = context.axis.range;
  out.filter = plan.candidates.predicate;
  out.step_ns = context.axis.step_ns;
  out.max_groups = static_cast<uint32_t>(
      std::min<size_t>(context.options.max_series, std::numeric_limits<uint32_t>::max()));
  return out;
}

// A group's key as it stands in answers.
Value display_key(const FieldRef& field, const Value& key) {
  if (const auto* bytes = std::get_if<Value::Bytes>(&key.data); bytes != nullptr && field.is_id()) {
    return Value(hex(bytes->data));
  }
  if (const auto* number = std::get_if<int64_t>(&key.data)) {
    return display_value(field, FieldValue::of(*number));
  }
  return key;
}

Cell cell_of(const AggregateCell& from) {
  Cell out;
  out.count = from.count;
  out.sum.add(from.sum);
  out.min = from.min;
  out.max = from.max;
  for (const auto& [bucket, n] : from.histogram)
    out.histogram[bucket] = n;
  return out;
}

Status take_groups(const MetricsExpr& metrics, const GroupTable& table,
                   MetricsAccumulator& accumulator) {
  for (const GroupTable::Group& group : table.groups) {
    const bool is_empty = std::all_of(group.cells.begin(), group.cells.end(),
                                      [](const AggregateCell& cell) { return cell.count == 0; });
    if (is_empty) continue;
    std::vector<Value> labels;
    for (size_t i = 0; i < group.keys.size(); ++i) {
      labels.push_back(display_key(metrics.by[i], group.keys[i]));
    }
    WEFT_ASSIGN(SeriesData * series, accumulator.series(labels));
    for (size_t i = 0; i < group.cells.size(); ++i) {
      if (i < series->counts.size()) series->counts[i] += group.cells[i].count;
      if (i < series->cells.size()) series->cells[i].merge(cell_of(group.cells[i]));
    }
  }
  return {};
}

// Exemplars for what the source counted: the first spans of slices of the range. One thread, so
// that the same question gets the same ones.
Status find_exemplars(const SpanPlan& plan, const LeafFields& leaf, const MetricsContext& context,
                      LeafWorker& worker) {
  constexpr uint64_t kSlices = 10;
  constexpr int kBatchesPerSlice = 2;
  const TimeRange& range = context.axis.range;
  const uint64_t width = range.to_ns - range.from_ns;
  const Watchdog watchdog(context.meter);
  std::vector<uint32_t> rows;
  TraceEvaluator evaluator(leaf.program);
  for (uint64_t slice = 0; slice < std::min(kSlices, width); ++slice) {
    WEFT_TRY(context.meter.check());
    ScanRequest request;
    request.range = {
        range.from_ns + width / kSlices * slice,
        slice + 1 == kSlices ? range.to_ns : range.from_ns + width / kSlices * (slice + 1)};
    request.filter = plan.candidates.predicate;
    request.columns = leaf.table.columns();
    if (request.range.from_ns == request.range.to_ns) continue;
    WEFT_ASSIGN(auto cursor, context.source.scan(request, watchdog.cancel(), context.stats));
    for (int i = 0; i < kBatchesPerSlice; ++i) {
      WEFT_ASSIGN(std::optional<ScanBatch> batch, cursor->next());
      if (!batch) break;
      BatchFields fields(leaf.table, *batch, context.meter);
      evaluator.begin_batch(fields);
      WEFT_TRY(matching_rows(plan, request.range, evaluator, *batch, rows));
      WEFT_TRY(worker.consume(fields, rows, true));
    }
  }
  return {};
}

Expected<std::vector<MetricsSeries>> run_by_source(const MetricsExpr& metrics, const SpanPlan& plan,
                                                   const GroupTable& table,
                                                   const MetricsContext& context) {
  WEFT_ASSIGN(LeafFields leaf, LeafFields::create(metrics, plan, context.exemplars > 0));
  LeafWorker worker(metrics, leaf, context);
  WEFT_TRY(take_groups(metrics, table, worker.accumulator()));
  if (context.exemplars > 0) WEFT_TRY(find_exemplars(plan, leaf, context, worker));
  return worker.accumulator().finish();
}

}  // namespace

Status scan_leaf(const SpanPlan& plan, FieldTable& table,
                 std::shared_ptr<const PipelineProgram> program, const MetricsContext& context,
                 const LeafConsumer& consume) {
  ScanRequest request;
  request.range = context.axis.range;
  request.filter = plan.candidates.predicate;
  request.columns = table.columns();
  request.whole_traces = plan.whole_traces || table.needs_trace();
  request.needed = plan.needed;
  request.parents = plan.parents || table.needs_trace();
  const unsigned threads = worker_count(context.options.budget);
  std::vector<TraceEvaluator> evaluators;
  for (unsigned i = 0; i < threads; ++i)
    evaluators.emplace_back(program);
  std::vector<std::vector<uint32_t>> rows(threads);
  ParallelScan work;
  work.process = [&](unsigned worker, const ScanBatch& batch) -> Expected<ScanStep> {
    BatchFields fields(table, batch, context.meter);
    evaluators[worker].begin_batch(fields);
    WEFT_TRY(matching_rows(plan, request.range, evaluators[worker], batch, rows[worker]));
    WEFT_TRY(consume(worker, fields, rows[worker]));
    return ScanStep::kContinue;
  };
  return run_scan(context.source, request, threads, context.meter, context.stats, work);
}

Expected<std::vector<MetricsSeries>> run_metrics_leaf(const MetricsExpr& metrics,
                                                      const MetricsContext& context) {
  if (metrics.function == MetricsFunction::kCompare) return run_compare(metrics, context);
  const SpanPlan plan = plan_spans(metrics.spans);
  if (context.source.capabilities().aggregate) {
    if (const auto request = aggregate_request(metrics, plan, context)) {
      const Watchdog watchdog(context.meter);
      auto table = context.source.aggregate(*request, watchdog.cancel(), context.stats);
      WEFT_TRY(context.meter.check());
      if (table) return run_by_source(metrics, plan, *table, context);
      if (table.error().code != ErrorCode::kUnimplemented) {
        return std::unexpected(std::move(table).error());
      }
    }
  }
  return run_by_scan(metrics, plan, context);
}

}  // namespace weft::traceql
