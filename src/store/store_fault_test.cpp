// What the store does when the disk, the power or the bytes fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "model/testing/random_spans.h"
#include "store/block_format.h"
#include "store/check.h"
#include "store/log_format.h"
#include "store/store.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::append_and_wait;
using testing::canonical;
using testing::export_spans;
using testing::file_size;
using testing::key_of;
using testing::overwrite;
using testing::random_spans;
using testing::store_files;
using testing::store_options;
using testing::test_seed;
using testing::to_batch;

// Sends one span a request, seals now and then; returns the keys of what was acknowledged.
std::set<std::string> drive(Store& store, const std::vector<Span>& spans) {
  std::set<std::string> acknowledged;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (append_and_wait(store, to_batch({spans[i]}))) acknowledged.insert(key_of(spans[i]));
    if (i % 7 == 6) (void)store.seal();
  }
  return acknowledged;
}

// Everything acknowledged is there, nothing twice, nothing that was never sent, all equal.
void expect_kept(FaultFileSystem& fs, const std::vector<Span>& sent,
                 const std::set<std::string>& acknowledged, const std::string& where) {
  auto store = Store::open(store_options(fs));
  ASSERT_TRUE(store) << where << ": " << store.error().message;
  const auto found = canonical(export_spans(**store));
  std::map<std::string, Span> by_key;
  for (const Span& span : canonical(sent))
    by_key[key_of(span)] = span;
  std::set<std::string> keys;
  for (const Span& span : found) {
    EXPECT_TRUE(keys.insert(key_of(span)).second) << where << ": twice";
    const auto original = by_key.find(key_of(span));
    ASSERT_NE(original, by_key.end()) << where << ": invented";
    EXPECT_EQ(span, original->second) << where;
  }
  for (const std::string& key : acknowledged) {
    EXPECT_TRUE(keys.contains(key)) << where << ": lost " << key;
  }
  EXPECT_TRUE((*store)->findings().empty()) << where << ": " << to_string((*store)->findings()[0]);
}

