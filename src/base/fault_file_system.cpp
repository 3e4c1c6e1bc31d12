#include "base/fault_file_system.h"

#include <algorithm>
#include <cstring>

namespace weft {
namespace {

void write_at(std::string& data, uint64_t offset, std::string_view bytes) {
  if (data.size() < offset + bytes.size()) data.resize(offset + bytes.size(), '\0');
  std::memcpy(data.data() + offset, bytes.data(), bytes.size());
}

template <typename Names, typename Change>
void change_name(Names& names, const Change& change) {
  if (change.node == nullptr) {
    names.erase(change.path);
  } else {
    names[change.path] = change.node;
  }
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

class FaultFile final : public File {
 public:
  FaultFile(FaultFileSystem& fs, std::shared_ptr<FaultFileSystem::Node> node, std::string path)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), life_(fs.life_) {}

  Status pread(uint64_t offset, std::span<char> out) override {
    const std::lock_guard lock(fs_.mutex_);
    if (offset + out.size() > node_->data.size()) {
      return fail(ErrorCode::kCorrupt,
                  path_ + " ends at offset " + std::to_string(node_->data.size()));
    }
    if (offset < node_->bad_end && offset + out.size() > node_->bad_begin) {
      return fail(ErrorCode::kIo, "cannot read " + path_ + ": Input/output error");
    }
    std::memcpy(out.data(), node_->data.data() + offset, out.size());
    return {};
  }

  Status pwritev(std::span<const std::string_view> pieces, uint64_t offset) override {
    const std::lock_guard lock(fs_.mutex_);
    WEFT_TRY(alive());
    std::string bytes;
    for (std::string_view piece : pieces)
      bytes += piece;
    bool partial = false;
    Status status = fs_.step("write " + path_, partial);
    if (!status && !partial) return status;
    if (partial) bytes.resize(fs_.random_() % (bytes.size() + 1));
    if (status && fs_.capacity_ != UINT64_MAX) {
      const uint64_t end = offset + bytes.size();
      const uint64_t grow = end > node_->data.size() ? end - node_->data.size() : 0;
      const uint64_t used = fs_.used_locked();
      if (used + grow > fs_.capacity_) {
        const uint64_t over = std::min<uint64_t>(used + grow - fs_.capacity_, bytes.size());
        bytes.resize(bytes.size() - over);
        status = fail(ErrorCode::kNoSpace, "write " + path_ + ": No space left on device");
      }
    }
    write_at(node_->data, offset, bytes);
    node_->unsynced.push_back({offset, std::move(bytes)});
    return status;
  }

  Status sync() override {
    const std::lock_guard lock(fs_.mutex_);
    WEFT_TRY(alive());
    bool partial = false;
    const Status status = fs_.step("sync " + path_, partial);
    if (!status) {
      // A failed sync: the kernel drops its dirty pages and reports once. Nobody knows what is on
      // disk; here it is nothing of it.
      if (partial) node_->unsynced.clear();
      return status;
    }
    for (const auto& write : node_->unsynced)
      write_at(node_->durable, write.offset, write.bytes);
    if (node_->truncated_unsynced && node_->unsynced.empty()) node_->durable.clear();
    node_->unsynced.clear();
    node_->truncated_unsynced = false;
    return {};
  }

  Expected<uint64_t> size() override {
    const std::lock_guard lock(fs_.mutex_);
    return node_->data.size();
  }

 private:
  Status alive() const {
    if (life_ != fs_.life_) return fail(ErrorCode::kIo, path_ + ": opened before the crash");
    return {};
  }

  FaultFileSystem& fs_;
  std::shared_ptr<FaultFileSystem::Node> node_;
  std::string path_;
  uint64_t life_;
};

class FaultLock final : public FileLock {
 public:
  FaultLock(FaultFileSystem& fs, std::string path, bool exclusive)
      : fs_(fs), path_(std::move(path)), exclusive_(exclusive), life_(fs.life_) {}
  ~FaultLock() override {
    const std::lock_guard lock(fs_.mutex_);
    if (life_ != fs_.life_) return;
    int& held = fs_.locks_[path_];
    held = exclusive_ ? 0 : held - 1;
  }
  FaultLock(const FaultLock&) = delete;
  FaultLock& operator=(const FaultLock&) = delete;

