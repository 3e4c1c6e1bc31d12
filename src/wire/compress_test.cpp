#include "wire/compress.h"

#include <gtest/gtest.h>
#include <libdeflate.h>
#include <zstd.h>

#include <memory>
#include <random>

namespace weft {
namespace {

constexpr uint64_t kLimit = 1u << 20;
constexpr Compression kAll[] = {Compression::kNone, Compression::kGzip, Compression::kZstd,
                                Compression::kDeflate};

std::string sample(size_t size, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string out;
  while (out.size() < size)
    out += "span " + std::to_string(random() % 1000) + ";";
  out.resize(size);
  return out;
}

TEST(Compress, RoundTrips) {
  for (const Compression compression : kAll) {
    for (const size_t size : {0, 1, 100, 255, 256, 257, 65'536, 1'000'000}) {
      const std::string plain = sample(size);
      const auto packed = compress(plain, compression);
      ASSERT_TRUE(packed);
      const auto unpacked = decompress(*packed, compression, kLimit);
      ASSERT_TRUE(unpacked) << to_string(compression) << size << unpacked.error().message;
      EXPECT_EQ(*unpacked, plain);
    }
  }
}

TEST(Compress, TheLimitIsExact) {
  for (const Compression compression : kAll) {
    const std::string packed = *compress(std::string(5000, 'a'), compression);
    EXPECT_TRUE(decompress(packed, compression, 5000)) << to_string(compression);
    for (const uint64_t limit : {4999u, 300u, 10u, 0u}) {
      const auto result = decompress(packed, compression, limit);
      ASSERT_FALSE(result) << to_string(compression) << limit;
      EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
    }
  }
}

TEST(Compress, BombsAreStoppedAtTheLimit) {
  const std::string zeros(64u << 20, '\0');
  for (const Compression compression : kAll) {
    const auto result = decompress(*compress(zeros, compression), compression, kLimit);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
  }
}

TEST(Compress, GzipMayHaveSeveralMembersAndZstdSeveralFrames) {
  for (const Compression compression : {Compression::kGzip, Compression::kZstd}) {
    std::string packed;
    std::string plain;
    for (int i = 0; i < 20; ++i) {
      const std::string part = sample(static_cast<size_t>(i) * 700, static_cast<uint64_t>(i));
      packed += *compress(part, compression);
      plain += part;
    }
    const auto result = decompress(packed, compression, kLimit);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(*result, plain);
    EXPECT_FALSE(decompress(packed, compression, plain.size() - 1));
  }
}

TEST(Compress, DamageIsRefused) {
  const std::string plain = sample(20'000);
  for (const Compression compression :
       {Compression::kGzip, Compression::kZstd, Compression::kDeflate}) {
    const std::string packed = *compress(plain, compression);
    for (size_t size = 0; size < packed.size(); size += 1 + packed.size() / 300) {
      const auto result = decompress(packed.substr(0, size), compression, kLimit);
      ASSERT_FALSE(result) << to_string(compression) << " cut to " << size;
      EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    }
    const auto garbage = decompress(packed + "garbage", compression, kLimit);
    ASSERT_FALSE(garbage);
    EXPECT_EQ(garbage.error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(decompress("this was never compressed", compression, kLimit));
  }
  // A flipped bit in the payload fails gzip's checksum.
  std::string gzip = *compress(plain, Compression::kGzip);
  gzip[gzip.size() / 2] ^= 1;
  EXPECT_FALSE(decompress(gzip, Compression::kGzip, kLimit));
}

TEST(Compress, AWindowThatIsTooLargeIsNotCalledDamage) {
  const auto with_window = [](int log) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                       ZSTD_freeCCtx);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, log);
    // Of a stream whose size is not known, the frame names the whole window.
    std::string packed(1000, '\0');
    ZSTD_inBuffer in{"span", 4, 0};
    ZSTD_outBuffer out{packed.data(), packed.size(), 0};
    EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context.get(), &out, &in, ZSTD_e_flush)));
    EXPECT_EQ(ZSTD_compressStream2(context.get(), &out, &in, ZSTD_e_end), 0u);
    packed.resize(out.pos);
    return packed;
  };
  const auto taken = decompress(with_window(27), Compression::kZstd, kLimit);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(*taken, "span");
  const auto refused = decompress(with_window(28), Compression::kZstd, kLimit);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("window of more than 128 MiB"), std::string::npos);
}

TEST(Compress, ALyingTrailerCostsNothing) {
  std::string gzip = *compress("hello", Compression::kGzip);
  for (size_t i = gzip.size() - 4; i < gzip.size(); ++i)
    gzip[i] = '\xff';
  EXPECT_FALSE(decompress(gzip, Compression::kGzip, uint64_t{1} << 32));
}

TEST(Compress, RawDeflateIsTakenToo) {
  const std::string plain = sample(3000);
  auto* compressor = libdeflate_alloc_compressor(6);
  std::string packed(libdeflate_deflate_compress_bound(compressor, plain.size()), '\0');
  packed.resize(libdeflate_deflate_compress(compressor, plain.data(), plain.size(), packed.data(),
                                            packed.size()));
  libdeflate_free_compressor(compressor);
  const auto result = decompress(packed, Compression::kDeflate, kLimit);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, plain);
}

TEST(Compress, NamesAreKnownInEitherCase) {
  EXPECT_EQ(compression_from_name("GZIP"), Compression::kGzip);
  EXPECT_EQ(compression_from_name("x-gzip"), Compression::kGzip);
  EXPECT_EQ(compression_from_name("zstd"), Compression::kZstd);
  EXPECT_EQ(compression_from_name("deflate"), Compression::kDeflate);
  EXPECT_EQ(compression_from_name("identity"), Compression::kNone);
  EXPECT_EQ(compression_from_name(""), Compression::kNone);
  EXPECT_EQ(compression_from_name("br"), std::nullopt);
  EXPECT_EQ(compression_from_name("gzip, gzip"), std::nullopt);
  for (const Compression compression : kAll) {
    EXPECT_EQ(compression_from_name(to_string(compression)), compression);
  }
}

}  // namespace
}  // namespace weft
