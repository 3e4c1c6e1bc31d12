// A file or stdin as a stream of bytes, decompressed on the way: gzip and zstd are told by their
// first bytes, everything else passes as it is. `weft import` reads through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::cli {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // "-" is stdin. Errors name the path.
  static Expected<std::unique_ptr<ByteSource>> open(const std::string& path);
  // For tests: the bytes as if they lay in a file.
  static Expected<std::unique_ptr<ByteSource>> from_memory(std::string bytes);

  // Appends between 1 and about 256 KiB of decompressed bytes; false at the end. A compressed
  // stream that ends too early or is damaged is kCorrupt. One thread.
  virtual Expected<bool> read_more(std::string& out) = 0;
  // Bytes read from the file so far, before decompression, for a progress bar.
  virtual uint64_t raw_offset() const = 0;
  // Size of the file; 0 when it is not known (stdin, pipes).
  virtual uint64_t raw_size() const = 0;
};

}  // namespace weft::cli
