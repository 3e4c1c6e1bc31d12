// The service that the W3C's conformance suite for Trace Context drives: POST /test with
// [{"url": …, "arguments": …}] makes it POST each `arguments` to its `url` with the propagated
// headers.
//   weft_sdk_w3c_service [port]     listens on 127.0.0.1, prints "listening on <port>"
// then, with the suite of https://github.com/w3c/trace-context:
//   python3 test/test.py http://127.0.0.1:<port>/test
#include <httplib.h>
#include <yaml-cpp/yaml.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <weft/propagation.h>
#include <weft/provider.h>
#include <weft/tracer.h>

namespace {

// JSON again from what yaml-cpp read; strings keep their quotes by the tag that it gives them.
std::string to_json(const YAML::Node& node) {
  YAML::Emitter out;
  out << YAML::DoubleQuoted << YAML::Flow << node;
  return out.c_str();
}

void forward(const YAML::Node& call) {
  const auto url = call["url"].as<std::string>();
  const std::size_t path = url.find('/', url.find("://") + 3);
  httplib::Client client(url.substr(0, path));
  weft::Span span = weft::tracer("w3c").start_span("POST", weft::SpanKind::kClient);
  httplib::Headers headers;
  weft::Propagator().inject(weft::Context::current().with_span(span),
                            [&](std::string_view name, std::string_view value) {
                              headers.emplace(std::string(name), std::string(value));
                            });
  client.Post(path == std::string::npos ? "/" : url.substr(path), headers,
              to_json(call["arguments"]), "application/json");
}

}  // namespace

int main(int argc, char** argv) {
  weft::TracerProviderConfig config;
  config.exporters.push_back({weft::make_console_exporter(2)});
  weft::TracerProvider provider(std::move(config));
  provider.set_global();

  httplib::Server server;
  server.Post("/test", [](const httplib::Request& request, httplib::Response& response) {
    // Each header line by itself: two traceparents are not one.
    const weft::Context parent =
        weft::Propagator().extract([&request](std::string_view name, auto emit) {
          for (const auto& [key, value] : request.headers) {
            if (weft::sdk_detail::equal_ignoring_case(key, name)) emit(std::string_view(value));
          }
        });
    weft::Scope scope(parent);
    weft::Span span = weft::tracer("w3c").start_span("POST /test", weft::SpanKind::kServer);
    auto active = span.activate();
    try {
      for (const YAML::Node& call : YAML::Load(request.body))
        forward(call);
    } catch (const YAML::Exception& e) {
      response.status = 400;
      response.set_content(e.what(), "text/plain");
    }
  });
  int port = argc > 1 ? std::atoi(argv[1]) : 0;
  if (port == 0) {
    port = server.bind_to_any_port("127.0.0.1");
  } else if (!server.bind_to_port("127.0.0.1", port)) {
    std::fprintf(stderr, "cannot listen on 127.0.0.1:%d\n", port);
    return 1;
  }
  std::printf("listening on %d\n", port);
  std::fflush(stdout);
  return server.listen_after_bind() ? 0 : 1;
}
