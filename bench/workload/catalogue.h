// The make-believe shop whose traffic the workloads are: 20 services, what they do and whom they
// call. Fixed but for the templates' variants; the generator walks it to make traces.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload/span_template.h"

namespace weft::workload {

// Templates of one span that differ in status code, user agent, host and so on.
struct Variants {
  std::vector<SpanTemplate> good;
  std::vector<SpanTemplate> bad;  // the same ones, failing
};

// Something that a service does inside an operation.
struct Step {
  enum class Kind : uint8_t { kInternal, kDatabase, kCache, kCall, kPublish };
  Kind kind = Kind::kInternal;
  Variants span;                  // of this service: internal, client or producer
  uint32_t target_service = 0;    // kCall, kPublish
  uint32_t target_operation = 0;  // its entry
  uint32_t percent = 100;         // how often it is done
  uint32_t typical_us = 500;
};

// An entry into a service: an HTTP request it serves or a message it consumes.
struct Operation {
  Variants entry;
  Variants root_entry;  // without a parent
  std::vector<Step> steps;
  uint32_t typical_us = 2000;
};

struct Service {
  std::string name;
  std::vector<Operation> operations;
  std::vector<std::string> resources;  // encoded Resource messages, one a pod
  std::string scope;                   // encoded InstrumentationScope message
};

struct Catalogue {
  std::vector<Service> services;
  // Where traces begin: (service, operation).
  std::vector<std::pair<uint32_t, uint32_t>> roots;
  // Encoded attributes of 200 keys that only some spans have (for the messy workload).
  std::vector<std::string> extra_attributes;
};

Catalogue make_catalogue(uint64_t seed);

}  // namespace weft::workload
