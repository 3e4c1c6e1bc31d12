// Any bytes as an OTLP request: the JSON and Zipkin writers refuse them or write something.
#include <cstdint>
#include <string>
#include <string_view>

#include <weft/exporter.h>
#include <weft/otlp.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string out;
  for (const auto signal : {weft::Signal::kTraces, weft::Signal::kMetrics, weft::Signal::kLogs}) {
    weft::otlp_to_json(signal, bytes, out);
  }
  weft::otlp_to_zipkin_json(bytes, out);
  return 0;
}
