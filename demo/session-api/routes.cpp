#include "routes.h"

#include <weft/access_log.h>
#include <weft/tracer.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace session_api {
namespace {

namespace beast = boost::beast;
using nlohmann::json;
using weft::http::BeastCall;
using weft::http::BeastResponse;

// A token set with less than this left is refreshed on the way.
constexpr int64_t kRefreshBeforeMs = 15'000;

std::string_view header(const BeastCall& call, beast::string_view name) {
  const auto value = call.request[name];
  return {value.data(), value.size()};
}

std::string cookie(const BeastCall& call, std::string_view name) {
  std::string_view rest = header(call, "cookie");
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string_view pair = rest.substr(0, end);
    while (!pair.empty() && pair.front() == ' ')
      pair.remove_prefix(1);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return std::string(pair.substr(equals + 1));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

void set_cookie(BeastResponse& response, std::string_view name, std::string_view value) {
  std::string line(name);
  line.append("=").append(value).append("; Path=/; HttpOnly; SameSite=Lax");
  response.insert(beast::http::field::set_cookie, line);
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void set_token_cookies(BeastResponse& response, const json& tokens) {
  set_cookie(response, "oauth_access", tokens.value("accessToken", ""));
  set_cookie(response, "oauth_refresh", tokens.value("refreshToken", ""));
  set_cookie(response, "oauth_expires",
             std::to_string(now_ms() + tokens.value("expiresInS", int64_t{60}) * 1000));
}

BeastResponse respond(const BeastCall& call, unsigned status, const json& body) {
  return call.respond(status, "application/json",
                      body.dump(-1, ' ', false, json::error_handler_t::replace));
}

// A failure that the customer feels: on the span with the reason that the squads look for.
BeastResponse fail(const BeastCall& call, unsigned status, std::string_view error,
                   const std::string& message) {
  weft::current_span()
      .set({{"error.type", error}, {"error.message", message}})
      .set_status(weft::StatusCode::kError, message);
  return respond(call, status, {{"error", error}, {"message", message}});
}

// A call to the account data centre that had no answer, or one that says no.
BeastResponse pass_on_failure(const BeastCall& call, const AccountAnswer& answer) {
  if (answer.status == 0) {
    const bool late = answer.error_type.starts_with("timeout");
    return fail(call, late ? 504 : 502, answer.error_type,
                "account could not be reached: " + answer.message);
  }
  const json body = json::parse(answer.body, nullptr, false);
  const bool is_object = body.is_object();
  const std::string reason =
      is_object ? body.value("error_description", body.value("message", "")) : std::string();
  if (is_object && body.contains("account_state")) {
    weft::current_span().set("account.state", body.value("account_state", ""));
  }
  if (answer.status == 401 || answer.status == 403) {
    return fail(call, 401, is_object ? body.value("error", "unauthorized") : "unauthorized",
                "unauthorized: " + reason);
  }
  return fail(call, 502, "account." + std::to_string(answer.status),
              "account answered " + std::to_string(answer.status) + ": " + reason);
}

BeastResponse log_in(AccountClient& account, BeastCall& call) {
  const json body = json::parse(call.request.body(), nullptr, false);
  const std::string customer = body.is_object() ? body.value("customer", "") : "";
  const std::string password = body.is_object() ? body.value("password", "") : "";
  if (customer.empty()) {
    return respond(call, 400, {{"error", "invalid_request"}, {"message", "customer is missing"}});
  }
  weft::current_span().set("enduser.id", customer);
  const AccountAnswer answer = account.create_session(customer, password);
  if (!answer.ok()) return pass_on_failure(call, answer);
  // What the transfer will ask for next is looked up ahead; log-in goes on without it.
  weft::current_span().set("oauth.discovered", account.discover().ok());
  BeastResponse response = respond(call, 200, {{"customer", customer}});
  set_cookie(response, "legacy_session", json::parse(answer.body).value("session", ""));
  return response;
}

BeastResponse transfer(AccountClient& account, BeastCall& call) {
  const std::string session = cookie(call, "legacy_session");
  if (session.empty()) return fail(call, 401, "unauthorized", "no legacy session in the cookies");
  const AccountAnswer owner = account.look_up_session(session);
  if (!owner.ok()) return pass_on_failure(call, owner);
  const std::string customer = json::parse(owner.body).value("customer", "");
  weft::current_span().set("enduser.id", customer);
  const AccountAnswer tokens =
      account.issue_tokens(customer, session, header(call, "x-demo-fault"));
  if (!tokens.ok()) return pass_on_failure(call, tokens);
  const json set = json::parse(tokens.body);
  const std::string state = set.value("accountState", "active");
  weft::current_span().set("account.state", state);
  BeastResponse response = respond(call, 200, {{"transferred", true}, {"accountState", state}});
  set_token_cookies(response, set);
  return response;
}

BeastResponse feature(BeastCall& call) {
  const std::string name(call.parameter("name"));
  weft::current_span().set("feature.name", name);
  if (cookie(call, "oauth_access").empty()) {
    return fail(call, 401, "unauthorized", "no OAuth token set in the cookies");
  }
  return respond(call, 200, {{"feature", name}, {"items", {"one", "two", "three"}}});
}

// Refreshes a token set that is about to expire, whatever the request is for.
BeastResponse keep_tokens_fresh(AccountClient& account, BeastCall& call,
                                const weft::http::BeastRoutes::Handler& next) {
  const std::string refresh = cookie(call, "oauth_refresh");
  const std::string expires = cookie(call, "oauth_expires");
  const bool is_due =
      !refresh.empty() && std::strtoll(expires.c_str(), nullptr, 10) - now_ms() < kRefreshBeforeMs;
  if (!is_due) return next(call);
  const AccountAnswer answer = account.refresh_tokens(refresh);
  weft::current_span().set("oauth.refreshed", answer.ok());
  BeastResponse response = next(call);
  if (answer.ok()) set_token_cookies(response, json::parse(answer.body));
  return response;
}

// One structured line a request on stdout, with the ids of its span.
BeastResponse log_line(BeastCall& call, const weft::http::BeastRoutes::Handler& next) {
  const auto start = std::chrono::steady_clock::now();
  BeastResponse response = next(call);
  const std::chrono::nanoseconds duration = std::chrono::steady_clock::now() - start;
  std::string line = weft::format_request(
      {.method = {call.request.method_string().data(), call.request.method_string().size()},
       .route = call.route,
       .path = call.path,
       .status = static_cast<int>(response.result_int()),
       .duration_ns = duration.count(),
       .response_body_bytes = static_cast<int64_t>(response.body().size())});
  line.push_back('\n');
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
  return response;
}

}  // namespace

weft::http::BeastRoutes make_routes(AccountClient& account, const weft::MeterProvider& metrics) {
  weft::http::BeastRoutes routes;
  routes.use(log_line);
  routes.use([&account](BeastCall& call, const auto& next) {
    return keep_tokens_fresh(account, call, next);
  });
  routes.add("POST", "/login", [&account](BeastCall& call) { return log_in(account, call); });
  routes.add("POST", "/session/transfer",
             [&account](BeastCall& call) { return transfer(account, call); });
  routes.add("GET", "/features/{name}", [](BeastCall& call) { return feature(call); });
  routes.add("GET", "/healthz",
             [](BeastCall& call) { return respond(call, 200, {{"status", "up"}}); });
  routes.add("GET", "/metrics", [&metrics](BeastCall& call) {
    std::string type;
    const std::string text = metrics.prometheus_text(header(call, "accept"), &type);
    return call.respond(200, type, text);
  });
  return routes;
}

}  // namespace session_api
