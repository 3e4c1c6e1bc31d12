#include "cli/record_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <random>
#include <vector>

namespace weft::cli {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;

struct Outcome {
  std::vector<std::string> records;
  std::vector<Record> facts;
  std::optional<Error> error;
  RecordFormat format = RecordFormat::kUnknown;
};

Outcome read_all(std::string bytes, uint64_t max_bytes = kMaxBytes) {
  Outcome out;
  auto source = ByteSource::from_memory(std::move(bytes));
  if (!source) {
    out.error = source.error();
    return out;
  }
  RecordReader reader(*std::move(source), max_bytes);
  while (true) {
    auto record = reader.next();
    out.format = reader.format();
    if (!record) {
      out.error = record.error();
      return out;
    }
    if (!record->has_value()) return out;
    out.records.emplace_back((*record)->body);
    out.facts.push_back(**record);
  }
}

std::string gzip(const std::string& plain) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, plain.size()) + 64, '\0');
  std::string in = plain;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 1));
  return out;
}

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7)
    out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
  return out;
}

// A TracesData with one ResourceSpans whose schema_url has the given size.
std::string traces_data(size_t schema_url_bytes) {
  const std::string inside = "\x1A" + varint(schema_url_bytes) + std::string(schema_url_bytes, 'u');
  return "\x0A" + varint(inside.size()) + inside;
}

TEST(RecordReaderTest, JsonLinesWithOffsetsAndLineNumbers) {
  const Outcome out = read_all("{\"a\":1}\n\n  {\"b\":\"}\\\"{\"}\r\n{}");
  ASSERT_FALSE(out.error) << out.error->message;
  EXPECT_EQ(out.format, RecordFormat::kJson);
  EXPECT_EQ(out.records, (std::vector<std::string>{"{\"a\":1}", "{\"b\":\"}\\\"{\"}", "{}"}));
  EXPECT_EQ(out.facts[1].line, 3u);
  EXPECT_EQ(out.facts[1].offset, 11u);
  EXPECT_EQ(out.facts[2].line, 4u);
  EXPECT_EQ(out.facts[0].end, 7u);
}

// As a writer leaves it that was killed and went on: one request is lost, not all that follow.
TEST(RecordReaderTest, ALineThatWasCutOffEndsWithItsLine) {
  const std::string whole = R"({"resourceSpans":[{"scopeSpans":[]}]})";
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    std::string bytes = whole + "\n" + whole.substr(0, cut) + "\n" + whole + "\n";
    bytes += std::string(300'000, ' ') + "\n" + whole.substr(0, cut) + "\n" + whole;
    const Outcome read = read_all(std::move(bytes));
    ASSERT_FALSE(read.error) << read.error->message;
    EXPECT_EQ(read.records, (std::vector<std::string>{whole, whole.substr(0, cut), whole,
                                                      whole.substr(0, cut), whole}));
    EXPECT_EQ(read.facts[4].line, 6u);
  }
}

TEST(RecordReaderTest, OneJsonDocumentOverManyLines) {
  const Outcome out = read_all("{\n  \"resourceSpans\": [\n  ]\n}\n{}\n");
  ASSERT_FALSE(out.error);
  ASSERT_EQ(out.records.size(), 2u);
  EXPECT_EQ(out.facts[1].line, 5u);
}

TEST(RecordReaderTest, ByteOrderMarkIsSkipped) {
  EXPECT_EQ(read_all("\xEF\xBB\xBF{}").records.size(), 1u);
}

TEST(RecordReaderTest, EmptyInputIsNoError) {
  EXPECT_FALSE(read_all("").error);
  EXPECT_FALSE(read_all(" \n\n").error);
  EXPECT_TRUE(read_all("").records.empty());
}

