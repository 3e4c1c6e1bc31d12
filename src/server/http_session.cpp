#include "server/http_session.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "server/http_message.h"
#include "server/http_reading.h"

namespace weft::server {

namespace {

constexpr size_t kWritePieceBytes = 256u << 10;
constexpr auto kAnswerPoll = std::chrono::milliseconds(100);
constexpr uint64_t kLingerNs = 2'000'000'000;

HttpMethod method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return HttpMethod::kGet;
    case http::verb::head:
      return HttpMethod::kHead;
    case http::verb::post:
      return HttpMethod::kPost;
    case http::verb::put:
      return HttpMethod::kPut;
    case http::verb::delete_:
      return HttpMethod::kDelete;
    case http::verb::patch:
      return HttpMethod::kPatch;
    case http::verb::options:
      return HttpMethod::kOptions;
    default:
      return HttpMethod::kOther;
  }
}

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

// Completes `answer` on its I/O thread. Any thread. The pipe of an answer that nobody waits for any
// more is cut: its writer would wait for a reader for ever.
void complete(std::shared_ptr<PendingAnswer> answer, HttpResponse response,
              std::shared_ptr<StreamPipe> pipe = nullptr) {
  const std::shared_ptr<IoThread> io = answer->io;
  if (io->stopped) {
    if (pipe) pipe->abort();
    return;
  }
  net::post(io->context, [answer = std::move(answer), response = std::move(response),
                          pipe = std::move(pipe)]() mutable {
    if (answer->ready) {
      if (pipe) pipe->abort();
      return;
    }
    answer->ready = true;
    answer->response = std::move(response);
    answer->pipe = std::move(pipe);
    answer->wake.cancel();
  });
}

// Answers for a handler that drops its HttpRespond without calling it.
struct AnswerOnce {
  explicit AnswerOnce(std::shared_ptr<PendingAnswer> pending) : answer(std::move(pending)) {}
  AnswerOnce(AnswerOnce&&) = default;
  ~AnswerOnce() {
    if (answer) {
      complete(answer,
               error_response({ErrorCode::kInternal, "the request was dropped unanswered"}));
    }
  }
  std::shared_ptr<PendingAnswer> answer;
};

// A request together with the memory that its body holds.
struct OwnedRequest : HttpRequest {
  MemoryReservation reservation;
};

HttpResponse call_handler(const HttpHandler& handler, const HttpRequest& request) {
  try {
    return handler(request);
  } catch (const std::exception& exception) {
    return error_response({ErrorCode::kInternal, std::string("unexpected: ") + exception.what()});
  }
}

// Runs a blocking handler, and its stream, on a worker thread.
void run_handler(const HttpHandler& handler, const std::shared_ptr<HttpRequest>& request,
                 const std::shared_ptr<PendingAnswer>& answer) {
  HttpResponse response = call_handler(handler, *request);
  if (!response.stream || request->method == HttpMethod::kHead) {
    if (!response.stream) compress_if_accepted(*request, response);
    complete(answer, std::move(response));
    return;
  }
  const auto stream = std::move(response.stream);
  // The answer owns the pipe: the pipe must not own the answer.
  const auto pipe = std::make_shared<StreamPipe>(
      [io = answer->io, reader = std::weak_ptr<PendingAnswer>(answer)] {
        if (io->stopped) return;
        net::post(io->context, [reader] {
          if (const auto waiting = reader.lock()) waiting->wake.cancel();
        });
      });
  response.stream = nullptr;
  complete(answer, std::move(response), pipe);
  try {
    stream(*pipe);
  } catch (const std::exception&) {
    pipe->abort();  // the connection is cut, so that the client sees an incomplete answer
  }
  pipe->finish();
}

}  // namespace

HttpSession::HttpSession(std::shared_ptr<IoThread> io, EngineShared& shared, size_t listener,
                         Tcp::socket socket)
    : Connection(std::move(io), shared, listener, std::move(socket)) {
  // Without this Beast starts with 512 bytes, and large requests take four times as long.
  buffer_.reserve(kReadBytes);
}

