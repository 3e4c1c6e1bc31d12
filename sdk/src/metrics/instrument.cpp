#include "instrument.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include "../attribute_encoder.h"
#include "../clock.h"
#include "../json_writer.h"
#include "cell_cache.h"
#include "meter_core.h"

namespace weft::sdk_detail {
namespace {

constexpr InstrumentHandle kNull{nullptr};
constexpr std::size_t kMaxAttributes = 64;
constexpr std::size_t kMaxValueCharacters = 1024;

// Attributes of NumberDataPoint are field 7, of HistogramDataPoint field 9.
unsigned attributes_field(InstrumentKind kind) noexcept {
  return kind == InstrumentKind::kHistogram ? 9 : 7;
}

// The attributes that count: sorted by key, the last of equal keys, at most kMaxAttributes.
class SortedSet {
 public:
  explicit SortedSet(Attributes attributes) noexcept {
    for (const Attribute& a : attributes) {
      if (!a.key.empty()) add(a);
    }
  }
  std::span<const Attribute* const> view() const noexcept { return {sorted_, count_}; }

 private:
  void add(const Attribute& a) noexcept {
    std::size_t at = 0;
    while (at < count_ && sorted_[at]->key < a.key)
      ++at;
    if (at < count_ && sorted_[at]->key == a.key) {
      sorted_[at] = &a;
      return;
    }
    if (count_ == kMaxAttributes) return;
    for (std::size_t i = count_; i > at; --i)
      sorted_[i] = sorted_[i - 1];
    sorted_[at] = &a;
    ++count_;
  }
  const Attribute* sorted_[kMaxAttributes];
  std::size_t count_ = 0;
};

// The set in one form whatever its order: encoded. Written to `stack` when it fits there, else to
// `heap`.
std::string_view canonical(const SortedSet& set, unsigned field, char* stack,
                           std::size_t stack_size, std::string& heap) {
  std::size_t size = 0;
  bool fit = true;
  for (const Attribute* a : set.view()) {
    fit = fit && is_fit(*a, kMaxValueCharacters);
    size += key_value_field_size(a->key, any_value_size(a->value));
  }
  if (fit && size <= stack_size) {
    char* p = stack;
    for (const Attribute* a : set.view())
      p = put_key_value_field(p, len_tag(field), a->key, a->value, any_value_size(a->value));
    return {stack, size};
  }
  for (const Attribute* a : set.view()) {
    append_attributes(heap, field, std::span<const Attribute>(a, 1), 1, kMaxValueCharacters);
  }
  return heap;
}

std::string label_text(const AttributeValue& value) {
  char text[32];
  std::string out;
  auto number = [&](double d) {
    return std::string(text, std::to_chars(text, text + sizeof(text), d).ptr);
  };
  switch (value.type()) {
    case AttributeValue::Type::kString:
      return std::string(value.string());
    case AttributeValue::Type::kBool:
      return value.boolean() ? "true" : "false";
    case AttributeValue::Type::kInt:
      return std::to_string(value.integer());
    case AttributeValue::Type::kDouble:
      return number(value.floating());
    case AttributeValue::Type::kBytes:
      append_base64(out, {reinterpret_cast<const char*>(value.bytes().data()), value.size()});
      return out;
    case AttributeValue::Type::kBoolArray:
      for (const bool v : value.bools())
        out += v ? ",true" : ",false";
      break;
    case AttributeValue::Type::kIntArray:
      for (const auto v : value.ints())
        out += "," + std::to_string(v);
      break;
    case AttributeValue::Type::kDoubleArray:
      for (const auto v : value.doubles())
        out += "," + number(v);
      break;
    case AttributeValue::Type::kStringArray:
      for (const auto v : value.strings())
        out.append(",").append(v);
      break;
  }
  return out.empty() ? "[]" : "[" + out.substr(1) + "]";
}

std::unique_ptr<MetricCell> make_cell(InstrumentState& owner, std::string_view encoded,
                                      const SortedSet& set) {
  auto cell = std::make_unique<MetricCell>();
  cell->owner = &owner;
  cell->attributes = encoded;
  AttributeFitter fitter;
  for (const Attribute* a : set.view()) {
    const Attribute fitted = fitter.fit(*a, kMaxValueCharacters);
    cell->labels.emplace_back(fitted.key, label_text(fitted.value));
  }
  if (owner.spec.kind == InstrumentKind::kHistogram) {
    cell->buckets.resize(owner.spec.boundaries.size() + 1);
    cell->exemplars.resize(cell->buckets.size());
  } else {
    cell->exemplars.resize(1);
  }
  return cell;
}

// `time_ns` 0: now.
[[gnu::always_inline]] inline void keep_exemplar(MetricCell& cell, std::size_t slot, double value,
                                                 std::uint64_t time_ns,
                                                 const ContextWords& ambient) noexcept {
  switch (cell.owner->exemplars) {
    case ExemplarFilter::kAlwaysOff:
      return;
    case ExemplarFilter::kTraceBased:
      if ((ambient.flags & kFlagSampled) == 0 || ambient.span_id == 0) return;
      break;
    case ExemplarFilter::kAlwaysOn:
      break;
  }
  ExemplarSlot& exemplar = cell.exemplars[slot];
  if (time_ns == 0) time_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_REALTIME_COARSE));
  exemplar = {value, time_ns, {ambient.trace_id[0], ambient.trace_id[1]}, ambient.span_id, true};
}

