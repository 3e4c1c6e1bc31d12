#include "cli/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "cli/terminal.h"

namespace weft::cli {

using simdjson::SUCCESS;
using simdjson::dom::element;

std::string text_at(element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == SUCCESS ? std::string(text) : std::string();
}

double number_at(element object, std::string_view key) {
  double number = 0;
  return object[key].get(number) == SUCCESS ? number : 0;
}

uint64_t count_at(element object, std::string_view key) {
  uint64_t count = 0;
  return object[key].get(count) == SUCCESS ? count : 0;
}

uint64_t nanos_at(element object, std::string_view key) {
  return std::strtoull(text_at(object, key).c_str(), nullptr, 10);
}

Inspected read_inspected(element answer) {
  Inspected out;
  element inspected;
  if (answer["inspected"].get(inspected) != SUCCESS) return out;
  out.spans = count_at(inspected, "spans");
  out.bytes = count_at(inspected, "bytes");
  out.blocks = count_at(inspected, "blocks");
  out.blocks_skipped = count_at(inspected, "blocksSkipped");
  return out;
}

std::string inspected_text(const Inspected& inspected, double elapsed_ms) {
  std::string text = fmt::format("inspected {} spans", with_thousands(inspected.spans));
  // Spans that are still in memory cost no reading.
  if (inspected.bytes != 0) {
    text += fmt::format(", {} in {} block{}", format_bytes(inspected.bytes), inspected.blocks,
                        inspected.blocks == 1 ? "" : "s");
  }
  if (inspected.blocks_skipped != 0) text += fmt::format(", skipped {}", inspected.blocks_skipped);
  return text + ", " + duration_ms_text(elapsed_ms);
}

std::string duration_ms_text(double ms) {
  return format_duration_ns(static_cast<uint64_t>(std::llround(std::max(ms, 0.0) * 1e6)));
}

}  // namespace weft::cli
