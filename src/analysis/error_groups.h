// Failed spans in groups: by type and by the template of their message, so that a thousand
// occurrences with a thousand customer numbers are one line. The page's error view.
#pragma once

#include <string>
#include <vector>

#include "analysis/ownership.h"
#include "analysis/span_scan.h"

namespace weft::analysis {

// One occurrence of an error: the failed span.
struct ErrorSample {
  TraceId trace;
  uint64_t start_ns = 0;
  uint64_t duration_ns = 0;
  std::string service, name;
  std::string message;  // as it came, at most kMaxTemplateBytes of it
};

struct ErrorGroup {
  std::string id;    // 16 hex digits made of type and template; the same for ever
  std::string type;  // exception.type, else error.type, else "http 503", else "error"
  std::string message_template;
  std::vector<std::string> services;  // with this error, most frequent first
  Owner owner;                        // of services[0]
  uint64_t count = 0;
  uint64_t first_seen_ns = 0;  // within the range
  uint64_t last_seen_ns = 0;
  std::vector<ErrorSample> samples;  // the newest of different traces, at most kSamples
  // Occurrences by step, as (start of the step in ns, count), without the empty ones.
  std::vector<std::pair<uint64_t, uint64_t>> over_time;
  // The release that brought it: the version that its first occurrence carries, when that is not
  // the first version stored of that service and nothing stored before shows the error. Empty
  // otherwise.
  std::string new_since_service, new_since_version;

  static constexpr size_t kSamples = 5;
};

struct ErrorGroups {
  std::vector<ErrorGroup> groups;  // most frequent first, then by id
  bool limit_reached = false;      // there are more than `limit`
  uint64_t step_ns = 0;
};

// Groups the spans with status error among those that match the query. The message is that of the
// span's last exception event, else the status message, else the span's name.
Expected<ErrorGroups> error_groups(const AnalysisRequest& request, const Ownership& ownership,
                                   size_t limit);

// Replaces by <*> the one word in which five or more templates of equal type otherwise agree
// ("lacks scope a.read", "lacks scope b.write", …). Returns the new template of each, in order.
std::vector<std::string> collapse_templates(
    const std::vector<std::pair<std::string, std::string>>& types_and_templates);

}  // namespace weft::analysis
