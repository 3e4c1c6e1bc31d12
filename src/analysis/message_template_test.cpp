#include "analysis/message_template.h"

#include <gtest/gtest.h>

namespace weft::analysis {
namespace {

struct Example {
  const char* message;
  const char* expected;
};

TEST(MessageTemplate, ReplacesWhatVaries) {
  const Example examples[] = {
      {"", ""},
      {"connection refused", "connection refused"},
      {"customer 4711 lacks scope account.read", "customer <num> lacks scope account.read"},
      {"timeout after 6000ms", "timeout after <num>ms"},
      {"timeout after 6.02 s (limit 6 s)", "timeout after <num> s (limit <num> s)"},
      {"took 1.5e-3s", "took <num>e-<num>s"},
      {"HTTP/1.1 503", "HTTP/<num> <num>"},
      {"no user 'anna'", "no user <str>"},
      {"can't reach host's peer", "can't reach host's peer"},
      {"session 3f2504e0-4f89-11d3-9a0c-0305e82c3301 gone", "session <uuid> gone"},
      {"mail to anna.b+x@example.co.uk.", "mail to <email>."},
      {"dial tcp 10.0.3.17:5432: refused", "dial tcp <ip>: refused"},
      {"from fe80::1ff:fe23:4567:890a", "from <ip>"},
      {"at 2026-01-02T03:04:05.678Z it", "at <time> it"},
      {"at 2026-01-02 03:04:05,678 it", "at <time> it"},
      {"commit 9fceb02d0ae598e9 x", "commit <hex> x"},
      {"pointer 0xDEADBEEF", "pointer <hex>"},
      {"deadbeef face decade", "deadbeef face decade"},
      {"token q3TzA9bLk0PsW2", "token <id>"},
      {"oauth2 over http2", "oauth2 over http2"},
      {"customer4711 unknown", "customer<num> unknown"},
      {"/api/users/12/orders/99", "/api/users/<num>/orders/<num>"},
      {"  a \t b  \nat line 5\n", "a b"},
      {"grüße 5", "grüße <num>"},
  };
  for (const Example& example : examples)
    EXPECT_EQ(message_template(example.message), example.expected) << example.message;
}

TEST(MessageTemplate, IsStableUnderItself) {
  for (const char* message :
       {"customer 4711 lacks 'x'", "at 2026-01-02T03:04:05Z a@b.de 10.0.0.1"}) {
    const std::string once = message_template(message);
    EXPECT_EQ(message_template(once), once);
  }
}

TEST(MessageTemplate, CutsLongMessagesAtACharacter) {
  std::string message;
  while (message.size() < 2000)
    message += "äö ";
  const std::string out = message_template(message);
  EXPECT_LE(out.size(), kMaxTemplateBytes);
  EXPECT_NE(static_cast<uint8_t>(out.back()) & 0xC0, 0xC0) << "half a character at the end";
}

TEST(MessageTemplate, TakesHostileBytes) {
  std::string message;
  for (int i = 0; i < 256; i++)
    message += static_cast<char>(255 - i);
  EXPECT_FALSE(message_template(message).empty());
  EXPECT_EQ(message_template("'"), "'");
  EXPECT_EQ(message_template("0x"), "<num>x");
  EXPECT_EQ(message_template("@@@ ::::"), "@@@ ::::");
}

}  // namespace
}  // namespace weft::analysis
