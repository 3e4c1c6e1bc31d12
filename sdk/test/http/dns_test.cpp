#include <weft/http/dns.h>

#include <gtest/gtest.h>

#include "peers.h"

namespace {

using sdk_test::DnsAction;
using sdk_test::DnsServer;
using weft::http::AddressFamily;
using weft::http::DnsResult;
using weft::http::Resolver;
using weft::http::ResolverConfig;

// `timeout_ms` is short where an answer is not to come, and else long enough for a busy machine.
ResolverConfig config(const std::string& servers, unsigned tries = 1,
                      unsigned timeout_ms = 10'000) {
  ResolverConfig c;
  c.servers = servers;
  c.tries = tries;
  c.timeout_ms = timeout_ms;
  c.family = AddressFamily::kIpv4;
  return c;
}

TEST(Resolver, AnswersWithAddressAndTheQueryThatGotIt) {
  DnsServer server({DnsAction::kAnswer}, "127.0.0.7");
  const DnsResult result = Resolver(config(server.endpoint())).resolve("api.example");
  ASSERT_TRUE(result.ok()) << result.error_message;
  EXPECT_EQ(result.addresses, std::vector<std::string>{"127.0.0.7"});
  ASSERT_EQ(result.tries.size(), 1u);
  EXPECT_EQ(result.tries[0].server, server.endpoint());
  EXPECT_EQ(result.tries[0].outcome(), "NOERROR");
  EXPECT_EQ(result.tries[0].type, 1);
  EXPECT_GE(result.tries[0].answered_ns, result.tries[0].sent_ns);
  EXPECT_GE(result.end_ns, result.tries[0].answered_ns);
}

TEST(Resolver, ALostQueryIsSeenAndTheRetryToo) {
  DnsServer server({DnsAction::kDrop, DnsAction::kAnswer});
  const DnsResult result = Resolver(config(server.endpoint(), 3, 400)).resolve("api.example");
  ASSERT_TRUE(result.ok()) << result.error_message;
  ASSERT_EQ(result.tries.size(), 2u);
  EXPECT_EQ(result.tries[0].outcome(), "timeout");
  EXPECT_EQ(result.tries[1].outcome(), "NOERROR");
  EXPECT_EQ(result.timeouts(), 1);
}

TEST(Resolver, WhenEveryQueryIsLostTheErrorIsTimeout) {
  DnsServer server({DnsAction::kDrop});
  const DnsResult result = Resolver(config(server.endpoint(), 2, 100)).resolve("api.example");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.error, "timeout");
  EXPECT_EQ(result.tries.size(), 2u);
  EXPECT_EQ(server.queries(), 2);
}

TEST(Resolver, EachRefusalHasItsName) {
  const struct {
    DnsAction action;
    const char* error;
    const char* outcome;
  } cases[] = {{DnsAction::kNxdomain, "nxdomain", "NXDOMAIN"},
               {DnsAction::kServfail, "servfail", "SERVFAIL"},
               {DnsAction::kRefuse, "refused", "REFUSED"}};
  for (const auto& c : cases) {
    DnsServer server({c.action});
    const DnsResult result = Resolver(config(server.endpoint())).resolve("api.example");
    EXPECT_EQ(result.error, c.error);
    ASSERT_FALSE(result.tries.empty());
    EXPECT_EQ(result.tries.back().outcome(), c.outcome);
    EXPECT_NE(result.error_message.find("api.example"), std::string::npos);
  }
}

TEST(Resolver, TheNextServerIsAskedWhenTheFirstIsSilent) {
  DnsServer silent({DnsAction::kDrop});
  DnsServer good({DnsAction::kAnswer});
  const DnsResult result =
      Resolver(config(silent.endpoint() + "," + good.endpoint(), 2, 400)).resolve("api.example");
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result.tries.size(), 2u);
  EXPECT_EQ(result.tries[0].server, silent.endpoint());
  EXPECT_EQ(result.tries[0].outcome(), "timeout");
  EXPECT_EQ(result.tries[1].server, good.endpoint());
}

TEST(Resolver, ATruncatedAnswerIsAskedForAgainOverTcp) {
  DnsServer server({DnsAction::kTruncate});
  const DnsResult result = Resolver(config(server.endpoint())).resolve("api.example");
  ASSERT_TRUE(result.ok()) << result.error_message;
  ASSERT_EQ(result.tries.size(), 2u);
  EXPECT_EQ(result.tries[0].outcome(), "truncated");
  EXPECT_TRUE(result.tries[1].tcp);
  EXPECT_EQ(result.tries[1].outcome(), "NOERROR");
}

TEST(Resolver, ANameServerThatIsNotThereIsToldFromSilence) {
  const std::string nobody = "127.0.0.1:" + std::to_string(sdk_test::closed_port());
  const DnsResult result = Resolver(config(nobody)).resolve("api.example");
  EXPECT_FALSE(result.ok());
  ASSERT_FALSE(result.tries.empty());
  EXPECT_EQ(result.tries[0].outcome(), "unreachable");
  EXPECT_EQ(result.error, "no_server");
}

TEST(Resolver, AnswersAreKeptForTheirTimeToLive) {
  DnsServer server({DnsAction::kAnswer});
  Resolver resolver(config(server.endpoint()));
  EXPECT_FALSE(resolver.resolve("api.example").cached);
  const DnsResult second = resolver.resolve("api.example");
  EXPECT_TRUE(second.cached);
  EXPECT_TRUE(second.tries.empty());
  EXPECT_EQ(server.queries(), 1);
  resolver.clear_cache();
  EXPECT_FALSE(resolver.resolve("api.example").cached);
}

TEST(Resolver, ACacheWithoutRoomKeepsNothing) {
  DnsServer server({DnsAction::kAnswer});
  ResolverConfig without = config(server.endpoint());
  without.cache_entries_max = 0;
  Resolver resolver(without);
  EXPECT_TRUE(resolver.resolve("api.example").ok());
  EXPECT_FALSE(resolver.resolve("api.example").cached);
}

TEST(Resolver, LiteralAddressesAreNotAskedFor) {
  DnsServer server({DnsAction::kAnswer});
  Resolver resolver(config(server.endpoint()));
  EXPECT_EQ(resolver.resolve("192.0.2.7").addresses.front(), "192.0.2.7");
  EXPECT_EQ(resolver.resolve("::1").addresses.front(), "::1");
  EXPECT_EQ(server.queries(), 0);
}

TEST(Resolver, ALookupCanBeGivenUp) {
  DnsServer server({DnsAction::kDrop});
  Resolver resolver(config(server.endpoint(), 50, 100));
  auto lookup = resolver.start("api.example");
  EXPECT_FALSE(lookup->process());
  lookup.reset();
  const DnsResult result = resolver.resolve("api.example", 30);
  EXPECT_EQ(result.error, "timeout");
}

}  // namespace
