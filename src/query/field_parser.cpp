#include "query/field_parser.h"

#include <fmt/format.h>

#include <array>

#include "query/suggest.h"

namespace weft::traceql {
namespace {

// Binding strengths; see parse_field_expression.
constexpr int kLogical = 1;
constexpr int kComparison = 2;
constexpr int kSum = 3;
constexpr int kNot = 4;
constexpr int kProduct = 5;
constexpr int kPower = 6;

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
    default:
      return is_comparison(token.op) ? kComparison : 0;
  }
}

FieldExpr parse_binary(TokenCursor& cursor, int min_binding, bool is_operand);

std::vector<std::string> operand_expected() {
  return {"an attribute such as `.a` or `span.a`", "an intrinsic such as `duration`", "a literal"};
}

void fail_operand(TokenCursor& cursor, bool is_operand) {
  const Token& token = cursor.peek();
  if (token.kind == TokenKind::kWord) {
    return cursor.fail_at(token.at,
                          token.text.find('.') != std::string::npos
                              ? fmt::format("`{}` has no scope", token.text)
                              : fmt::format("unknown name `{}`", token.text),
                          operand_expected(), hint_for_word(token.text, is_operand));
  }
  std::string hint;
  if (token.kind == TokenKind::kOperator && is_structural(token.op)) {
    hint = "structural operators stand between braces: `{ ... } >> { ... }`";
  } else if (token.kind == TokenKind::kOpenBrace) {
    hint = "braces do not nest; combine conditions with `&&` and `||`";
  } else if (token.kind == TokenKind::kCloseBrace || token.kind == TokenKind::kEnd) {
    hint = is_operand ? "the right side of the operator is missing" : "";
  }
  cursor.fail_unexpected(operand_expected(), hint);
}

FieldExpr literal_expression(Literal literal, TextSpan at) {
  FieldExpr out;
  out.kind = FieldExpr::Kind::kLiteral;
  out.literal = std::move(literal);
  out.at = at;
  return out;
}

std::optional<Literal> literal_of_token(const Token& token) {
  switch (token.kind) {
    case TokenKind::kInt:
      return Literal{StaticType::kInt, token.value};
    case TokenKind::kFloat:
      return Literal{StaticType::kFloat, token.value};
    case TokenKind::kDuration:
      return Literal{StaticType::kDuration, token.value};
    case TokenKind::kString:
      return Literal{StaticType::kString, token.value};
    case TokenKind::kWord:
      return literal_of_word(token.text);
    default:
      return std::nullopt;
  }
}

bool negate_literal(Literal& literal) {
  if (auto* integer = std::get_if<int64_t>(&literal.value.data)) {
    if (literal.type != StaticType::kInt && literal.type != StaticType::kDuration) return false;
    *integer = -*integer;
    return true;
  }
  if (auto* number = std::get_if<double>(&literal.value.data)) {
    *number = -*number;
    return true;
  }
  return false;
}

FieldExpr parse_unary(TokenCursor& cursor) {
  const TokenCursor::Level level(cursor);
  const Token token = cursor.take();
  FieldExpr out;
  out.kind = FieldExpr::Kind::kUnary;
  out.op = token.op == Op::kNot ? Op::kNot : Op::kNegate;
  // A minus takes all that binds tighter than a sum, a `!` all that binds tighter than itself.
  out.children.push_back(parse_binary(cursor, out.op == Op::kNot ? kProduct : kNot, false));
  out.at = cursor.since(token.at);
  FieldExpr& child = out.children.front();
  if (out.op == Op::kNegate && child.kind == FieldExpr::Kind::kLiteral &&
      negate_literal(child.literal)) {
    child.at = out.at;
    FieldExpr folded = std::move(child);
    return folded;
  }
  return out;
}

FieldExpr parse_parenthesised(TokenCursor& cursor) {
  const TokenCursor::Level level(cursor);
  const Token open = cursor.take();
  FieldExpr out = parse_binary(cursor, kLogical, false);
  if (!cursor.failed() && !cursor.take_if(TokenKind::kCloseParen)) {
    cursor.fail_unexpected({"`)`", "an operator"},
                           fmt::format("the `(` at offset {} is not closed", open.at.offset));
  }
  out.at = cursor.since(open.at);
  return out;
}

