// session-api's endpoints, and the middleware that keeps a customer's OAuth token set fresh.
//
//   POST /login              {"customer", "password"}: a legacy session, kept in a cookie
//   POST /session/transfer   legacy session -> OAuth token set, kept in cookies
//   GET  /features/{name}    what needs the token set
//   GET  /metrics, /healthz
#pragma once

#include <weft/http/beast.h>
#include <weft/metrics.h>

#include "account_client.h"

namespace session_api {

// The arguments must outlive the routes.
weft::http::BeastRoutes make_routes(AccountClient& account, const weft::MeterProvider& metrics);

}  // namespace session_api
