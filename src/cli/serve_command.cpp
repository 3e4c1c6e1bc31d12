// weft serve: the one long-running process. Wires the store to the server and waits for a signal.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "analysis/span_metrics.h"
#include "base/file.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/kept_memory.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/store_access.h"
#include "cli/store_metrics.h"
#include "cli/version.h"
#include "server/api/api.h"
#include "server/api/prometheus.h"
#include "server/config.h"
#include "server/server.h"

namespace weft::cli {
namespace {

constexpr uint64_t kMemoryIntervalMs = 60'000;

// What the flags say, before it is laid over the configuration file.
struct Flags {
  struct Value {
    const server::ConfigKey* key;
    std::optional<std::string> text;
    std::vector<std::string> list;
    bool on = false;
  };
  // Options keep references to these: a deque never moves what it holds.
  std::deque<Value> values;
  std::string config_file;
  bool exit_with_parent = false;

  void add_to(CommandLine& line);
  Status apply(server::Config& config) const;
};

void Flags::add_to(CommandLine& line) {
  line.option("--config", config_file, "FILE", "YAML with any of these settings; flags win");
  const server::Config defaults;
  for (const server::ConfigKey& key : server::config_keys()) {
    Value& value = values.emplace_back();
    value.key = &key;
    const std::string flag(key.flag), name(key.value_name);
    std::string help(key.help);
    if (key.get != nullptr && key.kind != server::ConfigKey::Kind::kSwitch) {
      if (const std::string text = key.get(defaults); !text.empty()) help += " [" + text + "]";
    }
    switch (key.kind) {
      case server::ConfigKey::Kind::kSwitch:
        line.flag(flag, value.on, help);
        break;
      case server::ConfigKey::Kind::kList:
        line.option(flag, value.list, name, help);
        break;
      default:
        line.option(flag, value.text, name, help);
        break;
    }
  }
  line.flag("--exit-with-parent", exit_with_parent,
            "Stop when the process that started this one ends");
}

Status Flags::apply(server::Config& config) const {
  const auto set = [&](const Value& value, std::string_view text) -> Status {
    Status done = value.key->set(config, text);
    if (!done) {
      return std::unexpected(std::move(done).error().with_prefix(value.key->flag));
    }
    return {};
  };
  for (const Value& value : values) {
    if (value.on) WEFT_TRY(set(value, "true"));
    if (value.text) WEFT_TRY(set(value, *value.text));
    for (const std::string& text : value.list)
      WEFT_TRY(set(value, text));
  }
  return {};
}

Expected<server::FinalizedConfig> read_config(const Flags& flags) {
  server::Config config;
  if (!flags.config_file.empty()) {
    WEFT_TRY(server::load_config_file(config, flags.config_file));
  }
  WEFT_TRY(flags.apply(config));
  return server::finalize_config(std::move(config));
}

store::Options store_options_of(const server::Config& config) {
  store::Options options = store_options(config.data_dir, config.decode, store::Severity::kInfo);
  options.block_max_spans = config.block_max_spans;
  options.block_max_age_ns = config.block_max_age_ns;
  options.retention_age_ns = config.retention_age_ns;
  options.retention_bytes = config.retention_bytes;
  options.cache_bytes = config.store_memory_bytes / 2;
  return options;
}

// A server holds a file for each block and a socket for each client: the soft limit of 1,024 that
// shells hand down is no budget.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Everything that serves, in the order in which it is built; taken down the other way round.
class Service {
 public:
  static Expected<std::unique_ptr<Service>> start(server::FinalizedConfig config);
  std::string ready_line() const;
  Status reload() { return server_->reload(); }
  // Called now and then.
  void look_after_memory();
  Status stop();

 private:
  server::ApiInfo info() const;

