// What instrumentation costs, beside what the machine's own primitives cost at the same moment:
//   weft_sdk_bench            a table
//   weft_sdk_bench --json     the same for programs
//   weft_sdk_bench --only disabled|unsampled|recorded|propagation --count N
//                             runs one case N times and nothing else, for callgrind
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <weft/propagation.h>
#include <weft/provider.h>
#include <weft/tracer.h>

#include "measure.h"

namespace bench {
thread_local std::uint64_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++bench::allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace {

using bench::measure;
using bench::Sample;

constexpr int kMs = 400;

// Takes everything and looks at nothing: what is left is the library's own work.
class NullExporter final : public weft::Exporter {
 public:
  weft::ExportResult send(const weft::ExportRequest& request) noexcept override {
    for (const std::string_view piece : request.pieces) {
      bench::keep(piece.data());
      bytes_ += piece.size();
    }
    return {};
  }
  std::string description() const override { return "null"; }

 private:
  std::uint64_t bytes_ = 0;
};

weft::TracerProvider make_provider(weft::Sampler sampler, std::uint32_t queue,
                                   std::uint32_t batch) {
  weft::TracerProviderConfig config;
  config.resource = weft::Resource::from_environment();
  config.sampler = std::move(sampler);
  weft::BatchOptions options;
  options.max_queue_size = queue;
  options.max_export_batch_size = batch;
  options.max_queue_bytes = 1U << 30;
  config.exporters.push_back({std::make_unique<NullExporter>(), options});
  return weft::TracerProvider(std::move(config));
}

inline void one_span(const weft::Tracer& tracer) {
  weft::Span span = tracer.start_span("GET /login", weft::SpanKind::kServer);
  span.set("http.request.method", "GET");
  span.set("url.path", "/login/4f2a");
  span.set("http.route", "/login/{id}");
  span.set("http.response.status_code", 200);
  span.set("server.address", "login.example.org");
}

void spans(const weft::Tracer& tracer, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    one_span(tracer);
}

void bare_spans(const weft::Tracer& tracer, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) {
    weft::Span span = tracer.start_span("GET /login", weft::SpanKind::kServer);
    bench::keep(span);
  }
}

struct Row {
  std::string name;
  Sample one;
  Sample two;  // ns 0: not measured
  std::string goal;
  std::string note;
};

std::vector<Row> rows;

// How much of the work of one thread two do: by the clock on the wall, which includes what the
// machine takes away, and by the processor's time, which grows where the threads hinder each other.
std::string scaling(const Sample& one, const Sample& two) {
  char text[96];
  std::snprintf(text, sizeof(text), "2 threads do %.2f times the work, %.2f by processor time",
                2 * one.ns / two.ns, 2 * one.cpu_ns / two.cpu_ns);
  return text;
}

template <class Body>
void row(const char* name, const char* goal, int ms, std::uint64_t batch, Body body) {
  const Sample one = bench::measure_threads(1, ms, batch, body);
  const Sample two = bench::measure_threads(2, ms, batch, body);
  rows.push_back({name, one, two, goal, scaling(one, two)});
}

void floors() {
  // No memory is shared here: what is missing to 2 the machine has not.
  row("floor: clock_gettime", "", 200, 10000, [](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i)
      bench::keep(bench::now_ns());
  });
  std::mutex mutex;
  row("floor: mutex, locked and unlocked", "", 200, 10000, [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::lock_guard guard(mutex);
      bench::keep(i);
    }
  });
  std::atomic<std::uint64_t> counter{0};
  row("floor: shared atomic addition", "", 200, 10000, [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i)
      counter.fetch_add(1);
  });
}

