#include "store/block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "model/testing/random_spans.h"
#include "store/block_filter.h"
#include "store/block_writer.h"
#include "store/page_reader.h"
#include "store/testing/random_predicate.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::canonical;
using testing::random_predicate;
using testing::random_spans;
using testing::split_randomly;
using testing::test_seed;
using testing::to_batch;

std::string hex_of(uint64_t number) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016lx", static_cast<unsigned long>(number));
  return digits;
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

// Decoders on two threads number the resources that they see; some batches have no numbers at all.
TEST(Block, ResourcesAreToldApartByOriginOrContent) {
  std::mt19937_64 random(test_seed("ResourcesAreToldApartByOrigin"));
  for (int round = 0; round < 8; ++round) {
    const auto spans = random_spans(random, {.traces = 200});
    std::vector<Resource> known;
    std::vector<SpanBatchPtr> batches;
    for (const SpanBatchPtr& shared : split_randomly(random, spans)) {
      SpanBatch batch = *shared;
      const uint64_t thread = random() % 2;
      if (random() % 4 != 0) batch.resources.origin.assign(batch.resources.size(), 0);
      for (size_t row = 0; row < batch.size() && !batch.resources.origin.empty(); ++row) {
        const Resource resource = to_span(batch, row).resource;
        auto at = std::ranges::find(known, resource);
        if (at == known.end()) at = known.insert(at, resource);
        const auto number = static_cast<uint64_t>(at - known.begin()) * 2 + 1 + thread;
        batch.resources.origin[batch.resource[row]] = random() % 8 == 0 ? 0 : number;
      }
      batches.push_back(std::make_shared<const SpanBatch>(std::move(batch)));
    }
    OpenedBlock opened;
    opened.write_and_open(batches);
    ASSERT_NE(opened.block, nullptr);
    EXPECT_EQ(canonical(opened.read_all()), canonical(spans));
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

// Else the directory of the block's columns would be larger than any reader takes.
TEST(Block, AKeyOfManyMegabytesHidesNothingElse) {
  Span span;
  span.trace_id.bytes[0] = 1;
  span.span_id.bytes[0] = 1;
  span.attributes = {{"a", Value("1")}, {std::string(20u << 20, 'k'), Value("2")}};
  OpenedBlock opened;
  opened.write_and_open({std::make_shared<SpanBatch>(to_batch({span}))});
  ASSERT_TRUE(opened.block->columns());
  EXPECT_TRUE(canonical(opened.read_all()) == canonical({span}));  // too long to be printed
}

TEST(Block, AnyWindowOfRowsReadsAsThePageDoes) {
  std::mt19937_64 random(test_seed("AnyWindowOfRowsReadsAsThePageDoes"));
  for (int round = 0; round < 6; ++round) {
    const auto spans =
        random_spans(random, {.traces = 1 + random() % 200, .hostile = round % 2 == 0});
    OpenedBlock opened;
    opened.write_and_open(split_randomly(random, spans));
    ASSERT_NE(opened.block, nullptr);
    PageReader page(*opened.block, random() % opened.block->page_count());
    const auto n = static_cast<uint32_t>(page.rows());
    const auto whole = page.read_rows(0, n);
    ASSERT_TRUE(whole) << whole.error().message;
    const auto all = to_spans(*whole);
    for (int window = 0; window < 20; ++window) {
      uint32_t begin = static_cast<uint32_t>(random() % (n + 1));
      uint32_t end = static_cast<uint32_t>(random() % (n + 1));
      if (begin > end) std::swap(begin, end);
      const auto part = page.read_rows(begin, end);
      ASSERT_TRUE(part) << part.error().message;
      EXPECT_EQ(canonical(to_spans(*part)), canonical({all.begin() + begin, all.begin() + end}));
    }
  }
}

// Values of one shape, of many, with marks in them and long ones; some spans have none, some take
// the resource's.
std::string near_unique(std::mt19937_64& random) {
  const std::string number = std::to_string(random() % 3000);
  switch (random() % 40) {
    case 0:
      return "order " + number + "/" + std::to_string(random() % 50);
    case 1:
      return "id-" + hex_of(random());
    case 2:
      return number + "\x05\x01" + number;
    case 3:
      return std::string(300, 'x') + number;
    case 4:
      return "00" + number;
    case 5:
      return std::string(1 + random() % 5, static_cast<char>('a' + random() % 26)) + number + "z";
    default:
      return "u-" + number;
  }
}

std::string re2_quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::ispunct(static_cast<unsigned char>(c)) != 0) out += '\\';
    out += c;
  }
  return out;
}

