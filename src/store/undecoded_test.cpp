// Acknowledged requests that a start cannot decode are kept until one can.
#include "store/undecoded.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/fault_file_system.h"
#include "model/testing/random_spans.h"
#include "store/batch_codec.h"
#include "store/check.h"
#include "store/store.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::append_and_wait;
using testing::canonical;
using testing::export_spans;
using testing::random_spans;
using testing::store_files;
using testing::test_seed;
using testing::to_batch;

using Decode = std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)>;

// A format whose bodies are columns. `limit` is what an operator may lower.
Decode decoder(size_t limit) {
  return [limit](const SpanSink::RawRequest& request) -> Expected<SpanBatch> {
    if (request.body.size() > limit) return fail(ErrorCode::kResourceExhausted, "too many bytes");
    return decode_batch(request.body);
  };
}

Options options_on(FaultFileSystem& fs, size_t limit) {
  Options options = testing::store_options(fs);
  options.log_file_bytes = 8 << 10;
  options.decode = decoder(limit);
  return options;
}

// A directory whose log holds requests of many sizes, and the size that half of them exceed.
struct Directory {
  explicit Directory(std::mt19937_64& random) : fs(random()) {
    auto store = Store::open(options_on(fs, SIZE_MAX));
    EXPECT_TRUE(store);
    std::vector<size_t> sizes;
    for (int i = 0; i < 12; ++i) {
      const auto part = random_spans(random, {.traces = 1 + random() % 4});
      const SpanBatch batch = to_batch(part);
      const std::string body = encode_batch(batch);
      SpanSink::RawRequest request;
      request.format = SpanSink::RawRequest::Format::kOtlpJson;
      request.body = body;
      request.received_ns = 1 + random() % 1000;
      EXPECT_TRUE(append_and_wait(**store, SpanBatch(batch), request));
      sizes.push_back(body.size());
      spans.insert(spans.end(), part.begin(), part.end());
    }
    std::ranges::sort(sizes);
    limit = sizes[sizes.size() / 2];
  }
  FaultFileSystem fs;
  std::vector<Span> spans;
  size_t limit = 0;
};

std::vector<Span> read_all(FaultFileSystem& fs, size_t limit) {
  Options options = options_on(fs, limit);
  options.read_only = true;
  const auto store = Store::open(options);
  EXPECT_TRUE(store) << store.error().message;
  return store ? canonical(export_spans(**store)) : std::vector<Span>();
}

std::vector<std::string> files_of(const std::vector<Finding>& findings) {
  std::vector<std::string> files;
  for (const Finding& finding : findings)
    files.push_back(finding.file);
  return files;
}

TEST(Undecoded, RequestsAreKeptAndNamedUntilAStartCanDecodeThem) {
  std::mt19937_64 random(test_seed("RequestsAreKeptAndNamed"));
  for (int round = 0; round < 6; ++round) {
    Directory dir(random);
    std::vector<std::string> kept;
    size_t served = 0;
    for (int start = 0; start < 3; ++start) {
      const auto store = Store::open(options_on(dir.fs, dir.limit));
      ASSERT_TRUE(store) << store.error().message;
      kept = store_files(dir.fs, "undecoded-");
      ASSERT_FALSE(kept.empty());
      EXPECT_EQ(files_of((*store)->findings()), kept);
      served = export_spans(**store).size();
      EXPECT_GT(served, 0u);
      EXPECT_LT(served, dir.spans.size());
      if (start > 0 || round % 2 == 0) {
        ASSERT_TRUE((*store)->seal());
        EXPECT_TRUE(store_files(dir.fs, "log-").empty()) << "the log is recycled as ever";
      }
    }
    const auto checked = check("data", dir.fs, decoder(dir.limit));
    ASSERT_TRUE(checked);
    EXPECT_EQ(files_of(checked->findings), kept);
    // A reader takes them in for itself.
    EXPECT_EQ(read_all(dir.fs, dir.limit).size(), served);
    EXPECT_EQ(read_all(dir.fs, SIZE_MAX), canonical(dir.spans));
    EXPECT_EQ(store_files(dir.fs, "undecoded-"), kept);
    for (const bool seal : {false, true}) {
      const auto store = Store::open(options_on(dir.fs, SIZE_MAX));
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_TRUE((*store)->findings().empty());
      EXPECT_TRUE(store_files(dir.fs, "undecoded-").empty());
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
      if (seal) {
        ASSERT_TRUE((*store)->seal());
      }
    }
    EXPECT_TRUE(check("data", dir.fs, decoder(0))->findings.empty());
    EXPECT_EQ(read_all(dir.fs, 0), canonical(dir.spans));
  }
}

