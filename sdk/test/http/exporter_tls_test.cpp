// OTLP over TLS: who is trusted, and who has to show a certificate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/otlp.h>

#include <atomic>
#include <chrono>

#include "../../src/no_sigpipe.h"
#include "peers.h"

namespace {

using sdk_test::HttpPeer;
using sdk_test::PeerRequest;
using testing::HasSubstr;
using weft::ExportOutcome;

sdk_test::PeerReply taken(const PeerRequest&) {
  return sdk_test::reply(200, "");
}

constexpr std::string_view kRequest = "\x0A\x00";

weft::ExportResult send(const weft::OtlpConfig& config) {
  std::string error;
  const auto exporter = weft::make_otlp_exporter(config, &error);
  if (exporter == nullptr) return {ExportOutcome::kRejected, 0, error};
  static const std::atomic<bool> never{false};
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  return exporter->send(
      {weft::Signal::kTraces, {&kRequest, 1}, 1, now + std::int64_t{20'000'000'000}, never});
}

weft::OtlpConfig config_for(const HttpPeer& peer) {
  weft::OtlpConfig config;
  config.endpoint = peer.url("/v1/traces", "localhost");
  config.headers = {{"api-key", "secret"}};
  config.retry_initial_ms = 10;
  return config;
}

TEST(NoSigpipe, AWriteToNobodyIsAnErrorAndNoSignal) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  {
    const weft::sdk_detail::NoSigpipe no_sigpipe;
    EXPECT_EQ(write(ends[1], "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    const weft::sdk_detail::NoSigpipe within;
    EXPECT_EQ(write(ends[1], "x", 1), -1);
  }
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGPIPE), 0);
  close(ends[1]);
}

TEST(ExporterTls, DeliversToAServerItTrusts) {
  HttpPeer peer(taken, true);
  weft::OtlpConfig config = config_for(peer);
  config.ca_file = peer.certificate_file();
  const weft::ExportResult result = send(config);
  EXPECT_EQ(result.outcome, ExportOutcome::kDelivered) << result.message;
  ASSERT_EQ(peer.requests().size(), 1u);
  EXPECT_EQ(peer.requests()[0].header("api-key"), "secret");
}

TEST(ExporterTls, SaysAtOnceThatACertificateIsNotTrusted) {
  HttpPeer peer(taken, true);
  const weft::ExportResult result = send(config_for(peer));
  EXPECT_EQ(result.outcome, ExportOutcome::kRejected);  // another try would end the same way
  EXPECT_THAT(result.message, HasSubstr("certificate"));
  EXPECT_TRUE(peer.requests().empty()) << "the key must not go to a stranger";
}

TEST(ExporterTls, ShowsItsOwnCertificateWhereOneIsAskedFor) {
  HttpPeer peer(taken, true, true);
  weft::OtlpConfig config = config_for(peer);
  config.ca_file = peer.certificate_file();
  config.client_certificate_file = peer.certificate_file();
  config.client_key_file = peer.key_file();
  const weft::ExportResult result = send(config);
  EXPECT_EQ(result.outcome, ExportOutcome::kDelivered) << result.message;
  EXPECT_EQ(peer.requests().size(), 1u);
}

TEST(ExporterTls, WithoutACertificateOfItsOwnItIsTurnedAway) {
  HttpPeer peer(taken, true, true);
  weft::OtlpConfig config = config_for(peer);
  config.ca_file = peer.certificate_file();
  config.timeout_ms = 2000;
  const auto exporter = weft::make_otlp_exporter(config, nullptr);
  static const std::atomic<bool> never{false};
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  const weft::ExportResult result = exporter->send(
      {weft::Signal::kTraces, {&kRequest, 1}, 1, now + std::int64_t{500'000'000}, never});
  EXPECT_NE(result.outcome, ExportOutcome::kDelivered);
  EXPECT_FALSE(result.message.empty());
  EXPECT_TRUE(peer.requests().empty());
}

}  // namespace