bool wants_exemplar(const MetricCell& cell) noexcept {
  return cell.owner->exemplars == ExemplarFilter::kAlwaysOn ||
         (cell.owner->exemplars == ExemplarFilter::kTraceBased &&
          (ambient_context.flags & kFlagSampled) != 0);
}

[[gnu::noinline]] std::size_t find_bucket(const std::vector<double>& bounds,
                                          double value) noexcept {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                                  bounds.begin());
}

[[gnu::always_inline]] inline void record_histogram(MetricCell& cell, double value,
                                                    std::uint64_t time_ns,
                                                    const ContextWords& ambient) noexcept {
  if (std::isnan(value)) return;
  const auto& bounds = cell.owner->spec.boundaries;
  const std::lock_guard lock(cell);
  // Where the measurement before it was, more often than not.
  std::size_t bucket = cell.last_bucket;
  if ((bucket != bounds.size() && value > bounds[bucket]) ||
      (bucket != 0 && value <= bounds[bucket - 1])) {
    bucket = find_bucket(bounds, value);
    cell.last_bucket = bucket;
  }
  ++cell.buckets[bucket];
  cell.sum += value;
  cell.min = cell.count == 0 ? value : std::min(cell.min, value);
  cell.max = cell.count == 0 ? value : std::max(cell.max, value);
  ++cell.count;
  keep_exemplar(cell, bucket, value, time_ns, ambient);
}

template <class T>
void record_value(MetricCell& cell, T value) noexcept {
  InstrumentState& owner = *cell.owner;
  if (owner.meter->restart_wanted()) owner.meter->restart_after_fork();
  if (owner.spec.kind == InstrumentKind::kHistogram) {
    record_histogram(cell, static_cast<double>(value), 0, ambient_context);
    return;
  }
  // A sum that NaN is added to stays NaN for good.
  const bool is_sum = owner.spec.kind != InstrumentKind::kGauge;
  if ((owner.spec.kind == InstrumentKind::kCounter && value < 0) ||
      (is_sum && std::isnan(static_cast<double>(value)))) {
    if (owner.ignored_messages.allow()) {
      diagnose(DiagnosticLevel::kWarn,
               owner.spec.name + ": an addition of " + std::to_string(value) + " is ignored");
    }
    return;
  }
  if (owner.spec.is_double) {
    const auto d = static_cast<double>(value);
    if (owner.spec.kind == InstrumentKind::kGauge) {
      cell.value.store(std::bit_cast<std::uint64_t>(d), std::memory_order_relaxed);
    } else {
      std::uint64_t old = cell.value.load(std::memory_order_relaxed);
      while (!cell.value.compare_exchange_weak(
          old, std::bit_cast<std::uint64_t>(std::bit_cast<double>(old) + d),
          std::memory_order_relaxed)) {
      }
    }
  } else {
    const auto bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    if (owner.spec.kind == InstrumentKind::kGauge) {
      cell.value.store(bits, std::memory_order_relaxed);
    } else {
      cell.value.fetch_add(bits, std::memory_order_relaxed);
    }
  }
  if (!cell.touched.load(std::memory_order_relaxed)) {
    cell.touched.store(true, std::memory_order_relaxed);
  }
  if (wants_exemplar(cell)) {
    const std::lock_guard lock(cell);
    keep_exemplar(cell, 0, static_cast<double>(value), 0, ambient_context);
  }
}

