#include "query/filter_program.h"

#include <algorithm>

#include "query/plan.h"
#include "query/validate.h"

namespace weft::traceql {
namespace {

using Node = FilterProgram::Node;

Node constant_node(bool value) {
  Node out;
  out.constant = value;
  return out;
}

struct Compiler {
  FieldTable& table;
  uint32_t memos = 0;

  Expected<Node> rows(const FieldExpr& expression) {
    for_each_field(expression, [this](const FieldRef& field) { table.add(field); });
    Node out;
    out.kind = Node::Kind::kRows;
    out.expression = expression;
    return out;
  }

  // The predicate of a condition on one field, which may be the parent's or the trace's.
  Expected<Node> condition(const FieldRef& field, const Condition& condition) {
    Node out;
    out.kind = Node::Kind::kCondition;
    out.slot = table.add(field);
    WEFT_ASSIGN(out.condition, CompiledCondition::create(condition.op, condition.operand));
    out.memo = memos++;
    return out;
  }

  Expected<Node> logical(const FieldExpr& expression) {
    Node out;
    out.kind = expression.op == Op::kAnd ? Node::Kind::kAnd : Node::Kind::kOr;
    for (const FieldExpr& child : expression.children) {
      WEFT_ASSIGN(Node node, compile(child));
      out.children.push_back(std::move(node));
    }
    return out;
  }

  // A comparison of a field with a literal, as a condition on the field's column.
  Expected<Node> comparison(const FieldExpr& expression) {
    const FieldExpr& left = expression.children[0];
    const FieldExpr& right = expression.children[1];
    const FieldExpr& field_side = left.kind == FieldExpr::Kind::kField ? left : right;
    if (field_side.kind != FieldExpr::Kind::kField) return rows(expression);
    // What decides how a literal is compared is the field's kind and type, wherever it is read.
    const FieldRef& field = field_side.field;
    FieldExpr stand_in = expression;
    FieldExpr& place = stand_in.children[&field_side == &left ? 0 : 1];
    place.field.of_parent = false;
    if (field.is_computed()) place.field = computed_stand_in(field);
    const Pushdown pushed = push_down(stand_in);
    if (!pushed.exact) return rows(expression);
    switch (pushed.predicate.kind) {
      case Predicate::Kind::kFalse:
        return constant_node(false);
      case Predicate::Kind::kTrue:
        return constant_node(true);
      case Predicate::Kind::kCondition:
        return condition(field, pushed.predicate.condition);
      default:
        return rows(expression);
    }
  }

  // A stored field of the same type.
  static FieldRef computed_stand_in(const FieldRef& field) {
    FieldRef out;
    switch (field.type()) {
      case StaticType::kDuration:
        out.kind = FieldKind::kDuration;
        break;
      case StaticType::kString:
        out.kind = FieldKind::kName;
        break;
      default:
        out.kind = FieldKind::kAttribute;
        break;
    }
    return out;
  }

