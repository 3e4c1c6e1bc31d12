// What a query will do, as data: which spans to ask the source for, which columns, whether whole
// traces are needed, and what is left to evaluate here. Made once a query, then read by the
// executors of search and metrics, and printed by explain_plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "query/ast.h"
#include "query/query_service.h"
#include "scan/predicate.h"

namespace weft::traceql {

// A predicate on single spans. `exact`: it holds for the same spans as the expression it was made
// from; else for those and others.
struct Pushdown {
  Predicate predicate;
  bool exact = true;
};
Pushdown push_down(const FieldExpr& expression);

// What the spans of a pipeline's result meet, as far as single spans can tell. Exact only when the
// pipeline is nothing but filters on single spans.
Pushdown push_down(const Pipeline& pipeline);

// One leaf of a metrics query, or the whole of a search.
struct SpanPlan {
  Pipeline pipeline;
  Pushdown candidates;
  // A trace with a result has a span for each of these too: the other sides of its operations.
  std::vector<Predicate> needed;
  // The pipeline is filters alone (and select, which changes no set).
  bool filters_only = false;
  // A span cannot be judged without the rest of its trace.
  bool whole_traces = false;
  bool parents = false;
  // What the pipeline names, each once; fields of events and traces included.
  std::vector<FieldRef> fields;
};
SpanPlan plan_spans(Pipeline pipeline);

struct Plan {
  Query query;
  SpanPlan spans;  // of a search; of a metrics query without arithmetic, its leaf's
  // What a search shows of its spans besides the fixed columns: fields of filters and select().
  std::vector<FieldRef> shown;
};

std::shared_ptr<const Plan> make_plan(Query query);

// See CompiledQuery::explain.
std::string explain_plan(const Plan& plan);

// nestedSetParent < 0 is how clients ask for root spans: rewritten to span:parentID = nil, which
// needs no trace. Applied by plan_spans.
FieldExpr simplify(FieldExpr expression);

}  // namespace weft::traceql
