#include "store/table_encoder.h"

#include <algorithm>
#include <numeric>

#include "base/hash.h"
#include "store/stream_codec.h"

namespace weft::store {

Extent FileBuilder::append(std::string_view data) {
  const Extent extent{bytes_.size(), data.size(), hash_bytes(data)};
  bytes_ += data;
  return extent;
}

ChunkInfo FileBuilder::append_chunk(std::string_view data) {
  bytes_ += data;
  return {static_cast<uint32_t>(data.size()),
          data.empty() ? 0 : static_cast<uint32_t>(hash_bytes(data))};
}

TableEncoder::TableEncoder(FileBuilder& file, BlockColumns& out, BlockTable table,
                           const std::vector<uint32_t>& page_begin, std::vector<uint32_t> class_of,
                           uint32_t classes)
    : file_(file),
      out_(out),
      table_(table),
      page_begin_(page_begin),
      class_of_(std::move(class_of)),
      class_size_(classes),
      class_begin_(classes + 1),
      rows_by_class_(class_of_.size()),
      present_(page_begin.back()),
      maybe_(page_begin.back()) {
  for (uint32_t c : class_of_)
    ++class_size_[c];
  std::partial_sum(class_size_.begin(), class_size_.end(), class_begin_.begin() + 1);
  std::vector<uint32_t> next(class_begin_.begin(), class_begin_.end() - 1);
  for (uint32_t row = 0; row < class_of_.size(); ++row)
    rows_by_class_[next[class_of_[row]]++] = row;
  out_.classes[static_cast<size_t>(table)] = classes;
  if (classes > 1) {
    add_special(Field::kClass, [&](size_t page, std::string& chunk) {
      put_codes(chunk,
                std::span(class_of_).subspan(page_begin_[page],
                                             page_begin_[page + 1] - page_begin_[page]),
                classes - 1);
    });
  }
}

void TableEncoder::add_special(Field field,
                               const std::function<void(size_t, std::string&)>& chunk) {
  ColumnMeta meta;
  meta.table = table_;
  meta.field = field;
  meta.values = rows();
  meta.data_offset = file_.size();
  std::vector<ChunkInfo> index;
  std::string bytes;
  for (size_t page = 0; page < pages(); ++page) {
    bytes.clear();
    chunk(page, bytes);
    index.push_back(file_.append_chunk(bytes));
  }
  meta.index = file_.append(encode_index(index));
  out_.columns.push_back(std::move(meta));
}

std::vector<ClassValue> TableEncoder::class_values(std::span<const uint32_t> rows,
                                                   std::span<const uint32_t> codes) const {
  struct Seen {
    uint32_t count = 0;
    uint32_t code = 0;
  };
  std::vector<Seen> seen(class_size_.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    Seen& of_class = seen[class_of_[rows[i]]];
    const uint32_t code = codes.empty() ? ClassValue::kVaries : codes[i];
    if (of_class.count == 0) of_class.code = code;
    if (of_class.code != code) of_class.code = ClassValue::kVaries;
    ++of_class.count;
  }
  std::vector<ClassValue> values(class_size_.size());
  for (size_t c = 0; c < values.size(); ++c) {
    if (seen[c].count == 0) continue;
    values[c].code = seen[c].code;
    values[c].presence = seen[c].count == class_size_[c] ? ClassValue::Presence::kAlways
                                                         : ClassValue::Presence::kMaybe;
  }
  return values;
}

// Presence is asked for of the rows of some classes only, and a table of many columns has few rows
// in each: they are marked class by class, not found by looking at all rows. A key that may stand
// with any span leaves next to none of them out; then it is the others that are marked.
bool TableEncoder::mark_maybe(const std::vector<ClassValue>& classes) {
  size_t maybe_rows = 0;
  for (size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].presence == ClassValue::Presence::kMaybe) maybe_rows += class_size_[c];
  }
  if (maybe_rows == 0) return false;
  const bool most = maybe_rows > class_of_.size() / 2;
  maybe_.fill(most);
  for (size_t c = 0; c < classes.size(); ++c) {
    if ((classes[c].presence == ClassValue::Presence::kMaybe) == most) continue;
    for (uint32_t i = class_begin_[c]; i < class_begin_[c + 1]; ++i) {
      most ? maybe_.unset(rows_by_class_[i]) : maybe_.set(rows_by_class_[i]);
    }
  }
  return true;
}

