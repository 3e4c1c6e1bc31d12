// The W3C service of this tree (../w3c_service.cpp), driven as the W3C's conformance suite drives
// it: a harness asks it to make calls back to the harness and looks at the headers that arrive.
// The rules are those of the suite, a test each; the suite itself can be pointed at the service
// too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <signal.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using Lines = std::vector<std::pair<std::string, std::string>>;

const std::string kTrace = "12345678901234567890123456789012";
const std::string kParent = "1234567890123456";
const std::string kGood = "00-" + kTrace + "-" + kParent + "-01";

// The service as a process of its own; ends with its object.
class Service {
 public:
  Service() {
    int out[2];
    if (pipe(out) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      close(out[0]);
      close(out[1]);
      // The spans it writes to stderr are of no interest here.
      if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(126);
      execl(WEFT_SDK_W3C_SERVICE, WEFT_SDK_W3C_SERVICE, nullptr);
      _exit(127);
    }
    close(out[1]);
    FILE* lines = fdopen(out[0], "r");
    if (lines == nullptr || std::fscanf(lines, "listening on %d", &port_) != 1) port_ = 0;
    if (lines != nullptr) std::fclose(lines);
  }
  ~Service() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  int port() const { return port_; }

 private:
  pid_t pid_ = -1;
  int port_ = 0;
};

// Takes the calls that the service makes.
class Harness {
 public:
  Harness() {
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response&) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(request);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~Harness() {
    server_.stop();
    thread_.join();
  }
  int port() const { return port_; }
  std::vector<httplib::Request> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(calls_, {});
  }

 private:
  httplib::Server server_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<httplib::Request> calls_;
  int port_ = 0;
};

struct Call {
  std::vector<std::string> traceparents;
  std::vector<std::string> tracestates;

  std::string traceparent() const { return traceparents.size() == 1 ? traceparents[0] : ""; }
  std::string trace_id() const { return traceparent().substr(3, 32); }
  std::string parent_id() const { return traceparent().substr(36, 16); }
  std::string state() const { return tracestates.size() == 1 ? tracestates[0] : ""; }
};

class W3cService : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    service = new Service;
    harness = new Harness;
  }
  static void TearDownTestSuite() {
    delete service;
    delete harness;
  }
  void SetUp() override { ASSERT_NE(service->port(), 0) << "the service did not start"; }

  // Sends these headers to the service, which makes `count` calls; what their headers were.
  static std::vector<Call> calls(const Lines& headers, int count = 1) {
    std::string body = "[";
    for (int i = 0; i < count; ++i) {
      body += std::string(i == 0 ? "" : ",") + R"({"url": "http://127.0.0.1:)" +
              std::to_string(harness->port()) + "/callback/" + std::to_string(i) +
              R"(", "arguments": [{"n": 1, "text": "a\"b"}]})";
    }
    httplib::Headers lines;
    for (const auto& [name, value] : headers)
      lines.emplace(name, value);
    httplib::Client client("127.0.0.1", service->port());
    const auto answer = client.Post("/test", lines, body + "]", "application/json");
    EXPECT_TRUE(answer && answer->status == 200);
    std::vector<Call> out;
    for (const httplib::Request& request : harness->take()) {
      EXPECT_THAT(request.body, HasSubstr("\"a\\\"b\""));
      Call call;
      // Names are in lower case in what we send; either is allowed.
      for (const auto& [name, value] : request.headers) {
        if (strcasecmp(name.c_str(), "traceparent") == 0) call.traceparents.push_back(value);
        if (strcasecmp(name.c_str(), "tracestate") == 0) call.tracestates.push_back(value);
      }
      EXPECT_THAT(call.traceparent(), MatchesRegex("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"));
      out.push_back(call);
    }
    EXPECT_EQ(out.size(), static_cast<std::size_t>(count));
    out.resize(static_cast<std::size_t>(count));
    return out;
  }
  static Call call(const Lines& headers) { return calls(headers)[0]; }

  static void expect_continued(const Lines& headers) {
    const Call got = call(headers);
    EXPECT_EQ(got.trace_id(), kTrace) << headers[0].second;
    EXPECT_NE(got.parent_id(), kParent);
  }
  static void expect_new_trace(const std::string& traceparent) {
    const Call got = call({{"traceparent", traceparent}, {"tracestate", "foo=1"}});
    EXPECT_EQ(got.traceparents.size(), 1U);
    EXPECT_EQ(got.tracestates.size(), 0U) << "a state without its parent";
    for (const char* id :
         {"12345678901234567890123456789012", "00000000000000000000000000000000"}) {
      EXPECT_NE(got.trace_id(), id) << traceparent;
    }
  }
  static std::string state(const std::string& tracestate) {
    return call({{"traceparent", kGood}, {"tracestate", tracestate}}).state();
  }
  static void expect_no_state(const std::string& tracestate) {
    const Call got = call({{"traceparent", kGood}, {"tracestate", tracestate}});
    EXPECT_EQ(got.trace_id(), kTrace) << "a bad state is no reason to lose the trace";
    EXPECT_EQ(got.tracestates.size(), 0U) << tracestate << " became " << got.state();
  }

  static Service* service;
  static Harness* harness;
};
Service* W3cService::service = nullptr;
Harness* W3cService::harness = nullptr;

