// Errors as values. Every fallible function of the server returns Expected<T>; exceptions of
// libraries are caught where they are thrown and turned into an Error. The codes follow gRPC's,
// since most errors end as an OTLP answer, an HTTP status or an exit code.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class ErrorCode : uint8_t {
  kInvalidArgument,    // the caller's data or query is wrong; trying again does not help
  kNotFound,           // the named thing does not exist
  kCorrupt,            // bytes on disk or on the wire fail their checksum or their grammar
  kIo,                 // the operating system refused; the message names path and errno
  kNoSpace,            // the disk or the configured data size is full; may pass
  kResourceExhausted,  // a configured limit was reached; the message names it
  kUnavailable,        // overloaded, starting or stopping; may pass
  kDeadlineExceeded,   // the time budget of the operation is spent
  kCancelled,          // the caller gave up
  kUnauthenticated,    // no token, or an unknown one
  kPermissionDenied,   // a known token that may not do this
  kUnimplemented,      // asked for something that this version does not do
  kInternal,           // a defect of Weft
};

// The code's name in snake_case, as JSON errors carry it: "invalid_argument".
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  // One sentence without a full stop, for a person; says what to do where that is known.
  std::string message;

  // The same error with "prefix: " before its message: context is added as it travels up.
  Error with_prefix(std::string_view prefix) &&;
};

template <typename T>
using Expected = std::expected<T, Error>;
using Status = Expected<void>;

// return fail(ErrorCode::kIo, "open data/wal-1: permission denied");
inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

// "write data/wal-1: No space left on device" with kNoSpace for ENOSPC, EDQUOT and kIo otherwise.
Error errno_error(int errno_value, std::string_view what);

}  // namespace weft

#define WEFT_CONCAT_INNER(a, b) a##b
#define WEFT_CONCAT(a, b) WEFT_CONCAT_INNER(a, b)

// Returns the error of a Status or Expected expression, if it has one.
#define WEFT_TRY(expression)                                                 \
  do {                                                                       \
    if (auto weft_status = (expression); !weft_status)                       \
      return std::unexpected<::weft::Error>(std::move(weft_status).error()); \
  } while (false)

// WEFT_ASSIGN(auto file, File::open(path)); returns the error, else assigns the value.
#define WEFT_ASSIGN(declaration, expression)                                                       \
  auto WEFT_CONCAT(weft_result_, __LINE__) = (expression);                                         \
  if (!WEFT_CONCAT(weft_result_, __LINE__))                                                        \
    return std::unexpected<::weft::Error>(std::move(WEFT_CONCAT(weft_result_, __LINE__)).error()); \
  declaration = *std::move(WEFT_CONCAT(weft_result_, __LINE__))
