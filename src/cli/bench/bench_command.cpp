// weft bench: measures this machine against the project's budgets, through real sockets, with the
// load in processes of its own and the server's CPU time counted alone.
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <random>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/bench/bench_server.h"
#include "cli/bench/budget_table.h"
#include "cli/bench/machine_limits.h"
#include "cli/bench/query_budgets.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "workload/workload.h"

namespace weft::cli {
namespace {

struct BenchOptions {
  std::string workload = "all";
  std::string only;  // "query" or everything
  std::string dir;
  std::string data;  // of the queries: stored there unless it exists, and kept
  bool json = false;
  bool quick = false;
  bool keep = false;
  uint64_t ingest_spans = 0;  // 0: by quick
  uint64_t query_spans = 0;
  uint64_t paced_seconds = 0;
  uint64_t connections = 16;
};

// p in 0..1 of unsorted values.
double quantile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto at = static_cast<size_t>(p * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

uint64_t directory_bytes(const std::string& dir) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

// The log's recycled files are working space of a fixed size, not a cost of each span.
uint64_t log_bytes(const std::string& dir) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("wal-") || name.starts_with("log-") || name.starts_with("spare-")) {
      bytes += entry.file_size(error);
    }
  }
  return bytes;
}

class Bench {
 public:
  explicit Bench(BenchOptions options) : options_(std::move(options)) {}

  Status run() {
    WEFT_TRY(prepare());
    say("the machine's limits");
    WEFT_ASSIGN(table_.machine, measure_machine(root_));
    if (options_.only == "query") return measure_queries();
    for (const char* name : {"S", "C", "M"}) {
      if (options_.workload != "all" && options_.workload != name) continue;
      for (const char* transport : {"grpc", "http"}) {
        WEFT_TRY(go_on());
        WEFT_TRY(measure_ingest(name, transport));
      }
    }
    WEFT_TRY(go_on());
    WEFT_TRY(measure_memory());
    WEFT_TRY(go_on());
    WEFT_TRY(measure_queries());
    return {};
  }

  const BudgetTable& table() const { return table_; }

