#include "query/ast.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace weft::traceql {
namespace {

constexpr std::array kOpTexts = {"+",  "-",  "*",  "/",   "%",   "^",  "=",  "!=",  "<",
                                 "<=", ">",  ">=", "=~",  "!~",  "&&", "||", "!",   "-",
                                 ">",  "<",  ">>", "<<",  "~",   "!>", "!<", "!>>", "!<<",
                                 "!~", "&>", "&<", "&>>", "&<<", "&~"};
static_assert(kOpTexts.size() == static_cast<size_t>(Op::kUnionSibling) + 1);

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20) {
          out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  return out + "\"";
}

std::string number_text(double number) {
  std::string out = fmt::format("{}", number);
  if (out.find_first_of(".einf") == std::string::npos) out += ".0";
  return out;
}

// A number that would bind differently behind its minus.
bool is_negative(const Literal& literal) {
  if (const auto* integer = std::get_if<int64_t>(&literal.value.data)) return *integer < 0;
  if (const auto* number = std::get_if<double>(&literal.value.data)) return std::signbit(*number);
  return false;
}

bool is_unary(const FieldExpr& expression) {
  return expression.kind == FieldExpr::Kind::kUnary;
}
bool is_unary(const ScalarExpr& expression) {
  return expression.kind == ScalarExpr::Kind::kNegate;
}

// An operand, in parentheses where they decide how it is read.
template <typename Expr>
std::string operand_text(const Expr& child) {
  // Unary operators bind looser than some binary ones.
  const bool in_parens = child.kind == Expr::Kind::kBinary || is_unary(child) ||
                         (child.kind == Expr::Kind::kLiteral && is_negative(child.literal));
  return in_parens ? "(" + to_string(child) + ")" : to_string(child);
}

std::string join(const std::vector<FieldRef>& fields) {
  std::string out;
  for (const FieldRef& field : fields) {
    if (!out.empty()) out += ", ";
    out += to_string(field);
  }
  return out;
}

std::string stage_text(const Stage& stage) {
  switch (stage.kind) {
    case Stage::Kind::kSpanset:
      return to_string(*stage.spanset);
    case Stage::Kind::kScalarFilter:
      return fmt::format("{} {} {}", to_string(*stage.left), to_string(stage.op),
                         to_string(*stage.right));
    case Stage::Kind::kBy:
      return fmt::format("by({})", to_string(*stage.by));
    case Stage::Kind::kCoalesce:
      return "coalesce()";
    case Stage::Kind::kSelect:
      return fmt::format("select({})", join(stage.select));
  }
  return "";
}

std::string series_stage_text(const SeriesStage& stage) {
  switch (stage.kind) {
    case SeriesStage::Kind::kTopK:
      return fmt::format("topk({})", stage.k);
    case SeriesStage::Kind::kBottomK:
      return fmt::format("bottomk({})", stage.k);
    case SeriesStage::Kind::kFilter:
      return fmt::format("{} {}", to_string(stage.op), number_text(stage.value));
  }
  return "";
}

std::string function_text(const MetricsExpr& metrics) {
  std::string out(to_string(metrics.function));
  out += "(";
  if (metrics.function == MetricsFunction::kCompare) {
    out += to_string(*metrics.selection);
    out += fmt::format(", {}", metrics.compare_top);
    if (metrics.compare_to_ns != 0) {
      out += fmt::format(", {}, {}", metrics.compare_from_ns, metrics.compare_to_ns);
    }
    return out + ")";
  }
  if (metrics.value) out += to_string(*metrics.value);
  for (double quantile : metrics.quantiles)
    out += ", " + number_text(quantile);
  out += ")";
  if (!metrics.by.empty()) out += fmt::format(" by({})", join(metrics.by));
  return out;
}

}  // namespace

std::string_view to_string(StaticType type) {
  switch (type) {
    case StaticType::kUnknown:
      return "unknown";
    case StaticType::kNil:
      return "nil";
    case StaticType::kString:
      return "string";
    case StaticType::kInt:
      return "int";
    case StaticType::kFloat:
      return "float";
    case StaticType::kBool:
      return "bool";
    case StaticType::kDuration:
      return "duration";
    case StaticType::kStatus:
      return "status";
    case StaticType::kKind:
      return "kind";
    case StaticType::kId:
      return "id";
  }
  return "";
}

