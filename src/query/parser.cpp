#include "query/parser.h"

#include <fmt/format.h>

#include <cmath>
#include <variant>

#include "query/field_parser.h"
#include "query/metrics_parser.h"
#include "query/suggest.h"

namespace weft::traceql {
namespace {

// What an operand turned out to be: spans, a number for a spanset, a comparison of such numbers
// (a Stage of kind kScalarFilter), or series.
using Node = std::variant<SpansetExpr, ScalarExpr, Stage, MetricsExpr>;

constexpr int kLogical = 1;
constexpr int kRelation = 2;
constexpr int kSum = 3;
constexpr int kProduct = 4;
constexpr int kPower = 5;

int binding_of(const Token& token) {
  if (token.kind != TokenKind::kOperator) return 0;
  switch (token.op) {
    case Op::kAnd:
    case Op::kOr:
      return kLogical;
    case Op::kAdd:
    case Op::kSubtract:
      return kSum;
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kModulo:
      return kProduct;
    case Op::kPower:
      return kPower;
    case Op::kNot:
      return 0;
    default:
      return kRelation;
  }
}

std::string_view name_of(const Node& node) {
  switch (node.index()) {
    case 0:
      return "a set of spans";
    case 1:
      return "a number";
    case 2:
      return "a comparison";
    default:
      return "a metrics query";
  }
}

std::optional<Aggregate> aggregate_of(std::string_view word) {
  for (Aggregate aggregate :
       {Aggregate::kCount, Aggregate::kMin, Aggregate::kMax, Aggregate::kSum, Aggregate::kAvg}) {
    if (word == to_string(aggregate)) return aggregate;
  }
  return std::nullopt;
}

const std::vector<std::string_view>& stage_words() {
  static const std::vector<std::string_view> words = {"by",
                                                      "coalesce",
                                                      "select",
                                                      "count",
                                                      "min",
                                                      "max",
                                                      "sum",
                                                      "avg",
                                                      "rate",
                                                      "count_over_time",
                                                      "min_over_time",
                                                      "max_over_time",
                                                      "sum_over_time",
                                                      "avg_over_time",
                                                      "quantile_over_time",
                                                      "histogram_over_time",
                                                      "compare",
                                                      "topk",
                                                      "bottomk",
                                                      "with"};
  return words;
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens) : cursor_(text, std::move(tokens)) {}

  QueryExpected<Query> run() {
    Query query;
    query.text = std::string(cursor_.query());
    if (cursor_.at(TokenKind::kEnd)) {
      cursor_.fail_at({}, "the query is empty", {"`{`"}, "`{ }` finds every trace");
    }
    Node node = pipeline();
    if (cursor_.at_word("with")) query.hints = parse_hints(cursor_);
    if (!cursor_.at(TokenKind::kEnd)) fail_after_query();
    if (auto* metrics = std::get_if<MetricsExpr>(&node)) {
      query.metrics = std::move(*metrics);
    } else if (auto* spans = std::get_if<SpansetExpr>(&node)) {
      query.pipeline = unwrap(std::move(*spans));
    } else if (auto* scalar = std::get_if<ScalarExpr>(&node); scalar && !cursor_.failed()) {
      fail_uncompared(scalar->at);
    }
    if (cursor_.failed()) return std::unexpected(cursor_.take_error());
    return query;
  }

 private:
  void fail_uncompared(TextSpan at) {
    cursor_.fail_at(at, "a number alone selects no spans", {"a comparison"},
                    "compare it: `| count() > 1`; to count over time use `| count_over_time()`");
  }

