#include "cli/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

#include "base/clock.h"

namespace weft::cli {
namespace {

// Runs in the child between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, int stdout_fd, int stderr_fd, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  ::dup2(stdout_fd, STDOUT_FILENO);
  if (stderr_fd >= 0) ::dup2(stderr_fd, STDERR_FILENO);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  ::execv(argv[0], argv);
  ::_exit(127);
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int status_of(int raw) {
  return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
}

}  // namespace

std::string own_executable() {
  std::string path(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 ? static_cast<size_t>(length) : 0);
  return path;
}

Expected<std::unique_ptr<ChildProcess>> ChildProcess::start(const std::vector<std::string>& argv,
                                                            const std::string& stderr_path) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return std::unexpected(errno_error(errno, "pipe"));
  int stderr_fd = -1;
  if (!stderr_path.empty()) {
    stderr_fd = ::open(stderr_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  std::vector<char*> raw;
  for (const std::string& argument : argv)
    raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(raw.data(), fds[1], stderr_fd, parent);
  const int fork_errno = errno;
  ::close(fds[1]);
  if (stderr_fd >= 0) ::close(stderr_fd);
  if (pid < 0) {
    ::close(fds[0]);
    return std::unexpected(errno_error(fork_errno, "fork"));
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, fds[0]));
}

ChildProcess::~ChildProcess() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    int raw = 0;
    while (::waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
    }
  }
  ::close(stdout_fd_);
}

Expected<std::string> ChildProcess::read_line(uint64_t timeout_ms, const std::atomic<bool>* stop) {
  const uint64_t deadline = system_clock().steady_ns() + timeout_ms * 1'000'000;
  while (true) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    const uint64_t now = system_clock().steady_ns();
    if (now >= deadline) {
      return fail(ErrorCode::kDeadlineExceeded, "the child process said nothing in time");
    }
    if (stop != nullptr && stop->load()) return fail(ErrorCode::kCancelled, "stopped by a signal");
    // The signal may come to another thread, or right before the wait: that is a short one then.
    const uint64_t wait_ms =
        std::min<uint64_t>((deadline - now) / 1'000'000 + 1, stop == nullptr ? INT_MAX : 200);
    pollfd wanted{stdout_fd_, POLLIN, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(wait_ms));
    if (ready <= 0) continue;
    char part[4096];
    const ssize_t got = ::read(stdout_fd_, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(ErrorCode::kUnavailable, "the child process ended or went silent");
    buffer_.append(part, static_cast<size_t>(got));
  }
}

Expected<ProcessUsage> ChildProcess::usage() const {
  const std::string base = "/proc/" + std::to_string(pid_);
  ProcessUsage usage;
  std::ifstream stat(base + "/stat");
  std::string text;
  std::getline(stat, text);
  // The name in parentheses may hold anything; fields are counted behind it.
  const size_t behind = text.rfind(')');
  if (behind == std::string::npos) {
    return fail(ErrorCode::kUnavailable, "cannot read " + base + "/stat");
  }
  std::istringstream fields(text.substr(behind + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i)
    fields >> skipped;
  uint64_t user = 0, system = 0;
  fields >> user >> system;
  usage.cpu_s = static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::ifstream status(base + "/status");
  for (std::string line; std::getline(status, line);) {
    const auto value = [&line] {
      return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * 1024;
    };
    if (line.starts_with("VmHWM:")) usage.peak_rss_bytes = value();
    if (line.starts_with("VmRSS:")) usage.rss_bytes = value();
  }
  return usage;
}

void ChildProcess::reset_peak_rss() const {
  std::ofstream("/proc/" + std::to_string(pid_) + "/clear_refs") << "5";
}

void ChildProcess::signal(int number) const {
  if (!ended_) ::kill(pid_, number);
}

Expected<int> ChildProcess::wait(uint64_t timeout_ms) {
  const uint64_t deadline = system_clock().steady_ns() + timeout_ms * 1'000'000;
  while (!ended_) {
    int raw = 0;
    rusage used{};
    const pid_t got = ::wait4(pid_, &raw, WNOHANG, &used);
    if (got == pid_) {
      ended_ = true;
      exit_status_ = status_of(raw);
      final_usage_.cpu_s = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
      final_usage_.peak_rss_bytes = static_cast<uint64_t>(used.ru_maxrss) * 1024;
      break;
    }
    if (got < 0 && errno != EINTR) return std::unexpected(errno_error(errno, "waitpid"));
    if (system_clock().steady_ns() >= deadline) {
      return fail(ErrorCode::kDeadlineExceeded, "the child process still runs");
    }
    ::usleep(2'000);
  }
  return exit_status_;
}

}  // namespace weft::cli
