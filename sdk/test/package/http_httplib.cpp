// A server and a client of cpp-httplib, in one trace.
#include <weft/http/httplib.h>

#include <string>
#include <thread>

#include "show.h"

int main() {
  const weft::TracerProvider provider = show_spans();
  httplib::Server server;
  weft::http::instrument(server);
  server.Get(R"(/users/(\d+))",
             weft::http::route("/users/{id}", [](const auto& request, auto& response) {
               weft::current_span().set("user.id", request.matches[1].str());
               response.set_content("hello", "text/plain");
             }));
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread listener([&server] { server.listen_after_bind(); });
  weft::http::HttplibClient client("http://127.0.0.1:" + std::to_string(port));
  const auto result = client.get("/users/7", "/users/{id}");
  server.stop();
  listener.join();
  return result && result->status == 200 ? 0 : 1;
}