  void fail_after_query() {
    const Token& token = cursor_.peek();
    std::string hint;
    if (token.kind == TokenKind::kCloseBrace || token.kind == TokenKind::kCloseParen) {
      hint = fmt::format("nothing is open that this {} closes", describe(token));
    } else if (token.kind == TokenKind::kWord) {
      hint = token.text == "and" || token.text == "or" ? hint_for_word(token.text, false)
                                                       : "stages are divided by `|`";
    } else if (token.kind == TokenKind::kOpenBrace) {
      hint = "combine sets of spans with `&&`, `||`, `>` or `>>`";
    } else if (token.kind == TokenKind::kComma) {
      hint = "combine sets of spans with `&&` or `||`";
    } else if (token.kind == TokenKind::kOperator && is_arithmetic(token.op)) {
      hint = "arithmetic between metrics takes parentheses: `({ } | rate()) * 2`";
    }
    cursor_.fail_unexpected({"an operator", "`|`", "the end of the query"}, hint);
  }

  // A pipeline that is only a nested one: the nested one.
  static Pipeline unwrap(SpansetExpr spans) {
    if (spans.kind == SpansetExpr::Kind::kPipeline) {
      Pipeline inner = std::move(spans.pipeline.front());
      return inner;
    }
    Pipeline out;
    out.stages.push_back(spanset_stage(std::move(spans)));
    return out;
  }

  static Stage spanset_stage(SpansetExpr spans) {
    Stage stage;
    stage.kind = Stage::Kind::kSpanset;
    stage.at = spans.at;
    stage.spanset = std::move(spans);
    return stage;
  }

  static SpansetExpr nested(Pipeline pipeline, TextSpan at) {
    if (pipeline.stages.size() == 1 && pipeline.stages[0].kind == Stage::Kind::kSpanset) {
      SpansetExpr only = std::move(*pipeline.stages[0].spanset);
      return only;
    }
    SpansetExpr out;
    out.kind = SpansetExpr::Kind::kPipeline;
    out.pipeline.push_back(std::move(pipeline));
    out.at = at;
    return out;
  }

  // stage { "|" stage }: what it amounts to is what its last stage is.
  Node pipeline() {
    const TokenCursor::Level level(cursor_);
    const TextSpan from = cursor_.peek().at;
    Pipeline out;
    for (;;) {
      if (const auto function = metrics_function_at(cursor_)) {
        MetricsExpr metrics =
            parse_metrics_function(cursor_, *function, [this] { return spanset_argument(); });
        metrics.spans = std::move(out);
        if (metrics.spans.stages.empty()) metrics.spans.stages.push_back(spanset_stage({}));
        metrics.at = cursor_.since(from);
        return series_stages(std::move(metrics));
      }
      Node node = stage();
      if (cursor_.failed()) return SpansetExpr{};
      if (auto* metrics = std::get_if<MetricsExpr>(&node)) {
        if (!out.stages.empty()) {
          cursor_.fail_at(metrics->at, "a metrics query cannot be a stage of a pipeline", {},
                          "metrics queries are combined like `({a} | rate()) / ({b} | rate())`");
        }
        return series_stages(std::move(*metrics));
      }
      if (auto* scalar = std::get_if<ScalarExpr>(&node)) return scalar_end(out, *scalar, from);
      out.stages.push_back(to_stage(std::move(node)));
      if (!cursor_.take_if(TokenKind::kPipe)) break;
    }
    return nested(std::move(out), cursor_.since(from));
  }

  static Stage to_stage(Node node) {
    if (auto* filter = std::get_if<Stage>(&node)) return std::move(*filter);
    return spanset_stage(std::get<SpansetExpr>(std::move(node)));
  }

  // A number ends a pipeline: ( {a} | count() ).
  Node scalar_end(Pipeline& before, ScalarExpr& scalar, TextSpan from) {
    if (cursor_.at(TokenKind::kPipe)) {
      fail_uncompared(scalar.at);
      return SpansetExpr{};
    }
    if (before.stages.empty()) return std::move(scalar);
    ScalarExpr out;
    out.kind = ScalarExpr::Kind::kPipeline;
    out.pipeline.push_back(std::move(before));
    out.children.push_back(std::move(scalar));
    out.at = cursor_.since(from);
    return out;
  }