TEST_F(W3cService, WithoutHeadersATraceBegins) {
  const Call got = call({});
  EXPECT_NE(got.trace_id(), std::string(32, '0'));
  EXPECT_NE(got.parent_id(), std::string(16, '0'));
  EXPECT_TRUE(got.tracestates.empty());
}

TEST_F(W3cService, AStateWithoutAParentIsDropped) {
  EXPECT_TRUE(call({{"tracestate", "foo=1"}}).tracestates.empty());
  EXPECT_TRUE(call({{"tracestate", "foo=1,bar=2"}}).tracestates.empty());
}

TEST_F(W3cService, TheTraceGoesOnWithItsState) {
  const Call got = call({{"traceparent", kGood}, {"tracestate", "foo=1,bar=2"}});
  EXPECT_EQ(got.trace_id(), kTrace);
  EXPECT_EQ(got.state(), "foo=1,bar=2");
}

TEST_F(W3cService, HeaderNamesAreFoundInAnyCaseAndByNoOtherName) {
  for (const char* name : {"TraceParent", "TrAcEpArEnT", "TRACEPARENT"}) {
    expect_continued({{name, kGood}});
  }
  for (const char* name : {"trace-parent", "trace.parent"}) {
    EXPECT_NE(call({{name, kGood}}).trace_id(), kTrace);
  }
  for (const char* name : {"TraceState", "TrAcEsTaTe", "TRACESTATE"}) {
    EXPECT_EQ(call({{"traceparent", kGood}, {name, "foo=1"}}).state(), "foo=1");
  }
  for (const char* name : {"trace-state", "trace.state"}) {
    EXPECT_TRUE(call({{"traceparent", kGood}, {name, "foo=1"}}).tracestates.empty());
  }
}

TEST_F(W3cService, TwoParentsAreNone) {
  const Call got = call({{"traceparent", "00-12345678901234567890123456789011-1234567890123456-01"},
                         {"traceparent", kGood}});
  EXPECT_NE(got.trace_id(), kTrace);
  EXPECT_NE(got.trace_id(), "12345678901234567890123456789011");
}

TEST_F(W3cService, Version00HasItsLengthAndNoMore) {
  expect_new_trace(kGood + ".");
  expect_new_trace(kGood + "-what-the-future-will-be-like");
}

TEST_F(W3cService, LaterVersionsAreReadByTheirFirstPart) {
  const std::string later = "cc-" + kTrace + "-" + kParent + "-01";
  expect_continued({{"traceparent", later}});
  expect_continued({{"traceparent", later + "-what-the-future-will-be-like"}});
  expect_new_trace(later + ".what-the-future-will-be-like");
}

