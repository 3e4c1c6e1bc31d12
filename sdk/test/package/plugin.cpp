// A plug-in with instrumentation of its own, loaded by a program that has none: loader.cpp.
#include <weft/metrics.h>
#include <weft/tracer.h>

#include <thread>

#include "show.h"

extern "C" int run_plugin() {
  const weft::TracerProvider provider = show_spans();
  weft::MeterProvider meters{weft::MeterProviderConfig{}};
  const auto counter = meters.meter("plugin").counter("calls");
  counter.add(1, {{"kind", "test"}});
  // On a thread older than the library, and on a younger one.
  weft::tracer("plugin").start_span("loading thread").set("in", "plugin");
  std::thread([&counter] {
    weft::tracer("plugin").start_span("new thread").set("in", "plugin");
    counter.add(1, {{"kind", "test"}});
  }).join();
  return meters.prometheus_text().find("} 2\n") == std::string::npos ? 1 : 0;
}
