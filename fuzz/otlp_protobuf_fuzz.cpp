// Any bytes as an OTLP/protobuf request: no crash, and what is taken survives encoding and decoding
// again, by protobuf unchanged.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/testing/random_spans.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const auto first = decode_otlp_traces({reinterpret_cast<const char*>(data), size});
  if (!first) return 0;
  std::string protobuf;
  encode_otlp_traces(first->batch, protobuf);
  const auto second = decode_otlp_traces(protobuf);
  if (!second || second->rejected_spans != 0) abort();
  if (testing::canonical(second->batch) != testing::canonical(first->batch)) abort();
  std::string json;
  encode_otlp_traces_json(first->batch, json);
  const auto third = decode_otlp_traces_json(json);
  if (!third || third->batch.size() != first->batch.size()) abort();
  return 0;
}