const std::vector<IntrinsicName>& intrinsic_names() {
  static const std::vector<IntrinsicName> names = {
      {"duration", FieldKind::kDuration, StaticType::kDuration},
      {"span:duration", FieldKind::kDuration, StaticType::kDuration},
      {"name", FieldKind::kName, StaticType::kString},
      {"span:name", FieldKind::kName, StaticType::kString},
      {"kind", FieldKind::kKind, StaticType::kKind},
      {"span:kind", FieldKind::kKind, StaticType::kKind},
      {"status", FieldKind::kStatus, StaticType::kStatus},
      {"span:status", FieldKind::kStatus, StaticType::kStatus},
      {"statusMessage", FieldKind::kStatusMessage, StaticType::kString},
      {"span:statusMessage", FieldKind::kStatusMessage, StaticType::kString},
      {"span:traceState", FieldKind::kTraceState, StaticType::kString},
      {"span:id", FieldKind::kSpanId, StaticType::kId},
      {"span:parentID", FieldKind::kParentId, StaticType::kId},
      {"parent", FieldKind::kParentId, StaticType::kId},
      {"trace:id", FieldKind::kTraceId, StaticType::kId},
      {"event:name", FieldKind::kEventName, StaticType::kString},
      {"event:timeSinceStart", FieldKind::kEventTimeSinceStart, StaticType::kDuration},
      {"link:traceID", FieldKind::kLinkTraceId, StaticType::kId},
      {"link:spanID", FieldKind::kLinkSpanId, StaticType::kId},
      {"instrumentation:name", FieldKind::kInstrumentationName, StaticType::kString},
      {"instrumentation:version", FieldKind::kInstrumentationVersion, StaticType::kString},
      {"span:childCount", FieldKind::kChildCount, StaticType::kInt},
      {"childCount", FieldKind::kChildCount, StaticType::kInt},
      {"nestedSetLeft", FieldKind::kNestedSetLeft, StaticType::kInt},
      {"nestedSetRight", FieldKind::kNestedSetRight, StaticType::kInt},
      {"nestedSetParent", FieldKind::kNestedSetParent, StaticType::kInt},
      {"trace:duration", FieldKind::kTraceDuration, StaticType::kDuration},
      {"traceDuration", FieldKind::kTraceDuration, StaticType::kDuration},
      {"trace:rootName", FieldKind::kRootName, StaticType::kString},
      {"rootName", FieldKind::kRootName, StaticType::kString},
      {"trace:rootService", FieldKind::kRootService, StaticType::kString},
      {"rootServiceName", FieldKind::kRootService, StaticType::kString},
  };
  return names;
}

bool FieldRef::is_id() const {
  return type() == StaticType::kId;
}

bool FieldRef::is_multi_valued() const {
  return !is_computed() && column().is_multi_valued();
}

StaticType FieldRef::type() const {
  if (kind == FieldKind::kAttribute) return StaticType::kUnknown;
  for (const IntrinsicName& entry : intrinsic_names()) {
    if (entry.kind == kind) return entry.type;
  }
  return StaticType::kUnknown;
}

ColumnRef FieldRef::column() const {
  switch (kind) {
    case FieldKind::kAttribute:
      return ColumnRef::attribute(scope, key);
    case FieldKind::kDuration:
      return ColumnRef::of(Intrinsic::kDurationNs);
    case FieldKind::kName:
      return ColumnRef::of(Intrinsic::kName);
    case FieldKind::kKind:
      return ColumnRef::of(Intrinsic::kKind);
    case FieldKind::kStatus:
      return ColumnRef::of(Intrinsic::kStatusCode);
    case FieldKind::kStatusMessage:
      return ColumnRef::of(Intrinsic::kStatusMessage);
    case FieldKind::kTraceState:
      return ColumnRef::of(Intrinsic::kTraceState);
    case FieldKind::kSpanId:
      return ColumnRef::of(Intrinsic::kSpanId);
    case FieldKind::kParentId:
      return ColumnRef::of(Intrinsic::kParentSpanId);
    case FieldKind::kTraceId:
      return ColumnRef::of(Intrinsic::kTraceId);
    case FieldKind::kEventName:
      return ColumnRef::of(Intrinsic::kEventName);
    case FieldKind::kEventTimeSinceStart:
      return ColumnRef::of(Intrinsic::kEventTimeSinceStartNs);
    case FieldKind::kLinkTraceId:
      return ColumnRef::of(Intrinsic::kLinkTraceId);
    case FieldKind::kLinkSpanId:
      return ColumnRef::of(Intrinsic::kLinkSpanId);
    case FieldKind::kInstrumentationName:
      return ColumnRef::of(Intrinsic::kInstrumentationName);
    case FieldKind::kInstrumentationVersion:
      return ColumnRef::of(Intrinsic::kInstrumentationVersion);
    default:
      return ColumnRef::of(Intrinsic::kNone);
  }
}

