// The table of configuration keys, and the forms of their values.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "server/config.h"

namespace weft::server {

namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
constexpr Unit kByteUnits[] = {{"GiB", 1ull << 30}, {"MiB", 1u << 20},         {"KiB", 1u << 10},
                               {"TiB", 1ull << 40}, {"GB", 1'000'000'000},     {"MB", 1'000'000},
                               {"kB", 1'000},       {"TB", 1'000'000'000'000}, {"B", 1}};
constexpr Unit kTimeUnits[] = {{"ms", 1'000'000},        {"us", 1'000},
                               {"s", 1'000'000'000},     {"m", 60'000'000'000},
                               {"h", 3'600'000'000'000}, {"d", 86'400'000'000'000}};

Expected<uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                   bool unit_needed, std::string_view examples) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' '))
    unit.remove_prefix(1);
  uint64_t factor = unit.empty() && (!unit_needed || number == 0) ? 1 : 0;
  for (const Unit& known : units) {
    if (known.name == unit) factor = known.factor;
  }
  const double value = number * static_cast<double>(factor);
  if (error != std::errc() || factor == 0 || !(number >= 0) || !(value < 9.2e18)) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text) + "' is not one of the form " + std::string(examples));
  }
  return static_cast<uint64_t>(std::llround(value));
}

std::string format_with_unit(uint64_t value, std::span<const Unit> units,
                             std::string_view smallest) {
  const Unit* best = nullptr;
  for (const Unit& unit : units) {
    if (value == 0 || value % unit.factor != 0) continue;
    if (best == nullptr || unit.factor > best->factor) best = &unit;
  }
  if (best == nullptr) return std::to_string(value) + std::string(value == 0 ? "" : smallest);
  return std::to_string(value / best->factor) + std::string(best->name);
}

Expected<bool> parse_switch(std::string_view text) {
  if (text == "true" || text == "yes" || text == "on" || text.empty()) return true;
  if (text == "false" || text == "no" || text == "off") return false;
  return fail(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is not true or false");
}

// The setters and getters, by the type of the member that `Access` names.
template <auto Access>
Status set_text(Config& config, std::string_view value) {
  Access(config) = value;
  return {};
}
template <auto Access>
std::string get_text(const Config& config) {
  return Access(const_cast<Config&>(config));
}
template <auto Access>
Status set_switch(Config& config, std::string_view value) {
  WEFT_ASSIGN(Access(config), parse_switch(value));
  return {};
}
template <auto Access>
std::string get_switch(const Config& config) {
  return Access(const_cast<Config&>(config)) ? "true" : "false";
}
template <auto Access>
Status set_list(Config& config, std::string_view value) {
  Access(config).emplace_back(value);
  return {};
}
template <auto Access>
std::string get_list(const Config& config) {
  std::string out;
  for (const std::string& item : Access(const_cast<Config&>(config))) {
    if (!out.empty()) out += ", ";
    out += item;
  }
  return out;
}
template <auto Access>
Status set_count(Config& config, std::string_view value) {
  auto& member = Access(config);
  using Member = std::remove_cvref_t<decltype(member)>;
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !(number >= 0) ||
      number > static_cast<double>(std::numeric_limits<Member>::max()) ||
      (std::is_integral_v<Member> && number != std::floor(number))) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + std::string(value) + "' is not a number of 0 or more");
  }
  member = static_cast<Member>(number);
  return {};
}
template <auto Access>
std::string get_count(const Config& config) {
  return std::to_string(static_cast<uint64_t>(Access(const_cast<Config&>(config))));
}
template <auto Access>
Status set_bytes(Config& config, std::string_view value) {
  WEFT_ASSIGN(Access(config), parse_bytes(value));
  return {};
}
template <auto Access>
std::string get_bytes(const Config& config) {
  return format_bytes(Access(const_cast<Config&>(config)));
}
template <auto Access>
Status set_duration(Config& config, std::string_view value) {
  WEFT_ASSIGN(Access(config), parse_duration_ns(value));
  return {};
}
template <auto Access>
std::string get_duration(const Config& config) {
  return format_duration_ns(Access(const_cast<Config&>(config)));
}

using Kind = ConfigKey::Kind;