FieldExpr parse_operand(TokenCursor& cursor, bool is_operand) {
  const Token& token = cursor.peek();
  cursor.count_node(token.at);
  if (cursor.at(TokenKind::kOpenParen)) return parse_parenthesised(cursor);
  if (cursor.at_operator(Op::kNot) || cursor.at_operator(Op::kSubtract)) {
    return parse_unary(cursor);
  }
  if (cursor.at(TokenKind::kAttribute) ||
      (cursor.at(TokenKind::kWord) && intrinsic_of_word(token.text))) {
    FieldExpr out;
    out.kind = FieldExpr::Kind::kField;
    out.at = token.at;
    out.field = parse_field(cursor);
    return out;
  }
  if (auto literal = literal_of_token(token)) {
    return literal_expression(std::move(*literal), cursor.take().at);
  }
  fail_operand(cursor, is_operand);
  return {};
}

// Precedence climbing. `is_operand`: on the right of an operator, for better hints.
FieldExpr parse_binary(TokenCursor& cursor, int min_binding, bool is_operand) {
  const TokenCursor::Level level(cursor);
  FieldExpr left = parse_operand(cursor, is_operand);
  // Chains grow the tree to the left; kMaxQueryNodes bounds how deep walks over it recurse.
  for (;;) {
    const int binding = binding_of(cursor.peek());
    if (cursor.failed() || binding == 0 || binding < min_binding) return left;
    const Token op = cursor.take();
    FieldExpr node;
    node.kind = FieldExpr::Kind::kBinary;
    node.op = op.op;
    const TextSpan from = left.at;
    node.children.push_back(std::move(left));
    node.children.push_back(
        parse_binary(cursor, binding == kPower ? kPower : binding + 1, binding == kComparison));
    node.at = cursor.since(from);
    left = std::move(node);
  }
}

}  // namespace

FieldExpr parse_field_expression(TokenCursor& cursor) {
  return parse_binary(cursor, kLogical, false);
}

FieldRef parse_field(TokenCursor& cursor) {
  if (cursor.at(TokenKind::kAttribute)) return cursor.take().field;
  if (cursor.at(TokenKind::kWord)) {
    if (const auto kind = intrinsic_of_word(cursor.peek().text)) {
      cursor.take();
      FieldRef out;
      out.kind = *kind;
      return out;
    }
    const Token& token = cursor.peek();
    cursor.fail_at(token.at, fmt::format("unknown name `{}`", token.text),
                   {"an attribute such as `span.a`", "an intrinsic such as `duration`"},
                   hint_for_word(token.text, false));
    return {};
  }
  cursor.fail_unexpected({"an attribute such as `span.a`", "an intrinsic such as `duration`"});
  return {};
}

std::optional<Literal> literal_of_word(std::string_view word) {
  if (word == "nil") return Literal{StaticType::kNil, Value()};
  if (word == "true" || word == "false") return Literal{StaticType::kBool, Value(word == "true")};
  constexpr std::array<std::string_view, 3> kStatus = {"unset", "ok", "error"};
  for (size_t i = 0; i < kStatus.size(); ++i) {
    if (word == kStatus[i]) return Literal{StaticType::kStatus, Value(static_cast<int64_t>(i))};
  }
  constexpr std::array<std::string_view, 6> kKinds = {"unspecified", "internal", "server",
                                                      "client",      "producer", "consumer"};
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (word == kKinds[i]) return Literal{StaticType::kKind, Value(static_cast<int64_t>(i))};
  }
  return std::nullopt;
}

std::optional<FieldKind> intrinsic_of_word(std::string_view word) {
  for (const IntrinsicName& entry : intrinsic_names()) {
    if (entry.name == word) return entry.kind;
  }
  return std::nullopt;
}

std::optional<Literal> take_literal(TokenCursor& cursor) {
  const bool negative = cursor.at_operator(Op::kSubtract);
  auto literal = literal_of_token(cursor.peek(negative ? 1 : 0));
  if (!literal || (negative && !negate_literal(*literal))) return std::nullopt;
  if (negative) cursor.take();
  cursor.take();
  return literal;
}

}  // namespace weft::traceql
