// Real traces of about 40 services, when the data set lies beside the checkout: every span arrives,
// and the same spans come out whatever format they went through.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "model/testing/random_spans.h"
#include "wire/compress.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft {
namespace {

std::filesystem::path data_directory() {
  const char* shared = std::getenv("WEFT_SHARED");
  const char* source = std::getenv("WEFT_SOURCE_DIR");
  const std::filesystem::path base =
      shared != nullptr ? shared
                        : std::filesystem::path(source != nullptr ? source : ".") / ".." / "shared";
  return base / "data" / "trainticket";
}

struct Counts {
  size_t spans = 0;
  size_t errors = 0;
  size_t attributes = 0;
  std::set<TraceId> traces;
};

void take_line(const std::string& line, Counts& counts) {
  const auto decoded = decode_otlp_traces_json(line);
  ASSERT_TRUE(decoded) << decoded.error().message;
  ASSERT_EQ(decoded->rejected_spans, 0);
  const SpanBatch& batch = decoded->batch;
  counts.spans += batch.size();
  for (const uint8_t code : batch.status_code)
    counts.errors += code == 2;
  counts.traces.insert(batch.trace_id.begin(), batch.trace_id.end());
  for (const AttributeColumn& column : batch.attributes.columns) {
    counts.attributes += column.rows.size();
  }
  std::string protobuf;
  encode_otlp_traces(batch, protobuf);
  const auto by_protobuf = decode_otlp_traces(protobuf);
  ASSERT_TRUE(by_protobuf) << by_protobuf.error().message;
  ASSERT_EQ(testing::canonical(by_protobuf->batch), testing::canonical(batch));
  std::string json;
  encode_otlp_traces_json(by_protobuf->batch, json);
  ASSERT_EQ(testing::canonical(decode_otlp_traces_json(json)->batch), testing::canonical(batch));
}

TEST(TrainTicket, EverySpanArrives) {
  const auto directory = data_directory();
  if (!std::filesystem::exists(directory)) {
    GTEST_SKIP() << "no data set at " << directory << "; set WEFT_SHARED to where it lies";
  }
  Counts counts;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".gz") continue;
    std::ostringstream raw;
    raw << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const auto plain = decompress(raw.str(), Compression::kGzip, 256u << 20);
    ASSERT_TRUE(plain) << plain.error().message;
    std::istringstream lines(*plain);
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) take_line(line, counts);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(counts.spans, 30'357);
  EXPECT_EQ(counts.traces.size(), 379);
  EXPECT_EQ(counts.errors, 143);
  EXPECT_EQ(counts.attributes, 29'459);
}

}  // namespace
}  // namespace weft
