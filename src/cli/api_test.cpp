#include "cli/api.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace weft::cli {
namespace {

TEST(ReadTokenTest, TakesTheFirstWordThatIsNoComment) {
  std::string path = ::testing::TempDir() + "weft-token-XXXXXX";
  ::close(::mkstemp(path.data()));
  const auto token_of = [&](const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
    return read_token(path);
  };
  EXPECT_EQ(token_of("secret\n").value(), "secret");
  EXPECT_EQ(token_of("secret").value(), "secret");
  EXPECT_EQ(token_of("\n# openssl rand -hex 24\r\n  secret name=checkout\r\nother\n").value(),
            "secret");
  for (const char* text : {"", "\n \n", "# secret\n"})
    EXPECT_FALSE(token_of(text)) << text;
  ::unlink(path.c_str());
  EXPECT_FALSE(read_token(path));
  EXPECT_EQ(read_token("").value(), "");
}

}  // namespace
}  // namespace weft::cli
