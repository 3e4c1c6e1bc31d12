// A request through the routes of Beast.
#include <weft/http/beast.h>

#include "show.h"

int main() {
  const weft::TracerProvider provider = show_spans();
  weft::http::BeastRoutes routes;
  routes.add("GET", "/users/{id}", [](weft::http::BeastCall& call) {
    weft::current_span().set("user.id", call.parameter("id"));
    return call.respond(200, "text/plain", "hello");
  });
  const weft::http::BeastRequest request(boost::beast::http::verb::get, "/users/7", 11);
  const auto response = routes.handle(request, {.address = "192.0.2.7", .port = 51234});
  return response.result_int() == 200 ? 0 : 1;
}
