// Blocks that disappear are named; blocks that went on purpose are not.
#include "store/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <random>
#include <thread>

#include "base/hash.h"
#include "model/testing/random_spans.h"
#include "store/bytes.h"
#include "store/check.h"
#include "store/store.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::append_and_wait;
using testing::canonical;
using testing::export_spans;
using testing::random_spans;
using testing::store_options;
using testing::test_seed;
using testing::to_batch;

// Each block stays as it was sealed.
Options options_on(FaultFileSystem& fs) {
  Options options = store_options(fs);
  options.merge_below_spans = 0;
  return options;
}

// Each part in a block of its own, numbered from 1.
void seal_parts(const Options& options, const std::vector<std::vector<Span>>& parts) {
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  for (const auto& part : parts) {
    ASSERT_TRUE(append_and_wait(**store, to_batch(part)));
    ASSERT_TRUE((*store)->seal());
  }
  ASSERT_TRUE((*store)->shutdown());
}

std::vector<std::vector<Span>> random_parts(std::mt19937_64& random, size_t count) {
  std::vector<std::vector<Span>> parts;
  for (size_t i = 0; i < count; ++i)
    parts.push_back(random_spans(random, {.traces = 5}));
  return parts;
}

TEST(Manifest, AMissingBlockIsNamedAtEveryOpenAndByCheckUntilItIsBack) {
  std::mt19937_64 random(test_seed("AMissingBlock"));
  const auto parts = random_parts(random, 5);
  for (size_t gone = 1; gone <= parts.size(); ++gone) {
    FaultFileSystem fs(random());
    seal_parts(options_on(fs), parts);
    const std::string path = "data/" + block_file_name(gone, gone);
    const auto bytes = read_file(fs, path);
    ASSERT_TRUE(bytes);
    ASSERT_TRUE(fs.remove(path));
    std::vector<Span> rest;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i + 1 != gone) rest.insert(rest.end(), parts[i].begin(), parts[i].end());
    }
    for (int round = 0; round < 2; ++round) {
      const auto checked = check("data", fs);
      ASSERT_TRUE(checked);
      ASSERT_EQ(checked->findings.size(), 1u) << to_string(checked->findings.back());
      EXPECT_EQ(checked->findings[0].file, path);
      Options options = options_on(fs);
      options.merge_below_spans = 500'000;  // what lies beside it must not be merged across it
      auto store = Store::open(options);
      ASSERT_TRUE(store) << store.error().message;
      ASSERT_EQ((*store)->findings().size(), 1u);
      EXPECT_EQ((*store)->findings()[0].file, path);
      const std::string count =
          std::to_string(canonical(parts[gone - 1]).size()) + " spans that started between ";
      EXPECT_NE((*store)->findings()[0].what.find(count), std::string::npos)
          << (*store)->findings()[0].what;
      EXPECT_EQ(canonical(export_spans(**store)), canonical(rest));
      // Its number is not used for others.
      const auto more = random_spans(random, {.traces = 5});
      ASSERT_TRUE(append_and_wait(**store, to_batch(more)));
      ASSERT_TRUE((*store)->seal());
      rest.insert(rest.end(), more.begin(), more.end());
    }
    auto file = fs.open(path, OpenMode::kCreate);
    ASSERT_TRUE(file && (*file)->pwrite(*bytes, 0) && (*file)->sync());
    rest.insert(rest.end(), parts[gone - 1].begin(), parts[gone - 1].end());
    auto store = Store::open(options_on(fs));
    ASSERT_TRUE(store);
    EXPECT_TRUE((*store)->findings().empty());
    EXPECT_EQ(canonical(export_spans(**store)), canonical(rest));
  }
}