TEST(StoreFault, PowerLossAtEveryOperationLosesNothingAcknowledged) {
  std::mt19937_64 random(test_seed("PowerLossAtEveryOperation"));
  auto spans = random_spans(random, {.traces = 24, .max_spans_per_trace = 5});
  std::shuffle(spans.begin(), spans.end(), random);  // traces are split over requests and blocks
  spans.resize(24);
  uint64_t operations = 0;
  {
    FaultFileSystem fs(random());
    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store);
    (void)drive(**store, spans);
    store->reset();
    operations = fs.operations();
  }
  ASSERT_GT(operations, 40u);
  for (uint64_t k = 0; k < operations + 5; ++k) {
    FaultFileSystem fs(random());
    fs.crash_after(k);
    std::set<std::string> acknowledged;
    if (auto store = Store::open(store_options(fs))) acknowledged = drive(**store, spans);
    fs.restart(k % 2 == 0);
    expect_kept(fs, spans, acknowledged, "power lost at operation " + std::to_string(k));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(StoreFault, AnErrorAtEveryOperationIsRefusedOrHarmless) {
  std::mt19937_64 random(test_seed("AnErrorAtEveryOperation"));
  auto spans = random_spans(random, {.traces = 24, .max_spans_per_trace = 5});
  std::shuffle(spans.begin(), spans.end(), random);  // traces are split over requests and blocks
  spans.resize(24);
  for (uint64_t k = 0; k < 90; k += 1 + random() % 4) {
    FaultFileSystem fs(random());
    std::set<std::string> acknowledged;
    fs.fail_once_after(k);
    if (auto store = Store::open(store_options(fs))) {
      acknowledged = drive(**store, spans);
      // One error must not stop the store: all but one group goes in.
      EXPECT_GE(acknowledged.size() + 1, spans.size()) << "error at operation " << k;
      std::set<std::string> keys;
      for (const Span& span : export_spans(**store))
        keys.insert(key_of(span));
      for (const std::string& key : acknowledged)
        EXPECT_TRUE(keys.contains(key));
    }
    fs.restart(true);
    expect_kept(fs, spans, acknowledged, "error at operation " + std::to_string(k));
    if (::testing::Test::HasFailure()) return;
  }
}

// Whoever counts spans as they are stored does not count what was refused, nor what is replayed.
TEST(StoreFault, OnlyWhatIsOnDiskIsSaidToBeStored) {
  std::mt19937_64 random(test_seed("OnlyWhatIsOnDisk"));
  const auto spans = random_spans(random, {.traces = 20});
  FaultFileSystem fs(random());
  size_t stored = 0;
  Options options = store_options(fs);
  options.stored = [&stored](const SpanBatch& batch) { stored += batch.size(); };
  size_t refused = 0;
  {
    auto store = Store::open(options);
    ASSERT_TRUE(store);
    for (size_t i = 0; i < spans.size(); ++i) {
      if (i % 5 == 0) fs.fail_once_after(1 + random() % 2);  // the write or the sync of the log
      while (!append_and_wait(**store, to_batch({spans[i]})))
        ++refused;
      EXPECT_EQ(stored, i + 1);
    }
  }
  EXPECT_GT(refused, 0u);
  fs.restart(false);
  ASSERT_TRUE(Store::open(options));
  EXPECT_EQ(stored, spans.size());
}

TEST(StoreFault, AFullDiskRefusesAndRecoversWithoutARestart) {
  std::mt19937_64 random(test_seed("AFullDisk"));
  const auto spans = random_spans(random, {.traces = 60});
  FaultFileSystem fs(random());
  ManualClock clock(1'800'000'000'000'000'000);
  Options options = store_options(fs);
  options.clock = &clock;
  std::vector<std::string> messages;
  options.log = [&messages](Severity, std::string_view message) {
    if (message.contains("request")) messages.emplace_back(message);
  };
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  std::set<std::string> acknowledged;
  size_t refused = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i == 20) fs.set_capacity(fs.used_bytes() + 3000);
    if (i == spans.size() / 2) fs.set_capacity(UINT64_MAX);
    const Status status = append_and_wait(**store, to_batch({spans[i]}));
    clock.advance(100'000'000);
    if (status) {
      acknowledged.insert(key_of(spans[i]));
      continue;
    }
    ++refused;
    EXPECT_EQ(status.error().code, ErrorCode::kNoSpace) << status.error().message;
    EXPECT_LT(i, spans.size() / 2);
    // Reads go on.
    std::set<std::string> keys;
    if (i % 10 == 0) {
      EXPECT_GE(export_spans(**store).size(), acknowledged.size());
    }
  }
  EXPECT_GT(refused, 1u);
  // Told when it begins, every ten seconds and when it is over: not each, but all of them.
  EXPECT_LT(messages.size(), 2 + spans.size() / 100 + 1);
  EXPECT_THAT(messages.front(), ::testing::HasSubstr("refused 1 request(s): "));
  EXPECT_THAT(messages.back(), ::testing::StartsWith("requests are taken again"));
  size_t told = 0;
  for (const std::string& message : messages) {
    const size_t digit = message.find_first_of("0123456789");
    if (digit != std::string::npos) told += std::stoul(message.substr(digit));
  }
  EXPECT_EQ(told, refused);
  ASSERT_TRUE((*store)->seal());
  store->reset();
  expect_kept(fs, spans, acknowledged, "after a full disk");
}

