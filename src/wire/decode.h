// What every decoder of spans takes and gives: limits that hold hostile input down, and the batch
// with an honest account of what was not taken. Receivers and the import command use them.
#pragma once

#include <cstdint>
#include <string>

#include "model/span_batch.h"
#include "model/value.h"

namespace weft {

// A request over max_body_bytes or max_spans is refused whole (kResourceExhausted). Over one of
// the others, what is too much is left out and counted into the dropped_..._count fields of the
// span, event, link, resource or scope, and DecodeResult::message says so.
struct DecodeLimits {
  // Of the decompressed body. Never above 2 GiB, whatever is configured here.
  uint64_t max_body_bytes = 64u << 20;
  uint32_t max_spans = 1'000'000;
  // Of one span, event, link, resource or scope.
  uint32_t max_attributes = 1024;
  // Distinct (key, type) pairs in one request; spans, events, links, resources and scopes apart.
  uint32_t max_columns = 16'384;
  uint32_t max_events_per_span = 16'384;
  uint32_t max_links_per_span = 16'384;
  // Over all spans of the request, each of events and links.
  uint32_t max_events = 2'000'000;
  // Arrays and key-value lists inside each other; at most kMaxValueDepth.
  uint32_t max_value_depth = kMaxValueDepth;
};

struct DecodeResult {
  SpanBatch batch;
  // Spans that cannot be stored: a trace or span id of wrong length or of zeros.
  uint64_t rejected_spans = 0;
  // The first reason for a rejected span or, without one, the first thing that was left out; empty
  // when all was taken. Goes to the sender as partial_success.error_message.
  std::string message;
};

// Adds the annotation "received_ns" to every span: the sender's clock is not to be trusted.
// Precondition: the batch has no such annotation yet.
void annotate_received(SpanBatch& batch, uint64_t received_ns);

}  // namespace weft