 private:
  FaultFileSystem& fs_;
  std::string path_;
  bool exclusive_;
  uint64_t life_;
};

void FaultFileSystem::crash_after(uint64_t operations) {
  const std::lock_guard lock(mutex_);
  crash_at_ = operations_.load() + operations;
}

void FaultFileSystem::fail_once_after(uint64_t operations) {
  const std::lock_guard lock(mutex_);
  fail_at_ = operations_.load() + operations;
}

void FaultFileSystem::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void FaultFileSystem::restart(bool torn) {
  const std::lock_guard lock(mutex_);
  ++life_;
  crashed_ = false;
  crash_at_ = fail_at_ = UINT64_MAX;
  capacity_ = UINT64_MAX;
  locks_.clear();
  // Names that were not synced come back as they were, or as they were meant to be up to some
  // moment.
  size_t kept_names = torn ? random_() % (unsynced_names_.size() + 1) : 0;
  while (kept_names > 0 && unsynced_names_[kept_names - 1].with_next)
    ++kept_names;
  for (size_t i = 0; i < kept_names; ++i)
    change_name(durable_names_, unsynced_names_[i]);
  unsynced_names_.clear();
  for (auto& [path, node] : durable_names_) {
    for (const auto& write : node->unsynced) {
      if (!torn || random_() % 2 == 0) continue;
      // The disk wrote some of the sectors.
      const size_t from = random_() % (write.bytes.size() + 1);
      const size_t count = random_() % (write.bytes.size() - from + 1);
      write_at(node->durable, write.offset + from,
               std::string_view(write.bytes).substr(from, count));
    }
    node->unsynced.clear();
    node->truncated_unsynced = false;
    node->bad_begin = node->bad_end = 0;
    node->data = node->durable;
  }
  names_ = durable_names_;
}

bool FaultFileSystem::fail_reads(const std::string& path, uint64_t begin, uint64_t end) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return false;
  found->second->bad_begin = begin;
  found->second->bad_end = end;
  return true;
}

bool FaultFileSystem::flip_bit(const std::string& path, uint64_t bit) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end() || bit / 8 >= found->second->data.size()) return false;
  const char mask = static_cast<char>(1 << (bit % 8));
  found->second->data[bit / 8] ^= mask;
  if (bit / 8 < found->second->durable.size()) found->second->durable[bit / 8] ^= mask;
  return true;
}

uint64_t FaultFileSystem::used_locked() const {
  uint64_t used = 0;
  for (const auto& [path, node] : names_)
    used += node->data.size();
  return used;
}

uint64_t FaultFileSystem::used_bytes() {
  const std::lock_guard lock(mutex_);
  return used_locked();
}

Status FaultFileSystem::step(const std::string& what, bool& partial) {
  const uint64_t now = operations_.fetch_add(1);
  if (crashed_ || now >= crash_at_) {
    if (!crashed_) partial = true;
    crashed_ = true;
    return fail(ErrorCode::kIo, what + ": the power is off");
  }
  if (now >= fail_at_) {
    fail_at_ = UINT64_MAX;
    partial = true;
    return fail(ErrorCode::kIo, what + ": Input/output error");
  }
  return {};
}

Expected<std::unique_ptr<File>> FaultFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (mode != OpenMode::kCreate) {
    if (found == names_.end()) return fail(ErrorCode::kNotFound, path + " does not exist");
    return std::make_unique<FaultFile>(*this, found->second, path);
  }
  bool partial = false;
  WEFT_TRY(step("create " + path, partial));
  auto node = std::make_shared<Node>();
  if (found != names_.end()) {
    node = found->second;
    node->data.clear();
    node->unsynced.clear();
    node->truncated_unsynced = true;
  }
  names_[path] = node;
  unsynced_names_.push_back({path, node, false});
  return std::make_unique<FaultFile>(*this, node, path);
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  bool partial = false;
  WEFT_TRY(step("rename " + from, partial));
  const auto found = names_.find(from);
  if (found == names_.end()) return fail(ErrorCode::kNotFound, from + " does not exist");
  auto node = found->second;
  names_.erase(found);
  unsynced_names_.push_back({from, nullptr, true});
  unsynced_names_.push_back({to, node, false});
  names_[to] = std::move(node);
  return {};
}

Status FaultFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  bool partial = false;
  WEFT_TRY(step("remove " + path, partial));
  names_.erase(path);
  unsynced_names_.push_back({path, nullptr, false});
  return {};
}

Status FaultFileSystem::sync_dir(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  bool partial = false;
  WEFT_TRY(step("sync " + dir, partial));
  std::erase_if(durable_names_, [&](const auto& entry) { return folder_of(entry.first) == dir; });
  for (const auto& [path, node] : names_) {
    if (folder_of(path) == dir) durable_names_[path] = node;
  }
  std::erase_if(unsynced_names_,
                [&](const NameChange& change) { return folder_of(change.path) == dir; });
  return {};
}

Status FaultFileSystem::create_dirs(const std::string&) {
  return {};
}

Expected<std::vector<std::string>> FaultFileSystem::list(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, node] : names_) {
    if (folder_of(path) == dir) names.push_back(path.substr(dir.size() + 1));
  }
  return names;
}

Expected<uint64_t> FaultFileSystem::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  if (capacity_ == UINT64_MAX) return uint64_t{1} << 50;
  const uint64_t used = used_locked();
  return used < capacity_ ? capacity_ - used : 0;
}

Expected<std::unique_ptr<FileLock>> FaultFileSystem::lock(const std::string& path, bool exclusive) {
  const std::lock_guard lock(mutex_);
  int& held = locks_[path];
  if (held < 0 || (exclusive && held > 0)) {
    return fail(ErrorCode::kUnavailable, path + " is held by another process");
  }
  held = exclusive ? -1 : held + 1;
  return std::make_unique<FaultLock>(*this, path, exclusive);
}

}  // namespace weft