  Expected<Node> compile(const FieldExpr& expression) {
    switch (expression.kind) {
      case FieldExpr::Kind::kLiteral: {
        const auto* flag = std::get_if<bool>(&expression.literal.value.data);
        return constant_node(flag != nullptr && *flag);
      }
      case FieldExpr::Kind::kField:
        return condition(expression.field, Condition{{}, CompareOp::kEqual, Value(true)});
      case FieldExpr::Kind::kUnary: {
        const FieldExpr& child = expression.children[0];
        if (expression.op != Op::kNot) return rows(expression);
        if (child.kind == FieldExpr::Kind::kField) {
          return condition(child.field, Condition{{}, CompareOp::kEqual, Value(false)});
        }
        Node out;
        out.kind = Node::Kind::kNot;
        WEFT_ASSIGN(Node inner, compile(child));
        out.children.push_back(std::move(inner));
        return out;
      }
      case FieldExpr::Kind::kBinary:
        break;
    }
    if (expression.op == Op::kAnd || expression.op == Op::kOr) return logical(expression);
    return is_comparison(expression.op) ? comparison(expression) : rows(expression);
  }
};

}  // namespace

Expected<FilterProgram> FilterProgram::create(const FieldExpr& expression, FieldTable& table) {
  Compiler compiler{table};
  FilterProgram out;
  WEFT_ASSIGN(out.root_, compiler.compile(expression));
  out.memos_ = compiler.memos;
  return out;
}

void FilterState::evaluate(BatchFields& fields, std::vector<uint8_t>& mask) {
  run(program_->root(), fields, mask);
}

void FilterState::run(const FilterProgram::Node& node, BatchFields& fields,
                      std::vector<uint8_t>& mask) {
  const size_t rows = fields.batch().rows();
  if (fields.meter().given_up()) return mask.assign(rows, 0);
  switch (node.kind) {
    case Node::Kind::kConstant:
      mask.assign(rows, node.constant ? 1 : 0);
      return;
    case Node::Kind::kNot:
      run(node.children[0], fields, mask);
      for (uint8_t& bit : mask)
        bit ^= 1;
      return;
    case Node::Kind::kAnd:
    case Node::Kind::kOr: {
      const bool is_and = node.kind == Node::Kind::kAnd;
      run(node.children[0], fields, mask);
      // Nothing left to decide.
      const uint8_t open = is_and ? 1 : 0;
      if (std::find(mask.begin(), mask.end(), open) == mask.end()) return;
      std::vector<uint8_t> other;
      run(node.children[1], fields, other);
      for (size_t row = 0; row < rows; ++row) {
        mask[row] = is_and ? mask[row] & other[row] : mask[row] | other[row];
      }
      return;
    }
    case Node::Kind::kCondition:
      return run_condition(node, fields, mask);
    case Node::Kind::kRows: {
      mask.resize(rows);
      RowEvaluator evaluator(node.expression, fields);
      for (uint32_t row = 0; row < rows && !fields.meter().given_up(); ++row)
        mask[row] = evaluator.holds(row) ? 1 : 0;
      return;
    }
  }
}

void FilterState::run_condition(const FilterProgram::Node& node, BatchFields& fields,
                                std::vector<uint8_t>& mask) {
  const size_t rows = fields.batch().rows();
  const ValueColumn& column = fields.column(node.slot);
  mask.resize(rows);
  Memo& memo = memos_[node.memo];
  if (memo.pool != column.strings) {
    memo.pool = column.strings;
    memo.verdicts.clear();
  }
  if (memo.pool && memo.verdicts.size() < memo.pool->size()) {
    memo.verdicts.resize(memo.pool->size());
  }
  if (column.offsets.empty()) {
    for (size_t row = 0; row < rows; ++row)
      mask[row] = judge(node, column, row) ? 1 : 0;
    return;
  }
  const bool wants_absent = node.condition->op() == CompareOp::kNotExists;
  for (size_t row = 0; row < rows; ++row) {
    bool any = false;
    bool present = false;
    for (uint32_t i = column.offsets[row]; i < column.offsets[row + 1]; ++i) {
      if (column.types[i] == ValueType::kNone) continue;
      present = true;
      any = any || judge(node, column, i);
    }
    mask[row] = (wants_absent ? !present : any) ? 1 : 0;
  }
}

bool FilterState::judge(const FilterProgram::Node& node, const ValueColumn& column, size_t index) {
  const ValueType type = column.types[index];
  const uint64_t word = column.words[index];
  switch (type) {
    case ValueType::kString:
    case ValueType::kBytes:
    case ValueType::kArray:
    case ValueType::kKvlist:
      break;
    default:
      return node.condition->matches_word(type, word);
  }
  // A pool keeps strings and nested values apart by id only when their bytes differ: the type is
  // part of the question, so only plain text is remembered.
  if (type != ValueType::kString) return node.condition->matches_text(type, column.text(index));
  uint8_t& verdict = memos_[node.memo].verdicts[word];
  if (verdict == 0) verdict = node.condition->matches_text(type, column.text(index)) ? 2 : 1;
  return verdict == 2;
}

}  // namespace weft::traceql
