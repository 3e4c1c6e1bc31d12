// A provider that writes its spans to standard output, for the consumers of the package test.
#pragma once

#include <weft/exporter.h>
#include <weft/provider.h>

#include <memory>
#include <utility>

inline weft::TracerProvider show_spans() {
  weft::TracerProviderConfig config;
  config.exporters.push_back({weft::make_console_exporter(), {}});
  weft::TracerProvider provider(std::move(config));
  provider.set_global();
  return provider;
}
