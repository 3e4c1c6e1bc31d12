#include "wire/otlp_response.h"

#include <fmt/format.h>

#include <array>
#include <span>

#include "wire/json_dom.h"
#include "wire/json_writer.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

namespace weft {
namespace {

using namespace wire;
using simdjson::dom::element_type;

constexpr size_t kMaxMessageBytes = 1024;
constexpr std::string_view kRetryInfo = "type.googleapis.com/google.rpc.RetryInfo";

std::string_view rejected_name(OtlpSignal signal) {
  switch (signal) {
    case OtlpSignal::kTraces:
      return "rejectedSpans";
    case OtlpSignal::kMetrics:
      return "rejectedDataPoints";
    case OtlpSignal::kLogs:
      return "rejectedLogRecords";
  }
  return "rejectedSpans";
}

// Of a Metric: gauge, sum, histogram, exponential_histogram, summary; each has data_points = 1.
bool is_metric_data(uint32_t field) {
  return field == 5 || field == 7 || field == 9 || field == 10 || field == 11;
}

// Counts the messages at the end of a path of field numbers. 0 in the path stands for the data of
// a metric.
bool count_messages(std::string_view bytes, std::span<const uint32_t> path, uint64_t& count) {
  Position p = begin_of(bytes);
  const Position end = end_of(bytes);
  while (p < end) {
    Field field;
    p = read_field(p, end, field);
    if (p == nullptr) return false;
    const bool wanted =
        path.front() == 0 ? is_metric_data(field.number) : field.number == path.front();
    if (!wanted) continue;
    if (field.type != WireType::kBytes) return false;
    if (path.size() == 1) {
      ++count;
    } else if (!count_messages(field.bytes, path.subspan(1), count)) {
      return false;
    }
  }
  return true;
}

Expected<uint64_t> count_protobuf(OtlpSignal signal, std::string_view body) {
  static constexpr std::array<uint32_t, 3> kItems = {1, 2, 2};
  static constexpr std::array<uint32_t, 5> kDataPoints = {1, 2, 2, 0, 1};
  uint64_t count = 0;
  const bool ok = signal == OtlpSignal::kMetrics ? count_messages(body, kDataPoints, count)
                                                 : count_messages(body, kItems, count);
  if (!ok) return fail(ErrorCode::kInvalidArgument, "malformed OTLP protobuf");
  return count;
}

// Counts the elements of the arrays at the end of a path of member names, through the arrays on
// the way. "*" stands for any member.
bool count_elements(const json::element& value, std::span<const std::string_view> path,
                    uint64_t& count) {
  if (value.is_null()) return true;
  if (value.type() == element_type::ARRAY) {
    for (const json::element entry : json::as_array(value)) {
      if (path.empty()) {
        ++count;
      } else if (!count_elements(entry, path, count)) {
        return false;
      }
    }
    return true;
  }
  if (path.empty() || value.type() != element_type::OBJECT) {
    return path.size() == 1 && path.front() == "dataPoints";  // "name" and so on of a metric
  }
  for (const auto [name, member] : json::as_object(value)) {
    if (path.front() != "*" && name != path.front()) continue;
    if (!count_elements(member, path.subspan(1), count)) return false;
  }
  return true;
}

Expected<uint64_t> count_json(OtlpSignal signal, std::string_view body,
                              const DecodeLimits& limits) {
  static constexpr std::array<std::string_view, 3> kSpans = {"resourceSpans", "scopeSpans",
                                                             "spans"};
  static constexpr std::array<std::string_view, 3> kLogs = {"resourceLogs", "scopeLogs",
                                                            "logRecords"};
  static constexpr std::array<std::string_view, 5> kPoints = {"resourceMetrics", "scopeMetrics",
                                                              "metrics", "*", "dataPoints"};
  const auto root = json::Document::parse(body, limits, "JSON");
  if (!root) return std::unexpected(root.error());
  uint64_t count = 0;
  bool ok = root->type() == element_type::OBJECT;
  if (ok) {
    switch (signal) {
      case OtlpSignal::kTraces:
        ok = count_elements(*root, kSpans, count);
        break;
      case OtlpSignal::kMetrics:
        ok = count_elements(*root, kPoints, count);
        break;
      case OtlpSignal::kLogs:
        ok = count_elements(*root, kLogs, count);
        break;
    }
  }
  json::Document::release();
  if (!ok) return fail(ErrorCode::kInvalidArgument, "the body is not an OTLP request in JSON");
  return count;
}

}  // namespace

std::string encode_export_response(OtlpSignal signal, OtlpEncoding encoding, uint64_t rejected,
                                   std::string_view message) {
  const std::string text = json::to_valid_utf8(message.substr(0, kMaxMessageBytes));
  const bool partial = rejected != 0 || !text.empty();
  std::string out;
  if (encoding == OtlpEncoding::kProtobuf) {
    if (!partial) return out;
    MessageScope success(out, 1);
    if (rejected != 0) put_uint(out, 1, rejected);
    if (!text.empty()) protobuf::put_bytes(out, 2, text);
  } else {
    if (!partial) return "{}";
    out = fmt::format("{{\"partialSuccess\":{{\"{}\":\"{}\"", rejected_name(signal), rejected);
    if (!text.empty()) json::append_string(out += ",\"errorMessage\":", text);
    out += "}}";
  }
  return out;
}

int grpc_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 3;
    case ErrorCode::kNotFound:
      return 5;
    case ErrorCode::kResourceExhausted:
      return 8;
    // A full disk and a failing one may pass: the sender is to keep its spans and come back.
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
    case ErrorCode::kUnavailable:
      return 14;
    case ErrorCode::kDeadlineExceeded:
      return 4;
    case ErrorCode::kCancelled:
      return 1;
    case ErrorCode::kUnauthenticated:
      return 16;
    case ErrorCode::kPermissionDenied:
      return 7;
    case ErrorCode::kUnimplemented:
      return 12;
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal:
      return 13;
  }
  return 13;
}

std::string encode_rpc_status(OtlpEncoding encoding, int code, std::string_view message,
                              uint64_t retry_after_ms) {
  const std::string text = json::to_valid_utf8(message.substr(0, kMaxMessageBytes));
  std::string out;
  if (encoding == OtlpEncoding::kJson) {
    json::append_string(out = fmt::format("{{\"code\":{},\"message\":", code), text);
    if (retry_after_ms > 0) {
      out += fmt::format(",\"details\":[{{\"@type\":\"{}\",\"retryDelay\":\"{}.{:03}s\"}}]",
                         kRetryInfo, retry_after_ms / 1000, retry_after_ms % 1000);
    }
    out += "}";
    return out;
  }
  if (code != 0) put_uint(out, 1, static_cast<uint64_t>(code));
  if (!text.empty()) protobuf::put_bytes(out, 2, text);
  if (retry_after_ms > 0) {
    MessageScope any(out, 3);
    protobuf::put_bytes(out, 1, kRetryInfo);
    MessageScope retry_info(out, 2);
    MessageScope delay(out, 1);
    if (retry_after_ms >= 1000) put_uint(out, 1, retry_after_ms / 1000);
    if (retry_after_ms % 1000 != 0) put_uint(out, 2, retry_after_ms % 1000 * 1'000'000);
  }
  return out;
}

Expected<uint64_t> count_items(OtlpSignal signal, OtlpEncoding encoding, std::string_view body,
                               const DecodeLimits& limits) {
  return encoding == OtlpEncoding::kProtobuf ? count_protobuf(signal, body)
                                             : count_json(signal, body, limits);
}

}  // namespace weft
