// What attributes there are and which values they have, for completion: from the blocks'
// dictionaries where that is possible, else counted.
#pragma once

#include "scan/scan.h"
#include "store/snapshot.h"

namespace weft::store {

// Counts of blocks that lie in the range only in part are of the whole block.
Expected<AttributeList> list_attribute_keys(const Snapshot& snapshot, TimeRange range, size_t limit,
                                            const CancelToken& cancel);

// Once 100,000 distinct values have been met, blocks whose values are nearly all different are
// passed over: the list is then not complete (limit_reached), and counts are of what was looked at,
// the newest.
Expected<AttributeValueList> list_attribute_values(const Snapshot& snapshot,
                                                   const ColumnRef& column, TimeRange range,
                                                   size_t limit, const CancelToken& cancel);

}  // namespace weft::store
