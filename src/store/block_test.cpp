#include "store/block.h"

#include <gtest/gtest.h>

#include "base/fault_file_system.h"
#include "model/testing/random_spans.h"
#include "store/block_writer.h"
#include "store/page_reader.h"

namespace weft::store {
namespace {

using testing::canonical;
using testing::random_spans;
using testing::test_seed;
using testing::to_batch;

std::vector<SpanBatchPtr> split_randomly(std::mt19937_64& random, const std::vector<Span>& spans) {
  std::vector<SpanBatchPtr> batches;
  for (size_t at = 0; at < spans.size();) {
    const size_t count = std::min<size_t>(spans.size() - at, 1 + random() % 60);
    batches.push_back(std::make_shared<SpanBatch>(
        to_batch({spans.begin() + static_cast<ptrdiff_t>(at),
                  spans.begin() + static_cast<ptrdiff_t>(at + count)})));
    at += count;
  }
  return batches;
}

struct OpenedBlock {
  FaultFileSystem fs;
  Cache cache{64 << 20};
  std::vector<Finding> findings;
  std::shared_ptr<Block> block;

  void write_and_open(const std::vector<SpanBatchPtr>& batches) {
    const auto encoded =
        encode_block(batches, order_by_trace(batches), {.first_generation = 1}, {});
    ASSERT_TRUE(write_file_atomically(fs, "d", "b", encoded.bytes));
    auto opened =
        Block::open(fs, "d/b", cache, [this](Finding finding) { findings.push_back(finding); });
    ASSERT_TRUE(opened) << opened.error().message;
    block = *opened;
  }
  std::vector<Span> read_all() {
    std::vector<Span> out;
    for (size_t p = 0; p < block->page_count(); ++p) {
      PageReader page(*block, p);
      auto batch = page.read_rows(0, static_cast<uint32_t>(page.rows()));
      EXPECT_TRUE(batch) << batch.error().message;
      if (!batch) continue;
      const auto spans = to_spans(*batch);
      out.insert(out.end(), spans.begin(), spans.end());
    }
    return out;
  }
};

TEST(Block, RandomSpansComeBackEqual) {
  std::mt19937_64 random(test_seed("RandomSpansComeBackEqual"));
  for (int round = 0; round < 8; ++round) {
    const auto spans =
        random_spans(random, {.traces = 1 + random() % 300, .hostile = round % 2 == 0});
    OpenedBlock opened;
    opened.write_and_open(split_randomly(random, spans));
    ASSERT_NE(opened.block, nullptr);
    EXPECT_EQ(canonical(opened.read_all()), canonical(spans));
    EXPECT_EQ(opened.block->meta().spans, spans.size());
  }
}

TEST(Block, FindsItsTracesAndNoOthers) {
  std::mt19937_64 random(test_seed("FindsItsTracesAndNoOthers"));
  const auto spans = random_spans(random, {.traces = 200});
  OpenedBlock opened;
  opened.write_and_open(split_randomly(random, spans));
  const auto ids = opened.block->trace_ids();
  ASSERT_TRUE(ids);
  for (const Span& span : spans) {
    const auto found = opened.block->find_trace(span.trace_id);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*ids)[**found], span.trace_id);
  }
  for (int i = 0; i < 1000; ++i) {
    TraceId id;
    for (auto& byte : id.bytes)
      byte = static_cast<uint8_t>(random());
    const auto found = opened.block->find_trace(id);
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found);
  }
}

TEST(Block, ThousandsOfKeysShareTheOverflowColumn) {
  Span span;
  span.trace_id.bytes[0] = 1;
  std::vector<Span> spans;
  for (uint8_t s = 1; s < 20; ++s) {
    span.span_id.bytes[0] = s;
    span.attributes.clear();
    for (int k = 0; k < 500; ++k) {
      span.attributes.push_back({"key" + std::to_string(s * 300 + k), Value(int64_t{k})});
    }
    spans.push_back(span);
  }
  OpenedBlock opened;
  opened.write_and_open({std::make_shared<SpanBatch>(to_batch(spans))});
  EXPECT_EQ(canonical(opened.read_all()), canonical(spans));
  EXPECT_LT((*opened.block->columns())->columns.size(), 1100u);
}

}  // namespace
}  // namespace weft::store
