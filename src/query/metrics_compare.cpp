// {...} | compare({...}): how often each value of each attribute occurs among the selected spans
// and among the others (the baseline), over time. The attributes are those that the source knows
// in the range, the most frequent first, and a few fixed columns.
#include <algorithm>
#include <array>
#include <map>

#include "query/label_coder.h"
#include "query/metrics_leaf.h"
#include "query/parallel_scan.h"

namespace weft::traceql {
namespace {

// More attributes, or more values of one, are left out.
constexpr size_t kMaxAttributes = 250;
constexpr size_t kMaxValues = 5'000;

constexpr std::string_view kMetaType = "__meta_type";
constexpr std::string_view kMetaError = "__meta_error";

struct ValueData {
  Value value;
  std::vector<uint64_t> counts;  // a time bucket
  uint64_t total = 0;
};

// One attribute on one side, all workers together.
struct AttributeCounts {
  std::map<std::string, ValueData> values;  // by label_key
  std::vector<uint64_t> totals;             // empty: no span has it
  bool overflowed = false;
};

// One attribute on one side, as a worker counts it: values by their number in the coder.
struct WorkerCounts {
  WorkerCounts(FieldTable::Slot slot, size_t time_buckets)
      : coder({slot}, kMaxValues), buckets(time_buckets) {}

  Status add(BatchFields& fields, uint32_t row, size_t bucket, BudgetMeter& meter) {
    if (totals.empty()) {
      WEFT_TRY(meter.take_memory(buckets * sizeof(uint64_t)));
      totals.resize(buckets);
    }
    ++totals[bucket];
    const uint32_t group = coder.group_of(fields, row);
    if (group == LabelCoder::kNoGroup) {
      overflowed = true;
      return {};
    }
    const size_t at = group * buckets + bucket;
    if (at >= counts.size()) {
      WEFT_TRY(meter.take_memory(buckets * sizeof(uint64_t) + kValueGuess));
      counts.resize((group + 1) * buckets);
      groups = group + 1;
    }
    ++counts[at];
    return {};
  }

  Status merge_into(AttributeCounts& out) const {
    if (totals.empty()) return {};
    if (out.totals.empty()) out.totals.resize(buckets);
    for (size_t i = 0; i < buckets; ++i)
      out.totals[i] += totals[i];
    out.overflowed = out.overflowed || overflowed;
    for (uint32_t group = 0; group < groups; ++group) {
      const Value& value = coder.labels(group)[0];
      ValueData& data = out.values[label_key({value})];
      if (data.counts.empty()) {
        data.value = value;
        data.counts.resize(buckets);
      }
      for (size_t i = 0; i < buckets; ++i) {
        data.counts[i] += counts[group * buckets + i];
        data.total += counts[group * buckets + i];
      }
    }
    out.overflowed = out.overflowed || out.values.size() > kMaxValues;
    if (out.overflowed) out.values.clear();
    return {};
  }

  // About what a value costs besides its counts.
  static constexpr size_t kValueGuess = 200;

  LabelCoder coder;
  size_t buckets;
  std::vector<uint64_t> counts;  // [group * buckets + bucket]
  uint32_t groups = 0;
  std::vector<uint64_t> totals;
  bool overflowed = false;
};

Expected<std::vector<FieldRef>> compared_fields(const MetricsContext& context) {
  std::vector<FieldRef> out;
  for (FieldKind kind : {FieldKind::kName, FieldKind::kKind, FieldKind::kStatus,
                         FieldKind::kStatusMessage, FieldKind::kInstrumentationName}) {
    FieldRef field;
    field.kind = kind;
    out.push_back(field);
  }
  const Watchdog watchdog(context.meter);
  auto keys =
      context.source.attribute_keys(context.axis.range, 4 * kMaxAttributes, watchdog.cancel());
  WEFT_TRY(context.meter.check());
  if (!keys) return std::unexpected(std::move(keys).error());
  for (const AttributeKey& key : keys->keys) {
    if (out.size() >= kMaxAttributes) break;
    if (key.scope != AttributeScope::kSpan && key.scope != AttributeScope::kResource) continue;
    FieldRef field;
    field.scope = key.scope;
    field.key = key.key;
    if (std::find(out.begin(), out.end(), field) == out.end()) out.push_back(field);
  }
  return out;
}

class CompareWorker {
 public:
  CompareWorker(const MetricsExpr& metrics, const std::vector<FieldTable::Slot>& slots,
                const FilterProgram& selection, const MetricsContext& context)
      : metrics_(&metrics), slots_(&slots), selection_(selection), context_(&context) {
    for (auto& side : sides_) {
      for (FieldTable::Slot slot : slots)
        side.emplace_back(slot, context.axis.count);
    }
  }