// Spans made without a pause while the exporter's thread takes them: three threads, when two make
// spans.
Sample flat_out(const weft::TracerProvider& provider, int threads, double& exporter_cpu_ns) {
  const weft::Tracer tracer = provider.tracer("bench");
  const std::uint64_t exported = provider.stats()[0].exported;
  std::atomic<std::int64_t> own_cpu{0};
  std::vector<Sample> samples(static_cast<std::size_t>(threads));
  const std::int64_t cpu = bench::process_cpu_ns();
  bench::run_threads(threads, [&](int i) {
    const std::int64_t start = bench::thread_cpu_ns();
    samples[static_cast<std::size_t>(i)] =
        measure(2 * kMs, 1000, [&](std::uint64_t n) { spans(tracer, n); });
    own_cpu += bench::thread_cpu_ns() - start;
  });
  exporter_cpu_ns = static_cast<double>(bench::process_cpu_ns() - cpu - own_cpu) /
                    static_cast<double>(provider.stats()[0].exported - exported);
  return bench::mean_of(samples);
}

// A million spans a second and thread, a thousand at the start of each millisecond. Returns what
// was reached, in spans a second of all threads.
double paced(const weft::TracerProvider& provider, int threads) {
  const weft::Tracer tracer = provider.tracer("bench");
  constexpr int kMilliseconds = 1000;
  std::atomic<std::int64_t> longest{0};
  bench::run_threads(threads, [&](int) {
    const std::int64_t start = bench::now_ns();
    for (int i = 0; i < kMilliseconds; ++i) {
      const std::int64_t due = start + std::int64_t{i} * 1'000'000;
      // Asleep, not spinning: the exporter needs a processor too.
      const timespec until{due / 1'000'000'000, due % 1'000'000'000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      spans(tracer, 1000);
    }
    const std::int64_t took = bench::now_ns() - start;
    std::int64_t before = longest.load();
    while (took > before && !longest.compare_exchange_weak(before, took)) {
    }
  });
  return 1e9 * 1000 * kMilliseconds * threads / static_cast<double>(longest.load());
}

void exporter_flat_out() {
  auto provider = make_provider(weft::Sampler::always_on(), 65536, 512);
  double exporter_one = 0;
  double exporter_two = 0;
  const Sample one = flat_out(provider, 1, exporter_one);
  const Sample two = flat_out(provider, 2, exporter_two);
  provider.force_flush(10000);
  char note[128];
  std::snprintf(note, sizeof(note), "; the exporter's thread takes %.0f and %.0f ns a span",
                exporter_one, exporter_two);
  const std::uint64_t unpaced = provider.stats()[0].dropped;
  rows.push_back({"the same, exporter flat out", one, two, "<= 200",
                  scaling(one, two) + note + "; " + std::to_string(unpaced) + " dropped"});
  const double rate_one = paced(provider, 1) / 1e6;
  provider.force_flush(10000);
  const std::uint64_t dropped_one = provider.stats()[0].dropped - unpaced;
  const double rate_two = paced(provider, 2) / 1e6;
  provider.force_flush(10000);
  const std::uint64_t dropped_two = provider.stats()[0].dropped - unpaced - dropped_one;
  std::snprintf(note, sizeof(note),
                "%.2f M spans/s from one thread: %llu dropped; %.2f M from two: %llu dropped",
                rate_one, static_cast<unsigned long long>(dropped_one), rate_two,
                static_cast<unsigned long long>(dropped_two));
  rows.push_back({"1 M spans/s a thread", {}, {}, "0 dropped", note});
}

void tracing() {
  const weft::Tracer disabled = weft::tracer("bench");
  row("no provider", "<= 3", kMs, 100000, [&](std::uint64_t n) { bare_spans(disabled, n); });

  auto off = make_provider(weft::Sampler::always_off(), 2048, 512);
  const weft::Tracer unsampled = off.tracer("bench");
  row("not sampled, 5 attributes", "<= 15", kMs, 20000,
      [&](std::uint64_t n) { spans(unsampled, n); });

  // Bursts that fit the queue, flushed between the timings: the cost to the caller alone.
  auto on = make_provider(weft::Sampler::always_on(), 1U << 20, 1U << 19);
  const weft::Tracer recorded = on.tracer("bench");
  constexpr std::uint64_t kBurst = 400;
  auto body = [&](std::uint64_t n) { spans(recorded, n); };
  auto flush = [&] { on.force_flush(10000); };
  const Sample one = bench::measure_in_step(1, 2 * kMs, kBurst, body, flush);
  const Sample two = bench::measure_in_step(2, 2 * kMs, kBurst, body, flush);
  char note[64];
  std::snprintf(note, sizeof(note), "; %.3f allocations", one.allocations);
  rows.push_back(
      {"recorded and batched, 5 attributes", one, two, "<= 150", scaling(one, two) + note});
  exporter_flat_out();
}

struct Headers {
  std::string_view traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  std::string_view tracestate;
};

void extract_inject(const weft::Propagator& propagator, const Headers& in, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) {
    const weft::Context context = propagator.extract([&](std::string_view name) {
      return name == "traceparent"  ? in.traceparent
             : name == "tracestate" ? in.tracestate
                                    : std::string_view();
    });
    propagator.inject(context, [](std::string_view name, std::string_view value) {
      bench::keep(name.data());
      bench::keep(value.data());
    });
  }
}

