// Columns of a sealed page in the form in which a scan hands them out, read from the encoded
// columns where that is possible.
#pragma once

#include <vector>

#include "scan/scan.h"
#include "store/page_reader.h"

namespace weft::store {

// The column for the given rows of the page (ascending).
Expected<ValueColumn> extract_column(PageReader& page, const ColumnRef& column,
                                     const std::vector<uint32_t>& rows);

}  // namespace weft::store
