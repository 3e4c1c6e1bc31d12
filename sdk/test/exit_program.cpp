// Ends in one of the ways in which programs end, with spans in flight; exit_test.cpp runs it and
// looks at what arrived and how it ended. usage: exit_program <way> <milliseconds
// that the shutdown may take>, exporters by OTEL_*.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weft/init.h>
#include <weft/tracer.h>

namespace {

const weft::Tracer tracer = weft::tracer("exit");

// Destroyed after main, with a span of its own.
struct Late {
  weft::Span span;
  ~Late() {
    weft::Span last = tracer.start_span("in a static destructor");
    last.set("x", 1);
  }
};

thread_local struct AtThreadEnd {
  bool armed = false;
  ~AtThreadEnd() {
    if (armed) tracer.start_span("in a thread's destructor").set("x", 1);
  }
} at_thread_end;

void spans(const char* name, int count) {
  for (int i = 0; i < count; ++i)
    tracer.start_span(name).set("i", i);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "return";
  const auto shutdown_ms = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 5000);
  static Late late;
  static std::optional<weft::Sdk> kept;
  if (way == "static") {
    // Never destroyed before the process ends.
    kept.emplace(weft::init_from_env({.shutdown_timeout_ms = shutdown_ms}));
    late.span = tracer.start_span("open for ever");
    spans("before", 100);
    return 0;
  }
  weft::Sdk sdk = weft::init_from_env({.shutdown_timeout_ms = shutdown_ms});
  if (way == "return") {
    spans("before", 100);
    late.span = tracer.start_span("open for ever");
    return 0;
  }
  if (way == "exit") {
    spans("before", 100);
    weft::Span open = tracer.start_span("open");
    std::exit(0);
  }
  if (way == "threads") {
    // Threads that are still at it when the process ends.
    for (int t = 0; t < 4; ++t) {
      std::thread([] {
        at_thread_end.armed = true;
        while (true) {
          spans("running", 100);
          usleep(100);
        }
      }).detach();
    }
    spans("before", 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::exit(0);
  }
  if (way == "joined") {
    std::thread([] {
      at_thread_end.armed = true;
      spans("before", 100);
    }).join();
    return 0;
  }
  if (way == "quick") {
    spans("before", 100);
    std::quick_exit(0);
  }
  if (way == "shutdown_early") {
    spans("before", 100);
    sdk.shutdown(shutdown_ms);
    spans("after", 100);
    return 0;
  }
  std::fprintf(stderr, "unknown way %s\n", way.c_str());
  return 2;
}
