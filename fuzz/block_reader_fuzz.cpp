// Any bytes as a block file, and, since checksums keep damage from the decoders behind them, as
// each of the structures that a block is made of.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault_file_system.h"
#include "store/block.h"
#include "store/entity_codec.h"
#include "store/stream_codec.h"
#include "store/text_template.h"

namespace {

using namespace weft;
using namespace weft::store;

void open_block(std::string_view bytes) {
  FaultFileSystem fs;
  {
    auto file = fs.open("d/block", OpenMode::kCreate);
    (void)(*file)->pwrite(bytes, 0);
  }
  Cache cache(1 << 20);
  if (const auto block = Block::open(fs, "d/block", cache, nullptr)) (void)(*block)->verify();
}

void join_templates(std::string_view bytes) {
  ByteReader in(bytes);
  const std::string skeleton(in.string());
  TemplateVariables variables;
  if (!get_variables(in, variables, 4096, 1 << 20)) return;
  TemplateJoiner joiner(variables);
  std::string text;
  for (int i = 0; i < 100 && joiner.join(skeleton, text); ++i) {
  }
}

void decode_streams(std::string_view bytes) {
  ByteReader in(bytes);
  const uint64_t count = in.fixed<uint16_t>();
  std::vector<uint64_t> numbers;
  std::vector<uint32_t> codes;
  std::vector<uint8_t> bits;
  std::string text;
  (void)(get_ints(in, numbers, count) && get_codes(in, codes, count, 1000) &&
         get_bits(in, bits, count) && get_stream(in, text, 1 << 20));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<ChunkInfo> chunks;
  std::vector<ClassValue> classes;
  SpanBatch batch;
  switch (data[0] % 9) {
    case 0:
      open_block(bytes);
      break;
    case 1:
      (void)decode_columns(bytes);
      break;
    case 2:
      (void)decode_pages(bytes);
      break;
    case 3:
      (void)decode_index(bytes, chunks, 100);
      (void)decode_class_values(bytes, classes, 100);
      break;
    case 4:
      (void)decode_splits(bytes);
      break;
    case 5:
      (void)decode_resource(bytes, batch);
      break;
    case 6:
      (void)decode_scope(bytes, batch);
      break;
    case 7:
      join_templates(bytes);
      break;
    default:
      decode_streams(bytes);
  }
  return 0;
}
