#include "cli/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "cli/exit_code.h"

namespace weft::cli {
namespace {

std::atomic<bool> stop_asked{false};
int wake_pipe[2] = {-1, -1};

// Both handlers are async-signal-safe: atomics, write and _exit.
void wake(char byte) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = ::write(wake_pipe[1], &byte, 1);
  errno = saved;
}

void on_stop(int) {
  if (stop_asked.exchange(true)) ::_exit(kExitInterrupted);
  wake('s');
}

void on_hangup(int) {
  wake('h');
}

void install(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

}  // namespace

const std::atomic<bool>* stop_on_signals() {
  static const bool installed = [] {
    if (::pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    // Reading waits; a handler that finds the pipe full must not.
    ::fcntl(wake_pipe[0], F_SETFL, 0);
    install(SIGINT, on_stop);
    install(SIGTERM, on_stop);
    return true;
  }();
  (void)installed;
  return &stop_asked;
}

SignalEvent wait_for_signal(uint64_t timeout_ms) {
  stop_on_signals();
  install(SIGHUP, on_hangup);
  while (!stop_asked.load()) {
    pollfd pipe{.fd = wake_pipe[0], .events = POLLIN, .revents = 0};
    const int ready = ::poll(&pipe, 1, static_cast<int>(std::min<uint64_t>(timeout_ms, INT_MAX)));
    if (ready == 0) return SignalEvent::kNone;
    if (ready < 0) {
      if (errno == EINTR) continue;
      break;
    }
    char byte = 0;
    const ssize_t got = ::read(wake_pipe[0], &byte, 1);
    if (got == 1 && byte == 'h') return SignalEvent::kReload;
    if (got < 0 && errno != EINTR) break;
  }
  return SignalEvent::kStop;
}

}  // namespace weft::cli