TEST(StoreFault, AFlippedBitIsNamedAndTheRestIsServed) {
  std::mt19937_64 random(test_seed("AFlippedBit"));
  const auto spans = random_spans(random, {.traces = 80});
  for (int round = 0; round < 12; ++round) {
    FaultFileSystem fs(random());
    {
      auto store = Store::open(store_options(fs));
      ASSERT_TRUE(store);
      const size_t half = spans.size() / 2;
      ASSERT_TRUE(append_and_wait(
          **store, to_batch({spans.begin(), spans.begin() + static_cast<ptrdiff_t>(half)})));
      ASSERT_TRUE((*store)->seal());
      for (size_t i = half; i < spans.size(); ++i) {
        ASSERT_TRUE(append_and_wait(**store, to_batch({spans[i]})));
      }
    }
    const auto sound = check("data", fs);
    ASSERT_TRUE(sound);
    ASSERT_TRUE(sound->findings.empty()) << to_string(sound->findings[0]);
    const auto files = store_files(fs, "block-");
    ASSERT_EQ(files.size(), 1u);
    const uint64_t bit = random() % (file_size(fs, files[0]) * 8);
    ASSERT_TRUE(fs.flip_bit(files[0], bit));
    const auto damaged = check("data", fs);
    ASSERT_TRUE(damaged);
    EXPECT_FALSE(damaged->findings.empty()) << "bit " << bit << " was not noticed";
    if (!damaged->findings.empty()) {
      EXPECT_EQ(damaged->findings[0].file, files[0]);
    }
    // What is served is true, and the unsealed half is whole.
    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store) << store.error().message;
    std::map<TraceId, std::vector<Span>> traces;
    for (size_t i = spans.size() / 2; i < spans.size(); ++i) {
      traces[spans[i].trace_id].push_back(spans[i]);
    }
    for (const auto& [id, expected] : traces) {
      auto found = (*store)->trace(id, 1000);
      ASSERT_TRUE(found) << found.error().message;
      std::set<std::string> keys;
      for (const Span& span : to_spans(*found))
        keys.insert(key_of(span));
      for (const Span& span : expected)
        EXPECT_TRUE(keys.contains(key_of(span)));
    }
  }
}

TEST(StoreFault, ABadSectorIsNamedAndTheRestIsServed) {
  std::mt19937_64 random(test_seed("ABadSector"));
  const auto spans = random_spans(random, {.traces = 80});
  const size_t half = spans.size() / 2;
  for (int round = 0; round < 24; ++round) {
    const bool in_block = round % 2 == 0;
    FaultFileSystem fs(random());
    {
      auto store = Store::open(store_options(fs));
      ASSERT_TRUE(store);
      ASSERT_TRUE(append_and_wait(
          **store, to_batch({spans.begin(), spans.begin() + static_cast<ptrdiff_t>(half)})));
      ASSERT_TRUE((*store)->seal());
      for (size_t i = half; i < spans.size(); ++i)
        ASSERT_TRUE(append_and_wait(**store, to_batch({spans[i]})));
    }
    const auto files = store_files(fs, in_block ? "block-" : "log-");
    ASSERT_FALSE(files.empty());
    const std::string path = files[random() % files.size()];
    const uint64_t sectors = (file_size(fs, path) + 511) / 512;
    const uint64_t sector = random() % sectors;
    ASSERT_TRUE(fs.fail_reads(path, sector * 512, sector * 512 + 512));

    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store) << store.error().message;
    std::set<std::string> found;
    for (const auto& part : {std::span(spans).first(half), std::span(spans).subspan(half)}) {
      for (const Span& span : part) {
        const auto trace = (*store)->trace(span.trace_id, 1000);
        ASSERT_TRUE(trace) << trace.error().message;
        for (const Span& kept : to_spans(*trace))
          found.insert(key_of(kept));
      }
    }
    const auto missing = [&](std::span<const Span> part) {
      return std::ranges::count_if(part,
                                   [&](const Span& span) { return !found.contains(key_of(span)); });
    };
    // The other half is not touched. What is not served is named; a sector of a log's unused end or
    // of nothing that a trace needs loses nothing.
    const auto intact = in_block ? std::span(spans).subspan(half) : std::span(spans).first(half);
    EXPECT_EQ(missing(intact), 0) << path << ", sector " << sector;
    if (missing(spans) == 0) continue;
    const auto findings = (*store)->findings();
    EXPECT_TRUE(
        std::ranges::any_of(findings, [&](const Finding& finding) { return finding.file == path; }))
        << path << ", sector " << sector;
  }
}

