// A TraceQL query as data: what the parser makes, the validator checks, the planner compiles and
// the reference evaluator walks. Plain values, freely copied. docs/traceql.md has the grammar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"
#include "query/query_error.h"
#include "scan/column.h"

namespace weft::traceql {

// What an expression is known to be before any span is seen. kUnknown: an attribute, of whatever
// type the span has there.
enum class StaticType : uint8_t {
  kUnknown,
  kNil,
  kString,
  kInt,
  kFloat,
  kBool,
  kDuration,
  kStatus,
  kKind,
  kId,  // compares with strings of hex digits
};
std::string_view to_string(StaticType type);

struct Literal {
  StaticType type = StaticType::kNil;
  // kDuration: nanoseconds as int; kStatus and kKind: OTLP's number as int.
  Value value;
};

// The things that a query can name of a span or its trace, attributes among them.
enum class FieldKind : uint8_t {
  kAttribute,
  kDuration,
  kName,
  kKind,
  kStatus,
  kStatusMessage,
  kTraceState,
  kSpanId,
  kParentId,
  kTraceId,
  kEventName,
  kEventTimeSinceStart,
  kLinkTraceId,
  kLinkSpanId,
  kInstrumentationName,
  kInstrumentationVersion,
  // From here on: known from the whole trace alone.
  kChildCount,
  kNestedSetLeft,
  kNestedSetRight,
  kNestedSetParent,
  kTraceDuration,
  kRootName,
  kRootService,
};

struct FieldRef {
  FieldKind kind = FieldKind::kAttribute;
  AttributeScope scope = AttributeScope::kAny;  // for attributes
  std::string key;                              // for attributes
  bool of_parent = false;                       // for attributes: read from the parent span

