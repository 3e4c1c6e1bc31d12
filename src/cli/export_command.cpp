// weft export: writes spans as OTLP/JSON lines, one request a line.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/last_line.h"
#include "cli/output.h"
#include "cli/query_complaint.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/time_option.h"

namespace weft::cli {
namespace {

struct ExportArguments {
  TargetOptions target;
  TimeOptions time;
  std::string query;
  std::string output;
  bool quiet = false;
};

// stdout, or a file that gets its name when it is whole.
class Output {
 public:
  Output() = default;
  ~Output() {
    if (temporary_.empty()) return;
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  Status open(const std::string& path) {
    if (path.empty() || path == "-") return {};
    path_ = path;
    const std::string temporary = fmt::format("{}.partial-{}", path, ::getpid());
    fd_ = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd_ < 0) return std::unexpected(errno_error(errno, "create " + temporary));
    temporary_ = temporary;
    return {};
  }

  Status write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      // A reader that has had enough (`| head`) is no fault to report.
      if (written < 0 && errno == EPIPE) return fail(ErrorCode::kCancelled, "");
      if (written < 0) {
        return std::unexpected(errno_error(errno, "write " + (path_.empty() ? "stdout" : path_)));
      }
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return {};
  }

  Status finish() {
    if (temporary_.empty()) return {};
    if (::fsync(fd_) != 0) return std::unexpected(errno_error(errno, "fsync " + temporary_));
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return std::unexpected(errno_error(errno, "rename " + temporary_ + " to " + path_));
    }
    ::close(fd_);
    temporary_.clear();
    return {};
  }

 private:
  int fd_ = STDOUT_FILENO;
  std::string path_;
  std::string temporary_;
};

// How the last line of an export begins that broke off on the server's side.
constexpr std::string_view kErrorLine = "{\"error\":";

int export_spans(const ExportArguments& arguments) {
  const auto range = resolve_range(arguments.time, system_clock().now_ns());
  if (!range) return complain("export", range.error());
  const auto api = open_api(arguments.target);
  if (!api) return complain("export", api.error());
  Output output;
  if (const Status opened = output.open(arguments.output); !opened) {
    return complain("export", opened.error());
  }
  HttpClient::Parameters parameters;
  if (!arguments.query.empty()) parameters.emplace_back("q", arguments.query);
  add_range(parameters, *range);

  const std::atomic<bool>* stop = stop_on_signals();
  uint64_t lines = 0, bytes = 0;
  LastLine last;
  Status written;
  const auto on_bytes = [&](std::string_view part) {
    lines += static_cast<uint64_t>(std::count(part.begin(), part.end(), '\n'));
    bytes += part.size();
    last.add(part);
    written = output.write(part);
    return written.has_value() && !stop->load();
  };
  const auto reply = (*api)->stream("/api/v1/export", parameters, "application/x-ndjson", on_bytes);
  if (!written && written.error().code == ErrorCode::kCancelled) return kExitFailed;
  if (!written) return complain("export", written.error());
  if (stop->load()) return kExitInterrupted;
  if (!reply) return complain("export", reply.error());
  if (reply->status != 200) {
    const ApiError error = read_api_error(*reply);
    print_error_text(
        explain_query_error(arguments.query, error, use_colour("auto", STDERR_FILENO)));
    return exit_code_of(error.error);
  }
  if (last.text().starts_with(kErrorLine)) {
    return complain("export",
                    {ErrorCode::kInternal, "the export broke off: " + printable(last.text())});
  }
  if (const Status finished = output.finish(); !finished) {
    return complain("export", finished.error());
  }
  if (!arguments.quiet && !arguments.output.empty()) {
    print_error_text(fmt::format("{} line{}, {}\n", with_thousands(lines), lines == 1 ? "" : "s",
                                 format_bytes(bytes)));
  }
  return kExitOk;
}

}  // namespace

int run_export(int argc, const char* const* argv) {
  ExportArguments arguments;
  CommandLine line("export",
                   "Writes spans as OTLP/JSON, one ExportTraceServiceRequest a line, as `weft "
                   "import` and the OpenTelemetry Collector read it. A span is written once, "
                   "however often it was received. An output file appears when it is complete.");
  arguments.target.add_to(line);
  line.option("-q,--q", arguments.query, "TRACEQL", "Only traces that match, whole");
  line.option("--since", arguments.time.since, "SPAN", "Only the last 15m, 2h, 3d, ...");
  line.option("--start", arguments.time.start, "TIME", "Spans that start here or later");
  line.option("--end", arguments.time.end, "TIME", "Spans that start before");
  line.option("-o,--output", arguments.output, "FILE", "Instead of stdout");
  line.flag("--quiet", arguments.quiet, "Print errors alone");
  line.examples({"weft export -o spans.jsonl", "weft export --data DIR | zstd > spans.jsonl.zst",
                 "weft export --q '{ status = error }' --since 1h"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  return export_spans(arguments);
}

}  // namespace weft::cli
