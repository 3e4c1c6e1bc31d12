#include "account_client.h"

#include <nlohmann/json.hpp>

namespace session_api {
namespace {

constexpr int kRequestsPerConnection = 12;
constexpr size_t kIdleConnectionsMax = 8;
constexpr std::string_view kScopes = "openid account.read session.transfer";

// The name servers in the order in which they are asked. Release 1.0 knows one and asks it once:
// an answer that is lost is a lookup that fails. 1.1 goes on to the other.
std::shared_ptr<weft::http::Resolver> make_resolver(const Settings& settings,
                                                    const std::string& first,
                                                    const std::string& second) {
  if (first.empty()) return nullptr;
  weft::http::ResolverConfig config;
  config.servers = settings.retries_dns() && !second.empty() ? first + "," + second : first;
  config.tries = settings.retries_dns() ? 2 : 1;
  config.timeout_ms = settings.dns_timeout_ms;
  config.family = weft::http::AddressFamily::kIpv4;
  return std::make_shared<weft::http::Resolver>(std::move(config));
}

}  // namespace

AccountClient::AccountClient(const Settings& settings)
    : settings_(settings),
      resolver_(make_resolver(settings, settings.dns_healthy, settings.dns_lossy)),
      unlucky_resolver_(make_resolver(settings, settings.dns_lossy, settings.dns_healthy)) {}

weft::http::CurlClientConfig AccountClient::client_config(
    std::shared_ptr<weft::http::Resolver> resolver) const {
  weft::http::CurlClientConfig config;
  config.resolver = std::move(resolver);
  config.timeout_ms = settings_.timeout_ms;
  config.connect_timeout_ms = settings_.timeout_ms;
  config.ca_file = settings_.account_ca_file;
  return config;
}

AccountClient::Pooled AccountClient::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Pooled pooled = std::move(idle_.back());
      idle_.pop_back();
      return pooled;
    }
  }
  return {weft::http::CurlClient(client_config(resolver_)), kRequestsPerConnection};
}

void AccountClient::give_back(Pooled pooled) {
  if (--pooled.requests_left <= 0) return;
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleConnectionsMax) idle_.push_back(std::move(pooled));
}

AccountAnswer AccountClient::send(weft::http::HttpRequest request, std::string_view faults) {
  request.url = settings_.account_url + request.url;
  request.headers.emplace_back("accept", "application/json");
  if (!request.body.empty()) request.headers.emplace_back("content-type", "application/json");
  if (!faults.empty()) request.headers.emplace_back("x-demo-fault", faults);
  weft::http::HttpResponse response;
  if (faults.find("dns") != std::string_view::npos) {
    // No idle connection was left, and the lookup went to the replica in trouble.
    weft::http::CurlClient client(client_config(unlucky_resolver_));
    response = client.send(request);
  } else {
    Pooled pooled = take();
    response = pooled.client.send(request);
    if (response.result == CURLE_OK) give_back(std::move(pooled));
  }
  AccountAnswer answer{response.status, std::move(response.body), std::move(response.error_type),
                       std::move(response.error)};
  if (response.result != CURLE_OK) answer.status = 0;
  return answer;
}

AccountAnswer AccountClient::create_session(std::string_view customer, std::string_view password) {
  const nlohmann::json body = {{"customer", customer}, {"password", password}};
  return send(
      {.method = "POST", .url = "/sessions", .url_template = "/sessions", .body = body.dump()}, {});
}

AccountAnswer AccountClient::look_up_session(std::string_view session) {
  // The id is a secret and travels in a header: a URL would show it to every span on the way.
  return send({.url = "/sessions/current",
               .url_template = "/sessions/current",
               .headers = {{"x-legacy-session", std::string(session)}}},
              {});
}

AccountAnswer AccountClient::discover() {
  return send({.url = "/.well-known/oauth-authorization-server",
               .url_template = "/.well-known/oauth-authorization-server"},
              {});
}

AccountAnswer AccountClient::issue_tokens(std::string_view customer, std::string_view session,
                                          std::string_view faults) {
  const nlohmann::json body = {{"grant", "legacy_session"},
                               {"customer", customer},
                               {"session", session},
                               {"scope", kScopes}};
  return send({.method = "POST",
               .url = "/oauth/token",
               .url_template = "/oauth/token",
               .body = body.dump()},
              faults);
}

AccountAnswer AccountClient::refresh_tokens(std::string_view refresh_token) {
  const nlohmann::json body = {{"grant", "refresh_token"}, {"refreshToken", refresh_token}};
  return send({.method = "POST",
               .url = "/oauth/token",
               .url_template = "/oauth/token",
               .body = body.dump()},
              {});
}

}  // namespace session_api
