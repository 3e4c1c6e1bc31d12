// When each version of each service was first seen: the deploy lines of every chart, and what
// "new since" of an error refers to.
#pragma once

#include <string>
#include <vector>

#include "analysis/span_scan.h"

namespace weft::analysis {

struct Release {
  std::string service;
  std::string version;  // of the resource attribute service.version
  uint64_t first_seen_ns = 0;
  uint64_t last_seen_ns = 0;
  uint64_t spans = 0;
};

// Every release whose life, from first to last sighting, touches the range, by service and first
// sighting. Sightings and the count are of everything stored, so that a release is not "new"
// because the range begins in the middle of its life. The request's query is not looked at. Times
// that come from a source's aggregate may be 256 ns off.
Expected<std::vector<Release>> releases(const AnalysisRequest& request);

}  // namespace weft::analysis