void TableEncoder::add_column(ColumnMeta meta, std::span<const uint32_t> rows,
                              const std::vector<ClassValue>& classes, const Body& body) {
  meta.table = table_;
  meta.classes = file_.append(encode_class_values(classes));
  meta.data_offset = file_.size();
  const bool any_maybe = mark_maybe(classes);
  if (any_maybe) {
    present_.fill(false);
    for (uint32_t row : rows)
      present_.set(row);
  }
  std::vector<ChunkInfo> index;
  index.reserve(pages());
  std::string chunk;
  size_t at = 0;
  for (size_t page = 0; page < pages(); ++page) {
    chunk.clear();
    const size_t begin = at;
    const uint32_t end_row = page_begin_[page + 1];
    at = static_cast<size_t>(
        std::lower_bound(rows.begin() + static_cast<ptrdiff_t>(begin), rows.end(), end_row) -
        rows.begin());
    if (any_maybe) {
      pack_chosen_bits(present_, maybe_, page_begin_[page], end_row, page_bits_);
      put_packed_bits(chunk, page_bits_);
    }
    body(page, begin, at, chunk);
    index.push_back(file_.append_chunk(chunk));
  }
  meta.index = file_.append(encode_index(index));
  out_.columns.push_back(std::move(meta));
}

TableEncoder::Body TableEncoder::code_body(std::span<const uint32_t> rows,
                                           std::span<const uint32_t> codes,
                                           const std::vector<ClassValue>& classes,
                                           uint32_t entries) {
  const bool any_varies = std::ranges::any_of(
      classes, [](const ClassValue& c) { return c.code == ClassValue::kVaries; });
  return [this, rows, codes, &classes, entries, any_varies](size_t, size_t begin, size_t end,
                                                            std::string& out) {
    if (!any_varies) return;
    page_codes_.resize(end - begin);
    size_t kept = 0;
    for (size_t i = begin; i < end; ++i) {
      page_codes_[kept] = codes[i];
      kept += classes[class_of_[rows[i]]].code == ClassValue::kVaries;
    }
    put_codes(out, std::span(page_codes_).first(kept), entries - 1);
  };
}

void TableEncoder::add_dictionary(ColumnMeta meta, std::span<const uint32_t> rows,
                                  std::span<const uint32_t> codes, uint32_t entries,
                                  std::string_view dictionary) {
  if (rows.empty()) return;
  meta.encoding = ColumnEncoding::kDictionary;
  meta.values = rows.size();
  meta.dictionary_size = entries;
  meta.dictionary = file_.append(dictionary);
  const auto classes = class_values(rows, codes);
  add_column(std::move(meta), rows, classes, code_body(rows, codes, classes, entries));
}

void TableEncoder::add_by_class(
    ColumnMeta meta, std::span<const uint32_t> codes, uint32_t entries,
    const std::function<std::string(std::span<const uint64_t>)>& dictionary) {
  if (entries == 0) return;
  std::vector<ClassValue> classes(codes.size());
  std::vector<uint64_t> counts(entries);
  for (size_t c = 0; c < codes.size(); ++c) {
    if (codes[c] == kAbsent) continue;
    classes[c] = {.presence = ClassValue::Presence::kAlways, .code = codes[c]};
    counts[codes[c]] += class_size_[c];
    meta.values += class_size_[c];
  }
  meta.encoding = ColumnEncoding::kDictionary;
  meta.dictionary_size = entries;
  meta.dictionary = file_.append(dictionary(counts));
  // The classes say everything: pages have nothing to add.
  add_column(std::move(meta), {}, classes, [](size_t, size_t, size_t, std::string&) {});
}

void TableEncoder::add_numbers(ColumnMeta meta, std::span<const uint32_t> rows,
                               std::span<const uint64_t> numbers) {
  if (rows.empty()) return;
  meta.encoding = ColumnEncoding::kNumber;
  meta.values = rows.size();
  add_column(std::move(meta), rows, class_values(rows, {}),
             [&](size_t, size_t begin, size_t end, std::string& out) {
               put_ints(out, numbers.subspan(begin, end - begin));
             });
}

void TableEncoder::add_text(ColumnMeta meta, std::span<const uint32_t> rows,
                            std::span<const uint32_t> codes, uint32_t templates,
                            std::string_view dictionary,
                            const std::vector<TemplateVariables>& variables) {
  if (rows.empty()) return;
  meta.encoding = ColumnEncoding::kText;
  meta.values = rows.size();
  meta.dictionary_size = templates;
  meta.dictionary = file_.append(dictionary);
  const auto classes = class_values(rows, codes);
  const Body code = code_body(rows, codes, classes, templates);
  add_column(std::move(meta), rows, classes,
             [&](size_t page, size_t begin, size_t end, std::string& out) {
               if (begin == end) return;
               code(page, begin, end, out);
               put_variables(out, variables[page]);
             });
}

std::string encode_string_dictionary(std::span<const std::string_view> entries,
                                     std::span<const uint64_t> counts) {
  std::vector<uint64_t> lengths;
  std::string text;
  for (std::string_view entry : entries) {
    lengths.push_back(entry.size());
    text += entry;
  }
  std::string out;
  put_varint(out, entries.size());
  put_ints(out, lengths);
  put_stream(out, text);
  put_ints(out, counts);
  return out;
}

std::string encode_number_dictionary(std::span<const uint64_t> entries,
                                     std::span<const uint64_t> counts) {
  std::string out;
  put_varint(out, entries.size());
  put_ints(out, entries);
  put_ints(out, counts);
  return out;
}

}  // namespace weft::store