TEST(StoreFault, AnExportGoesOnBehindDamageAndSaysSo) {
  std::mt19937_64 random(test_seed("AnExportGoesOnBehindDamage"));
  constexpr size_t kBlocks = 3;
  for (size_t damaged = 0; damaged < kBlocks; ++damaged) {
    FaultFileSystem fs(random());
    Options options = store_options(fs);
    options.merge_below_spans = 0;
    std::vector<Span> expected;
    {
      auto store = Store::open(options);
      ASSERT_TRUE(store);
      for (size_t b = 0; b < kBlocks; ++b) {
        const auto spans = random_spans(random, {.traces = 5});
        ASSERT_TRUE(append_and_wait(**store, to_batch(spans)));
        ASSERT_TRUE((*store)->seal());
        if (b != damaged) expected.insert(expected.end(), spans.begin(), spans.end());
      }
    }
    const auto files = store_files(fs, "block-");
    ASSERT_EQ(files.size(), kBlocks);
    ASSERT_TRUE(fs.fail_reads(files[damaged], 8, 9));  // the first trace id
    auto store = Store::open(options);
    ASSERT_TRUE(store);
    const CancelToken cancel;
    auto cursor = (*store)->export_all({}, cancel);
    ASSERT_TRUE(cursor);
    std::vector<Span> exported;
    auto batch = (*cursor)->next();
    for (; batch && *batch; batch = (*cursor)->next()) {
      const auto spans = to_spans(**batch);
      exported.insert(exported.end(), spans.begin(), spans.end());
    }
    EXPECT_EQ(canonical(exported), canonical(expected));
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().code, ErrorCode::kCorrupt);
    batch = (*cursor)->next();
    ASSERT_TRUE(batch);
    EXPECT_FALSE(*batch);
  }
}

TEST(StoreFault, ADamagedGroupOfTheLogIsNamedAndTheOthersAreReplayed) {
  std::mt19937_64 random(test_seed("ADamagedGroup"));
  const auto spans = random_spans(random, {.traces = 4});
  FaultFileSystem fs(random());
  {
    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store);
    for (const Span& span : spans)
      ASSERT_TRUE(append_and_wait(**store, to_batch({span})));
  }
  // In the payload of the first group; one bit would be mended.
  for (const uint64_t byte : {20, 30})
    ASSERT_TRUE(fs.flip_bit("data/" + log_file_name({1, 0}), (sizeof(LogGroupHeader) + byte) * 8));
  auto store = Store::open(store_options(fs));
  ASSERT_TRUE(store);
  ASSERT_EQ((*store)->findings().size(), 1u);
  EXPECT_EQ((*store)->findings()[0].offset, 0u);
  EXPECT_EQ(export_spans(**store).size(), spans.size() - 1);
}

TEST(StoreFault, WhatANewerVersionWroteIsRefusedAndAFlippedVersionIsDamage) {
  std::mt19937_64 random(test_seed("WhatANewerVersionWrote"));
  const auto spans = random_spans(random, {.traces = 4});
  for (const bool sealed : {false, true}) {
    for (const bool newer : {false, true}) {
      FaultFileSystem fs(random());
      {
        auto store = Store::open(store_options(fs));
        ASSERT_TRUE(store);
        ASSERT_TRUE(append_and_wait(**store, to_batch(spans)));
        if (sealed) {
          ASSERT_TRUE((*store)->seal());
        }
      }
      const auto files = store_files(fs, sealed ? "block-" : "log-");
      ASSERT_EQ(files.size(), 1u);
      const std::string path = files[0];
      if (sealed) {
        const uint64_t size = file_size(fs, path);
        overwrite(fs, path, size - sizeof(BlockTail) + offsetof(BlockTail, version), "\x02");
        if (newer) overwrite(fs, path, kBlockHead.size() - 1, "2");
      } else {
        overwrite(fs, path, 3, "4");
        if (newer) overwrite(fs, path, offsetof(LogGroupHeader, header_hash), "another");
      }
      auto store = Store::open(store_options(fs));
      const auto checked = check("data", fs);
      if (newer) {
        ASSERT_FALSE(store);
        EXPECT_EQ(store.error().code, ErrorCode::kUnimplemented);
        EXPECT_NE(store.error().message.find(path), std::string::npos) << store.error().message;
        ASSERT_TRUE(checked);
        EXPECT_FALSE(checked->findings.empty());
        auto file = fs.open(path, OpenMode::kRead);
        EXPECT_TRUE(file) << "it is still there";
      } else {
        ASSERT_TRUE(store) << store.error().message;
        EXPECT_TRUE(export_spans(**store).empty());
      }
    }
  }
}

