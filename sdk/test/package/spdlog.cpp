// A line of spdlog with the ids of the span it was written in.
#include <spdlog/sinks/stdout_sinks.h>

#include <weft/spdlog.h>
#include <weft/tracer.h>

#include "show.h"

int main() {
  const weft::TracerProvider provider = show_spans();
  spdlog::logger log("consumer", {std::make_shared<spdlog::sinks::stdout_sink_st>(),
                                  std::make_shared<weft::SpdlogSink>()});
  weft::set_spdlog_pattern(log, "[%*] %v");
  weft::Span span = weft::tracer("consumer").start_span("logging");
  auto scope = span.activate();
  log.info("inside");
}