  ~Bench() {
    std::error_code ignored;
    if (!options_.keep && !root_.empty()) std::filesystem::remove_all(root_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

 private:
  static Status go_on() {
    if (stop_on_signals()->load()) return fail(ErrorCode::kCancelled, "stopped by a signal");
    return {};
  }

  static void say(const std::string& what) { print_error_text("bench: " + what + "\n"); }

  Status prepare() {
    const std::string base =
        options_.dir.empty() ? std::filesystem::temp_directory_path().string() : options_.dir;
    std::string pattern = base + "/weft-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      return std::unexpected(errno_error(errno, "create a directory in " + base));
    }
    root_ = pattern;
    table_.disk = base;
    struct statfs facts{};
    constexpr long kTmpfs = 0x01021994;
    if (::statfs(root_.c_str(), &facts) == 0 && facts.f_type == kTmpfs) {
      table_.disk += " (tmpfs: memory, not a disk; --dir names another)";
    }
    // So many that what a server does once, such as touching its memory, does not count for much.
    if (options_.ingest_spans == 0) options_.ingest_spans = options_.quick ? 1'000'000 : 10'000'000;
    if (options_.query_spans == 0) options_.query_spans = options_.quick ? 500'000 : 10'000'000;
    if (options_.paced_seconds == 0) options_.paced_seconds = options_.quick ? 5 : 20;
    return {};
  }

  void add(std::string what, double measured, std::string unit,
           std::optional<double> budget = std::nullopt, bool at_least = false,
           std::string note = "") {
    BudgetRow row{std::move(what), measured, std::move(unit), budget, at_least, std::move(note)};
    add(std::move(row));
  }

  // A time whose budget speaks of 100 M stored spans.
  void add_stored(std::string what, double ms, double budget_ms, std::string note = "") {
    BudgetRow row{std::move(what), ms, "ms", budget_ms, false, std::move(note)};
    row.budget_spans = 100'000'000;
    row.measured_spans = stored_;
    add(std::move(row));
  }

  // Said at once: the table comes after minutes, and something may go wrong before.
  void add(BudgetRow row) {
    say(fmt::format("  {}: {:.6g} {}", row.what, row.measured, row.unit));
    table_.rows.push_back(std::move(row));
  }

  // The whole life of a server that takes the load and seals it: its CPU time is what ingest costs.
  Status measure_ingest(const std::string& name, const std::string& transport) {
    const uint64_t spans = options_.ingest_spans;
    say(fmt::format("ingest, workload {}, OTLP/{}, {} spans", name, transport,
                    with_thousands(spans)));
    const std::string data = fmt::format("{}/ingest-{}-{}", root_, name, transport);
    WEFT_ASSIGN(const auto server, BenchServer::start(data));
    LoadRun run;
    run.transport = transport;
    run.workload = name;
    run.spans = spans;
    run.connections = options_.connections;
    WEFT_ASSIGN(const LoadOutcome outcome, server->load(run));
    WEFT_ASSIGN(const ProcessUsage loaded, server->usage());
    WEFT_ASSIGN(const ProcessUsage ended, server->stop());
    const auto count = static_cast<double>(outcome.spans);
    const double budget = name == "M" ? 600'000 : 1'000'000;
    add(fmt::format("ingest {}, OTLP/{}, with sealing", name, transport), count / ended.cpu_s,
        "spans/s/core", budget, true,
        fmt::format("{} spans/s by the clock",
                    with_thousands(static_cast<uint64_t>(count / outcome.seconds))));
    add(fmt::format("  until all was acknowledged"), count / loaded.cpu_s, "spans/s/core",
        std::nullopt, false,
        outcome.refused == 0 ? "" : fmt::format("{} refusals, sent again", outcome.refused));
    if (transport == "http") {
      const uint64_t log = log_bytes(data);
      const double bytes = static_cast<double>(directory_bytes(data) - log);
      add(fmt::format("disk {}, sealed", name), bytes / count, "B/span", name == "M" ? 40 : 30,
          false,
          fmt::format("{:.0f} B/span as sent; log files {}",
                      static_cast<double>(outcome.bytes) / count, format_bytes(log)));
    }
    if (!options_.keep) std::filesystem::remove_all(data);
    return {};
  }

  Status measure_memory() {
    constexpr uint64_t kRate = 100'000;
    say(fmt::format("memory at {} spans/s for {} s", with_thousands(kRate),
                    options_.paced_seconds));
    const std::string data = root_ + "/paced";
    WEFT_ASSIGN(const auto server, BenchServer::start(data));
    LoadRun run;
    run.spans = kRate * options_.paced_seconds;
    run.rate = kRate;
    run.connections = options_.connections;
    WEFT_ASSIGN(const LoadOutcome outcome, server->load(run));
    WEFT_ASSIGN(const ProcessUsage usage, server->usage());
    WEFT_TRY(server->stop());
    const double rate = static_cast<double>(outcome.spans) / outcome.seconds;
    // Less load than the budget speaks of is no proof of it.
    const bool kept_up = rate >= 0.95 * static_cast<double>(kRate);
    add("peak memory at 100k spans/s", static_cast<double>(usage.peak_rss_bytes) / 1048576.0, "MiB",
        kept_up ? std::optional<double>(512) : std::nullopt, false,
        fmt::format("{}{} spans/s, {:.0f} % of a core",
                    kept_up ? "" : "not kept up: ", with_thousands(static_cast<uint64_t>(rate)),
                    usage.cpu_s / outcome.seconds * 100));
    if (!options_.keep) std::filesystem::remove_all(data);
    return {};
  }

  Status measure_queries() {
    const std::string data = options_.data.empty() ? root_ + "/queries" : options_.data;
    LoadRun run;
    run.workload = "C";
    run.spans = options_.query_spans;
    run.connections = options_.connections;
    run.seed = 7;
    uint64_t traces = 0;
    if (std::filesystem::exists(data)) {
      say("asking what lies in " + data);
    } else {
      say(fmt::format("storing {} spans for queries", with_thousands(options_.query_spans)));
      WEFT_ASSIGN(const auto server, BenchServer::start(data));
      WEFT_ASSIGN(const LoadOutcome outcome, server->load(run));
      traces = outcome.traces;
      stored_ = outcome.spans;
      WEFT_TRY(server->stop());
    }
    say("start-up, traces by id, queries");
    WEFT_ASSIGN(const auto server, BenchServer::start(data));
    if (stored_ == 0) {
      WEFT_ASSIGN(stored_, count_spans(*server));
    }
    add_stored(fmt::format("start, {} spans stored", with_thousands(stored_)), server->start_ms(),
               1000);
    if (options_.only != "query") WEFT_TRY(measure_traces(*server, traces, run.seed));
    WEFT_TRY(measure_query_budgets(*server, stored_, options_.quick ? 7 : 15,
                                   [this](BudgetRow row) { add(std::move(row)); }));
    WEFT_ASSIGN(const ProcessUsage usage, server->usage());
    add("memory after the queries", static_cast<double>(usage.rss_bytes) / 1048576.0, "MiB");
    WEFT_TRY(server->stop());
    return {};
  }

  // How many spans a server has whose data was there before.
  static Expected<uint64_t> count_spans(BenchServer& server) {
    WEFT_ASSIGN(const HttpReply reply, server.api().get("/api/v1/heatmap", {{"q", "{ }"}}));
    if (reply.status != 200) return std::unexpected(read_api_error(reply).error);
    simdjson::dom::parser parser;
    uint64_t spans = 0;
    if (parser.parse(reply.body)["spans"].get(spans) != simdjson::SUCCESS || spans == 0) {
      return fail(ErrorCode::kInvalidArgument, "no spans are stored there");
    }
    return spans;
  }

  // The time of one GET that must succeed; its body is kept in body_.
  Expected<double> timed_get(BenchServer& server, const std::string& path,
                             const HttpClient::Parameters& parameters, const std::string& accept) {
    const uint64_t begin = system_clock().steady_ns();
    WEFT_ASSIGN(HttpReply reply, server.api().get(path, parameters, accept));
    const double ms = static_cast<double>(system_clock().steady_ns() - begin) / 1e6;
    if (reply.status != 200) {
      return std::unexpected(read_api_error(reply).error.with_prefix(path));
    }
    body_ = std::move(reply.body);
    return ms;
  }

  Status measure_traces(BenchServer& server, uint64_t traces, uint64_t seed) {
    workload::Options workload_options;
    workload_options.seed = seed;
    workload_options.kind = workload::Kind::kC;
    const workload::Workload ids(workload_options);
    std::mt19937_64 random(1);
    std::vector<double> times_ms;
    const size_t rounds = options_.quick ? 500 : 3'000;
    for (size_t i = 0; i < rounds + rounds / 4; ++i) {
      const TraceId id = ids.trace_id(random() % traces);
      WEFT_ASSIGN(const double ms,
                  timed_get(server, "/api/v1/traces/" + id.to_hex(), {}, "application/protobuf"));
      if (i >= rounds / 4) times_ms.push_back(ms);  // warm
    }
    const std::string of = with_thousands(stored_) + " spans";
    add_stored("trace by id, p50, " + of, quantile(times_ms, 0.5), 2,
               fmt::format("{} random traces over HTTP", rounds));
    add_stored("trace by id, p99, " + of, quantile(times_ms, 0.99), 10);
    return {};
  }

  BenchOptions options_;
  std::string root_;
  BudgetTable table_;
  uint64_t stored_ = 0;
  std::string body_;
};

int run_bench_with(const BenchOptions& options) {
  // Handlers first: a bench that is stopped takes its gigabytes of data along.
  const std::atomic<bool>* const stop = stop_on_signals();
  Bench bench(options);
  const Status done = bench.run();
  const std::string text =
      options.json ? budget_table_json(bench.table()) : render_budget_table(bench.table());
  // What was measured before a failure is worth printing all the same.
  const int printed = print(text);
  if (stop->load()) return kExitInterrupted;
  if (!done) {
    complain("bench", done.error());
    return kExitFailed;
  }
  return printed;
}

}  // namespace