  Node series_stages(MetricsExpr metrics) {
    while (!cursor_.failed()) {
      if (cursor_.at(TokenKind::kOperator) && is_comparison(cursor_.peek().op)) {
        const Op op = cursor_.take().op;
        parse_series_filter(cursor_, op, metrics, [this]() -> std::optional<double> {
          const Node node = binary(kSum);
          const auto* scalar = std::get_if<ScalarExpr>(&node);
          return scalar ? constant_of(*scalar) : std::nullopt;
        });
      } else if (cursor_.at(TokenKind::kPipe)) {
        cursor_.take();
        parse_series_stage(cursor_, metrics);
      } else {
        break;
      }
    }
    return metrics;
  }

  Node stage() {
    if (cursor_.at_word("by")) return by_stage();
    if (cursor_.at_word("coalesce")) return coalesce_stage();
    if (cursor_.at_word("select")) return select_stage();
    return binary(kLogical);
  }

  Stage by_stage() {
    Stage out;
    out.kind = Stage::Kind::kBy;
    const TextSpan from = cursor_.take().at;
    expect(TokenKind::kOpenParen, "`(`", "write `by(resource.service.name)`");
    out.by = parse_field_expression(cursor_);
    if (cursor_.at(TokenKind::kComma)) {
      cursor_.fail_unexpected({"`)`"},
                              "a pipeline's by() takes one expression; write "
                              "`| by(a) | by(b)` to group by two");
    }
    expect(TokenKind::kCloseParen, "`)`", "");
    out.at = cursor_.since(from);
    return out;
  }

  Stage coalesce_stage() {
    Stage out;
    out.kind = Stage::Kind::kCoalesce;
    const TextSpan from = cursor_.take().at;
    expect(TokenKind::kOpenParen, "`(`", "write `coalesce()`");
    expect(TokenKind::kCloseParen, "`)`", "coalesce() takes no argument");
    out.at = cursor_.since(from);
    return out;
  }

  Stage select_stage() {
    Stage out;
    out.kind = Stage::Kind::kSelect;
    const TextSpan from = cursor_.take().at;
    expect(TokenKind::kOpenParen, "`(`", "write `select(span.http.route, status)`");
    do {
      cursor_.count_node(cursor_.peek().at);
      out.select.push_back(parse_field(cursor_));
    } while (cursor_.take_if(TokenKind::kComma));
    expect(TokenKind::kCloseParen, "`)`", "");
    out.at = cursor_.since(from);
    return out;
  }

  void expect(TokenKind kind, std::string text, std::string hint) {
    if (!cursor_.failed() && !cursor_.take_if(kind)) {
      cursor_.fail_unexpected({std::move(text)}, std::move(hint));
    }
  }

  Node binary(int min_binding) {
    const TokenCursor::Level level(cursor_);
    Node left = operand();
    for (;;) {
      const int binding = binding_of(cursor_.peek());
      if (cursor_.failed() || binding == 0 || binding < min_binding) return left;
      // What follows a metrics query in the way of comparisons is series_stages' part.
      if (binding == kRelation && std::holds_alternative<MetricsExpr>(left)) return left;
      const Token op = cursor_.take();
      Node right = binary(binding == kPower ? kPower : binding + 1);
      if (cursor_.failed()) return left;
      left = combine(op, std::move(left), std::move(right));
    }
  }

  Node combine(const Token& op, Node left, Node right) {
    if (is_arithmetic(op.op)) return combine_numbers(op, std::move(left), std::move(right));
    if (std::holds_alternative<ScalarExpr>(left) && std::holds_alternative<ScalarExpr>(right) &&
        is_comparison(op.op) && op.op != Op::kRegex && op.op != Op::kNotRegex) {
      return scalar_filter(op, std::get<ScalarExpr>(std::move(left)),
                           std::get<ScalarExpr>(std::move(right)));
    }
    if (is_spans(left) && is_spans(right)) {
      return combine_spans(op, as_spans(std::move(left)), as_spans(std::move(right)));
    }
    cursor_.fail_at(op.at,
                    fmt::format("`{}` does not combine {} with {}", to_string(op.op), name_of(left),
                                name_of(right)),
                    {}, hint_for_mismatch(left, right));
    return SpansetExpr{};
  }

