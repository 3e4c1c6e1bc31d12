#include "server/grpc_session.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "server/grpc_wire.h"

namespace weft::server {

namespace {

constexpr uint32_t kMaxStreams = 256;
// Batches of spans are some hundred kilobytes: large frames, and windows that hold some batches.
// What arrives is bounded by the budget for bodies, not by these.
constexpr uint32_t kMaxFrameBytes = 1u << 20;
constexpr int32_t kStreamWindowBytes = 4 << 20;
constexpr int32_t kConnectionWindowBytes = 16 << 20;
// Less of a message is copied from the buffer; more is read to where it belongs. From a client that
// sends such frames no more is taken at once between them than the head of the next.
constexpr size_t kDirectBytes = 32u << 10;
constexpr size_t kHeadBytes = 2u << 10;
constexpr size_t kWriteBytes = 64u << 10;
// HPACK's estimate of what a field costs beside its text (RFC 7541, 4.1).
constexpr size_t kFieldOverheadBytes = 32;

constexpr uint64_t kSecondNs = 1'000'000'000;
// Dead peers are noticed by a ping that nobody answers.
constexpr uint64_t kPingAfterNs = 60 * kSecondNs;
constexpr uint64_t kPingTimeoutNs = 20 * kSecondNs;
constexpr uint64_t kMaxIdleNs = 600 * kSecondNs;
constexpr uint64_t kLingerNs = 2 * kSecondNs;

nghttp2_nv field(std::string_view name, std::string_view value) {
  // nghttp2 copies both.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

std::string_view view(const uint8_t* text, size_t size) {
  return {reinterpret_cast<const char*>(text), size};
}

}  // namespace

struct GrpcSession::Stream {
  enum class Phase : uint8_t { kMetadata, kReceiving, kHandling, kAnswered };

