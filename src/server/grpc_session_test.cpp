// Connections of gRPC against hostile and unlucky clients, frame by frame.
#include "server/grpc_session.h"

#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <thread>

#include "model/testing/random_spans.h"
#include "server/grpc_wire.h"
#include "server/testing/http2_client.h"
#include "wire/otlp_response.h"

namespace weft::server {
namespace {

using ::testing::HasSubstr;
using testing::Http2Answer;
using testing::Http2Client;
using testing::RawClient;

constexpr const char* kEcho = "/test.Echo/Say";

std::string grpc_message(std::string_view text) {
  std::string out;
  append_grpc_message(out, text);
  return out;
}

class GrpcSessionTest : public ::testing::Test {
 protected:
  GrpcSessionTest() {
    handlers_.admit = [this](GrpcCall& call) {
      GrpcAdmission out;
      out.max_message_bytes = max_message_bytes_;
      if (call.method == "/test.Echo/Refuse") {
        out.refusal = answer_of({ErrorCode::kPermissionDenied, "not you"}, 0);
      }
      return out;
    };
    handlers_.take = [this](const std::shared_ptr<GrpcCall>& call, GrpcRespond respond) {
      ++calls_;
      if (call->method == "/test.Echo/Drop") return;
      if (call->method == "/test.Echo/Keep") {
        const std::lock_guard lock(mutex_);
        kept_.push_back(std::move(respond));
        return;
      }
      GrpcAnswer out;
      out.message = std::move(call->message);
      respond(std::move(out));
    };
    handlers_.make_error = [](const Error& error, uint32_t retry_after_s) {
      return answer_of(error, retry_after_s);
    };
  }
  ~GrpcSessionTest() override { stop(); }

  static GrpcAnswer answer_of(const Error& error, uint32_t retry_after_s) {
    GrpcAnswer out;
    out.code = grpc_code(error.code);
    out.status_message = error.message;
    if (retry_after_s > 0) out.status_details = "again";
    return out;
  }

