// A store on a FaultFileSystem, for the tests of everything that stores spans: how it is set up,
// fed and read back, and the files that it leaves.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault_file_system.h"
#include "model/span.h"
#include "store/store.h"
#include "store/trace_order.h"

namespace weft::testing {

// The folder that store_options() names.
inline constexpr std::string_view kStoreDir = "data";

// A small store that answers at once: short log files, no waiting for a group, maintenance all the
// time. Blocks are merged as they are by default.
store::Options store_options(FaultFileSystem& fs);

// Returns when the batch is acknowledged or refused.
Status append_and_wait(store::Store& store, SpanBatch batch);
// The same for a request that is logged as it came; the batch is what it says.
Status append_and_wait(store::Store& store, SpanBatch batch,
                       const store::Store::RawRequest& request);

// Everything that the store has, in the order in which it exports. Failures are the test's.
std::vector<Span> export_spans(store::Store& store);

// Trace and span id: what makes a span one.
std::string key_of(const Span& span);

// The spans in batches of a random size, in their order.
std::vector<store::SpanBatchPtr> split_randomly(std::mt19937_64& random,
                                                const std::vector<Span>& spans,
                                                size_t max_batch = 60);

// Paths of the store's files whose names begin so.
std::vector<std::string> store_files(FaultFileSystem& fs, std::string_view prefix);

uint64_t file_size(FaultFileSystem& fs, const std::string& path);
// Puts bytes into a file that exists, on disk.
void overwrite(FaultFileSystem& fs, const std::string& path, uint64_t offset,
               std::string_view with);

}  // namespace weft::testing
