// What attributes there are and which values they have, for completion: from the blocks'
// dictionaries where that is possible, else counted.
#pragma once

#include "scan/scan.h"
#include "store/snapshot.h"

namespace weft::store {

// Counts of blocks that lie in the range only in part are of the whole block.
Expected<AttributeList> list_attribute_keys(const Snapshot& snapshot, TimeRange range, size_t limit,
                                            const CancelToken& cancel);

Expected<AttributeValueList> list_attribute_values(const Snapshot& snapshot,
                                                   const ColumnRef& column, TimeRange range,
                                                   size_t limit, const CancelToken& cancel);

}  // namespace weft::store
