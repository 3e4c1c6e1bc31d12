#include "meter_core.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "../attribute_encoder.h"
#include "../clock.h"
#include "../protobuf_writer.h"
#include "prometheus_text.h"

namespace weft::sdk_detail {
namespace {

constexpr std::uint64_t kCumulative = 2;
constexpr std::size_t kMaxInstruments = 10000;

std::chrono::steady_clock::time_point to_time_point(std::int64_t monotonic) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(monotonic));
}

// `start_ns` is that of its data point: the coarse clock which dates exemplars is some milliseconds
// behind, and nothing was measured before the start.
std::string encode_exemplar(const ExemplarSlot& e, bool is_double, std::uint64_t start_ns) {
  std::string out;
  append_fixed64(out, 2, std::max(e.time_ns, start_ns));
  if (is_double) {
    append_double(out, 3, e.value);
  } else {
    append_fixed64(out, 6, static_cast<std::uint64_t>(static_cast<std::int64_t>(e.value)));
  }
  if (e.span_id != 0) {
    append_len(out, 4, {reinterpret_cast<const char*>(&e.span_id), 8});
    append_len(out, 5, {reinterpret_cast<const char*>(e.trace_id), 16});
  }
  return out;
}

// A NumberDataPoint or HistogramDataPoint; empty when nothing was recorded.
std::string encode_point(MetricCell& cell, const InstrumentSpec& spec, std::uint64_t start_ns,
                         std::uint64_t now_ns) {
  std::string out;
  const std::lock_guard lock(cell);
  if (spec.kind != InstrumentKind::kHistogram) {
    if (!cell.touched.load(std::memory_order_relaxed)) return out;
    if (spec.kind != InstrumentKind::kGauge) append_fixed64(out, 2, start_ns);
    append_fixed64(out, 3, now_ns);
    append_fixed64(out, spec.is_double ? 4 : 6, cell.value.load(std::memory_order_relaxed));
    for (const ExemplarSlot& e : cell.exemplars) {
      if (e.used) append_len(out, 5, encode_exemplar(e, spec.is_double, start_ns));
    }
    return out + cell.attributes;
  }
  if (cell.count == 0) return out;
  append_fixed64(out, 2, start_ns);
  append_fixed64(out, 3, now_ns);
  append_fixed64(out, 4, cell.count);
  append_double(out, 5, cell.sum);
  append_len(out, 6,
             {reinterpret_cast<const char*>(cell.buckets.data()),
              cell.buckets.size() * sizeof(std::uint64_t)});
  append_len(out, 7,
             {reinterpret_cast<const char*>(spec.boundaries.data()),
              spec.boundaries.size() * sizeof(double)});
  for (const ExemplarSlot& e : cell.exemplars) {
    if (e.used) append_len(out, 8, encode_exemplar(e, true, start_ns));
  }
  append_double(out, 11, cell.min);
  append_double(out, 12, cell.max);
  return out + cell.attributes;
}

// A Metric message; empty when it has no data points.
std::string encode_metric(InstrumentState& state, std::uint64_t start_ns, std::uint64_t now_ns,
                          std::uint64_t& points) {
  const InstrumentSpec& spec = state.spec;
  std::string data;
  state.for_each_cell([&](MetricCell& cell) {
    const std::string point = encode_point(cell, spec, start_ns, now_ns);
    if (point.empty()) return;
    append_len(data, 1, point);
    ++points;
  });
  if (data.empty()) return data;
  unsigned field = 5;  // gauge
  if (spec.kind == InstrumentKind::kHistogram) {
    field = 9;
    append_uint(data, 2, kCumulative);
  } else if (spec.kind != InstrumentKind::kGauge) {
    field = 7;  // sum
    append_uint(data, 2, kCumulative);
    if (spec.kind == InstrumentKind::kCounter) append_uint(data, 3, 1);
  }
  std::string metric;
  append_len(metric, 1, spec.name);
  if (!spec.description.empty()) append_len(metric, 2, spec.description);
  if (!spec.unit.empty()) append_len(metric, 3, spec.unit);
  append_len(metric, field, data);
  return metric;
}

}  // namespace

