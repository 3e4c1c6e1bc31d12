// The subcommands of `weft`. Each takes the arguments behind "weft" (argv[0] is the subcommand's
// name) and returns the exit code (cli/exit_code.h). main() lists them.
#pragma once

namespace weft::cli {

int run_serve(int argc, const char* const* argv);
int run_search(int argc, const char* const* argv);
int run_trace(int argc, const char* const* argv);
int run_import_command(int argc, const char* const* argv);
int run_export(int argc, const char* const* argv);
int run_check(int argc, const char* const* argv);
int run_bench(int argc, const char* const* argv);
// The load generator that `weft bench` starts as a process of its own; not for people.
int run_bench_load(int argc, const char* const* argv);

}  // namespace weft::cli