  void start() {
    workers_ = std::make_unique<WorkerPool>(1, 1);
    options_.metrics = &metrics_;
    options_.workers = workers_.get();
    options_.body_budget = budget_;
    std::vector<HttpListener> listeners(1);
    listeners[0].name = "test";
    listeners[0].host = "127.0.0.1";
    listeners[0].grpc = std::make_shared<const GrpcHandlers>(handlers_);
    auto engine = HttpEngine::start(options_, std::move(listeners));
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
  }
  void stop(uint64_t patience_ns = 0) {
    if (engine_) engine_->shutdown(patience_ns);
    if (workers_) workers_->stop();
    engine_.reset();
  }
  uint16_t port() const { return engine_->port(0); }
  // The server still works for others.
  void expect_works() {
    Http2Client client(port());
    const Http2Answer answer = client.call(Http2Client::call_fields(kEcho), grpc_message("hello"));
    EXPECT_EQ(answer.field("grpc-status"), "0");
    EXPECT_EQ(answer.body, grpc_message("hello"));
  }
  template <typename Done>
  static bool eventually(Done done) {
    for (int i = 0; i < 5000 && !done(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return done();
  }

  GrpcHandlers handlers_;
  HttpEngineOptions options_;
  MetricsRegistry metrics_;
  std::shared_ptr<MemoryBudget> budget_ = std::make_shared<MemoryBudget>(64u << 20);
  uint64_t max_message_bytes_ = 32u << 20;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<HttpEngine> engine_;
  std::atomic<int> calls_{0};
  std::mutex mutex_;
  std::vector<GrpcRespond> kept_;
};

TEST_F(GrpcSessionTest, AnswersInTheFormOfGrpc) {
  start();
  Http2Client client(port());
  Http2Answer answer = client.call(Http2Client::call_fields(kEcho), grpc_message("hello"));
  EXPECT_EQ(answer.field(":status"), "200");
  EXPECT_EQ(answer.field("content-type"), "application/grpc");
  EXPECT_EQ(answer.field("grpc-status"), "0");
  EXPECT_EQ(answer.body, std::string("\0\0\0\0\5hello", 10));
  answer = client.call(Http2Client::call_fields(kEcho), grpc_message(""));  // an empty message
  EXPECT_EQ(answer.body, std::string("\0\0\0\0\0", 5));
  answer = client.call(Http2Client::call_fields("/test.Echo/Refuse"), grpc_message("hello"));
  EXPECT_EQ(answer.field("grpc-status"), "7");
  EXPECT_EQ(answer.field("grpc-message"), "not you");
  EXPECT_EQ(answer.body, "");
  answer = client.call(Http2Client::call_fields("/test.Echo/Drop"), grpc_message("hello"));
  EXPECT_EQ(answer.field("grpc-status"), "13");
}

// Whatever the cuts, the padding and the order in which streams go on.
TEST_F(GrpcSessionTest, MessagesInAnyPieces) {
  start();
  std::mt19937_64 random(weft::testing::test_seed("grpc session"));
  for (int round = 0; round < 20; ++round) {
    Http2Client client(port());
    constexpr size_t kFrames[] = {1, 7, 4096, 16384, 40'000, 200'000, 1u << 20};
    constexpr size_t kSizes[] = {0, 1, 60, 5000, 100'000, 1'100'000, 3'000'000};
    client.max_frame = kFrames[random() % std::size(kFrames)];
    client.padding = random() % 3 == 0 ? random() % 256 : 0;
    std::vector<std::pair<int32_t, std::string>> sent;
    for (int i = 0; i < 4; ++i) {
      size_t size = kSizes[random() % std::size(kSizes)];
      if (client.max_frame < 100) size %= 5000;
      std::string text(size, '\0');
      for (char& c : text)
        c = static_cast<char>(random());
      const int32_t id = client.start(Http2Client::call_fields(kEcho));
      const std::string bytes = grpc_message(text);
      const size_t cut = random() % (bytes.size() + 1);
      client.write(id, bytes.substr(0, cut), false);
      if (random() % 2 == 0) client.exchange();
      client.write(id, bytes.substr(cut), true);
      sent.emplace_back(id, bytes);
    }
    for (const auto& [id, bytes] : sent) {
      ASSERT_TRUE(client.wait_for(id, 30'000));
      ASSERT_EQ(client.answer(id).field("grpc-status"), "0");
      ASSERT_TRUE(client.answer(id).body == bytes);
    }
  }
  EXPECT_TRUE(eventually([&] { return budget_->used_bytes() == 0; }));
}

TEST_F(GrpcSessionTest, WhatIsNoCallIsRefused) {
  start();
  Http2Client client(port());
  auto fields = Http2Client::call_fields(kEcho);
  fields[4].second = "application/json";
  EXPECT_EQ(client.call(fields, grpc_message("x")).field(":status"), "415");
  fields = Http2Client::call_fields(kEcho);
  fields[0].second = "PUT";
  EXPECT_EQ(client.call(fields, grpc_message("x")).field(":status"), "405");
  const auto say = [&](std::string_view body) {
    return client.call(Http2Client::call_fields(kEcho), body);
  };
  EXPECT_THAT(say("").field("grpc-message"), HasSubstr("no message"));
  EXPECT_THAT(say("\1").field("grpc-message"), HasSubstr("no message"));
  const Http2Answer cut = say(grpc_message("hello").substr(0, 7));
  EXPECT_EQ(cut.field("grpc-status"), "3");
  EXPECT_EQ(cut.field("grpc-message"), "the message ends after 2 of 5 bytes");
  EXPECT_EQ(say(grpc_message("a") + grpc_message("b")).field("grpc-status"), "12");
  // Compressed, without a word of how; by nothing that is known.
  EXPECT_EQ(say("\1" + grpc_message("a").substr(1)).field("grpc-status"), "12");
  fields = Http2Client::call_fields(kEcho);
  fields.emplace_back("grpc-encoding", "snappy");
  const Http2Answer unknown = client.call(fields, "\1" + grpc_message("a").substr(1));
  EXPECT_EQ(unknown.field("grpc-status"), "12");
  EXPECT_THAT(unknown.field("grpc-message"), HasSubstr("'snappy'"));
  EXPECT_THAT(unknown.field("grpc-accept-encoding"), HasSubstr("gzip"));
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(say(grpc_message("hello")).field("grpc-status"), "0");
}

TEST_F(GrpcSessionTest, HttpOnThePortOfGrpcIsToldWhereToGo) {
  start();
  RawClient client(port());
  const auto answer =
      client.ask("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(answer.status, 415);
  EXPECT_THAT(answer.body, HasSubstr("4318"));
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(GrpcSessionTest, BrokenHttp2IsToldSoAtOnce) {
  start();
  Http2Client client(port());
  client.socket().send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  client.socket().send(std::string("\0\0\0\1\5\0\0\0\1", 9));  // HEADERS before SETTINGS
  EXPECT_TRUE(client.wait_for_end(5000));
  EXPECT_TRUE(client.told_to_go());
}

TEST_F(GrpcSessionTest, TooLargeIsRefusedBeforeItIsSent) {
  max_message_bytes_ = 1000;
  options_.limits.max_header_bytes = 4096;
  start();
  Http2Client client(port());
  const int32_t id = client.start(Http2Client::call_fields(kEcho));
  client.write(id, std::string("\0\0\0\3\xe9", 5), false);  // 1001 bytes to come
  ASSERT_TRUE(client.wait_for(id));
  EXPECT_EQ(client.answer(id).field("grpc-status"), "8");
  EXPECT_EQ(client.answer(id).error, static_cast<uint32_t>(NGHTTP2_NO_ERROR));
  auto fields = Http2Client::call_fields(kEcho);
  fields.emplace_back("x-large", std::string(5000, 'x'));
  EXPECT_EQ(client.call(fields, grpc_message("x")).field("grpc-status"), "8");
  EXPECT_EQ(client.call(Http2Client::call_fields(kEcho), grpc_message("x")).field("grpc-status"),
            "0");
}

TEST_F(GrpcSessionTest, MemoryIsThatOfWhatArrivedAndBounded) {
  budget_ = std::make_shared<MemoryBudget>(4u << 20);
  start();
  Http2Client claims(port());
  const int32_t id = claims.start(Http2Client::call_fields(kEcho));
  claims.write(id, std::string("\0\1\xc0\0\0", 5) + "x", false);  // 28 MiB are promised
  claims.exchange();
  EXPECT_TRUE(eventually([&] { return budget_->used_bytes() > 0; }));
  EXPECT_LE(budget_->used_bytes(), 2u << 20);
  claims.write(id, std::string(8u << 20, 'x'), false);
  ASSERT_TRUE(claims.wait_for(id));
  EXPECT_EQ(claims.answer(id).field("grpc-status"), "14");
  EXPECT_EQ(claims.answer(id).field("grpc-status-details-bin"), "YWdhaW4");
  EXPECT_TRUE(eventually([&] { return budget_->used_bytes() == 0; }));
  expect_works();
}

TEST_F(GrpcSessionTest, SlowClientsAreAnsweredOrCut) {
  options_.limits.header_timeout_ns = 300'000'000;
  options_.limits.body_timeout_ns = 300'000'000;
  options_.limits.ingest_timeout_ns = 300'000'000;
  start();
  RawClient silent(port());
  EXPECT_TRUE(silent.closed_by_server());
  Http2Client slow(port());
  const int32_t half = slow.start(Http2Client::call_fields(kEcho));
  slow.write(half, grpc_message("hello").substr(0, 8), false);
  ASSERT_TRUE(slow.wait_for(half));
  EXPECT_EQ(slow.answer(half).field("grpc-status"), "14");
  const Http2Answer kept =
      slow.call(Http2Client::call_fields("/test.Echo/Keep"), grpc_message("hello"));
  EXPECT_EQ(kept.field("grpc-status"), "14");
  kept_.front()({});  // too late: nobody is told twice
  EXPECT_EQ(slow.call(Http2Client::call_fields(kEcho), grpc_message("x")).field("grpc-status"),
            "0");
  // A header block that never ends: HEADERS without END_HEADERS.
  Http2Client endless(port());
  endless.exchange();
  endless.socket().send(std::string("\0\0\1\1\0\0\0\0\1\x82", 10));
  EXPECT_TRUE(endless.wait_for_end());
  expect_works();
}

// While the rest of a large frame is awaited, to be read straight into its message.
TEST_F(GrpcSessionTest, CallsThatEndInTheMidstOfALargeFrame) {
  options_.limits.body_timeout_ns = 200'000'000;
  start();
  const std::string large = grpc_message(std::string(600'000, 'x'));
  // DATA of stream 1 with all of it, of which only a part comes at once.
  std::string frame("\0\0\0\0\0\0\0\0\1", 9);
  for (int i = 0; i < 3; ++i)
    frame[static_cast<size_t>(i)] = static_cast<char>(large.size() >> (16 - 8 * i) & 0xff);
  frame += large;
  for (const bool reset : {false, true}) {
    Http2Client client(port());
    const int32_t id = client.start(Http2Client::call_fields(kEcho));
    ASSERT_EQ(id, 1);
    client.exchange();
    ASSERT_TRUE(client.socket().send(std::string_view(frame).substr(0, 300'000)));
    EXPECT_TRUE(eventually([&] { return budget_->used_bytes() >= large.size() - 5; }));
    if (reset) {
      client.socket().close();
    } else {
      ASSERT_TRUE(client.wait_for(id));
      EXPECT_EQ(client.answer(id).field("grpc-status"), "14");
      client.socket().send(std::string_view(frame).substr(300'000));
      const auto again = client.call(Http2Client::call_fields(kEcho), grpc_message("hello"));
      EXPECT_EQ(again.field("grpc-status"), "0");
    }
    EXPECT_TRUE(eventually([&] { return budget_->used_bytes() == 0; }));
  }
  expect_works();
}

TEST_F(GrpcSessionTest, ClientsThatVanish) {
  start();
  for (int i = 0; i < 20; ++i) {
    Http2Client client(port());
    const int32_t id = client.start(Http2Client::call_fields("/test.Echo/Keep"));
    client.write(id, grpc_message("hello"), i % 2 == 0);
    if (i % 4 < 2) client.exchange();
  }
  {
    Http2Client client(port());
    const int32_t id = client.start(Http2Client::call_fields("/test.Echo/Keep"));
    client.write(id, grpc_message("hello"), true);
    client.exchange();
    nghttp2_submit_rst_stream(client.http2(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    client.exchange();
    const std::lock_guard lock(mutex_);
    for (GrpcRespond& respond : kept_)
      respond({});
    kept_.clear();
    EXPECT_EQ(client.call(Http2Client::call_fields(kEcho), grpc_message("x")).field("grpc-status"),
              "0");
  }
  EXPECT_TRUE(eventually([&] { return engine_->connections() == 0; }));
  EXPECT_EQ(budget_->used_bytes(), 0u);
}

TEST_F(GrpcSessionTest, FloodsEndTheirConnection) {
  start();
  // Pings whose answers nobody reads.
  RawClient pings(port());
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  bytes += std::string("\0\0\0\4\0\0\0\0\0", 9);
  for (int i = 0; i < 200'000; ++i)
    bytes += std::string("\0\0\x8\6\0\0\0\0\0abcdefgh", 17);
  for (int i = 0; i < 100 && pings.send(bytes); ++i) {
  }
  EXPECT_TRUE(eventually([&] { return engine_->connections() == 0; }));
  // Streams that are opened and given up (CVE-2023-44487).
  Http2Client resets(port());
  for (int i = 0; i < 20'000 && !resets.ended(); ++i) {
    const int32_t id = resets.start(Http2Client::call_fields("/test.Echo/Keep"));
    if (id < 0) break;
    resets.write(id, grpc_message("x"), false);
    resets.send();
    nghttp2_submit_rst_stream(resets.http2(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    if (i % 200 == 199) resets.exchange();
    if (resets.told_to_go()) break;
  }
  EXPECT_TRUE(resets.told_to_go() || resets.ended());
  expect_works();
}

TEST_F(GrpcSessionTest, NoiseHarmsNobody) {
  start();
  std::mt19937_64 random(weft::testing::test_seed("grpc session"));
  for (int round = 0; round < 300; ++round) {
    RawClient client(port());
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    bytes += std::string("\0\0\0\4\0\0\0\0\0", 9);
    for (size_t frames = random() % 8; frames > 0; --frames) {
      const size_t size = random() % 64;
      bytes += {'\0',
                '\0',
                static_cast<char>(size),
                static_cast<char>(random() % 11),
                static_cast<char>(random()),
                '\0',
                '\0',
                '\0',
                static_cast<char>(random() % 6)};
      for (size_t i = 0; i < size; ++i)
        bytes.push_back(static_cast<char>(random()));
    }
    client.send(bytes);
    if (random() % 2 == 0) client.half_close();
  }
  EXPECT_TRUE(eventually([&] { return engine_->connections() == 0; }));
  expect_works();
}

TEST_F(GrpcSessionTest, DrainingLetsCallsFinish) {
  start();
  Http2Client idle(port());
  idle.exchange();
  Http2Client busy(port());
  const int32_t id = busy.start(Http2Client::call_fields("/test.Echo/Keep"));
  busy.write(id, grpc_message("hello"), true);
  busy.exchange();
  ASSERT_EQ(calls_, 1);
  std::thread stopping([&] { engine_->shutdown(30'000'000'000); });
  EXPECT_TRUE(idle.wait_for_end());
  EXPECT_TRUE(idle.told_to_go());
  EXPECT_FALSE(busy.wait_for(id, 200));
  EXPECT_TRUE(busy.told_to_go());
  kept_.front()({});
  EXPECT_TRUE(busy.wait_for(id));
  EXPECT_EQ(busy.answer(id).field("grpc-status"), "0");
  EXPECT_TRUE(busy.wait_for_end());
  busy.socket().close();
  idle.socket().close();
  stopping.join();
}

TEST(GrpcWire, TextsOfHeaderFields) {
  EXPECT_EQ(grpc_percent_encoded("plain, 'text'"), "plain, 'text'");
  EXPECT_EQ(grpc_percent_encoded("100 %\n\xc3\xa9"), "100 %25%0A%C3%A9");
  EXPECT_EQ(grpc_base64(""), "");
  EXPECT_EQ(grpc_base64("a"), "YQ");
  EXPECT_EQ(grpc_base64("ab"), "YWI");
  EXPECT_EQ(grpc_base64("abc"), "YWJj");
}

}  // namespace
}  // namespace weft::server