// It must be there still when the newer version is back.
TEST(StoreFault, ALoggedRequestOfANewerVersionKeepsTheDirectoryFromBeingOpened) {
  std::mt19937_64 random(test_seed("ALoggedRequestOfANewerVersion"));
  FaultFileSystem fs(random());
  {
    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store);
    ASSERT_TRUE(append_and_wait(**store, to_batch(random_spans(random, {.traces = 4}))));
    SpanSink::RawRequest request;
    request.format = static_cast<SpanSink::RawRequest::Format>(9);
    request.body = "whatever";
    ASSERT_TRUE(append_and_wait(**store, to_batch(random_spans(random, {.traces = 1})), request));
  }
  const std::string path = "data/" + log_file_name({1, 0});
  const auto before = read_file(fs, path);
  for (const bool read_only : {false, true}) {
    Options options = store_options(fs);
    options.read_only = read_only;
    const auto store = Store::open(options);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, ErrorCode::kUnimplemented);
    EXPECT_NE(store.error().message.find(path), std::string::npos) << store.error().message;
  }
  const auto checked = check("data", fs);
  ASSERT_TRUE(checked);
  ASSERT_EQ(checked->findings.size(), 1u);
  EXPECT_EQ(checked->findings[0].file, path);
  EXPECT_EQ(*read_file(fs, path), *before);
}

TEST(StoreFault, AMissingLogFileIsNamedAndStrayFilesAreLeftOutOrRemoved) {
  std::mt19937_64 random(test_seed("AMissingLogFile"));
  const auto spans = random_spans(random, {.traces = 60});
  FaultFileSystem fs(random());
  {
    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store);
    for (const Span& span : spans)
      ASSERT_TRUE(append_and_wait(**store, to_batch({span})));
  }
  ASSERT_TRUE(fs.open("data/" + log_file_name({1, 2}), OpenMode::kRead)) << "too few log files";
  const std::string missing = "data/" + log_file_name({1, 1});
  ASSERT_TRUE(fs.remove(missing));
  for (const char* stray : {"data/block-0001.wfb.tmp", "data/spare-9-1.wal", "data/notes.txt"})
    ASSERT_TRUE(fs.open(stray, OpenMode::kCreate));
  const auto checked = check("data", fs);
  ASSERT_TRUE(checked);
  ASSERT_EQ(checked->findings.size(), 1u) << to_string(checked->findings.back());
  EXPECT_EQ(checked->findings[0].file, missing);
  auto store = Store::open(store_options(fs));
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_EQ((*store)->findings().size(), 1u);
  EXPECT_EQ((*store)->findings()[0].file, missing);
  const size_t found = export_spans(**store).size();
  EXPECT_GT(found, 0u);
  EXPECT_LT(found, spans.size());
  EXPECT_FALSE(fs.open("data/block-0001.wfb.tmp", OpenMode::kRead));
  EXPECT_FALSE(fs.open("data/spare-9-1.wal", OpenMode::kRead));
  EXPECT_TRUE(fs.open("data/notes.txt", OpenMode::kRead));
}