std::string_view to_string(Op op) {
  return kOpTexts[static_cast<size_t>(op)];
}
bool is_arithmetic(Op op) {
  return op <= Op::kPower;
}
bool is_comparison(Op op) {
  return op >= Op::kEqual && op <= Op::kNotRegex;
}
bool is_structural(Op op) {
  return op >= Op::kChild;
}

std::string_view to_string(Aggregate aggregate) {
  switch (aggregate) {
    case Aggregate::kCount:
      return "count";
    case Aggregate::kMin:
      return "min";
    case Aggregate::kMax:
      return "max";
    case Aggregate::kSum:
      return "sum";
    case Aggregate::kAvg:
      return "avg";
  }
  return "";
}

std::string_view to_string(MetricsFunction function) {
  switch (function) {
    case MetricsFunction::kRate:
      return "rate";
    case MetricsFunction::kCountOverTime:
      return "count_over_time";
    case MetricsFunction::kMinOverTime:
      return "min_over_time";
    case MetricsFunction::kMaxOverTime:
      return "max_over_time";
    case MetricsFunction::kSumOverTime:
      return "sum_over_time";
    case MetricsFunction::kAvgOverTime:
      return "avg_over_time";
    case MetricsFunction::kQuantileOverTime:
      return "quantile_over_time";
    case MetricsFunction::kHistogramOverTime:
      return "histogram_over_time";
    case MetricsFunction::kCompare:
      return "compare";
  }
  return "";
}

const Hint* Query::hint(std::string_view name) const {
  for (const Hint& hint : hints) {
    if (hint.name == name) return &hint;
  }
  return nullptr;
}

