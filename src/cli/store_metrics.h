// The store's own counters in Prometheus' text format, under weft_store_...
#pragma once

#include "server/metrics.h"
#include "store/store.h"

namespace weft::cli {

void write_store_metrics(const store::Store& store, server::MetricsWriter& writer);

}  // namespace weft::cli