  int32_t id = 0;
  Phase phase = Phase::kMetadata;
  bool half_closed = false;  // the client has said all
  bool closed = false;
  bool metadata_too_large = false;
  std::shared_ptr<GrpcCall> call = std::make_shared<GrpcCall>();
  std::string http_method;
  MemoryReservation reservation;
  uint64_t metadata_bytes = 0;
  uint64_t max_message_bytes = 0;
  uint64_t deadline_ns = UINT64_MAX;
  // The message, as far as it is there.
  std::array<char, kGrpcPrefixBytes> prefix{};
  size_t prefix_bytes = 0;
  size_t message_bytes = 0;
  size_t filled = 0;
  // The reply with its prefix, as far as it is sent.
  std::string reply;
  size_t sent = 0;
};

struct GrpcSession::AnswerOnce {
  AnswerOnce(std::shared_ptr<IoThread> thread, std::weak_ptr<GrpcSession> of, StreamPtr to)
      : io(std::move(thread)), session(std::move(of)), stream(std::move(to)) {}
  AnswerOnce(AnswerOnce&&) = default;
  ~AnswerOnce() {
    if (!stream) return;
    GrpcAnswer dropped;
    dropped.code = kGrpcInternal;
    dropped.status_message = "the call was dropped unanswered";
    answer_later(io, std::move(session), std::move(stream), std::move(dropped));
  }
  void operator()(GrpcAnswer answer) {
    if (!stream) return;
    answer_later(io, std::move(session), std::exchange(stream, nullptr), std::move(answer));
  }
  std::shared_ptr<IoThread> io;
  std::weak_ptr<GrpcSession> session;
  StreamPtr stream;
};

// nghttp2 calls these from within feed() and flush(). It is C: no exception may pass through it.
struct GrpcSession::Callbacks {
  static GrpcSession& self(void* user_data) { return *static_cast<GrpcSession*>(user_data); }
  template <auto kCallback, typename... Arguments>
  static int guarded(Arguments... arguments) noexcept {
    try {
      return kCallback(arguments...);
    } catch (const std::exception&) {  // out of memory: the connection ends
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user_data) {
    GrpcSession& session = self(user_data);
    const bool plain = head->type == NGHTTP2_DATA && (head->flags & NGHTTP2_FLAG_PADDED) == 0;
    session.data_left_ = plain ? head->length : 0;
    if (head->type == NGHTTP2_DATA) session.large_frames_ = session.data_left_ > kDirectBytes;
    session.data_stream_ = head->stream_id;
    return 0;
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    GrpcSession& session = self(user_data);
    auto stream = std::make_shared<Stream>();
    stream->id = frame->hd.stream_id;
    stream->reservation = MemoryReservation(session.shared_.options.body_budget);
    stream->deadline_ns = session.now_ns() + session.limits().header_timeout_ns;
    session.streams_.emplace(stream->id, std::move(stream));
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user_data) {
    GrpcSession& session = self(user_data);
    Stream* stream = session.find(frame->hd.stream_id);
    if (stream == nullptr || stream->phase != Stream::Phase::kMetadata) return 0;
    stream->metadata_bytes += name_size + value_size + kFieldOverheadBytes;
    if (stream->metadata_bytes > session.limits().max_header_bytes ||
        !stream->reservation.grow_to(stream->metadata_bytes)) {
      stream->metadata_too_large = true;
      return 0;
    }
    const std::string_view key = view(name, name_size);
    const std::string_view text = view(value, value_size);
    if (key == ":path") {
      stream->call->method = text;
    } else if (key == ":method") {
      stream->http_method = text;
    } else if (!key.starts_with(':')) {
      stream->call->metadata.add(key, text);
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    GrpcSession& session = self(user_data);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    const auto found = session.streams_.find(frame->hd.stream_id);
    if (found == session.streams_.end()) return 0;
    const StreamPtr stream = found->second;
    if (stream->phase == Stream::Phase::kMetadata) session.begin(*stream);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      stream->half_closed = true;
      if (stream->phase == Stream::Phase::kReceiving) session.complete(stream);
    }
    return 0;
  }

  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                     void* user_data) {
    GrpcSession& session = self(user_data);
    session.data_left_ -= std::min(size, session.data_left_);
    Stream* stream = session.find(id);
    if (stream != nullptr && stream->phase == Stream::Phase::kReceiving) {
      session.take_data(*stream, reinterpret_cast<const char*>(data), size);
    }
    return 0;
  }

  static int on_close(nghttp2_session*, int32_t id, uint32_t, void* user_data) {
    GrpcSession& session = self(user_data);
    const auto found = session.streams_.find(id);
    if (found == session.streams_.end()) return 0;
    found->second->closed = true;
    session.streams_.erase(found);
    return 0;
  }

  // A client that is still sending what nobody reads any more is told to stop (RFC 9113, 8.1).
  static int on_sent(nghttp2_session* http2, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
      return 0;
    }
    const Stream* stream = self(user_data).find(frame->hd.stream_id);
    if (stream == nullptr || stream->half_closed) return 0;
    return nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  }

