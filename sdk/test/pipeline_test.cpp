// Queues, limits, flushes, exporters that hang, and forks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <weft/diagnostics.h>
#include <weft/logs.h>
#include <weft/metrics.h>
#include <weft/provider.h>

#include "collector.h"
#include "recording.h"

namespace {

using sdk_test::Recording;

// Holds every request until it is let go.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void wait_for_somebody() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ != 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

class GatedExporter final : public weft::Exporter {
 public:
  explicit GatedExporter(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  weft::ExportResult send(const weft::ExportRequest&) noexcept override {
    gate_->pass();
    return {};
  }
  std::string description() const override { return "gated"; }

 private:
  std::shared_ptr<Gate> gate_;
};

class CountingExporter final : public weft::Exporter {
 public:
  struct Counts {
    std::mutex mutex;
    std::vector<std::uint64_t> batches;
    bool shut_down = false;
  };
  explicit CountingExporter(std::shared_ptr<Counts> counts) : counts_(std::move(counts)) {}
  weft::ExportResult send(const weft::ExportRequest& request) noexcept override {
    const std::lock_guard lock(counts_->mutex);
    counts_->batches.push_back(request.items);
    return {};
  }
  void shutdown() noexcept override { counts_->shut_down = true; }
  std::string description() const override { return "counting"; }

