#include "cli/bench/machine_limits.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace weft::cli {
namespace {

constexpr uint64_t kFileBytes = 64 << 20;

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      const size_t colon = line.find(':');
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

double memcpy_gb_per_s() {
  constexpr size_t kBytes = 64 << 20;
  std::vector<char> from(kBytes, 'a'), to(kBytes, 'b');
  double best = 0;
  for (int round = 0; round < 8; ++round) {
    const uint64_t start = system_clock().steady_ns();
    std::memcpy(to.data(), from.data(), kBytes);
    // The copy must be seen to be used, else it may be left out.
    asm volatile("" : : "r"(to.data()) : "memory");
    const uint64_t took = std::max<uint64_t>(system_clock().steady_ns() - start, 1);
    best = std::max(best, static_cast<double>(kBytes) / static_cast<double>(took));
  }
  return best;
}

// Under a hypervisor that takes free memory back this can be the dearest thing a server does.
Expected<double> first_touch_ns() {
  constexpr size_t kBytes = 256 << 20;
  constexpr size_t kPageBytes = 4096;
  void* const memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(errno_error(errno, "map 256 MiB of memory"));
  const auto cpu_ns = [] {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
  };
  const double begin = cpu_ns();
  for (size_t at = 0; at < kBytes; at += kPageBytes)
    static_cast<volatile char*>(memory)[at] = 1;
  const double took = cpu_ns() - begin;
  ::munmap(memory, kBytes);
  return took / static_cast<double>(kBytes / kPageBytes);
}

class ScratchFile {
 public:
  ~ScratchFile() {
    if (fd_ >= 0) ::close(fd_);
    ::unlink(path_.c_str());
  }
  Status create(const std::string& path) {
    path_ = path;
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd_ < 0) return std::unexpected(errno_error(errno, "create " + path));
    const std::vector<char> block(1 << 20, 'w');
    for (uint64_t at = 0; at < kFileBytes; at += block.size()) {
      WEFT_TRY(write(block, at));
    }
    return sync();
  }
  Status write(const std::vector<char>& bytes, uint64_t at) {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n =
          ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return std::unexpected(errno_error(n < 0 ? errno : ENOSPC, "write " + path_));
      done += static_cast<size_t>(n);
    }
    return {};
  }
  Status sync() {
    if (::fdatasync(fd_) != 0) return std::unexpected(errno_error(errno, "fdatasync " + path_));
    return {};
  }

 private:
  std::string path_;
  int fd_ = -1;
};

Expected<SyncLimit> measure_sync(ScratchFile& file, uint64_t group_bytes) {
  const std::vector<char> group(group_bytes, 'g');
  std::vector<double> times_ms;
  const uint64_t begin = system_clock().steady_ns();
  uint64_t end = begin;
  uint64_t at = 0;
  while (end - begin < 700'000'000 && times_ms.size() < 2'000) {
    const uint64_t start = end;
    WEFT_TRY(file.write(group, at));
    WEFT_TRY(file.sync());
    end = system_clock().steady_ns();
    times_ms.push_back(static_cast<double>(end - start) / 1e6);
    at = (at + group_bytes) % kFileBytes;
  }
  std::sort(times_ms.begin(), times_ms.end());
  SyncLimit limit;
  limit.group_bytes = group_bytes;
  limit.mb_per_s = static_cast<double>(group_bytes * times_ms.size()) /
                   (static_cast<double>(end - begin) / 1e9) / 1e6;
  limit.p50_ms = times_ms[times_ms.size() / 2];
  limit.p99_ms = times_ms[std::min(times_ms.size() - 1, times_ms.size() * 99 / 100)];
  return limit;
}

}  // namespace

Expected<MachineLimits> measure_machine(const std::string& dir) {
  MachineLimits limits;
  limits.cpu = cpu_name();
  limits.cores = std::thread::hardware_concurrency();
  limits.memcpy_gb_per_s = memcpy_gb_per_s();
  WEFT_ASSIGN(limits.first_touch_ns, first_touch_ns());
  ScratchFile file;
  WEFT_TRY(file.create(dir + "/weft-bench-sync"));
  WEFT_ASSIGN(limits.sync_256k, measure_sync(file, 256 << 10));
  WEFT_ASSIGN(limits.sync_1m, measure_sync(file, 1 << 20));
  return limits;
}

}  // namespace weft::cli
