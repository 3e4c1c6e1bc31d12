// The binary `weft`: one visible list of subcommands.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/version.h"

namespace weft::cli {
namespace {

struct Subcommand {
  std::string_view name;
  std::string_view arguments;
  std::string_view help;  // "" leaves it out of the list
  int (*run)(int argc, const char* const* argv);
};

constexpr Subcommand kSubcommands[] = {
    {"serve", "--data DIR", "take in spans over OTLP, keep them, answer queries", run_serve},
    {"search", "'<traceql>'", "find traces, newest first", run_search},
    {"trace", "ID", "draw one trace as a waterfall", run_trace},
    {"import", "FILE...", "read OTLP files into a server or a data directory", run_import_command},
    {"export", "", "write spans as OTLP/JSON lines", run_export},
    {"check", "DIR", "verify a data directory", run_check},
    {"bench", "", "measure this machine against the budgets", run_bench},
    {"bench-load", "", "", run_bench_load},
};

void print_help(FILE* to) {
  fmt::print(to, "Weft {}: every trace of every service, kept and found again\n\n", kVersion);
  fmt::print(to, "usage: weft <command> [options]\n\n");
  for (const Subcommand& command : kSubcommands) {
    if (command.help.empty()) continue;
    fmt::print(to, "  {:<20} {}\n", fmt::format("{} {}", command.name, command.arguments),
               command.help);
  }
  fmt::print(to,
             "  {:<20} {}\n  {:<20} {}\n\n"
             "`weft <command> --help` explains each, with examples. Exit codes: 0 done, 1 nothing "
             "found\nor faults found, 2 wrong usage, 3 failed.\n",
             "version", "print the version", "help [COMMAND]", "print this, or a command's help");
}

const Subcommand* find(std::string_view name) {
  for (const Subcommand& command : kSubcommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

int refuse(std::string_view name) {
  if (!name.empty()) fmt::print(stderr, "weft: there is no command '{}'\n\n", name);
  print_help(stderr);
  return kExitUsage;
}

int run(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "version" || name == "--version" || name == "-V") {
    fmt::print("weft {}\n", kVersion);
    return kExitOk;
  }
  if (name == "help" || name == "--help" || name == "-h") {
    if (argc <= 2) {
      print_help(stdout);
      return kExitOk;
    }
    const Subcommand* command = find(argv[2]);
    if (command == nullptr) return refuse(argv[2]);
    const char* const help[] = {argv[2], "--help", nullptr};
    return command->run(2, help);
  }
  const Subcommand* command = find(name);
  if (command == nullptr) return refuse(name);
  return command->run(argc - 1, argv + 1);
}

// Whoever starts a service may close these three. What is opened next would get their numbers, and
// what is printed would be written into it: a file of the store, or a socket.
void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)::open("/dev/null", O_RDWR);
  }
}

}  // namespace
}  // namespace weft::cli

int main(int argc, char** argv) {
  weft::cli::keep_standard_descriptors();
  // A reader that goes away (`weft export | head`) ends a write with EPIPE, not the process.
  signal(SIGPIPE, SIG_IGN);
  return weft::cli::run(argc, argv);
}