TEST(StoreFault, TwoProcessesCannotWriteAndReadersChangeNothing) {
  std::mt19937_64 random(test_seed("TwoProcesses"));
  const auto spans = random_spans(random, {.traces = 5});
  FaultFileSystem fs(random());
  {
    auto store = Store::open(store_options(fs));
    ASSERT_TRUE(store);
    ASSERT_TRUE(append_and_wait(**store, to_batch(spans)));
    EXPECT_EQ(Store::open(store_options(fs)).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(check("data", fs).error().code, ErrorCode::kUnavailable);
  }
  Options read_only = store_options(fs);
  read_only.read_only = true;
  const uint64_t operations = fs.operations();
  auto one = Store::open(read_only);
  auto two = Store::open(read_only);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(canonical(export_spans(**one)), canonical(spans));
  EXPECT_EQ((*two)->append(to_batch(spans), nullptr, {}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(fs.operations(), operations);
}

TEST(StoreFault, RetentionKeepsPinnedTracesAndMergingKeepsAll) {
  std::mt19937_64 random(test_seed("RetentionKeepsPinnedTraces"));
  const auto spans = random_spans(random, {.traces = 40});
  FaultFileSystem fs(random());
  ManualClock clock(1'800'000'000'000'000'000);
  Options options = store_options(fs);
  options.clock = &clock;
  {
    auto store = Store::open(options);
    ASSERT_TRUE(store);
    for (size_t i = 0; i < spans.size(); ++i) {
      ASSERT_TRUE(append_and_wait(**store, to_batch({spans[i]})));
      if (i % 10 == 9) {
        ASSERT_TRUE((*store)->seal());
      }
    }
    ASSERT_TRUE((*store)->seal());
    for (int i = 0; i < 500 && (*store)->counters().merged_blocks == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_GT((*store)->counters().merged_blocks.load(), 0u);
    EXPECT_EQ(canonical(export_spans(**store)), canonical(spans));
    ASSERT_TRUE((*store)->pin(std::vector<TraceId>{spans[0].trace_id}));
  }
  options.retention_age_ns = 1'000'000'000;
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->pinned(), std::vector<TraceId>{spans[0].trace_id});
  clock.advance(10'000'000'000);
  for (int i = 0; i < 500 && export_spans(**store).size() > 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::vector<Span> pinned;
  for (const Span& span : spans) {
    if (span.trace_id == spans[0].trace_id) pinned.push_back(span);
  }
  EXPECT_EQ(canonical(export_spans(**store)), canonical(pinned));
}

// Small in their number of spans, blocks of huge spans would be merged into ones that no memory
// holds.
TEST(StoreFault, MergingStopsAtWhatMemoryHolds) {
  std::mt19937_64 random(test_seed("MergingStopsAtWhatMemoryHolds"));
  constexpr size_t kBlocks = 32;
  FaultFileSystem fs(random());
  Options options = store_options(fs);
  options.block_max_bytes = 64 << 10;
  std::vector<Span> spans;
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  for (size_t b = 0; b < kBlocks; ++b) {
    Span span;
    std::ranges::generate(span.trace_id.bytes, [&] { return static_cast<uint8_t>(random()); });
    span.span_id.bytes[0] = 1;
    std::string text(40'000, ' ');
    std::ranges::generate(text, [&] { return static_cast<char>(random()); });
    span.attributes.push_back({"text", Value(Value::Bytes{text})});
    spans.push_back(span);
    ASSERT_TRUE(append_and_wait(**store, to_batch({span})));
    ASSERT_TRUE((*store)->seal());
  }
  const auto largest = [&] {
    uint64_t bytes = 0;
    for (const std::string& path : testing::store_files(fs, "block-"))
      bytes = std::max(bytes, testing::file_size(fs, path));
    return bytes;
  };
  // Time to merge what was merged, if that were done.
  for (int i = 0; i < 100 && largest() < 300'000; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GT((*store)->counters().merged_blocks.load(), 0u);
  EXPECT_LT(largest(), 300'000u);
  EXPECT_TRUE(canonical(export_spans(**store)) == canonical(spans));
}

// Tells when a file is opened.
class WatchedFileSystem final : public FileSystem {
 public:
  explicit WatchedFileSystem(FileSystem& fs) : fs_(fs) {}
  std::function<void(const std::string& path)> on_open;

  Expected<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (on_open) on_open(path);
    return fs_.open(path, mode);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return fs_.rename(from, to);
  }
  Status remove(const std::string& path) override { return fs_.remove(path); }
  Status sync_dir(const std::string& dir) override { return fs_.sync_dir(dir); }
  Status create_dirs(const std::string& dir) override { return fs_.create_dirs(dir); }
  Expected<std::vector<std::string>> list(const std::string& dir) override { return fs_.list(dir); }
  Expected<uint64_t> free_bytes(const std::string& dir) override { return fs_.free_bytes(dir); }
  Expected<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) override {
    return fs_.lock(path, exclusive);
  }

 private:
  FileSystem& fs_;
};

TEST(StoreFault, ATracePinnedWhileItsBlockIsDroppedIsKeptOrWasGone) {
  std::mt19937_64 random(test_seed("ATracePinnedWhileItsBlockIsDropped"));
  const auto spans = random_spans(random, {.traces = 5});
  const TraceId first = spans.front().trace_id;
  const auto other =
      std::ranges::find_if(spans, [&](const Span& span) { return span.trace_id != first; });
  ASSERT_NE(other, spans.end());
  const TraceId second = other->trace_id;
  FaultFileSystem fs(random());
  WatchedFileSystem watched(fs);
  ManualClock clock(1'800'000'000'000'000'000);
  Options options = store_options(fs);
  options.fs = &watched;
  options.clock = &clock;
  options.retention_age_ns = 1'000'000'000;
  std::unique_ptr<Store> store;
  const auto is_there = [&](const TraceId& id) {
    const auto found = store->trace(id, 1000);
    return found && !found->empty();
  };
  // While what stays of the block is written, the second trace is pinned, if that is let through.
  std::atomic<bool> dropping = false;
  std::future<bool> found;
  watched.on_open = [&](const std::string& path) {
    if (!path.ends_with(".wfb.tmp") || !dropping.exchange(false)) return;
    found = std::async(std::launch::async, [&] {
      EXPECT_TRUE(store->pin(std::vector<TraceId>{second}));
      return is_there(second);
    });
    (void)found.wait_for(std::chrono::milliseconds(100));
  };
  store = *Store::open(options);
  ASSERT_TRUE(append_and_wait(*store, to_batch(spans)));
  ASSERT_TRUE(store->seal());
  ASSERT_TRUE(store->pin(std::vector<TraceId>{first}));
  dropping = true;
  clock.advance(10'000'000'000);
  for (int i = 0; i < 1000 && store->stats().spans == spans.size(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_NE(store->stats().spans, spans.size());
  EXPECT_TRUE(!found.get() || is_there(second));
  EXPECT_TRUE(is_there(first));
}

TEST(StoreFault, RetentionBySizeDropsTheOldestBlocksAndNoPinnedTrace) {
  std::mt19937_64 random(test_seed("RetentionBySize"));
  constexpr size_t kBlocks = 12;
  FaultFileSystem fs(random());
  ManualClock clock(1'800'000'000'000'000'000);
  Options options = store_options(fs);
  options.clock = &clock;
  options.merge_below_spans = 0;
  std::vector<std::vector<Span>> blocks;
  uint64_t all_bytes = 0;
  const TraceId pinned = [&] {
    auto store = Store::open(options);
    EXPECT_TRUE(store);
    for (size_t b = 0; b < kBlocks; ++b) {
      blocks.push_back(random_spans(random, {.traces = 20}));
      EXPECT_TRUE(append_and_wait(**store, to_batch(blocks.back())));
      EXPECT_TRUE((*store)->seal());
      clock.advance(1'000'000'000);
    }
    all_bytes = (*store)->stats().disk_bytes;
    EXPECT_TRUE((*store)->pin(std::vector<TraceId>{blocks[0][0].trace_id}));
    return blocks[0][0].trace_id;
  }();
  options.retention_bytes = all_bytes / 2;
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  for (int i = 0; i < 1000 && (*store)->stats().disk_bytes > options.retention_bytes; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_LE((*store)->stats().disk_bytes, options.retention_bytes);
  const auto left = canonical(export_spans(**store));
  const auto without_first = [&](size_t dropped) {
    std::vector<Span> out;
    for (size_t b = 0; b < kBlocks; ++b) {
      for (const Span& span : blocks[b]) {
        if (b >= dropped || span.trace_id == pinned) out.push_back(span);
      }
    }
    return canonical(std::move(out));
  };
  size_t dropped = 1;
  while (dropped < kBlocks && left != without_first(dropped))
    ++dropped;
  EXPECT_LT(dropped, kBlocks) << "what is left is not the newest blocks and the pinned trace";
}

}  // namespace
}  // namespace weft::store