#define WEFT_KEY(kind, setter, key, flag, value_name, member, help)          \
  ConfigKey {                                                                \
    key, flag, Kind::kind, value_name, help,                                 \
        set_##setter<[](Config& config) -> auto& { return config.member; }>, \
        get_##setter<[](Config& config) -> auto& { return config.member; }>  \
  }

constexpr ConfigKey kKeys[] = {
    WEFT_KEY(kText, text, "data", "--data", "DIR", data_dir,
             "the directory that the spans are kept in"),
    WEFT_KEY(kText, text, "listen.otlp_grpc", "--otlp-grpc", "ADDR", otlp_grpc,
             "where OTLP over gRPC is received; 'off' for none"),
    WEFT_KEY(kText, text, "listen.otlp_http", "--otlp-http", "ADDR", otlp_http,
             "where OTLP over HTTP is received; 'off' for none"),
    WEFT_KEY(kText, text, "listen.http", "--http", "ADDR", http,
             "where the page and the APIs are served; 'off' for none"),
    WEFT_KEY(kText, text, "listen.zipkin", "--zipkin", "ADDR", zipkin,
             "where Zipkin clients send and ask; 'off' for none"),
    WEFT_KEY(kSwitch, switch, "insecure", "--insecure", "", insecure,
             "allow other machines to connect although no tokens are configured"),
    WEFT_KEY(kText, text, "auth.ingest_token_file", "--ingest-token-file", "FILE",
             ingest_token_file, "tokens that may send, one a line"),
    WEFT_KEY(kText, text, "auth.query_token_file", "--query-token-file", "FILE", query_token_file,
             "tokens that may ask, one a line"),
    WEFT_KEY(kList, list, "auth.allowed_hosts", "--allowed-host", "NAME", allowed_hosts,
             "a name by which browsers may address a server without query tokens"),
    WEFT_KEY(kText, text, "tls.cert_file", "--tls-cert-file", "FILE", tls.cert_file,
             "certificate chain (PEM) for TLS on every port"),
    WEFT_KEY(kText, text, "tls.key_file", "--tls-key-file", "FILE", tls.key_file,
             "the certificate's private key (PEM)"),
    WEFT_KEY(kList, list, "cors.origins", "--cors-origin", "ORIGIN", cors_origins,
             "a web origin whose pages may send spans, as https://shop.example"),
    WEFT_KEY(kBytes, bytes, "limits.request_bytes", "--max-request-bytes", "SIZE",
             max_request_bytes, "largest request, before and after decompression"),
    WEFT_KEY(kBytes, bytes, "limits.browser_request_bytes", "--max-browser-request-bytes", "SIZE",
             max_browser_request_bytes, "largest request from a browser"),
    WEFT_KEY(kBytes, bytes, "limits.inflight_bytes", "--max-inflight-bytes", "SIZE",
             max_inflight_bytes, "bodies of all running requests together"),
    WEFT_KEY(kCount, count, "limits.browser_requests_per_second", "--browser-requests-per-second",
             "N", browser_requests_per_second, "requests from browsers, for each client address"),
    WEFT_KEY(kCount, count, "limits.connections", "--max-connections", "N",
             http_limits.max_connections, "open HTTP connections"),
    WEFT_KEY(kBytes, bytes, "limits.header_bytes", "--max-header-bytes", "SIZE",
             http_limits.max_header_bytes, "largest header of an HTTP request"),
    WEFT_KEY(kDuration, duration, "limits.idle_timeout", "--idle-timeout", "TIME",
             http_limits.idle_timeout_ns, "how long an HTTP connection may be idle"),
    WEFT_KEY(kDuration, duration, "limits.header_timeout", "--header-timeout", "TIME",
             http_limits.header_timeout_ns, "time for the header of an HTTP request"),
    WEFT_KEY(kDuration, duration, "limits.body_timeout", "--body-timeout", "TIME",
             http_limits.body_timeout_ns, "time for the body of an HTTP request"),
    WEFT_KEY(kDuration, duration, "limits.write_timeout", "--write-timeout", "TIME",
             http_limits.write_timeout_ns, "time for a client to take 256 KiB of an answer"),
    WEFT_KEY(kDuration, duration, "limits.query_timeout", "--query-timeout", "TIME",
             http_limits.query_timeout_ns, "time for a query"),
    WEFT_KEY(kBytes, bytes, "limits.query_memory", "--query-memory", "SIZE", query_memory_bytes,
             "memory for a query"),
    WEFT_KEY(kDuration, duration, "limits.ingest_timeout", "--ingest-timeout", "TIME",
             http_limits.ingest_timeout_ns, "time for spans to reach the disk"),
    WEFT_KEY(kCount, count, "limits.spans_per_request", "--max-spans-per-request", "N",
             decode.max_spans, "spans in one request"),
    WEFT_KEY(kCount, count, "limits.attributes", "--max-attributes", "N", decode.max_attributes,
             "attributes of one span, event, link, resource or scope"),
    WEFT_KEY(kCount, count, "limits.events_per_span", "--max-events-per-span", "N",
             decode.max_events_per_span, "events of one span"),
    WEFT_KEY(kCount, count, "limits.links_per_span", "--max-links-per-span", "N",
             decode.max_links_per_span, "links of one span"),
    WEFT_KEY(kCount, count, "threads.io", "--io-threads", "N", io_threads,
             "threads for HTTP connections; 0: one a core"),
    WEFT_KEY(kCount, count, "threads.query", "--query-threads", "N", query_threads,
             "queries that run at once; 0: one a core"),
    WEFT_KEY(kCount, count, "limits.waiting_queries", "--max-waiting-queries", "N", query_queue,
             "queries that may wait for a thread"),
    WEFT_KEY(kDuration, duration, "retention.age", "--retention-age", "TIME", retention_age_ns,
             "how long spans are kept; 0: for ever"),
    WEFT_KEY(kBytes, bytes, "retention.size", "--retention-size", "SIZE", retention_bytes,
             "how much disk the spans may take; 0: no limit"),
    WEFT_KEY(kBytes, bytes, "store.memory", "--store-memory", "SIZE", store_memory_bytes,
             "memory for spans that are not in blocks yet, and for caches"),
    WEFT_KEY(kCount, count, "store.block_spans", "--block-spans", "N", block_max_spans,
             "spans after which a block is sealed"),
    WEFT_KEY(kDuration, duration, "store.block_age", "--block-age", "TIME", block_max_age_ns,
             "time after which a block is sealed"),
    WEFT_KEY(kDuration, duration, "shutdown_timeout", "--shutdown-timeout", "TIME",
             shutdown_timeout_ns, "time for running requests to finish at the end"),
};
#undef WEFT_KEY

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const ConfigKey> config_keys() {
  return kKeys;
}

