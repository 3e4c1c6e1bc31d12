// An HTTP/2 client for tests that must say exactly what goes out: odd calls of gRPC, odd frames,
// nothing at all. One thread.
#pragma once

#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/testing/raw_client.h"

namespace weft::server::testing {

struct Http2Answer {
  std::map<std::string, std::string> fields;  // of header and trailer
  std::string body;
  bool closed = false;
  uint32_t error = 0;  // that the stream was closed with

  std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
  }
};

class Http2Client {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit Http2Client(uint16_t port) : socket_(port) {
    const int on = 1;
    ::setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, select_padding);
    nghttp2_session_client_new(&http2_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Http2Client() { nghttp2_session_del(http2_); }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  // Fields of a well-formed call of that method.
  static Fields call_fields(const std::string& method) {
    return {{":method", "POST"},
            {":scheme", "http"},
            {":path", method},
            {":authority", "localhost"},
            {"content-type", "application/grpc"},
            {"te", "trailers"}};
  }

  // Starts a stream, whose body is given to write().
  int32_t start(const Fields& fields) {
    std::vector<nghttp2_nv> all;
    for (const auto& [name, value] : fields) {
      all.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider body{};
    body.read_callback = read_body;
    const int32_t id = nghttp2_submit_request(http2_, nullptr, all.data(), all.size(), &body, this);
    bodies_[id];
    return id;
  }
  void write(int32_t id, std::string_view bytes, bool last) {
    bodies_[id].bytes.append(bytes);
    bodies_[id].last = last;
    nghttp2_session_resume_data(http2_, id);
  }
  // Sends and receives until the stream is closed; false when the time was over first.
  bool wait_for(int32_t id, int timeout_ms = 10'000) {
    return run([&] { return answers_[id].closed; }, timeout_ms);
  }
  // The same until the server has closed the connection.
  bool wait_for_end(int timeout_ms = 10'000) {
    return run([&] { return ended_; }, timeout_ms);
  }
  // Sends what is to be sent.
  void send() {
    while (true) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(http2_, &bytes);
      if (size <= 0) return;
      if (!socket_.send({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)})) return;
    }
  }
  // The same, and takes what is there.
  void exchange() {
    run([] { return false; }, 50);
  }
  Http2Answer call(const Fields& fields, std::string_view body) {
    const int32_t id = start(fields);
    write(id, body, true);
    wait_for(id);
    return answers_[id];
  }
  const Http2Answer& answer(int32_t id) { return answers_[id]; }
  bool told_to_go() const { return told_to_go_; }
  bool ended() const { return ended_; }
  RawClient& socket() { return socket_; }
  nghttp2_session* http2() { return http2_; }

  // How DATA frames are cut and filled up.
  size_t max_frame = 1u << 20;
  size_t padding = 0;

 private:
  struct Body {
    std::string bytes;
    size_t sent = 0;
    bool last = false;
  };

  template <typename Done>
  bool run(Done done, int timeout_ms) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!done()) {
      if (!ended_) send();
      if (done()) return true;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      if (left.count() <= 0 || ended_) return done();
      pollfd waiting{socket_.fd(), POLLIN, 0};
      if (::poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left.count(), 10))) <= 0) continue;
      char bytes[16384];
      const ssize_t size = ::recv(socket_.fd(), bytes, sizeof bytes, 0);
      if (size <= 0) {
        ended_ = true;
        continue;
      }
      nghttp2_session_mem_recv(http2_, reinterpret_cast<const uint8_t*>(bytes),
                               static_cast<size_t>(size));
    }
    return true;
  }
  static Http2Client& self(void* data) { return *static_cast<Http2Client*>(data); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* data) {
    self(data)
        .answers_[frame->hd.stream_id]
        .fields[std::string(reinterpret_cast<const char*>(name), name_size)] =
        std::string(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                     void* data) {
    self(data).answers_[id].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t id, uint32_t error, void* data) {
    self(data).answers_[id].closed = true;
    self(data).answers_[id].error = error;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_GOAWAY) self(data).told_to_go_ = true;
    return 0;
  }
  static ssize_t select_padding(nghttp2_session*, const nghttp2_frame* frame, size_t max,
                                void* data) {
    if (frame->hd.type != NGHTTP2_DATA) return static_cast<ssize_t>(frame->hd.length);
    return static_cast<ssize_t>(std::min(max, frame->hd.length + self(data).padding));
  }
  static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t* out, size_t size, uint32_t* flags,
                           nghttp2_data_source*, void* data) {
    Body& body = self(data).bodies_[id];
    if (body.sent == body.bytes.size() && !body.last) return NGHTTP2_ERR_DEFERRED;
    const size_t left = body.bytes.size() - body.sent;
    const size_t part = std::min({size, left, self(data).max_frame});
    std::memcpy(out, body.bytes.data() + body.sent, part);
    body.sent += part;
    if (part == left && body.last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(part);
  }

  RawClient socket_;
  nghttp2_session* http2_ = nullptr;
  std::map<int32_t, Body> bodies_;
  std::map<int32_t, Http2Answer> answers_;
  bool told_to_go_ = false;
  bool ended_ = false;
};

}  // namespace weft::server::testing
