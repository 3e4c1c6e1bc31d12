// A provider whose spans a test can look at: everything is recorded and decoded again.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include <weft/exporter.h>
#include <weft/provider.h>

#include "decoded_span.h"

namespace sdk_test {

class Recording {
 public:
  explicit Recording(const std::function<void(weft::TracerProviderConfig&)>& change = {},
                     bool global = false)
      : storage_(weft::MemoryExporter::make_storage()) {
    weft::TracerProviderConfig config;
    config.sampler = weft::Sampler::parent_based(weft::Sampler::always_on());
    weft::BatchOptions batch;
    batch.max_queue_size = 100'000;
    config.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage_), batch});
    if (change) change(config);
    provider_ = weft::TracerProvider(std::move(config));
    if (global) provider_.set_global();
  }

  weft::Tracer tracer() const { return provider_.tracer("test"); }
  weft::TracerProvider& provider() { return provider_; }
  // The spans that have ended since the last call.
  std::vector<DecodedSpan> take() {
    provider_.force_flush();
    return decode_spans(storage_->take(weft::Signal::kTraces));
  }

 private:
  std::shared_ptr<weft::MemoryExporter::Storage> storage_;
  weft::TracerProvider provider_;
};

inline const DecodedSpan* find(const std::vector<DecodedSpan>& spans, std::string_view name) {
  for (const DecodedSpan& span : spans) {
    if (span.name == name) return &span;
  }
  return nullptr;
}

}  // namespace sdk_test
