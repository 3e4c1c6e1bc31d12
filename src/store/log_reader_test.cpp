// What the reader of the write-ahead log makes of damage in the last group, and of what only a
// newer version knows.
#include "store/log_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/fault_file_system.h"
#include "model/testing/random_spans.h"
#include "store/log_writer.h"

namespace weft::store {
namespace {

using testing::test_seed;

constexpr uint64_t kFullBytes = 256 << 10;
const LogId kId{1, 0};

std::string log_path(const LogId& id = kId) {
  return "log/" + log_file_name(id);
}

std::string random_body(std::mt19937_64& random, size_t size) {
  std::string body(size, '\0');
  for (char& c : body)
    c = static_cast<char>(1 + random() % 255);
  return body;
}

Status write_bodies(LogWriter& writer, const std::vector<std::string>& bodies, uint8_t format = 1) {
  for (const std::string& body : bodies) {
    SpanSink::RawRequest request;
    request.format = static_cast<SpanSink::RawRequest::Format>(format);
    request.body = body;
    LogGroup group(request.body.size());
    group.add(request);
    WEFT_TRY(writer.write_group(group));
  }
  return {};
}

struct Read {
  Expected<LogFileSummary> summary = LogFileSummary{};
  std::vector<std::string> bodies;
  std::vector<Finding> findings;
};
Read read_back(FileSystem& fs, const LogId& id = kId) {
  Read read;
  read.summary = read_log(
      fs, log_path(id), id,
      [&](const SpanSink::RawRequest& request, uint64_t) {
        read.bodies.emplace_back(request.body);
      },
      read.findings, kFullBytes);
  return read;
}

// A file that was grown by appending, and where its last group begins.
uint64_t write_appended(FaultFileSystem& fs, const std::vector<std::string>& bodies) {
  EXPECT_TRUE(fs.create_dirs("log"));
  LogWriter writer(fs, "log", {kFullBytes, 8});
  writer.start_generation(1, 0);
  EXPECT_TRUE(write_bodies(writer, bodies));
  const uint64_t size = *(*fs.open(log_path(), OpenMode::kRead))->size();
  return size - align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) + bodies.back().size());
}

