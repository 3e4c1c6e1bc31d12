#include "query/summarize.h"

#include <algorithm>
#include <numeric>

#include "query/trace_columns.h"

namespace weft::traceql {
namespace {

// A trace with more spans is fetched column by column instead of whole.
constexpr size_t kMaxWholeTraceSpans = 200'000;

FieldRef field_of(FieldKind kind) {
  FieldRef out;
  out.kind = kind;
  return out;
}

std::string text_of(const FieldValue& value) {
  return value.type == ValueType::kString ? std::string(value.text) : std::string();
}

// The one trace of a batch that holds others too.
ScanBatch slice(const ScanBatch& batch, size_t trace) {
  const uint32_t begin = batch.trace_begin[trace];
  const uint32_t end = batch.trace_begin[trace + 1];
  ScanBatch out;
  out.trace_ids = {batch.trace_ids[trace]};
  out.trace_begin = {0, end - begin};
  out.start_ns.assign(batch.start_ns.begin() + begin, batch.start_ns.begin() + end);
  out.span_ids.assign(batch.span_ids.begin() + begin, batch.span_ids.begin() + end);
  for (uint32_t row = begin; row < end && !batch.parent_row.empty(); ++row) {
    const int32_t parent = batch.parent_row[row];
    out.parent_row.push_back(parent < 0 ? parent : parent - static_cast<int32_t>(begin));
  }
  for (const ValueColumn& column : batch.columns) {
    ValueColumn part;
    part.strings = column.strings;
    uint32_t from = begin;
    uint32_t to = end;
    if (!column.offsets.empty()) {
      from = column.offsets[begin];
      to = column.offsets[end];
      for (uint32_t row = begin; row <= end; ++row) {
        part.offsets.push_back(column.offsets[row] - from);
      }
    }
    part.types.assign(column.types.begin() + from, column.types.begin() + to);
    part.words.assign(column.words.begin() + from, column.words.begin() + to);
    out.columns.push_back(std::move(part));
  }
  return out;
}

}  // namespace

Expected<Summarizer> Summarizer::create(SpanSource& source, const Plan& plan,
                                        const SearchOptions& options) {
  Summarizer out(source, options);
  WEFT_ASSIGN(out.program_, PipelineProgram::create(plan.spans.pipeline, out.table_));
  out.name_ = out.table_.add(field_of(FieldKind::kName));
  out.kind_ = out.table_.add(field_of(FieldKind::kKind));
  out.status_ = out.table_.add(field_of(FieldKind::kStatus));
  out.duration_ = out.table_.add(field_of(FieldKind::kDuration));
  out.parent_ = out.table_.add(field_of(FieldKind::kParentId));
  FieldRef service;
  service.scope = AttributeScope::kResource;
  service.key = "service.name";
  out.service_ = out.table_.add(service);
  for (const FieldRef& field : plan.shown)
    out.shown_.push_back(out.table_.add(field));
  return out;
}

Expected<ScanBatch> Summarizer::fetch(const TraceId& id, ScanStats& stats) const {
  auto spans = source_->trace(id, kMaxWholeTraceSpans);
  if (!spans) {
    if (spans.error().code == ErrorCode::kResourceExhausted) return fetch_by_scan(id, stats);
    return std::unexpected(std::move(spans).error());
  }
  stats.spans += spans->size();
  auto batch = std::make_shared<const SpanBatch>(std::move(*spans));
  std::vector<uint32_t> rows(batch->size());
  std::iota(rows.begin(), rows.end(), 0);
  return scan_batch_of(std::move(batch), rows, table_.columns());
}

Expected<ScanBatch> Summarizer::fetch_by_scan(const TraceId& id, ScanStats& stats) const {
  ScanRequest request;
  const Value bytes(
      Value::Bytes{std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size())});
  request.filter = Predicate::of({ColumnRef::of(Intrinsic::kTraceId), CompareOp::kEqual, bytes});
  request.columns = table_.columns();
  request.whole_traces = true;
  request.parents = true;
  const CancelToken never;
  WEFT_ASSIGN(auto cursor,
              source_->scan(request, options_->cancel ? *options_->cancel : never, stats));
  for (;;) {
    WEFT_ASSIGN(std::optional<ScanBatch> batch, cursor->next());
    if (!batch) return ScanBatch{};
    for (size_t trace = 0; trace < batch->traces(); ++trace) {
      if (batch->trace_ids[trace] == id) return slice(*batch, trace);
    }
  }
}