 private:
  std::shared_ptr<Counts> counts_;
};

TEST(Pipeline, BatchesNoLargerThanAsked) {
  auto counts = std::make_shared<CountingExporter::Counts>();
  weft::TracerProviderConfig config;
  weft::BatchOptions batch;
  batch.max_export_batch_size = 100;
  batch.max_queue_size = 10'000;
  config.exporters.push_back({std::make_unique<CountingExporter>(counts), batch});
  weft::TracerProvider provider(std::move(config));
  for (int i = 0; i < 1234; ++i)
    (void)provider.tracer("t").start_span("s");
  EXPECT_TRUE(provider.force_flush());
  std::uint64_t total = 0;
  for (const std::uint64_t items : counts->batches) {
    EXPECT_LE(items, 100U);
    total += items;
  }
  EXPECT_EQ(total, 1234U);
  EXPECT_TRUE(provider.shutdown(30'000));
  EXPECT_TRUE(counts->shut_down);
  EXPECT_EQ(provider.stats().at(0).exported, 1234U);
}

TEST(Pipeline, SpansOfSeveralScopesAreSentWhereTheyLie) {
  // In turns, so that a scope's spans are not neighbours, and two in a row.
  auto storage = weft::MemoryExporter::make_storage();
  struct Pieces final : weft::Exporter {
    explicit Pieces(std::shared_ptr<weft::MemoryExporter::Storage> to) : memory(std::move(to)) {}
    weft::ExportResult send(const weft::ExportRequest& request) noexcept override {
      std::string all;
      for (const std::string_view piece : request.pieces) {
        EXPECT_FALSE(piece.empty());
        all += piece;
      }
      EXPECT_EQ(request.otlp(), all);
      EXPECT_EQ(request.otlp().data(), request.otlp().data());
      return memory.send(request);
    }
    std::string description() const override { return "pieces"; }
    weft::MemoryExporter memory;
  };
  weft::TracerProviderConfig config;
  config.sampler = weft::Sampler::always_on();
  config.exporters.push_back({std::make_unique<Pieces>(storage)});
  weft::TracerProvider provider(std::move(config));
  const weft::Tracer a = provider.tracer("a");
  const weft::Tracer b = provider.tracer("b", "1");
  std::multiset<std::string> wanted;
  for (int i = 0; i < 300; ++i) {
    (i % 3 == 0 ? b : a).start_span(std::to_string(i)).end();
    wanted.insert((i % 3 == 0 ? "b " : "a ") + std::to_string(i));
  }
  EXPECT_TRUE(provider.force_flush());
  std::multiset<std::string> found;
  for (const auto& span : sdk_test::decode_spans(storage->take(weft::Signal::kTraces)))
    found.insert(span.scope + " " + span.name);
  EXPECT_EQ(found, wanted);
}

TEST(Pipeline, ExportsByItselfAfterTheDelay) {
  auto counts = std::make_shared<CountingExporter::Counts>();
  weft::TracerProviderConfig config;
  weft::BatchOptions batch;
  batch.schedule_delay_ms = 20;
  config.exporters.push_back({std::make_unique<CountingExporter>(counts), batch});
  weft::TracerProvider provider(std::move(config));
  (void)provider.tracer("t").start_span("s");
  bool arrived = false;
  for (int i = 0; i < 1000 && !arrived; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const std::lock_guard lock(counts->mutex);
    arrived = !counts->batches.empty();
  }
  EXPECT_TRUE(arrived);
}

TEST(Pipeline, DropsAndCountsWhatTheQueueCannotHold) {
  auto gate = std::make_shared<Gate>();
  weft::TracerProviderConfig config;
  weft::BatchOptions batch;
  batch.max_queue_size = 100;
  batch.max_export_batch_size = 10;
  config.exporters.push_back({std::make_unique<GatedExporter>(gate), batch});
  weft::TracerProvider provider(std::move(config));
  const weft::Tracer tracer = provider.tracer("t");
  // The eleventh hands over the ten before it, which are a batch.
  for (int i = 0; i < 11; ++i)
    (void)tracer.start_span("first");
  gate->wait_for_somebody();
  for (int i = 0; i < 999; ++i)
    (void)tracer.start_span("s");
  gate->open();
  EXPECT_TRUE(provider.force_flush());
  const weft::ExporterStats stats = provider.stats().at(0);
  EXPECT_EQ(stats.exported + stats.dropped, 1010U);
  EXPECT_GE(stats.exported, 110U);
  EXPECT_LE(stats.exported, 130U);  // the queue, the batch under way, the chunk being filled
  EXPECT_EQ(stats.queued, 0U);
}

TEST(Pipeline, OneExporterThatHangsHarmsNoOther) {
  auto gate = std::make_shared<Gate>();
  auto counts = std::make_shared<CountingExporter::Counts>();
  weft::TracerProviderConfig config;
  config.exporters.push_back({std::make_unique<GatedExporter>(gate)});
  config.exporters.push_back({std::make_unique<CountingExporter>(counts)});
  weft::TracerProvider provider(std::move(config));
  for (int i = 0; i < 1500; ++i)
    (void)provider.tracer("t").start_span("s");
  EXPECT_FALSE(provider.force_flush(50));  // because of the one that hangs
  for (int i = 0; i < 6000 && provider.stats().at(1).exported != 1500; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(provider.stats().at(1).exported, 1500U);
  EXPECT_EQ(provider.stats().at(1).dropped, 0U);
  gate->open();
  EXPECT_TRUE(provider.shutdown(30'000));
}

TEST(Pipeline, ShutdownLeavesAnExporterThatNeverReturnsBehind) {
  auto gate = std::make_shared<Gate>();
  {
    weft::TracerProviderConfig config;
    config.exporters.push_back({std::make_unique<GatedExporter>(gate)});
    weft::TracerProvider provider(std::move(config));
    (void)provider.tracer("t").start_span("s");
    EXPECT_FALSE(provider.shutdown(50));
  }
  gate->open();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

TEST(Pipeline, ASecondShutdownWaitsForTheFirst) {
  auto gate = std::make_shared<Gate>();
  weft::TracerProviderConfig config;
  config.exporters.push_back({std::make_unique<GatedExporter>(gate)});
  weft::TracerProvider provider(std::move(config));
  (void)provider.tracer("t").start_span("s");
  std::thread first([&] { EXPECT_TRUE(provider.shutdown(60'000)); });
  gate->wait_for_somebody();
  EXPECT_FALSE(provider.shutdown(10));
  gate->open();
  EXPECT_TRUE(provider.shutdown(60'000));
  EXPECT_EQ(provider.stats().at(0).exported, 1U);
  first.join();
}

TEST(Pipeline, ThreadsThatEndLoseNothing) {
  Recording recording;
  std::vector<std::thread> threads;
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 7; ++i)
        (void)recording.tracer().start_span("s");
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(recording.take().size(), 140U);
}

TEST(Pipeline, FlushesWhileThreadsGoOn) {
  Recording recording;
  // So many that all of them fit the queue: nothing may be missing. Threads without an end would
  // make spans faster than they are decoded here, and each round would have more of them.
  constexpr int kThreads = 2;
  constexpr int kEach = 40'000;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i)
        recording.tracer().start_span("s").set("k", "v");
      running.fetch_sub(1);
    });
  }
  std::uint64_t seen = 0;
  while (running.load() != 0)
    seen += recording.take().size();
  for (auto& thread : threads)
    thread.join();
  seen += recording.take().size();
  EXPECT_EQ(seen, std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(recording.provider().stats().at(0).dropped, 0U);
}

TEST(Pipeline, ReportsWhatItDrops) {
  static std::string said;
  static std::mutex mutex;
  weft::set_diagnostic_handler([](weft::DiagnosticLevel, std::string_view message) {
    const std::lock_guard lock(mutex);
    said.append(message).append("\n");
  });
  {
    auto gate = std::make_shared<Gate>();
    weft::TracerProviderConfig config;
    weft::BatchOptions batch;
    batch.max_queue_size = 10;
    config.exporters.push_back({std::make_unique<GatedExporter>(gate), batch});
    weft::TracerProvider provider(std::move(config));
    for (int i = 0; i < 500; ++i)
      (void)provider.tracer("t").start_span("s");
    gate->open();
    provider.force_flush();
  }
  weft::set_diagnostic_handler(nullptr);
  EXPECT_THAT(said, testing::HasSubstr("raise OTEL_BSP_MAX_QUEUE_SIZE"));
}

TEST(Pipeline, SaysThatASpanIsLargerThanAnyQueue) {
  static std::string said;
  said.clear();
  weft::set_diagnostic_handler([](weft::DiagnosticLevel, std::string_view m) { said.append(m); });
  Recording recording([](weft::TracerProviderConfig& config) {
    config.exporters[0].batch.max_queue_bytes = 50'000;
  });
  recording.tracer().start_span("large").set("k", std::string(100'000, 'x'));
  recording.tracer().start_span("small").set("k", std::string(40'000, 'x'));
  EXPECT_EQ(recording.take().size(), 1U);
  EXPECT_EQ(recording.provider().stats().at(0).dropped, 1U);
  weft::set_diagnostic_handler(nullptr);
  EXPECT_THAT(said, testing::HasSubstr("max_queue_bytes"));
}

// Runs `body` in a child; true when it returned true.
template <class F>
bool in_child(F&& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class Fork : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer lets no child of a program with threads start one of its own";
#endif
  }
};

TEST_F(Fork, TheChildExportsItsOwnSpansAndNotItsParents) {
  auto storage = weft::MemoryExporter::make_storage();
  weft::TracerProviderConfig config;
  config.resource = weft::Resource::detect();
  config.exporters.push_back({std::make_unique<weft::MemoryExporter>(storage)});
  weft::TracerProvider provider(std::move(config));
  const weft::Tracer tracer = provider.tracer("t");
  tracer.start_span("parent's").set("x", 1);
  weft::Span open = tracer.start_span("open over the fork");
  const std::string parent_trace(open.context().trace_id().hex().view());
  const std::string parent_pid = std::to_string(getpid());
  EXPECT_TRUE(in_child([&] {
    open.end();
    (void)tracer.start_span("child's");
    if (!provider.force_flush(30'000)) return false;
    const auto spans = sdk_test::decode_spans(storage->take(weft::Signal::kTraces));
    return spans.size() == 1 && spans[0].name == "child's" && spans[0].trace_id != parent_trace &&
           spans[0].resource.at("process.pid") == std::to_string(getpid()) &&
           provider.shutdown(30'000);
  }));
  open.end();
  provider.force_flush();
  const auto spans = sdk_test::decode_spans(storage->take(weft::Signal::kTraces));
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].resource.at("process.pid"), parent_pid);
}

TEST_F(Fork, IdsDiffer) {
  Recording recording;
  (void)recording.tracer().start_span("seeds the generator");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_TRUE(in_child([&] {
    const auto id = recording.tracer().start_span("x").context().trace_id();
    return write(ends[1], id.bytes, 16) == 16;
  }));
  const auto mine = recording.tracer().start_span("x").context().trace_id();
  weft::TraceIdentifier theirs;
  ASSERT_EQ(read(ends[0], theirs.bytes, 16), 16);
  EXPECT_FALSE(mine == theirs);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Fork, WhileOtherThreadsAreBusyTheChildWorks) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the allocator of GCC 12's AddressSanitizer does not know of fork: when a thread "
                  "was allocating just then, the child waits for its lock for ever";
#endif
  Recording recording;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop.load())
        recording.tracer().start_span("busy").set("k", "v");
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(in_child([&] {
      alarm(120);  // a lock that nobody holds any more would hang
      (void)recording.tracer().start_span("child's");
      return recording.provider().force_flush(60'000);
    }));
  }
  stop.store(true);
  for (auto& thread : threads)
    thread.join();
}

TEST_F(Fork, ASpanThatAnotherThreadWasWritingToEndsInTheChild) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "as above";
#endif
  Recording recording;
  weft::Span span = recording.tracer().start_span("shared");
  auto scope = span.activate();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&stop, ref = weft::current_span()]() mutable {
      const std::string text(100'000, 'x');
      while (!stop.load())
        ref.set("text", text);
    });
  }
  bool good = true;
  for (int i = 0; i < 20 && good; ++i) {
    good = in_child([&] {
      alarm(60);  // a lock that nobody holds any more would hang
      span.set("k", "v").end();
      weft::Span next = recording.tracer().start_span("child's");
      next.set("k", "v");
      next.end();
      const auto spans = recording.take();
      return spans.size() == 1 && spans[0].name == "child's";
    });
  }
  EXPECT_TRUE(good);
  stop.store(true);
  for (auto& thread : threads)
    thread.join();
}

TEST_F(Fork, MetricsStartFromZeroInTheChild) {
  auto storage = weft::MemoryExporter::make_storage();
  weft::MeterProviderConfig config;
  config.readers.push_back({std::make_unique<weft::MemoryExporter>(storage)});
  weft::MeterProvider provider(std::move(config));
  const auto counter = provider.meter("m").counter("requests");
  counter.add(5);
  EXPECT_TRUE(in_child([&] {
    counter.add(2);
    if (!provider.force_flush(30'000)) return false;
    return provider.prometheus_text().find("requests_total{otel_scope_name=\"m\"} 2\n") !=
               std::string::npos &&
           provider.shutdown(30'000);
  }));
  EXPECT_THAT(provider.prometheus_text(),
              testing::HasSubstr("requests_total{otel_scope_name=\"m\"} 5\n"));
}

}  // namespace