  server::FinalizedConfig config_;
  analysis::SpanMetrics span_metrics_;  // the store tells it what it keeps
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<server::LinkStore> links_;
  server::MetricsRegistry metrics_;
  std::unique_ptr<server::Api> api_;
  std::unique_ptr<server::Server> server_;
  // server_, for its own threads: they answer before it is assigned.
  std::atomic<const server::Server*> started_{nullptr};
  uint64_t spans_before_ = 0;  // appended when memory was last looked after
};

std::string text_of(const std::optional<server::Endpoint>& endpoint) {
  return endpoint ? server::to_string(*endpoint) : "off";
}

server::ApiInfo Service::info() const {
  server::ApiInfo info;
  info.version = kVersion;
  info.retention_age_ns = config_.values.retention_age_ns;
  info.retention_bytes = config_.values.retention_bytes;
  info.auth_required = config_.query_tokens != nullptr;
  const bool tls = config_.tls != nullptr;
  const server::Server* const server = started_.load(std::memory_order_acquire);
  if (server == nullptr) return info;
  if (server->otlp_http()) {
    info.otlp_http = (tls ? "https://" : "http://") + text_of(server->otlp_http());
  }
  if (server->otlp_grpc()) info.otlp_grpc = text_of(server->otlp_grpc());
  if (server->zipkin()) {
    info.zipkin = (tls ? "https://" : "http://") + text_of(server->zipkin());
  }
  return info;
}

Expected<std::unique_ptr<Service>> Service::start(server::FinalizedConfig config) {
  auto service = std::make_unique<Service>();
  service->config_ = std::move(config);
  const server::Config& values = service->config_.values;
  store::Options store_options = store_options_of(values);
  // What was refused and is sent again is one span.
  store_options.stored = [self = service.get()](const SpanBatch& batch) {
    self->span_metrics_.observe(batch);
  };
  WEFT_ASSIGN(service->store_, store::Store::open(std::move(store_options)));
  WEFT_ASSIGN(service->links_,
              server::LinkStore::open(real_file_system(), values.data_dir + "/links"));
  for (const std::string& warning : service->links_->warnings()) {
    print_error_text("weft serve: " + warning + "\n");
  }
  service->metrics_.add_collector([self = service.get()](server::MetricsWriter& writer) {
    write_store_metrics(*self->store_, writer);
    server::write_span_metrics(self->span_metrics_.snapshot(), writer);
  });

  server::ApiOptions api;
  api.source = service->store_.get();
  api.links = service->links_.get();
  api.pin = [store = service->store_.get()](std::span<const TraceId> ids) {
    return store->pin(ids);
  };
  api.ownership = analysis::Ownership(values.squads);
  api.limits.budget.time_ns = values.http_limits.query_timeout_ns;
  api.limits.budget.memory_bytes = values.query_memory_bytes;
  api.info = [self = service.get()] { return self->info(); };
  service->api_ = std::make_unique<server::Api>(std::move(api));

  server::ServerParts parts;
  parts.sink = service->store_.get();
  parts.metrics = &service->metrics_;
  service->api_->add_routes(parts.api);
  service->api_->add_zipkin_routes(parts.zipkin);
  WEFT_ASSIGN(service->server_, server::Server::start(service->config_, std::move(parts)));
  if (service->config_.zipkin && !service->server_->zipkin()) {
    print_error_text("weft serve: warning: another process listens on " +
                     text_of(service->config_.zipkin) +
                     ", so that Zipkin's clients do not come here; choose another address with "
                     "--zipkin, or 'off'\n");
  }
  service->started_.store(service->server_.get(), std::memory_order_release);
  return service;
}

std::string Service::ready_line() const {
  std::string line =
      fmt::format("weft ready otlp-grpc={} otlp-http={} http={}", text_of(server_->otlp_grpc()),
                  text_of(server_->otlp_http()), text_of(server_->http()));
  if (server_->zipkin()) line += " zipkin=" + text_of(server_->zipkin());
  return line + "\n";
}

Status Service::stop() {
  server_->shutdown();
  return store_->shutdown();
}

// With less than a block of spans since the last time, the memory of the last busy time is not
// needed soon.
void Service::look_after_memory() {
  const uint64_t spans = store_->counters().appended_spans.load(std::memory_order_relaxed);
  if (spans - std::exchange(spans_before_, spans) < config_.values.block_max_spans) {
    release_freed_memory();
  }
}

int serve(const Flags& flags) {
  auto config = read_config(flags);
  if (!config) {
    complain("serve", config.error());
    return kExitUsage;
  }
  for (const std::string& warning : config->warnings) {
    print_error_text("weft serve: warning: " + warning + "\n");
  }
  raise_file_limit();
  keep_freed_memory();
  // Handlers first: a signal that comes while the store opens ends it in order as well.
  stop_on_signals();
  auto service = Service::start(*std::move(config));
  if (!service) {
    complain("serve", service.error());
    return kExitFailed;
  }
  if (print((*service)->ready_line()) != kExitOk) return kExitFailed;
  for (SignalEvent event; (event = wait_for_signal(kMemoryIntervalMs)) != SignalEvent::kStop;) {
    if (event == SignalEvent::kNone) {
      (*service)->look_after_memory();
    } else if (const Status reloaded = (*service)->reload(); !reloaded) {
      complain("serve", reloaded.error());
    }
  }
  const Status stopped = (*service)->stop();
  if (!stopped) {
    complain("serve", stopped.error());
    return kExitFailed;
  }
  return kExitOk;
}

}  // namespace

int run_serve(int argc, const char* const* argv) {
  Flags flags;
  CommandLine line("serve",
                   "Takes in spans over OTLP (gRPC and HTTP), keeps them in a data directory and "
                   "answers queries. Prints one line when it is ready. SIGTERM or Ctrl-C: takes "
                   "nothing new, finishes what is under way, and exits with 0; a second signal "
                   "exits at once. SIGHUP reads tokens and certificates again.");
  flags.add_to(line);
  line.examples({"weft serve --data /var/lib/weft",
                 "weft serve --config weft.yaml --retention-age 30d",
                 "weft serve --data d --otlp-http 127.0.0.1:0   # any free port"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  if (flags.exit_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  return serve(flags);
}

}  // namespace weft::cli
