#include "server/http_message.h"

#include <libdeflate.h>
#include <time.h>

#include <algorithm>
#include <memory>

namespace weft::server {

namespace {

constexpr size_t kMinCompressedBytes = 1024;
constexpr int kCompressionLevel = 3;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  const auto append_clean = [&out](std::string_view text) {
    for (const char c : text) {
      if (c != '\r' && c != '\n' && c != '\0') out += c;
    }
  };
  append_clean(name);
  out += ": ";
  append_clean(value);
  out += "\r\n";
}

std::string http_date(uint64_t now_ns) {
  const time_t seconds = static_cast<time_t>(now_ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const size_t size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

bool has_no_body(int status) {
  return status == 204 || status == 304 || status < 200;
}

bool worth_compressing(std::string_view content_type) {
  for (const std::string_view prefix : {"text/", "application/json", "application/javascript",
                                        "application/x-ndjson", "image/svg+xml"}) {
    if (content_type.starts_with(prefix)) return true;
  }
  return content_type.starts_with("application/protobuf") ||
         content_type.starts_with("application/x-protobuf");
}

// Accept-Encoding: gzip, deflate, br;q=0.5 - gzip or * with a q above 0.
bool takes_gzip(std::string_view accept) {
  while (!accept.empty()) {
    const size_t comma = accept.find(',');
    std::string_view item = accept.substr(0, comma);
    accept.remove_prefix(comma == std::string_view::npos ? accept.size() : comma + 1);
    while (item.starts_with(' '))
      item.remove_prefix(1);
    if (!item.starts_with("gzip") && !item.starts_with('*')) continue;
    const size_t q = item.find("q=0");
    const bool refused = q != std::string_view::npos &&
                         item.find_first_of("123456789", q + 3) == std::string_view::npos;
    return !refused;
  }
  return false;
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::string format_head(const HttpResponse& response, const HeadOptions& options) {
  std::string out;
  out.reserve(512);
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\n";
  append_field(out, "Date", http_date(options.now_ns));
  append_field(out, "Server", "weft");
  if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers.fields())
    append_field(out, name, value);
  if (options.chunked) {
    append_field(out, "Transfer-Encoding", "chunked");
  } else if (options.has_length && !has_no_body(response.status)) {
    append_field(out, "Content-Length", std::to_string(options.body_bytes));
  }
  if (!options.keep_alive) append_field(out, "Connection", "close");
  out += "\r\n";
  return out;
}

std::string chunk_size_line(uint64_t bytes) {
  char digits[17];
  char* at = digits + sizeof digits;
  do {
    *--at = "0123456789abcdef"[bytes & 15];
    bytes >>= 4;
  } while (bytes != 0);
  return std::string(at, digits + sizeof digits) + "\r\n";
}

bool accepts_gzip(const HttpRequest& request) {
  return takes_gzip(request.headers.get("accept-encoding"));
}

void compress_if_accepted(const HttpRequest& request, HttpResponse& response) {
  if (response.body.size() < kMinCompressedBytes || !worth_compressing(response.content_type) ||
      response.headers.find("Content-Encoding")) {
    return;
  }
  response.headers.add("Vary", "Accept-Encoding");
  if (!accepts_gzip(request)) return;
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(kCompressionLevel), libdeflate_free_compressor);
  if (!compressor) return;
  std::string packed;
  packed.resize(libdeflate_gzip_compress_bound(compressor.get(), response.body.size()));
  const size_t size = libdeflate_gzip_compress(compressor.get(), response.body.data(),
                                               response.body.size(), packed.data(), packed.size());
  if (size == 0 || size >= response.body.size()) return;
  packed.resize(size);
  response.body = std::move(packed);
  response.headers.add("Content-Encoding", "gzip");
}

}  // namespace weft::server