MeterCore::MeterCore(MeterProviderConfig config)
    : resource_(std::move(config.resource)),
      cardinality_limit_(std::max(config.cardinality_limit, 2U)),
      exemplars_(config.exemplars) {
  refresh_wall_offset();
  start_ns_ = wall_now_ns();
  for (MeterReader& reader : config.readers) {
    if (reader.exporter == nullptr || readers_.size() == 16) continue;
    auto lane = std::make_shared<ReaderLane>();
    lane->description = reader.exporter->description();
    lane->exporter = std::move(reader.exporter);
    lane->interval_ms = std::max(reader.interval_ms, 1U);
    lane->timeout_ms = std::max(reader.timeout_ms, 1U);
    readers_.push_back(std::move(lane));
  }
  const std::lock_guard lock(reader_mutex_);
  start_readers();
}

std::uint32_t MeterCore::find_scope(const ScopeName& name) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(scopes_.begin(), scopes_.end(), name);
  if (found != scopes_.end()) return static_cast<std::uint32_t>(found - scopes_.begin());
  if (scopes_.size() >= 1000) return 0;
  scopes_.push_back(name);
  return static_cast<std::uint32_t>(scopes_.size() - 1);
}

MeterHandle* MeterCore::make_handle(std::uint32_t scope) {
  const std::lock_guard lock(mutex_);
  for (MeterHandle& handle : handles_) {
    if (handle.scope == scope) return &handle;
  }
  return &handles_.emplace_back(MeterHandle{this, scope});
}

InstrumentState* MeterCore::find_instrument(std::uint32_t scope, const InstrumentSpec& spec) {
  const std::lock_guard lock(mutex_);
  for (InstrumentState& i : instruments_) {
    if (i.scope != scope || i.spec.name != spec.name) continue;
    if (i.spec.kind == spec.kind && i.spec.is_double == spec.is_double) return &i;
    static RateLimit limit;  // a program may well ask for it every time
    if (limit.allow()) {
      diagnose(DiagnosticLevel::kError, "instrument " + spec.name +
                                            " exists with another kind or type; what is recorded "
                                            "under the second one is ignored");
    }
    return nullptr;
  }
  if (instruments_.size() >= kMaxInstruments) {
    diagnose(DiagnosticLevel::kError,
             "more than 10000 instruments; " + spec.name + " records nothing");
    return nullptr;
  }
  InstrumentState& made = instruments_.emplace_back();
  made.spec = spec;
  made.meter = this;
  made.scope = scope;
  made.max_sets = cardinality_limit_;
  made.exemplars = exemplars_;
  return &made;
}

const InstrumentHandle* MeterCore::make_instrument(std::uint32_t scope,
                                                   const InstrumentSpec& spec) {
  InstrumentState* state = find_instrument(scope, spec);
  if (state == nullptr) return null_instrument();
  const std::lock_guard lock(mutex_);
  // A program may well ask for its instrument every time.
  for (const InstrumentHandle& handle : instrument_handles_) {
    if (handle.state == state) return &handle;
  }
  return &instrument_handles_.emplace_back(InstrumentHandle{state});
}

void MeterCore::add_observed(ObservedInstrument instrument) {
  const std::lock_guard lock(mutex_);
  if (observed_.size() < kMaxInstruments) observed_.push_back(std::move(instrument));
}

MeterCore::Snapshot MeterCore::snapshot() {
  const std::lock_guard lock(mutex_);
  Snapshot out;
  out.scopes.assign(scopes_.begin(), scopes_.end());
  for (InstrumentState& i : instruments_)
    out.instruments.push_back(&i);
  out.observed = observed_;
  return out;
}

std::unique_ptr<InstrumentState> MeterCore::observe(const ObservedInstrument& instrument) {
  auto state = std::make_unique<InstrumentState>();
  state->spec = instrument.spec;
  state->meter = this;
  state->scope = instrument.scope;
  state->max_sets = cardinality_limit_;
  state->exemplars = ExemplarFilter::kAlwaysOff;
  try {
    instrument.observe([&](double value, Attributes attributes) {
      MetricCell* cell = state->find(attributes);
      if (cell == nullptr) return;
      cell->value.store(std::bit_cast<std::uint64_t>(value), std::memory_order_relaxed);
      cell->touched.store(true, std::memory_order_relaxed);
    });
  } catch (const std::exception& e) {
    diagnose(DiagnosticLevel::kError,
             "the call-back of instrument " + instrument.spec.name + " threw: " + e.what());
  }
  return state;
}

