// Many senders at once: every request lies in the log as it was sent, though its memory was used
// for something else as soon as append() returned.
#include "store/flusher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "model/testing/random_spans.h"
#include "store/batch_codec.h"
#include "store/store.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::canonical;
using testing::export_spans;
using testing::random_spans;
using testing::test_seed;
using testing::to_batch;

constexpr size_t kSenders = 6;
constexpr size_t kRequests = 40;  // of each

Options options_on(FaultFileSystem& fs) {
  Options options = testing::store_options(fs);
  // Groups of a few requests; some requests are larger than a group.
  options.group_max_bytes = 4 << 10;
  options.group_min_bytes = 1 << 10;
  options.group_delay_ns = 50'000;
  options.decode = [](const SpanSink::RawRequest& request) { return decode_batch(request.body); };
  return options;
}

struct Sender {
  std::vector<std::vector<Span>> requests;
};

TEST(Flusher, LogsWhatWasSentWhoeverElseSends) {
  const uint64_t seed = test_seed("LogsWhatWasSentWhoeverElseSends");
  std::mt19937_64 random(seed);
  FaultFileSystem fs(seed);
  std::vector<Sender> senders(kSenders);
  for (Sender& sender : senders) {
    for (size_t i = 0; i < kRequests; ++i)
      sender.requests.push_back(random_spans(random, {.traces = 1 + random() % 3}));
  }
  {
    auto store = Store::open(options_on(fs));
    ASSERT_TRUE(store) << store.error().message;
    std::atomic<size_t> answered{0};
    std::atomic<size_t> kept{0};
    std::vector<std::thread> threads;
    for (Sender& sender : senders) {
      threads.emplace_back([&] {
        for (const auto& spans : sender.requests) {
          SpanBatch batch = to_batch(spans);
          std::string body = encode_batch(batch);
          SpanSink::RawRequest request;
          request.format = SpanSink::RawRequest::Format::kOtlpJson;
          request.body = body;
          const Status taken = (*store)->append(std::move(batch), &request, [&](Status status) {
            kept += status.has_value();
            ++answered;
            answered.notify_all();
          });
          EXPECT_TRUE(taken);
          body.assign(body.size(), 'x');
        }
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    for (size_t seen = answered; seen < kSenders * kRequests; seen = answered)
      answered.wait(seen);
    EXPECT_EQ(kept, kSenders * kRequests);
    // The power fails: nothing is sealed, the log is all there is.
    fs.crash_after(0);
  }
  fs.restart(false);
  auto store = Store::open(options_on(fs));
  ASSERT_TRUE(store) << store.error().message;
  std::vector<Span> expected;
  for (const Sender& sender : senders) {
    for (const auto& spans : sender.requests)
      expected.insert(expected.end(), spans.begin(), spans.end());
  }
  EXPECT_EQ(canonical(export_spans(**store)), canonical(expected));
}

// A compressed request may have a thousand times its size: its spans count, not its bytes.
class SmallBodies {
 public:
  SmallBodies() {
    Span span;
    span.trace_id.bytes[0] = 1;
    span.name.assign(20'000, 'n');
    for (uint8_t id = 1; id <= kCount; ++id) {
      span.span_id.bytes[0] = id;
      spans_.push_back(span);
    }
  }
  // Appends them one by one, each as a request of a byte; how many were taken.
  size_t append_to(Store& store) const {
    size_t taken = 0;
    for (const Span& span : spans_) {
      SpanSink::RawRequest request;
      request.format = SpanSink::RawRequest::Format::kOtlpJson;
      request.body = "x";
      const Status status = store.append(to_batch({span}), &request, [](Status) {});
      taken += status.has_value();
      if (!status) {
        EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
      }
    }
    return taken;
  }
  static constexpr size_t kCount = 20;

 private:
  std::vector<Span> spans_;
};

TEST(Flusher, QueuesNoMoreSpansThanThereIsMemoryFor) {
  FaultFileSystem fs;
  Options options = testing::store_options(fs);
  options.group_delay_ns = 3'600'000'000'000;  // nothing is written before the store closes
  options.queue_max_span_bytes = 100'000;
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  EXPECT_EQ(SmallBodies().append_to(**store), 4u);
}

TEST(Flusher, AGroupHasNoMoreSpansThanABlock) {
  FaultFileSystem fs;
  Options options = testing::store_options(fs);
  options.group_delay_ns = 100'000'000;  // time for all to come together
  options.block_max_bytes = 100'000;
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  EXPECT_EQ(SmallBodies().append_to(**store), SmallBodies::kCount);
  ASSERT_TRUE((*store)->seal());
  EXPECT_GE((*store)->counters().log_groups.load(), SmallBodies::kCount / 5);
  EXPECT_EQ(export_spans(**store).size(), SmallBodies::kCount);
}

TEST(Flusher, RefusesWhatNoGroupHolds) {
  FaultFileSystem fs;
  auto store = Store::open(testing::store_options(fs));
  ASSERT_TRUE(store);
  // No such memory is touched: the size alone decides.
  SpanSink::RawRequest request;
  request.format = SpanSink::RawRequest::Format::kOtlpJson;
  request.body = {"", LogGroup::kMaxBodyBytes + 1};
  bool called = false;
  const Status status = (*store)->append(SpanBatch(), &request, [&](Status) { called = true; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace weft::store
