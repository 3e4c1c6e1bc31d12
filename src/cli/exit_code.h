// What the process `weft` exits with. The numbers are documented in docs/cli.md and scripts rely
// on them: never renumber.
#pragma once

namespace weft::cli {

enum ExitCode : int {
  kExitOk = 0,        // done, and the answer is yes
  kExitNegative = 1,  // done, and the answer is no: nothing found, or `check` has findings
  kExitUsage = 2,     // the command line or the query is wrong
  kExitFailed = 3,    // could not be done: file, disk, network or server
  kExitInterrupted = 130,
};

}  // namespace weft::cli
