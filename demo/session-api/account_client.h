// Calls to the account data centre: legacy sessions and OAuth token sets. Every call is a client
// span with the phases of its network below it. Thread-safe; a call blocks its thread.
#pragma once

#include <weft/http/curl.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "settings.h"

namespace session_api {

// What became of a call.
struct AccountAnswer {
  int status = 0;          // 0: there was no answer
  std::string body;        // JSON
  std::string error_type;  // when there was none: "dns.timeout", "timeout.wait", …
  std::string message;     // for the customer's squad

  bool ok() const { return status >= 200 && status < 300; }
};

class AccountClient {
 public:
  explicit AccountClient(const Settings& settings);

  // `faults` is the demonstration's x-demo-fault header: "dns" sends the lookup to the name server
  // that loses queries, "hang" is for account-oauth.
  AccountAnswer create_session(std::string_view customer, std::string_view password);
  AccountAnswer look_up_session(std::string_view session);
  // account-oauth's discovery document: which scopes and grants it knows.
  AccountAnswer discover();
  AccountAnswer issue_tokens(std::string_view customer, std::string_view session,
                             std::string_view faults);
  AccountAnswer refresh_tokens(std::string_view refresh_token);

 private:
  // A client with its open connection. It is retired after some requests, so that connections are
  // spread over the balancers.
  struct Pooled {
    weft::http::CurlClient client;
    int requests_left;
  };

  AccountAnswer send(weft::http::HttpRequest request, std::string_view faults);
  Pooled take();
  void give_back(Pooled pooled);
  weft::http::CurlClientConfig client_config(std::shared_ptr<weft::http::Resolver> resolver) const;

  const Settings settings_;
  const std::shared_ptr<weft::http::Resolver> resolver_;
  const std::shared_ptr<weft::http::Resolver> unlucky_resolver_;
  std::mutex mutex_;
  std::vector<Pooled> idle_;
};

}  // namespace session_api