  bool is_computed() const { return kind >= FieldKind::kChildCount; }
  bool is_id() const;
  // The values of events and links: there may be several.
  bool is_multi_valued() const;
  StaticType type() const;
  // The column that holds it. Precondition: !is_computed().
  ColumnRef column() const;
  friend bool operator==(const FieldRef&, const FieldRef&) = default;
};

// Every name that a query may use for an intrinsic; the first of a kind is how it is printed.
struct IntrinsicName {
  std::string_view name;
  FieldKind kind;
  StaticType type;
};
const std::vector<IntrinsicName>& intrinsic_names();

enum class Op : uint8_t {
  // of fields and scalars
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kRegex,
  kNotRegex,
  kAnd,
  kOr,
  kNot,
  kNegate,
  // of spansets; kAnd and kOr too
  kChild,
  kParent,
  kDescendant,
  kAncestor,
  kSibling,
  kNotChild,
  kNotParent,
  kNotDescendant,
  kNotAncestor,
  kNotSibling,
  kUnionChild,
  kUnionParent,
  kUnionDescendant,
  kUnionAncestor,
  kUnionSibling,
};
std::string_view to_string(Op op);
bool is_arithmetic(Op op);
bool is_comparison(Op op);
bool is_structural(Op op);

// An expression over one span.
struct FieldExpr {
  enum class Kind : uint8_t { kLiteral, kField, kUnary, kBinary };
  Kind kind = Kind::kLiteral;
  Literal literal;
  FieldRef field;
  Op op = Op::kAnd;
  std::vector<FieldExpr> children;  // one for kUnary, two for kBinary
  TextSpan at;
};

struct Pipeline;

// An expression that selects spans of one trace.
struct SpansetExpr {
  enum class Kind : uint8_t { kFilter, kOperation, kPipeline };
  Kind kind = Kind::kFilter;
  std::optional<FieldExpr> filter;    // kFilter; none: { }
  Op op = Op::kAnd;                   // kOperation
  std::vector<SpansetExpr> operands;  // kOperation: two
  std::vector<Pipeline> pipeline;     // kPipeline: one
  TextSpan at;
};

enum class Aggregate : uint8_t { kCount, kMin, kMax, kSum, kAvg };
std::string_view to_string(Aggregate aggregate);

// A number for one spanset: aggregates, numbers and arithmetic of them.
struct ScalarExpr {
  enum class Kind : uint8_t { kLiteral, kAggregate, kBinary, kNegate, kPipeline };
  Kind kind = Kind::kLiteral;
  Literal literal;
  Aggregate aggregate = Aggregate::kCount;
  std::optional<FieldExpr> argument;  // of the aggregate; none for count()
  Op op = Op::kAdd;
  std::vector<ScalarExpr> children;
  // kPipeline: ( {a} | count() ): the spans it is taken from, and the last stage's scalar in
  // children[0].
  std::vector<Pipeline> pipeline;
  TextSpan at;
};

struct Stage {
  enum class Kind : uint8_t { kSpanset, kScalarFilter, kBy, kCoalesce, kSelect };
  Kind kind = Kind::kSpanset;
  std::optional<SpansetExpr> spanset;  // kSpanset
  Op op = Op::kEqual;                  // kScalarFilter: left op right
  std::optional<ScalarExpr> left;
  std::optional<ScalarExpr> right;
  std::optional<FieldExpr> by;   // kBy
  std::vector<FieldRef> select;  // kSelect
  TextSpan at;
};

struct Pipeline {
  std::vector<Stage> stages;
};

enum class MetricsFunction : uint8_t {
  kRate,
  kCountOverTime,
  kMinOverTime,
  kMaxOverTime,
  kSumOverTime,
  kAvgOverTime,
  kQuantileOverTime,
  kHistogramOverTime,
  kCompare,
};
std::string_view to_string(MetricsFunction function);

// What happens to the series of a metrics query: topk, bottomk, comparison with a number.
struct SeriesStage {
  enum class Kind : uint8_t { kTopK, kBottomK, kFilter };
  Kind kind = Kind::kTopK;
  uint32_t k = 0;        // kTopK, kBottomK
  Op op = Op::kGreater;  // kFilter
  double value = 0;      // kFilter; durations in seconds
  TextSpan at;
};

struct MetricsExpr {
  enum class Kind : uint8_t { kQuery, kNumber, kBinary };
  Kind kind = Kind::kQuery;
  // kQuery
  Pipeline spans;
  MetricsFunction function = MetricsFunction::kRate;
  std::optional<FieldRef> value;  // of what is aggregated over time
  std::vector<double> quantiles;  // kQuantileOverTime
  std::vector<FieldRef> by;
  std::optional<SpansetExpr> selection;  // kCompare
  uint32_t compare_top = 10;
  uint64_t compare_from_ns = 0;  // the selection's own range; 0, 0: all of it
  uint64_t compare_to_ns = 0;
  // kNumber
  double number = 0;
  // kBinary
  Op op = Op::kAdd;
  std::vector<MetricsExpr> children;

  std::vector<SeriesStage> stages;  // applied to the result, in order
  TextSpan at;
};

struct Hint {
  std::string name;
  Literal value;
  TextSpan at;
};

struct Query {
  std::string text;
  // A search, or with `metrics` a metrics query (then the pipeline is empty).
  Pipeline pipeline;
  std::optional<MetricsExpr> metrics;
  std::vector<Hint> hints;

  // nullptr when the query does not give the hint.
  const Hint* hint(std::string_view name) const;
};

// In TraceQL again, fully parenthesised where operators nest: parsing it gives an equal query.
std::string to_string(const Literal& literal);
std::string to_string(const FieldRef& field);
std::string to_string(const FieldExpr& expression);
std::string to_string(const SpansetExpr& expression);
std::string to_string(const ScalarExpr& expression);
std::string to_string(const Pipeline& pipeline);
std::string to_string(const MetricsExpr& expression);
std::string to_string(const Query& query);

// "1.5s", "200ms", "90us": a duration that TraceQL reads back exactly.
std::string duration_text(int64_t ns);

}  // namespace weft::traceql
