#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include <weft/http/curl.h>
#include <weft/http/semantics.h>

#include "../no_sigpipe.h"
#include "curl_exchange.h"

namespace weft::inline v1::http {
namespace {

using Clock = std::chrono::steady_clock;

// A request on its way: first a lookup, then a transfer.
struct Running {
  HttpRequest request;
  Context parent;
  CurlMulti::Done done;
  Clock::time_point deadline;
  std::unique_ptr<DnsLookup> lookup;
  CURL* easy = nullptr;
  std::unique_ptr<sdk_detail::CurlExchange> exchange;
  bool in_multi = false;
};

int left_ms(Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

}  // namespace

struct CurlMulti::State {
  explicit State(CurlClientConfig c) : config(std::move(c)), multi(curl_multi_init()) {}

  ~State() {
    const sdk_detail::NoSigpipe no_sigpipe;
    for (auto& [id, running] : all)
      drop(running);
    for (CURL* easy : idle)
      curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }

  // Takes a request apart; a transfer that was not finished ends as cancelled.
  void drop(Running& running) {
    if (running.in_multi) curl_multi_remove_handle(multi, running.easy);
    running.in_multi = false;
    if (running.exchange == nullptr && running.lookup != nullptr) end_in_lookup(running);
    running.exchange.reset();
    if (running.easy != nullptr) idle.push_back(running.easy);
    running.easy = nullptr;
  }

  // A request that was given up while its name was looked up has a span all the same.
  void end_in_lookup(Running& running) {
    DnsResult given_up = running.lookup->result();
    given_up.error = "cancelled";
    given_up.error_message = "the request was given up during the lookup";
    given_up.end_ns = std::max(given_up.end_ns, given_up.start_ns);
    start_exchange(running, &given_up);
  }

  void start_exchange(Running& running, const DnsResult* dns) {
    if (idle.empty()) idle.push_back(curl_easy_init());
    running.easy = idle.back();
    idle.pop_back();
    running.request.parent = &running.parent;
    running.exchange = std::make_unique<sdk_detail::CurlExchange>(
        running.easy, config, running.request, dns,
        static_cast<std::uint32_t>(std::max(1, left_ms(running.deadline))));
  }

  // From the lookup (if any) to the transfer.
  void transfer(Id id, Running& running, const DnsResult* dns) {
    start_exchange(running, dns);
    curl_easy_setopt(running.easy, CURLOPT_PRIVATE, reinterpret_cast<void*>(id));
    if (running.exchange->transfer().begin()) {
      curl_multi_add_handle(multi, running.easy);
      running.in_multi = true;
    } else {
      failed.emplace_back(id, CURLE_COULDNT_RESOLVE_HOST);
    }
  }

  void poll_lookups() {
    std::vector<Id> ready;
    for (auto& [id, running] : all) {
      if (running.lookup == nullptr || running.exchange != nullptr) continue;
      if (running.lookup->process() || left_ms(running.deadline) == 0) ready.push_back(id);
    }
    for (const Id id : ready) {
      Running& running = all.at(id);
      DnsResult result = running.lookup->result();
      if (!result.ok() && result.error.empty()) {
        result.error = "timeout";
        result.error_message = "look up: no answer in time";
        result.end_ns =
            static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
      }
      running.lookup.reset();
      transfer(id, running, &result);
    }
  }

  void complete(Id id, CURLcode result) {
    const auto at = all.find(id);
    if (at == all.end()) return;
    Running running = std::move(at->second);
    all.erase(at);
    if (running.in_multi) {
      const sdk_detail::NoSigpipe no_sigpipe;  // it may close the connection
      curl_multi_remove_handle(multi, running.easy);
    }
    running.in_multi = false;
    running.exchange->transfer().finish(result);
    HttpResponse response = running.exchange->take(result);
    const Done done = std::move(running.done);
    drop(running);
    if (done) done(std::move(response));
  }

  void perform() {
    const sdk_detail::NoSigpipe no_sigpipe;
    int active = 0;
    curl_multi_perform(multi, &active);
  }

  void complete_finished() {
    for (const auto& [id, result] : std::exchange(failed, {}))
      complete(id, result);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* id = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &id);
      complete(reinterpret_cast<Id>(id), message->data.result);
    }
  }

  void wait(std::uint32_t timeout_ms) {
    std::vector<curl_waitfd> waits;
    int wait_ms = static_cast<int>(std::min<std::uint32_t>(timeout_ms, 3'600'000));
    for (const auto& [id, running] : all) {
      if (running.lookup == nullptr || running.exchange != nullptr) continue;
      for (const DnsLookup::Watch& watch : running.lookup->watches()) {
        waits.push_back({watch.descriptor,
                         static_cast<short>((watch.read ? CURL_WAIT_POLLIN : 0) |
                                            (watch.write ? CURL_WAIT_POLLOUT : 0)),
                         0});
      }
      wait_ms = std::min({wait_ms, running.lookup->timeout_ms(), left_ms(running.deadline)});
    }
    if (!failed.empty()) wait_ms = 0;
    curl_multi_poll(multi, waits.data(), static_cast<unsigned>(waits.size()), wait_ms, nullptr);
  }

  const CurlClientConfig config;
  CURLM* multi;
  std::map<Id, Running> all;
  std::vector<CURL*> idle;
  std::vector<std::pair<Id, CURLcode>> failed;
  Id next_id = 1;
};

CurlMulti::CurlMulti(CurlClientConfig config)
    : state_(std::make_unique<State>(std::move(config))) {}
CurlMulti::~CurlMulti() = default;

CurlMulti::Id CurlMulti::add(HttpRequest request, Done done) {
  const Id id = state_->next_id++;
  Running& running = state_->all[id];
  running.parent = request.parent != nullptr ? *request.parent : Context::current();
  running.request = std::move(request);
  running.done = std::move(done);
  const std::uint32_t timeout_ms =
      running.request.timeout_ms != 0 ? running.request.timeout_ms : state_->config.timeout_ms;
  running.deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  const std::string host(split_url(running.request.url).host);
  // A URL without a host is libcurl's to refuse.
  if (state_->config.resolver == nullptr || host.empty()) {
    state_->transfer(id, running, nullptr);
  } else {
    running.lookup = state_->config.resolver->start(host);
  }
  return id;
}

void CurlMulti::cancel(Id id) {
  const sdk_detail::NoSigpipe no_sigpipe;
  const auto at = state_->all.find(id);
  if (at == state_->all.end()) return;
  Running running = std::move(at->second);
  state_->all.erase(at);
  state_->drop(running);
}

std::size_t CurlMulti::run_once(std::uint32_t timeout_ms) {
  state_->poll_lookups();
  state_->perform();
  state_->complete_finished();
  if (state_->all.empty()) return 0;
  state_->wait(timeout_ms);
  state_->poll_lookups();
  state_->perform();
  state_->complete_finished();
  return state_->all.size();
}

void CurlMulti::run() {
  while (run_once(1000) != 0) {
  }
}

}  // namespace weft::inline v1::http
