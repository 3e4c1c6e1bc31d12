// A child process of a command: started with its stdout in a pipe, measured through /proc, and
// ended for certain. `weft bench` runs the server and the load generators as children.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::cli {

struct ProcessUsage {
  double cpu_s = 0;             // user and system time of all its threads
  uint64_t rss_bytes = 0;       // now
  uint64_t peak_rss_bytes = 0;  // the highest so far (VmHWM)
};

class ChildProcess {
 public:
  // argv[0] is the program's path. The child gets SIGTERM when this process dies. Its stderr
  // goes to the file `stderr_path`, or is inherited when that is empty.
  static Expected<std::unique_ptr<ChildProcess>> start(const std::vector<std::string>& argv,
                                                       const std::string& stderr_path);
  // Ends it (SIGKILL) when it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line of its stdout without the line break. kUnavailable when it closed its stdout,
  // kDeadlineExceeded after timeout_ms, kCancelled soon after a signal has set `stop`.
  Expected<std::string> read_line(uint64_t timeout_ms, const std::atomic<bool>* stop = nullptr);
  Expected<ProcessUsage> usage() const;
  // Of the ended process, all of its life; zeros before wait() has seen the end.
  ProcessUsage final_usage() const { return final_usage_; }
  // Asks the kernel to start the peak of memory anew; ignored where it does not.
  void reset_peak_rss() const;
  void signal(int number) const;
  // The exit status, 128 + the number of the signal that ended it; kDeadlineExceeded when it
  // still runs then.
  Expected<int> wait(uint64_t timeout_ms);
  pid_t pid() const { return pid_; }

 private:
  ChildProcess(pid_t pid, int stdout_fd) : pid_(pid), stdout_fd_(stdout_fd) {}
  pid_t pid_;
  int stdout_fd_;
  std::string buffer_;
  bool ended_ = false;
  int exit_status_ = 0;
  ProcessUsage final_usage_;
};

// The path of the running program.
std::string own_executable();

}  // namespace weft::cli
