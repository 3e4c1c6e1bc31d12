// weft import FILE...: reads OTLP files into a server or a data directory.
#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/import_bookmark.h"
#include "cli/import_targets.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

struct ImportArguments {
  ImportOptions options;
  TargetOptions target;
  std::string ingest_token_file;
  uint64_t retry_s = 60;
  uint64_t max_record_mib = 256;
  bool quiet = false;
};

void report_to_user(const ImportReport& report, uint64_t elapsed_ns) {
  std::string text = fmt::format("{} spans of {} record{} in {}", with_thousands(report.spans),
                                 with_thousands(report.records), report.records == 1 ? "" : "s",
                                 format_duration_ns(elapsed_ns));
  if (elapsed_ns > 0 && report.spans > 0) {
    text += fmt::format(
        " ({}/s)", with_thousands(static_cast<uint64_t>(static_cast<double>(report.spans) * 1e9 /
                                                        static_cast<double>(elapsed_ns))));
  }
  text += "\n";
  if (report.files_already_done != 0) {
    text += fmt::format("{} file{} imported before, left out (--again imports them anew)\n",
                        report.files_already_done, report.files_already_done == 1 ? "" : "s");
  }
  if (report.files_resumed != 0) {
    text += fmt::format("{} file{} resumed behind {} spans\n", report.files_resumed,
                        report.files_resumed == 1 ? "" : "s", with_thousands(report.spans_before));
  }
  if (report.rejected_spans != 0) {
    text += fmt::format("{} spans rejected\n", with_thousands(report.rejected_spans));
  }
  if (report.bad_records != 0) {
    text += fmt::format("{} records left out\n", with_thousands(report.bad_records));
  }
  if (!report.first_complaint.empty()) text += "first: " + printable(report.first_complaint) + "\n";
  if (report.stopped) text += "stopped; the same command goes on from here\n";
  print_error_text(text);
}

int import_files(ImportArguments& arguments) {
  RemoteImportOptions remote;
  remote.retry_ns = arguments.retry_s * 1'000'000'000;
  remote.ingest_token_file = arguments.ingest_token_file;
  auto target = open_import_target(arguments.target, remote);
  if (!target) return complain("import", target.error());

  arguments.options.max_record_bytes = arguments.max_record_mib << 20;
  arguments.options.stop = stop_on_signals();
  ProgressBar bar(STDERR_FILENO, !arguments.quiet, system_clock());
  const size_t files = arguments.options.files.size();
  const auto on_tick = [&](const ImportTick& tick) {
    ProgressState state;
    // Files count alike: their decompressed sizes are not known beforehand.
    constexpr uint64_t kFileUnits = 1'000'000;
    if (tick.file_size != 0) {
      state.total = files * kFileUnits;
      state.done = tick.file_index * kFileUnits + tick.file_offset * kFileUnits / tick.file_size;
    }
    state.items = tick.report.spans;
    bar.update(state);
  };
  ImportReport report;
  Status outcome = run_import(**target, arguments.options, on_tick, report);
  bar.finish();
  if (outcome) outcome = (*target)->finish();
  if (!arguments.quiet) report_to_user(report, bar.elapsed_ns());
  if (!outcome) {
    const int code = complain("import", outcome.error());
    // The command line was right: what is wrong is the file or the target.
    return code == kExitUsage ? kExitFailed : code;
  }
  return report.stopped ? kExitInterrupted : kExitOk;
}

}  // namespace

int run_import_command(int argc, const char* const* argv) {
  ImportArguments arguments;
  arguments.options.state_dir = default_state_dir();
  CommandLine line("import",
                   "Reads spans from files: OTLP/JSON (one request a line, or documents one after "
                   "another) or OTLP protobuf (one TracesData, or messages behind varint or 4-byte "
                   "lengths); plain, gzip or zstd, told by their bytes. Spans are acknowledged "
                   "when they are on disk. An import that was interrupted goes on where it was, "
                   "and a file that was imported is left out; spans sent twice are stored once.");
  line.option("files", arguments.options.files, "FILE", "Files; - is stdin");
  line.require("files");
  arguments.target.add_to(line);
  line.option("--ingest-token-file", arguments.ingest_token_file, "FILE",
              "Bearer token for sending, where it is not the one for queries");
  line.flag("--keep-going", arguments.options.keep_going,
            "Leave out records that cannot be decoded");
  line.flag("--again", arguments.options.again, "Import even what was imported before");
  line.option("--retry-for", arguments.retry_s, "SECONDS",
              "How long a busy or absent server is tried again");
  line.option("--max-record-mib", arguments.max_record_mib, "MIB", "Refuse larger records");
  line.option("--batch-spans", arguments.options.batch_spans, "N", "Spans in a request");
  line.option("--state-dir", arguments.options.state_dir, "DIR", "Where bookmarks are kept");
  line.flag("-q,--quiet", arguments.quiet, "Print errors alone");
  line.examples({"weft import traces.jsonl.gz", "weft import *.pb.zst --data DIR",
                 "zcat traces.gz | weft import - --url http://weft.example:4300"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  if (arguments.options.batch_spans == 0) arguments.options.batch_spans = 1;
  return import_files(arguments);
}

}  // namespace weft::cli
