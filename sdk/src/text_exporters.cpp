// The exporters that need no library: OTLP JSON lines into a file, readable lines to a terminal.
#include <weft/exporter.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include "json_writer.h"
#include "otlp_view.h"

namespace weft::inline v1 {
namespace {

// All of it, or an error; `written` becomes how much it was.
bool write_all(int fd, std::string_view bytes, std::size_t* written = nullptr) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
    if (written != nullptr) *written += static_cast<std::size_t>(n);
  }
  return true;
}

class FileExporter final : public Exporter {
 public:
  FileExporter(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~FileExporter() override { close(fd_); }

  ExportResult send(const ExportRequest& request) noexcept override {
    try {
      std::string& line = *line_;
      // Behind a line that was cut off a new one begins, or it would be lost as well.
      line.assign(torn_ ? 1 : 0, '\n');
      if (!otlp_to_json(request.signal, request.otlp(), line)) {
        return {ExportOutcome::kRejected, 0, "the request could not be written as JSON"};
      }
      line += '\n';
      // One write, so that processes that share the file do not mix their lines.
      std::size_t written = 0;
      const bool good = write_all(fd_, line, &written);
      const int error = errno;
      if (written != 0) torn_ = !good;
      if (good) return {};
      return {ExportOutcome::kGaveUp, 0, path_ + ": " + std::strerror(error)};
    } catch (const std::exception& e) {
      return {ExportOutcome::kGaveUp, 0, e.what()};
    }
  }
  void after_fork_in_child() noexcept override {
    // The parent's worker may have been in the midst of growing it.
    (void)line_.release();
    line_ = std::make_unique<std::string>();
  }
  std::string description() const override { return "file " + path_; }

 private:
  const std::string path_;
  const int fd_;
  bool torn_ = false;  // the last line was written in part
  std::unique_ptr<std::string> line_ = std::make_unique<std::string>();  // to reuse its memory
};

// Needs quoting: words are told apart by blanks, and what a client has sent, a user agent say, must
// not be a command to the terminal.
bool is_hard_to_read(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\\';
         });
}

class ConsoleExporter final : public Exporter {
 public:
  explicit ConsoleExporter(int fd) : fd_(fd) {}

  ExportResult send(const ExportRequest& request) noexcept override {
    try {
      std::string out;
      bool good = true;
      if (request.signal == Signal::kTraces) {
        good = sdk_detail::for_each_span(request.otlp(), [&](const auto& scope, const auto& span) {
          put_span(out, scope, span);
        });
      } else if (request.signal == Signal::kLogs) {
        good = sdk_detail::for_each_log(request.otlp(),
                                        [&](const auto&, const auto& log) { put_log(out, log); });
      } else {
        good = otlp_to_json(request.signal, request.otlp(), out);
        out += '\n';
      }
      if (!good) return {ExportOutcome::kRejected, 0, "malformed request"};
      if (write_all(fd_, out)) return {};
      return {ExportOutcome::kGaveUp, 0, std::strerror(errno)};
    } catch (const std::exception& e) {
      return {ExportOutcome::kGaveUp, 0, e.what()};
    }
  }
  std::string description() const override { return "console"; }

 private:
  static void put_attributes(std::string& out, const std::vector<sdk_detail::TextAttribute>& list) {
    for (const auto& a : list) {
      out.append(" ").append(a.key).append("=");
      if (is_hard_to_read(a.value)) {
        sdk_detail::append_json_string(out, a.value);
      } else {
        out += a.value;
      }
    }
  }

  static void put_span(std::string& out, const sdk_detail::ScopeView& scope,
                       const sdk_detail::SpanView& span) {
    static constexpr const char* kKinds[] = {"?",      "internal", "server",
                                             "client", "producer", "consumer"};
    char head[64];
    std::snprintf(
        head, sizeof(head), "%10.3f ms ",
        static_cast<double>(static_cast<std::int64_t>(span.end_ns - span.start_ns)) / 1e6);
    out += "span ";
    sdk_detail::append_hex(out, span.trace_id);
    out += ' ';
    sdk_detail::append_hex(out, span.span_id);
    out += " <- ";
    span.parent_id.empty() ? void(out += "root            ")
                           : sdk_detail::append_hex(out, span.parent_id);
    out += head;
    out += kKinds[span.kind <= 5 ? span.kind : 0];
    out += ' ';
    sdk_detail::append_json_string(out, span.name);
    if (span.status == 1) out += " ok";
    if (span.status == 2) {
      out += " ERROR ";
      sdk_detail::append_json_string(out, span.status_message);
    }
    put_attributes(out, span.attributes);
    if (!scope.name.empty()) out.append(" (").append(scope.name).append(")");
    out += '\n';
    for (const auto& event : span.events) {
      std::snprintf(
          head, sizeof(head), "  +%.3f ms ",
          static_cast<double>(static_cast<std::int64_t>(event.time_ns - span.start_ns)) / 1e6);
      out += head;
      sdk_detail::append_json_string(out, event.name);
      put_attributes(out, event.attributes);
      out += '\n';
    }
  }

  static void put_log(std::string& out, const sdk_detail::LogView& log) {
    out.append("log ").append(log.severity).append(" ");
    sdk_detail::append_json_string(out, log.body);
    if (!log.trace_id.empty()) {
      out += " trace_id=";
      sdk_detail::append_hex(out, log.trace_id);
      out += " span_id=";
      sdk_detail::append_hex(out, log.span_id);
    }
    put_attributes(out, log.attributes);
    out += '\n';
  }

  const int fd_;
};

}  // namespace

std::unique_ptr<Exporter> make_file_exporter(const std::string& path, std::string* error) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd >= 0) return std::make_unique<FileExporter>(path, fd);
  if (error != nullptr) *error = path + ": " + std::strerror(errno);
  return nullptr;
}

std::unique_ptr<Exporter> make_console_exporter(int descriptor) {
  return std::make_unique<ConsoleExporter>(descriptor);
}

}  // namespace weft::inline v1
