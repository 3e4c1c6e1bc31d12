// Answers to OTLP exports, protobuf and JSON: full and partial success, google.rpc.Status for
// failures, and counts of what a metrics or logs request carries, so that a refusal of it can be
// honest. The gRPC and HTTP receivers use it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "wire/decode.h"

namespace weft {

enum class OtlpSignal : uint8_t { kTraces, kMetrics, kLogs };
enum class OtlpEncoding : uint8_t { kProtobuf, kJson };

// Export{Trace,Metrics,Logs}ServiceResponse. Without rejected items and message it is the full
// success (empty in protobuf, {} in JSON); with either it carries partial_success. The message is
// cut to 1 KiB and made valid UTF-8.
std::string encode_export_response(OtlpSignal signal, OtlpEncoding encoding, uint64_t rejected = 0,
                                   std::string_view message = {});

// The google.rpc.Code of an error; it has the numbers of gRPC's status codes.
int grpc_code(ErrorCode code);

// google.rpc.Status. With retry_after_ms > 0 it has a google.rpc.RetryInfo among its details,
// which makes RESOURCE_EXHAUSTED and UNAVAILABLE retryable after that time.
std::string encode_rpc_status(OtlpEncoding encoding, int code, std::string_view message,
                              uint64_t retry_after_ms = 0);

// The data points of an ExportMetricsServiceRequest, the records of an ExportLogsServiceRequest or
// the spans of an ExportTraceServiceRequest. kInvalidArgument when it is malformed as far as it
// had to be read.
Expected<uint64_t> count_items(OtlpSignal signal, OtlpEncoding encoding, std::string_view body,
                               const DecodeLimits& limits = {});

}  // namespace weft