Expected<uint64_t> parse_bytes(std::string_view text) {
  return parse_with_unit(text, kByteUnits, false, "64MiB, 1GiB or 1048576");
}

Expected<uint64_t> parse_duration_ns(std::string_view text) {
  return parse_with_unit(text, kTimeUnits, true, "250ms, 30s, 5m, 12h or 14d");
}

std::string format_bytes(uint64_t bytes) {
  constexpr Unit kBinary[] = {{"GiB", 1ull << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}};
  return format_with_unit(bytes, kBinary, "");
}

std::string format_duration_ns(uint64_t ns) {
  return format_with_unit(ns, kTimeUnits, "ns");
}

// The key nearest to a mistyped one, by the whole name or by its last part; "" when none is near.
static std::string nearest_key(std::string_view name) {
  std::string best;
  size_t best_distance = 4;
  const auto consider = [&](std::string_view candidate, std::string_view key) {
    const size_t distance = edit_distance(name, candidate);
    if (distance >= best_distance) return;
    best_distance = distance;
    best = key;
  };
  consider("squads", "squads");
  for (const ConfigKey& key : kKeys) {
    consider(key.key, key.key);
    const size_t dot = key.key.find('.');
    if (dot != std::string_view::npos) consider(key.key.substr(dot + 1), key.key);
    if (dot != std::string_view::npos) consider(key.key.substr(0, dot), key.key.substr(0, dot));
  }
  return best;
}

Status set_config_value(Config& config, std::string_view key, std::string_view value) {
  for (const ConfigKey& known : kKeys) {
    if (known.key != key) continue;
    auto status = known.set(config, value);
    if (!status) return std::unexpected(std::move(status).error().with_prefix(key));
    return {};
  }
  const std::string near = nearest_key(key);
  return fail(ErrorCode::kInvalidArgument,
              "unknown key '" + std::string(key) + "'" +
                  (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

}  // namespace weft::server
