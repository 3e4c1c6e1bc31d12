// A Predicate with its conditions prepared, and its evaluation over a SpanBatch: how unsealed
// spans and traces gathered from several places are filtered. Sealed blocks evaluate the same
// tree on encoded columns (store/block_filter.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/span_batch.h"
#include "scan/compiled_condition.h"
#include "scan/predicate.h"

namespace weft::store {

struct CompiledPredicate {
  Predicate::Kind kind = Predicate::Kind::kTrue;
  ColumnRef column;                            // for kCondition
  std::optional<CompiledCondition> condition;  // for kCondition
  std::vector<CompiledPredicate> children;     // for kAnd, kOr

  // kInvalidArgument for a regular expression that does not compile.
  static Expected<CompiledPredicate> create(const Predicate& predicate);
};

// One byte a row, 1 where the predicate holds.
std::vector<uint8_t> evaluate(const CompiledPredicate& predicate, const SpanBatch& batch);

// One byte an entity (span, resource, scope) of an attribute table with `rows` rows: whether its
// value of the key meets the condition.
std::vector<uint8_t> evaluate_attribute(const AttributeTable& table, size_t rows,
                                        const StringPool& strings, std::string_view key,
                                        const CompiledCondition& condition);

}  // namespace weft::store
