#include "wire/row_memo.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "model/protobuf.h"
#include "model/span.h"
#include "wire/otlp_protobuf.h"

namespace weft::wire {
namespace {

// Of the entry that is found; sets its row when it is fresh.
struct Found {
  uint64_t number;
  uint32_t row;
  bool fresh;
};
Found find(RowMemo& memo, std::string_view bytes, std::string_view schema_url, uint32_t row) {
  bool fresh = false;
  RowMemo::Entry& entry = memo.find(bytes, schema_url, fresh);
  if (fresh) entry.row = row;
  return {entry.number, entry.row, fresh};
}

TEST(RowMemo, RowsAreOfARequestAndNumbersForEver) {
  RowMemo memo;
  memo.begin();
  const Found first = find(memo, "a", "", 7);
  EXPECT_TRUE(first.fresh);
  EXPECT_NE(first.number, 0u);
  EXPECT_FALSE(find(memo, "a", "", 8).fresh);
  EXPECT_EQ(find(memo, "a", "", 8).row, 7u);
  memo.begin();
  const Found again = find(memo, "a", "", 3);
  EXPECT_TRUE(again.fresh);
  EXPECT_EQ(again.row, 3u);
  EXPECT_EQ(again.number, first.number);
}

TEST(RowMemo, BytesAndSchemaUrlAreNotMixedUp) {
  RowMemo memo;
  memo.begin();
  std::set<uint64_t> numbers;
  for (const auto& [bytes, url] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"ab", ""}, {"a", "b"}, {"", "ab"}, {"b", "a"}, {"aa", ""}, {"a", "a"}})
    EXPECT_TRUE(numbers.insert(find(memo, bytes, url, 0).number).second) << bytes << "|" << url;
}

TEST(RowMemo, ManyAreFoundAndForgottenAndTheirNumbersNotGivenAgain) {
  RowMemo memo;
  std::set<uint64_t> numbers;
  for (int round = 0; round < 3; ++round) {
    memo.begin();
    // More than it keeps from one request to the next.
    for (uint32_t i = 0; i < 20'000; ++i) {
      const Found found = find(memo, "resource " + std::to_string(i), "", i);
      ASSERT_TRUE(found.fresh);
      ASSERT_TRUE(numbers.insert(found.number).second);
    }
    for (uint32_t i = 0; i < 20'000; ++i)
      ASSERT_EQ(find(memo, "resource " + std::to_string(i), "", 0).row, i);
    memo.end();
  }
}

TEST(RowMemo, OneHugeResourceIsNotKept) {
  RowMemo memo;
  const std::string huge(5u << 20, 'x');
  memo.begin();
  const uint64_t number = find(memo, huge, "", 0).number;
  EXPECT_EQ(find(memo, huge, "", 0).number, number) << "equal ones of a request share it";
  memo.end();
  memo.begin();
  EXPECT_NE(find(memo, huge, "", 0).number, number) << "it was forgotten";
}

TEST(RowMemo, ThreadsGiveDifferentNumbers) {
  std::vector<std::vector<uint64_t>> numbers(4);
  std::vector<std::thread> threads;
  for (auto& of_thread : numbers) {
    threads.emplace_back([&of_thread] {
      RowMemo memo;
      memo.begin();
      for (uint32_t i = 0; i < 3000; ++i)
        of_thread.push_back(find(memo, std::to_string(i), "", i).number);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  std::set<uint64_t> all;
  for (const auto& of_thread : numbers)
    all.insert(of_thread.begin(), of_thread.end());
  EXPECT_EQ(all.size(), 4u * 3000);
}

// The bytes of a request with one span of a resource with so many attributes.
std::string request_with_resource(uint32_t attributes, std::string_view value) {
  Span span;
  span.trace_id.bytes[0] = 1;
  span.span_id.bytes[0] = 1;
  for (uint32_t i = 0; i < attributes; ++i)
    span.resource.attributes.emplace_back("key." + std::to_string(i), Value(std::string(value)));
  SpanBatch batch;
  append_span(batch, span);
  std::string out;
  encode_otlp_traces(batch, out);
  return out;
}

uint64_t origin_of(const std::string& request, const DecodeLimits& limits = {}) {
  const auto decoded = decode_otlp_traces(request, limits);
  EXPECT_TRUE(decoded);
  EXPECT_EQ(decoded->batch.resources.origin.size(), 1u);
  return decoded->batch.resources.origin[0];
}

TEST(RowMemo, AResourceOfWhichALimitLeftSomethingOutHasNoOrigin) {
  const std::string request = request_with_resource(5, "value");
  const uint64_t whole = origin_of(request);
  EXPECT_NE(whole, 0u);
  DecodeLimits limits;
  limits.max_attributes = 3;
  EXPECT_EQ(origin_of(request, limits), 0u);
  EXPECT_EQ(origin_of(request), whole);
  EXPECT_NE(origin_of(request_with_resource(5, "other")), whole);
}

}  // namespace
}  // namespace weft::wire
