// Views that are made out of the one before are what they would be from scratch.
#include "store/memory_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "model/testing/random_spans.h"
#include "store/testing/store_fixture.h"
#include "store/unsealed.h"

namespace weft::store {

static bool operator==(const RowRef& a, const RowRef& b) {
  return a.batch == b.batch && a.row == b.row;
}

namespace {

using testing::random_spans;
using testing::split_randomly;
using testing::test_seed;
using testing::to_batch;

void expect_as_from_scratch(const MemoryView& view) {
  const TraceOrder plain = order_by_trace(view.batches);
  const TraceOrder& order = view.order;
  ASSERT_EQ(order.traces(), plain.traces());
  ASSERT_EQ(order.rows.size(), plain.rows.size());
  ASSERT_EQ(order.duplicates, plain.duplicates);
  ASSERT_EQ(order.trace_begin.size(), order.traces() + 1);
  ASSERT_EQ(order.trace_begin.back(), order.rows.size());
  // The plain one puts a trace where a duplicate that it leaves out would have put it.
  std::vector<uint32_t> by_start(plain.traces());
  std::iota(by_start.begin(), by_start.end(), 0u);
  std::ranges::sort(by_start, {}, [&](uint32_t t) {
    return std::pair(plain.trace_start_ns[t], plain.trace_ids[t]);
  });
  for (uint32_t t = 0; t < order.traces(); ++t) {
    const uint32_t p = by_start[t];
    ASSERT_EQ(order.trace_ids[t], plain.trace_ids[p]);
    ASSERT_EQ(order.trace_start_ns[t], plain.trace_start_ns[p]);
    const std::span rows(order.rows.data() + order.trace_begin[t],
                         order.rows.data() + order.trace_begin[t + 1]);
    const std::span expected(plain.rows.data() + plain.trace_begin[p],
                             plain.rows.data() + plain.trace_begin[p + 1]);
    ASSERT_TRUE(std::ranges::equal(rows, expected));
    ASSERT_EQ(view.trace_last_ns[t], view.batches[rows.back().batch]->start_ns[rows.back().row]);
  }
  uint32_t next = 0;
  for (const MemoryView::Page& page : view.pages) {
    ASSERT_EQ(page.first_trace, next);
    ASSERT_GT(page.end_trace, next);
    for (; next < page.end_trace; ++next) {
      ASSERT_GE(order.trace_start_ns[next], page.min_start_ns);
      ASSERT_LE(view.trace_last_ns[next], page.max_start_ns);
    }
  }
  ASSERT_EQ(next, order.traces());
}

// Spans of many traces in random order, some of them twice with another time.
std::vector<SpanBatchPtr> random_batches(std::mt19937_64& random, bool hostile) {
  auto spans = random_spans(random, {.traces = 10 + random() % 200, .hostile = hostile});
  for (size_t i = spans.size() / 5; i > 0; --i) {
    Span copy = spans[random() % spans.size()];
    copy.start_ns += random() % 1000 - 500;
    spans.push_back(copy);
  }
  if (random() % 2 == 0) std::ranges::shuffle(spans, random);
  return split_randomly(random, spans, 1 + random() % 600);
}

TEST(MemoryView, IsWhatItWouldBeFromScratchInTheMidstOfIngest) {
  std::mt19937_64 random(test_seed("IsWhatItWouldBeFromScratch"));
  size_t made_out_of_another = 0;
  // How often that comes about is chance: as many rounds as it takes, unless it never does.
  for (int round = 0; round < 40 || (made_out_of_another <= 100 && round < 400); ++round) {
    Unsealed unsealed(1);
    std::vector<Unsealed::Capture> captures;
    std::map<uint64_t, std::set<TraceId>> traces;  // by version
    for (const SpanBatchPtr& batch : random_batches(random, round % 2 == 1)) {
      unsealed.add(SpanBatch(*batch), 1);
      if (random() % 10 == 0) unsealed.freeze({});
      if (random() % 15 == 0 && unsealed.frozen() > 0) unsealed.drop_oldest_frozen();
      if (random() % 3 == 0) continue;
      captures.push_back(unsealed.capture());
      // Now and then a slow query asks for what is not the newest any more.
      const Unsealed::Capture& capture =
          captures[random() % 4 == 0 ? random() % captures.size() : captures.size() - 1];
      const auto view = unsealed.view(capture);
      ASSERT_EQ(view->version, capture.version);
      expect_as_from_scratch(*view);
      traces[view->version] = {view->order.trace_ids.begin(), view->order.trace_ids.end()};
      if (view->base_version == 0) continue;
      ++made_out_of_another;
      ASSERT_TRUE(traces.contains(view->base_version));
      std::set<TraceId> with_new = traces[view->base_version];
      with_new.insert(view->new_traces.begin(), view->new_traces.end());
      EXPECT_TRUE(std::ranges::includes(with_new, traces[view->version]));
      EXPECT_TRUE(std::ranges::includes(
          traces[view->version], std::set(view->new_traces.begin(), view->new_traces.end())));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_GT(made_out_of_another, 100u);
}

TEST(MemoryView, OfAnyListIsMadeOutOfThatOfAnyOther) {
  std::mt19937_64 random(test_seed("OfAnyListIsMadeOutOfThatOfAnyOther"));
  for (int round = 0; round < 60; ++round) {
    const auto all = random_batches(random, round % 2 == 1);
    const auto some = [&] {
      // Up to somewhere as the other, then as it comes.
      std::vector<SpanBatchPtr> list(all.begin(), all.begin() + random() % (all.size() + 1));
      for (size_t i = random() % 4; i > 0; --i)
        list.push_back(all[random() % all.size()]);
      return list;
    };
    const auto base = make_view(some(), nullptr);
    expect_as_from_scratch(*base);
    const auto view = make_view(some(), base.get());
    expect_as_from_scratch(*view);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft::store
