// Decodes one page of a sealed block, column by column, as they are asked for. Scans, aggregates,
// trace look-ups, export and merging use it. One thread each.
#pragma once

#include <forward_list>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/block.h"
#include "store/bytes.h"
#include "store/text_probe.h"

namespace weft::store {

// The values of one column for a run of rows of a page's table. Rows are counted from the page's
// first one.
struct PageColumn {
  static constexpr uint32_t kAbsent = UINT32_MAX;
  LoadedColumnPtr column;
  uint32_t first_row = 0;
  // One a row: kAbsent, or the code in the dictionary (kText: of the template; kNumber: 0).
  std::vector<uint32_t> codes;
  // kNumber: one a row. kText: the id in `texts`, one a row.
  std::vector<uint64_t> words;
  std::shared_ptr<const StringPool> texts;  // kText

  uint32_t code(size_t row) const { return codes[row - first_row]; }
  bool present(size_t row) const { return code(row) != kAbsent; }
  // As columns of a SpanBatch keep it; for string-like types an id in strings().
  uint64_t word(size_t row) const {
    if (column->meta.encoding != ColumnEncoding::kDictionary) return words[row - first_row];
    return column->strings ? uint64_t{code(row)} + 1 : column->numbers[code(row)];
  }
  const std::shared_ptr<const StringPool>& strings() const {
    return column->meta.encoding == ColumnEncoding::kText ? texts : column->strings;
  }
};

// What a condition says of a column of codes (kDictionary) of one block.
struct CodeTruth {
  // Of a class; kConstant: the class's code meets the condition.
  enum Flag : uint8_t { kAlways = 1, kMaybe = 2, kVaries = 4, kConstant = 8 };
  CodeTruth(const LoadedColumn& column, std::vector<uint8_t> of_code);

  std::vector<uint8_t> of_code;   // 1: rows with the code meet it
  std::vector<uint8_t> of_class;  // of Flag
};

// Rows of a page's table, counted from the page's first one.
struct PageWindow {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
};

// The rows of a window that somebody wants to know something of: all, or those whose byte in
// `among` is `value`. What is said of the others does not matter.
struct AskedRows {
  PageWindow window;
  const std::vector<uint8_t>* among = nullptr;
  uint8_t value = 1;

  bool has(uint32_t row) const { return among == nullptr || (*among)[row] == value; }
};

class PageReader {
 public:
  PageReader(const Block& block, size_t page) : block_(block), page_(page) {}

  const Block& block() const { return block_; }
  const PageInfo& info() const { return block_.pages()[page_]; }
  size_t index() const { return page_; }
  size_t rows() const { return rows(BlockTable::kSpans); }
  size_t rows(BlockTable table) const;
  size_t traces() const;
  // Encoded bytes read so far.
  uint64_t bytes_read() const { return bytes_read_; }

  // References stay valid as long as the reader lives.
  Expected<const PageClasses*> classes(BlockTable table);
  // The rows [begin, end), as far as the table has them.
  Expected<PageColumn> column(size_t index, uint32_t begin = 0, uint32_t end = UINT32_MAX);
  // Sets mask[row] for those rows of the window that have a value in the column: whether it meets
  // the condition. `mask` has a byte for each row of the page.
  Status judge_codes(size_t index, const CodeTruth& truth, PageWindow window,
                     std::vector<uint8_t>& mask);
  // The same for a column of near-unique strings (kText): what `meets` says of the string, which is
  // put together for that, or `otherwise` for templates whose byte in `may` is 0.
  Status judge_texts(size_t index, std::span<const uint8_t> may, bool otherwise,
                     const std::function<bool(std::string_view)>& meets, const AskedRows& rows,
                     std::vector<uint8_t>& mask);
  // What each row has in a column of near-unique strings (kText): no value, another one, or the
  // probe's. The strings are not put together.
  enum class TextMatch : uint8_t { kAbsent, kOther, kSame };
  Expected<std::vector<TextMatch>> match_text(size_t index, const TextProbe& text);
  // Whether any row can have it: cheaper, since the rows are not looked at.
  Expected<bool> may_have_text(size_t index, const TextProbe& text);
  Expected<const std::vector<TraceId>*> trace_ids();
  // Traces' first rows within the page; one entry more than there are traces.
  Expected<const std::vector<uint32_t>*> trace_begin();
  Expected<const std::vector<uint64_t>*> starts();
  // end - start.
  Expected<const std::vector<int64_t>*> durations();
  Expected<const std::vector<SpanId>*> span_ids();
  struct Parents {
    static constexpr int32_t kRoot = -1;
    static constexpr int32_t kOutside = -2;
    std::vector<int32_t> row;     // in the page
    std::vector<SpanId> outside;  // ids of those that are kOutside, in row order
  };
  Expected<const Parents*> parents();
  // First event (link) of each row within the page's events; one entry more than rows.
  Expected<const std::vector<uint32_t>*> child_begin(BlockTable table);
  Expected<std::vector<int64_t>> event_times();
  Expected<std::vector<TraceId>> link_trace_ids();
  Expected<std::vector<SpanId>> link_span_ids();

  // The rows [begin, end) with every field. Columns that are damaged are left out (and reported);
  // an error when that is not possible. With `wanted`, only the columns that it takes (and ids,
  // times, resources and scopes) are filled in.
  using Wanted = std::function<bool(const ColumnMeta&)>;
  Expected<SpanBatch> read_rows(uint32_t begin, uint32_t end, const Wanted& wanted = nullptr);

 private:
  struct Presence;
  struct ColumnRows;
  Expected<Presence> read_presence(const LoadedColumn& column, ByteReader& in, PageWindow window);
  Expected<ColumnRows> find_rows(const LoadedColumn& column, ByteReader& in, PageWindow window);
  // How many of the rows before `end` are of each class that occurs.
  Expected<std::span<const PageClasses::Count>> class_counts(BlockTable table, uint32_t end);
  Expected<std::string> special(BlockTable table, Field field);
  Status load_shape();
  std::unexpected<Error> bad(const char* what) const;
  template <typename Id>
  Expected<std::vector<Id>> ids(BlockTable table, Field field, size_t count);

  const Block& block_;
  size_t page_;
  uint64_t bytes_read_ = 0;
  PageClassesPtr classes_[kBlockTables];
  struct CountsBefore {
    uint32_t end = 0;
    std::vector<PageClasses::Count> counts;
  };
  std::forward_list<CountsBefore> counts_before_[kBlockTables];
  std::optional<std::vector<TraceId>> trace_ids_;
  std::optional<std::vector<uint32_t>> trace_begin_;
  std::vector<uint64_t> trace_starts_;
  std::optional<std::vector<uint64_t>> starts_;
  std::optional<std::vector<int64_t>> durations_;
  std::optional<std::vector<SpanId>> span_ids_;
  std::optional<Parents> parents_;
  std::optional<std::vector<uint32_t>> child_begin_[kBlockTables];
};

}  // namespace weft::store
