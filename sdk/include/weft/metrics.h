// Metrics: counters, up-down counters, gauges and histograms with explicit buckets, aggregated in
// the process and exported by OTLP at an interval or as the text that Prometheus reads.
//
//   static const auto requests = weft::meter("checkout").counter("checkout.requests");
//   requests.add(1, {{"payment", "card"}});
//
// Instruments are values of the size of a pointer; any thread may use them. Recording under a set
// of attributes costs a hash of them and a short lock of one of several shards; bind() finds the
// set once and leaves an atomic addition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weft/attribute.h>
#include <weft/exporter.h>
#include <weft/resource.h>

namespace weft {

namespace sdk_detail {
struct InstrumentAccess;
struct InstrumentHandle;
struct MeterHandle;
struct MeterCore;
struct MetricCell;
void record(const InstrumentHandle* handle, double value, Attributes attributes) noexcept;
void record(const InstrumentHandle* handle, std::int64_t value, Attributes attributes) noexcept;
void record(MetricCell* cell, double value) noexcept;
void record(MetricCell* cell, std::int64_t value) noexcept;
MetricCell* bind(const InstrumentHandle* handle, Attributes attributes) noexcept;
const InstrumentHandle* null_instrument() noexcept;
}  // namespace sdk_detail

inline namespace v1 {

// Seconds, as the semantic conventions want them for HTTP durations.
inline constexpr double kHttpDurationBoundaries[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                                     0.5,   0.75, 1,     2.5,  5,     7.5, 10};

// What an instrument is called by people. Views need to live until the call returns.
struct InstrumentOptions {
  std::string_view unit = {};  // UCUM, such as "s", "By", "{request}"
  std::string_view description = {};
  // Upper bounds (inclusive) of a histogram's buckets, ascending, at most 160. Empty: the
  // defaults of OpenTelemetry.
  std::span<const double> boundaries = {};
};

// The kinds of instruments of OpenTelemetry. All but histograms are also observable
// (Meter::observe).
enum class InstrumentKind : std::uint8_t { kCounter, kUpDownCounter, kGauge, kHistogram };

// An instrument under one set of attributes that was looked up once.
template <class T>
class BoundInstrument {
 public:
  BoundInstrument() = default;
  // As the functions of Instrument: add() is that of counters.
  void record(T value) const noexcept {
    if (cell_ != nullptr) sdk_detail::record(cell_, value);
  }
  void add(T value) const noexcept { record(value); }

 private:
  template <class, InstrumentKind>
  friend class Instrument;
  explicit BoundInstrument(sdk_detail::MetricCell* cell) : cell_(cell) {}
  sdk_detail::MetricCell* cell_ = nullptr;
};

// T is std::int64_t or double.
template <class T, InstrumentKind kKind>
class Instrument {
 public:
  // Records nothing.
  Instrument() noexcept : handle_(sdk_detail::null_instrument()) {}

  // A counter ignores a negative value, both kinds ignore NaN; that is reported.
  void add(T value, Attributes attributes = {}) const noexcept
    requires(kKind == InstrumentKind::kCounter || kKind == InstrumentKind::kUpDownCounter)
  {
    sdk_detail::record(handle_, value, attributes);
  }
  // Gauges keep the last value. Histograms count it; NaN is ignored.
  void record(T value, Attributes attributes = {}) const noexcept
    requires(kKind == InstrumentKind::kGauge || kKind == InstrumentKind::kHistogram)
  {
    sdk_detail::record(handle_, value, attributes);
  }
  // For one set of attributes that is used often. Before a provider is installed this gives one
  // that never records: bind after init.
  BoundInstrument<T> bind(Attributes attributes = {}) const noexcept {
    return BoundInstrument<T>(sdk_detail::bind(handle_, attributes));
  }

 private:
  friend class Meter;
  friend struct sdk_detail::InstrumentAccess;
  explicit Instrument(const sdk_detail::InstrumentHandle* handle) : handle_(handle) {}
  const sdk_detail::InstrumentHandle* handle_;
};

// What Meter makes.
template <class T = std::int64_t>
using Counter = Instrument<T, InstrumentKind::kCounter>;
template <class T = std::int64_t>
using UpDownCounter = Instrument<T, InstrumentKind::kUpDownCounter>;
template <class T = double>
using Gauge = Instrument<T, InstrumentKind::kGauge>;
template <class T = double>
using Histogram = Instrument<T, InstrumentKind::kHistogram>;

// Takes one value of an observable instrument.
using Observer = std::function<void(double value, Attributes attributes)>;

// Makes the instruments of one instrumentation scope. Asking twice for a name gives the same
// instrument; asking for it with another kind is reported and gives one that never records.
class Meter {
 public:
  Meter() noexcept = default;

  // Instruments of the kinds. T is std::int64_t or double. Look-up under a lock: keep the result.
  template <class T = std::int64_t>
  Counter<T> counter(std::string_view name, const InstrumentOptions& options = {}) const {
    return Counter<T>(make(InstrumentKind::kCounter, is_double<T>(), name, options));
  }
  template <class T = std::int64_t>
  UpDownCounter<T> up_down_counter(std::string_view name,
                                   const InstrumentOptions& options = {}) const {
    return UpDownCounter<T>(make(InstrumentKind::kUpDownCounter, is_double<T>(), name, options));
  }
  template <class T = double>
  Gauge<T> gauge(std::string_view name, const InstrumentOptions& options = {}) const {
    return Gauge<T>(make(InstrumentKind::kGauge, is_double<T>(), name, options));
  }
  template <class T = double>
  Histogram<T> histogram(std::string_view name, const InstrumentOptions& options = {}) const {
    return Histogram<T>(make(InstrumentKind::kHistogram, is_double<T>(), name, options));
  }

  // Calls `observe` at each collection, on the collecting thread, which takes the values it
  // reports as those of a gauge or of a counter (whose values are totals). The call-back stays
  // until the provider is shut down.
  void observe(InstrumentKind kind, std::string_view name, const InstrumentOptions& options,
               std::function<void(const Observer&)> observe) const;

 private:
  friend class MeterProvider;
  friend Meter meter(std::string_view, std::string_view, std::string_view);
  template <class T>
  static constexpr bool is_double() {
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>);
    return std::is_same_v<T, double>;
  }
  explicit Meter(sdk_detail::MeterHandle* handle) : handle_(handle) {}
  const sdk_detail::InstrumentHandle* make(InstrumentKind kind, bool is_double,
                                           std::string_view name,
                                           const InstrumentOptions& options) const;
  sdk_detail::MeterHandle* handle_ = nullptr;
};

// The meter of the global provider. Instruments made before a provider is installed record from
// then on.
Meter meter(std::string_view scope_name, std::string_view scope_version = {},
            std::string_view schema_url = {});

// One exporter of metrics and its schedule.
struct MeterReader {
  std::unique_ptr<Exporter> exporter;
  std::uint32_t interval_ms = 60000;  // OTEL_METRIC_EXPORT_INTERVAL
  std::uint32_t timeout_ms = 30000;   // OTEL_METRIC_EXPORT_TIMEOUT
};

// Which measurements are kept as examples (OTEL_METRICS_EXEMPLAR_FILTER).
enum class ExemplarFilter : std::uint8_t { kAlwaysOff, kTraceBased, kAlwaysOn };

// What a MeterProvider is made of.
struct MeterProviderConfig {
  Resource resource;
  std::vector<MeterReader> readers;  // at most 16
  // Different sets of attributes of one instrument; measurements under further ones are counted
  // under {otel.metric.overflow: true}.
  std::uint32_t cardinality_limit = 2000;
  ExemplarFilter exemplars = ExemplarFilter::kTraceBased;
  std::uint32_t shutdown_timeout_ms = 5000;
};

// Owns the instruments' state and the workers that export it. Temporality is cumulative. Every
// function may be called by any thread. As with the tracer provider, a little stays allocated.
class MeterProvider {
 public:
  MeterProvider() noexcept = default;
  // Takes the readers over and starts their workers; installs nothing: see set_global().
  explicit MeterProvider(MeterProviderConfig config);
  MeterProvider(MeterProvider&& other) noexcept
      : core_(other.core_), shutdown_timeout_ms_(other.shutdown_timeout_ms_) {
    other.core_ = nullptr;
  }
  MeterProvider& operator=(MeterProvider&& other) noexcept;
  ~MeterProvider();

