// The access log: one structured line a request, with the ids of its span, as a log record and as
// a line of JSON for a file or stdout. Used at the end of a request's handler or middleware.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/attribute.h>
#include <weft/context.h>
#include <weft/logs.h>

namespace weft::inline v1 {

// What is known of a request that has been answered. Views live until the call returns; empty
// ones and negative numbers are left out.
struct RequestSummary {
  std::string_view method = {};
  std::string_view route = {};  // the template, such as /login/{id}
  std::string_view path = {};
  int status = 0;
  std::int64_t duration_ns = -1;
  std::int64_t request_body_bytes = -1;
  std::int64_t response_body_bytes = -1;
  std::string_view client_address = {};
  std::string_view user_agent = {};
  std::string_view error_type = {};
  Attributes attributes = {};
  // Whose span it is; null means the ambient one.
  const Context* context = nullptr;
};

// The line without its newline:
// {"time":"2024-05-01T12:00:00.123456Z","level":"INFO","trace_id":"…","span_id":"…",
//  "http.request.method":"GET","http.route":"/login/{id}","http.response.status_code":200,…}
// The level is ERROR from status 500 or with an error type, else INFO.
std::string format_request(const RequestSummary& request);

// Emits the same as a log record with the event name `http.server.request` and the attributes of
// the HTTP conventions.
void log_request(const Logger& logger, const RequestSummary& request) noexcept;

}  // namespace weft::inline v1
