#include "store/compiled_predicate.h"

#include <functional>

namespace weft::store {
namespace {

using Mask = std::vector<uint8_t>;

// Asks a condition once for each distinct string.
class TextMemo {
 public:
  TextMemo(const CompiledCondition& condition, const StringPool& strings, ValueType type)
      : condition_(condition), strings_(strings), type_(type), known_(strings.size(), kUnknown) {}

  bool operator()(StringPool::Id id) {
    if (known_[id] == kUnknown) known_[id] = condition_.matches_text(type_, strings_.at(id));
    return known_[id] != 0;
  }

 private:
  static constexpr uint8_t kUnknown = 2;
  const CompiledCondition& condition_;
  const StringPool& strings_;
  ValueType type_;
  std::vector<uint8_t> known_;
};

// Calls found(row, matches) for each value of the key in a table.
template <typename Found>
void for_each_value(const AttributeTable& table, const StringPool& strings, std::string_view key,
                    const CompiledCondition& condition, Found&& found) {
  for (const AttributeColumn& column : table.columns) {
    if (column.type == ValueType::kNone || strings.at(column.key) != key) continue;
    if (column.is_number()) {
      for (size_t i = 0; i < column.rows.size(); ++i) {
        found(column.rows[i], condition.matches_word(column.type, column.numbers[i]));
      }
    } else {
      TextMemo memo(condition, strings, column.type);
      for (size_t i = 0; i < column.rows.size(); ++i) {
        found(column.rows[i], memo(column.strings[i]));
      }
    }
  }
}

}  // namespace

Mask evaluate_attribute(const AttributeTable& table, size_t rows, const StringPool& strings,
                        std::string_view key, const CompiledCondition& condition) {
  Mask mask(rows, condition.matches_absent());
  for_each_value(table, strings, key, condition,
                 [&](uint32_t row, bool matches) { mask[row] = matches; });
  return mask;
}

namespace {

Mask spread(const Mask& entities, const ColumnVector<uint32_t>& entity_of) {
  Mask mask(entity_of.size());
  for (size_t row = 0; row < mask.size(); ++row)
    mask[row] = entities[entity_of[row]];
  return mask;
}

// The span's own value, else the resource's.
Mask evaluate_any(const SpanBatch& batch, std::string_view key,
                  const CompiledCondition& condition) {
  const Mask resources = evaluate_attribute(batch.resources.attributes, batch.resources.size(),
                                            batch.strings, key, condition);
  Mask mask = spread(resources, batch.resource);
  for_each_value(batch.attributes, batch.strings, key, condition,
                 [&](uint32_t row, bool matches) { mask[row] = matches; });
  return mask;
}

// Events and links: a condition holds when it holds for one value; "not exists" when there is none.
Mask evaluate_many(const SpanBatch& batch, const CompiledCondition& condition,
                   const std::function<void(const std::function<void(uint32_t, bool)>&)>& each) {
  const bool absent = condition.matches_absent();
  Mask mask(batch.size(), absent);
  each([&](uint32_t span, bool matches) {
    if (absent) {
      mask[span] = 0;
    } else if (matches) {
      mask[span] = 1;
    }
  });
  return mask;
}

Mask evaluate_words(size_t rows, ValueType type, const CompiledCondition& condition,
                    const std::function<uint64_t(size_t)>& word) {
  Mask mask(rows);
  for (size_t row = 0; row < rows; ++row)
    mask[row] = condition.matches_word(type, word(row));
  return mask;
}

// `ids`: a ColumnVector or a SeldomColumn.
template <typename Column>
Mask evaluate_strings(const StringPool& strings, const Column& ids,
                      const CompiledCondition& condition) {
  TextMemo memo(condition, strings, ValueType::kString);
  Mask mask(ids.size());
  for (size_t row = 0; row < ids.size(); ++row)
    mask[row] = memo(ids[row]);
  return mask;
}

template <typename IdType>
Mask evaluate_ids(const ColumnVector<IdType>& ids, const CompiledCondition& condition,
                  bool zero_is_absent) {
  Mask mask(ids.size());
  for (size_t row = 0; row < ids.size(); ++row) {
    mask[row] = zero_is_absent && ids[row].is_zero()
                    ? condition.matches_absent()
                    : condition.matches_text(ValueType::kBytes,
                                             {reinterpret_cast<const char*>(ids[row].bytes.data()),
                                              ids[row].bytes.size()});
  }
  return mask;
}

Mask evaluate_event_or_link(const SpanBatch& batch, const ColumnRef& column,
                            const CompiledCondition& condition) {
  return evaluate_many(batch, condition, [&](const std::function<void(uint32_t, bool)>& found) {
    const auto bytes = [&](const auto& id) {
      return condition.matches_text(
          ValueType::kBytes, {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
    };
    if (column.is_attribute() && column.scope == AttributeScope::kEvent) {
      for_each_value(batch.events.attributes, batch.strings, column.key, condition,
                     [&](uint32_t e, bool m) { found(batch.events.span_row[e], m); });
      return;
    }
    if (column.is_attribute()) {
      for_each_value(batch.links.attributes, batch.strings, column.key, condition,
                     [&](uint32_t l, bool m) { found(batch.links.span_row[l], m); });
      return;
    }
    if (column.intrinsic == Intrinsic::kEventName) {
      TextMemo memo(condition, batch.strings, ValueType::kString);
      for (size_t e = 0; e < batch.events.size(); ++e) {
        found(batch.events.span_row[e], memo(batch.events.name[e]));
      }
    } else if (column.intrinsic == Intrinsic::kEventTimeSinceStartNs) {
      for (size_t e = 0; e < batch.events.size(); ++e) {
        const uint32_t span = batch.events.span_row[e];
        found(span, condition.matches_word(ValueType::kInt,
                                           batch.events.time_ns[e] - batch.start_ns[span]));
      }
    } else {
      for (size_t l = 0; l < batch.links.size(); ++l) {
        found(batch.links.span_row[l], column.intrinsic == Intrinsic::kLinkTraceId
                                           ? bytes(batch.links.trace_id[l])
                                           : bytes(batch.links.span_id[l]));
      }
    }
  });
}

Mask evaluate_intrinsic(const SpanBatch& batch, Intrinsic which,
                        const CompiledCondition& condition) {
  const size_t n = batch.size();
  const auto ints = [&](const std::function<uint64_t(size_t)>& word) {
    return evaluate_words(n, ValueType::kInt, condition, word);
  };
  switch (which) {
    case Intrinsic::kTraceId:
      return evaluate_ids(batch.trace_id, condition, false);
    case Intrinsic::kSpanId:
      return evaluate_ids(batch.span_id, condition, false);
    case Intrinsic::kParentSpanId:
      return evaluate_ids(batch.parent_span_id, condition, true);
    case Intrinsic::kStartNs:
      return ints([&](size_t row) { return batch.start_ns[row]; });
    case Intrinsic::kEndNs:
      return ints([&](size_t row) { return batch.end_ns[row]; });
    case Intrinsic::kDurationNs:
      return ints([&](size_t row) { return batch.duration_ns(row); });
    case Intrinsic::kKind:
      return ints([&](size_t row) { return uint64_t{batch.kind[row]}; });
    case Intrinsic::kStatusCode:
      return ints([&](size_t row) { return uint64_t{batch.status_code[row]}; });
    case Intrinsic::kName:
      return evaluate_strings(batch.strings, batch.name, condition);
    case Intrinsic::kStatusMessage:
      return evaluate_strings(batch.strings, batch.status_message, condition);
    case Intrinsic::kTraceState:
      return evaluate_strings(batch.strings, batch.trace_state, condition);
    case Intrinsic::kInstrumentationName:
      return spread(evaluate_strings(batch.strings, batch.scopes.name, condition), batch.scope);
    case Intrinsic::kInstrumentationVersion:
      return spread(evaluate_strings(batch.strings, batch.scopes.version, condition), batch.scope);
    default:
      return Mask(n, 0);
  }
}

Mask evaluate_condition(const SpanBatch& batch, const ColumnRef& column,
                        const CompiledCondition& condition) {
  if (column.is_multi_valued()) return evaluate_event_or_link(batch, column, condition);
  if (!column.is_attribute()) return evaluate_intrinsic(batch, column.intrinsic, condition);
  switch (column.scope) {
    case AttributeScope::kAny:
      return evaluate_any(batch, column.key, condition);
    case AttributeScope::kResource:
      return spread(evaluate_attribute(batch.resources.attributes, batch.resources.size(),
                                       batch.strings, column.key, condition),
                    batch.resource);
    case AttributeScope::kInstrumentation:
      return spread(evaluate_attribute(batch.scopes.attributes, batch.scopes.size(), batch.strings,
                                       column.key, condition),
                    batch.scope);
    default:
      return evaluate_attribute(batch.attributes, batch.size(), batch.strings, column.key,
                                condition);
  }
}

}  // namespace

Expected<CompiledPredicate> CompiledPredicate::create(const Predicate& predicate) {
  CompiledPredicate out;
  out.kind = predicate.kind;
  if (predicate.kind == Predicate::Kind::kCondition) {
    out.column = predicate.condition.column;
    WEFT_ASSIGN(out.condition,
                CompiledCondition::create(predicate.condition.op, predicate.condition.operand));
  }
  for (const Predicate& child : predicate.children) {
    WEFT_ASSIGN(auto compiled, create(child));
    out.children.push_back(std::move(compiled));
  }
  return out;
}

std::vector<uint8_t> evaluate(const CompiledPredicate& predicate, const SpanBatch& batch) {
  switch (predicate.kind) {
    case Predicate::Kind::kTrue:
      return Mask(batch.size(), 1);
    case Predicate::Kind::kFalse:
      return Mask(batch.size(), 0);
    case Predicate::Kind::kCondition:
      return evaluate_condition(batch, predicate.column, *predicate.condition);
    case Predicate::Kind::kAnd:
    case Predicate::Kind::kOr: {
      const bool both = predicate.kind == Predicate::Kind::kAnd;
      Mask mask = evaluate(predicate.children.front(), batch);
      for (size_t c = 1; c < predicate.children.size(); ++c) {
        const Mask other = evaluate(predicate.children[c], batch);
        for (size_t row = 0; row < mask.size(); ++row) {
          mask[row] = both ? mask[row] & other[row] : mask[row] | other[row];
        }
      }
      return mask;
    }
  }
  return Mask(batch.size(), 0);
}

}  // namespace weft::store
