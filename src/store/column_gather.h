// Collects the columns of many batches in the row order of a block, decides how each is encoded
// (dictionary, numbers, templates) and hands it to a TableEncoder. The block writer uses this.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/span_batch.h"
#include "store/table_encoder.h"
#include "store/trace_order.h"

namespace weft::store {

inline constexpr uint32_t kNoRow = UINT32_MAX;

// The strings of all batches under ids of their own, each looked up once a batch: those that
// repeat from batch to batch when this is made, while a batch's strings are read from the first to
// the last; the others when they are asked for.
class GlobalStrings {
 public:
  explicit GlobalStrings(std::span<const SpanBatchPtr> batches);
  uint32_t id(uint32_t batch, StringPool::Id local) {
    uint32_t& known = ids_[batch][local];
    if (known == kNoRow) known = pool_.intern(batches_[batch]->strings.at(local));
    return known;
  }
  uint32_t intern(std::string_view text) { return pool_.intern(text); }
  std::string_view text(uint32_t id) const { return pool_.at(id); }
  size_t size() const { return pool_.size(); }
  std::string_view local_text(uint32_t batch, StringPool::Id local) const {
    return batches_[batch]->strings.at(local);
  }

 private:
  struct Recent;
  void find_common(uint32_t batch, std::span<Recent> recent);

  std::span<const SpanBatchPtr> batches_;
  StringPool pool_;
  std::vector<std::vector<uint32_t>> ids_;  // by batch and the batch's id; kNoRow: not looked up
};

// Dictionary codes for global string ids, one column at a time.
class StringCodes {
 public:
  explicit StringCodes(const GlobalStrings& strings) : strings_(strings) {}
  uint32_t code(uint32_t id) {
    if (id >= codes_.size()) codes_.resize(strings_.size() + strings_.size() / 4 + 64, kNoRow);
    uint32_t& code = codes_[id];
    if (code == kNoRow) {
      code = static_cast<uint32_t>(entries_.size());
      entries_.push_back(id);
    }
    return code;
  }
  size_t size() const { return entries_.size(); }
  // With how often each code occurs.
  std::string encode(std::span<const uint64_t> counts) const;
  // Forgets this column's entries.
  void clear();

 private:
  const GlobalStrings& strings_;
  std::vector<uint32_t> codes_;  // by global id
  std::vector<uint32_t> entries_;
};

// A value of one row on its way into a column.
struct StringValue {
  uint32_t batch;
  StringPool::Id id;
};

class ColumnGather {
 public:
  // `row_maps[b]` maps the rows of batch b's table to rows of the block's table; kNoRow: left out.
  ColumnGather(std::span<const SpanBatchPtr> batches, GlobalStrings& strings, TableEncoder& encoder,
               const std::vector<std::vector<uint32_t>>& row_maps);

  // All columns of an attribute table; `tables[b]` is batch b's.
  void add_attributes(ColumnDomain domain, const std::vector<const AttributeTable*>& tables);
  // A string column with the given rows (ascending).
  void add_strings(ColumnMeta meta, std::span<const uint32_t> rows,
                   std::span<const StringValue> values);
  void add_numbers(ColumnMeta meta, std::span<const uint32_t> rows,
                   std::span<const uint64_t> numbers);

 private:
  // What one batch has of a column: where its AttributeColumn keeps it, since going there through
  // the batch and its tables waits for memory at each step.
  struct Part {
    uint32_t batch;
    uint32_t column;
    size_t count;
    const uint32_t* rows;
    const uint64_t* numbers;        // of columns of numbers
    const StringPool::Id* strings;  // of those of strings
  };
  struct Wanted {
    ColumnMeta meta;
    std::vector<Part> parts;
    uint64_t values = 0;
  };
  struct OfClass {
    uint32_t rows = 0;  // with a value
    uint64_t value = 0;
  };
  std::vector<Wanted> find_columns(ColumnDomain domain,
                                   const std::vector<const AttributeTable*>& tables);
  void add_column(const Wanted& wanted);
  void add_string_column(const Wanted& wanted);
  void add_overflow(std::span<const Wanted> wanted,
                    const std::vector<const AttributeTable*>& tables);
  void add_text(ColumnMeta meta, std::span<const uint32_t> rows,
                std::span<const std::string_view> texts);
  bool add_as_dictionary(const ColumnMeta& meta, std::span<const uint32_t> rows,
                         std::span<const StringValue> values);
  // Calls each(part, i, row) for each value of the part that has a row in the block, until that
  // returns false; returns what it returned.
  template <typename Each>
  bool each_of_part(const Wanted& wanted, size_t part, Each&& each) const;
  // Calls put(part, i, row) for each value that has a row in the block, and marks the rows in
  // present_.
  template <typename Put>
  bool scatter(const Wanted& wanted, Put&& put);
  template <typename T>
  struct Taken {
    std::vector<uint32_t> rows;
    std::vector<T> values;
  };
  // `most`: the number of values that were scattered; of equal rows one is left.
  template <typename T>
  Taken<T> take(const std::vector<T>& payload, size_t most) const;
  void add_codes(const ColumnMeta& meta, std::span<const uint32_t> rows,
                 std::span<const uint32_t> codes);
  bool add_attribute_as_dictionary(const Wanted& wanted);
  // When the rows of each class have the same value or none: the values by class. Else nullopt,
  // mostly soon. `value_of(part, i)` is what tells values apart.
  template <typename ValueOf>
  std::optional<std::vector<OfClass>> values_by_class(const Wanted& wanted, ValueOf&& value_of);
  // Gives the dictionary code of a part's string when it is called with the part and an index.
  struct CodeOf;
  bool add_strings_by_class(const Wanted& wanted);
  bool add_numbers_by_class(const Wanted& wanted);
  bool looks_unique(std::span<const StringValue> values) const;
  bool dictionary_pays(size_t values) const;
  // Entries of a dictionary after so many values.
  struct Growth {
    size_t values = 0;
    size_t entries = 0;
  };
  static bool dictionary_will_pay(Growth begin, Growth now, size_t values);

  std::span<const SpanBatchPtr> batches_;
  GlobalStrings& strings_;
  TableEncoder& encoder_;
  const std::vector<std::vector<uint32_t>>& row_maps_;
  StringCodes codes_;
  // Scratch: a value for each row of the block, and which rows have one.
  std::vector<uint64_t> payload_;
  std::vector<uint32_t> payload_codes_;
  std::vector<std::string_view> payload_texts_;
  std::vector<uint64_t> present_;
};

}  // namespace weft::store
