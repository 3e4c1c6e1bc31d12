// The two places that `weft import` sends to: a running server over OTLP/HTTP, with retries, or a
// data directory that this process opens itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/api.h"
#include "cli/import.h"

namespace weft::cli {

struct RemoteImportOptions {
  // How long a request is tried again after answers that may pass (429, 502, 503, 504) and
  // network errors.
  uint64_t retry_ns = 60'000'000'000;
  std::string ingest_token_file;
};

// For a server, the address of its OTLP/HTTP port is asked from its API; an address that is itself
// an OTLP/HTTP port works as well.
Expected<std::unique_ptr<ImportTarget>> open_import_target(const TargetOptions& target,
                                                           const RemoteImportOptions& options);

// What an ExportTraceServiceResponse says: spans refused, and why. Malformed bytes count as none.
struct PartialSuccess {
  uint64_t rejected_spans = 0;
  std::string message;
};
PartialSuccess read_partial_success(std::string_view body);

}  // namespace weft::cli
