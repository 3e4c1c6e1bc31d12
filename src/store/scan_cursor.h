// A running scan over one snapshot of the store: a list of pieces of work, newest first, claimed
// one by one by any number of threads.
#pragma once

#include <memory>

#include "scan/scan.h"
#include "store/snapshot.h"

namespace weft::store {

Expected<std::unique_ptr<ScanCursor>> make_scan_cursor(SnapshotPtr snapshot,
                                                       const ScanRequest& request,
                                                       const CancelToken& cancel, ScanStats& stats);

}  // namespace weft::store
