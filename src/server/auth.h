// Who may send and who may ask: bearer tokens from files, and the quotas that go with them. A
// browser's token is public by nature (anybody can read it in the page's source), so it may only
// write, only from the origins and for the services it names, and no more than its quota.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"

namespace weft::server {

struct AccessToken {
  std::string name;  // for metrics and messages; never the token itself
  std::array<uint8_t, 32> sha256{};
  bool browser = false;
  std::vector<std::string> origins;   // of a browser token; at least one
  std::vector<std::string> services;  // service.name values it may write; empty: any
  double max_spans_per_second = 0;    // 0: no quota

  bool allows_origin(std::string_view origin) const;
  bool allows_service(std::string_view service) const;
};

// The tokens of one file. Immutable; any thread.
class TokenSet {
 public:
  // One token a line, then optional fields: `name=checkout`, `browser`, `origin=https://a.example`
  // (may be repeated), `service=product-web` (may be repeated), `spans_per_second=500`. Empty
  // lines and lines that begin with # are skipped. Tokens have 16 to 512 printable characters.
  // Errors name file and line, never the token.
  static Expected<TokenSet> parse(std::string_view text, std::string_view file_name);
  static Expected<TokenSet> load(const std::string& path);

  // Takes the same time whether and where the token is found. Null when it is unknown.
  std::shared_ptr<const AccessToken> find(std::string_view token) const;
  // Whether a browser token of the set is bound to the origin.
  bool any_allows_origin(std::string_view origin) const;
  bool empty() const { return tokens_.empty(); }
  size_t size() const { return tokens_.size(); }

 private:
  std::vector<std::shared_ptr<const AccessToken>> tokens_;
};

// The token of "Bearer abc" (the scheme in any case); "" for anything else.
std::string_view bearer_token(std::string_view authorization);

// Token buckets by key (a client's address, a token's name). Any thread.
class RateLimiter {
 public:
  // More keys than max_keys: those that have recovered fully are forgotten, then all of them.
  explicit RateLimiter(size_t max_keys = 16'384) : max_keys_(max_keys) {}

  // Takes `cost` from the key's bucket, which holds up to `burst` and is refilled by `per_second`.
  // A bucket may go into debt by one call, since a cost may be known late. Returns 0 when taken,
  // else the whole seconds after which trying again makes sense (nothing is taken).
  uint32_t take(std::string_view key, double cost, double per_second, double burst,
                uint64_t now_ns);

 private:
  struct Bucket {
    double level = 0;
    uint64_t updated_ns = 0;
    double per_second = 0;
    double burst = 0;
  };
  void make_room(uint64_t now_ns);

  const size_t max_keys_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

// The tokens in force; exchanged when the files are read again. Any thread.
class CurrentTokens {
 public:
  struct Sets {
    std::shared_ptr<const TokenSet> ingest;  // null: everybody may send
    std::shared_ptr<const TokenSet> query;   // null: everybody may ask
  };
  explicit CurrentTokens(Sets sets) : sets_(std::move(sets)) {}
  Sets get() const {
    const std::lock_guard lock(mutex_);
    return sets_;
  }
  void set(Sets sets) {
    const std::lock_guard lock(mutex_);
    sets_ = std::move(sets);
  }

 private:
  mutable std::mutex mutex_;
  Sets sets_;
};

}  // namespace weft::server
