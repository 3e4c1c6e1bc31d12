#include "base/file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/fault_file_system.h"

namespace weft {
namespace {

// Past the page cache or, on file systems that cannot do that, through it: what is written is read
// again. A write that is not aligned goes through the cache instead of failing.
TEST(RealFile, WritesDirectlyWhatIsAlignedAndTheRestAllTheSame) {
  std::string dir = ::testing::TempDir() + "/weft-file-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string path = dir + "/log";
  {
    auto file = real_file_system().open(path, OpenMode::kCreate);
    ASSERT_TRUE(file);
    (*file)->write_directly();
    DirectBuffer buffer;
    char* const bytes = buffer.room(4 * kDirectAlignment);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes) % kDirectAlignment, 0u);
    std::fill_n(bytes, 4 * kDirectAlignment, 'a');
    // Sectors, not blocks of the file system: the second write begins in the middle of one.
    ASSERT_TRUE((*file)->pwrite({bytes, kDirectAlignment}, 0));
    ASSERT_TRUE((*file)->pwrite({bytes, 3 * kDirectAlignment}, kDirectAlignment));
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE((*file)->pwrite("tail", 4 * kDirectAlignment));
    ASSERT_TRUE((*file)->sync());
  }
  const auto read = read_file(real_file_system(), path);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, std::string(4 * kDirectAlignment, 'a') + "tail");
  std::filesystem::remove_all(dir);
}

TEST(RealFile, LargeFilesAreWrittenWhole) {
  std::string dir = ::testing::TempDir() + "/weft-file-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  constexpr size_t kMegabyte = 1u << 20;
  for (const size_t bytes : {4 * kMegabyte, 4 * kMegabyte + 1, 5 * kMegabyte - 1,
                             6 * kMegabyte + kDirectAlignment, 6 * kMegabyte - kDirectAlignment}) {
    std::string data(bytes, '\0');
    uint32_t state = static_cast<uint32_t>(bytes);
    for (char& c : data)
      c = static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24);
    ASSERT_TRUE(write_file_atomically(real_file_system(), dir, "block", data));
    const auto read = read_file(real_file_system(), dir + "/block");
    ASSERT_TRUE(read);
    EXPECT_TRUE(*read == data) << bytes;
    EXPECT_EQ(real_file_system().list(dir)->size(), 1u);
  }
  std::filesystem::remove_all(dir);
}

// Wherever the disk is full or fails, in any of its pieces, the old file is still there.
TEST(LargeFile, ReplacesTheOldOneWholeOrNotAtAll) {
  const std::string old(100, 'o');
  const std::string data((9u << 20) + 100, 'n');
  for (const uint64_t room : {1u << 20, 3u << 20, 5u << 20, 9u << 20}) {
    FaultFileSystem fs;
    ASSERT_TRUE(fs.create_dirs("d"));
    ASSERT_TRUE(write_file_atomically(fs, "d", "block", old));
    fs.set_capacity(room);
    const Status full = write_file_atomically(fs, "d", "block", data);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ErrorCode::kNoSpace);
    EXPECT_EQ(*read_file(fs, "d/block"), old);
    fs.set_capacity(UINT64_MAX);
    ASSERT_TRUE(write_file_atomically(fs, "d", "block", data));
    EXPECT_TRUE(*read_file(fs, "d/block") == data);
  }
  for (uint64_t operation = 0; operation < 6; ++operation) {
    FaultFileSystem fs;
    ASSERT_TRUE(fs.create_dirs("d"));
    ASSERT_TRUE(write_file_atomically(fs, "d", "block", old));
    fs.fail_once_after(operation);
    EXPECT_FALSE(write_file_atomically(fs, "d", "block", data)) << operation;
    EXPECT_EQ(*read_file(fs, "d/block"), old) << operation;
  }
}

}  // namespace
}  // namespace weft
