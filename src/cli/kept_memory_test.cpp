#include "cli/kept_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <thread>
#include <vector>

namespace weft::cli {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnMalloc = true;
#else
constexpr bool kOwnMalloc = false;
#endif

uint64_t resident_bytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST(KeptMemory, IsGivenBackWhenAsked) {
  if (kOwnMalloc) GTEST_SKIP() << "the sanitizer has an allocator of its own";
  constexpr uint64_t kBytes = 100 << 20;
  constexpr size_t kBlock = 2'000;
  keep_freed_memory();
  std::thread([] {
    std::vector<std::unique_ptr<char[]>> blocks;
    for (uint64_t bytes = 0; bytes < kBytes; bytes += kBlock)
      blocks.push_back(std::make_unique<char[]>(kBlock));
  }).join();
  const uint64_t kept = resident_bytes();
  EXPECT_GT(kept, kBytes * 9 / 10);
  release_freed_memory();
  EXPECT_LT(resident_bytes(), kept - kBytes / 2);
}

}  // namespace
}  // namespace weft::cli