  static std::string hint_for_mismatch(const Node& left, const Node& right) {
    if (std::holds_alternative<Stage>(left))
      return "comparisons do not chain; write `&&` between them";
    if (is_spans(left) && std::holds_alternative<ScalarExpr>(right)) {
      return "conditions on spans stand inside the braces: `{ duration > 1s }`";
    }
    if (is_spans(left) != is_spans(right)) return "both sides must be of one sort";
    return {};
  }

  static bool is_spans(const Node& node) {
    return std::holds_alternative<SpansetExpr>(node) || std::holds_alternative<Stage>(node);
  }

  static SpansetExpr as_spans(Node node) {
    if (auto* spans = std::get_if<SpansetExpr>(&node)) return std::move(*spans);
    Stage stage = std::get<Stage>(std::move(node));
    const TextSpan at = stage.at;
    Pipeline pipeline;
    pipeline.stages.push_back(std::move(stage));
    return nested(std::move(pipeline), at);
  }

  static Op structural_of(Op op) {
    switch (op) {
      case Op::kGreater:
        return Op::kChild;
      case Op::kLess:
        return Op::kParent;
      case Op::kNotRegex:
        return Op::kNotSibling;
      default:
        return op;
    }
  }

  Node combine_spans(const Token& token, SpansetExpr left, SpansetExpr right) {
    const Op op = structural_of(token.op);
    if (op != Op::kAnd && op != Op::kOr && !is_structural(op)) {
      cursor_.fail_at(token.at,
                      fmt::format("`{}` does not combine sets of spans", to_string(token.op)),
                      {"`&&`", "`||`", "`>`", "`>>`", "`<`", "`<<`", "`~`"},
                      "comparisons of attributes stand inside the braces");
    }
    SpansetExpr out;
    out.kind = SpansetExpr::Kind::kOperation;
    out.op = op;
    out.at = cursor_.since(left.at);
    out.operands.push_back(std::move(left));
    out.operands.push_back(std::move(right));
    return out;
  }

  Node scalar_filter(const Token& op, ScalarExpr left, ScalarExpr right) {
    Stage out;
    out.kind = Stage::Kind::kScalarFilter;
    out.op = op.op;
    out.at = cursor_.since(left.at);
    out.left = std::move(left);
    out.right = std::move(right);
    return out;
  }

  Node combine_numbers(const Token& op, Node left, Node right) {
    auto* a = std::get_if<ScalarExpr>(&left);
    auto* b = std::get_if<ScalarExpr>(&right);
    if (a != nullptr && b != nullptr) {
      ScalarExpr out;
      out.kind = ScalarExpr::Kind::kBinary;
      out.op = op.op;
      out.at = cursor_.since(a->at);
      out.children.push_back(std::move(*a));
      out.children.push_back(std::move(*b));
      return out;
    }
    auto x = as_series(left);
    auto y = as_series(right);
    if (!x || !y || op.op == Op::kModulo || op.op == Op::kPower) {
      cursor_.fail_at(op.at,
                      fmt::format("`{}` does not combine {} with {}", to_string(op.op),
                                  name_of(left), name_of(right)),
                      {},
                      x && y ? "between metrics there are `+`, `-`, `*` and `/`"
                             : "arithmetic on attributes stands inside the braces");
      return SpansetExpr{};
    }
    MetricsExpr out;
    out.kind = MetricsExpr::Kind::kBinary;
    out.op = op.op;
    out.at = cursor_.since(x->at);
    out.children.push_back(std::move(*x));
    out.children.push_back(std::move(*y));
    return out;
  }

  // The value of an expression of numbers alone, durations in seconds; nullopt for none that is
  // finite.
  static std::optional<double> constant_of(const ScalarExpr& scalar) {
    if (scalar.kind == ScalarExpr::Kind::kLiteral) return series_number(scalar.literal);
    if (scalar.kind != ScalarExpr::Kind::kNegate && scalar.kind != ScalarExpr::Kind::kBinary)
      return std::nullopt;
    const auto a = constant_of(scalar.children.front());
    const auto b = constant_of(scalar.children.back());
    if (!a || !b) return std::nullopt;
    const double out =
        scalar.kind == ScalarExpr::Kind::kNegate ? -*a : calculate(scalar.op, *a, *b);
    return std::isfinite(out) ? std::optional(out) : std::nullopt;
  }

