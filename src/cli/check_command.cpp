// weft check DIR: verifies a data directory.
#include "store/check.h"

#include <fmt/format.h>

#include "base/file.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/store_access.h"
#include "cli/terminal.h"

namespace weft::cli {

int run_check(int argc, const char* const* argv) {
  std::string dir;
  CommandLine line("check",
                   "Verifies every file of a data directory against its checksums and its format, "
                   "changing nothing. Exits with 0 when all is sound, with 1 when there are "
                   "findings: one a line with file, offset and what is wrong.");
  line.option("dir", dir, "DIR", "The data directory; no server may hold it");
  line.require("dir");
  line.examples({"weft check /var/lib/weft"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  if (const Status status = require_data_directory(dir); !status) {
    return complain("check", status.error());
  }
  const auto result = store::check(dir, real_file_system(), store_options(dir).decode);
  if (!result) {
    complain("check", result.error());
    return kExitFailed;  // 1 is kept for findings
  }
  std::string text;
  for (const store::Finding& finding : result->findings)
    text += to_string(finding) + "\n";
  text += fmt::format(
      "{}: {}; {} with {}, {} in {}\n", dir,
      result->findings.empty() ? "sound" : plural(result->findings.size(), "finding", "findings"),
      plural(result->blocks, "block", "blocks"), plural(result->spans, "span", "spans"),
      plural(result->logged_requests, "request", "requests"),
      plural(result->log_files, "log file", "log files"));
  const int printed = print(text);
  if (printed != kExitOk) return printed;
  return result->findings.empty() ? kExitOk : kExitNegative;
}

}  // namespace weft::cli
