#include "store/log_writer.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace weft::store {
namespace {

constexpr uint64_t kPrewriteBytes = 1u << 20;
static_assert(kLogAlignment % kDirectAlignment == 0);

}  // namespace

std::string log_file_name(const LogId& id) {
  char name[64];
  std::snprintf(name, sizeof name, "log-%016llx-%04x.wal",
                static_cast<unsigned long long>(id.generation), id.index);
  return name;
}

std::optional<LogId> parse_log_file_name(std::string_view name) {
  LogId id;
  if (!name.starts_with("log-") || !name.ends_with(".wal") || name.size() < 29) return {};
  const char* begin = name.data() + 4;
  const char* end = name.data() + name.size() - 4;
  const auto first = std::from_chars(begin, end, id.generation, 16);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '-') return {};
  const auto second = std::from_chars(first.ptr + 1, end, id.index, 16);
  if (second.ec != std::errc{} || second.ptr != end) return {};
  return id;
}

LogWriter::LogWriter(FileSystem& fs, std::string dir, Limits limits)
    : fs_(fs), dir_(std::move(dir)), limits_(limits) {}

void LogWriter::start_generation(uint64_t generation, uint32_t first_file_index) {
  file_.reset();
  files_.clear();
  generation_ = generation;
  next_index_ = first_file_index;
}

Status LogWriter::open_next() {
  const LogId id{generation_, next_index_};
  const std::string name = log_file_name(id);
  std::string spare;
  {
    const std::lock_guard lock(spares_mutex_);
    if (!spares_.empty()) {
      spare = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  std::unique_ptr<File> file;
  if (!spare.empty()) {
    WEFT_TRY(fs_.rename(path(spare), path(name)));
    WEFT_ASSIGN(file, fs_.open(path(name), OpenMode::kReadWrite));
  } else {
    WEFT_ASSIGN(file, fs_.open(path(name), OpenMode::kCreate));
  }
  file->write_directly();
  // From here on the file exists: whatever happens, its number is used up.
  ++next_index_;
  files_.push_back(id);
  // The name has to be on disk before anything in the file counts as kept.
  WEFT_TRY(fs_.sync_dir(dir_));
  file_ = std::move(file);
  id_ = id;
  offset_ = attempt_end_ = 0;
  group_index_ = 0;
  return {};
}

Status LogWriter::write_group(LogGroup& group) {
  if (file_ == nullptr || offset_ >= limits_.file_bytes) {
    file_.reset();
    WEFT_TRY(open_next());
  }
  const std::string_view bytes =
      group.finish({.generation = id_.generation,
                    .file_index = id_.index,
                    .group_index = group_index_,
                    .flags = offset_ < attempt_end_ ? kLogGroupOverwrites : 0});
  const Status written = file_->pwrite(bytes, offset_);
  if (!written) {
    // A full disk leaves the file as good as before: the next group overwrites the attempt. After
    // anything else the file is in doubt.
    if (written.error().code != ErrorCode::kNoSpace) file_.reset();
    attempt_end_ = std::max(attempt_end_, offset_ + bytes.size());
    return written;
  }
  if (Status status = file_->sync(); !status) {
    file_.reset();
    return status;
  }
  offset_ += bytes.size();
  ++group_index_;
  return {};
}

Status LogWriter::recycle(const LogId& id) {
  const std::string name = log_file_name(id);
  std::string spare;
  {
    const std::lock_guard lock(spares_mutex_);
    if (spares_.size() < limits_.spare_files) {
      spare = "spare-" + std::to_string(++spare_counter_) + "-" + std::to_string(id.generation) +
              ".wal";
    }
  }
  if (spare.empty()) return fs_.remove(path(name));
  WEFT_ASSIGN(auto file, fs_.open(path(name), OpenMode::kRead));
  WEFT_ASSIGN(const uint64_t size, file->size());
  // Only files of full size are worth keeping.
  if (size < limits_.file_bytes) return fs_.remove(path(name));
  WEFT_TRY(fs_.rename(path(name), path(spare)));
  const std::lock_guard lock(spares_mutex_);
  spares_.push_back(std::move(spare));
  return {};
}

Status LogWriter::prepare_spare() {
  std::string name;
  {
    const std::lock_guard lock(spares_mutex_);
    if (!spares_.empty()) return {};
    name = "spare-" + std::to_string(++spare_counter_) + "-0.wal";
  }
  WEFT_ASSIGN(auto file, fs_.open(path(name), OpenMode::kCreate));
  file->write_directly();
  DirectBuffer buffer;
  const uint64_t piece = align_log(std::min(kPrewriteBytes, limits_.file_bytes));
  const std::string_view zeros(std::fill_n(buffer.room(piece), piece, '\0') - piece, piece);
  Status status;
  for (uint64_t offset = 0; status && offset < limits_.file_bytes; offset += zeros.size())
    status = file->pwrite(zeros, offset);
  if (status) status = file->sync();
  if (!status) {
    file.reset();
    (void)fs_.remove(path(name));  // the space is needed elsewhere
    return status;
  }
  const std::lock_guard lock(spares_mutex_);
  spares_.push_back(std::move(name));
  return {};
}

Status LogWriter::drop_spares() {
  std::vector<std::string> names;
  {
    const std::lock_guard lock(spares_mutex_);
    names.swap(spares_);
  }
  for (const std::string& name : names)
    WEFT_TRY(fs_.remove(path(name)));
  return {};
}

}  // namespace weft::store
