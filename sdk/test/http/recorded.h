// A provider whose spans a test can look at: everything is recorded and decoded again.
#pragma once

#include <weft/exporter.h>
#include <weft/provider.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../decoded_span.h"

namespace sdk_test {

class Recorded {
 public:
  explicit Recorded(const weft::SpanLimits& limits = {})
      : storage_(weft::MemoryExporter::make_storage()), provider_(config(limits)) {
    provider_.set_global();
  }

  // The spans that have ended since the last call.
  std::vector<DecodedSpan> take() {
    provider_.force_flush();
    return decode_spans(storage_->take(weft::Signal::kTraces));
  }

 private:
  weft::TracerProviderConfig config(const weft::SpanLimits& limits) {
    weft::TracerProviderConfig out;
    out.limits = limits;
    out.sampler = weft::Sampler::parent_based(weft::Sampler::always_on());
    out.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage_)});
    return out;
  }
  std::shared_ptr<weft::MemoryExporter::Storage> storage_;
  weft::TracerProvider provider_;
};

// The first span of that name; null when there is none.
inline const DecodedSpan* find(const std::vector<DecodedSpan>& spans, std::string_view name) {
  for (const DecodedSpan& span : spans) {
    if (span.name == name) return &span;
  }
  return nullptr;
}

inline std::vector<DecodedSpan> all(const std::vector<DecodedSpan>& spans, std::string_view name) {
  std::vector<DecodedSpan> out;
  for (const DecodedSpan& span : spans) {
    if (span.name == name) out.push_back(span);
  }
  return out;
}

// The value of the first line of a Prometheus text that starts so and has all these parts; empty
// when there is none.
inline std::string metric_value(std::string_view text, std::string_view start,
                                std::initializer_list<std::string_view> parts) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const bool all = std::all_of(parts.begin(), parts.end(), [&line](std::string_view part) {
      return line.find(part) != std::string_view::npos;
    });
    if (line.starts_with(start) && all) return std::string(line.substr(line.find("} ") + 2));
  }
  return {};
}

}  // namespace sdk_test
