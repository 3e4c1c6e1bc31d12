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

namespace {

class BoundedStorage final : public MemoryExporter::Storage {
 public:
  explicit BoundedStorage(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void add(Signal signal, std::string_view otlp) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back({signal, std::string(otlp)});
    bytes_ += otlp.size();
    while (bytes_ > max_bytes_ && requests_.size() > 1) {
      bytes_ -= requests_.front().bytes.size();
      requests_.pop_front();
    }
  }

  std::string take(Signal signal) override {
    const std::lock_guard lock(mutex_);
    std::string out;
    std::deque<Request> rest;
    for (Request& request : requests_) {
      if (request.signal == signal) {
        out += request.bytes;
        bytes_ -= request.bytes.size();
      } else {
        rest.push_back(std::move(request));
      }
    }
    requests_ = std::move(rest);
    return out;
  }

 private:
  struct Request {
    Signal signal;
    std::string bytes;
  };
  const std::size_t max_bytes_;
  std::mutex mutex_;
  std::deque<Request> requests_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::shared_ptr<MemoryExporter::Storage> MemoryExporter::make_storage(std::size_t max_bytes) {
  return std::make_shared<BoundedStorage>(max_bytes);
}

ExportResult MemoryExporter::send(const ExportRequest& request) noexcept {
  try {
    storage_->add(request.signal, request.otlp);
  } catch (const std::exception& e) {
    return {ExportOutcome::kGaveUp, 0, e.what()};
  }
  return {};
}

}  // namespace weft::inline v1