  static ssize_t read_reply(nghttp2_session* http2, int32_t id, uint8_t* out, size_t size,
                            uint32_t* flags, nghttp2_data_source*, void* user_data) {
    Stream* stream = self(user_data).find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t part = std::min(size, stream->reply.size() - stream->sent);
    std::memcpy(out, stream->reply.data() + stream->sent, part);
    stream->sent += part;
    if (stream->sent == stream->reply.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv trailer = field("grpc-status", "0");
      if (nghttp2_submit_trailer(http2, id, &trailer, 1) != 0) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      }
    }
    return static_cast<ssize_t>(part);
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* out = nullptr;
    if (nghttp2_session_callbacks_new(&out) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_frame_callback(out, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(out, guarded<on_begin_headers>);
    nghttp2_session_callbacks_set_on_header_callback(out, guarded<on_header>);
    nghttp2_session_callbacks_set_on_frame_recv_callback(out, guarded<on_frame>);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, guarded<on_data>);
    nghttp2_session_callbacks_set_on_stream_close_callback(out, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(out, on_sent);
    return out;
  }
};

GrpcSession::GrpcSession(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
                         Tcp::socket socket)
    : Connection(std::move(io), shared, listener, std::move(socket)), buffer_(kReadBytes) {}

GrpcSession::~GrpcSession() {
  nghttp2_session_del(http2_);
}

void GrpcSession::start() {
  deadline_ns_ = now_ns() + limits().header_timeout_ns;
  const auto self = std::static_pointer_cast<GrpcSession>(shared_from_this());
  net::co_spawn(io_->context, [self]() { return self->run(); }, net::detached);
}

bool GrpcSession::open() {
  static const nghttp2_session_callbacks* callbacks = Callbacks::make();
  if (nghttp2_session_server_new(&http2_, callbacks, this) != 0) return false;
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxStreams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrameBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits().max_header_bytes)},
  }};
  return nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) ==
             0 &&
         nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0,
                                               kConnectionWindowBytes) == 0;
}

GrpcSession::Awaitable<void> GrpcSession::run() {
  try {
    bool going = co_await handshake(Alpn::kHttp2) && open();
    while (going) {
      // The message stays where it is for as long as the socket may write to it, whatever becomes
      // of its call meanwhile.
      const std::span<char> direct = direct_room();
      reading_ = direct.empty() ? nullptr : streams_.at(data_stream_);
      const std::array<net::mutable_buffer, 2> into{
          net::buffer(direct.data(), direct.size()),
          net::buffer(buffer_.data(), large_frames_ ? kHeadBytes : buffer_.size())};
      const size_t bytes = co_await read_some(into);
      going = bytes > 0;
      heard_ = true;
      const size_t placed = std::min(bytes, direct.size());
      feed(direct.data(), placed);
      if (const StreamPtr stream = std::exchange(reading_, nullptr);
          stream && stream->phase == Stream::Phase::kAnswered) {
        drop_message(*stream);
      }
      feed(buffer_.data(), bytes - placed);
      received_bytes_ += bytes;
      if (state_ == State::kGreeting && received_bytes_ >= NGHTTP2_CLIENT_MAGIC_LEN) {
        state_ = State::kOpen;
      }
      flush();
    }
  } catch (const std::exception&) {
    // Out of memory, or a library's last resort: this connection ends, the others go on.
  }
  close();
  // Nobody waits for these any more.
  for (const auto& [id, stream] : streams_)
    stream->closed = true;
  streams_.clear();
}

void GrpcSession::feed(const char* bytes, size_t size) {
  if (size == 0 || state_ == State::kEnding) return;
  const ssize_t taken =
      nghttp2_session_mem_recv(http2_, reinterpret_cast<const uint8_t*>(bytes), size);
  if (taken >= 0) return;
  shared_.bad_requests->add();
  if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC) refuse_other_protocol();
  end();
}

