#include "store/testing/store_fixture.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "model/testing/random_spans.h"

namespace weft::testing {

store::Options store_options(FaultFileSystem& fs) {
  store::Options options;
  options.dir = kStoreDir;
  options.fs = &fs;
  options.group_delay_ns = 0;
  options.log_file_bytes = 16 << 10;
  options.maintenance_interval_ns = 2'000'000;
  return options;
}

namespace {

Status append_and_wait(store::Store& store, SpanBatch batch,
                       const store::Store::RawRequest* request) {
  // Shared: the call-back may still be in the promise when the waiter goes on.
  auto answer = std::make_shared<std::promise<Status>>();
  WEFT_TRY(store.append(std::move(batch), request,
                        [answer](Status status) { answer->set_value(std::move(status)); }));
  return answer->get_future().get();
}

}  // namespace

Status append_and_wait(store::Store& store, SpanBatch batch) {
  return append_and_wait(store, std::move(batch), nullptr);
}

Status append_and_wait(store::Store& store, SpanBatch batch,
                       const store::Store::RawRequest& request) {
  return append_and_wait(store, std::move(batch), &request);
}

std::vector<Span> export_spans(store::Store& store) {
  const CancelToken cancel;
  auto cursor = store.export_all({}, cancel);
  EXPECT_TRUE(cursor) << cursor.error().message;
  std::vector<Span> out;
  while (cursor) {
    auto batch = (*cursor)->next();
    EXPECT_TRUE(batch) << batch.error().message;
    if (!batch || !*batch) break;
    const auto spans = to_spans(**batch);
    out.insert(out.end(), spans.begin(), spans.end());
  }
  return out;
}

std::string key_of(const Span& span) {
  return span.trace_id.to_hex() + span.span_id.to_hex();
}

std::vector<store::SpanBatchPtr> split_randomly(std::mt19937_64& random,
                                                const std::vector<Span>& spans, size_t max_batch) {
  std::vector<store::SpanBatchPtr> batches;
  for (size_t at = 0; at < spans.size();) {
    const size_t count = std::min<size_t>(spans.size() - at, 1 + random() % max_batch);
    batches.push_back(std::make_shared<SpanBatch>(
        to_batch({spans.begin() + static_cast<ptrdiff_t>(at),
                  spans.begin() + static_cast<ptrdiff_t>(at + count)})));
    at += count;
  }
  return batches;
}

std::vector<std::string> store_files(FaultFileSystem& fs, std::string_view prefix) {
  std::vector<std::string> paths;
  const auto names = fs.list(std::string(kStoreDir));
  EXPECT_TRUE(names);
  if (!names) return paths;
  for (const std::string& name : *names) {
    if (name.starts_with(prefix)) paths.push_back(std::string(kStoreDir) + "/" + name);
  }
  return paths;
}

uint64_t file_size(FaultFileSystem& fs, const std::string& path) {
  const auto file = fs.open(path, OpenMode::kRead);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *(*file)->size() : 0;
}

void overwrite(FaultFileSystem& fs, const std::string& path, uint64_t offset,
               std::string_view with) {
  const auto file = fs.open(path, OpenMode::kReadWrite);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE((*file)->pwrite(with, offset));
  ASSERT_TRUE((*file)->sync());
}

}  // namespace weft::testing
