// Who calls whom: services as nodes, calls between them as edges, with rates, errors, latencies
// and the share of calls whose trace context arrived. Feeds the page's map, Jaeger's and Zipkin's
// dependencies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/ownership.h"
#include "analysis/span_scan.h"

namespace weft::analysis {

struct ServiceNode {
  std::string service;
  Owner owner;
  bool is_virtual = false;  // sends no spans; known from its callers alone
  uint64_t spans = 0;       // all of its spans in range
  // Of its entry spans (kind server or consumer, or roots), of calls for a virtual node:
  uint64_t requests = 0;
  uint64_t errors = 0;
  double rate = 0;  // requests a second
  double p50_ns = 0, p95_ns = 0, p99_ns = 0;
};

struct ServiceEdge {
  std::string from, to;
  std::string_view kind;  // "http", "rpc", "db", "messaging" or "other"
  uint64_t calls = 0;
  uint64_t errors = 0;  // either side says so
  double rate = 0;      // calls a second
  // Of the caller's span where there is one and it waits (not a producer), else of the callee's.
  double p50_ns = 0, p95_ns = 0, p99_ns = 0;
  // The share of the caller's spans that a span of the callee continues; 1 for calls that are
  // known from the callee's span alone.
  double continued_share = 0;
};

struct ServiceMap {
  std::vector<ServiceNode> nodes;  // by name
  std::vector<ServiceEdge> edges;  // by from, to
  bool limit_reached = false;      // more than kMaxNodes or kMaxEdges: the rarest are left out
  TimeRange range;                 // what the rates refer to

  static constexpr size_t kMaxNodes = 2'000;
  static constexpr size_t kMaxEdges = 10'000;
};

// The map of the traces that match the query. A call is a client or producer span, or a server or
// consumer span whose parent is of another service. A client span that wraps another one which
// is continued (a library around its transport) is no call of its own. A call that nobody
// continues leads to the service that the same peer address leads to elsewhere in the answer, else
// to a virtual node named by peer.service, server.address, net.peer.name, db.system.name,
// db.system or messaging.system, in this order; without any of them it is left out.
Expected<ServiceMap> service_map(const AnalysisRequest& request, const Ownership& ownership);

}  // namespace weft::analysis