// Only the sending half: what is unread would otherwise make the kernel send a reset, which can
// overtake the last words.
void GrpcSession::end() {
  state_ = State::kEnding;
  deadline_ns_ = now_ns() + kLingerNs;
  BoostError ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

// Whoever sends OTLP/HTTP to the port of gRPC has the wrong of two numbers, and should not have to
// guess that.
void GrpcSession::refuse_other_protocol() {
  static constexpr std::string_view kText =
      "this port takes OTLP over gRPC; OTLP over HTTP goes to the port of otlp-http, 4318 unless "
      "configured otherwise\n";
  std::string text =
      "HTTP/1.1 415 Unsupported Media Type\r\nContent-Type: text/plain\r\nConnection: close\r\n"
      "Content-Length: " +
      std::to_string(kText.size()) + "\r\n\r\n";
  text += kText;
  if (!tls_ && !writing_) {
    // If its socket takes it at once; never waited for.
    [[maybe_unused]] const ssize_t sent =
        ::send(socket_.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

GrpcSession::Stream* GrpcSession::find(int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

// ---- sending

void GrpcSession::flush() {
  // Nothing before the client's preface: what speaks HTTP/1.1 would take it for its answer.
  if (state_ != State::kOpen || writing_ || !socket_.is_open()) return;
  out_.clear();
  while (out_.size() < kWriteBytes) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(http2_, &bytes);
    if (size < 0) return close();
    if (size == 0) break;
    out_.append(view(bytes, static_cast<size_t>(size)));
  }
  if (out_.empty()) {
    const bool over = draining_ ? streams_.empty()
                                : nghttp2_session_want_read(http2_) == 0 &&
                                      nghttp2_session_want_write(http2_) == 0;
    if (over) end();
    return;
  }
  writing_ = true;
  write_deadline_ns_ = now_ns() + limits().write_timeout_ns;
  const auto written = [self = std::static_pointer_cast<GrpcSession>(shared_from_this())](
                           const BoostError& error, size_t) {
    self->writing_ = false;
    self->write_deadline_ns_ = UINT64_MAX;
    if (error) {
      self->close();
    } else {
      self->flush();
    }
  };
  if (tls_) {
    net::async_write(*tls_, net::buffer(out_), written);
  } else {
    net::async_write(socket_, net::buffer(out_), written);
  }
}

// Answers that come together go out together.
void GrpcSession::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  net::post(io_->context, [self = std::static_pointer_cast<GrpcSession>(shared_from_this())] {
    self->flush_posted_ = false;
    self->flush();
  });
}

// ---- receiving

// The metadata is there.
void GrpcSession::begin(Stream& stream) {
  stream.phase = Stream::Phase::kReceiving;
  stream.deadline_ns = now_ns() + limits().body_timeout_ns;
  if (stream.metadata_too_large) {
    return fail(stream, {ErrorCode::kResourceExhausted,
                         "the call's metadata is larger than the limit of " +
                             std::to_string(limits().max_header_bytes) + " bytes"});
  }
  GrpcCall& call = *stream.call;
  if (stream.http_method != "POST") return refuse_http(stream, "405");
  if (!call.metadata.get("content-type").starts_with("application/grpc")) {
    return refuse_http(stream, "415");
  }
  GrpcAdmission admission = listener().grpc->admit(call);
  if (admission.refusal) return answer(stream, *std::move(admission.refusal));
  stream.max_message_bytes = admission.max_message_bytes;
}

void GrpcSession::take_data(Stream& stream, const char* data, size_t size) {
  if (!take_prefix(stream, data, size)) return;
  if (size > stream.message_bytes - stream.filled) {
    return fail(stream, {ErrorCode::kUnimplemented, "a call takes one message, and here are more"});
  }
  std::string& message = stream.call->message;
  if (data == message.data() + stream.filled) {  // read to its place
    stream.filled += size;
    return;
  }
  while (size > 0) {
    if (!make_room(stream)) return;
    const size_t part = std::min(size, message.size() - stream.filled);
    std::memcpy(message.data() + stream.filled, data, part);
    stream.filled += part;
    data += part;
    size -= part;
  }
}

// What stands before a message. False: there is nothing behind it, or the call has been answered.
bool GrpcSession::take_prefix(Stream& stream, const char*& data, size_t& size) {
  if (stream.prefix_bytes == kGrpcPrefixBytes) return size > 0;
  const size_t part = std::min(size, kGrpcPrefixBytes - stream.prefix_bytes);
  std::memcpy(stream.prefix.data() + stream.prefix_bytes, data, part);
  stream.prefix_bytes += part;
  data += part;
  size -= part;
  if (stream.prefix_bytes < kGrpcPrefixBytes) return false;
  const GrpcPrefix prefix = read_grpc_prefix(stream.prefix);
  stream.message_bytes = prefix.size;
  if (prefix.size > stream.max_message_bytes) {
    fail(stream, {ErrorCode::kResourceExhausted, "the message has " + std::to_string(prefix.size) +
                                                     " bytes; the limit is " +
                                                     std::to_string(stream.max_message_bytes)});
    return false;
  }
  if (prefix.compressed) {
    const std::string_view name = stream.call->metadata.get("grpc-encoding");
    const auto compression = compression_from_name(name);
    if (!compression || *compression == Compression::kNone) {
      fail(stream, {ErrorCode::kUnimplemented, "the message is compressed by '" +
                                                   std::string(name.substr(0, 100)) +
                                                   "', which is none of gzip, deflate and zstd"});
      return false;
    }
    stream.call->compression = *compression;
  }
  return size > 0;
}

bool GrpcSession::make_room(Stream& stream) {
  if (Connection::make_room(stream.call->message, stream.filled, stream.message_bytes,
                            stream.reservation, stream.metadata_bytes)) {
    return true;
  }
  fail(stream, out_of_body_memory(), 1);
  return false;
}

std::span<char> GrpcSession::direct_room() {
  if (data_left_ < kDirectBytes) return {};
  Stream* stream = find(data_stream_);
  if (stream == nullptr || stream->phase != Stream::Phase::kReceiving ||
      stream->prefix_bytes < kGrpcPrefixBytes) {
    return {};
  }
  const size_t wanted = std::min(data_left_, stream->message_bytes - stream->filled);
  if (wanted < kDirectBytes || !make_room(*stream)) return {};
  std::string& message = stream->call->message;
  return {message.data() + stream->filled, std::min(wanted, message.size() - stream->filled)};
}

// The client has said all: its message is handled, if it is one.
void GrpcSession::complete(const StreamPtr& stream) {
  if (stream->prefix_bytes < kGrpcPrefixBytes) {
    return fail(*stream, {ErrorCode::kInvalidArgument, "the call carries no message"});
  }
  if (stream->filled < stream->message_bytes) {
    return fail(*stream, {ErrorCode::kInvalidArgument,
                          "the message ends after " + std::to_string(stream->filled) + " of " +
                              std::to_string(stream->message_bytes) + " bytes"});
  }
  stream->phase = Stream::Phase::kHandling;
  stream->deadline_ns = now_ns() + limits().ingest_timeout_ns;
  stream->call->received_ns = shared_.options.clock->now_ns();
  AnswerOnce once(io_, std::static_pointer_cast<GrpcSession>(shared_from_this()), stream);
  try {
    listener().grpc->take(stream->call, std::move(once));
  } catch (const std::exception&) {
    // `once` has answered.
  }
}

// ---- answering

void GrpcSession::fail(Stream& stream, Error error, uint32_t retry_after_s) {
  answer(stream, listener().grpc->make_error(error, retry_after_s));
}

// What is no call of gRPC at all is answered as HTTP answers it.
void GrpcSession::refuse_http(Stream& stream, const char* status) {
  stream.phase = Stream::Phase::kAnswered;
  shared_.bad_requests->add();
  const nghttp2_nv head = field(":status", status);
  if (nghttp2_submit_response(http2_, stream.id, &head, 1, nullptr) != 0) close();
}

void GrpcSession::answer(Stream& stream, GrpcAnswer answer) {
  if (stream.closed || stream.phase == Stream::Phase::kAnswered) return;
  if (stream.phase == Stream::Phase::kReceiving && &stream != reading_.get()) drop_message(stream);
  stream.phase = Stream::Phase::kAnswered;
  stream.deadline_ns = UINT64_MAX;
  if (answer.code != 0) return submit_error(stream, answer);
  append_grpc_message(stream.reply, answer.message);
  const std::array head{field(":status", "200"), field("content-type", "application/grpc"),
                        field("grpc-accept-encoding", kGrpcAcceptEncoding)};
  nghttp2_data_provider reply{};
  reply.read_callback = Callbacks::read_reply;
  if (nghttp2_submit_response(http2_, stream.id, head.data(), head.size(), &reply) != 0) close();
}

// What has arrived of a message that nobody is going to handle.
void GrpcSession::drop_message(Stream& stream) {
  stream.call->message = {};
  stream.reservation.release();
}

void GrpcSession::submit_error(Stream& stream, const GrpcAnswer& answer) {
  const std::string code = std::to_string(answer.code);
  const std::string message = grpc_percent_encoded(answer.status_message);
  const std::string details = grpc_base64(answer.status_details);
  const std::array head{
      field(":status", "200"),
      field("content-type", "application/grpc"),
      field("grpc-accept-encoding", kGrpcAcceptEncoding),
      field("grpc-status", code),
      field("grpc-message", message),
      field("grpc-status-details-bin", details),
  };
  const size_t fields = head.size() - (details.empty() ? 1 : 0);
  if (nghttp2_submit_response(http2_, stream.id, head.data(), fields, nullptr) != 0) close();
}

void GrpcSession::answer_later(const std::shared_ptr<IoThread>& io,
                               std::weak_ptr<GrpcSession> session, StreamPtr stream,
                               GrpcAnswer answer) {
  if (io->stopped) return;
  net::post(io->context, [session = std::move(session), stream = std::move(stream),
                          answer = std::move(answer)]() mutable {
    const auto self = session.lock();
    if (!self || stream->closed) return;
    self->answer(*stream, std::move(answer));
    self->flush_soon();
  });
}

// ---- time

void GrpcSession::check_deadlines(uint64_t now_ns) {
  if (state_ != State::kOpen && now_ns > deadline_ns_) {
    if (state_ == State::kGreeting) shared_.timeouts->add();
    return close();
  }
  if (now_ns > write_deadline_ns_) {
    shared_.timeouts->add();
    return close();
  }
  if (http2_ == nullptr) return;
  check_streams(now_ns);
  check_peer(now_ns);
  flush();
}

void GrpcSession::check_streams(uint64_t now_ns) {
  for (const auto& [id, stream] : streams_) {
    if (now_ns < stream->deadline_ns) continue;
    shared_.timeouts->add();
    if (stream->phase == Stream::Phase::kMetadata) {
      stream->deadline_ns = UINT64_MAX;
      nghttp2_session_terminate_session(http2_, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (stream->phase == Stream::Phase::kReceiving) {
      fail(*stream, {ErrorCode::kUnavailable, "the message did not arrive in time"}, 1);
    } else {
      fail(*stream, not_stored_in_time(), 1);
    }
  }
}

void GrpcSession::check_peer(uint64_t now_ns) {
  if (std::exchange(heard_, false) || quiet_since_ns_ == 0) {
    quiet_since_ns_ = now_ns;
    pinged_ = false;
  }
  if (now_ns - quiet_since_ns_ > kPingAfterNs + kPingTimeoutNs) {
    shared_.timeouts->add();
    return close();
  }
  if (now_ns - quiet_since_ns_ > kPingAfterNs && !std::exchange(pinged_, true)) {
    nghttp2_submit_ping(http2_, NGHTTP2_FLAG_NONE, nullptr);
  }
  if (!streams_.empty() || idle_since_ns_ == 0) idle_since_ns_ = now_ns;
  if (now_ns - idle_since_ns_ > kMaxIdleNs) drain();
}

// The client hears which calls will still be answered; it makes the others elsewhere, or again.
void GrpcSession::drain() {
  if (std::exchange(draining_, true)) return;
  if (state_ == State::kGreeting) return close();
  nghttp2_submit_goaway(http2_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http2_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  flush();
}

void GrpcSession::abort() {
  close();
}

}  // namespace weft::server