TEST(RecordReaderTest, ProtobufInAllThreeFramings) {
  for (const size_t size : {0u, 1u, 5u, 8u, 10u, 100u, 300u, 70'000u}) {
    const std::string a = traces_data(size), b = traces_data(size + 1);
    const Outcome single = read_all(a + b);
    EXPECT_EQ(single.format, RecordFormat::kProtobuf) << size;
    EXPECT_EQ(single.records, std::vector<std::string>{a + b}) << size;

    const Outcome prefixed = read_all(varint(a.size()) + a + varint(b.size()) + b + varint(0));
    EXPECT_EQ(prefixed.format, RecordFormat::kProtobufVarint) << size;
    EXPECT_EQ(prefixed.records, (std::vector<std::string>{a, b, ""})) << size;

    const auto big_endian = [](size_t n) {
      return std::string{static_cast<char>(n >> 24), static_cast<char>(n >> 16),
                         static_cast<char>(n >> 8), static_cast<char>(n)};
    };
    const Outcome fixed = read_all(big_endian(a.size()) + a + big_endian(b.size()) + b);
    EXPECT_EQ(fixed.format, RecordFormat::kProtobufBigEndian) << size;
    EXPECT_EQ(fixed.records, (std::vector<std::string>{a, b})) << size;
  }
}

TEST(RecordReaderTest, ALargeTracesDataComesInPieces) {
  std::string all;
  for (int i = 0; i < 100; ++i)
    all += traces_data(100'000);
  const Outcome out = read_all(all);
  ASSERT_FALSE(out.error);
  EXPECT_GT(out.records.size(), 5u);
  std::string joined;
  for (const std::string& record : out.records)
    joined += record;
  EXPECT_EQ(joined, all);
  EXPECT_EQ(out.facts.back().end, all.size());
}

TEST(RecordReaderTest, CompressedStreamsAreDetected) {
  std::string lines;
  for (int i = 0; i < 50'000; ++i)
    lines += "{\"n\":" + std::to_string(i) + "}\n";
  EXPECT_EQ(read_all(gzip(lines)).records.size(), 50'000u);
  EXPECT_EQ(read_all(zstd(lines)).records.size(), 50'000u);
  // Several members, several frames.
  EXPECT_EQ(read_all(gzip(lines) + gzip(lines)).records.size(), 100'000u);
  EXPECT_EQ(read_all(zstd(lines) + zstd(lines)).records.size(), 100'000u);
  const Outcome data = read_all(zstd(traces_data(3'000'00)));
  EXPECT_EQ(data.format, RecordFormat::kProtobuf);
  EXPECT_EQ(data.records.size(), 1u);
}

TEST(RecordReaderTest, EveryCutIsAnErrorOrAShorterList) {
  const std::string lines = "{\"a\":[1,{}]}\n{\"b\":2}\n";
  for (const std::string& whole :
       {lines, gzip(lines), zstd(lines), traces_data(40) + traces_data(50)}) {
    const size_t full = read_all(whole).records.size();
    for (size_t cut = 0; cut < whole.size(); ++cut) {
      const Outcome out = read_all(whole.substr(0, cut));
      EXPECT_TRUE(out.error || out.records.size() <= full) << cut;
    }
  }
  EXPECT_EQ(read_all(gzip(lines).substr(0, 20)).error->code, ErrorCode::kCorrupt);
  EXPECT_EQ(read_all(zstd(lines).substr(0, 12)).error->code, ErrorCode::kCorrupt);
}

TEST(RecordReaderTest, RefusalsSayWhereAndWhy) {
  EXPECT_EQ(read_all("{}\n{}\nhello\n").error->message,
            "line 3 (byte 6): a JSON object should begin here");
  EXPECT_EQ(read_all("{}\n{\"a\":").error->message,
            "line 2 (byte 3): the file ends inside this JSON object");
  EXPECT_NE(read_all("hello").error->message.find("neither OTLP/JSON nor"), std::string::npos);
  EXPECT_EQ(read_all(traces_data(40) + traces_data(50).substr(0, 20)).records.size(), 1u);
  const Outcome large = read_all("{\"a\":\"" + std::string(5'000, 'x') + "\"}", 1'000);
  EXPECT_EQ(large.error->code, ErrorCode::kResourceExhausted);
}

TEST(RecordReaderTest, RandomBytesNeverCrash) {
  std::random_device device;
  const char* given = std::getenv("WEFT_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : device();
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string starts[] = {
      "", "{", "\x0A", "\x1f\x8b", "\x28\xb5\x2f\xfd", traces_data(9), std::string(3, '\0')};
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes = starts[random() % std::size(starts)];
    for (size_t n = random() % 100; n > 0; --n)
      bytes += static_cast<char>(random());
    const Outcome out = read_all(bytes, 4'096);
    for (const std::string& record : out.records)
      ASSERT_LE(record.size(), kMaxBytes + 4'096);
  }
}

}  // namespace
}  // namespace weft::cli