std::string duration_text(int64_t ns) {
  if (ns < 0) return "-" + duration_text(-ns);
  struct UnitOf {
    const char* text;
    int64_t ns;
  };
  for (const UnitOf& unit :
       {UnitOf{"h", 3600'000'000'000}, UnitOf{"m", 60'000'000'000}, UnitOf{"s", 1'000'000'000},
        UnitOf{"ms", 1'000'000}, UnitOf{"us", 1'000}}) {
    if (ns >= unit.ns && ns % unit.ns == 0) return fmt::format("{}{}", ns / unit.ns, unit.text);
  }
  if (ns >= 1'000'000'000 && ns % 1'000'000 == 0) {
    return fmt::format("{}s{}ms", ns / 1'000'000'000, ns / 1'000'000 % 1000);
  }
  return fmt::format("{}ns", ns);
}

std::string to_string(const Literal& literal) {
  switch (literal.type) {
    case StaticType::kString:
    case StaticType::kId:
      return quoted(std::get<std::string>(literal.value.data));
    case StaticType::kInt:
      return fmt::format("{}", std::get<int64_t>(literal.value.data));
    case StaticType::kFloat:
      return number_text(std::get<double>(literal.value.data));
    case StaticType::kBool:
      return std::get<bool>(literal.value.data) ? "true" : "false";
    case StaticType::kDuration:
      return duration_text(std::get<int64_t>(literal.value.data));
    case StaticType::kStatus: {
      constexpr std::array kNames = {"unset", "ok", "error"};
      return kNames[static_cast<size_t>(std::get<int64_t>(literal.value.data))];
    }
    case StaticType::kKind: {
      constexpr std::array kNames = {"unspecified", "internal", "server",
                                     "client",      "producer", "consumer"};
      return kNames[static_cast<size_t>(std::get<int64_t>(literal.value.data))];
    }
    default:
      return "nil";
  }
}

std::string to_string(const FieldRef& field) {
  if (field.kind == FieldKind::kAttribute) {
    const std::string column = to_string(ColumnRef::attribute(field.scope, field.key));
    if (!field.of_parent) return column;
    return (field.scope == AttributeScope::kAny ? "parent" : "parent.") + column;
  }
  for (const IntrinsicName& entry : intrinsic_names()) {
    if (entry.kind == field.kind) return std::string(entry.name);
  }
  return "";
}

std::string to_string(const FieldExpr& expression) {
  switch (expression.kind) {
    case FieldExpr::Kind::kLiteral:
      return to_string(expression.literal);
    case FieldExpr::Kind::kField:
      return to_string(expression.field);
    case FieldExpr::Kind::kUnary:
      return fmt::format("{}({})", to_string(expression.op), to_string(expression.children[0]));
    case FieldExpr::Kind::kBinary: {
      return fmt::format("{} {} {}", operand_text(expression.children[0]), to_string(expression.op),
                         operand_text(expression.children[1]));
    }
  }
  return "";
}

std::string to_string(const SpansetExpr& expression) {
  switch (expression.kind) {
    case SpansetExpr::Kind::kFilter:
      return expression.filter ? fmt::format("{{ {} }}", to_string(*expression.filter)) : "{ }";
    case SpansetExpr::Kind::kOperation: {
      const auto side = [](const SpansetExpr& child) {
        return child.kind == SpansetExpr::Kind::kOperation ? "(" + to_string(child) + ")"
                                                           : to_string(child);
      };
      return fmt::format("{} {} {}", side(expression.operands[0]), to_string(expression.op),
                         side(expression.operands[1]));
    }
    case SpansetExpr::Kind::kPipeline:
      return "(" + to_string(expression.pipeline[0]) + ")";
  }
  return "";
}

std::string to_string(const ScalarExpr& expression) {
  switch (expression.kind) {
    case ScalarExpr::Kind::kLiteral:
      return to_string(expression.literal);
    case ScalarExpr::Kind::kAggregate:
      return fmt::format("{}({})", to_string(expression.aggregate),
                         expression.argument ? to_string(*expression.argument) : "");
    case ScalarExpr::Kind::kNegate:
      return fmt::format("-({})", to_string(expression.children[0]));
    case ScalarExpr::Kind::kBinary: {
      return fmt::format("{} {} {}", operand_text(expression.children[0]), to_string(expression.op),
                         operand_text(expression.children[1]));
    }
    case ScalarExpr::Kind::kPipeline:
      return fmt::format("({} | {})", to_string(expression.pipeline[0]),
                         to_string(expression.children[0]));
  }
  return "";
}

std::string to_string(const Pipeline& pipeline) {
  std::string out;
  for (const Stage& stage : pipeline.stages) {
    if (!out.empty()) out += " | ";
    out += stage_text(stage);
  }
  return out;
}

std::string to_string(const MetricsExpr& expression) {
  std::string out;
  switch (expression.kind) {
    case MetricsExpr::Kind::kNumber:
      out = number_text(expression.number);
      break;
    case MetricsExpr::Kind::kQuery:
      out = fmt::format("{} | {}", to_string(expression.spans), function_text(expression));
      break;
    case MetricsExpr::Kind::kBinary: {
      const auto side = [](const MetricsExpr& child) {
        return child.kind == MetricsExpr::Kind::kNumber ? to_string(child)
                                                        : "(" + to_string(child) + ")";
      };
      out = fmt::format("{} {} {}", side(expression.children[0]), to_string(expression.op),
                        side(expression.children[1]));
      // What follows belongs to the whole, not to the last operand.
      if (!expression.stages.empty()) out = "(" + out + ")";
      break;
    }
  }
  for (const SeriesStage& stage : expression.stages) {
    const bool is_filter = stage.kind == SeriesStage::Kind::kFilter;
    out += (is_filter ? " " : " | ") + series_stage_text(stage);
  }
  return out;
}

std::string to_string(const Query& query) {
  std::string out = query.metrics ? to_string(*query.metrics) : to_string(query.pipeline);
  if (query.hints.empty()) return out;
  out += " with(";
  for (size_t i = 0; i < query.hints.size(); ++i) {
    if (i > 0) out += ", ";
    out += query.hints[i].name + "=" + to_string(query.hints[i].value);
  }
  return out + ")";
}

}  // namespace weft::traceql
