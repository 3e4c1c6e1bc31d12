// How the commands open a data directory: the store's options with the decoder of logged requests,
// and plain waiting for an acknowledgement.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "store/store.h"
#include "wire/decode.h"

namespace weft::cli {

// Options for `dir` with the replay decoder and a log on stderr of what is at least as severe as
// `least`. Everything else has its default.
store::Options store_options(const std::string& dir, const DecodeLimits& limits = {},
                             store::Severity least = store::Severity::kWarning);

// kInvalidArgument says what a directory is instead that is to be read.
Status require_data_directory(const std::string& dir);

// Opens a data directory, which must exist, for reading alone.
Expected<std::unique_ptr<store::Store>> open_store_read_only(const std::string& dir);

// Returns when the spans are on disk.
Status append_and_wait(SpanSink& sink, SpanBatch batch);

}  // namespace weft::cli
