// What a query will do, printed for a person.
#include <fmt/format.h>

#include "query/batch_fields.h"
#include "query/plan.h"
#include "query/trace_evaluator.h"

namespace weft::traceql {
namespace {

std::string column_list(const FieldTable& table) {
  std::string out;
  for (const ColumnRef& column : table.columns()) {
    if (!out.empty()) out += ", ";
    out += weft::to_string(column);
  }
  return out.empty() ? "none" : out;
}

std::string describe_spans(const SpanPlan& plan, bool is_search) {
  FieldTable table;
  if (!PipelineProgram::create(plan.pipeline, table)) return "  (the pipeline does not compile)\n";
  const bool whole = is_search || plan.whole_traces;
  std::string out;
  out += fmt::format("  pipeline      {}\n", to_string(plan.pipeline));
  out += fmt::format("  candidates    {}{}\n", weft::to_string(plan.candidates.predicate),
                     plan.candidates.exact ? "" : "  (a superset)");
  for (const Predicate& predicate : plan.needed)
    out += fmt::format("  in its trace  {}\n", weft::to_string(predicate));
  out += fmt::format("  columns       {}\n", column_list(table));
  out += fmt::format("  traces        {}\n", whole ? "whole, of every candidate" : "not needed");
  out += fmt::format("  parent rows   {}\n", plan.parents || table.needs_trace() ? "yes" : "no");
  out += fmt::format("  evaluated here {}\n", plan.filters_only
                                                  ? "the filter, on what the source returns"
                                                  : "the whole pipeline, trace by trace");
  return out;
}

std::string describe_metrics(const MetricsExpr& metrics, int depth) {
  const std::string indent(static_cast<size_t>(depth) * 2, ' ');
  std::string out;
  switch (metrics.kind) {
    case MetricsExpr::Kind::kNumber:
      return fmt::format("{}number {}\n", indent, metrics.number);
    case MetricsExpr::Kind::kBinary:
      out = fmt::format("{}series {} series, matched by labels\n", indent, to_string(metrics.op));
      for (const MetricsExpr& child : metrics.children)
        out += describe_metrics(child, depth + 1);
      break;
    case MetricsExpr::Kind::kQuery: {
      const SpanPlan plan = plan_spans(metrics.spans);
      out = fmt::format("{}{}\n", indent, to_string(metrics));
      out += describe_spans(plan, false);
      const bool counted_by_source = plan.filters_only && plan.candidates.exact &&
                                     metrics.function != MetricsFunction::kCompare;
      out += fmt::format("  aggregated    {}\n",
                         counted_by_source ? "by the source, where it can" : "here");
      return out;
    }
  }
  for (const SeriesStage& stage : metrics.stages) {
    out += fmt::format(
        "{}then {}\n", indent,
        stage.kind == SeriesStage::Kind::kFilter
            ? fmt::format("points {} {}", to_string(stage.op), stage.value)
            : fmt::format("{}({}) at each time",
                          stage.kind == SeriesStage::Kind::kTopK ? "topk" : "bottomk", stage.k));
  }
  return out;
}

}  // namespace

std::string explain_plan(const Plan& plan) {
  if (plan.query.metrics) return "metrics\n" + describe_metrics(*plan.query.metrics, 1);
  std::string out = "search\n" + describe_spans(plan.spans, true);
  out += "  order         newest trace start first, then trace id\n";
  std::string shown;
  for (const FieldRef& field : plan.shown)
    shown += (shown.empty() ? "" : ", ") + to_string(field);
  if (!shown.empty()) out += fmt::format("  shown         {}\n", shown);
  return out;
}

}  // namespace weft::traceql
