#include "query/metrics_parser.h"

#include <fmt/format.h>

#include "query/field_parser.h"
#include "query/suggest.h"

namespace weft::traceql {
namespace {

void expect(TokenCursor& cursor, TokenKind kind, std::string text, std::string hint) {
  if (!cursor.failed() && !cursor.take_if(kind)) {
    cursor.fail_unexpected({std::move(text)}, std::move(hint));
  }
}

std::string example_of(MetricsFunction function) {
  switch (function) {
    case MetricsFunction::kRate:
    case MetricsFunction::kCountOverTime:
      return fmt::format("{}()", to_string(function));
    case MetricsFunction::kQuantileOverTime:
      return "quantile_over_time(duration, .95)";
    case MetricsFunction::kCompare:
      return "compare({ status = error })";
    default:
      return fmt::format("{}(duration)", to_string(function));
  }
}

bool takes_field(MetricsFunction function) {
  return function != MetricsFunction::kRate && function != MetricsFunction::kCountOverTime &&
         function != MetricsFunction::kCompare;
}

std::optional<int64_t> take_integer(TokenCursor& cursor) {
  if (!cursor.at(TokenKind::kInt)) return std::nullopt;
  return std::get<int64_t>(cursor.take().value.data);
}

void parse_quantiles(TokenCursor& cursor, MetricsExpr& out) {
  while (!cursor.failed() && cursor.take_if(TokenKind::kComma)) {
    const TextSpan at = cursor.peek().at;
    cursor.count_node(at);
    double quantile = -1;
    if (cursor.at(TokenKind::kInt) || cursor.at(TokenKind::kFloat)) {
      quantile = series_number(*take_literal(cursor));
    } else {
      return cursor.fail_unexpected({"a number from 0 to 1"});
    }
    if (quantile < 0 || quantile > 1) {
      return cursor.fail_at(
          at, "a quantile lies between 0 and 1", {"a number from 0 to 1"},
          quantile > 1 && quantile <= 100 ? fmt::format("did you mean `{}`?", quantile / 100) : "");
    }
    out.quantiles.push_back(quantile);
  }
  if (out.quantiles.empty() && !cursor.failed()) {
    cursor.fail_unexpected({"`,` and a number from 0 to 1"},
                           "write `quantile_over_time(duration, .5, .95)`");
  }
}

void parse_compare(TokenCursor& cursor, MetricsExpr& out,
                   const std::function<SpansetExpr()>& parse_spanset) {
  out.selection = parse_spanset();
  if (!cursor.take_if(TokenKind::kComma)) return;
  const TextSpan at = cursor.peek().at;
  const auto top = take_integer(cursor);
  if (!top) return cursor.fail_unexpected({"the number of values kept of each attribute"});
  if (*top < 1 || *top > 1000) {
    return cursor.fail_at(at, "compare() keeps 1 to 1000 values of each attribute");
  }
  out.compare_top = static_cast<uint32_t>(*top);
  if (!cursor.take_if(TokenKind::kComma)) return;
  const TextSpan range_at = cursor.peek().at;
  const auto from = take_integer(cursor);
  expect(cursor, TokenKind::kComma, "`,` and the end of the selection's range",
         "write `compare({ ... }, 10, from, to)` with nanoseconds since the epoch");
  const auto to = take_integer(cursor);
  if (!from || !to) {
    return cursor.fail_unexpected({"nanoseconds since the epoch"});
  }
  if (*from >= *to) {
    return cursor.fail_at(range_at, "the selection's range must end after it begins");
  }
  out.compare_from_ns = static_cast<uint64_t>(*from);
  out.compare_to_ns = static_cast<uint64_t>(*to);
}

void parse_by(TokenCursor& cursor, MetricsExpr& out) {
  cursor.take();
  expect(cursor, TokenKind::kOpenParen, "`(`", "write `by(resource.service.name)`");
  do {
    cursor.count_node(cursor.peek().at);
    out.by.push_back(parse_field(cursor));
  } while (cursor.take_if(TokenKind::kComma));
  expect(cursor, TokenKind::kCloseParen, "`)`", "");
}

}  // namespace

std::optional<MetricsFunction> metrics_function_at(const TokenCursor& cursor) {
  if (!cursor.at(TokenKind::kWord)) return std::nullopt;
  for (int i = 0; i <= static_cast<int>(MetricsFunction::kCompare); ++i) {
    const auto function = static_cast<MetricsFunction>(i);
    if (cursor.peek().text == to_string(function)) return function;
  }
  return std::nullopt;
}

MetricsExpr parse_metrics_function(TokenCursor& cursor, MetricsFunction function,
                                   const std::function<SpansetExpr()>& parse_spanset) {
  MetricsExpr out;
  out.function = function;
  cursor.count_node(cursor.peek().at);
  const TextSpan from = cursor.take().at;
  expect(cursor, TokenKind::kOpenParen, "`(`", fmt::format("write `{}`", example_of(function)));
  if (takes_field(function)) {
    if (cursor.at(TokenKind::kCloseParen)) {
      cursor.fail_unexpected({"an attribute", "an intrinsic"},
                             fmt::format("write `{}`", example_of(function)));
    }
    out.value = parse_field(cursor);
  }
  if (function == MetricsFunction::kQuantileOverTime) parse_quantiles(cursor, out);
  if (function == MetricsFunction::kCompare) parse_compare(cursor, out, parse_spanset);
  expect(cursor, TokenKind::kCloseParen, "`)`", fmt::format("write `{}`", example_of(function)));
  if (cursor.at_word("by")) {
    if (function == MetricsFunction::kCompare) {
      cursor.fail_unexpected({}, "compare() already splits by every attribute");
    }
    parse_by(cursor, out);
  }
  out.at = cursor.since(from);
  return out;
}

void parse_series_stage(TokenCursor& cursor, MetricsExpr& metrics) {
  const Token token = cursor.peek();
  SeriesStage stage;
  if (token.text == "topk") {
    stage.kind = SeriesStage::Kind::kTopK;
  } else if (token.text == "bottomk") {
    stage.kind = SeriesStage::Kind::kBottomK;
  } else {
    std::string hint = "after a metrics function come `topk(n)`, `bottomk(n)` or a comparison";
    if (token.text == "by") hint = "by() follows the function without a `|`: `rate() by(name)`";
    return cursor.fail_unexpected({"`topk(n)`", "`bottomk(n)`"}, hint);
  }
  cursor.count_node(token.at);
  cursor.take();
  expect(cursor, TokenKind::kOpenParen, "`(`", fmt::format("write `{}(5)`", token.text));
  const TextSpan at = cursor.peek().at;
  const auto k = take_integer(cursor);
  if (!k) cursor.fail_unexpected({"the number of series"});
  if (k && (*k < 1 || *k > 10'000)) {
    cursor.fail_at(at, fmt::format("{}() keeps 1 to 10000 series", token.text));
  }
  if (k) stage.k = static_cast<uint32_t>(*k);
  expect(cursor, TokenKind::kCloseParen, "`)`", "");
  stage.at = cursor.since(token.at);
  metrics.stages.push_back(std::move(stage));
}

void parse_series_filter(TokenCursor& cursor, Op op, MetricsExpr& metrics,
                         const std::function<std::optional<double>()>& parse_number) {
  const TextSpan from = cursor.peek().at;
  if (op == Op::kRegex || op == Op::kNotRegex) {
    return cursor.fail_at(from, "series are compared with numbers only");
  }
  const TokenKind kind = cursor.peek(cursor.at_operator(Op::kSubtract) ? 1 : 0).kind;
  const bool is_number = kind == TokenKind::kInt || kind == TokenKind::kFloat ||
                         kind == TokenKind::kDuration || kind == TokenKind::kOpenParen;
  if (!is_number) {
    return cursor.fail_unexpected({"a number"}, "series are compared with numbers only");
  }
  const auto number = parse_number();
  if (cursor.failed()) return;
  if (!number) return cursor.fail_at(cursor.since(from), "series are compared with numbers only");
  SeriesStage stage;
  stage.kind = SeriesStage::Kind::kFilter;
  stage.op = op;
  stage.value = *number;
  stage.at = cursor.since(from);
  metrics.stages.push_back(std::move(stage));
}

std::vector<Hint> parse_hints(TokenCursor& cursor) {
  std::vector<Hint> out;
  cursor.take();
  expect(cursor, TokenKind::kOpenParen, "`(`", "write `with(exemplars=true)`");
  do {
    Hint hint;
    hint.at = cursor.peek().at;
    cursor.count_node(hint.at);
    if (!cursor.at(TokenKind::kWord)) {
      cursor.fail_unexpected({"the name of a hint"}, "write `with(exemplars=true)`");
    }
    hint.name = cursor.take().text;
    if (!cursor.failed() && !cursor.at_operator(Op::kEqual)) {
      cursor.fail_unexpected({"`=`"}, fmt::format("write `{}=true`", hint.name));
    }
    cursor.take();
    if (auto literal = take_literal(cursor)) {
      hint.value = std::move(*literal);
    } else {
      cursor.fail_unexpected({"a literal"}, fmt::format("write `{}=true`", hint.name));
    }
    hint.at = cursor.since(hint.at);
    out.push_back(std::move(hint));
  } while (cursor.take_if(TokenKind::kComma));
  expect(cursor, TokenKind::kCloseParen, "`)`", "");
  return out;
}

double series_number(const Literal& literal) {
  if (const auto* number = std::get_if<double>(&literal.value.data)) return *number;
  if (const auto* integer = std::get_if<int64_t>(&literal.value.data)) {
    return literal.type == StaticType::kDuration ? static_cast<double>(*integer) / 1e9
                                                 : static_cast<double>(*integer);
  }
  return 0;
}

}  // namespace weft::traceql
