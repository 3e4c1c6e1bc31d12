#include "server/stream_pipe.h"

#include <algorithm>

namespace weft::server {

bool StreamPipe::write(std::string_view bytes) {
  while (!bytes.empty()) {
    {
      std::unique_lock lock(mutex_);
      space_.wait(lock, [this] { return aborted_ || buffered_.size() < kMaxBufferedBytes; });
      if (aborted_) return false;
      const size_t part = std::min(bytes.size(), kMaxBufferedBytes - buffered_.size());
      buffered_.append(bytes.substr(0, part));
      bytes.remove_prefix(part);
    }
    wake_reader_();
  }
  return !client_gone();
}

bool StreamPipe::client_gone() const {
  const std::lock_guard lock(mutex_);
  return aborted_;
}

void StreamPipe::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  wake_reader_();
}

bool StreamPipe::take(std::string& out) {
  out.clear();
  bool done = false;
  {
    const std::lock_guard lock(mutex_);
    out.swap(buffered_);
    done = finished_;
  }
  space_.notify_all();
  return done;
}

void StreamPipe::abort() {
  {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
  }
  space_.notify_all();
}

}  // namespace weft::server
