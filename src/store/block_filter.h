// A predicate on the encoded columns of one block: truth tables for dictionary entries, a verdict
// for each class of spans, page bounds for durations. What cannot be answered so is read and
// evaluated as in memory. Scans and aggregates use it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "store/compiled_predicate.h"
#include "store/page_reader.h"

namespace weft::store {

// What is known of all spans of a class.
enum class Verdict : uint8_t { kNo = 0, kYes = 1, kDepends = 2 };

class BlockFilter {
 public:
  // `predicate` must outlive the filter.
  static Expected<BlockFilter> create(const Block& block, const CompiledPredicate& predicate);

  // No span of the block can match.
  bool none() const { return none_; }
  // One byte a row of the page; empty when none matches. Any thread.
  Expected<std::vector<uint8_t>> evaluate(PageReader& page) const;

 private:
  using Mask = std::vector<uint8_t>;

  // How a column of codes answers: one of the three, or none (kNumber); then its values are read.
  struct CodeColumn {
    size_t index = 0;
    std::optional<CodeTruth> truth;  // kDictionary
    // kText: by template, whether its strings have to be looked at. The others have the truth
    // `otherwise`.
    Mask may;
    bool otherwise = false;
    // kText, when the condition is (un)equality: says which rows have the string; those have the
    // truth `found_is`, the others with a value the opposite.
    std::shared_ptr<const TextProbe> probe;
    bool found_is = true;
  };
  struct Node {
    // From the cheapest to the dearest: in this order children are asked, as long as there are rows
    // of which it is not known what the whole says.
    enum class Method : uint8_t { kConstant, kDuration, kProbe, kCodes, kTexts, kBranch, kGeneric };
    Method method = Method::kConstant;
    const CompiledPredicate* source = nullptr;
    bool constant = false;       // kConstant
    std::vector<Node> children;  // kBranch
    // kProbe, kCodes and kTexts, which puts strings together: at most one has a value in a row.
    std::vector<CodeColumn> columns;
    bool absent = false;    // of these: truth of a row without a value
    bool has_base = false;  // such rows take base's truth instead
    CodeColumn base;
    std::vector<Verdict> classes;

    bool by_columns() const {
      return method == Method::kProbe || method == Method::kCodes || method == Method::kTexts;
    }
  };

  explicit BlockFilter(const Block& block) : block_(&block) {}
  Expected<Node> make(const CompiledPredicate& predicate, size_t classes) const;
  Status make_condition(const CompiledPredicate& predicate, Node& node) const;
  Status add_field(Field field, const CompiledCondition& condition, Node& node) const;
  Status add_attribute(const CompiledPredicate& predicate, Node& node) const;
  Status add_entity(Field field, const CompiledPredicate& predicate, Node& node) const;
  Status judge_classes(Node& node, size_t classes) const;
  static CodeColumn judge_column(size_t index, const LoadedColumn& column,
                                 const CompiledCondition& condition);

  // What the classes of the page's rows and its bounds say of all of them.
  Expected<Verdict> judge_page(const Node& node, PageReader& page) const;
  // These set the bytes of the rows that are asked for, and perhaps of others of their window.
  // `mask` has one for each row of the page and is another one than that of `asked`.
  Status evaluate_node(const Node& node, PageReader& page, const AskedRows& asked,
                       Mask& mask) const;
  Status evaluate_branch(const Node& node, PageReader& page, const AskedRows& asked,
                         Mask& mask) const;
  Status evaluate_columns(const Node& node, PageReader& page, const AskedRows& asked,
                          Mask& mask) const;
  Status evaluate_duration(const Node& node, PageReader& page, const AskedRows& asked,
                           Mask& mask) const;
  Status evaluate_generic(const Node& node, PageReader& page, const AskedRows& asked,
                          Mask& mask) const;
  static Status apply_column(const CodeColumn& column, const CompiledCondition& condition,
                             PageReader& page, const AskedRows& asked, Mask& mask);

  const Block* block_;
  Node root_;
  bool none_ = false;
};

// Whether a column of the block has to be read to answer for `column`; for projections.
bool column_serves(const ColumnMeta& meta, const ColumnRef& column);

}  // namespace weft::store