Expected<std::optional<TraceSummary>> Summarizer::summarize(const TraceId& id, ScanStats& stats,
                                                            BudgetMeter& meter) const {
  WEFT_ASSIGN(const ScanBatch batch, fetch(id, stats));
  if (batch.rows() == 0) return std::nullopt;
  const size_t batch_bytes = memory_bytes(batch);
  WEFT_TRY(meter.take_memory(batch_bytes));
  BatchFields fields(table_, batch);
  TraceEvaluator evaluator(program_);
  evaluator.begin_batch(fields);
  const std::vector<Spanset> sets = evaluator.evaluate(0);
  const bool in_range = std::any_of(sets.begin(), sets.end(), [&](const Spanset& set) {
    return std::any_of(set.rows.begin(), set.rows.end(),
                       [&](uint32_t row) { return options_->range.contains(batch.start_ns[row]); });
  });
  if (!in_range) {
    meter.give_memory(batch_bytes);
    return std::nullopt;
  }
  TraceSummary out = describe(id, fields, 0);
  for (const Spanset& set : sets)
    out.spansets.push_back(describe(set, fields));
  WEFT_TRY(meter.take_memory(memory_bytes(out)));
  meter.give_memory(batch_bytes);
  return out;
}

namespace {

size_t memory_bytes(const std::vector<NamedValue>& attributes) {
  size_t out = 0;
  for (const auto& [name, value] : attributes) {
    const auto* text = std::get_if<std::string>(&value.data);
    // Arrays and lists are rare here: their text is about their size.
    const bool nested = value.type() == ValueType::kArray || value.type() == ValueType::kKvlist;
    out += sizeof(NamedValue) + name.size() +
           (text != nullptr ? text->size()
            : nested        ? 2 * to_display(value).size()
                            : 0);
  }
  return out;
}

}  // namespace

size_t memory_bytes(const TraceSummary& summary) {
  constexpr size_t kMapNode = 64;
  size_t out =
      sizeof(TraceSummary) + kMapNode + summary.root_name.size() + summary.root_service_name.size();
  for (const auto& [service, counts] : summary.services)
    out += kMapNode + sizeof(service) + service.size() + sizeof(counts);
  for (const MatchedSpanset& set : summary.spansets) {
    out += sizeof(MatchedSpanset) + memory_bytes(set.attributes);
    for (const MatchedSpan& span : set.spans) {
      out += sizeof(MatchedSpan) + span.name.size() + span.service_name.size() +
             memory_bytes(span.attributes);
    }
  }
  return out;
}

TraceSummary Summarizer::describe(const TraceId& id, BatchFields& fields, uint32_t trace) const {
  const ScanBatch& batch = fields.batch();
  TraceSummary out;
  out.trace_id = id;
  out.start_ns = UINT64_MAX;
  uint64_t end_ns = 0;
  for (uint32_t row = batch.trace_begin[trace]; row < batch.trace_begin[trace + 1]; ++row) {
    uint64_t stop = 0;
    if (__builtin_add_overflow(batch.start_ns[row], fields.value(duration_, row).word, &stop)) {
      stop = UINT64_MAX;
    }
    out.start_ns = std::min(out.start_ns, batch.start_ns[row]);
    end_ns = std::max(end_ns, stop);
    const bool is_error =
        fields.value(status_, row).word == static_cast<uint64_t>(StatusCode::kError);
    ++out.span_count;
    out.error_count += is_error ? 1 : 0;
    ServiceCounts& service = out.services[text_of(fields.value(service_, row))];
    ++service.spans;
    service.errors += is_error ? 1 : 0;
  }
  out.duration_ns = end_ns - std::min(end_ns, out.start_ns);
  if (const auto root = fields.root_row(trace)) {
    out.has_root = true;
    out.root_name = text_of(fields.value(name_, *root));
    out.root_service_name = text_of(fields.value(service_, *root));
  }
  return out;
}

MatchedSpanset Summarizer::describe(const Spanset& set, BatchFields& fields) const {
  MatchedSpanset out;
  out.matched = set.rows.size();
  out.attributes = set.attributes;
  const size_t shown = std::min(options_->spans_per_spanset, set.rows.size());
  for (size_t i = 0; i < shown; ++i)
    out.spans.push_back(describe_span(fields, set.rows[i]));
  return out;
}

MatchedSpan Summarizer::describe_span(BatchFields& fields, uint32_t row) const {
  MatchedSpan out;
  out.span_id = fields.batch().span_ids[row];
  if (const FieldValue parent = fields.value(parent_, row);
      parent.type == ValueType::kBytes && parent.text.size() == out.parent_span_id.bytes.size()) {
    std::copy(parent.text.begin(), parent.text.end(), out.parent_span_id.bytes.begin());
  }
  out.start_ns = fields.batch().start_ns[row];
  out.duration_ns = fields.value(duration_, row).word;
  out.name = text_of(fields.value(name_, row));
  out.service_name = text_of(fields.value(service_, row));
  out.kind = static_cast<uint8_t>(fields.value(kind_, row).word);
  out.status_code = static_cast<uint8_t>(fields.value(status_, row).word);
  for (FieldTable::Slot slot : shown_) {
    const FieldRef& field = table_.field(slot);
    Value value = display_all(field, fields.column(slot), row);
    if (value.type() != ValueType::kNone) {
      out.attributes.emplace_back(to_string(field), std::move(value));
    }
  }
  return out;
}

}  // namespace weft::traceql
