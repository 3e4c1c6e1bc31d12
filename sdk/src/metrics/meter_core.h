// The insides of a MeterProvider: its instruments by scope, the call-backs of observable ones, and
// the readers that export at an interval. Never freed; shutdown() ends the readers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <weft/metrics.h>

#include "../fork.h"
#include "instrument.h"

namespace weft::sdk_detail {

struct ScopeName {
  std::string name;
  std::string version;
  std::string schema_url;
  friend bool operator==(const ScopeName&, const ScopeName&) = default;
};

struct ObservedInstrument {
  std::uint32_t scope;
  InstrumentSpec spec;
  std::function<void(const Observer&)> observe;
};

// One scope of one provider, or of the process (then `core` is null, and instruments are bound
// when a provider is installed).
struct MeterHandle {
  MeterCore* core;
  std::uint32_t scope;  // at the provider, or in the list of the process
};

// The exporter, the schedule and the thread of one reader.
struct ReaderLane {
  std::unique_ptr<Exporter> exporter;
  std::string description;
  std::uint32_t interval_ms;
  std::uint32_t timeout_ms;
  std::unique_ptr<std::condition_variable> wake = std::make_unique<std::condition_variable>();
  std::unique_ptr<std::thread> thread;
  std::uint64_t flush_wanted = 0;
  std::uint64_t flush_done = 0;
  std::uint64_t failures = 0;
  bool stop = false;
  bool finished = false;
  std::atomic<bool> cancelled{false};
  RateLimit failure_messages;
};

struct MeterCore final : ForkParticipant {
  explicit MeterCore(MeterProviderConfig config);

  std::uint32_t find_scope(const ScopeName& name);
  MeterHandle* make_handle(std::uint32_t scope);
  // Null when the name is taken by another kind.
  InstrumentState* find_instrument(std::uint32_t scope, const InstrumentSpec& spec);
  const InstrumentHandle* make_instrument(std::uint32_t scope, const InstrumentSpec& spec);
  void add_observed(ObservedInstrument instrument);

  std::string collect(std::uint64_t* points);
  std::string prometheus(bool open_metrics);
  bool flush(std::int64_t deadline_ns) noexcept;
  bool shutdown(std::int64_t deadline_ns) noexcept;

  bool restart_wanted() const noexcept { return restart_wanted_.load(std::memory_order_relaxed); }
  [[gnu::cold]] void restart_after_fork() noexcept;

  void before_fork() noexcept override;
  void after_fork_in_parent() noexcept override;
  void after_fork_in_child() noexcept override;

 private:
  void start_readers() noexcept;
  void work(std::shared_ptr<ReaderLane> lane) noexcept;
  void export_once(ReaderLane& lane, std::unique_lock<std::mutex>& lock) noexcept;

  // A copy of the lists, so that collecting holds no lock over call-backs.
  struct Snapshot {
    std::vector<ScopeName> scopes;
    std::vector<InstrumentState*> instruments;
    std::vector<ObservedInstrument> observed;
  };
  Snapshot snapshot();
  // Asks the call-back of an observable instrument; the values are in a state of its own.
  std::unique_ptr<InstrumentState> observe(const ObservedInstrument& instrument);

  Resource resource_;
  std::uint32_t cardinality_limit_;
  ExemplarFilter exemplars_;
  std::uint64_t start_ns_;

  std::mutex mutex_;
  std::deque<ScopeName> scopes_;
  std::deque<MeterHandle> handles_;
  std::deque<InstrumentState> instruments_;
  std::deque<InstrumentHandle> instrument_handles_;
  std::vector<ObservedInstrument> observed_;

  std::mutex reader_mutex_;
  std::vector<std::shared_ptr<ReaderLane>> readers_;
  std::unique_ptr<std::condition_variable> progress_ = std::make_unique<std::condition_variable>();
  bool closed_ = false;
  bool ended_ = false;  // shutdown() has come to its end
  std::atomic<bool> restart_wanted_{false};
};

}  // namespace weft::sdk_detail
