// The HTTP engine against hostile and unlucky clients, over raw sockets.
#include "server/http_engine.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "server/testing/raw_client.h"

namespace weft::server {
namespace {

using testing::get_request;
using ::testing::HasSubstr;
using testing::post_request;
using testing::RawClient;
using testing::RawResponse;

class HttpEngineTest : public ::testing::Test {
 protected:
  HttpEngineTest() {
    router_.add(HttpMethod::kGet, "/hello/{name}", Access::kPublic, [](const HttpRequest& request) {
      return text_response("hello " + std::string(request.params.get("name")) + " " +
                           std::string(request.query.get("q")));
    });
    router_.add(HttpMethod::kPost, "/echo", Access::kPublic,
                [](const HttpRequest& request) { return text_response(request.body); });
    router_.add(HttpMethod::kGet, "/throw", Access::kPublic,
                [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("oops"); });
    router_.add(HttpMethod::kGet, "/wait", Access::kPublic, [this](const HttpRequest& request) {
      ++waiting_;
      while (!request.cancel->cancelled() && !released_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      if (request.cancel->cancelled()) ++cancelled_;
      return request.cancel->cancelled() ? error_response({ErrorCode::kCancelled, "cancelled"})
                                         : text_response("waited");
    });
    router_.add(HttpMethod::kGet, "/stream", Access::kPublic, [this](const HttpRequest& request) {
      HttpResponse response = text_response("");
      const int events = std::atoi(std::string(request.query.get("events")).c_str());
      response.stream = [this, events](ResponseStream& out) {
        for (int i = 0; events == 0 || i < events; ++i) {
          if (!out.write("event " + std::to_string(i) + "\n")) {
            ++streams_cut_;
            return;
          }
        }
      };
      return response;
    });
    // Streams without end, once it was released.
    router_.add(HttpMethod::kGet, "/late-stream", Access::kPublic, [this](const HttpRequest&) {
      ++waiting_;
      while (!released_)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      HttpResponse response = text_response("");
      response.stream = [this](ResponseStream& out) {
        while (out.write("event\n")) {
        }
        ++streams_cut_;
      };
      return response;
    });
    router_.add_async(HttpMethod::kPost, "/dropped", Access::kPublic,
                      [](const std::shared_ptr<HttpRequest>&, const HttpRespond&) {});
    options_.limits.max_discarded_body_bytes = 1000;
  }
  ~HttpEngineTest() override { stop(); }

  void start() {
    workers_ = std::make_unique<WorkerPool>(2, 2);
    options_.metrics = &metrics_;
    options_.workers = workers_.get();
    options_.body_budget = std::make_shared<MemoryBudget>(16u << 20);
    HttpListener listener;
    listener.name = "test";
    listener.host = "127.0.0.1";
    listener.router = router_;
    std::vector<HttpListener> listeners;
    listeners.push_back(std::move(listener));
    auto engine = HttpEngine::start(options_, std::move(listeners));
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
  }
  void stop() {
    released_ = true;
    if (engine_) engine_->shutdown(0);
    if (workers_) workers_->stop();
    engine_.reset();
  }
  uint16_t port() const { return engine_->port(0); }
  RawResponse ask(std::string_view request) {
    RawClient client(port());
    return client.ask(request);
  }
  template <typename Condition>
  static void wait_until(Condition condition) {
    while (!condition())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  Router router_;
  HttpEngineOptions options_;
  MetricsRegistry metrics_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<HttpEngine> engine_;
  std::atomic<bool> released_{false};
  std::atomic<int> waiting_{0};
  std::atomic<int> cancelled_{0};
  std::atomic<int> streams_cut_{0};
};

TEST_F(HttpEngineTest, AStreamThatBeginsAfterTheEndIsCut) {
  start();
  RawClient client(port());
  client.send(get_request("/late-stream"));
  wait_until([&] { return waiting_ == 1; });
  std::thread stopping([&] { engine_->shutdown(0); });
  wait_until([&] { return engine_->connections() == 0; });
  released_ = true;
  wait_until([&] { return streams_cut_ == 1; });
  stopping.join();
}

TEST_F(HttpEngineTest, DecodesPathAndQuery) {
  start();
  const RawResponse response = ask(get_request("/hello/a%2Fb%20c?q=x+y%21&z"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello a/b c x y!");
  EXPECT_EQ(ask(get_request("http://other/hello/abs?q=1")).body, "hello abs 1");
  EXPECT_EQ(ask(get_request("/hello/%zz")).status, 400);
  EXPECT_EQ(ask(get_request("/hello/%00")).status, 400);
  EXPECT_EQ(ask(get_request("/nothing")).status, 404);
  EXPECT_EQ(ask("DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n").headers.get("allow"), "POST");
}

TEST_F(HttpEngineTest, KeepsConnectionsAndAnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port());
  std::string requests;
  for (int i = 0; i < 50; ++i)
    requests += get_request("/hello/" + std::to_string(i));
  requests += post_request("/echo", "text/plain", "the end");
  ASSERT_TRUE(client.send(requests));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.read().body, "hello " + std::to_string(i) + " ");
  }
  EXPECT_EQ(client.read().body, "the end");
}

TEST_F(HttpEngineTest, HeadHasTheLengthButNoBody) {
  start();
  RawClient client(port());
  client.send("HEAD /hello/you HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawResponse response = client.read(true);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-length"), "10");
  EXPECT_EQ(client.ask(get_request("/hello/again")).status, 200);
}

TEST_F(HttpEngineTest, ClosesWhenAskedToAndForHttp10) {
  start();
  for (const char* request : {"GET /hello/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                              "GET /hello/a HTTP/1.0\r\n\r\n"}) {
    RawClient client(port());
    EXPECT_EQ(client.ask(request).headers.get("connection"), "close");
    EXPECT_TRUE(client.closed_by_server());
  }
}

TEST_F(HttpEngineTest, BodiesOfEverySizeArriveWhole) {
  start();
  RawClient client(port());
  for (const size_t size : {0u, 1u, 15u, 16u, 1000u, 65'536u, 1u << 20, (1u << 20) - 1}) {
    std::string body(size, '\0');
    for (size_t i = 0; i < size; ++i)
      body[i] = static_cast<char>('a' + i * 31 % 26);
    const RawResponse response = client.ask(post_request("/echo", "text/plain", body));
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == body) << size;
  }
  EXPECT_EQ(
      client.ask(post_request("/echo", "text/plain", std::string((1u << 20) + 1, 'x'))).status,
      413);
}

TEST_F(HttpEngineTest, Expect100Continue) {
  start();
  RawClient client(port());
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  client.send(head + "4\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("body");
  EXPECT_EQ(client.read().body, "body");
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("b");
  EXPECT_EQ(client.read().body, "b");
  // Too large: no invitation to send it.
  EXPECT_EQ(client.ask(head + "99999999\r\n\r\n").status, 413);
  EXPECT_EQ(ask("POST /none HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                "Content-Length: 5\r\n\r\n")
                .status,
            404);
}

TEST_F(HttpEngineTest, BrokenRequestsAre400AndTheConnectionEnds) {
  start();
  for (const std::string& request :
       {std::string("\x16\x03\x01\x02"), std::string("nonsense\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
        // Two ways to say where the body ends: what proxies can be tricked with.
        std::string("POST /echo HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
        std::string("POST /echo HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "0\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                    "0\r\n\r\n")}) {
    RawClient client(port());
    EXPECT_EQ(client.ask(request).status, 400) << request;
    EXPECT_TRUE(client.closed_by_server());
  }
  EXPECT_EQ(ask("GET / HTTP/3.1\r\n\r\n").status, 505);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").status,
            501);
}

TEST_F(HttpEngineTest, BrokenChunksAre400) {
  start();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunks : {"zz\r\nabc\r\n", "-1\r\n", "3\r\nabcdef\r\n0\r\n\r\n",
                             "ffffffffffffffffff\r\n", "\r\n\r\n"}) {
    EXPECT_EQ(ask(head + chunks).status, 400) << chunks;
  }
  // A chunk that claims more than it may is refused by the limit, whatever it sends.
  EXPECT_EQ(ask(head + "fffffffff\r\nabc").status, 413);
  const RawResponse response =
      ask(head + "3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(response.body, "abcde");
}

TEST_F(HttpEngineTest, HugeHeadersAre431) {
  options_.limits.max_header_bytes = 8192;
  start();
  EXPECT_EQ(ask("GET /hello/a HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n").status, 431);
  EXPECT_EQ(ask("GET /" + std::string(9000, 'x')).status, 431);
  std::string many = "GET /hello/a HTTP/1.1\r\n";
  for (int i = 0; i < 2000; ++i)
    many += "A: b\r\n";
  EXPECT_EQ(ask(many + "\r\n").status, 431);
  EXPECT_EQ(ask("GET /hello/a HTTP/1.1\r\nX: " + std::string(7000, 'x') + "\r\n\r\n").status, 200);
}

TEST_F(HttpEngineTest, SlowClientsAreTimedOut) {
  options_.limits.header_timeout_ns = 250'000'000;
  options_.limits.body_timeout_ns = 250'000'000;
  start();
  RawClient header(port());
  std::atomic<bool> done{false};
  // A byte now and then does not buy time: the deadline is for the whole header.
  std::thread drip([&] {
    while (!done && header.send("G"))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  EXPECT_EQ(header.read().status, 408);
  done = true;
  drip.join();
  RawClient body(port());
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  const RawResponse late = body.read();
  EXPECT_EQ(late.status, 408);
  EXPECT_THAT(late.body, HasSubstr("did not come in time"));
  RawClient chunked(port());
  chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
  EXPECT_EQ(chunked.read().status, 408);
  RawClient silent(port());
  EXPECT_TRUE(silent.closed_by_server());
}

TEST_F(HttpEngineTest, IdleConnectionsAreClosed) {
  options_.limits.idle_timeout_ns = 200'000'000;
  start();
  RawClient client(port());
  EXPECT_EQ(client.ask(get_request("/hello/a")).status, 200);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpEngineTest, AClientThatDoesNotReadIsTimedOut) {
  options_.limits.write_timeout_ns = 300'000'000;
  start();
  RawClient client(port());
  client.send(get_request("/stream?events=0"));  // without end
  wait_until([&] { return streams_cut_ == 1; });
}

TEST_F(HttpEngineTest, HalfClosedClientsGetTheirAnswer) {
  start();
  RawClient client(port());
  client.send(post_request("/echo", "text/plain", "abc"));
  client.half_close();
  EXPECT_EQ(client.read().body, "abc");
}

TEST_F(HttpEngineTest, ClientsThatHangUpCancelTheirQuery) {
  start();
  {
    RawClient client(port());
    client.send(get_request("/wait"));
    wait_until([&] { return waiting_ == 1; });
  }
  wait_until([&] { return cancelled_ == 1; });
  // Also with a further request in the pipe, which hides the end of the connection.
  {
    RawClient client(port());
    client.send(get_request("/wait") + get_request("/hello/a"));
    wait_until([&] { return waiting_ == 2; });
  }
  wait_until([&] { return cancelled_ == 2; });
}

TEST_F(HttpEngineTest, QueriesThatTakeTooLongAre504) {
  options_.limits.query_timeout_ns = 100'000'000;
  start();
  const RawResponse response = ask(get_request("/wait"));
  EXPECT_EQ(response.status, 504);
  EXPECT_THAT(response.body, HasSubstr("deadline_exceeded"));
}

TEST_F(HttpEngineTest, TooManyQueriesAre503) {
  start();  // two workers, two places in the queue
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(port()));
    clients.back()->send(get_request("/wait"));
    if (i < 2) wait_until([&] { return waiting_ == i + 1; });
  }
  wait_until([&] { return workers_->queued() == 2; });
  const RawResponse response = ask(get_request("/hello/a"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.get("retry-after"), "1");
  released_ = true;
  for (const auto& client : clients)
    EXPECT_EQ(client->read().body, "waited");
}

TEST_F(HttpEngineTest, TooManyConnectionsAreRefused) {
  options_.limits.max_connections = 2;
  start();
  RawClient a(port());
  RawClient b(port());
  EXPECT_EQ(a.ask(get_request("/hello/a")).status, 200);
  EXPECT_EQ(b.ask(get_request("/hello/a")).status, 200);
  RawClient c(port());
  EXPECT_EQ(c.read().status, 503);
  a.close();
  wait_until([&] { return engine_->connections() == 1; });
  EXPECT_EQ(ask(get_request("/hello/a")).status, 200);
}

TEST_F(HttpEngineTest, StreamsAreChunkedAndComplete) {
  start();
  RawClient client(port());
  const RawResponse response = client.ask(get_request("/stream?events=20000"));
  EXPECT_EQ(response.headers.get("transfer-encoding"), "chunked");
  EXPECT_TRUE(response.complete);
  EXPECT_THAT(response.body, HasSubstr("event 19999\n"));
  EXPECT_EQ(client.ask(get_request("/hello/a")).status, 200);
  const RawResponse old = ask("GET /stream?events=3 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.body, "event 0\nevent 1\nevent 2\n");
}

TEST_F(HttpEngineTest, AStreamEndsWhenItsClientHangsUp) {
  start();
  {
    RawClient client(port());
    client.send(get_request("/stream?events=0"));
    EXPECT_EQ(client.read(true).status, 200);
  }
  wait_until([&] { return streams_cut_ == 1; });
}

TEST_F(HttpEngineTest, DefectsOfHandlersAre500) {
  start();
  const RawResponse response = ask(get_request("/throw"));
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("oops"));
  EXPECT_EQ(ask(post_request("/dropped", "", "")).status, 500);
}

TEST_F(HttpEngineTest, HandlersCannotSplitAnswers) {
  router_.add(HttpMethod::kGet, "/split", Access::kPublic, [](const HttpRequest& request) {
    HttpResponse response = text_response("x");
    response.headers.add("X-Echo", request.query.get("v"));
    return response;
  });
  start();
  const RawResponse response = ask(get_request("/split?v=a%0d%0aEvil:%20yes"));
  EXPECT_FALSE(response.headers.find("evil"));
  EXPECT_EQ(response.headers.get("x-echo"), "aEvil: yes");
}

TEST_F(HttpEngineTest, CompressesLargeAnswersForThoseWhoTakeIt) {
  router_.add(HttpMethod::kGet, "/large", Access::kPublic,
              [](const HttpRequest&) { return json_response(std::string(100'000, 'x')); });
  start();
  const RawResponse packed = ask(get_request("/large", "Accept-Encoding: br, gzip;q=0.8\r\n"));
  EXPECT_EQ(packed.headers.get("content-encoding"), "gzip");
  EXPECT_EQ(packed.headers.get("vary"), "Accept-Encoding");
  EXPECT_LT(packed.body.size(), 1000u);
  EXPECT_EQ(ask(get_request("/large", "Accept-Encoding: gzip;q=0\r\n")).body.size(), 100'000u);
  EXPECT_EQ(ask(get_request("/large")).body.size(), 100'000u);
}

TEST_F(HttpEngineTest, ShutdownFinishesWhatIsInFlight) {
  start();
  RawClient idle(port());
  EXPECT_EQ(idle.ask(get_request("/hello/a")).status, 200);
  RawClient busy(port());
  busy.send(get_request("/wait"));
  wait_until([&] { return waiting_ == 1; });
  RawClient stream(port());
  stream.send(get_request("/stream?events=0"));
  EXPECT_EQ(stream.read(true).status, 200);
  std::thread stopping([&] { engine_->shutdown(30'000'000'000); });
  EXPECT_TRUE(idle.closed_by_server());
  wait_until([&] { return streams_cut_ == 1; });
  EXPECT_EQ(RawClient(port()).connected() && RawClient(port()).ask("GET / HTTP/1.1\r\n\r\n").status,
            0);
  released_ = true;
  const RawResponse response = busy.read();
  EXPECT_EQ(response.body, "waited");
  EXPECT_EQ(response.headers.get("connection"), "close");
  busy.close();
  stream.close();
  stopping.join();
}

TEST_F(HttpEngineTest, ShutdownIsBoundedAndCancels) {
  start();
  RawClient busy(port());
  busy.send(get_request("/wait"));
  wait_until([&] { return waiting_ == 1; });
  engine_->shutdown(100'000'000);
  wait_until([&] { return cancelled_ == 1; });
  EXPECT_EQ(busy.read().status, 0);
}

TEST_F(HttpEngineTest, ATakenPortIsSaidPlainly) {
  start();
  HttpListener listener;
  listener.name = "second";
  listener.host = "127.0.0.1";
  listener.port = port();
  std::vector<HttpListener> listeners;
  listeners.push_back(std::move(listener));
  const auto second = HttpEngine::start(options_, std::move(listeners));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("cannot listen for second on 127.0.0.1:"));
  EXPECT_THAT(second.error().message, HasSubstr("choose another port"));
}

TEST_F(HttpEngineTest, AListenerThatMayBeTakenIsLeftOut) {
  start();
  std::vector<HttpListener> listeners(2);
  listeners[0].name = "taken";
  listeners[0].may_be_taken = true;
  listeners[0].port = port();
  listeners[1].name = "free";
  for (HttpListener& listener : listeners)
    listener.host = "127.0.0.1";
  const auto second = HttpEngine::start(options_, std::move(listeners));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ((*second)->port(0), 0);
  EXPECT_EQ(RawClient((*second)->port(1)).ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
}

}  // namespace
}  // namespace weft::server
