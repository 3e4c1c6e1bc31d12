#include <weft/http/semantics.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

namespace weft::inline v1::http {
namespace {

constexpr std::size_t kMaxUrlBytes = 4096;
constexpr int kMaxPort = 65535;

constexpr std::array<std::string_view, 9> kMethods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

constexpr std::array<std::string_view, 14> kSecretHeaders = {"authorization",
                                                             "cookie",
                                                             "set-cookie",
                                                             "proxy-authorization",
                                                             "proxy-authenticate",
                                                             "www-authenticate",
                                                             "x-api-key",
                                                             "api-key",
                                                             "x-auth-token",
                                                             "x-csrf-token",
                                                             "x-xsrf-token",
                                                             "x-amz-security-token",
                                                             "x-goog-iam-authorization-token",
                                                             "authentication-info"};

// Names of query parameters, in lower case.
constexpr std::array<std::string_view, 26> kSecretParameters = {"sig",
                                                                "signature",
                                                                "awsaccesskeyid",
                                                                "x-amz-signature",
                                                                "x-amz-credential",
                                                                "x-amz-security-token",
                                                                "x-goog-signature",
                                                                "x-goog-credential",
                                                                "token",
                                                                "access_token",
                                                                "refresh_token",
                                                                "id_token",
                                                                "auth",
                                                                "authorization",
                                                                "code",
                                                                "client_secret",
                                                                "secret",
                                                                "password",
                                                                "passwd",
                                                                "pwd",
                                                                "api_key",
                                                                "apikey",
                                                                "key",
                                                                "session",
                                                                "sessionid",
                                                                "jwt"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equals_lower(std::string_view text, std::string_view lower_case) {
  return text.size() == lower_case.size() &&
         std::equal(text.begin(), text.end(), lower_case.begin(),
                    [](char a, char b) { return lower(a) == b; });
}

// A URL without a scheme is one of http to libcurl and cpp-httplib.
int default_port(std::string_view scheme) {
  if (scheme.empty() || equals_lower(scheme, "http")) return 80;
  return equals_lower(scheme, "https") ? 443 : 0;
}

// The methods that OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS names; empty when it is not set.
const std::vector<std::string>& configured_methods() {
  static const std::vector<std::string> methods = [] {
    std::vector<std::string> out;
    const char* text = std::getenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS");
    std::string_view rest = text == nullptr ? std::string_view() : std::string_view(text);
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view name = rest.substr(0, comma);
      while (!name.empty() && name.front() == ' ')
        name.remove_prefix(1);
      while (!name.empty() && name.back() == ' ')
        name.remove_suffix(1);
      if (!name.empty()) out.emplace_back(name);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return out;
  }();
  return methods;
}

bool is_known(std::string_view method) {
  const auto& configured = configured_methods();
  if (!configured.empty()) {
    return std::find(configured.begin(), configured.end(), method) != configured.end();
  }
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

// Where the host of a URL, and what stands before it, begins: behind "scheme://". libcurl takes one
// slash or three as well, and a URL without a scheme.
std::size_t authority_start(std::string_view url) {
  const std::size_t colon = url.find_first_of(":/?#@[");
  if (colon == 0 || colon == std::string_view::npos || url.substr(colon, 2) != ":/") return 0;
  std::size_t at = colon + 1;
  while (at < url.size() && at < colon + 4 && url[at] == '/')
    ++at;
  return at;
}

void append_redacted_query(std::string& out, std::string_view query) {
  while (true) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const bool secret =
        std::any_of(kSecretParameters.begin(), kSecretParameters.end(),
                    [&](std::string_view known) { return equals_lower(name, known); });
    if (secret && equals != std::string_view::npos) {
      out.append(name).append("=REDACTED");
    } else {
      out.append(pair);
    }
    if (end == query.size()) return;
    out.push_back('&');
    query.remove_prefix(end + 1);
  }
}

}  // namespace

Method classify_method(std::string_view raw) {
  if (is_known(raw)) return {raw, {}};
  return {"_OTHER", raw};
}

bool is_secret_header(std::string_view name) {
  return std::any_of(kSecretHeaders.begin(), kSecretHeaders.end(),
                     [&](std::string_view known) { return equals_lower(name, known); });
}

std::string redact_query(std::string_view query) {
  std::string out;
  append_redacted_query(out, query.substr(0, kMaxUrlBytes));
  return out;
}

std::string redact_url(std::string_view url) {
  url = url.substr(0, kMaxUrlBytes);
  url = url.substr(0, url.find('#'));
  std::string out;
  out.reserve(url.size());
  std::size_t at = authority_start(url);
  out.append(url.substr(0, at));
  const std::string_view authority =
      url.substr(at, std::min(url.find_first_of("/?", at), url.size()) - at);
  const std::size_t user_end = authority.rfind('@');
  if (user_end != std::string_view::npos) {
    out.append("REDACTED:REDACTED@");
    at += user_end + 1;
  }
  const std::size_t question = url.find('?', at);
  out.append(url.substr(at, question == std::string_view::npos ? question : question - at));
  if (question != std::string_view::npos) {
    out.push_back('?');
    append_redacted_query(out, url.substr(question + 1));
  }
  return out;
}

UrlParts split_url(std::string_view url) {
  UrlParts parts;
  const std::size_t start = authority_start(url);
  if (start != 0) parts.scheme = url.substr(0, url.find(':'));
  url.remove_prefix(start);
  url = url.substr(0, url.find('#'));
  const std::size_t authority_end = std::min(url.find_first_of("/?"), url.size());
  std::string_view authority = url.substr(0, authority_end);
  url.remove_prefix(authority_end);
  const std::size_t user_end = authority.rfind('@');
  if (user_end != std::string_view::npos) authority.remove_prefix(user_end + 1);
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = std::min(authority.find(']'), authority.size() - 1);
    parts.host = authority.substr(1, close - 1);
    if (close + 1 < authority.size() && authority[close + 1] == ':') {
      port = authority.substr(close + 2);
    }
  } else {
    const std::size_t colon = authority.find(':');
    parts.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  for (const char c : port) {
    parts.port = c < '0' || c > '9' ? kMaxPort + 1 : parts.port * 10 + (c - '0');
    if (parts.port > kMaxPort) break;
  }
  if (parts.port > kMaxPort) parts.port = 0;
  if (port.empty()) parts.port = default_port(parts.scheme);
  const std::size_t question = url.find('?');
  parts.path = url.substr(0, question);
  if (question != std::string_view::npos) parts.query = url.substr(question + 1);
  return parts;
}

}  // namespace weft::inline v1::http
