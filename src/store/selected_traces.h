// A scan of a few traces that are known by id: what a search does with those that it has found.
#pragma once

#include <span>

#include "store/snapshot.h"
#include "store/work_units.h"

namespace weft::store {

// A snapshot with no other unsealed spans than those of the traces, and the work that reads them;
// traces that are not there are left out. Each id once.
struct SelectedTraces {
  SnapshotPtr snapshot;
  WorkList work;  // of units of kSplitTraces alone
};
Expected<SelectedTraces> select_traces(BlockSetPtr blocks, const Unsealed::Capture& unsealed,
                                       std::span<const TraceId> ids);

}  // namespace weft::store
