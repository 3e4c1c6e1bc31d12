// The span of a server of one's own.
#include <weft/http/server_span.h>

#include <map>
#include <string>

#include "show.h"

int main() {
  const weft::TracerProvider provider = show_spans();
  const std::map<std::string, std::string> headers;
  weft::http::ServerSpan server({.method = "GET", .path = "/users/7", .scheme = "http"}, headers);
  server.set_route("/users/{id}");
  server.finish(200);
}
