// A block that is damaged or gone while files of its log are still there is put together again.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/fault_file_system.h"
#include "model/testing/random_spans.h"
#include "store/block_format.h"
#include "store/check.h"
#include "store/log_format.h"
#include "store/manifest.h"
#include "store/store.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::append_and_wait;
using testing::canonical;
using testing::export_spans;
using testing::file_size;
using testing::overwrite;
using testing::random_spans;
using testing::store_files;
using testing::store_options;
using testing::test_seed;
using testing::to_batch;

constexpr uint64_t kBlocks = 3;

Options options_on(FaultFileSystem& fs) {
  Options options = store_options(fs);
  options.log_file_bytes = 4 << 10;  // several files a block
  options.merge_below_spans = 0;
  return options;
}

// A directory of some blocks, of which one still has the files of its log: as after a crash
// between sealing and recycling.
struct Directory {
  explicit Directory(std::mt19937_64& random) : fs(random()), damaged(1 + random() % kBlocks) {
    std::map<std::string, std::string> logs;
    {
      auto store = Store::open(options_on(fs));
      EXPECT_TRUE(store);
      for (uint64_t b = 1; b <= kBlocks; ++b) {
        const auto part = random_spans(random, {.traces = 12});
        for (const auto& batch : testing::split_randomly(random, part, 10))
          EXPECT_TRUE(append_and_wait(**store, SpanBatch(*batch)));
        for (const std::string& path : store_files(fs, "log-")) {
          if (b == damaged) logs[path] = *read_file(fs, path);
        }
        EXPECT_TRUE((*store)->seal());
        spans.insert(spans.end(), part.begin(), part.end());
        parts.push_back(part);
      }
      EXPECT_TRUE((*store)->shutdown());
    }
    EXPECT_GE(logs.size(), 2u);
    for (const auto& [path, bytes] : logs) {
      auto file = fs.open(path, OpenMode::kCreate);
      EXPECT_TRUE(file && (*file)->pwrite(bytes, 0) && (*file)->sync());
    }
    EXPECT_TRUE(fs.sync_dir("data"));
    block = "data/" + block_file_name(damaged, damaged);
  }
  // Where a block cannot do without its bytes, or in its columns.
  void damage(std::mt19937_64& random) {
    const uint64_t size = file_size(fs, block);
    switch (random() % 3) {
      case 0:
        EXPECT_TRUE(fs.flip_bit(block, (size - 1 - random() % sizeof(BlockTail)) * 8));
        break;
      case 1:
        EXPECT_TRUE(fs.fail_reads(block, size - 512, size));
        break;
      default:  // a column or anything else
        EXPECT_TRUE(fs.flip_bit(block, kBlockHead.size() * 8 + random() % (size * 4)));
    }
  }
  void lose(std::mt19937_64& random) {
    if (random() % 2 == 0) {
      EXPECT_TRUE(fs.remove(block) && fs.sync_dir("data"));
    } else {
      damage(random);
    }
  }

  FaultFileSystem fs;
  uint64_t damaged;  // the block's generation
  std::string block;
  std::vector<Span> spans;
  std::vector<std::vector<Span>> parts;
};

void expect_sound(FaultFileSystem& fs, const std::vector<Span>& spans) {
  const auto checked = check("data", fs);
  ASSERT_TRUE(checked);
  EXPECT_TRUE(checked->findings.empty()) << to_string(checked->findings[0]);
  const auto entries = decode_manifest(*read_file(fs, "data/" + std::string(kManifestName)));
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->size(), kBlocks);
  auto store = Store::open(options_on(fs));
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE((*store)->findings().empty()) << to_string((*store)->findings()[0]);
  EXPECT_EQ(canonical(export_spans(**store)), canonical(spans));
}

