#include "cli/import.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "cli/import_bookmark.h"
#include "model/span.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft::cli {
namespace {

class FakeTarget final : public ImportTarget {
 public:
  std::string name() const override { return "fake"; }
  Expected<uint64_t> send(const SpanBatch& batch) override {
    if (fail_after-- == 0) return fail(ErrorCode::kUnavailable, "gone");
    ++requests;
    largest = std::max(largest, batch.size());
    for (const Span& span : to_spans(batch)) {
      spans.push_back(span);
      traces.insert(span.trace_id);
    }
    return refuse;
  }
  Expected<bool> has_trace(const TraceId& id) override { return traces.contains(id); }

  std::vector<Span> spans;
  std::set<TraceId> traces;
  int requests = 0;
  size_t largest = 0;
  int64_t fail_after = -1;
  uint64_t refuse = 0;
};

class ImportTest : public ::testing::Test {
 protected:
  ImportTest() {
    std::string pattern = ::testing::TempDir() + "weft-import-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
    options_.state_dir = dir_ + "/state";
  }
  ~ImportTest() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  Status run() {
    report_ = {};
    return run_import(target_, options_, [](const ImportTick&) {}, report_);
  }

  static SpanBatch batch_of(uint64_t first, size_t count) {
    SpanBatch batch;
    for (uint64_t i = first; i < first + count; ++i) {
      Span span;
      span.trace_id.bytes[0] = 1;
      span.trace_id.bytes[14] = static_cast<uint8_t>(i / 10 >> 8);
      span.trace_id.bytes[15] = static_cast<uint8_t>(i / 10);
      for (int b = 0; b < 4; ++b)
        span.span_id.bytes[b] = static_cast<uint8_t>((i + 1) >> (8 * b));
      span.start_ns = 1'700'000'000'000'000'000 + i;
      span.end_ns = span.start_ns + 5;
      span.name = "op";
      append_span(batch, span);
    }
    return batch;
  }
  static std::string json_lines(size_t lines, size_t spans_a_line) {
    std::string out;
    for (size_t i = 0; i < lines; ++i) {
      encode_otlp_traces_json(batch_of(i * spans_a_line, spans_a_line), out);
      out += '\n';
    }
    return out;
  }

  std::string dir_;
  ImportOptions options_;
  FakeTarget target_;
  ImportReport report_;
};

TEST_F(ImportTest, SpansArriveInRequestsOfBoundedSize) {
  options_.files = {write("a.jsonl", json_lines(100, 7))};
  options_.batch_spans = 50;
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.spans, 700u);
  EXPECT_EQ(report_.records, 100u);
  EXPECT_EQ(target_.spans.size(), 700u);
  EXPECT_LE(target_.largest, 56u);
}

