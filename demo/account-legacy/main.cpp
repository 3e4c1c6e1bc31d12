// account-legacy, of the Account squad: legacy log-in sessions. The older integration: it reads B3
// headers (and W3C's beside) and exports to Zipkin, all of it chosen by OTEL_* variables alone.
//
//   POST /sessions          {"customer": "c1001", "password": "…"}    -> {"session": "…"}
//   GET  /sessions/current, X-Legacy-Session: …          -> {"customer": "c1001"}
//
// Suspended customers get a session like everybody else: that is the story's point.
#include <weft/http/httplib.h>
#include <weft/init.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>

namespace {

// Sessions by id; beyond their bound all are forgotten. Any thread.
class Sessions {
 public:
  std::string create(const std::string& customer) {
    const std::lock_guard lock(mutex_);
    if (by_id_.size() >= kMaxSessions) by_id_.clear();
    char id[33];
    std::snprintf(id, sizeof id, "%016llx%016llx", static_cast<unsigned long long>(random_()),
                  static_cast<unsigned long long>(random_()));
    by_id_[id] = customer;
    return id;
  }
  std::string customer_of(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? std::string() : at->second;
  }

 private:
  static constexpr size_t kMaxSessions = 100'000;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::string> by_id_;
  std::mt19937_64 random_{std::random_device{}()};
};

void answer(httplib::Response& response, int status, const nlohmann::json& body) {
  response.status = status;
  response.set_content(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                       "application/json");
}

void log_in(Sessions& sessions, const httplib::Request& request, httplib::Response& response) {
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  const std::string customer = body.is_object() ? body.value("customer", "") : "";
  const std::string password = body.is_object() ? body.value("password", "") : "";
  if (customer.empty() || password.empty()) {
    return answer(response, 401, {{"message", "unknown customer or wrong password"}});
  }
  // The password check: a look-up and a slow hash.
  std::this_thread::sleep_for(std::chrono::milliseconds(4));
  weft::current_span().set("enduser.id", customer);
  answer(response, 200, {{"session", sessions.create(customer)}});
}

void look_up(const Sessions& sessions, const httplib::Request& request,
             httplib::Response& response) {
  const std::string customer = sessions.customer_of(request.get_header_value("X-Legacy-Session"));
  if (customer.empty()) {
    weft::current_span().set_status(weft::StatusCode::kError, "no such legacy session");
    return answer(response, 404, {{"message", "no such session"}});
  }
  weft::current_span().set("enduser.id", customer);
  answer(response, 200, {{"customer", customer}});
}

httplib::Server* running = nullptr;

}  // namespace

int main() {
  auto sdk = weft::init_from_env({.service_name = "account-legacy"});
  Sessions sessions;
  httplib::Server server;
  running = &server;
  std::signal(SIGTERM, [](int) { running->stop(); });
  server.new_task_queue = [] { return new httplib::ThreadPool(8); };
  server.set_keep_alive_timeout(30);
  server.set_tcp_nodelay(true);  // else small answers wait for the peer's delayed acknowledgement
  weft::http::instrument(server);
  server.Post("/sessions", weft::http::route("/sessions", [&](const auto& request, auto& response) {
                log_in(sessions, request, response);
              }));
  server.Get("/sessions/current",
             weft::http::route("/sessions/current", [&](const auto& request, auto& response) {
               look_up(sessions, request, response);
             }));
  const char* wanted = std::getenv("PORT");
  int port = wanted == nullptr ? 0 : std::atoi(wanted);
  if (port == 0) {
    port = server.bind_to_any_port("127.0.0.1");
  } else if (!server.bind_to_port("127.0.0.1", port)) {
    std::fprintf(stderr, "account-legacy: port %d is taken\n", port);
    return 1;
  }
  std::printf("account-legacy ready http=%d\n", port);
  std::fflush(stdout);
  server.listen_after_bind();
  return 0;
}
