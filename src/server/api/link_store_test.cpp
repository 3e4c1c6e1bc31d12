#include "server/api/link_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "model/span.h"

namespace weft::server {
namespace {

constexpr uint64_t kNow = 1'700'000'000'000'000'000;

TraceId trace_id(uint8_t n) {
  TraceId id;
  id.bytes[15] = n;
  return id;
}

SpanBatch trace(uint8_t n) {
  Span span;
  span.trace_id = trace_id(n);
  span.span_id.bytes[0] = n;
  span.start_ns = kNow;
  span.end_ns = kNow + 5;
  span.name = "GET /";
  span.resource.attributes = {{"service.name", "web"}};
  SpanBatch batch;
  append_span(batch, span);
  return batch;
}

class LinkStoreTest : public testing::Test {
 protected:
  LinkStoreTest() {
    char name[] = "/tmp/weft-links-XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~LinkStoreTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<LinkStore> open(LinkLimits limits = {}) {
    return LinkStore::open(real_file_system(), dir_ + "/links", limits).value();
  }
  std::string only_file() {
    for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/links"))
      return entry.path();
    return {};
  }
  void damage(uint64_t offset) {
    const auto file = real_file_system().open(only_file(), OpenMode::kReadWrite).value();
    char byte = 0;
    ASSERT_TRUE(file->pread(offset, {&byte, 1}));
    byte = static_cast<char>(byte ^ 1);
    ASSERT_TRUE(file->pwrite({&byte, 1}, offset));
  }

  std::string dir_;
};

TEST_F(LinkStoreTest, KeepsLinksAndTracesOverARestart) {
  const auto created =
      open()->create("/search?q=%7B%7D", {trace_id(1), trace_id(2)}, {trace(1), SpanBatch()}, kNow);
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->id.size(), 12u);
  const auto store = open();
  const auto found = store->find(created->id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/search?q=%7B%7D");
  EXPECT_EQ(found->trace_ids, (std::vector{trace_id(1), trace_id(2)}));
  EXPECT_EQ(found->created_ns, kNow);
  EXPECT_EQ(to_spans(store->pinned_trace(trace_id(1)).value()), to_spans(trace(1)));
  EXPECT_TRUE(store->pinned_trace(trace_id(2))->empty());
  EXPECT_TRUE(store->pinned_trace(trace_id(9))->empty());
  EXPECT_FALSE(store->find("nosuchlink22"));
}

TEST_F(LinkStoreTest, TheSameLinkIsMadeOnce) {
  const auto store = open();
  const auto first = store->create("/trace/1", {trace_id(1)}, {trace(1)}, kNow);
  const auto again = store->create("/trace/1", {trace_id(1)}, {SpanBatch()}, kNow + 5);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->id, again->id);
  EXPECT_EQ(again->created_ns, kNow);
  EXPECT_FALSE(store->pinned_trace(trace_id(1))->empty());
}

TEST_F(LinkStoreTest, RefusesPathsThatLeadElsewhere) {
  const auto store = open();
  for (const char* path : {"", "search", "//evil.example/", "https://evil.example", "/\\evil",
                           "/a b", "/a\r\nLocation: x"}) {
    const auto link = store->create(path, {}, {}, kNow);
    ASSERT_FALSE(link) << path;
    EXPECT_EQ(link.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(store->create("/" + std::string(9000, 'a'), {}, {}, kNow));
}

TEST_F(LinkStoreTest, LimitsAreNamed) {
  const auto few = open({.max_links = 1});
  ASSERT_TRUE(few->create("/a", {}, {}, kNow));
  const auto second = few->create("/b", {}, {}, kNow);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kResourceExhausted);
  const auto small = open({.max_bytes = 40});
  EXPECT_FALSE(small->create("/c", {trace_id(1)}, {trace(1)}, kNow));
  EXPECT_FALSE(open({.max_traces = 1})->create("/d", {trace_id(1), trace_id(2)}, {}, kNow));
}

TEST_F(LinkStoreTest, DamageIsFoundAndLeftAlone) {
  const auto created = open()->create("/a", {trace_id(1)}, {trace(1)}, kNow);
  ASSERT_TRUE(created);
  const uint64_t size = std::filesystem::file_size(only_file());
  damage(size - 1);
  auto store = open();
  EXPECT_TRUE(store->find(created->id));
  const auto pinned = store->pinned_trace(trace_id(1));
  ASSERT_FALSE(pinned);
  EXPECT_EQ(pinned.error().code, ErrorCode::kCorrupt);
  damage(14);
  store = open();
  EXPECT_FALSE(store->find(created->id));
  ASSERT_EQ(store->warnings().size(), 1u);
  EXPECT_NE(store->warnings()[0].find("checksum"), std::string::npos);
  std::filesystem::resize_file(only_file(), 5);
  EXPECT_EQ(open()->warnings().size(), 1u);
}

}  // namespace
}  // namespace weft::server
