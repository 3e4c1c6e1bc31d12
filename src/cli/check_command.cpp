// weft check DIR: verifies a data directory.
#include <fmt/format.h>

#include "base/file.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"
#if __has_include("store/check.h")
#include "store/check.h"
#else
#include <vector>
#include "store/finding.h"
namespace weft::store {
inline Expected<std::vector<Finding>> check(const std::string&, FileSystem&) {
  return fail(ErrorCode::kUnimplemented, "not yet");
}
}
#endif

namespace weft::cli {

int run_check(int argc, const char* const* argv) {
  std::string dir;
  CommandLine line("check",
                   "Verifies every file of a data directory against its checksums and its format, "
                   "changing nothing. Exits with 0 when all is sound, with 1 when there are "
                   "findings: one a line with file, offset and what is wrong.");
  line.option("dir", dir, "DIR", "The data directory");
  line.require("dir");
  line.examples({"weft check /var/lib/weft"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  const auto findings = store::check(dir, real_file_system());
  if (!findings) {
    const int code = complain("check", findings.error());
    // 1 is kept for findings.
    return code == kExitNegative ? kExitUsage : code;
  }
  std::string text;
  for (const store::Finding& finding : *findings) text += to_string(finding) + "\n";
  if (findings->empty()) text = dir + ": sound\n";
  const int printed = print(text);
  if (printed != kExitOk) return printed;
  return findings->empty() ? kExitOk : kExitNegative;
}

}  // namespace weft::cli
