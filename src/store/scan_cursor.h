// A running scan over one snapshot of the store: a list of pieces of work, newest first, claimed
// one by one by any number of threads.
#pragma once

#include <memory>

#include "scan/scan.h"
#include "store/snapshot.h"
#include "store/work_units.h"

namespace weft::store {

// `work`: what of the snapshot is read.
Expected<std::unique_ptr<ScanCursor>> make_scan_cursor(SnapshotPtr snapshot, WorkList work,
                                                       const ScanRequest& request,
                                                       const CancelToken& cancel, ScanStats& stats);

}  // namespace weft::store