std::string MeterCore::collect(std::uint64_t* points) {
  const Snapshot lists = snapshot();
  const std::uint64_t now = wall_now_ns();
  std::uint64_t count = 0;
  std::vector<std::string> metrics(lists.scopes.size());
  for (InstrumentState* i : lists.instruments) {
    const std::string metric = encode_metric(*i, start_ns_, now, count);
    if (!metric.empty()) append_len(metrics[i->scope], 2, metric);
  }
  for (const ObservedInstrument& o : lists.observed) {
    const auto state = observe(o);
    const std::string metric = encode_metric(*state, start_ns_, now, count);
    if (!metric.empty()) append_len(metrics[o.scope], 2, metric);
  }
  std::string resource_metrics;
  append_len(resource_metrics, 1, resource_.encode());
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (metrics[i].empty()) continue;
    std::string scope;
    if (!lists.scopes[i].name.empty()) append_len(scope, 1, lists.scopes[i].name);
    if (!lists.scopes[i].version.empty()) append_len(scope, 2, lists.scopes[i].version);
    std::string scope_metrics;
    append_len(scope_metrics, 1, scope);
    scope_metrics += metrics[i];
    if (!lists.scopes[i].schema_url.empty()) {
      append_len(scope_metrics, 3, lists.scopes[i].schema_url);
    }
    append_len(resource_metrics, 2, scope_metrics);
  }
  if (!resource_.schema_url().empty()) append_len(resource_metrics, 3, resource_.schema_url());
  if (points != nullptr) *points = count;
  std::string request;
  if (count != 0) append_len(request, 1, resource_metrics);
  return request;
}

std::string MeterCore::prometheus(bool open_metrics) {
  const Snapshot lists = snapshot();
  PrometheusText text(open_metrics);
  text.add_resource(resource_);
  for (InstrumentState* i : lists.instruments)
    text.add(*i, lists.scopes[i->scope]);
  for (const ObservedInstrument& o : lists.observed) {
    const auto state = observe(o);
    text.add(*state, lists.scopes[o.scope]);
  }
  return text.finish();
}

// ---- readers; everything below under reader_mutex_

