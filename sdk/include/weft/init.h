// The one-line start: everything from the OTEL_* variables.
//
//   int main() {
//     auto sdk = weft::init_from_env({.service_name = "checkout"});
//     ...
//   }  // what is still queued goes out, within 5 seconds
//
// Part of the component weft::exporters.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <weft/logs.h>
#include <weft/metrics.h>
#include <weft/propagation.h>
#include <weft/provider.h>
#include <weft/resource.h>

namespace weft::inline v1 {

// What the program itself knows; the environment wins over it.
struct InitOptions {
  // Used when neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES says otherwise.
  std::string_view service_name = {};
  std::string_view service_version = {};
  // Further attributes of the resource; the environment wins.
  Resource resource = {};
  // How long the destructor waits for the receivers, all signals together.
  std::uint32_t shutdown_timeout_ms = 5000;
};

// The installed providers. Destroying it flushes and shuts them down, bounded in time. Keep it
// until the end of main. At exit() and return from main without that, the library does the same
// by itself.
class Sdk {
 public:
  // With nothing installed.
  Sdk() noexcept;
  Sdk(Sdk&&) noexcept;
  Sdk& operator=(Sdk&&) noexcept;
  ~Sdk();

  // False when OTEL_SDK_DISABLED is true: nothing is installed but the propagators.
  bool enabled() const noexcept;
  // The installed providers; ones that record nothing when it is not enabled. Owned by this object.
  TracerProvider& tracer_provider() noexcept;
  MeterProvider& meter_provider() noexcept;
  LoggerProvider& logger_provider() noexcept;

  // Exports what is queued, of all signals. True when all of it went out in time.
  bool force_flush(std::uint32_t timeout_ms = 10000) noexcept;
  // Flushes, then stops everything; what is recorded later is dropped. True when all of it went out
  // in time.
  bool shutdown(std::uint32_t timeout_ms = 5000) noexcept;

 private:
  friend Sdk init_from_env(const InitOptions&);
  struct State;
  State& state() noexcept;
  std::unique_ptr<State> state_;  // null: nothing was ever installed
};

// Reads the OTEL_* variables, makes the providers, exporters and propagators that they ask for and
// installs them for the process. Never fails: a variable that makes no sense is reported on the
// diagnostic output and its default is used. Call it once, before threads start.
Sdk init_from_env(const InitOptions& options = {});

}  // namespace weft::inline v1
