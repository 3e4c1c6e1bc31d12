#include "cli/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

namespace weft::cli {
namespace {

TEST(ChildProcessTest, LinesAndExitStatus) {
  auto child = ChildProcess::start({"/bin/sh", "-c", "echo one; echo two; exit 3"}, "");
  ASSERT_TRUE(child);
  EXPECT_EQ((*child)->read_line(10'000).value(), "one");
  EXPECT_EQ((*child)->read_line(10'000).value(), "two");
  EXPECT_EQ((*child)->read_line(10'000).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ((*child)->wait(10'000).value(), 3);
}

TEST(ChildProcessTest, SilenceEndsAtTheDeadline) {
  auto child = ChildProcess::start({"/bin/sleep", "60"}, "");
  ASSERT_TRUE(child);
  EXPECT_EQ((*child)->read_line(20).error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ((*child)->wait(20).error().code, ErrorCode::kDeadlineExceeded);
  (*child)->signal(SIGTERM);
  EXPECT_EQ((*child)->wait(10'000).value(), 128 + SIGTERM);
}

TEST(ChildProcessTest, AStopEndsTheWaitForALine) {
  auto child = ChildProcess::start({"/bin/sleep", "60"}, "");
  ASSERT_TRUE(child);
  std::atomic<bool> stop{false};
  std::thread stopping([&] { stop = true; });
  EXPECT_EQ((*child)->read_line(60'000, &stop).error().code, ErrorCode::kCancelled);
  stopping.join();
}

TEST(ChildProcessTest, UsageOfARunningChild) {
  auto child = ChildProcess::start({"/bin/sh", "-c", "echo up; read x; exec sleep 60"}, "");
  ASSERT_TRUE(child);
  ASSERT_TRUE((*child)->read_line(10'000));
  const auto usage = (*child)->usage();
  ASSERT_TRUE(usage);
  EXPECT_GT(usage->peak_rss_bytes, 0u);
  EXPECT_GE(usage->peak_rss_bytes, usage->rss_bytes);
}

TEST(ChildProcessTest, AMissingProgramIsSeenAsStatus127) {
  auto child = ChildProcess::start({"/no/such/program"}, "");
  ASSERT_TRUE(child);
  EXPECT_EQ((*child)->wait(10'000).value(), 127);
}

}  // namespace
}  // namespace weft::cli
