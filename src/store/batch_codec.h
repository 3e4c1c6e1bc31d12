// A SpanBatch as bytes and back: what the log keeps when a batch came without the request that it
// was decoded from. The columns are written as they lie in memory; nothing is compressed.
// docs/formats/wal.md describes the bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/span_batch.h"

namespace weft::store {

std::string encode_batch(const SpanBatch& batch);

// kCorrupt for bytes that encode_batch cannot have written; every index in the result is valid.
Expected<SpanBatch> decode_batch(std::string_view bytes);

}  // namespace weft::store