  static double calculate(Op op, double a, double b) {
    switch (op) {
      case Op::kAdd:
        return a + b;
      case Op::kSubtract:
        return a - b;
      case Op::kMultiply:
        return a * b;
      case Op::kDivide:
        return a / b;
      case Op::kModulo:
        return std::fmod(a, b);
      default:
        return std::pow(a, b);
    }
  }

  // Series, or a number that stands for a constant one.
  static std::optional<MetricsExpr> as_series(Node& node) {
    if (auto* metrics = std::get_if<MetricsExpr>(&node)) return std::move(*metrics);
    const auto* scalar = std::get_if<ScalarExpr>(&node);
    if (scalar == nullptr) return std::nullopt;
    const auto number = constant_of(*scalar);
    if (!number) return std::nullopt;
    MetricsExpr out;
    out.kind = MetricsExpr::Kind::kNumber;
    out.number = *number;
    out.at = scalar->at;
    return out;
  }

  Node operand() {
    const Token& token = cursor_.peek();
    cursor_.count_node(token.at);
    switch (token.kind) {
      case TokenKind::kOpenBrace:
        return filter();
      case TokenKind::kOpenParen:
        return parenthesised();
      case TokenKind::kInt:
      case TokenKind::kFloat:
      case TokenKind::kDuration:
        return number();
      case TokenKind::kWord:
        if (const auto aggregate = aggregate_of(token.text)) return aggregate_call(*aggregate);
        break;
      case TokenKind::kOperator:
        if (token.op == Op::kSubtract) return negated();
        break;
      default:
        break;
    }
    fail_operand();
    return SpansetExpr{};
  }

  void fail_operand() {
    const Token& token = cursor_.peek();
    std::vector<std::string> expected = {"`{`", "`(`", "a function such as count()"};
    if (token.kind == TokenKind::kAttribute ||
        (token.kind == TokenKind::kWord && intrinsic_of_word(token.text))) {
      return cursor_.fail_unexpected(
          expected,
          fmt::format("conditions on spans stand in braces: `{{ {} = ... }}`", token.text));
    }
    if (token.kind == TokenKind::kWord) {
      const std::string_view close = nearest(token.text, stage_words());
      const bool has_dot = token.text.find('.') != std::string::npos;
      return cursor_.fail_at(
          token.at, fmt::format("unknown function `{}`", token.text), expected,
          !close.empty() ? fmt::format("did you mean `{}`?", close)
          : has_dot ? fmt::format("did you mean `{{ {} = ... }}`?", with_likely_scope(token.text))
                    : "conditions on spans stand in braces: `{ name = \"...\" }`");
    }
    if (token.kind == TokenKind::kOperator && token.op == Op::kNot) {
      return cursor_.fail_unexpected(expected, "negate inside the braces: `{ !(...) }`");
    }
    cursor_.fail_unexpected(expected);
  }

  SpansetExpr filter() {
    const TokenCursor::Level level(cursor_);
    const Token open = cursor_.take();
    SpansetExpr out;
    if (!cursor_.at(TokenKind::kCloseBrace)) out.filter = parse_field_expression(cursor_);
    if (!cursor_.failed() && !cursor_.take_if(TokenKind::kCloseBrace)) fail_in_braces(open);
    out.at = cursor_.since(open.at);
    return out;
  }

