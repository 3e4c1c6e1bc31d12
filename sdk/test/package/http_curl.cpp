// A client of libcurl whose connection is refused: the phase that failed is named.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/http/curl.h>

#include <string>

#include "show.h"

int main() {
  const weft::TracerProvider provider = show_spans();
  // A port that nobody listens on, and that nobody else gets meanwhile.
  const int taken = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(taken, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 1;
  }
  weft::http::CurlClient client;
  const auto response = client.send(
      {.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)), .url_template = "/"});
  close(taken);
  return response.error_type == "connect" ? 0 : 1;
}