TEST(Block, NearUniqueStringsAreFoundWithoutPuttingThemTogether) {
  std::mt19937_64 random(test_seed("NearUniqueStringsAreFound"));
  auto spans = random_spans(random, {.traces = 1'500});
  for (Span& span : spans) {
    std::erase_if(span.attributes, [](const KeyValue& a) { return a.key == "user"; });
    std::erase_if(span.resource.attributes, [](const KeyValue& a) { return a.key == "user"; });
    if (random() % 10 == 0) continue;
    span.attributes.push_back({"user", Value(near_unique(random))});
  }
  for (Span& span : spans) {
    if (random() % 20 == 0) span.resource.attributes.push_back({"user", Value("u-17")});
  }
  OpenedBlock opened;
  opened.write_and_open(split_randomly(random, spans));
  ASSERT_NE(opened.block, nullptr);
  const auto columns = opened.block->find_attribute(BlockTable::kSpans, "user");
  ASSERT_TRUE(columns && columns->size() == 1);
  const auto loaded = opened.block->column(columns->front());
  ASSERT_TRUE(loaded);
  ASSERT_EQ((*loaded)->meta.encoding, ColumnEncoding::kText);

  for (int round = 0; round < 300; ++round) {
    const Condition condition{
        .column = ColumnRef::attribute(
            round % 2 == 0 ? AttributeScope::kSpan : AttributeScope::kAny, "user"),
        .op = random() % 3 == 0 ? CompareOp::kNotEqual : CompareOp::kEqual,
        .operand = Value(near_unique(random))};
    const auto predicate = CompiledPredicate::create(Predicate::of(condition));
    ASSERT_TRUE(predicate);
    const auto filter = BlockFilter::create(*opened.block, *predicate);
    ASSERT_TRUE(filter);
    for (size_t p = 0; p < opened.block->page_count(); ++p) {
      PageReader page(*opened.block, p);
      auto mask = filter->evaluate(page);
      ASSERT_TRUE(mask) << mask.error().message;
      if (mask->empty()) mask->resize(page.rows());
      const auto rows = page.read_rows(0, static_cast<uint32_t>(page.rows()));
      ASSERT_TRUE(rows);
      const auto expected = evaluate(*predicate, *rows);
      ASSERT_EQ(*mask, expected) << to_display(condition.operand);
      EXPECT_TRUE(!filter->none() || std::ranges::count(expected, 1) == 0);
    }
  }
}

TEST(Block, ExpressionsOverNearUniqueStringsAnswerAsThePlainEvaluation) {
  std::mt19937_64 random(test_seed("ExpressionsOverNearUniqueStrings"));
  auto spans = random_spans(random, {.traces = 500});
  for (Span& span : spans) {
    std::erase_if(span.attributes, [](const KeyValue& a) { return a.key == "user"; });
    if (random() % 10 != 0) span.attributes.push_back({"user", Value(near_unique(random))});
  }
  OpenedBlock opened;
  opened.write_and_open(split_randomly(random, spans));
  ASSERT_NE(opened.block, nullptr);
  PageReader all(*opened.block, 0);
  const auto rows = all.read_rows(0, static_cast<uint32_t>(all.rows()));
  ASSERT_TRUE(rows);
  std::vector<std::string> patterns{".*",          "u-.*",      "U-.*",          "(?i)U-.*",
                                    ".*zzz.*",     "",          "[a-z]+-[0-9]+", "u-1.*|.*zzz",
                                    ".*[ef]{2}.*", "\\x{C9}.*", ".*-(17|18)"};
  size_t found = 0;
  for (int round = 0; round < 200; ++round) {
    std::string pattern = patterns[random() % patterns.size()];
    if (round % 2 == 0) {
      // A part of a string that may be there.
      const std::string text = near_unique(random);
      const size_t at = text.empty() ? 0 : random() % text.size();
      pattern = ".*" + re2_quoted(text.substr(at, 1 + random() % 6)) + ".*";
    }
    const Condition condition{
        .column = ColumnRef::attribute(
            random() % 2 == 0 ? AttributeScope::kSpan : AttributeScope::kAny, "user"),
        .op = random() % 3 == 0 ? CompareOp::kNotRegex : CompareOp::kRegex,
        .operand = Value(pattern)};
    const auto predicate = CompiledPredicate::create(Predicate::of(condition));
    ASSERT_TRUE(predicate) << pattern;
    const auto filter = BlockFilter::create(*opened.block, *predicate);
    ASSERT_TRUE(filter);
    PageReader page(*opened.block, 0);
    auto mask = filter->evaluate(page);
    ASSERT_TRUE(mask) << mask.error().message;
    if (mask->empty()) mask->resize(page.rows());
    const auto expected = evaluate(*predicate, *rows);
    ASSERT_EQ(*mask, expected) << pattern;
    found += static_cast<size_t>(std::ranges::count(expected, 1));
  }
  EXPECT_GT(found, 0u);
}

TEST(Block, FiltersOfManyConditionsAnswerAsThePlainEvaluation) {
  std::mt19937_64 random(test_seed("FiltersOfManyConditions"));
  // Of more than one page.
  const auto spans = random_spans(random, {.traces = 3'000});
  const auto all = std::make_shared<const SpanBatch>(to_batch(spans));
  OpenedBlock opened;
  opened.write_and_open(split_randomly(random, spans));
  ASSERT_NE(opened.block, nullptr);
  ASSERT_GT(opened.block->page_count(), 1u);
  std::vector<SpanBatch> pages;
  for (size_t p = 0; p < opened.block->page_count(); ++p) {
    PageReader page(*opened.block, p);
    auto rows = page.read_rows(0, static_cast<uint32_t>(page.rows()));
    ASSERT_TRUE(rows) << rows.error().message;
    pages.push_back(std::move(*rows));
  }
  for (int round = 0; round < 150; ++round) {
    const Predicate wanted = random_predicate(random, all, spans, 3);
    const auto predicate = CompiledPredicate::create(wanted);
    ASSERT_TRUE(predicate) << predicate.error().message;
    const auto filter = BlockFilter::create(*opened.block, *predicate);
    ASSERT_TRUE(filter);
    for (size_t p = 0; p < pages.size(); ++p) {
      PageReader page(*opened.block, p);
      auto mask = filter->evaluate(page);
      ASSERT_TRUE(mask) << mask.error().message;
      if (mask->empty()) mask->resize(page.rows());
      ASSERT_EQ(*mask, evaluate(*predicate, pages[p])) << to_string(wanted);
    }
  }
}

}  // namespace
}  // namespace weft::store
