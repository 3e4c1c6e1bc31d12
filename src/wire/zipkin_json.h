// Zipkin v2 JSON: spans as Zipkin clients send them (POST /api/v2/spans) and traces as Zipkin's
// API returns them. The mapping follows OpenTelemetry's specification "OpenTelemetry to Zipkin"
// and its inverse in the collector.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/span_batch.h"
#include "wire/decode.h"

namespace weft {

// Decodes an array of spans. Trace ids have 1 to 32 hex digits, shorter ones are the low half (B3's
// 64 bits); spans without valid ids are rejected and counted.
//
//   localEndpoint.serviceName      -> resource service.name
//   localEndpoint ip and port      -> net.host.ip, net.host.port
//   remoteEndpoint                 -> peer.service, net.peer.ip, net.peer.port
//   kind                           -> kind; none is internal
//   annotations                    -> events, the value as name
//   tags                           -> attributes (strings), but for
//     error                        -> status error, "true" and "" without, else with a message
//     otel.status_code, otel.status_description, otel.scope.name, otel.scope.version,
//     otel.library.name, otel.library.version, w3c.tracestate -> their fields
//   shared, debug                  -> attributes zipkin.shared, zipkin.debug (bool)
//   timestamp, duration            -> microseconds; without a timestamp, that of the first
//                                     annotation
// A shared server span has the id of its client span; it gets an id of its own (the hash of ids
// and "shared") and the client span as its parent, as OTLP's ids are unique.
Expected<DecodeResult> decode_zipkin_json(std::string_view body, const DecodeLimits& limits = {});

// The attributes that name the remote endpoint, by preference. The first is that of every span; a
// call (client or producer) without it has the name of the first of the others that it has.
inline constexpr std::array<std::string_view, 7> kZipkinRemoteNames = {
    "peer.service",         "server.address", "net.peer.name", "network.peer.address",
    "server.socket.domain", "db.name",        "db.system"};

// Appends an array of the batch's spans, the inverse of the above. Non-string attributes become
// strings (arrays and key-value lists JSON), resource attributes tags. Times are cut to
// microseconds.
void encode_zipkin_json(const SpanBatch& batch, std::string& out);

}  // namespace weft
