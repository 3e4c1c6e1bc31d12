// Grouped counts, sums and histograms where the data lies: SpanSource::aggregate of the store.
#pragma once

#include "scan/scan.h"
#include "store/snapshot.h"

namespace weft::store {

// See SpanSource::aggregate. Pages are counted by several threads.
Expected<GroupTable> aggregate(const SnapshotPtr& snapshot, const AggregateRequest& request,
                               const CancelToken& cancel, ScanStats& stats);

}  // namespace weft::store
