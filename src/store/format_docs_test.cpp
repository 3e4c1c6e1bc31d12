// The worked examples of docs/formats: the bytes printed there are read by the code of today. With
// WEFT_PRINT_EXAMPLES set, the test prints the bytes that belong there.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/fault_file_system.h"
#include "model/span.h"
#include "store/block_writer.h"
#include "store/log_reader.h"
#include "store/log_writer.h"
#include "store/manifest.h"
#include "store/page_reader.h"

namespace weft::store {
namespace {

Span example_span() {
  Span span;
  span.trace_id = *TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736");
  span.span_id = *SpanId::from_hex("00f067aa0ba902b7");
  span.start_ns = 1'700'000'000'000'000'000;
  span.end_ns = span.start_ns + 42'000'000;
  span.name = "GET /login";
  span.kind = SpanKind::kServer;
  span.attributes = {{"http.route", Value("/login")}};
  span.resource.attributes = {{"service.name", Value("web")}};
  return span;
}

constexpr std::string_view kExampleBody = R"({"resourceSpans":[]})";

void print_hex(const char* title, std::string_view bytes) {
  if (std::getenv("WEFT_PRINT_EXAMPLES") == nullptr) return;
  std::printf("%s\n", title);
  for (size_t at = 0; at < bytes.size(); at += 16) {
    std::printf("%04zx ", at);
    for (size_t i = at; i < std::min(at + 16, bytes.size()); ++i) {
      std::printf(" %02x", static_cast<unsigned>(static_cast<uint8_t>(bytes[i])));
    }
    std::printf("\n");
  }
}

// The bytes of the first ```hex block of a page; lines are an offset and the bytes.
std::string documented_bytes(const std::string& page) {
  const char* source = std::getenv("WEFT_SOURCE_DIR");
  std::ifstream in(std::string(source != nullptr ? source : ".") + "/docs/formats/" + page);
  std::string line;
  std::string bytes;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line == "```hex") {
      inside = true;
    } else if (inside && line == "```") {
      break;
    } else if (inside) {
      std::istringstream fields(line);
      std::string field;
      fields >> field;  // the offset
      while (fields >> field)
        bytes.push_back(static_cast<char>(std::stoi(field, nullptr, 16)));
    }
  }
  return bytes;
}

void put_file(FaultFileSystem& fs, const std::string& path, std::string_view bytes) {
  auto file = fs.open(path, OpenMode::kCreate);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->pwrite(bytes, 0));
}

TEST(FormatDocs, TheLogExampleIsRead) {
  FaultFileSystem fs;
  LogWriter writer(fs, "d", {});
  writer.start_generation(1, 0);
  SpanSink::RawRequest request;
  request.format = SpanSink::RawRequest::Format::kOtlpJson;
  request.body = kExampleBody;
  request.received_ns = 1'700'000'000'000'000'000;
  LogGroup group(request.body.size());
  group.add(request);
  ASSERT_TRUE(writer.write_group(group));
  print_hex("wal.md", read_file(fs, "d/" + log_file_name({1, 0}))->substr(0, 84));

  const std::string bytes = documented_bytes("wal.md");
  ASSERT_FALSE(bytes.empty()) << "run with WEFT_SOURCE_DIR set to the checkout";
  put_file(fs, "d/example", bytes);
  std::vector<Finding> findings;
  std::vector<std::string> bodies;
  const auto summary = read_log(
      fs, "d/example", {1, 0},
      [&](const SpanSink::RawRequest& record, uint64_t) { bodies.emplace_back(record.body); },
      findings);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->groups, 1u);
  EXPECT_EQ(bodies, std::vector<std::string>{std::string(kExampleBody)});
  EXPECT_TRUE(findings.empty());
}

TEST(FormatDocs, TheManifestExampleIsRead) {
  const uint64_t start = 1'700'000'000'000'000'000;
  const std::vector<ManifestEntry> entries{{.first_generation = 1,
                                            .last_generation = 1,
                                            .spans = 3,
                                            .min_start_ns = start,
                                            .max_start_ns = start + 2,
                                            .created_ns = start + 1'000'000'000}};
  print_hex("manifest.md", encode_manifest(entries));
  const std::string bytes = documented_bytes("manifest.md");
  ASSERT_FALSE(bytes.empty()) << "run with WEFT_SOURCE_DIR set to the checkout";
  EXPECT_EQ(decode_manifest(bytes), entries);
  EXPECT_EQ(encode_manifest(entries), bytes);
}

TEST(FormatDocs, TheBlockExampleIsRead) {
  SpanBatch batch;
  append_span(batch, example_span());
  const std::vector<SpanBatchPtr> batches{std::make_shared<SpanBatch>(std::move(batch))};
  const auto encoded =
      encode_block(batches, order_by_trace(batches),
                   {.first_generation = 1, .last_generation = 1, .created_ns = 1}, {});
  print_hex("block.md", encoded.bytes);

  const std::string bytes = documented_bytes("block.md");
  ASSERT_FALSE(bytes.empty()) << "run with WEFT_SOURCE_DIR set to the checkout";
  FaultFileSystem fs;
  put_file(fs, "d/example", bytes);
  Cache cache(1 << 20);
  const auto block = Block::open(fs, "d/example", cache, nullptr);
  ASSERT_TRUE(block) << block.error().message;
  EXPECT_TRUE((*block)->verify().empty());
  PageReader page(**block, 0);
  const auto rows = page.read_rows(0, 1);
  ASSERT_TRUE(rows);
  Span expected = example_span();
  Span found = to_span(*rows, 0);
  normalise(expected);
  normalise(found);
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace weft::store
