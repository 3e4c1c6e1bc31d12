#include "query/summarize.h"

#include <algorithm>
#include <numeric>

#include "query/trace_columns.h"

namespace weft::traceql {
namespace {

FieldRef field_of(FieldKind kind) {
  FieldRef out;
  out.kind = kind;
  return out;
}

std::string text_of(const FieldValue& value) {
  return value.type == ValueType::kString ? std::string(value.text) : std::string();
}

}  // namespace

Expected<Summarizer> Summarizer::create(const Plan& plan, const SearchOptions& options) {
  Summarizer out(options);
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

ScanRequest Summarizer::request(std::vector<TraceId> ids) const {
  ScanRequest out;
  out.filter = Predicate::all();
  out.columns = table_.columns();
  out.whole_traces = true;
  out.parents = true;
  out.traces = std::move(ids);
  return out;
}

Expected<std::vector<TraceSummary>> Summarizer::summarize(const ScanBatch& batch,
                                                          BudgetMeter& meter) const {
  std::vector<TraceSummary> out;
  BatchFields fields(table_, batch, meter);
  TraceEvaluator evaluator(program_);
  evaluator.begin_batch(fields);
  for (uint32_t trace = 0; trace < batch.traces(); ++trace) {
    WEFT_TRY(meter.check());
    // Spans may have arrived since the trace was found, or it is gone.
    WEFT_ASSIGN(const std::vector<Spanset> sets, evaluator.evaluate(trace));
    const bool in_range = std::any_of(sets.begin(), sets.end(), [&](const Spanset& set) {
      return std::any_of(set.rows.begin(), set.rows.end(), [&](uint32_t row) {
        return options_->range.contains(batch.start_ns[row]);
      });
    });
    if (!in_range) continue;
    TraceSummary summary = describe(fields, trace);
    for (const Spanset& set : sets)
      summary.spansets.push_back(describe(set, fields));
    WEFT_TRY(meter.take_memory(memory_bytes(summary)));
    out.push_back(std::move(summary));
  }
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

TraceSummary Summarizer::describe(BatchFields& fields, uint32_t trace) const {
  const ScanBatch& batch = fields.batch();
  TraceSummary out;
  out.trace_id = batch.trace_ids[trace];
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