TEST_F(W3cService, VersionFFIsInvalid) {
  expect_new_trace("ff-" + kTrace + "-" + kParent + "-01");
}

TEST_F(W3cService, TheVersionIsTwoLowerCaseDigits) {
  for (const char* version : {".0", "0.", "CC", "000", "0000", "0", ""}) {
    expect_new_trace(std::string(version) + "-" + kTrace + "-" + kParent + "-01");
  }
}

TEST_F(W3cService, TheTraceIdIsThirtyTwoLowerCaseDigitsAndNotZero) {
  for (const std::string& id :
       {std::string(32, '0'), "." + kTrace.substr(1), kTrace.substr(1) + ".",
        "A" + kTrace.substr(1), kTrace + "3", kTrace.substr(1), kTrace.substr(0, 31)}) {
    expect_new_trace("00-" + id + "-" + kParent + "-01");
  }
}

TEST_F(W3cService, TheParentIdIsSixteenLowerCaseDigitsAndNotZero) {
  for (const std::string& id :
       {std::string(16, '0'), "." + kParent.substr(1), kParent.substr(1) + ".",
        "F" + kParent.substr(1), kParent + "7", kParent.substr(1)}) {
    expect_new_trace("00-" + kTrace + "-" + id + "-01");
  }
}

TEST_F(W3cService, TheFlagsAreTwoDigits) {
  for (const char* flags : {".0", "0.", "001", "1", "", "0A"}) {
    expect_new_trace("00-" + kTrace + "-" + kParent + "-" + flags);
  }
}

TEST_F(W3cService, TheFlagsOfLevelTwoAreKeptAndTheUnknownOnesAreNot) {
  auto flags = [](const char* given) {
    return call({{"traceparent", "00-" + kTrace + "-" + kParent + "-" + given}})
        .traceparent()
        .substr(53);
  };
  EXPECT_EQ(flags("01"), "01");
  EXPECT_EQ(flags("03"), "03");  // the trace id is random, and stays so downstream
  EXPECT_EQ(flags("00"), "00");
  EXPECT_EQ(flags("02"), "02");
  EXPECT_EQ(flags("ff"), "03");
}

TEST_F(W3cService, BlanksAroundTheParentAreAllowed) {
  for (const std::string& text :
       {" " + kGood, "\t" + kGood, kGood + " ", kGood + "\t", "\t " + kGood + " \t"}) {
    expect_continued({{"traceparent", text}});
  }
}

TEST_F(W3cService, AnEmptyStateIsNoState) {
  EXPECT_TRUE(call({{"traceparent", kGood}, {"tracestate", ""}}).tracestates.empty());
  EXPECT_EQ(call({{"traceparent", kGood}, {"tracestate", "foo=1"}, {"tracestate", ""}}).state(),
            "foo=1");
}

TEST_F(W3cService, SeveralStateHeadersAreOneListInTheirOrder) {
  EXPECT_EQ(call({{"traceparent", kGood},
                  {"tracestate", "foo=1,bar=2"},
                  {"tracestate", "rojo=1,congo=2"},
                  {"tracestate", "baz=3"}})
                .state(),
            "foo=1,bar=2,rojo=1,congo=2,baz=3");
}

TEST_F(W3cService, OfAKeyThatOccursTwiceOneIsKept) {
  EXPECT_EQ(state("foo=1,foo=1"), "foo=1");
  EXPECT_EQ(state("foo=1,foo=2"), "foo=1");
  EXPECT_EQ(state("foo=1,bar=2,foo=3"), "foo=1,bar=2");
}

TEST_F(W3cService, EveryAllowedCharacterGetsThrough) {
  const std::string key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
  std::string value;
  for (char c = ' '; c <= '~'; ++c) {
    if (c != ',' && c != '=') value += c;
  }
  // A blank in front would be taken for one between the members.
  value = "0" + value;
  EXPECT_EQ(state(key + "=" + value), key + "=" + value);
  EXPECT_EQ(state("a-b@c-d=" + value), "a-b@c-d=" + value);
}

