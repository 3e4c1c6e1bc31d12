// TracerProvider: owns how spans are sampled, limited and exported, and hands out tracers. Made
// once at the start of a program, by hand as here or by init_from_env() of <weft/init.h>.
//
//   weft::TracerProviderConfig config;
//   config.resource = weft::Resource::detect();
//   config.exporters.push_back({weft::make_console_exporter()});
//   weft::TracerProvider provider(std::move(config));
//   provider.set_global();
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weft/exporter.h>
#include <weft/resource.h>
#include <weft/sampler.h>
#include <weft/tracer.h>

namespace weft {

namespace sdk_detail {
struct ProviderCore;
}

inline namespace v1 {

// Limits of one span (OTEL_SPAN_* and OTEL_ATTRIBUTE_*). What exceeds a count is dropped and
// counted in the span; a string that exceeds the length is cut after so many characters.
struct SpanLimits {
  std::uint32_t attribute_count = 128;
  std::uint32_t attribute_value_length = UINT32_MAX;  // in characters; UINT32_MAX: no limit
  std::uint32_t event_count = 128;
  std::uint32_t link_count = 128;
  std::uint32_t event_attribute_count = 128;
  std::uint32_t link_attribute_count = 128;
};

// How one exporter's queue behaves (OTEL_BSP_*, OTEL_BLRP_*).
struct BatchOptions {
  // The longest that an ended span waits for company.
  std::uint32_t schedule_delay_ms = 5000;
  // The longest that one export may take, with all its repetitions.
  std::uint32_t export_timeout_ms = 30000;
  // Items that may wait; over it, new ones are dropped and counted. Up to 64 more items a thread
  // lie in the buffers of the threads.
  std::uint32_t max_queue_size = 2048;
  std::uint32_t max_export_batch_size = 512;
  // The same bound in bytes of encoded items.
  std::uint64_t max_queue_bytes = 64U << 20;
};

// An exporter and the behaviour of its queue.
struct ExporterSlot {
  std::unique_ptr<Exporter> exporter;
  BatchOptions batch = {};
};

// What a TracerProvider is made of.
struct TracerProviderConfig {
  Resource resource;
  Sampler sampler;
  SpanLimits limits;
  // At most 16; none makes a provider that samples and exports nothing.
  std::vector<ExporterSlot> exporters;
  // How long the destructor waits for the last spans to be delivered.
  std::uint32_t shutdown_timeout_ms = 5000;
};

// Counts of one exporter since the start.
struct ExporterStats {
  std::string exporter;
  std::uint64_t exported = 0;
  // The queue was full.
  std::uint64_t dropped = 0;
  // The receiver refused them, or could not be reached in time.
  std::uint64_t failed = 0;
  std::uint64_t queued = 0;
};

// Move-only; the destructor shuts down. Every function may be called by any thread. A few hundred
// bytes stay allocated for good, so that tracers and spans that outlive the provider are harmless.
class TracerProvider {
 public:
  // A provider that records nothing.
  TracerProvider() noexcept = default;
  // Takes the exporters over and installs nothing: see set_global(). Workers start with the first
  // span.
  explicit TracerProvider(TracerProviderConfig config);
  TracerProvider(TracerProvider&& other) noexcept
      : core_(other.core_), shutdown_timeout_ms_(other.shutdown_timeout_ms_) {
    other.core_ = nullptr;
  }
  TracerProvider& operator=(TracerProvider&& other) noexcept;
  ~TracerProvider();

  // The tracer of an instrumentation scope; look-up under a lock, so keep the result.
  Tracer tracer(std::string_view scope_name, std::string_view scope_version = {},
                std::string_view schema_url = {}) const;

  // Makes weft::tracer() and the tracers that it gave out before use this provider. The last
  // provider to call it wins. Shutting it down puts the process back to recording nothing.
  void set_global() noexcept;

  // Exports everything that has ended. True when all of it was handed to every exporter and they
  // returned within the time; false also when exporting failed. Does not wait longer.
  bool force_flush(std::uint32_t timeout_ms = 10000) noexcept;
  // Flushes, then stops the workers. Spans that end later are not recorded. True when everything
  // went out in time. Waits at most about `timeout_ms`, also when an exporter hangs. When another
  // thread has begun to shut down, waits for that; true when it has come to its end in time.
  bool shutdown(std::uint32_t timeout_ms) noexcept;

  // What each exporter has sent, dropped and failed to send, in spans.
  std::vector<ExporterStats> stats() const;

 private:
  sdk_detail::ProviderCore* core_ = nullptr;
  std::uint32_t shutdown_timeout_ms_ = 5000;
};

}  // namespace v1
}  // namespace weft
