// The bytes of an HTTP answer: its head, its chunks, and the choice to compress it. Pure
// functions; used by the HTTP session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/http_types.h"

namespace weft::server {

std::string_view reason_phrase(int status);

struct HeadOptions {
  bool keep_alive = true;
  bool chunked = false;     // a stream to an HTTP/1.1 client
  uint64_t body_bytes = 0;  // Content-Length, unless chunked or a stream
  bool has_length = true;
  uint64_t now_ns = 0;  // for Date
};

// Status line and header fields, the empty line included. CR and LF in names and values are
// dropped, so that no handler can be made to split an answer.
std::string format_head(const HttpResponse& response, const HeadOptions& options);

// "1a2b\r\n", what stands before a chunk's bytes.
std::string chunk_size_line(uint64_t bytes);

// Whether Accept-Encoding takes gzip.
bool accepts_gzip(const HttpRequest& request);

// Compresses response.body with gzip when the client accepts it, the type is text-like, the body
// is worth it and it is not encoded already. Adds Vary.
void compress_if_accepted(const HttpRequest& request, HttpResponse& response);

}  // namespace weft::server
