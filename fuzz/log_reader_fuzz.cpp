// Any bytes as a file of the write-ahead log, and as a logged batch of columns: an answer, never a
// crash. The generation and index are those that the corpus was written with.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/fault_file_system.h"
#include "model/span.h"
#include "store/batch_codec.h"
#include "store/log_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  FaultFileSystem fs;
  {
    auto file = fs.open("d/log", OpenMode::kCreate);
    (void)(*file)->pwrite(bytes, 0);
  }
  std::vector<store::Finding> findings;
  (void)store::read_log(
      fs, "d/log", {1, 0},
      [](const SpanSink::RawRequest& record, uint64_t) {
        if (auto batch = store::decode_batch(record.body)) (void)to_spans(*batch);
      },
      findings);
  if (auto batch = store::decode_batch(bytes)) (void)to_spans(*batch);
  return 0;
}