  // The meter of an instrumentation scope.
  Meter meter(std::string_view scope_name, std::string_view scope_version = {},
              std::string_view schema_url = {}) const;
  // Makes weft::meter() and the instruments that were made before use this provider.
  void set_global() noexcept;

  // An ExportMetricsServiceRequest of the present state; `points` becomes the number of data
  // points.
  std::string collect_otlp(std::uint64_t* points = nullptr) const;
  // The present state in the Prometheus text format, or as OpenMetrics (with exemplars) when the
  // Accept header that is passed asks for it; `content_type` becomes the type to answer with.
  std::string prometheus_text(std::string_view accept = {},
                              std::string* content_type = nullptr) const;

  // Exports now to every reader. True when all succeeded in time.
  bool force_flush(std::uint32_t timeout_ms = 10000) noexcept;
  bool shutdown(std::uint32_t timeout_ms) noexcept;

 private:
  sdk_detail::MeterCore* core_ = nullptr;
  std::uint32_t shutdown_timeout_ms_ = 5000;
};

// Answers GET /metrics on a small server of its own, for programs that have none. Port 0 takes a
// free one. `provider` must outlive it. Null with a reason in `error` when the address is not free.
// After a fork it is the parent's alone: the child does not listen.
class PrometheusServer {
 public:
  // Listens and starts its thread.
  static std::unique_ptr<PrometheusServer> start(const MeterProvider& provider,
                                                 const std::string& host, std::uint16_t port,
                                                 std::string* error);
  virtual ~PrometheusServer() = default;
  // The port it listens on.
  virtual std::uint16_t port() const = 0;
};

}  // namespace v1
}  // namespace weft
