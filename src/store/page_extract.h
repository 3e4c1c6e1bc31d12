// Columns of a sealed page in the form in which a scan hands them out, read from the encoded
// columns where that is possible.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "scan/scan.h"
#include "store/page_reader.h"

namespace weft::store {

// The column for the given rows of the page (ascending).
Expected<ValueColumn> extract_column(PageReader& page, const ColumnRef& column,
                                     const std::vector<uint32_t>& rows);

// A value where it lies: `text` for string-like types, else `word`, as ValueColumn has it.
struct StoredValue {
  ValueType type = ValueType::kNone;
  uint64_t word = 0;
  std::string_view text;
};

// A column whose distinct values the block knows, as codes: what grouping needs of it.
struct CodedColumn {
  static constexpr uint32_t kAbsent = PageColumn::kAbsent;
  // Equal for all pages of the block, and for no other column while somebody holds it. The texts of
  // values live as long.
  std::shared_ptr<const void> identity;
  uint32_t distinct = 0;  // codes are below, or kAbsent
  std::function<StoredValue(uint32_t)> value;
  std::vector<uint32_t> codes;  // one a row
};

// The same rows as codes; nullopt when the column is not kept so.
Expected<std::optional<CodedColumn>> extract_codes(PageReader& page, const ColumnRef& column,
                                                   const std::vector<uint32_t>& rows);

}  // namespace weft::store