// Limits go up and down from start to start, and the power fails in the midst.
TEST(Undecoded, NothingIsLostWhereverThePowerFails) {
  std::mt19937_64 random(test_seed("NothingIsLostWhereverThePowerFails"));
  for (uint64_t k = 0; k < 40; ++k) {
    Directory dir(random);
    uint64_t left = k;
    for (int start = 0; start < 5; ++start) {
      dir.fs.crash_after(left);
      const uint64_t before = dir.fs.operations();
      const size_t limit = dir.limit / 2 + random() % (dir.limit * 2);
      if (const auto store = Store::open(options_on(dir.fs, limit))) {
        if (random() % 2 == 0) (void)(*store)->seal();
      }
      left -= std::min(left, dir.fs.operations() - before);
      dir.fs.restart(random() % 2 == 0);
      if (left == 0) left = random() % 40;
    }
    ASSERT_EQ(read_all(dir.fs, SIZE_MAX), canonical(dir.spans)) << "power lost at operation " << k;
  }
}

TEST(Undecoded, NothingIsLostWhicheverOperationFails) {
  std::mt19937_64 random(test_seed("NothingIsLostWhicheverOperationFails"));
  for (uint64_t k = 0; k < 30; ++k) {
    Directory dir(random);
    for (const size_t limit : {dir.limit, SIZE_MAX, dir.limit}) {
      dir.fs.fail_once_after(random() % (k + 1));
      if (const auto store = Store::open(options_on(dir.fs, limit))) (void)(*store)->seal();
    }
    dir.fs.restart(k % 2 == 0);
    ASSERT_EQ(read_all(dir.fs, SIZE_MAX), canonical(dir.spans)) << "round " << k;
  }
}

TEST(Undecoded, AFullDiskLosesNothing) {
  std::mt19937_64 random(test_seed("AFullDiskLosesNothing"));
  Directory dir(random);
  dir.fs.set_capacity(dir.fs.used_bytes() + 100);
  // To go on would be to lose them when the log is recycled.
  const auto refused = Store::open(options_on(dir.fs, dir.limit));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  dir.fs.set_capacity(UINT64_MAX);
  {
    const auto store = Store::open(options_on(dir.fs, dir.limit));
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->seal());
  }
  // There is no room to take them in: they stay.
  for (const std::string& path : store_files(dir.fs, "spare-"))
    ASSERT_TRUE(dir.fs.remove(path));
  dir.fs.set_capacity(dir.fs.used_bytes() + 100);
  {
    const auto store = Store::open(options_on(dir.fs, SIZE_MAX));
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_FALSE(store_files(dir.fs, "undecoded-").empty());
  }
  dir.fs.set_capacity(UINT64_MAX);
  EXPECT_EQ(read_all(dir.fs, SIZE_MAX), canonical(dir.spans));
}

TEST(Undecoded, TheFilesOfANewerVersionKeepTheDirectoryFromBeingOpened) {
  std::mt19937_64 random(test_seed("TheFilesOfANewerVersion"));
  Directory dir(random);
  SpanSink::RawRequest request;
  request.format = static_cast<SpanSink::RawRequest::Format>(9);
  request.body = "whatever";
  const std::vector<KeptRequest> requests{KeptRequest(request)};
  ASSERT_TRUE(write_undecoded(dir.fs, "data", {7, 1}, requests));
  EXPECT_EQ(Store::open(options_on(dir.fs, SIZE_MAX)).error().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(check("data", dir.fs)->findings.size(), 1u);
}

TEST(Undecoded, NamesAreThoseOfTheLog) {
  EXPECT_EQ(undecoded_file_name({3, 1}), "undecoded-0000000000000003-0001.wal");
  EXPECT_EQ(parse_undecoded_file_name("undecoded-0000000000000003-0001.wal"), (LogId{3, 1}));
  for (const char* other : {"log-0000000000000003-0001.wal", "undecoded-3.wal", "undecoded-",
                            "undecoded-0000000000000003-0001.wal.tmp"}) {
    EXPECT_FALSE(parse_undecoded_file_name(other)) << other;
  }
}

}  // namespace
}  // namespace weft::store
