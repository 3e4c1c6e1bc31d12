#include "curl_connections.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "../clock.h"
#include "../fork.h"

namespace weft::sdk_detail {
namespace {

constexpr std::size_t kMaxConnections = 1024;

struct Connection {
  unsigned users = 0;
  std::int64_t idle_since_ns = 0;
};

class Connections final : public ForkParticipant {
 public:
  static Connections& instance() {
    static auto* made = [] {
      auto* connections = new Connections;
      register_fork_participant(ForkRank::kPipeline, connections);
      return connections;
    }();
    return *made;
  }

  // False when nothing is known of it; else `before` becomes what it was like.
  bool take(const std::string& key, bool reused, Connection& before) {
    const std::lock_guard lock(mutex_);
    auto at = all_.find(key);
    const bool known = at != all_.end() && reused;
    if (known) before = at->second;
    if (at == all_.end()) {
      make_room();
      at = all_.emplace(key, Connection()).first;
    } else if (!reused) {
      at->second = {};
    }
    ++at->second.users;
    return known;
  }
  void leave(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto at = all_.find(key);
    if (at == all_.end() || at->second.users == 0) return;
    if (--at->second.users == 0) at->second.idle_since_ns = monotonic_ns();
  }

  void before_fork() noexcept override { mutex_.lock(); }
  void after_fork_in_parent() noexcept override { mutex_.unlock(); }
  void after_fork_in_child() noexcept override {
    all_.clear();
    mutex_.unlock();
  }

 private:
  void make_room() {
    if (all_.size() < kMaxConnections) return;
    // The one that has been idle for longest, which most likely is closed.
    const auto age = [](const auto& entry) {
      return entry.second.users != 0 ? INT64_MAX : entry.second.idle_since_ns;
    };
    all_.erase(std::min_element(all_.begin(), all_.end(),
                                [&](const auto& a, const auto& b) { return age(a) < age(b); }));
  }

  std::mutex mutex_;
  std::map<std::string, Connection> all_;
};

}  // namespace

ConnectionUse::ConnectionUse(std::string_view local, std::string_view remote, bool reused)
    : key_(std::string(local).append(" ").append(remote)), was_idle_(reused) {
  Connection before;
  if (!Connections::instance().take(key_, reused, before)) return;
  was_idle_ = before.users == 0;
  if (was_idle_) idle_ns_ = monotonic_ns() - before.idle_since_ns;
}

ConnectionUse::~ConnectionUse() {
  Connections::instance().leave(key_);
}

}  // namespace weft::sdk_detail