void MeterCore::start_readers() noexcept {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (const auto& lane : readers_) {
    try {
      lane->thread = std::make_unique<std::thread>([this, lane] { work(lane); });
      pthread_setname_np(lane->thread->native_handle(), "weft-metrics");
    } catch (const std::exception& e) {
      diagnose(DiagnosticLevel::kError,
               "cannot start the reader of " + lane->description + ": " + e.what());
      lane->finished = true;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void MeterCore::work(std::shared_ptr<ReaderLane> lane) noexcept {
  std::unique_lock lock(reader_mutex_);
  const std::int64_t interval_ns = lane->interval_ms * kNsPerMs;
  std::int64_t due_ns = monotonic_ns() + interval_ns;
  while (true) {
    const bool due = monotonic_ns() >= due_ns;
    if (due || lane->stop || lane->flush_wanted != lane->flush_done) {
      const std::uint64_t wanted = lane->flush_wanted;
      export_once(*lane, lock);
      lane->flush_done = wanted;
      if (due) due_ns += ((monotonic_ns() - due_ns) / interval_ns + 1) * interval_ns;
      progress_->notify_all();
      if (lane->stop) break;
    } else {
      lane->wake->wait_until(lock, to_time_point(due_ns));
    }
  }
  lock.unlock();
  lane->exporter->shutdown();
  lock.lock();
  lane->finished = true;
  progress_->notify_all();
}

void MeterCore::export_once(ReaderLane& lane, std::unique_lock<std::mutex>& lock) noexcept {
  lock.unlock();
  refresh_wall_offset();  // there need not be any other worker to do it
  ExportResult result;
  try {
    std::uint64_t points = 0;
    const std::string request = collect(&points);
    if (points != 0) {
      const std::int64_t deadline = monotonic_ns() + lane.timeout_ms * kNsPerMs;
      const std::string_view whole = request;
      result =
          lane.exporter->send({Signal::kMetrics, {&whole, 1}, points, deadline, lane.cancelled});
    }
  } catch (const std::exception& e) {
    result = {ExportOutcome::kGaveUp, 0, e.what()};
  }
  lock.lock();
  if (result.outcome == ExportOutcome::kDelivered && result.rejected == 0) return;
  ++lane.failures;
  if (lane.failure_messages.allow()) {
    diagnose(DiagnosticLevel::kError, lane.description + ": metrics were not taken: " +
                                          (result.message.empty() ? "shut down" : result.message));
  }
}

bool MeterCore::flush(std::int64_t deadline_ns) noexcept {
  if (restart_wanted()) restart_after_fork();
  std::unique_lock lock(reader_mutex_);
  struct Waiting {
    std::shared_ptr<ReaderLane> lane;
    std::uint64_t wanted, failures;
  };
  std::vector<Waiting> waiting;
  for (const auto& lane : readers_) {
    waiting.push_back({lane, ++lane->flush_wanted, lane->failures});
    lane->wake->notify_one();
  }
  const bool done = progress_->wait_until(lock, to_time_point(deadline_ns), [&] {
    return std::all_of(waiting.begin(), waiting.end(), [](const Waiting& w) {
      return w.lane->flush_done >= w.wanted || w.lane->finished;
    });
  });
  return done && std::all_of(waiting.begin(), waiting.end(),
                             [](const Waiting& w) { return w.lane->failures == w.failures; });
}

bool MeterCore::shutdown(std::int64_t deadline_ns) noexcept {
  std::unique_lock lock(reader_mutex_);
  if (std::exchange(closed_, true)) {
    // Whoever came first may still be at it: the program may end when this returns.
    return progress_->wait_until(lock, to_time_point(deadline_ns), [this] { return ended_; });
  }
  std::uint64_t failures_before = 0;
  for (const auto& lane : readers_) {
    lane->stop = true;
    failures_before += lane->failures;
    if (restart_wanted()) lane->finished = true;  // forked, and no thread was ever started here
    lane->wake->notify_one();
  }
  auto all_finished = [this] {
    return std::all_of(readers_.begin(), readers_.end(),
                       [](const auto& lane) { return lane->finished; });
  };
  const bool in_time = progress_->wait_until(lock, to_time_point(deadline_ns), all_finished);
  if (!in_time) {
    for (const auto& lane : readers_)
      lane->cancelled.store(true);
    progress_->wait_until(lock, to_time_point(monotonic_ns() + 500 * kNsPerMs), all_finished);
  }
  std::uint64_t failures_after = 0;
  const auto lanes = std::exchange(readers_, {});
  std::vector<bool> finished;
  for (const auto& lane : lanes) {
    failures_after += lane->failures;
    finished.push_back(lane->finished);
  }
  lock.unlock();
  {
    const std::lock_guard lists(mutex_);
    observed_.clear();  // their call-backs may point into what is going away
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (lanes[i]->thread == nullptr) continue;
    finished[i] ? lanes[i]->thread->join() : lanes[i]->thread->detach();
  }
  lock.lock();
  ended_ = true;
  progress_->notify_all();
  lock.unlock();  // before the exporters end, which are not ours to know
  return in_time && failures_after == failures_before;
}

// ---- fork

void MeterCore::before_fork() noexcept {
  mutex_.lock();
  reader_mutex_.lock();
  for (InstrumentState& i : instruments_) {
    for (auto& shard : i.shards)
      shard.mutex.lock();
  }
}

void MeterCore::after_fork_in_parent() noexcept {
  for (InstrumentState& i : instruments_) {
    for (auto& shard : i.shards)
      shard.mutex.unlock();
  }
  reader_mutex_.unlock();
  mutex_.unlock();
}

// The child counts from zero: what was counted before the fork is the parent's to report.
void MeterCore::after_fork_in_child() noexcept {
  for (InstrumentState& i : instruments_) {
    for (auto& shard : i.shards) {
      for (auto& [key, cell] : shard.cells) {
        cell->locked.store(false, std::memory_order_relaxed);
        cell->value.store(0, std::memory_order_relaxed);
        cell->touched.store(false, std::memory_order_relaxed);
        cell->sum = cell->min = cell->max = 0;
        cell->count = 0;
        std::fill(cell->buckets.begin(), cell->buckets.end(), 0);
        std::fill(cell->exemplars.begin(), cell->exemplars.end(), ExemplarSlot());
      }
      shard.mutex.unlock();
    }
  }
  start_ns_ = wall_now_ns();
  renew_after_fork(resource_);
  (void)progress_.release();
  progress_ = std::make_unique<std::condition_variable>();
  for (const auto& lane : readers_) {
    (void)lane->wake.release();
    lane->wake = std::make_unique<std::condition_variable>();
    (void)lane->thread.release();
    lane->flush_done = lane->flush_wanted;
    lane->exporter->after_fork_in_child();
  }
  // Threads start when the child records something: many children only exec.
  if (!readers_.empty()) restart_wanted_.store(true, std::memory_order_relaxed);
  ended_ = closed_;  // whoever was shutting down is not here
  reader_mutex_.unlock();
  mutex_.unlock();
}

void MeterCore::restart_after_fork() noexcept {
  const std::lock_guard lock(reader_mutex_);
  if (!restart_wanted_.exchange(false, std::memory_order_relaxed) || closed_) return;
  start_readers();
}

}  // namespace weft::sdk_detail
