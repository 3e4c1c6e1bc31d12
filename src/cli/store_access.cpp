#include "cli/store_access.h"

#include <fmt/format.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include "cli/output.h"
#include "store/check.h"
#include "wire/decode_raw.h"

namespace weft::cli {
namespace {

WireFormat wire_format(SpanSink::RawRequest::Format format) {
  switch (format) {
    case SpanSink::RawRequest::Format::kOtlpJson:
      return WireFormat::kOtlpJson;
    case SpanSink::RawRequest::Format::kZipkinJson:
      return WireFormat::kZipkinJson;
    default:
      return WireFormat::kOtlpProtobuf;
  }
}

Compression wire_compression(SpanSink::RawRequest::Compression compression) {
  switch (compression) {
    case SpanSink::RawRequest::Compression::kGzip:
      return Compression::kGzip;
    case SpanSink::RawRequest::Compression::kZstd:
      return Compression::kZstd;
    case SpanSink::RawRequest::Compression::kDeflate:
      return Compression::kDeflate;
    case SpanSink::RawRequest::Compression::kNone:
      break;
  }
  return Compression::kNone;
}

// One line a message on stderr, as operators' tools collect it.
void log_to_stderr(store::Severity severity, std::string_view message) {
  static constexpr const char* kNames[] = {"info", "warning", "error"};
  print_error_text(fmt::format("weft store {}: {}\n", kNames[static_cast<int>(severity)], message));
}

}  // namespace

store::Options store_options(const std::string& dir, const DecodeLimits& limits,
                             store::Severity least) {
  store::Options options;
  options.dir = dir;
  options.log = [least](store::Severity severity, std::string_view message) {
    if (severity >= least) log_to_stderr(severity, message);
  };
  options.decode = [limits](const SpanSink::RawRequest& raw) -> Expected<SpanBatch> {
    const std::optional<uint64_t> untrusted =
        raw.untrusted_clock ? std::optional(raw.received_ns) : std::nullopt;
    auto decoded = decode_raw(wire_format(raw.format), wire_compression(raw.compression), raw.body,
                              untrusted, limits);
    if (!decoded) return std::unexpected(std::move(decoded).error());
    return std::move(decoded->batch);
  };
  return options;
}

Status require_data_directory(const std::string& dir) {
  std::error_code error;
  if (!std::filesystem::is_directory(dir, error)) {
    return fail(ErrorCode::kInvalidArgument, dir + " is no directory");
  }
  WEFT_ASSIGN(const bool is_one, store::is_data_directory(dir));
  if (is_one) return {};
  return fail(ErrorCode::kInvalidArgument,
              dir + " is not a data directory of Weft: it has neither blocks nor a log");
}

Expected<std::unique_ptr<store::Store>> open_store_read_only(const std::string& dir) {
  WEFT_TRY(require_data_directory(dir));
  store::Options options = store_options(dir);
  options.read_only = true;
  return store::Store::open(std::move(options));
}

Status append_and_wait(SpanSink& sink, SpanBatch batch) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Status> outcome;
  };
  // Shared: the callback may still hold the lock when the waiter goes on.
  auto waiting = std::make_shared<Waiting>();
  WEFT_TRY(sink.append(std::move(batch), nullptr, [waiting](Status outcome) {
    const std::lock_guard lock(waiting->mutex);
    waiting->outcome = std::move(outcome);
    waiting->ready.notify_one();
  }));
  std::unique_lock lock(waiting->mutex);
  waiting->ready.wait(lock, [&] { return waiting->outcome.has_value(); });
  return *std::move(waiting->outcome);
}

}  // namespace weft::cli
