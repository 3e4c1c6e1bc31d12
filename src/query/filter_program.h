// A filter `{ ... }` compiled for batches: conditions on one column run down that column (text is
// judged once per distinct string), anything else span by span. Used by pipelines and metrics.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "query/batch_fields.h"
#include "scan/compiled_condition.h"

namespace weft::traceql {

// Immutable after create(); shared by all workers. What a worker needs to remember between batches
// lives in its FilterState.
class FilterProgram {
 public:
  struct Node {
    enum class Kind : uint8_t {
      kConstant,  // the same for every span
      kAnd,
      kOr,
      kNot,        // of a node that is true or false for every span
      kCondition,  // one column against one literal
      kRows,       // evaluated span by span
    };
    Kind kind = Kind::kConstant;
    bool constant = false;
    std::vector<Node> children;
    FieldTable::Slot slot = 0;
    std::optional<CompiledCondition> condition;
    uint32_t memo = 0;     // kCondition: which memo of the state is its own
    FieldExpr expression;  // kRows
  };

  // Adds the fields it needs to `table`, which must outlive it. Precondition: the expression is
  // valid. An error is a regular expression that stopped compiling: kInternal.
  static Expected<FilterProgram> create(const FieldExpr& expression, FieldTable& table);

  const Node& root() const { return root_; }
  uint32_t memos() const { return memos_; }

 private:
  Node root_;
  uint32_t memos_ = 0;
};

// One worker's memory of a program: which strings of a pool were judged how.
class FilterState {
 public:
  explicit FilterState(const FilterProgram& program)
      : program_(&program), memos_(program.memos()) {}

  // mask[row] = 1 where the filter holds, else 0; resized to the batch's rows.
  void evaluate(BatchFields& fields, std::vector<uint8_t>& mask);

 private:
  struct Memo {
    std::shared_ptr<const StringPool> pool;  // held, so that its address stays its own
    std::vector<uint8_t> verdicts;           // by string id: 0 unknown, 1 no, 2 yes
  };

  void run(const FilterProgram::Node& node, BatchFields& fields, std::vector<uint8_t>& mask);
  void run_condition(const FilterProgram::Node& node, BatchFields& fields,
                     std::vector<uint8_t>& mask);
  bool judge(const FilterProgram::Node& node, const ValueColumn& column, size_t index);

  const FilterProgram* program_;
  std::vector<Memo> memos_;
};

// Evaluates an expression for single spans. An expression has any number of values: none where an
// attribute is missing, several for arrays, events and links. Operators apply to every pair of
// their operands' values; a comparison is one truth value: whether it holds for one pair. The
// values of arithmetic are cut off after kMaxValues.
class RowEvaluator {
 public:
  static constexpr size_t kMaxValues = 1024;

  // `expression` must outlive the evaluator; its fields must be in the table.
  RowEvaluator(const FieldExpr& expression, BatchFields& fields);

  bool holds(uint32_t row);
  // The first value; kNone when there is none. Text lives until the next call.
  FieldValue first(uint32_t row);

 private:
  using Values = std::vector<FieldValue>;
  struct Node {
    const FieldExpr* expression;
    FieldTable::Slot slot = 0;
    std::shared_ptr<const CompiledCondition> regex;  // of =~ and !~
    bool never = false;                              // operands of types that cannot meet
    std::vector<Node> children;
  };

  Node build(const FieldExpr& expression);
  void values(const Node& node, uint32_t row, Values& out);
  void field_values(const Node& node, uint32_t row, Values& out);
  void push_expanded(const FieldRef& field, const FieldValue& value, Values& out);
  bool truth(const Node& node, uint32_t row);
  bool compare(const Node& node, uint32_t row);
  bool compare_nil(const Node& node, uint32_t row);
  std::string_view keep(std::string text);

  BatchFields& fields_;
  Node root_;
  std::deque<std::string> kept_;  // text made for this row: hex digits, elements of arrays
};

// Arithmetic of TraceQL: `+ - * %` on two integers give an integer while it fits, everything else
// is done in doubles. kNone for operands that are not numbers, division by zero and NaN.
FieldValue arithmetic(Op op, const FieldValue& a, const FieldValue& b);
// Comparison by the rules of scan/predicate.h.
bool compare_values(Op op, const FieldValue& a, const FieldValue& b);

}  // namespace weft::traceql