TEST(Manifest, DirectoriesWithoutOneOrWithADamagedOneAreServed) {
  std::mt19937_64 random(test_seed("DirectoriesWithoutOne"));
  const auto parts = random_parts(random, 3);
  FaultFileSystem fs(random());
  seal_parts(options_on(fs), parts);
  const std::string path = "data/" + std::string(kManifestName);
  // As an older version left it, with a block that is gone: there is nothing that could tell.
  ASSERT_TRUE(fs.remove(path));
  ASSERT_TRUE(fs.remove("data/" + block_file_name(2, 2)));
  {
    EXPECT_TRUE(check("data", fs)->findings.empty());
    auto store = Store::open(options_on(fs));
    ASSERT_TRUE(store);
    EXPECT_TRUE((*store)->findings().empty());
  }
  const auto entries = decode_manifest(*read_file(fs, path));
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->size(), 2u);
  const uint64_t bits = read_file(fs, path)->size() * 8;
  ASSERT_TRUE(fs.flip_bit(path, random() % bits));
  EXPECT_EQ(check("data", fs)->findings.size(), 1u);
  {
    auto store = Store::open(options_on(fs));
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ((*store)->findings().size(), 1u);
  }
  EXPECT_TRUE(check("data", fs)->findings.empty()) << "it was not written anew";
  // A newer version's.
  std::string newer(kManifestHead);
  newer.back() = '2';
  newer += "whatever";
  put_fixed(newer, hash_bytes(newer));
  auto file = fs.open(path, OpenMode::kCreate);
  ASSERT_TRUE(file && (*file)->pwrite(newer, 0) && (*file)->sync());
  EXPECT_EQ(Store::open(options_on(fs)).error().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(check("data", fs)->findings.size(), 1u);
}

// The crash may come between any two steps of sealing, merging and retention.
TEST(Manifest, NoAlarmAfterPowerLossWhileMergingAndDropping) {
  std::mt19937_64 random(test_seed("NoAlarmAfterPowerLoss"));
  const auto parts = random_parts(random, 6);
  for (uint64_t k = 0; k < 400; k += 1 + random() % 5) {
    FaultFileSystem fs(random());
    ManualClock clock(1'800'000'000'000'000'000);
    Options options = options_on(fs);
    options.clock = &clock;
    options.merge_below_spans = 500'000;
    options.retention_age_ns = 5'000'000'000;
    fs.crash_after(k);
    if (auto store = Store::open(options)) {
      (void)(*store)->pin(std::vector<TraceId>{parts[3][0].trace_id});
      for (const auto& part : parts) {
        (void)append_and_wait(**store, to_batch(part));
        (void)(*store)->seal();
        clock.advance(1'500'000'000);
        if (random() % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      }
    }
    fs.restart(k % 2 == 0);
    const auto checked = check("data", fs);
    if (checked) {
      EXPECT_TRUE(checked->findings.empty())
          << "power lost at operation " << k << ": " << to_string(checked->findings[0]);
    }
    options.retention_age_ns = 0;  // which would excuse what is missing
    auto store = Store::open(options);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_TRUE((*store)->findings().empty())
        << "power lost at operation " << k << ": " << to_string((*store)->findings()[0]);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Manifest, AFullDiskDoesNotKeepRetentionFromMakingRoom) {
  std::mt19937_64 random(test_seed("AFullDiskDoesNotKeepRetention"));
  FaultFileSystem fs(random());
  ManualClock clock(1'800'000'000'000'000'000);
  Options options = options_on(fs);
  options.clock = &clock;
  seal_parts(options, random_parts(random, 4));
  options.retention_age_ns = 1'000'000'000;
  fs.set_capacity(fs.used_bytes() + 10);
  {
    auto store = Store::open(options);
    ASSERT_TRUE(store);
    clock.advance(10'000'000'000);
    for (int i = 0; i < 1000 && (*store)->stats().blocks > 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ((*store)->stats().blocks, 0u);
  }
  EXPECT_TRUE(check("data", fs)->findings.empty());
}

// What is left of a block for its pinned traces needs room; the others that are too old make it.
TEST(Manifest, AFullDiskDoesNotKeepRetentionFromMakingRoomForPinnedTraces) {
  std::mt19937_64 random(test_seed("AFullDiskDoesNotKeepRetentionPinned"));
  FaultFileSystem fs(random());
  ManualClock clock(1'800'000'000'000'000'000);
  Options options = options_on(fs);
  options.clock = &clock;
  const auto parts = random_parts(random, 4);
  seal_parts(options, parts);
  const TraceId pinned = parts.front().front().trace_id;
  {
    auto store = Store::open(options);
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->pin(std::vector<TraceId>{pinned}));
  }
  options.retention_age_ns = 1'000'000'000;
  fs.set_capacity(fs.used_bytes() + 10);
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  clock.advance(10'000'000'000);
  std::vector<Span> expected;
  for (const auto& part : parts) {
    std::ranges::copy_if(part, std::back_inserter(expected),
                         [&](const Span& span) { return span.trace_id == pinned; });
  }
  for (int i = 0; i < 1000 && export_spans(**store).size() > expected.size(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(canonical(export_spans(**store)), canonical(expected));
}

}  // namespace
}  // namespace weft::store
