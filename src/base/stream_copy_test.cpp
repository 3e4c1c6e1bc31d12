#include "base/stream_copy.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace weft {
namespace {

TEST(StreamCopy, CopiesAllAndNothingElse) {
  const char* const given = std::getenv("WEFT_TEST_SEED");
  const auto seed = given == nullptr ? std::random_device()() : std::strtoul(given, nullptr, 10);
  std::printf("StreamCopy: WEFT_TEST_SEED=%lu\n", static_cast<unsigned long>(seed));
  std::minstd_rand random(static_cast<unsigned>(seed));
  std::string from(70'000, '\0');
  for (char& c : from)
    c = static_cast<char>(random());
  for (int round = 0; round < 2'000; ++round) {
    // Sizes around the one from which the caches are left out, and around whole lines.
    const size_t size = round % 3 == 0 ? random() % 66'000 : 3'900 + random() % 400;
    const size_t source = random() % 130;
    const size_t target = 64 + random() % 130;
    std::string to(size + 400, '#');
    stream_copy(to.data() + target, from.data() + source, size);
    ASSERT_EQ(to.substr(target, size), from.substr(source, size)) << size << " bytes";
    ASSERT_EQ(to.substr(0, target), std::string(target, '#'));
    ASSERT_EQ(to.substr(target + size), std::string(400 - target, '#'));
  }
}

}  // namespace
}  // namespace weft
