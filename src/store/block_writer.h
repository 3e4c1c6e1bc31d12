// Makes the bytes of a sealed block of the spans of many batches. The sealing thread, merging and
// the tests use it; it does no I/O.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "store/block_format.h"
#include "store/trace_order.h"

namespace weft::store {

struct EncodedBlock {
  std::string bytes;
  BlockMeta meta;
};

// `order` is order_by_trace(batches) and has at least one row. Of `meta` the generations and
// created_ns are taken, the rest is filled in.
EncodedBlock encode_block(std::span<const SpanBatchPtr> batches, const TraceOrder& order,
                          BlockMeta meta, const std::vector<SplitEntry>& splits);

}  // namespace weft::store
