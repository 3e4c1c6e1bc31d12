// The server's configuration: one YAML file, every key of which is a flag too. The command line
// fills a Config from both, finalize_config() checks it as a whole and opens what it names, and
// only the FinalizedConfig that comes out can start a Server.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/ownership.h"
#include "base/error.h"
#include "server/auth.h"
#include "server/http_engine.h"
#include "server/tls.h"
#include "wire/decode.h"

namespace weft::server {

// As written; nothing is checked yet but the form of each value.
struct Config {
  std::string data_dir = "weft-data";

  // ADDRESS:PORT, or "off".
  std::string otlp_grpc = "127.0.0.1:4317";
  std::string otlp_http = "127.0.0.1:4318";
  std::string http = "127.0.0.1:4300";
  std::string zipkin = "127.0.0.1:9411";

  bool insecure = false;
  std::string ingest_token_file;
  std::string query_token_file;
  TlsFiles tls;
  std::vector<std::string> cors_origins;
  // Names by which a server without query tokens may be addressed, besides IP addresses and
  // localhost: guards against pages that rebind their own name to this machine.
  std::vector<std::string> allowed_hosts;

  HttpLimits http_limits;
  uint64_t max_request_bytes = 64u << 20;  // compressed and decompressed
  uint64_t max_browser_request_bytes = 1u << 20;
  uint64_t max_inflight_bytes = 256u << 20;  // bodies of all running requests
  double browser_requests_per_second = 20;   // of one client address
  DecodeLimits decode;                       // max_body_bytes follows max_request_bytes
  uint32_t io_threads = 0;                   // 0: one a core, at most 8
  uint32_t query_threads = 0;                // 0: one a core, at least 2, at most 16
  uint32_t query_queue = 128;
  uint64_t query_memory_bytes = 512u << 20;  // of one query

  uint64_t retention_age_ns = 14ull * 24 * 3600 * 1'000'000'000;  // 0: for ever
  uint64_t retention_bytes = 0;                                   // 0: no limit
  uint64_t store_memory_bytes = 256u << 20;
  uint32_t block_max_spans = 1'000'000;
  uint64_t block_max_age_ns = 300'000'000'000;
  uint64_t shutdown_timeout_ns = 20'000'000'000;

  std::vector<analysis::Squad> squads;
};

// One key of the file, and the flag that says the same.
struct ConfigKey {
  enum class Kind : uint8_t {
    kText,
    kSwitch,  // true or false; as a flag without a value: true
    kList,    // a flag that may be repeated; a sequence in the file
    kCount,
    kBytes,     // 64MiB, 1GiB, 1048576
    kDuration,  // 250ms, 30s, 5m, 12h, 14d
  };
  std::string_view key;   // "listen.otlp_grpc"
  std::string_view flag;  // "--otlp-grpc"
  Kind kind = Kind::kText;
  std::string_view value_name;                                      // "ADDR"; for --help
  std::string_view help;                                            // one line
  Status (*set)(Config& config, std::string_view value) = nullptr;  // kList: appends
  std::string (*get)(const Config& config) = nullptr;               // for --help's defaults
};

// Every key but `squads`, which only the file has.
std::span<const ConfigKey> config_keys();

// Sets one key by its name; unknown names are errors with a suggestion.
Status set_config_value(Config& config, std::string_view key, std::string_view value);
// Values in the file replace those in `config`. Errors name file, line and column.
Status load_config_text(Config& config, const std::string& text, std::string_view file_name);
Status load_config_file(Config& config, const std::string& path);

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  // Reachable from this machine alone.
  bool is_loopback() const;
};

// "127.0.0.1:4317", "[::1]:4317", "localhost:0", ":4317" (every address); nullopt inside for "off".
Expected<std::optional<Endpoint>> parse_endpoint(std::string_view text);
Expected<uint64_t> parse_bytes(std::string_view text);
Expected<uint64_t> parse_duration_ns(std::string_view text);
std::string format_bytes(uint64_t bytes);
std::string format_duration_ns(uint64_t ns);

// What a Server is started with: consistent, with files read. Made by finalize_config() alone.
struct FinalizedConfig {
  Config values;
  std::optional<Endpoint> otlp_grpc;
  std::optional<Endpoint> otlp_http;
  std::optional<Endpoint> http;
  std::optional<Endpoint> zipkin;
  std::shared_ptr<const TokenSet> ingest_tokens;  // null: everybody may send
  std::shared_ptr<const TokenSet> query_tokens;   // null: everybody may ask
  std::shared_ptr<TlsContext> tls;                // null: plain
  // Things that work but deserve a word at start: tokens that travel in the clear.
  std::vector<std::string> warnings;
};

Expected<FinalizedConfig> finalize_config(Config config);

}  // namespace weft::server