void propagation() {
  const weft::Propagator propagator({weft::Format::kTraceContext});
  Headers plain;
  rows.push_back(
      {"W3C extract + inject",
       measure(kMs, 10000, [&](std::uint64_t n) { extract_inject(propagator, plain, n); }),
       {},
       "<= 60",
       ""});
  Headers stated;
  stated.tracestate = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
  rows.push_back(
      {"W3C extract + inject, tracestate",
       measure(kMs, 10000, [&](std::uint64_t n) { extract_inject(propagator, stated, n); }),
       {},
       "<= 150",
       ""});
}

void print_table() {
  std::printf("%-36s %9s %11s %9s  %s\n", "start + end", "1 thread", "2 threads", "goal", "");
  const auto ns = [](double value) {
    char text[32] = "";
    if (value != 0) std::snprintf(text, sizeof(text), "%.1f ns", value);
    return std::string(text);
  };
  for (const Row& r : rows) {
    std::printf("%-36s %9s %11s %9s  %s\n", r.name.c_str(), ns(r.one.ns).c_str(),
                ns(r.two.ns).c_str(), r.goal.c_str(), r.note.c_str());
  }
}

void print_json() {
  std::printf("[");
  const char* comma = "";
  for (const Row& r : rows) {
    std::printf(
        "%s\n  {\"name\": \"%s\", \"ns\": %.2f, \"ns_2_threads\": %.2f, \"cpu_ns\": %.2f, "
        "\"cpu_ns_2_threads\": %.2f, \"allocations\": %.4f, \"goal\": \"%s\", \"note\": \"%s\"}",
        comma, r.name.c_str(), r.one.ns, r.two.ns, r.one.cpu_ns, r.two.cpu_ns, r.one.allocations,
        r.goal.c_str(), r.note.c_str());
    comma = ",";
  }
  std::printf("\n]\n");
}

int run_only(const std::string& name, std::uint64_t count) {
  if (name == "disabled") {
    bare_spans(weft::tracer("bench"), count);
  } else if (name == "unsampled" || name == "recorded") {
    auto provider =
        make_provider(name == "recorded" ? weft::Sampler::always_on() : weft::Sampler::always_off(),
                      1U << 20, 1U << 19);
    spans(provider.tracer("bench"), count);
  } else if (name == "propagation" || name == "propagation-state") {
    Headers headers;
    if (name != "propagation") headers.tracestate = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
    extract_inject(weft::Propagator({weft::Format::kTraceContext}), headers, count);
  } else {
    std::fprintf(stderr, "unknown case %s\n", name.c_str());
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  std::string only;
  std::uint64_t count = 10000;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json") {
      json = true;
    } else if (argument == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (argument == "--count" && i + 1 < argc) {
      count = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: %s [--json] [--only CASE] [--count N]\n", argv[0]);
      return 2;
    }
  }
  if (!only.empty()) return run_only(only, count);
  floors();
  tracing();
  propagation();
  json ? print_json() : print_table();
  return 0;
}
