// A whole server on ports of 127.0.0.1 that the system picks, over a MemorySink; and requests to
// send to it.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "model/span.h"
#include "server/server.h"
#include "server/testing/memory_sink.h"
#include "server/testing/raw_client.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft::server::testing {

inline Config local_config() {
  Config config;
  config.otlp_grpc = "127.0.0.1:0";
  config.otlp_http = "127.0.0.1:0";
  config.http = "127.0.0.1:0";
  config.zipkin = "127.0.0.1:0";
  return config;
}

// A directory that is gone when the test ends.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-server-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ServerFixture : public ::testing::Test {
 protected:
  void start(Config config = local_config(), Router api = {}, Router zipkin = {},
             std::function<Status()> ready = {}) {
    auto finalized = finalize_config(std::move(config));
    ASSERT_TRUE(finalized) << finalized.error().message;
    ServerParts parts;
    parts.sink = &sink_;
    parts.metrics = &metrics_;
    parts.api = std::move(api);
    parts.zipkin = std::move(zipkin);
    parts.ready = std::move(ready);
    auto server = Server::start(*std::move(finalized), std::move(parts));
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  uint16_t otlp_http_port() const { return server_->otlp_http()->port; }
  uint16_t http_port() const { return server_->http()->port; }
  uint16_t zipkin_port() const { return server_->zipkin()->port; }

  MetricsRegistry metrics_;
  MemorySink sink_;
  std::unique_ptr<Server> server_;
};

inline Span make_span(uint64_t number, std::string_view service = "shop") {
  Span span;
  span.trace_id.bytes[15] = 1;
  for (int i = 0; i < 8; ++i)
    span.span_id.bytes[i] = static_cast<uint8_t>((number + 1) >> 8 * i);
  span.name = "GET /cart";
  span.start_ns = 1'700'000'000'000'000'000 + number;
  span.end_ns = span.start_ns + 1'000'000;
  span.kind = SpanKind::kServer;
  span.resource.attributes.push_back({"service.name", Value(service)});
  return span;
}

inline SpanBatch make_batch(size_t spans, std::string_view service = "shop") {
  SpanBatch batch;
  for (size_t i = 0; i < spans; ++i)
    append_span(batch, make_span(i, service));
  return batch;
}

inline std::string protobuf_request(size_t spans, std::string_view service = "shop") {
  std::string out;
  encode_otlp_traces(make_batch(spans, service), out);
  return out;
}

// One of whose spans none can be kept: their ids are zeros.
inline std::string rejected_request(size_t spans) {
  SpanBatch batch = make_batch(spans);
  for (SpanId& id : batch.span_id)
    id = SpanId();
  std::string out;
  encode_otlp_traces(batch, out);
  return out;
}

inline std::string json_request(size_t spans, std::string_view service = "shop") {
  std::string out;
  encode_otlp_traces_json(make_batch(spans, service), out);
  return out;
}

}  // namespace weft::server::testing
