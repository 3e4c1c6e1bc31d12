// session-api's telemetry: traces to three places at once (Weft, a vendor, a file), each with a
// queue of its own; metrics on /metrics; the propagators of OTEL_PROPAGATORS.
#pragma once

#include <weft/metrics.h>
#include <weft/provider.h>

#include "settings.h"

namespace session_api {

struct Telemetry {
  weft::TracerProvider tracer_provider;
  weft::MeterProvider meter_provider;
};

// Installs the providers for the process. An exporter that cannot be made is reported on stderr
// and left out. Destroying the result flushes what is queued, for at most 3 seconds.
Telemetry start_telemetry(const Settings& settings);

}  // namespace session_api
