#include "base/file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

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

}  // namespace
}  // namespace weft
