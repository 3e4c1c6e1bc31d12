#include "wire/compress.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace weft {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};
struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
struct FreeDctx {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

std::unexpected<Error> too_big(uint64_t max_bytes) {
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("the decompressed body has more than {} bytes", max_bytes));
}

std::unexpected<Error> no_memory() {
  return fail(ErrorCode::kUnavailable, "out of memory while decompressing");
}

std::unexpected<Error> damaged(std::string_view format) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("the body is not valid {}: it is damaged or cut off", format));
}

// The first guess of the plain size: gzip's trailer names it, but the trailer is the sender's
// word, and deflate cannot expand more than 1032 times.
size_t first_guess(std::string_view body, Compression compression, uint64_t max_bytes) {
  uint64_t guess = body.size() * 4;
  if (compression == Compression::kGzip && body.size() >= 18) {
    uint32_t named = 0;
    for (int i = 0; i < 4; ++i) {
      named |= static_cast<uint32_t>(static_cast<uint8_t>(body[body.size() - 4 + i])) << (8 * i);
    }
    // Most bodies shrink to a tenth; a liar gets no more than 64 times ahead.
    guess = std::min<uint64_t>(named, body.size() * 64);
  }
  return static_cast<size_t>(std::clamp<uint64_t>(guess, 256, std::max<uint64_t>(max_bytes, 256)));
}

using Inflate = libdeflate_result (*)(libdeflate_decompressor*, const void*, size_t, void*, size_t,
                                      size_t*, size_t*);

// Appends one gzip member, zlib stream or raw deflate stream to `out` (of which `used` bytes are
// in use), growing it as needed. Returns the bytes consumed, 0 when the stream is malformed.
Expected<size_t> inflate_one(libdeflate_decompressor* decompressor, Inflate inflate,
                             std::string_view body, uint64_t max_bytes, std::string& out,
                             size_t& used) {
  for (;;) {
    size_t consumed = 0;
    size_t produced = 0;
    const auto result = inflate(decompressor, body.data(), body.size(), out.data() + used,
                                out.size() - used, &consumed, &produced);
    if (result == LIBDEFLATE_SUCCESS) {
      used += produced;
      return consumed;
    }
    if (result != LIBDEFLATE_INSUFFICIENT_SPACE) return size_t{0};
    if (out.size() > max_bytes) return too_big(max_bytes);
    // One byte above the limit tells a body of exactly that size from a bigger one.
    out.resize(static_cast<size_t>(std::min<uint64_t>(out.size() * 4, max_bytes + 1)));
  }
}

Expected<std::string> inflate_all(std::string_view body, Compression compression,
                                  uint64_t max_bytes) {
  thread_local std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (!decompressor) return no_memory();
  std::string out(first_guess(body, compression, max_bytes), '\0');
  size_t used = 0;
  if (compression == Compression::kDeflate) {
    auto consumed =
        inflate_one(decompressor.get(), libdeflate_zlib_decompress_ex, body, max_bytes, out, used);
    if (consumed && *consumed == 0) {
      consumed = inflate_one(decompressor.get(), libdeflate_deflate_decompress_ex, body, max_bytes,
                             out, used);
    }
    if (!consumed) return std::unexpected(std::move(consumed).error());
    if (*consumed == 0 || *consumed != body.size()) return damaged("deflate");
  } else {
    // A member has 18 bytes at least, so that this ends.
    do {
      const auto consumed = inflate_one(decompressor.get(), libdeflate_gzip_decompress_ex, body,
                                        max_bytes, out, used);
      if (!consumed) return std::unexpected(consumed.error());
      if (*consumed == 0) return damaged("gzip");
      body.remove_prefix(*consumed);
    } while (!body.empty());
  }
  if (used > max_bytes) return too_big(max_bytes);
  out.resize(used);
  return out;
}

constexpr int kMaxWindowLog = 27;
// What a thread may keep of one huge window.
constexpr size_t kMaxKeptContextBytes = 4u << 20;

std::unexpected<Error> unzstd_error(size_t code) {
  switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
      return no_memory();
    case ZSTD_error_frameParameter_windowTooLarge:
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the zstd body needs a window of more than {} MiB; compress it "
                              "without --long or --ultra",
                              (1u << kMaxWindowLog) >> 20));
    default:
      return damaged("zstd");
  }
}