template <class T>
void record_by_attributes(const InstrumentHandle* handle, T value, Attributes attributes) noexcept {
  InstrumentState* state = state_of(handle);
  if (state == nullptr) return;
  const CellCache::Key key(attributes);
  MetricCell* cell = key.usable() ? CellCache::find(state, key) : nullptr;
  if (cell == nullptr) {
    cell = state->find(attributes);
    if (cell == nullptr) return;
    if (key.usable()) CellCache::keep(state, key, cell);
  }
  record_value(*cell, value);
}

}  // namespace

void MetricCell::wait() noexcept {
  do {
    for (int spins = 0; locked.load(std::memory_order_relaxed); ++spins) {
      if (spins > 100) sched_yield();
    }
  } while (locked.exchange(true, std::memory_order_acquire));
}

MetricCell* InstrumentState::find(Attributes attributes) noexcept {
  try {
    char stack[768];
    std::string heap;
    const SortedSet set(attributes);
    std::string_view key = canonical(set, attributes_field(spec.kind), stack, sizeof(stack), heap);
    auto look_up = [this](std::string_view encoded) -> Shard& {
      return shards[TextHash()(encoded) >> 8 & (kShards - 1)];
    };
    {
      Shard& shard = look_up(key);
      const std::lock_guard lock(shard.mutex);
      const auto found = shard.cells.find(key);
      if (found != shard.cells.end()) return found->second.get();
      // The limit counts the overflow's own set.
      if (sets.fetch_add(1, std::memory_order_relaxed) + 1 < max_sets) {
        return shard.cells.emplace(std::string(key), make_cell(*this, key, set))
            .first->second.get();
      }
      sets.fetch_sub(1, std::memory_order_relaxed);
    }
    if (overflow_messages.allow()) {
      diagnose(DiagnosticLevel::kWarn,
               "instrument " + spec.name + " has more than " + std::to_string(max_sets) +
                   " sets of attributes; further ones are counted under otel.metric.overflow");
    }
    const Attribute overflow{"otel.metric.overflow", true};
    const SortedSet overflow_set(std::span<const Attribute>(&overflow, 1));
    heap.clear();
    key = canonical(overflow_set, attributes_field(spec.kind), stack, sizeof(stack), heap);
    Shard& shard = look_up(key);
    const std::lock_guard lock(shard.mutex);
    auto& cell = shard.cells[std::string(key)];
    if (cell == nullptr) cell = make_cell(*this, key, overflow_set);
    return cell.get();
  } catch (const std::exception&) {
    return nullptr;
  }
}

const InstrumentHandle* null_instrument() noexcept {
  return &kNull;
}

void record(const InstrumentHandle* handle, double value, Attributes attributes) noexcept {
  record_by_attributes(handle, value, attributes);
}
void record(const InstrumentHandle* handle, std::int64_t value, Attributes attributes) noexcept {
  record_by_attributes(handle, value, attributes);
}
void record(MetricCell* cell, double value) noexcept {
  record_value(*cell, value);
}
void record(MetricCell* cell, std::int64_t value) noexcept {
  record_value(*cell, value);
}

void record_under(MetricCell& cell, double value, std::uint64_t time_ns,
                  const ContextWords& context) noexcept {
  MeterCore& meter = *cell.owner->meter;
  if (meter.restart_wanted()) meter.restart_after_fork();
  record_histogram(cell, value, time_ns, context);
}

MetricCell* bind(const InstrumentHandle* handle, Attributes attributes) noexcept {
  InstrumentState* state = state_of(handle);
  return state == nullptr ? nullptr : state->find(attributes);
}

}  // namespace weft::sdk_detail
