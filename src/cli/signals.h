// SIGINT and SIGTERM for commands: the first asks to stop, the second ends the process at once.
// SIGHUP asks a server to read its tokens and certificates again.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::cli {

// Installs the handlers of SIGINT and SIGTERM (once) and returns the flag that the first of them
// sets. Lives for ever.
const std::atomic<bool>* stop_on_signals();

enum class SignalEvent : uint8_t { kStop, kReload, kNone };

// Blocks until SIGINT, SIGTERM or SIGHUP has come, or for that long (kNone), about. After the first
// stop it returns kStop at once. One thread.
SignalEvent wait_for_signal(uint64_t timeout_ms);

}  // namespace weft::cli