TEST(LogReader, AFlippedBitInTheLastGroupIsMendedOrNamed) {
  std::mt19937_64 random(test_seed("AFlippedBitInTheLastGroup"));
  for (int round = 0; round < 40; ++round) {
    FaultFileSystem fs(random());
    // Small groups are mended, large ones named.
    const bool large = round % 2 == 0;
    const std::vector<std::string> bodies{random_body(random, 3000),
                                          random_body(random, large ? 40'000 : 4000)};
    const uint64_t last = write_appended(fs, bodies);
    const bool in_header = round % 4 < 2;
    const uint64_t bytes =
        in_header ? sizeof(LogGroupHeader) : sizeof(LogRecordHeader) + bodies.back().size();
    const uint64_t bit =
        (last + (in_header ? 0 : sizeof(LogGroupHeader))) * 8 + random() % (bytes * 8);
    ASSERT_TRUE(fs.flip_bit(log_path(), bit));
    const Read read = read_back(fs);
    ASSERT_TRUE(read.summary);
    ASSERT_EQ(read.findings.size(), 1u) << "bit " << bit;
    EXPECT_EQ(read.findings[0].offset, last);
    EXPECT_EQ(read.findings[0].file, log_path());
    EXPECT_FALSE(read.summary->torn_tail);
    const bool mended = in_header || !large;
    EXPECT_EQ(read.bodies.size(), mended ? 2u : 1u);
    if (mended) {
      EXPECT_EQ(read.bodies, bodies);
    }
  }
}

TEST(LogReader, ManyFlippedBitsInTheLastGroupAreNamed) {
  std::mt19937_64 random(test_seed("ManyFlippedBits"));
  FaultFileSystem fs(random());
  const uint64_t last = write_appended(fs, {random_body(random, 900), random_body(random, 900)});
  for (const uint64_t byte : {70, 300, 500})
    ASSERT_TRUE(fs.flip_bit(log_path(), (last + byte) * 8 + random() % 8));
  const Read read = read_back(fs);
  ASSERT_EQ(read.findings.size(), 1u);
  EXPECT_EQ(read.findings[0].offset, last);
  EXPECT_EQ(read.bodies.size(), 1u);
}

// The write was cut: some sectors of the last group hold what was there before.
TEST(LogReader, ATornLastGroupIsNoDamage) {
  std::mt19937_64 random(test_seed("ATornLastGroup"));
  for (int round = 0; round < 60; ++round) {
    const bool recycled = round % 2 == 0;
    FaultFileSystem fs(random());
    std::vector<std::string> bodies{random_body(random, 1 + random() % 5000),
                                    random_body(random, 600 + random() % 20'000)};
    LogId id = kId;
    std::string before;  // what the file held before the last write
    if (recycled) {
      ASSERT_TRUE(fs.create_dirs("log"));
      LogWriter writer(fs, "log", {kFullBytes, 8});
      writer.start_generation(1, 0);
      while (writer.files().size() < 2)
        ASSERT_TRUE(write_bodies(writer, {random_body(random, 1 + random() % 30'000)}));
      ASSERT_TRUE(writer.recycle(kId));
      id = {2, 0};
      writer.start_generation(2, 0);
      ASSERT_TRUE(write_bodies(writer, {bodies[0]}));
      before = *read_file(fs, log_path(id));
      ASSERT_TRUE(write_bodies(writer, {bodies[1]}));
    } else {
      (void)write_appended(fs, {bodies[0]});
      before = *read_file(fs, log_path());
      (void)write_appended(fs, bodies);
    }
    const std::string after = *read_file(fs, log_path(id));
    before.resize(after.size());  // a file system gives zeros
    const uint64_t begin =
        align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) + bodies[0].size());
    const uint64_t end =
        begin + align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) + bodies[1].size());
    // At least one sector is as before, at least one is new.
    const uint64_t sectors = (end - begin) / kLogAlignment;
    ASSERT_GE(sectors, 2u);
    std::string torn = after;
    const uint64_t first = random() % sectors;
    for (uint64_t s = 0; s < sectors; ++s) {
      if (s != first && random() % 3 != 0) continue;
      const uint64_t at = begin + s * kLogAlignment;
      torn.replace(at, kLogAlignment, before, at, kLogAlignment);
    }
    if (!recycled && round % 3 == 0) torn.resize(begin + 1 + random() % (end - begin - 1));
    auto file = fs.open(log_path(id), OpenMode::kCreate);
    ASSERT_TRUE(file && (*file)->pwrite(torn, 0));
    const Read read = read_back(fs, id);
    ASSERT_TRUE(read.summary);
    EXPECT_TRUE(read.findings.empty()) << to_string(read.findings[0]);
    EXPECT_EQ(read.bodies, std::vector<std::string>{bodies[0]});
  }
}

// After a full disk a group overwrites a failed attempt, whose bytes are what a torn write leaves.
TEST(LogReader, ATornGroupOverAnAttemptOnAFullDiskIsNoDamage) {
  std::mt19937_64 random(test_seed("ATornGroupOverAnAttempt"));
  for (int round = 0; round < 200; ++round) {
    FaultFileSystem fs(random());
    ASSERT_TRUE(fs.create_dirs("log"));
    LogWriter writer(fs, "log", {kFullBytes, 8});
    writer.start_generation(1, 0);
    const std::string first = random_body(random, 1 + random() % 3000);
    ASSERT_TRUE(write_bodies(writer, {first}));
    // The attempt gets as far as the group that overwrites it.
    std::string again = random_body(random, 2000 + random() % 20'000);
    std::ranges::replace(again, 'x', 'y');
    const uint64_t again_bytes =
        align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) + again.size());
    fs.set_capacity(fs.used_bytes() + again_bytes);
    EXPECT_EQ(write_bodies(writer, {std::string(again.size() + 5000, 'x')}).error().code,
              ErrorCode::kNoSpace);
    fs.set_capacity(UINT64_MAX);
    std::vector<std::string> kept{first};
    uint64_t begin = align_log(sizeof(LogGroupHeader) + sizeof(LogRecordHeader) + first.size());
    uint64_t left = again.size();
    // The first group over the attempt, or one behind it.
    if (round % 2 == 0) {
      kept.push_back(std::string(400, 'z'));
      ASSERT_TRUE(write_bodies(writer, {kept.back()}));
      begin += kLogAlignment;
      left -= kLogAlignment;
    }
    std::string torn = *read_file(fs, log_path());
    ASSERT_TRUE(write_bodies(writer, {again.substr(0, left)}));
    const std::string after = *read_file(fs, log_path());
    ASSERT_EQ(torn.size(), after.size());
    const uint64_t sectors = (after.size() - begin) / kLogAlignment;
    const uint64_t old = random() % sectors;
    for (uint64_t s = 0; s < sectors; ++s) {
      if (s == old || random() % 4 == 0) continue;
      const uint64_t at = begin + s * kLogAlignment;
      torn.replace(at, kLogAlignment, after, at, kLogAlignment);
    }
    auto file = fs.open(log_path(), OpenMode::kCreate);
    ASSERT_TRUE(file && (*file)->pwrite(torn, 0));
    const Read read = read_back(fs);
    ASSERT_TRUE(read.summary);
    EXPECT_TRUE(read.findings.empty()) << to_string(read.findings[0]);
    EXPECT_EQ(read.bodies, kept);
  }
}

TEST(LogReader, ARequestOfAnUnknownKindIsRefusedAndTheFileStays) {
  FaultFileSystem fs(1);
  ASSERT_TRUE(fs.create_dirs("log"));
  LogWriter writer(fs, "log", {kFullBytes, 8});
  writer.start_generation(1, 0);
  ASSERT_TRUE(write_bodies(writer, {"known"}));
  ASSERT_TRUE(write_bodies(writer, {"from the future"}, 5));
  const Read read = read_back(fs);
  ASSERT_FALSE(read.summary);
  EXPECT_EQ(read.summary.error().code, ErrorCode::kUnimplemented);
  EXPECT_NE(read.summary.error().message.find(log_path()), std::string::npos);
  EXPECT_TRUE(fs.open(log_path(), OpenMode::kRead));
}

// Groups with several requests each, in format 1: the file of an earlier version.
void write_format_1(FaultFileSystem& fs, const std::vector<std::vector<std::string>>& groups) {
  std::string bytes;
  LogGroupHeader header{.magic = kLogMagic1, .generation = kId.generation, .file_index = kId.index};
  for (const auto& bodies : groups) {
    std::string payload;
    for (const std::string& body : bodies) {
      const LogRecordHeader record{.body_bytes = static_cast<uint32_t>(body.size()), .format = 1};
      payload.append(reinterpret_cast<const char*>(&record), sizeof record).append(body);
    }
    header.record_count = static_cast<uint32_t>(bodies.size());
    header.payload_bytes = static_cast<uint32_t>(payload.size());
    header.payload_hash = hash_bytes(payload);
    header.header_hash = header.compute_hash();
    bytes.append(reinterpret_cast<const char*>(&header), sizeof header).append(payload);
    bytes.resize(align_log(bytes.size()));
    ++header.group_index;
  }
  ASSERT_TRUE(fs.create_dirs("log"));
  auto file = fs.open(log_path(), OpenMode::kCreate);
  ASSERT_TRUE(file && (*file)->pwrite(bytes, 0));
}

TEST(LogReader, AFileOfFormat1IsReadAndItsDamageNamed) {
  std::mt19937_64 random(test_seed("AFileOfFormat1"));
  for (int round = 0; round < 20; ++round) {
    FaultFileSystem fs(random());
    const std::vector<std::string> bodies{random_body(random, 500), random_body(random, 3000),
                                          random_body(random, 20'000)};
    write_format_1(fs, {{bodies[0], bodies[1]}, {bodies[2]}});
    EXPECT_EQ(read_back(fs).bodies, bodies);
    EXPECT_TRUE(read_back(fs).findings.empty());
    // A bit of the version is one of the header's.
    const uint64_t bit = round % 2 == 0 ? 3 * 8 + random() % 8 : random() % (3000 * 8);
    ASSERT_TRUE(fs.flip_bit(log_path(), bit));
    const Read read = read_back(fs);
    ASSERT_TRUE(read.summary) << read.summary.error().message;
    EXPECT_EQ(read.findings.size(), 1u) << "bit " << bit;
    EXPECT_EQ(read.bodies, bodies) << "bit " << bit;
  }
}

// A flipped bit in the length of a request makes others of all that follow in its group.
TEST(LogReader, AFlippedBitInALengthDamagesItsGroupAlone) {
  std::mt19937_64 random(test_seed("AFlippedBitInALength"));
  for (int round = 0; round < 30; ++round) {
    FaultFileSystem fs(random());
    ASSERT_TRUE(fs.create_dirs("log"));
    LogWriter writer(fs, "log", {kFullBytes, 8});
    writer.start_generation(1, 0);
    LogGroup group(100'000);
    // More than is mended.
    for (const size_t size : {5000, 6000, 7000}) {
      const std::string body = random_body(random, size);
      SpanSink::RawRequest request;
      request.body = body;
      group.add(request);
    }
    ASSERT_TRUE(writer.write_group(group));
    const std::string last = random_body(random, 100);
    ASSERT_TRUE(write_bodies(writer, {last}));
    ASSERT_TRUE(fs.flip_bit(log_path(), sizeof(LogGroupHeader) * 8 + random() % 32));
    const Read read = read_back(fs);
    ASSERT_TRUE(read.summary);
    EXPECT_EQ(read.bodies, std::vector<std::string>{last});
    ASSERT_EQ(read.findings.size(), 1u);
    EXPECT_EQ(read.findings[0].offset, 0u);
  }
}

}  // namespace
}  // namespace weft::store
