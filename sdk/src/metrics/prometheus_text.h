// The text that Prometheus scrapes: format 0.0.4, or OpenMetrics 1.0 with exemplars. Names follow
// OpenTelemetry's rules for Prometheus: dots become underscores, units and _total are appended.
#pragma once

#include <string>
#include <vector>

#include <weft/resource.h>

#include "instrument.h"

namespace weft::sdk_detail {

struct ScopeName;

class PrometheusText {
 public:
  explicit PrometheusText(bool open_metrics) : open_metrics_(open_metrics) {}
  // target_info
  void add_resource(const Resource& resource);
  void add(InstrumentState& state, const ScopeName& scope);
  std::string finish();

 private:
  struct Family {
    std::string name;
    std::string type;
    std::string help;
    std::string samples;
  };
  // Null when the name is taken by another type.
  Family* find_family(const std::string& name, const char* type, const std::string& help);
  void add_histogram(Family& family, MetricCell& cell, const std::string& labels);
  void add_number(Family& family, MetricCell& cell, const std::string& labels);
  std::string exemplar_suffix(const ExemplarSlot& exemplar) const;

  bool open_metrics_;
  std::vector<Family> families_;
};

}  // namespace weft::sdk_detail
