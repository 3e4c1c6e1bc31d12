// Load for benchmarks: endless OTLP requests of a make-believe shop, the same for the same seed.
// Every trace id, span id and time is new, and what should be near-unique (paths, urls, message
// ids, addresses) is drawn anew for each span, so that no cache and no compressor is flattered.
//
//   S  one resource (one service) a request, as SDKs send; 20 services, 31 span attribute keys
//   C  60 resources a request, as a collector sends that batches for 60 pods
//   M  as S, with 10 % of the attributes left out at random and 200 rare keys added
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"
#include "workload/catalogue.h"
#include "workload/random.h"

namespace weft::workload {

enum class Kind : uint8_t { kS, kC, kM };

// "S", "C" or "M", in either case.
std::optional<Kind> kind_from_name(std::string_view name);

struct Options {
  Kind kind = Kind::kS;
  uint64_t seed = 1;
  uint32_t spans_per_batch = 512;
  // The first trace starts here; later ones follow at this rate.
  uint64_t start_ns = 1'700'000'000'000'000'000;
  uint32_t traces_per_second = 2000;
};

struct Batch {
  std::string body;  // ExportTraceServiceRequest
  uint32_t spans = 0;
};

// One thread. Spans of a trace lie in the batches of several services, as they do in life.
class Workload {
 public:
  explicit Workload(const Options& options);

  // The next full batch.
  Batch next_batch();
  // What is left of traces that were begun, in batches that are not full; nullopt at the end.
  std::optional<Batch> drain();

  // The id of the n-th trace (from 0); all of its spans are out once drain() is through.
  TraceId trace_id(uint64_t n) const;
  uint64_t traces_begun() const { return traces_; }

 private:
  struct Pending {
    const SpanTemplate* span;
    uint32_t resource;
    Stamp stamp;
  };

  void begin_trace();
  // Returns the end of the operation.
  uint64_t walk(uint32_t service, uint32_t operation, SpanId parent, uint64_t start_ns,
                bool failing, int depth);
  uint64_t do_step(const Step& step, uint32_t service, SpanId parent, uint64_t at_ns, bool failing,
                   int depth);
  void emit(const SpanTemplate& span, uint32_t service, const Stamp& stamp);
  const SpanTemplate& choose(const Variants& variants, bool failing);
  uint64_t jitter_ns(uint32_t typical_us);
  SpanId new_span_id();
  void write_batch(std::vector<Pending>& spans);
  void write_group(const Pending* begin, const Pending* end, std::string& out);
  void write_extra(std::string& out);

  Options options_;
  Random random_;
  Catalogue catalogue_;
  uint64_t traces_ = 0;
  uint32_t trace_spans_ = 0;
  uint64_t now_ns_;
  TraceId trace_;
  std::vector<std::vector<Pending>> queues_;  // one a service; one in all for C
  std::deque<Batch> ready_;
  std::string extra_;
  std::string spans_;
};

}  // namespace weft::workload
