// Diagnostics: how the library speaks of its own troubles (a receiver that cannot be reached, a
// variable that makes no sense, spans dropped). To stderr by default, limited in rate, never in
// the way of the program.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::inline v1 {

// How much is said; each level includes those before it.
enum class DiagnosticLevel : std::uint8_t { kNone, kError, kWarn, kInfo, kDebug };

// Receives whole messages without a newline. Called by any thread, at several at once; must not
// call back into the library.
using DiagnosticHandler = void (*)(DiagnosticLevel level, std::string_view message);

// Null puts stderr back.
void set_diagnostic_handler(DiagnosticHandler handler) noexcept;
// kInfo unless OTEL_LOG_LEVEL (none, error, warn, info, debug) says otherwise.
void set_diagnostic_level(DiagnosticLevel level) noexcept;
DiagnosticLevel diagnostic_level() noexcept;

}  // namespace weft::inline v1
