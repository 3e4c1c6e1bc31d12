#include <weft/exporter.h>

#include <deque>
#include <exception>
#include <mutex>

namespace weft::inline v1 {

std::string_view signal_name(Signal signal) noexcept {
  switch (signal) {
    case Signal::kTraces:
      return "traces";
    case Signal::kMetrics:
      return "metrics";
    case Signal::kLogs:
      return "logs";
  }
  return "";
}

std::string_view ExportRequest::otlp() const {
  if (pieces.size() == 1) return pieces.front();
  if (joined_.empty()) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces)
      size += piece.size();
    joined_.reserve(size);
    for (const std::string_view piece : pieces)
      joined_.append(piece);
  }
  return joined_;
}

namespace {

class BoundedStorage final : public MemoryExporter::Storage {
 public:
  explicit BoundedStorage(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void add(Signal signal, std::string_view otlp) override {
    Inner& inner = *inner_;
    const std::lock_guard lock(inner.mutex);
    inner.requests.push_back({signal, std::string(otlp)});
    inner.bytes += otlp.size();
    while (inner.bytes > max_bytes_ && inner.requests.size() > 1) {
      inner.bytes -= inner.requests.front().bytes.size();
      inner.requests.pop_front();
    }
  }

  std::string take(Signal signal) override {
    Inner& inner = *inner_;
    const std::lock_guard lock(inner.mutex);
    std::string out;
    std::deque<Request> rest;
    for (Request& request : inner.requests) {
      if (request.signal == signal) {
        out += request.bytes;
        inner.bytes -= request.bytes.size();
      } else {
        rest.push_back(std::move(request));
      }
    }
    inner.requests = std::move(rest);
    return out;
  }

  void after_fork_in_child() noexcept override {
    // The old one may be locked by a thread that is not here, in the midst of a change.
    (void)inner_.release();
    inner_ = std::make_unique<Inner>();
  }

 private:
  struct Request {
    Signal signal;
    std::string bytes;
  };
  struct Inner {
    std::mutex mutex;
    std::deque<Request> requests;
    std::size_t bytes = 0;
  };
  const std::size_t max_bytes_;
  std::unique_ptr<Inner> inner_ = std::make_unique<Inner>();
};

}  // namespace

std::shared_ptr<MemoryExporter::Storage> MemoryExporter::make_storage(std::size_t max_bytes) {
  return std::make_shared<BoundedStorage>(max_bytes);
}

void MemoryExporter::after_fork_in_child() noexcept {
  storage_->after_fork_in_child();
}

ExportResult MemoryExporter::send(const ExportRequest& request) noexcept {
  try {
    storage_->add(request.signal, request.otlp());
  } catch (const std::exception& e) {
    return {ExportOutcome::kGaveUp, 0, e.what()};
  }
  return {};
}

}  // namespace weft::inline v1