  Status consume(BatchFields& fields, const std::vector<uint32_t>& rows) {
    if (rows.empty()) return {};
    selection_.evaluate(fields, mask_);
    for (uint32_t row : rows) {
      const uint64_t start_ns = fields.batch().start_ns[row];
      const bool in_range =
          metrics_->compare_to_ns == 0 ||
          (start_ns >= metrics_->compare_from_ns && start_ns < metrics_->compare_to_ns);
      std::vector<WorkerCounts>& side = sides_[mask_[row] != 0 && in_range ? 1 : 0];
      const size_t bucket = context_->axis.bucket_of(start_ns);
      for (size_t i = 0; i < slots_->size(); ++i) {
        if (fields.value((*slots_)[i], row).type == ValueType::kNone) continue;
        WEFT_TRY(side[i].add(fields, row, bucket, context_->meter));
      }
    }
    return {};
  }

  // [0] baseline, [1] selection; each parallel to the attributes.
  const std::array<std::vector<WorkerCounts>, 2>& sides() const { return sides_; }

 private:
  const MetricsExpr* metrics_;
  const std::vector<FieldTable::Slot>* slots_;
  FilterState selection_;
  const MetricsContext* context_;
  std::vector<uint8_t> mask_;
  std::array<std::vector<WorkerCounts>, 2> sides_;
};

std::vector<MetricsPoint> points_of(const std::vector<uint64_t>& counts, const TimeAxis& axis) {
  std::vector<MetricsPoint> out;
  for (size_t i = 0; i < counts.size(); ++i) {
    out.push_back({axis.time_of(i), static_cast<double>(counts[i])});
  }
  return out;
}

Status finish_attribute(const AttributeCounts& counts, const std::string& side,
                        const std::string& name, size_t top, const MetricsContext& context,
                        std::vector<MetricsSeries>& out) {
  if (counts.totals.empty()) return {};
  const auto add = [&](std::vector<NamedValue> labels,
                       const std::vector<uint64_t>& by_time) -> Status {
    out.push_back({std::move(labels), points_of(by_time, context.axis), {}});
    return context.meter.take_memory(memory_bytes(out.back()));
  };
  std::vector<const ValueData*> values;
  for (const auto& [key, data] : counts.values)
    values.push_back(&data);
  std::stable_sort(values.begin(), values.end(),
                   [](const ValueData* a, const ValueData* b) { return a->total > b->total; });
  if (values.size() > top) values.resize(top);
  for (const ValueData* data : values) {
    WEFT_TRY(add({{std::string(kMetaType), Value(side)}, {name, data->value}}, data->counts));
  }
  if (counts.overflowed) {
    WEFT_TRY(add({{std::string(kMetaType), Value(side)},
                  {std::string(kMetaError), Value("__too_many_values__")},
                  {name, Value("nil")}},
                 counts.totals));
  }
  return add({{std::string(kMetaType), Value(side + "_total")}, {name, Value("nil")}},
             counts.totals);
}

}  // namespace

Expected<std::vector<MetricsSeries>> run_compare(const MetricsExpr& metrics,
                                                 const MetricsContext& context) {
  const SpanPlan plan = plan_spans(metrics.spans);
  FieldTable table;
  WEFT_ASSIGN(auto program, PipelineProgram::create(plan.pipeline, table));
  FieldExpr everything;
  everything.literal = {StaticType::kBool, Value(true)};
  const FieldExpr& chosen = metrics.selection->filter ? *metrics.selection->filter : everything;
  WEFT_ASSIGN(const FilterProgram selection, FilterProgram::create(chosen, table));
  WEFT_ASSIGN(const std::vector<FieldRef> compared, compared_fields(context));
  std::vector<FieldTable::Slot> slots;
  for (const FieldRef& field : compared)
    slots.push_back(table.add(field));

  std::vector<CompareWorker> workers;
  const unsigned threads = worker_count(context.options.budget);
  for (unsigned i = 0; i < threads; ++i)
    workers.emplace_back(metrics, slots, selection, context);
  WEFT_TRY(scan_leaf(plan, table, program, context,
                     [&](unsigned worker, BatchFields& fields, const std::vector<uint32_t>& rows) {
                       return workers[worker].consume(fields, rows);
                     }));

  std::vector<MetricsSeries> out;
  for (size_t s = 0; s < 2; ++s) {
    for (size_t i = 0; i < compared.size(); ++i) {
      AttributeCounts counts;
      for (const CompareWorker& worker : workers) {
        WEFT_TRY(worker.sides()[s][i].merge_into(counts));
      }
      WEFT_TRY(finish_attribute(counts, s == 0 ? "baseline" : "selection", to_string(compared[i]),
                                metrics.compare_top, context, out));
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const MetricsSeries& a, const MetricsSeries& b) {
    return label_less(a.labels, b.labels);
  });
  return out;
}

}  // namespace weft::traceql
