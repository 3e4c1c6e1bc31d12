// HTTP/2: many transfers share one connection, and each has phases of its own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/http/curl.h>
#include <weft/tracer.h>

#include <cstdio>
#include <map>
#include <string>

#include "peers.h"
#include "recorded.h"

namespace {

using sdk_test::all;
using sdk_test::DecodedSpan;
using sdk_test::find;
using weft::http::CurlMulti;
using weft::http::HttpResponse;

// Arguments: certificate, key. Prints its port; answers with the path after a while, so that
// requests overlap; ends with its standard input.
constexpr const char* kServer = R"(
const http2 = require('http2');
const fs = require('fs');
const server = http2.createSecureServer({
  cert: fs.readFileSync(process.argv[1]), key: fs.readFileSync(process.argv[2])});
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});  // of the one that it resets itself
  setTimeout(() => answer(stream, headers), 20);
});
function answer(stream, headers) {
  if (stream.destroyed) return;
  if (headers[':path'] === '/reset') { stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR); return; }
  stream.respond({':status': headers[':path'] === '/503' ? 503 : 200,
                  'x-traceparent': headers['traceparent'] || ''});
  stream.end(headers[':path']);
}
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
)";

class Http2Peer {
 public:
  Http2Peer()
      : identity_([](const sdk_test::PeerRequest&) { return sdk_test::PeerReply(); }, true) {
    int out[2];
    int in[2];
    if (pipe(out) != 0 || pipe(in) != 0) return;
    const std::string certificate = identity_.certificate_file();
    const std::string key = identity_.key_file();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      dup2(in[0], 0);
      for (const int fd : {out[0], out[1], in[0], in[1]})
        close(fd);
      execlp("node", "node", "-e", kServer, certificate.c_str(), key.c_str(), nullptr);
      _exit(127);
    }
    close(out[1]);
    close(in[0]);
    input_ = in[1];
    FILE* lines = fdopen(out[0], "r");
    if (lines == nullptr || std::fscanf(lines, "%d", &port_) != 1) port_ = 0;
    if (lines != nullptr) std::fclose(lines);
  }
  ~Http2Peer() {
    close(input_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  int port() const { return port_; }  // 0 without node
  std::string certificate_file() const { return identity_.certificate_file(); }
  std::string url(const std::string& path) const {
    return "https://localhost:" + std::to_string(port_) + path;
  }

 private:
  sdk_test::HttpPeer identity_;  // for its certificate
  pid_t pid_ = -1;
  int input_ = -1;
  int port_ = 0;
};

weft::http::CurlClientConfig config_for(const Http2Peer& peer) {
  weft::http::CurlClientConfig config;
  config.ca_file = peer.certificate_file();
  config.setup = [](CURL* easy) { curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); };
  return config;
}

TEST(Http2, TransfersThatShareAConnectionHavePhasesOfTheirOwn) {
  Http2Peer peer;
  if (peer.port() == 0) GTEST_SKIP() << "node is not installed";
  sdk_test::Recorded recorded;
  constexpr int kRequests = 40;
  int answered = 0;
  std::map<std::string, std::string> sent;  // path to the traceparent that arrived
  CurlMulti multi(config_for(peer));
  for (int i = 0; i < kRequests; ++i) {
    const std::string path = "/item/" + std::to_string(i);
    multi.add({.url = peer.url(path), .url_template = path},
              [&, path](const HttpResponse& response) {
                EXPECT_EQ(response.body, path) << response.error;
                sent[path] = response.header("x-traceparent");
                ++answered;
              });
  }
  multi.run();
  EXPECT_EQ(answered, kRequests);
  const auto spans = recorded.take();
  std::map<std::string, std::map<std::string, int>> phases;  // by trace
  int roots = 0;
  for (const DecodedSpan& span : spans) {
    EXPECT_EQ(span.status, 0) << span.name << " " << span.status_message;
    ++phases[span.trace_id][span.name];
    if (!span.parent_span_id.empty()) continue;
    ++roots;
    EXPECT_EQ(span.attribute("network.protocol.version"), "2");
    EXPECT_EQ(sent[span.name.substr(4)], "00-" + span.trace_id + "-" + span.span_id + "-03");
  }
  EXPECT_EQ(roots, kRequests);
  for (auto& [trace, names] : phases) {
    EXPECT_EQ(names["http.getconn"], 1) << trace;
    EXPECT_EQ(names["http.send"], 1) << trace;
    EXPECT_EQ(names["http.receive"], 1) << trace;
  }
  // One of them made the connection; the others say that they used it.
  EXPECT_EQ(all(spans, "http.tls").size(), 1u);
  int reused = 0;
  int was_idle = 0;
  for (const DecodedSpan& span : all(spans, "http.getconn")) {
    reused += span.attribute("http.conn.reused") == "true" ? 1 : 0;
    was_idle += span.attribute("http.conn.wasidle") == "true" ? 1 : 0;
  }
  EXPECT_EQ(reused, kRequests - 1);
  EXPECT_EQ(was_idle, 0);  // the first request has not been answered when the others begin
}

TEST(Http2, AStreamThatIsResetHarmsNoOtherOnItsConnection) {
  Http2Peer peer;
  if (peer.port() == 0) GTEST_SKIP() << "node is not installed";
  sdk_test::Recorded recorded;
  std::map<std::string, HttpResponse> answers;
  CurlMulti multi(config_for(peer));
  for (const std::string path : {"/good", "/reset", "/503"}) {
    multi.add({.url = peer.url(path), .url_template = path},
              [&answers, path](const HttpResponse& response) { answers[path] = response; });
  }
  multi.run();
  EXPECT_EQ(answers["/good"].status, 200);
  EXPECT_EQ(answers["/503"].status, 503);
  EXPECT_NE(answers["/reset"].result, CURLE_OK);
  const auto spans = recorded.take();
  EXPECT_EQ(find(spans, "GET /good")->status, 0);
  EXPECT_EQ(find(spans, "GET /503")->attribute("error.type"), "503");
  EXPECT_EQ(find(spans, "GET /reset")->status, 2);
}

}  // namespace
