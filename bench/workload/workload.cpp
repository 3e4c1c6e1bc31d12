#include "workload/workload.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/protobuf.h"

namespace weft::workload {
namespace {

constexpr uint32_t kPods = 3;
constexpr uint32_t kDropPercent = 10;
constexpr uint32_t kErrorPerMille = 20;
constexpr uint32_t kMaxTraceSpans = 200;

// Bytes of a varint.
size_t varint_size(uint64_t value) {
  return (std::bit_width(value | 1) + 6) / 7;
}

void put_length(std::string& out, uint32_t field, size_t size) {
  protobuf::put_tag(out, field, protobuf::WireType::kLength);
  protobuf::put_varint(out, size);
}

}  // namespace

std::optional<Kind> kind_from_name(std::string_view name) {
  if (name == "S" || name == "s") return Kind::kS;
  if (name == "C" || name == "c") return Kind::kC;
  if (name == "M" || name == "m") return Kind::kM;
  return std::nullopt;
}

Workload::Workload(const Options& options)
    : options_(options),
      random_(options.seed),
      catalogue_(make_catalogue(options.seed)),
      now_ns_(options.start_ns) {
  queues_.resize(options.kind == Kind::kC ? 1 : catalogue_.services.size());
}

TraceId Workload::trace_id(uint64_t n) const {
  const uint64_t high = mix64(options_.seed * 0x9E3779B97F4A7C15u + 2 * n);
  const uint64_t low = mix64(~options_.seed * 0xD6E8FEB86659FD93u + 2 * n + 1) | 1u;
  TraceId id;
  std::memcpy(id.bytes.data(), &high, 8);
  std::memcpy(id.bytes.data() + 8, &low, 8);
  return id;
}

SpanId Workload::new_span_id() {
  const uint64_t word = random_.next() | 1u;
  SpanId id;
  std::memcpy(id.bytes.data(), &word, 8);
  return id;
}

// Most take about the typical time, some ten times as long: the sum of uniform numbers times a
// power of two.
uint64_t Workload::jitter_ns(uint32_t typical_us) {
  const uint64_t bits = random_.next();
  const uint64_t base = typical_us * (400u + (bits & 1023)) + (bits >> 10 & 1023);
  const int tail = std::countr_one(bits >> 20 & 0xFFFF'FFFFu);
  return base << std::min(tail / 2, 5);
}

const SpanTemplate& Workload::choose(const Variants& variants, bool failing) {
  const auto& list = failing ? variants.bad : variants.good;
  return list[random_.below(static_cast<uint32_t>(list.size()))];
}

Batch Workload::next_batch() {
  while (ready_.empty())
    begin_trace();
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  return batch;
}

std::optional<Batch> Workload::drain() {
  for (auto& queue : queues_) {
    if (!ready_.empty()) break;
    if (!queue.empty()) write_batch(queue);
  }
  if (ready_.empty()) return std::nullopt;
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  return batch;
}

void Workload::begin_trace() {
  trace_ = trace_id(traces_++);
  trace_spans_ = 0;
  const uint32_t gap_ns = 2'000'000'000u / options_.traces_per_second;
  now_ns_ += random_.below(gap_ns) + 1;
  const auto& [service, operation] =
      catalogue_.roots[random_.below(static_cast<uint32_t>(catalogue_.roots.size()))];
  walk(service, operation, {}, now_ns_, random_.below(1000) < kErrorPerMille, 0);
}

uint64_t Workload::walk(uint32_t service, uint32_t operation_index, SpanId parent,
                        uint64_t start_ns, bool failing, int depth) {
  const Operation& operation = catalogue_.services[service].operations[operation_index];
  Stamp stamp{trace_, new_span_id(), parent, start_ns, 0};
  uint64_t at_ns = start_ns + jitter_ns(operation.typical_us / 16);
  for (const Step& step : operation.steps) {
    if (!random_.chance(step.percent) || trace_spans_ >= kMaxTraceSpans) continue;
    at_ns = do_step(step, service, stamp.span_id, at_ns, failing && random_.chance(60), depth);
  }
  stamp.end_ns = at_ns + jitter_ns(operation.typical_us / 8);
  const bool root = parent.is_zero();
  emit(choose(root ? operation.root_entry : operation.entry, failing), service, stamp);
  return stamp.end_ns;
}

uint64_t Workload::do_step(const Step& step, uint32_t service, SpanId parent, uint64_t at_ns,
                           bool failing, int depth) {
  Stamp stamp{trace_, new_span_id(), parent, at_ns, 0};
  const uint64_t own_ns = jitter_ns(step.typical_us);
  if (step.kind == Step::Kind::kCall) {
    const uint64_t network_ns = own_ns / 8;
    stamp.end_ns = walk(step.target_service, step.target_operation, stamp.span_id,
                        at_ns + network_ns, failing, depth + 1) +
                   network_ns;
  } else {
    stamp.end_ns = at_ns + own_ns;
  }
  emit(choose(step.span, failing), service, stamp);
  if (step.kind == Step::Kind::kPublish) {
    // The consumer works on its own time.
    walk(step.target_service, step.target_operation, stamp.span_id, stamp.end_ns + own_ns, failing,
         depth + 1);
  }
  return stamp.end_ns + own_ns / 32;
}

void Workload::emit(const SpanTemplate& span, uint32_t service, const Stamp& stamp) {
  ++trace_spans_;
  const bool collected = options_.kind == Kind::kC;
  const uint32_t pod =
      collected ? static_cast<uint32_t>(stamp.trace_id.bytes[service % 16]) % kPods : 0;
  auto& queue = queues_[collected ? 0 : service];
  queue.push_back({&span, service * kPods + pod, stamp});
  if (queue.size() >= options_.spans_per_batch) write_batch(queue);
}

void Workload::write_extra(std::string& out) {
  out.clear();
  for (uint32_t count = random_.below(4); count > 0; --count) {
    const uint32_t which = random_.below(static_cast<uint32_t>(catalogue_.extra_attributes.size()));
    const std::string& attribute = catalogue_.extra_attributes[which];
    if (out.find(attribute) == std::string::npos) out += attribute;
  }
}

void Workload::write_group(const Pending* begin, const Pending* end, std::string& out) {
  const Service& service = catalogue_.services[begin->resource / kPods];
  const std::string& resource = service.resources[begin->resource % kPods];
  spans_.clear();
  for (const Pending* pending = begin; pending != end; ++pending) {
    if (options_.kind == Kind::kM) {
      write_extra(extra_);
      pending->span->stamp_messy(pending->stamp, random_, kDropPercent, extra_, spans_);
    } else {
      pending->span->stamp(pending->stamp, random_, spans_);
    }
  }
  const size_t scope_size = 1 + varint_size(service.scope.size()) + service.scope.size();
  const size_t scope_spans_size = scope_size + spans_.size();
  const size_t resource_size = 1 + varint_size(resource.size()) + resource.size();
  put_length(out, 1, resource_size + 1 + varint_size(scope_spans_size) + scope_spans_size);
  protobuf::put_bytes(out, 1, resource);
  put_length(out, 2, scope_spans_size);
  protobuf::put_bytes(out, 1, service.scope);
  out += spans_;
}

void Workload::write_batch(std::vector<Pending>& spans) {
  Batch batch;
  batch.spans = static_cast<uint32_t>(spans.size());
  batch.body.reserve(spans.size() * 512);
  std::stable_sort(spans.begin(), spans.end(),
                   [](const Pending& a, const Pending& b) { return a.resource < b.resource; });
  for (size_t begin = 0; begin < spans.size();) {
    size_t end = begin + 1;
    while (end < spans.size() && spans[end].resource == spans[begin].resource)
      ++end;
    write_group(spans.data() + begin, spans.data() + end, batch.body);
    begin = end;
  }
  spans.clear();
  ready_.push_back(std::move(batch));
}

}  // namespace weft::workload