Expected<std::string> unzstd(ZSTD_DCtx* context, std::string_view body, uint64_t max_bytes) {
  ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  // A larger window would need that much memory before the first byte.
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kMaxWindowLog);
  const uint64_t named = ZSTD_getFrameContentSize(body.data(), body.size());
  if (named == ZSTD_CONTENTSIZE_ERROR) return damaged("zstd");
  if (named != ZSTD_CONTENTSIZE_UNKNOWN && named > max_bytes) return too_big(max_bytes);
  // The size that the frame names is the sender's word: no more than 64 times ahead.
  const uint64_t guess = named == ZSTD_CONTENTSIZE_UNKNOWN
                             ? body.size() * 4
                             : std::min<uint64_t>(named, body.size() * 64);
  std::string out(
      static_cast<size_t>(std::clamp<uint64_t>(guess, 256, std::max<uint64_t>(max_bytes, 256))),
      '\0');
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  size_t pending = 0;  // 0: a frame is complete
  for (;;) {
    const size_t before_in = in.pos;
    const size_t before_out = to.pos;
    pending = ZSTD_decompressStream(context, &to, &in);
    if (ZSTD_isError(pending)) return unzstd_error(pending);
    if (to.pos > max_bytes) return too_big(max_bytes);
    if (pending == 0 && in.pos == in.size) break;
    if (to.pos == to.size) {
      out.resize(static_cast<size_t>(std::min<uint64_t>(out.size() * 4, max_bytes + 1)));
      to = {out.data(), out.size(), to.pos};
    } else if (in.pos == before_in && to.pos == before_out) {
      return damaged("zstd");
    } else if (in.pos == in.size && to.pos < to.size && pending != 0) {
      return damaged("zstd");
    }
  }
  out.resize(to.pos);
  return out;
}

Expected<std::string> unzstd(std::string_view body, uint64_t max_bytes) {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeDctx> context;
  if (!context) context.reset(ZSTD_createDCtx());
  if (!context) return no_memory();
  auto out = unzstd(context.get(), body, max_bytes);
  if (ZSTD_sizeof_DCtx(context.get()) > kMaxKeptContextBytes) context.reset();
  return out;
}

}  // namespace

std::optional<Compression> compression_from_name(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Compression>, 7> kNames = {{
      {"", Compression::kNone},
      {"identity", Compression::kNone},
      {"none", Compression::kNone},
      {"gzip", Compression::kGzip},
      {"x-gzip", Compression::kGzip},
      {"zstd", Compression::kZstd},
      {"deflate", Compression::kDeflate},
  }};
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  for (const auto& [known, compression] : kNames) {
    if (std::ranges::equal(name, known, same)) return compression;
  }
  return std::nullopt;
}

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "identity";
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
    case Compression::kDeflate:
      return "deflate";
  }
  return "identity";
}

Expected<std::string> decompress(std::string_view body, Compression compression,
                                 uint64_t max_bytes) {
  // The buffers below are one byte longer than the limit.
  max_bytes = std::min<uint64_t>(max_bytes, uint64_t{1} << 40);
  switch (compression) {
    case Compression::kNone:
      if (body.size() > max_bytes) return too_big(max_bytes);
      return std::string(body);
    case Compression::kGzip:
    case Compression::kDeflate:
      return inflate_all(body, compression, max_bytes);
    case Compression::kZstd:
      return unzstd(body, max_bytes);
  }
  return fail(ErrorCode::kInvalidArgument, "unknown compression");
}

Expected<std::string> compress(std::string_view plain, Compression compression) {
  if (compression == Compression::kNone) return std::string(plain);
  if (compression == Compression::kZstd) {
    std::string out(ZSTD_compressBound(plain.size()), '\0');
    const size_t size =
        ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(size)) return fail(ErrorCode::kInternal, ZSTD_getErrorName(size));
    out.resize(size);
    return out;
  }
  thread_local std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor(
      libdeflate_alloc_compressor(6));
  if (!compressor) return fail(ErrorCode::kUnavailable, "out of memory while compressing");
  const bool gzip = compression == Compression::kGzip;
  std::string out(gzip ? libdeflate_gzip_compress_bound(compressor.get(), plain.size())
                       : libdeflate_zlib_compress_bound(compressor.get(), plain.size()),
                  '\0');
  const auto run = gzip ? libdeflate_gzip_compress : libdeflate_zlib_compress;
  const size_t size = run(compressor.get(), plain.data(), plain.size(), out.data(), out.size());
  if (size == 0) return fail(ErrorCode::kInternal, "libdeflate cannot compress");
  out.resize(size);
  return out;
}

}  // namespace weft
