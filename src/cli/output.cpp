#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace weft::cli {
namespace {

// 0, or the errno.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

int print(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text);
  if (error == 0) return kExitOk;
  if (error != EPIPE)
    print_error_text("weft: " + errno_error(error, "write stdout").message + "\n");
  return kExitFailed;
}

void print_error_text(std::string_view text) {
  (void)write_all(STDERR_FILENO, text);
}

int complain(std::string_view command, const Error& error) {
  print_error_text("weft " + std::string(command) + ": " + error.message + "\n");
  return exit_code_of(error);
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kNotFound:
      return kExitNegative;
    default:
      return kExitFailed;
  }
}

}  // namespace weft::cli
