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
    bench::keep(request.otlp.data());
    bytes_ += request.otlp.size();
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

auto nothing = [] {};

struct Row {
  std::string name;
  Sample one;
  Sample two;  // ns 0: not measured
  std::string goal;
  std::string note;
};

std::vector<Row> rows;

void floors() {
  auto clock = [](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i)
      bench::keep(bench::now_ns());
  };
  rows.push_back({"clock_gettime", measure(100, 10000, clock, nothing), {}, "", "floor"});
  std::mutex mutex;
  auto lock = [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::lock_guard guard(mutex);
      bench::keep(i);
    }
  };
  rows.push_back({"mutex, locked and unlocked", measure(100, 10000, lock, nothing),
                  bench::measure_threads(2, 200, 10000,
                                         [&](int ms, std::uint64_t batch) {
                                           return measure(ms, batch, lock, nothing);
                                         }),
                  "", "floor"});
  std::atomic<std::uint64_t> counter{0};
  auto add = [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i)
      counter.fetch_add(1);
  };
  rows.push_back({"shared atomic addition", measure(100, 10000, add, nothing),
                  bench::measure_threads(2, 200, 10000,
                                         [&](int ms, std::uint64_t batch) {
                                           return measure(ms, batch, add, nothing);
                                         }),
                  "", "floor"});
}

template <class Body>
void row(const char* name, const char* goal, std::uint64_t batch, Body body) {
  const Sample one = bench::measure_threads(
      1, kMs, batch, [&](int ms, std::uint64_t n) { return measure(ms, n, body, nothing); });
  const Sample two = bench::measure_threads(
      2, kMs, batch, [&](int ms, std::uint64_t n) { return measure(ms, n, body, nothing); });
  char note[64];
  std::snprintf(note, sizeof(note), "2 threads do %.2f times the work", 2 * one.ns / two.ns);
  rows.push_back({name, one, two, goal, note});
}

void tracing() {
  const weft::Tracer disabled = weft::tracer("bench");
  row("no provider", "<= 3", 100000, [&](std::uint64_t n) { bare_spans(disabled, n); });

  auto off = make_provider(weft::Sampler::always_off(), 2048, 512);
  const weft::Tracer unsampled = off.tracer("bench");
  row("not sampled, 5 attributes", "<= 15", 20000, [&](std::uint64_t n) { spans(unsampled, n); });

  // Bursts that fit the queue, flushed between the timings: the cost to the caller alone.
  auto on = make_provider(weft::Sampler::always_on(), 1U << 20, 1U << 19);
  const weft::Tracer recorded = on.tracer("bench");
  {
    constexpr std::uint64_t kBurst = 400;
    auto body = [&](std::uint64_t n) { spans(recorded, n); };
    auto flush = [&] { on.force_flush(10000); };
    const Sample one = bench::measure_in_step(1, 2 * kMs, kBurst, body, flush);
    const Sample two = bench::measure_in_step(2, 2 * kMs, kBurst, body, flush);
    char note[96];
    std::snprintf(note, sizeof(note), "2 threads do %.2f times the work; %.3f allocations",
                  2 * one.ns / two.ns, one.allocations);
    rows.push_back({"recorded and batched, 5 attributes", one, two, "<= 150", note});
  }
  {
    auto busy = make_provider(weft::Sampler::always_on(), 65536, 512);
    const weft::Tracer tracer = busy.tracer("bench");
    const Sample one = measure(2 * kMs, 1000, [&](std::uint64_t n) { spans(tracer, n); }, nothing);
    busy.force_flush(10000);
    const auto flat = busy.stats()[0];
    // Paced: batches of 1000 spans start each millisecond.
    std::uint64_t paced = 0;
    const std::int64_t start = bench::now_ns();
    for (std::int64_t due = start; due < start + 1'000'000'000; due += 1'000'000) {
      while (bench::now_ns() < due) {
      }
      spans(tracer, 1000);
      paced += 1000;
    }
    const double seconds = static_cast<double>(bench::now_ns() - start) / 1e9;
    busy.force_flush(10000);
    const auto stats = busy.stats()[0];
    char note[128];
    std::snprintf(note, sizeof(note), "%.2f M spans/s paced: %llu dropped; unpaced: %llu dropped",
                  static_cast<double>(paced) / seconds / 1e6,
                  static_cast<unsigned long long>(stats.dropped - flat.dropped),
                  static_cast<unsigned long long>(flat.dropped));
    rows.push_back({"the same, exporter flat out", one, {}, "<= 200", note});
  }
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
       measure(
           kMs, 10000, [&](std::uint64_t n) { extract_inject(propagator, plain, n); }, nothing),
       {},
       "<= 60",
       ""});
  Headers stated;
  stated.tracestate = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
  rows.push_back(
      {"W3C extract + inject, tracestate",
       measure(
           kMs, 10000, [&](std::uint64_t n) { extract_inject(propagator, stated, n); }, nothing),
       {},
       "<= 150",
       ""});
}

void print_table() {
  std::printf("%-36s %9s %11s %8s  %s\n", "start + end", "1 thread", "2 threads", "goal", "");
  for (const Row& r : rows) {
    char two[32] = "";
    if (r.two.ns != 0) std::snprintf(two, sizeof(two), "%.1f ns", r.two.ns);
    std::printf("%-36s %6.1f ns %11s %8s  %s\n", r.name.c_str(), r.one.ns, two, r.goal.c_str(),
                r.note.c_str());
  }
}

void print_json() {
  std::printf("[");
  const char* comma = "";
  for (const Row& r : rows) {
    std::printf(
        "%s\n  {\"name\": \"%s\", \"ns\": %.2f, \"ns_2_threads\": %.2f, "
        "\"allocations\": %.4f, \"goal\": \"%s\", \"note\": \"%s\"}",
        comma, r.name.c_str(), r.one.ns, r.two.ns, r.one.allocations, r.goal.c_str(),
        r.note.c_str());
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
