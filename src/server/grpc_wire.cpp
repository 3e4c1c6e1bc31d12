#include "server/grpc_wire.h"

#include "wire/json_writer.h"

namespace weft::server {

GrpcPrefix read_grpc_prefix(std::span<const char, kGrpcPrefixBytes> bytes) {
  GrpcPrefix out;
  out.compressed = bytes[0] != 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i)
    out.size = out.size << 8 | static_cast<uint8_t>(bytes[i]);
  return out;
}

void append_grpc_message(std::string& out, std::string_view message) {
  out.push_back('\0');
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(message.size() >> shift & 0xff));
  out.append(message);
}

std::string grpc_percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c >= 0x20 && c <= 0x7e && c != '%') {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

std::string grpc_base64(std::string_view bytes) {
  std::string out;
  json::append_base64(out, bytes);
  while (out.ends_with('='))
    out.pop_back();
  return out;
}

}  // namespace weft::server