  void fail_in_braces(const Token& open) {
    const Token& token = cursor_.peek();
    std::string hint;
    if (token.kind == TokenKind::kEnd || token.kind == TokenKind::kPipe) {
      hint = fmt::format("the `{{` at offset {} is not closed", open.at.offset);
    } else if (token.kind == TokenKind::kWord) {
      hint = literal_of_word(token.text) ? "an operator is missing before it"
                                         : hint_for_word(token.text, false);
    } else if (token.kind == TokenKind::kComma) {
      hint = "combine conditions with `&&` or `||`";
    } else if (token.kind == TokenKind::kAttribute) {
      hint =
          "combine conditions with `&&` or `||`; operators need a space before them, since "
          "names may hold `-`, `/`, `*` and `+`";
    } else if (token.kind == TokenKind::kOperator && is_structural(token.op)) {
      hint = "structural operators stand between braces: `{ ... } >> { ... }`";
    } else if (token.kind == TokenKind::kString || token.kind == TokenKind::kInt) {
      hint = "an operator is missing before it";
    }
    cursor_.fail_unexpected({"an operator", "`}`"}, hint);
  }

  Node parenthesised() {
    const TokenCursor::Level level(cursor_);
    const Token open = cursor_.take();
    Node node = pipeline();
    if (!cursor_.failed() && !cursor_.take_if(TokenKind::kCloseParen)) {
      cursor_.fail_unexpected({"`)`", "an operator", "`|`"},
                              fmt::format("the `(` at offset {} is not closed", open.at.offset));
    }
    return node;
  }

  ScalarExpr number() {
    const TextSpan at = cursor_.peek().at;
    ScalarExpr out;
    out.literal = *take_literal(cursor_);
    out.at = at;
    return out;
  }

  Node negated() {
    const TokenCursor::Level level(cursor_);
    const TextSpan from = cursor_.peek().at;
    const TokenKind next = cursor_.peek(1).kind;
    const bool is_literal =
        next == TokenKind::kInt || next == TokenKind::kFloat || next == TokenKind::kDuration;
    if (is_literal &&
        !(cursor_.peek(2).kind == TokenKind::kOperator && cursor_.peek(2).op == Op::kPower)) {
      ScalarExpr out;
      out.literal = *take_literal(cursor_);
      out.at = cursor_.since(from);
      return out;
    }
    cursor_.take();
    Node inner = binary(kProduct);
    auto* scalar = std::get_if<ScalarExpr>(&inner);
    if (cursor_.failed()) return SpansetExpr{};
    if (scalar == nullptr) {
      cursor_.fail_at(from, fmt::format("`-` does not apply to {}", name_of(inner)));
      return SpansetExpr{};
    }
    ScalarExpr out;
    out.kind = ScalarExpr::Kind::kNegate;
    out.children.push_back(std::move(*scalar));
    out.at = cursor_.since(from);
    return out;
  }

  ScalarExpr aggregate_call(Aggregate aggregate) {
    ScalarExpr out;
    out.kind = ScalarExpr::Kind::kAggregate;
    out.aggregate = aggregate;
    const TextSpan from = cursor_.take().at;
    expect(TokenKind::kOpenParen, "`(`",
           fmt::format("write `{}({})`", to_string(aggregate),
                       aggregate == Aggregate::kCount ? "" : "duration"));
    if (aggregate != Aggregate::kCount) {
      if (cursor_.at(TokenKind::kCloseParen)) {
        cursor_.fail_unexpected({"an attribute", "an intrinsic"},
                                fmt::format("write `{}(duration)`", to_string(aggregate)));
      }
      out.argument = parse_field_expression(cursor_);
    }
    expect(TokenKind::kCloseParen, "`)`",
           aggregate == Aggregate::kCount ? "count() takes no argument" : "");
    out.at = cursor_.since(from);
    return out;
  }

  // The argument of compare().
  SpansetExpr spanset_argument() {
    Node node = binary(kLogical);
    if (is_spans(node)) return as_spans(std::move(node));
    cursor_.fail_at(cursor_.peek().at, "compare() takes a set of spans", {"`{`"},
                    "write `compare({ status = error })`");
    return {};
  }

  TokenCursor cursor_;
};

}  // namespace

QueryExpected<Query> parse(std::string_view text) {
  auto tokens = tokenize(text);
  if (!tokens) return std::unexpected(std::move(tokens).error());
  return Parser(text, std::move(*tokens)).run();
}

}  // namespace weft::traceql
