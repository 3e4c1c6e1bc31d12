// Any bytes as a Zipkin v2 request: no crash, and what is taken can be written as Zipkin, Jaeger
// and OTLP again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/jaeger_json.h"
#include "wire/otlp_json.h"
#include "wire/zipkin_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const auto first = decode_zipkin_json({reinterpret_cast<const char*>(data), size});
  if (!first) return 0;
  std::string zipkin;
  encode_zipkin_json(first->batch, zipkin);
  const auto second = decode_zipkin_json(zipkin);
  if (!second || second->batch.size() != first->batch.size()) abort();
  std::string jaeger;
  encode_jaeger_trace(first->batch, jaeger);
  std::string json;
  encode_otlp_traces_json(first->batch, json);
  if (!decode_otlp_traces_json(json)) abort();
  return 0;
}