void HttpSession::start() {
  const auto self = std::static_pointer_cast<HttpSession>(shared_from_this());
  net::co_spawn(io_->context, [self]() { return self->run(); }, net::detached);
}

void HttpSession::set_deadline(uint64_t after_ns) {
  deadline_ns_ = after_ns == UINT64_MAX ? UINT64_MAX : now_ns() + after_ns;
}

void HttpSession::check_deadlines(uint64_t now_ns) {
  if (now_ns < deadline_ns_) return;
  deadline_ns_ = UINT64_MAX;
  timed_out_ = true;
  if (!idle_) {
    shared_.timeouts->add();
    // Told to the client if its socket takes it at once; never waited for.
    if (!tls_ && !sending_ && reading_) {
      HttpResponse response = make_error(
          *reading_, 408, {ErrorCode::kDeadlineExceeded, "the request did not come in time"});
      const std::string text = head_of(*reading_, response, false) + response.body;
      [[maybe_unused]] const ssize_t sent =
          ::send(socket_.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  }
  close();
}

void HttpSession::drain() {
  if (idle_) close();
  if (running_pipe_) running_pipe_->abort();
}

void HttpSession::abort() {
  if (running_) running_->cancel();
  if (running_pipe_) running_pipe_->abort();
  close();
}

bool HttpSession::peer_closed() {
  if (!socket_.is_open()) return true;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
  return info.tcpi_state != TCP_ESTABLISHED;
}

HttpSession::Awaitable<bool> HttpSession::write_all(std::string_view a, std::string_view b) {
  sending_ = true;
  bool first = true;
  while (first || !b.empty()) {
    // A deadline for each piece: a slow client may take its time, a dead one may not.
    set_deadline(limits().write_timeout_ns);
    const std::string_view piece = b.substr(0, kWritePieceBytes);
    b.remove_prefix(piece.size());
    const std::array<net::const_buffer, 2> buffers{
        first ? net::buffer(a.data(), a.size()) : net::const_buffer(),
        net::buffer(piece.data(), piece.size())};
    first = false;
    if (tls_) {
      const auto [error, bytes] = co_await net::async_write(*tls_, buffers, kAwait);
      if (error) co_return false;
    } else {
      const auto [error, bytes] = co_await net::async_write(socket_, buffers, kAwait);
      if (error) co_return false;
    }
  }
  set_deadline(UINT64_MAX);
  co_return true;
}

HttpSession::Awaitable<void> HttpSession::run() {
  try {
    set_deadline(limits().header_timeout_ns);
    const bool secure = co_await handshake(Alpn::kHttp1);
    Next next = secure ? Next::kKeepAlive : Next::kGone;
    bool first = true;
    while (next == Next::kKeepAlive && !io_->draining) {
      idle_ = true;
      sending_ = false;
      set_deadline(first ? limits().header_timeout_ns : limits().idle_timeout_ns);
      first = false;
      next = co_await serve_one();
      reading_.reset();
    }
    if (next != Next::kGone) co_await close_politely();
  } catch (const std::exception&) {
    // Out of memory, or a library's last resort: this connection ends, the others go on.
  }
  close();
}

// Says goodbye in a way that lets the last answer arrive: an unread body would otherwise make the
// kernel send a reset, which can overtake the answer.
HttpSession::Awaitable<void> HttpSession::close_politely() {
  set_deadline(kLingerNs);
  if (tls_) {
    co_await tls_->async_shutdown(kAwait);
  }
  beast::error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
  while (socket_.is_open()) {
    const auto [error, bytes] =
        co_await socket_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    if (error) break;
  }
}

HttpSession::Awaitable<HttpSession::Next> HttpSession::serve_one() {
  Reading reading;
  std::string problem;
  auto request = std::make_shared<OwnedRequest>();
  request->reservation = MemoryReservation(shared_.options.body_budget);
  request->peer = peer_;
  request->tls = tls_.has_value();
  reading_ = request;
  const int status = co_await read_header(reading, problem);
  if (status < 0) co_return Next::kGone;
  reading.started_ns = shared_.options.clock->steady_ns();
  request->received_ns = shared_.options.clock->now_ns();
  if (status > 0) {
    shared_.bad_requests->add();
    finish_metrics(status, reading.started_ns);
    Error error{ErrorCode::kInvalidArgument, "this is not a valid HTTP/1.1 request: " + problem};
    const bool sent =
        co_await send(*request, make_error(*request, status, std::move(error)), false);
    co_return sent ? Next::kClose : Next::kGone;
  }
  const auto& message = reading.parser.get();
  reading.http_1_0 = message.version() < 11;
  reading.keep_alive = message.keep_alive() && !reading.http_1_0;
  request->method = method_of(message.method());
  request->target = view(message.target());
  for (const auto& field : message) {
    request->headers.add(view(field.name_string()), view(field.value()));
  }
  co_return co_await answer_request(reading, std::move(request));
}

// Reduces "http://host/path" to "/path", and splits off the query.
static std::optional<std::string> take_target_apart(HttpRequest& request) {
  std::string_view target = request.target;
  if (const size_t scheme = target.find("://");
      !target.starts_with('/') && scheme != std::string_view::npos) {
    const size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  std::string raw_path(target.substr(0, question));
  if (question != std::string_view::npos) {
    request.query = HttpParameters::parse(target.substr(question + 1));
  }
  auto decoded = percent_decode(raw_path, false);
  if (!decoded || (!raw_path.starts_with('/') && raw_path != "*")) return std::nullopt;
  request.path = *std::move(decoded);
  return raw_path;
}

HttpSession::Awaitable<HttpSession::Next> HttpSession::answer_request(
    Reading& reading, std::shared_ptr<HttpRequest> request) {
  const auto raw_path = take_target_apart(*request);
  if (!raw_path) {
    Error error{ErrorCode::kInvalidArgument, "the path of the request is not well encoded"};
    co_return co_await refuse(reading, *request, make_error(*request, 400, std::move(error)));
  }
  const std::string_view coding = request->headers.get("transfer-encoding");
  if (!coding.empty() &&
      !beast::iequals(beast::string_view(coding.data(), coding.size()), "chunked")) {
    Error error{ErrorCode::kUnimplemented, "only the transfer coding 'chunked' is understood"};
    co_return co_await refuse(reading, *request, make_error(*request, 501, std::move(error)));
  }
  if (listener().before_routing) {
    if (auto early = listener().before_routing(*request)) {
      co_return co_await refuse(reading, *request, *std::move(early));
    }
  }
  Router::Match match = listener().router.match(request->method, *raw_path);
  if (match.route == nullptr) {
    const bool known = !match.allow.empty();
    Error error{known ? ErrorCode::kInvalidArgument : ErrorCode::kNotFound,
                known ? "this path does not take " + std::string(to_string(request->method)) +
                            " but " + match.allow
                      : "there is nothing at " + request->path};
    HttpResponse response = make_error(*request, known ? 405 : 404, std::move(error));
    if (known) response.headers.add("Allow", match.allow);
    co_return co_await refuse(reading, *request, std::move(response));
  }
  request->params = std::move(match.params);
  uint64_t max_body_bytes = 1u << 20;
  if (listener().admit) {
    HttpAdmission admission = listener().admit(*request, *match.route);
    if (admission.refusal) {
      co_return co_await refuse(reading, *request, *std::move(admission.refusal));
    }
    max_body_bytes = admission.max_body_bytes;
  }
  auto& owned = static_cast<OwnedRequest&>(*request);
  BodyError body = co_await read_body(reading, *request, max_body_bytes, owned.reservation);
  if (body.status < 0) co_return Next::kGone;
  if (body.status > 0) {
    // What is left of the body cannot be told from a next request, or is too much to read.
    reading.keep_alive = false;
    HttpResponse response = make_error(*request, body.status, std::move(body.error));
    if (body.status == 503) response.headers.add("Retry-After", "1");
    finish_metrics(body.status, reading.started_ns);
    const bool sent = co_await send(*request, std::move(response), false);
    co_return sent ? Next::kClose : Next::kGone;
  }
  set_deadline(UINT64_MAX);
  reading_.reset();  // its memory is its handler's from here on
  const auto answer = std::make_shared<PendingAnswer>(io_);
  running_ = request->cancel;
  const bool is_query = match.route->handler != nullptr;
  dispatch(*match.route, request, answer);
  co_await wait_for_answer(*request, *answer, is_query);
  const bool keep_alive = reading.keep_alive && !io_->draining && socket_.is_open();
  finish_metrics(answer->response.status, reading.started_ns);
  bool sent = false;
  if (answer->pipe) {
    sent = co_await send_stream(*request, *answer, keep_alive);
  } else {
    sent = co_await send(*request, std::move(answer->response), keep_alive);
  }
  running_.reset();
  running_pipe_.reset();
  if (!sent) co_return Next::kGone;
  co_return keep_alive ? Next::kKeepAlive : Next::kClose;
}

void HttpSession::dispatch(const Route& route, std::shared_ptr<HttpRequest> request,
                           std::shared_ptr<PendingAnswer> answer) {
  if (route.async_handler) {
    AnswerOnce once(std::move(answer));
    try {
      route.async_handler(std::move(request),
                          [once = std::move(once)](HttpResponse response) mutable {
                            complete(std::exchange(once.answer, nullptr), std::move(response));
                          });
    } catch (const std::exception&) {
      // `once` has answered.
    }
    return;
  }
  WorkerPool::Work work = [handler = &route.handler, request, answer] {
    run_handler(*handler, request, answer);
  };
  if (shared_.options.workers->try_submit(work)) return;
  HttpResponse busy =
      make_error(*request, 503,
                 {ErrorCode::kUnavailable, "too many queries are waiting; try again in a second"});
  busy.headers.add("Retry-After", "1");
  answer->ready = true;
  answer->response = std::move(busy);
}

// Waits without reading: what a client pipelines stays in the socket. A FIN cancels a query (its
// answer is still tried); an ingest request is never cancelled.
HttpSession::Awaitable<void> HttpSession::wait_for_answer(HttpRequest& request,
                                                          PendingAnswer& answer, bool is_query) {
  const uint64_t limit_ns = is_query ? limits().query_timeout_ns : limits().ingest_timeout_ns;
  const uint64_t started_ns = shared_.options.clock->steady_ns();
  bool late = false;
  while (!answer.ready) {
    answer.wake.expires_after(kAnswerPoll);
    co_await answer.wake.async_wait(kAwait);
    if (answer.ready) break;
    if (!socket_.is_open()) {  // the engine is being torn down
      request.cancel->cancel();
      answer.ready = true;
      break;
    }
    const bool over = shared_.options.clock->steady_ns() - started_ns > limit_ns;
    if (is_query) {
      late = late || over;
      if (over || peer_closed()) request.cancel->cancel();
    } else if (over) {
      answer.ready = true;  // a late answer finds it so and is dropped
      answer.response = make_error(request, 503, not_stored_in_time());
      answer.response.headers.add("Retry-After", "1");
    }
  }
  if (late && answer.response.status == 499) {
    answer.response = make_error(request, 504,
                                 {ErrorCode::kDeadlineExceeded,
                                  "the query took longer than its limit; narrow the time range"});
  }
}

// Answers a request whose body is not wanted. A short body is read and thrown away, so that the
// connection can go on; for a longer one the connection ends.
HttpSession::Awaitable<HttpSession::Next> HttpSession::refuse(Reading& reading,
                                                              const HttpRequest& request,
                                                              HttpResponse response) {
  bool keep_alive = reading.keep_alive && !io_->draining;
  const bool has_body = reading.parser.chunked() || reading.parser.content_length().value_or(0) > 0;
  if (has_body && !request.headers.get("expect").empty()) {
    keep_alive = false;  // the client waits for a word and will not send the body
  } else if (has_body) {
    HttpRequest discarded;
    MemoryReservation reservation(shared_.options.body_budget);
    const BodyError body =
        co_await read_body(reading, discarded, limits().max_discarded_body_bytes, reservation);
    if (body.status < 0) co_return Next::kGone;
    if (body.status > 0) keep_alive = false;
  }
  finish_metrics(response.status, reading.started_ns);
  const bool sent = co_await send(request, std::move(response), keep_alive);
  if (!sent) co_return Next::kGone;
  co_return keep_alive ? Next::kKeepAlive : Next::kClose;
}

// The head of a whole answer, with the listener's last touch.
std::string HttpSession::head_of(const HttpRequest& request, HttpResponse& response,
                                 bool keep_alive) const {
  if (listener().decorate) listener().decorate(request, response);
  HeadOptions options;
  options.keep_alive = keep_alive;
  options.body_bytes = response.body.size();
  options.now_ns = shared_.options.clock->now_ns();
  return format_head(response, options);
}

HttpSession::Awaitable<bool> HttpSession::send(const HttpRequest& request, HttpResponse response,
                                               bool keep_alive) {
  const std::string head = head_of(request, response, keep_alive);
  const bool no_body =
      request.method == HttpMethod::kHead || response.status == 204 || response.status == 304;
  co_return co_await write_all(head, no_body ? std::string_view() : response.body);
}

HttpSession::Awaitable<bool> HttpSession::send_stream(const HttpRequest& request,
                                                      PendingAnswer& answer, bool keep_alive) {
  running_pipe_ = answer.pipe;
  if (io_->draining) answer.pipe->abort();
  if (listener().decorate) listener().decorate(request, answer.response);
  HeadOptions options;
  options.keep_alive = keep_alive;
  options.chunked = keep_alive;  // else the end of the connection ends the body
  options.has_length = false;
  options.now_ns = shared_.options.clock->now_ns();
  bool alive = co_await write_all(format_head(answer.response, options), {});
  std::string bytes;
  bool done = false;
  while (alive && !done) {
    done = answer.pipe->take(bytes);
    if (!bytes.empty()) {
      std::string head = keep_alive ? chunk_size_line(bytes.size()) : std::string();
      if (keep_alive) bytes += "\r\n";
      alive = co_await write_all(head, bytes);
    } else if (!done) {
      answer.wake.expires_after(kAnswerPoll);
      co_await answer.wake.async_wait(kAwait);
      if (peer_closed()) alive = false;
    }
  }
  if (!alive || answer.pipe->client_gone()) {
    request.cancel->cancel();
    answer.pipe->abort();
    co_return false;
  }
  if (keep_alive) alive = co_await write_all("0\r\n\r\n", {});
  co_return alive;
}

HttpResponse HttpSession::make_error(const HttpRequest& request, int status, Error error) const {
  if (listener().make_error) return listener().make_error(request, status, error);
  HttpResponse out = error_response(error);
  out.status = status;
  return out;
}

void HttpSession::finish_metrics(int status, uint64_t started_ns) {
  auto& metrics = shared_.listener_metrics[listener_];
  metrics.requests[std::min<size_t>(static_cast<size_t>(status) / 100, 5)]->add();
  const uint64_t took_ns = shared_.options.clock->steady_ns() - started_ns;
  metrics.duration_s->observe(static_cast<double>(took_ns) * 1e-9);
}

}  // namespace weft::server
