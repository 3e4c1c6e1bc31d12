#include "cli/import_bookmark.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/hash.h"

namespace weft::cli {
namespace {

constexpr uint64_t kSampleBytes = 64 << 10;
constexpr const char* kHeading = "weft import bookmark 1";

Expected<uint64_t> hash_input(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(errno_error(errno, "open " + path));
  file.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(file.tellg());
  std::string bytes = std::to_string(size) + ":";
  const auto take = [&](uint64_t from) {
    std::string part(std::min(kSampleBytes, size - from), '\0');
    file.seekg(static_cast<std::streamoff>(from));
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    part.resize(static_cast<size_t>(file.gcount()));
    bytes += part;
  };
  take(0);
  take(size > kSampleBytes ? size - kSampleBytes : 0);
  return hash_bytes(bytes);
}

}  // namespace

std::string default_state_dir() {
  const auto env = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string dir = env("WEFT_STATE_DIR"); !dir.empty()) return dir;
  if (const std::string dir = env("XDG_STATE_HOME"); !dir.empty()) return dir + "/weft";
  if (const std::string home = env("HOME"); !home.empty()) return home + "/.local/state/weft";
  return "";
}

Expected<ImportBookmark> ImportBookmark::of(const std::string& state_dir, const std::string& target,
                                            const std::string& input_path) {
  std::error_code error;
  const std::string dir = state_dir + "/import";
  std::filesystem::create_directories(dir, error);
  if (error) return fail(ErrorCode::kIo, "create " + dir + ": " + error.message());
  WEFT_ASSIGN(const uint64_t input, hash_input(input_path));
  return ImportBookmark(fmt::format("{}/{:016x}-{:016x}", dir, hash_bytes(target), input));
}

std::optional<ImportProgress> ImportBookmark::load() const {
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line) || line != kHeading) return std::nullopt;
  ImportProgress progress;
  bool complete = false;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string key, value;
    if (!(words >> key >> value)) return std::nullopt;
    const uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    if (key == "end") progress.end = number;
    if (key == "line") progress.line = number;
    if (key == "records") progress.records = number;
    if (key == "spans") progress.spans = number;
    if (key == "rejected") progress.rejected = number;
    if (key == "witness") progress.witness = TraceId::from_hex(value);
    if (key == "done") {
      progress.done = number == 1;
      complete = true;  // the last line: the file is whole
    }
  }
  return complete ? std::optional(progress) : std::nullopt;
}

Status ImportBookmark::save(const ImportProgress& progress) const {
  std::string text =
      fmt::format("{}\nend {}\nline {}\nrecords {}\nspans {}\nrejected {}\n", kHeading,
                  progress.end, progress.line, progress.records, progress.spans, progress.rejected);
  if (progress.witness) text += "witness " + progress.witness->to_hex() + "\n";
  text += fmt::format("done {}\n", progress.done ? 1 : 0);
  const std::string beside = fmt::format("{}.{}", path_, ::getpid());
  {
    std::ofstream file(beside, std::ios::trunc);
    file << text;
    file.flush();
    if (!file) return std::unexpected(errno_error(errno, "write " + beside));
  }
  if (::rename(beside.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(beside.c_str());
    return std::unexpected(errno_error(error, "rename " + beside));
  }
  return {};
}

}  // namespace weft::cli