TEST_F(ImportTest, ARecordLargerThanARequestIsSplit) {
  std::string body;
  encode_otlp_traces(batch_of(0, 1'000), body);
  options_.files = {write("one.pb", body)};
  options_.batch_spans = 64;
  ASSERT_TRUE(run());
  EXPECT_EQ(target_.spans.size(), 1'000u);
  EXPECT_LE(target_.largest, 64u);
  std::set<SpanId> ids;
  for (const Span& span : target_.spans)
    ids.insert(span.span_id);
  EXPECT_EQ(ids.size(), 1'000u);
}

TEST_F(ImportTest, AnInterruptedImportGoesOnBehindTheLastAcknowledgement) {
  options_.files = {write("a.jsonl", json_lines(100, 10))};
  options_.batch_spans = 50;
  target_.fail_after = 8;
  const Status first = run();
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message, "fake: gone");
  EXPECT_EQ(report_.spans, 400u);
  target_.fail_after = -1;
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.files_resumed, 1u);
  EXPECT_EQ(report_.spans, 600u);
  EXPECT_EQ(report_.spans_before, 400u);
  std::set<SpanId> ids;
  for (const Span& span : target_.spans)
    ids.insert(span.span_id);
  EXPECT_EQ(ids.size(), 1'000u);
  EXPECT_EQ(target_.spans.size(), 1'000u);  // none was sent twice
}

TEST_F(ImportTest, TheSecondImportOfAFileSendsNothing) {
  options_.files = {write("a.jsonl", json_lines(10, 10))};
  ASSERT_TRUE(run());
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.files_already_done, 1u);
  EXPECT_EQ(report_.spans, 0u);
  EXPECT_EQ(target_.spans.size(), 100u);
  options_.again = true;
  ASSERT_TRUE(run());
  EXPECT_EQ(target_.spans.size(), 200u);
}

TEST_F(ImportTest, AWipedTargetGetsEverythingAgain) {
  options_.files = {write("a.jsonl", json_lines(10, 10))};
  ASSERT_TRUE(run());
  target_ = {};
  ASSERT_TRUE(run());
  EXPECT_EQ(target_.spans.size(), 100u);
}

TEST_F(ImportTest, AChangedFileIsAnotherFile) {
  options_.files = {write("a.jsonl", json_lines(10, 10))};
  ASSERT_TRUE(run());
  write("a.jsonl", json_lines(11, 10));
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.spans, 110u);
}

TEST_F(ImportTest, ABadRecordIsNamedAndWhatStandsBeforeItIsSent) {
  options_.files = {
      write("a.jsonl", json_lines(3, 10) + "{\"resourceSpans\": 7}\n" + json_lines(1, 10))};
  const Status outcome = run();
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("a.jsonl:4: "), std::string::npos)
      << outcome.error().message;
  EXPECT_EQ(report_.spans, 30u);
  options_.keep_going = true;
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.bad_records, 1u);
  EXPECT_EQ(report_.spans, 10u);
  EXPECT_NE(report_.first_complaint.find("a.jsonl:4"), std::string::npos);
}

TEST_F(ImportTest, RejectedSpansAreCountedAndExplained) {
  options_.files = {write(
      "a.jsonl",
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00","spanId":"0102030405060708"},)"
      R"({"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}]}]}]})")};
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.spans, 1u);
  EXPECT_EQ(report_.rejected_spans, 1u);
  EXPECT_FALSE(report_.first_complaint.empty());
}

TEST_F(ImportTest, APipeIsReadOnceAndHasNoBookmark) {
  const std::string path = dir_ + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  options_.files = {path};
  for (size_t round = 1; round <= 2; ++round) {
    std::thread writer([&] { std::ofstream(path) << json_lines(round, 10); });
    const Status done = run();
    writer.join();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(report_.spans, 10 * round);
    EXPECT_EQ(report_.files_already_done, 0u);
  }
}

TEST_F(ImportTest, MissingFilesAreErrors) {
  options_.files = {dir_ + "/none.jsonl"};
  EXPECT_FALSE(run());
}

TEST_F(ImportTest, AStopEndsAfterTheRequestUnderWay) {
  std::atomic<bool> stop = true;
  options_.stop = &stop;
  options_.files = {write("a.jsonl", json_lines(10, 10))};
  ASSERT_TRUE(run());
  EXPECT_TRUE(report_.stopped);
  EXPECT_EQ(report_.spans, 10u);
  stop = false;
  ASSERT_TRUE(run());
  EXPECT_EQ(target_.spans.size(), 100u);
}

TEST_F(ImportTest, ADamagedBookmarkIsIgnored) {
  const std::string path = write("a.jsonl", json_lines(10, 10));
  auto bookmark = ImportBookmark::of(options_.state_dir, "fake", path);
  ASSERT_TRUE(bookmark);
  ImportProgress progress;
  progress.end = 99'999'999;
  progress.done = true;
  ASSERT_TRUE(bookmark->save(progress));
  for (const auto& entry : std::filesystem::directory_iterator(options_.state_dir + "/import")) {
    std::filesystem::resize_file(entry.path(), 40);
  }
  EXPECT_FALSE(bookmark->load());
  options_.files = {path};
  ASSERT_TRUE(run());
  EXPECT_EQ(report_.spans, 100u);
}

}  // namespace
}  // namespace weft::cli
