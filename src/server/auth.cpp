#include "server/auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace weft::server {

namespace {

constexpr size_t kMinTokenBytes = 16;
constexpr size_t kMaxTokenBytes = 512;
constexpr size_t kMaxFileBytes = 1u << 20;

std::array<uint8_t, 32> sha256(std::string_view text) {
  std::array<uint8_t, 32> out;
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), out.data());
  return out;
}

std::string_view next_word(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
    line.remove_prefix(1);
  const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  while (!line.empty() && line.front() == '\r')
    line.remove_prefix(1);
  return word;
}

Status set_field(AccessToken& token, std::string_view field) {
  const size_t equals = field.find('=');
  const std::string_view key = field.substr(0, equals);
  const std::string value(equals == std::string_view::npos ? "" : field.substr(equals + 1));
  if (key == "browser" && equals == std::string_view::npos) {
    token.browser = true;
  } else if (key == "name") {
    token.name = value;
  } else if (key == "origin") {
    token.origins.push_back(value);
  } else if (key == "service") {
    token.services.push_back(value);
  } else if (key == "spans_per_second") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), token.max_spans_per_second);
    if (error != std::errc() || end != value.data() + value.size() ||
        !(token.max_spans_per_second > 0) || !std::isfinite(token.max_spans_per_second)) {
      return fail(ErrorCode::kInvalidArgument, "spans_per_second needs a number above 0");
    }
  } else {
    return fail(ErrorCode::kInvalidArgument,
                "unknown field '" + std::string(key) +
                    "'; known are name=, browser, origin=, service= and spans_per_second=");
  }
  return {};
}

Expected<AccessToken> parse_line(std::string_view line, size_t number) {
  const std::string_view text = next_word(line);
  if (text.size() < kMinTokenBytes || text.size() > kMaxTokenBytes) {
    return fail(ErrorCode::kInvalidArgument,
                "a token has 16 to 512 characters; make one with 'openssl rand -hex 24'");
  }
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; })) {
    return fail(ErrorCode::kInvalidArgument, "a token consists of printable ASCII characters");
  }
  AccessToken token;
  token.name = "line-" + std::to_string(number);
  token.sha256 = sha256(text);
  for (std::string_view field = next_word(line); !field.empty(); field = next_word(line)) {
    WEFT_TRY(set_field(token, field));
  }
  if (token.browser && token.origins.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a browser token needs at least one origin=https://…, the page that may use it");
  }
  return token;
}

}  // namespace

bool AccessToken::allows_origin(std::string_view origin) const {
  return std::ranges::any_of(origins, [&](const std::string& o) { return o == origin; });
}

bool AccessToken::allows_service(std::string_view service) const {
  return services.empty() ||
         std::ranges::any_of(services, [&](const std::string& s) { return s == service; });
}

Expected<TokenSet> TokenSet::parse(std::string_view text, std::string_view file_name) {
  TokenSet out;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    std::string_view rest = line;
    const std::string_view first = next_word(rest);
    if (first.empty() || first.starts_with('#')) continue;
    auto token = parse_line(line, number);
    if (!token) {
      return std::unexpected(std::move(token).error().with_prefix(std::string(file_name) + ":" +
                                                                  std::to_string(number)));
    }
    out.tokens_.push_back(std::make_shared<const AccessToken>(*std::move(token)));
  }
  if (out.tokens_.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(file_name) +
                    " holds no token; write one a line, for example from 'openssl rand -hex 24'");
  }
  return out;
}

Expected<TokenSet> TokenSet::load(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return std::unexpected(errno_error(errno, "open token file " + path));
  std::string text(kMaxFileBytes + 1, '\0');
  const size_t size = std::fread(text.data(), 1, text.size(), file);
  std::fclose(file);
  if (size > kMaxFileBytes) {
    return fail(ErrorCode::kInvalidArgument, "token file " + path + " is larger than 1 MiB");
  }
  return parse(std::string_view(text).substr(0, size), path);
}

std::shared_ptr<const AccessToken> TokenSet::find(std::string_view token) const {
  const auto digest = sha256(token.substr(0, kMaxTokenBytes + 1));
  std::shared_ptr<const AccessToken> found;
  for (const auto& candidate : tokens_) {
    if (CRYPTO_memcmp(candidate->sha256.data(), digest.data(), digest.size()) == 0) {
      found = candidate;
    }
  }
  return found;
}

bool TokenSet::any_allows_origin(std::string_view origin) const {
  return std::ranges::any_of(
      tokens_, [&](const auto& token) { return token->browser && token->allows_origin(origin); });
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != kScheme[i]) return {};
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' '))
    authorization.remove_prefix(1);
  while (authorization.ends_with(' '))
    authorization.remove_suffix(1);
  return authorization;
}

uint32_t RateLimiter::take(std::string_view key, double cost, double per_second, double burst,
                           uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  auto found = buckets_.find(std::string(key));
  if (found == buckets_.end()) {
    if (buckets_.size() >= max_keys_) make_room(now_ns);
    found = buckets_.emplace(std::string(key), Bucket{burst, now_ns, per_second, burst}).first;
  }
  Bucket& bucket = found->second;
  const double elapsed_s =
      now_ns > bucket.updated_ns ? static_cast<double>(now_ns - bucket.updated_ns) * 1e-9 : 0;
  bucket.level = std::min(burst, bucket.level + elapsed_s * per_second);
  bucket.updated_ns = now_ns;
  bucket.per_second = per_second;
  bucket.burst = burst;
  if (bucket.level <= 0) {
    const double wait_s = -bucket.level / per_second;
    return static_cast<uint32_t>(std::clamp(std::ceil(wait_s), 1.0, 3600.0));
  }
  bucket.level -= cost;
  return 0;
}

void RateLimiter::make_room(uint64_t now_ns) {
  std::erase_if(buckets_, [now_ns](const auto& entry) {
    const Bucket& bucket = entry.second;
    const double elapsed_s = static_cast<double>(now_ns - bucket.updated_ns) * 1e-9;
    return bucket.level + elapsed_s * bucket.per_second >= bucket.burst;
  });
  if (buckets_.size() >= max_keys_) buckets_.clear();
}

}  // namespace weft::server
