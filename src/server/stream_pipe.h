// Carries the bytes of a streamed answer from the handler's thread to the connection's I/O thread,
// through a buffer of bounded size.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "server/http_types.h"

namespace weft::server {

class StreamPipe final : public ResponseStream {
 public:
  static constexpr size_t kMaxBufferedBytes = 256u << 10;

  // `wake_reader` is called after each change that the reader waits for; any thread.
  explicit StreamPipe(std::function<void()> wake_reader) : wake_reader_(std::move(wake_reader)) {}

  // The writer's side.
  bool write(std::string_view bytes) override;
  bool client_gone() const override;
  void finish();

  // The reader's side. Moves what is buffered to `out`; true when nothing more will come.
  bool take(std::string& out);
  // The client is gone, or the server stops: write() returns false from now on.
  void abort();

 private:
  const std::function<void()> wake_reader_;
  mutable std::mutex mutex_;
  std::condition_variable space_;
  std::string buffered_;
  bool finished_ = false;
  bool aborted_ = false;
};

}  // namespace weft::server