TEST(LostBlock, IsPutTogetherAgainFromItsLog) {
  std::mt19937_64 random(test_seed("IsPutTogetherAgain"));
  for (int round = 0; round < 24; ++round) {
    Directory dir(random);
    dir.lose(random);
    EXPECT_FALSE(check("data", dir.fs)->findings.empty());
    {
      Options options = options_on(dir.fs);
      options.read_only = true;
      const auto store = Store::open(options);
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
    }
    {
      const auto store = Store::open(options_on(dir.fs));
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_FALSE((*store)->findings().empty());
      EXPECT_EQ((*store)->findings()[0].file, dir.block);
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
      ASSERT_TRUE((*store)->seal());
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
      EXPECT_TRUE(store_files(dir.fs, "log-").empty());
    }
    expect_sound(dir.fs, dir.spans);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(LostBlock, IsPutTogetherAgainWhereverThePowerFails) {
  std::mt19937_64 random(test_seed("WhereverThePowerFails"));
  for (uint64_t k = 0; k < 24; ++k) {
    Directory dir(random);
    dir.lose(random);
    dir.fs.crash_after(k);
    if (const auto store = Store::open(options_on(dir.fs))) {
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
      (void)(*store)->seal();
    }
    dir.fs.restart(k % 2 == 0);
    {
      const auto store = Store::open(options_on(dir.fs));
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
      ASSERT_TRUE((*store)->seal());
    }
    expect_sound(dir.fs, dir.spans);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "power lost at operation " << k;
      return;
    }
  }
}

TEST(LostBlock, IsPutTogetherAgainWhicheverOperationFails) {
  std::mt19937_64 random(test_seed("WhicheverOperationFails"));
  for (uint64_t k = 0; k < 24; ++k) {
    Directory dir(random);
    dir.lose(random);
    dir.fs.fail_once_after(k);
    for (int start = 0; start < 2; ++start) {
      const auto store = Store::open(options_on(dir.fs));
      if (!store) continue;
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
      if (!(*store)->seal()) {
        EXPECT_TRUE((*store)->seal()) << "one error must not keep it from being sealed";
      }
      EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
    }
    expect_sound(dir.fs, dir.spans);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "operation " << k << " failed";
      return;
    }
  }
}

// What the log does not hold any more may be in the damaged block alone.
TEST(LostBlock, OfWhichTheLogLacksSpansIsKeptAside) {
  std::mt19937_64 random(test_seed("OfWhichTheLogLacksSpans"));
  for (const bool damaged : {false, true}) {
    Directory dir(random);
    const auto logs = store_files(dir.fs, "log-");
    ASSERT_TRUE(dir.fs.remove(logs.front()));
    if (damaged) {
      overwrite(dir.fs, dir.block, file_size(dir.fs, dir.block) - sizeof(BlockTail), "no tail");
    } else {
      ASSERT_TRUE(dir.fs.remove(dir.block));
    }
    ASSERT_TRUE(dir.fs.sync_dir("data"));
    const auto names_the_log = [&](const std::vector<Finding>& findings) {
      return std::ranges::any_of(findings,
                                 [&](const Finding& f) { return f.file == logs.front(); });
    };
    EXPECT_TRUE(names_the_log(check("data", dir.fs)->findings));
    size_t kept = 0;
    {
      const auto store = Store::open(options_on(dir.fs));
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_TRUE(names_the_log((*store)->findings()));
      kept = export_spans(**store).size();
      EXPECT_LT(kept, dir.spans.size());
      EXPECT_GT(kept, dir.spans.size() - dir.parts[dir.damaged - 1].size());
      ASSERT_TRUE((*store)->seal());
      const Finding last = (*store)->findings().back();
      EXPECT_EQ(last.file, dir.block);
      EXPECT_NE(last.what.find("the others are lost"), std::string::npos) << last.what;
    }
    const auto aside = store_files(dir.fs, "block-");
    EXPECT_EQ(aside.size(), kBlocks + (damaged ? 1 : 0));
    const auto checked = check("data", dir.fs);
    ASSERT_TRUE(checked);
    EXPECT_EQ(checked->findings.size(), damaged ? 1u : 0u);
    if (damaged) {
      const std::string path = dir.block + std::string(kDamagedSuffix);
      EXPECT_EQ(checked->findings.at(0).file, path);
      const auto store = Store::open(options_on(dir.fs));
      ASSERT_TRUE(store);
      ASSERT_EQ((*store)->findings().size(), 1u);
      EXPECT_EQ((*store)->findings()[0].file, path);
      EXPECT_EQ(export_spans(**store).size(), kept);
    }
  }
}

// The log of a block that is served is left over from a crash.
TEST(LostBlock, LogsOfSoundBlocksAreRemoved) {
  std::mt19937_64 random(test_seed("LogsOfSoundBlocks"));
  Directory dir(random);
  EXPECT_TRUE(check("data", dir.fs)->findings.empty());
  const auto store = Store::open(options_on(dir.fs));
  ASSERT_TRUE(store);
  EXPECT_TRUE((*store)->findings().empty());
  EXPECT_TRUE(store_files(dir.fs, "log-").empty());
  EXPECT_EQ((*store)->counters().replayed_spans.load(), 0u);
  EXPECT_EQ(canonical(export_spans(**store)), canonical(dir.spans));
}

}  // namespace
}  // namespace weft::store
