#include "store/column_gather.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "model/testing/random_spans.h"

namespace weft::store {
namespace {

// Whatever is said to be common: equal strings of all batches have one number, others have others.
TEST(GlobalStrings, NumberEqualStringsEqually) {
  std::mt19937_64 random(testing::test_seed("GlobalStrings"));
  std::vector<SpanBatchPtr> batches;
  for (int b = 0; b < 60; ++b) {
    std::string arena;
    std::vector<uint32_t> ends;
    std::vector<uint64_t> common(random() % 10);
    for (uint64_t& bits : common)
      bits = random();
    for (size_t i = random() % 600; i > 0; --i) {
      // Some that repeat in every batch, some that seldom do; the empty one too.
      const uint64_t n = random() % (i % 3 == 0 ? 1'000'000 : 300);
      if (n > 0) arena += "text-" + std::to_string(n);
      ends.push_back(static_cast<uint32_t>(arena.size()));
    }
    auto batch = std::make_shared<SpanBatch>();
    batch->strings.assign(arena, ends, common);
    batches.push_back(std::move(batch));
  }
  GlobalStrings strings(batches);
  std::map<std::string, uint32_t, std::less<>> expected;
  for (uint32_t b = 0; b < batches.size(); ++b) {
    for (StringPool::Id id = 0; id < batches[b]->strings.size(); ++id) {
      const std::string_view text = batches[b]->strings.at(id);
      const uint32_t number = strings.id(b, id);
      ASSERT_EQ(strings.text(number), text);
      const auto [known, is_new] = expected.emplace(text, number);
      ASSERT_EQ(known->second, number) << text;
    }
  }
}

}  // namespace
}  // namespace weft::store
