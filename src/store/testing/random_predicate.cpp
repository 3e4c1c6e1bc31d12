#include "store/testing/random_predicate.h"

#include <bit>

#include "store/batch_columns.h"

namespace weft::testing {

ColumnRef random_column(std::mt19937_64& random, const std::vector<Span>& spans) {
  if (random() % 3 == 0) {
    return ColumnRef::of(
        static_cast<Intrinsic>(1 + random() % static_cast<uint64_t>(Intrinsic::kLinkSpanId)));
  }
  const Span& span = spans[random() % spans.size()];
  const auto key_of = [&](const Attributes& attributes) {
    return attributes.empty() ? std::string("nowhere")
                              : attributes[random() % attributes.size()].key;
  };
  switch (random() % 5) {
    case 0:
      return ColumnRef::attribute(AttributeScope::kResource, key_of(span.resource.attributes));
    case 1:
      return ColumnRef::attribute(AttributeScope::kInstrumentation, key_of(span.scope.attributes));
    case 2:
      return ColumnRef::attribute(AttributeScope::kEvent,
                                  span.events.empty() ? "x" : key_of(span.events[0].attributes));
    case 3:
      return ColumnRef::attribute(AttributeScope::kAny, random() % 2 == 0
                                                            ? key_of(span.resource.attributes)
                                                            : key_of(span.attributes));
    default:
      return ColumnRef::attribute(AttributeScope::kSpan, key_of(span.attributes));
  }
}

Value value_at(const ValueColumn& column, size_t i) {
  switch (column.types[i]) {
    case ValueType::kNone:
      return {};
    case ValueType::kBool:
      return column.words[i] != 0;
    case ValueType::kInt:
      return static_cast<int64_t>(column.words[i]);
    case ValueType::kDouble:
      return std::bit_cast<double>(column.words[i]);
    case ValueType::kString:
      return Value(column.text(i));
    case ValueType::kBytes:
      return Value(Value::Bytes{std::string(column.text(i))});
    default:
      return decode_nested(column.types[i], column.text(i));
  }
}

Predicate random_predicate(std::mt19937_64& random, const store::SpanBatchPtr& all,
                           const std::vector<Span>& spans, int depth) {
  if (depth > 0 && random() % 2 == 0) {
    std::vector<Predicate> children;
    for (int i = 0; i < 2; ++i)
      children.push_back(random_predicate(random, all, spans, depth - 1));
    return random() % 2 == 0 ? Predicate::all_of(std::move(children))
                             : Predicate::any_of(std::move(children));
  }
  Condition condition;
  condition.column = random_column(random, spans);
  const ValueColumn values = store::extract_column(all, condition.column);
  if (!values.words.empty()) condition.operand = value_at(values, random() % values.words.size());
  condition.op = static_cast<CompareOp>(random() % 10);
  if (condition.op == CompareOp::kRegex || condition.op == CompareOp::kNotRegex) {
    condition.operand = Value(std::string(1, static_cast<char>('a' + random() % 26)) + ".*");
  }
  return Predicate::of(std::move(condition));
}

}  // namespace weft::testing