int run_bench(int argc, const char* const* argv) {
  BenchOptions options;
  CommandLine line("bench",
                   "Measures this machine against the project's budgets: ingest over OTLP/gRPC and "
                   "OTLP/HTTP into a server process with acknowledgement after fdatasync, bytes on "
                   "disk, memory, start-up, traces by id, searches and heatmap. CPU seconds are "
                   "those of the server process alone, from its start to its end with everything "
                   "sealed. The limits of memory and disk stand beside, measured in the same run.");
  line.flag("--json", options.json, "Print the table as JSON");
  line.option("--workload", options.workload, "NAME",
              "S (one resource a request), C (a collector's mix), M (messy) or all");
  line.allow("--workload", {"S", "C", "M", "all"});
  line.flag("--quick", options.quick, "A tenth of the spans: a look, not a verdict");
  line.option("--only", options.only, "NAME", "query: what questions cost, without ingest");
  line.allow("--only", {"query"});
  line.option("--data", options.data, "DIR",
              "With --only query: a data directory to ask; made and filled when it is not there, "
              "and kept for the next time");
  line.option("--dir", options.dir, "DIR", "Where data is written: the disk to measure");
  line.option("--spans", options.ingest_spans, "N", "For ingest (default 10,000,000)");
  line.option("--query-spans", options.query_spans, "N",
              "Stored for queries (default 10,000,000; the budgets speak of 100,000,000 for traces "
              "by id and start-up)");
  line.option("--paced-seconds", options.paced_seconds, "N", "At 100,000 spans/s (default 20)");
  line.option("--connections", options.connections, "N", "Of the load, one request each");
  line.flag("--keep", options.keep, "Leave the data directories behind");
  line.examples({"weft bench", "weft bench --workload C --json",
                 "weft bench --only query --data /var/tmp/weft-queries",
                 "weft bench --query-spans 100000000 --dir /var/tmp"});
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;
  if (!options.data.empty() && options.only != "query") {
    return complain("bench", {ErrorCode::kInvalidArgument, "--data goes with --only query"});
  }
  return run_bench_with(options);
}

}  // namespace weft::cli
