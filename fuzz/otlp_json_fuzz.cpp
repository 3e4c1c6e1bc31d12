// Any bytes as an OTLP/JSON request: no crash, and what is taken is the same after a round through
// protobuf and one through JSON.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/testing/random_spans.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const auto first = decode_otlp_traces_json({reinterpret_cast<const char*>(data), size});
  if (!first) return 0;
  const auto expected = testing::canonical(first->batch);
  std::string protobuf;
  encode_otlp_traces(first->batch, protobuf);
  const auto by_protobuf = decode_otlp_traces(protobuf);
  if (!by_protobuf || testing::canonical(by_protobuf->batch) != expected) abort();
  std::string json;
  encode_otlp_traces_json(first->batch, json);
  const auto by_json = decode_otlp_traces_json(json);
  if (!by_json || testing::canonical(by_json->batch) != expected) abort();
  return 0;
}
