// Writes the columns of one table (spans, events or links) into a block. Rows are in classes (what
// repeats together), and each column has a table by class: classes whose rows never or always have
// a value need no presence bits, classes whose values are all the same need no codes. The block
// writer uses this.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/block_format.h"
#include "store/presence_bits.h"
#include "store/text_template.h"

namespace weft::store {

// The file while it is put together.
class FileBuilder {
 public:
  // `expected_bytes`: about how many there will be; growing a large file means copying it.
  explicit FileBuilder(size_t expected_bytes) : bytes_(kBlockHead) {
    bytes_.reserve(expected_bytes);
  }
  Extent append(std::string_view data);
  // A chunk of a page.
  ChunkInfo append_chunk(std::string_view data);
  uint64_t size() const { return bytes_.size(); }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class TableEncoder {
 public:
  // `page_begin` has one entry more than there are pages. `class_of` has one entry a row, below
  // `classes`. All must outlive the encoder.
  TableEncoder(FileBuilder& file, BlockColumns& out, BlockTable table,
               const std::vector<uint32_t>& page_begin, std::vector<uint32_t> class_of,
               uint32_t classes);

  // Columns: the rows that have a value, ascending, and the values, parallel to them.
  // `dictionary` is what encode_strings or encode_numbers made of the entries.
  void add_dictionary(ColumnMeta meta, std::span<const uint32_t> rows,
                      std::span<const uint32_t> codes, uint32_t entries,
                      std::string_view dictionary);
  void add_numbers(ColumnMeta meta, std::span<const uint32_t> rows,
                   std::span<const uint64_t> numbers);
  // `codes` are of templates, `variables` one entry a page.
  void add_text(ColumnMeta meta, std::span<const uint32_t> rows, std::span<const uint32_t> codes,
                uint32_t templates, std::string_view dictionary,
                const std::vector<TemplateVariables>& variables);
  // A column whose value is the same for all rows of a class: the code of each class, or kAbsent.
  // `dictionary` encodes the entries when it is told how often each occurs.
  static constexpr uint32_t kAbsent = UINT32_MAX;
  void add_by_class(ColumnMeta meta, std::span<const uint32_t> codes, uint32_t entries,
                    const std::function<std::string(std::span<const uint64_t> counts)>& dictionary);
  // A field with bytes of its own; `chunk` appends those of page p.
  void add_special(Field field, const std::function<void(size_t page, std::string& out)>& chunk);

  size_t pages() const { return page_begin_.size() - 1; }
  const std::vector<uint32_t>& page_begin() const { return page_begin_; }
  uint32_t rows() const { return page_begin_.back(); }
  uint32_t classes() const { return static_cast<uint32_t>(class_size_.size()); }
  uint32_t class_of(uint32_t row) const { return class_of_[row]; }
  // Rows of the class.
  uint32_t class_size(uint32_t c) const { return class_size_[c]; }

 private:
  // What a column adds to a page's chunk behind the presence bits: the values at [begin, end) of
  // its lists.
  using Body = std::function<void(size_t page, size_t begin, size_t end, std::string& out)>;
  // Puts the rows of the classes that are kMaybe into maybe_; false: there are none.
  bool mark_maybe(const std::vector<ClassValue>& classes);
  // `meta` has the encoding, the number of values and the dictionary.
  void add_column(ColumnMeta meta, std::span<const uint32_t> rows,
                  const std::vector<ClassValue>& classes, const Body& body);
  std::vector<ClassValue> class_values(std::span<const uint32_t> rows,
                                       std::span<const uint32_t> codes) const;
  Body code_body(std::span<const uint32_t> rows, std::span<const uint32_t> codes,
                 const std::vector<ClassValue>& classes, uint32_t entries);

  FileBuilder& file_;
  BlockColumns& out_;
  BlockTable table_;
  const std::vector<uint32_t>& page_begin_;
  std::vector<uint32_t> class_of_;
  std::vector<uint32_t> class_size_;
  // The rows of class c, ascending: rows_by_class_[class_begin_[c]] and so on.
  std::vector<uint32_t> class_begin_;
  std::vector<uint32_t> rows_by_class_;
  // Scratch.
  std::vector<uint32_t> page_codes_;
  RowBits present_;
  RowBits maybe_;
  std::string page_bits_;
};

// Entries of a dictionary as bytes, with how often each occurs.
std::string encode_string_dictionary(std::span<const std::string_view> entries,
                                     std::span<const uint64_t> counts);
std::string encode_number_dictionary(std::span<const uint64_t> entries,
                                     std::span<const uint64_t> counts);

}  // namespace weft::store
