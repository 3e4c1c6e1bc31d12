#include "store/store.h"

#include <gtest/gtest.h>

#include <future>

#include "base/fault_file_system.h"
#include "model/testing/random_spans.h"

namespace weft::store {
namespace {

using testing::canonical;
using testing::random_spans;
using testing::test_seed;
using testing::to_batch;

Options options_on(FaultFileSystem& fs) {
  Options options;
  options.dir = "data";
  options.fs = &fs;
  options.group_delay_ns = 0;
  options.log_file_bytes = 64 << 10;
  return options;
}

Status append_and_wait(Store& store, SpanBatch batch) {
  std::promise<Status> answer;
  WEFT_TRY(store.append(std::move(batch), nullptr,
                        [&](Status status) { answer.set_value(std::move(status)); }));
  return answer.get_future().get();
}

TEST(Store, WhatWasAppendedIsFoundAndSurvivesARestart) {
  std::mt19937_64 random(test_seed("WhatWasAppendedIsFoundAndSurvivesARestart"));
  const auto spans = random_spans(random, {.hostile = true});
  FaultFileSystem fs;
  for (int round = 0; round < 2; ++round) {
    auto store = Store::open(options_on(fs));
    ASSERT_TRUE(store) << store.error().message;
    if (round == 0) {
      ASSERT_TRUE(append_and_wait(**store, to_batch(spans)));
    }
    std::map<TraceId, std::vector<Span>> traces;
    for (const Span& span : spans)
      traces[span.trace_id].push_back(span);
    for (const auto& [id, expected] : traces) {
      auto found = (*store)->trace(id, 1000);
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_EQ(canonical(*found), canonical(expected));
    }
    ScanRequest request;
    request.whole_traces = true;
    const CancelToken cancel;
    ScanStats stats;
    auto cursor = (*store)->scan(request, cancel, stats);
    ASSERT_TRUE(cursor);
    size_t rows = 0;
    while (true) {
      auto batch = (*cursor)->next();
      ASSERT_TRUE(batch);
      if (!*batch) break;
      rows += (*batch)->rows();
    }
    EXPECT_EQ(rows, spans.size());
  }
}

}  // namespace
}  // namespace weft::store