TEST_F(W3cService, BlanksBetweenMembersAreAllowed) {
  for (const char* text : {"foo=1 \t , \t bar=2, \t baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3",
                           " foo=1, bar=2,\tbaz=3", "foo=1,bar=2,baz=3\t "}) {
    EXPECT_EQ(state(text), "foo=1,bar=2,baz=3");
  }
}

TEST_F(W3cService, KeysHaveTheirAlphabetAndForm) {
  for (const char* text : {"foo =1", "FOO=1", "foo.bar=1", "foo@=1,bar=2", "@foo=1,bar=2",
                           "foo@@bar=1,bar=2", "foo@bar@baz=1,bar=2", "=1", "foo"}) {
    expect_no_state(text);
  }
}

TEST_F(W3cService, KeysAndValuesHaveTheirLengths) {
  const std::string longest = std::string(256, 'z');
  EXPECT_EQ(state("foo=1," + longest + "=1"), "foo=1," + longest + "=1");
  expect_no_state("foo=1," + longest + "z=1");
  const std::string tenant = std::string(241, 't') + "@" + std::string(14, 'v');
  EXPECT_EQ(state("foo=1," + tenant + "=1"), "foo=1," + tenant + "=1");
  expect_no_state("foo=1," + std::string(242, 't') + "@v=1");
  expect_no_state("foo=1,t@" + std::string(15, 'v') + "=1");
  EXPECT_EQ(state("k=" + std::string(256, 'v')), "k=" + std::string(256, 'v'));
  expect_no_state("k=" + std::string(257, 'v'));
}

TEST_F(W3cService, ValuesHaveTheirAlphabet) {
  for (const char* text : {"foo=bar=baz", "foo=", "foo=\x7F", "foo=\xC3\xA9"})
    expect_no_state(text);
}

TEST_F(W3cService, ThirtyTwoMembersAreAllowedAndNoMore) {
  std::string text = "bar01=01";
  for (int i = 2; i <= 32; ++i) {
    const std::string n = (i < 10 ? "0" : "") + std::to_string(i);
    text += ",bar" + n + "=" + n;
  }
  EXPECT_EQ(state(text), text);
  expect_no_state(text + ",bar33=33");
}

TEST_F(W3cService, SeveralCallsOfOneRequestAreSeveralSpansOfOneTrace) {
  auto check = [](const std::vector<Call>& got, const std::string& trace) {
    std::set<std::string> parents;
    std::set<std::string> traces;
    for (const Call& c : got) {
      parents.insert(c.parent_id());
      traces.insert(c.trace_id());
    }
    EXPECT_EQ(parents.size(), got.size());
    EXPECT_EQ(parents.count(kParent), 0U);
    EXPECT_EQ(traces.size(), 1U);
    if (!trace.empty()) {
      EXPECT_EQ(*traces.begin(), trace);
    }
  };
  check(calls({{"traceparent", kGood}}, 3), kTrace);
  check(calls({}, 3), "");
  check(calls({{"traceparent", "nonsense"}}, 3), "");
}

TEST_F(W3cService, RequestsDoNotMix) {
  const Call first = call({{"traceparent", kGood}});
  const Call second = call({{"traceparent", "00-" + std::string(32, 'a') + "-" + kParent + "-00"}});
  EXPECT_EQ(first.trace_id(), kTrace);
  EXPECT_EQ(second.trace_id(), std::string(32, 'a'));
  EXPECT_NE(first.parent_id(), second.parent_id());
}

TEST_F(W3cService, ABodyThatIsNoListIsRefused) {
  httplib::Client client("127.0.0.1", service->port());
  const auto answer = client.Post("/test", "[{\"url\": ", "application/json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_TRUE(harness->take().empty());
}

}  // namespace
