// A connection that speaks gRPC: HTTP/2 by nghttp2, and the protocol of
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md above it, for unary calls.
// Internal to the engine, as every header that shows Boost.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/connection.h"
#include "server/grpc_types.h"

namespace weft::server {

class GrpcSession final : public Connection {
 public:
  GrpcSession(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
              Tcp::socket socket);
  ~GrpcSession() override;

  void start() override;
  void check_deadlines(uint64_t now_ns) override;
  void drain() override;
  void abort() override;

 private:
  struct Stream;      // a call and where it stands
  struct Callbacks;   // what nghttp2 calls
  struct AnswerOnce;  // answers for a handler that does not
  using StreamPtr = std::shared_ptr<Stream>;
  // kGreeting: the client's preface is not there yet, and nothing is said before it. kEnding: all
  // has been said, and what still comes is thrown away until the client closes.
  enum class State : uint8_t { kGreeting, kOpen, kEnding };

  Awaitable<void> run();
  bool open();
  void feed(const char* bytes, size_t size);
  void end();
  // Where the rest of the message that is arriving goes, if it is worth a read of its own.
  std::span<char> direct_room();
  void flush();
  void flush_soon();
  void refuse_other_protocol();

  Stream* find(int32_t id);
  void begin(Stream& stream);
  void take_data(Stream& stream, const char* data, size_t size);
  bool take_prefix(Stream& stream, const char*& data, size_t& size);
  // False: the call has been answered.
  bool make_room(Stream& stream);
  void complete(const StreamPtr& stream);
  void fail(Stream& stream, Error error, uint32_t retry_after_s = 0);
  void refuse_http(Stream& stream, const char* status);
  void answer(Stream& stream, GrpcAnswer answer);
  static void drop_message(Stream& stream);
  void submit_error(Stream& stream, const GrpcAnswer& answer);
  // From any thread.
  static void answer_later(const std::shared_ptr<IoThread>& io, std::weak_ptr<GrpcSession> session,
                           StreamPtr stream, GrpcAnswer answer);
  void check_streams(uint64_t now_ns);
  void check_peer(uint64_t now_ns);

  nghttp2_session* http2_ = nullptr;
  std::unordered_map<int32_t, StreamPtr> streams_;
  std::vector<char> buffer_;
  // Of a DATA frame: what has not arrived of it yet.
  size_t data_left_ = 0;
  int32_t data_stream_ = 0;
  bool large_frames_ = false;
  StreamPtr reading_;  // into whose message the socket is being read

  std::string out_;  // being written
  bool writing_ = false;
  bool flush_posted_ = false;
  State state_ = State::kGreeting;
  bool draining_ = false;
  bool heard_ = false;  // something has come since the deadlines were last looked at
  bool pinged_ = false;
  uint64_t received_bytes_ = 0;
  uint64_t deadline_ns_ = 0;  // of the greeting, or of the end
  uint64_t write_deadline_ns_ = UINT64_MAX;
  uint64_t quiet_since_ns_ = 0;
  uint64_t idle_since_ns_ = 0;
};

}  // namespace weft::server
