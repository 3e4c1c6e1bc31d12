// What session-api is told by its environment.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace session_api {

struct Settings {
  int port = 0;
  std::string version = "1.0";
  // The account data centre, behind its balancers: "https://account.example:8443".
  std::string account_url;
  std::string account_ca_file;
  // "host:port" of the two replicas of the name server.
  std::string dns_healthy;
  std::string dns_lossy;
  uint32_t dns_timeout_ms = 800;
  // How long a call to the account data centre may take.
  uint32_t timeout_ms = 6000;
  std::string otlp_grpc;     // Weft
  std::string ingest_token;  // Weft's, for services
  std::string vendor_otlp;   // a vendor's OTLP/HTTP endpoint, with an api-key
  std::string vendor_api_key;
  std::string spans_file;  // OTLP/JSON lines

  // Release 1.1 asks the second name server when the first one does not answer.
  bool retries_dns() const { return std::strtod(version.c_str(), nullptr) >= 1.1; }

  static Settings from_environment() {
    const auto text = [](const char* name, const char* fallback) {
      const char* value = std::getenv(name);
      return std::string(value == nullptr ? fallback : value);
    };
    const auto number = [&](const char* name, const char* fallback) {
      return static_cast<uint32_t>(std::strtoul(text(name, fallback).c_str(), nullptr, 10));
    };
    Settings s;
    s.port = static_cast<int>(number("PORT", "0"));
    s.version = text("SERVICE_VERSION", "1.0");
    s.account_url = text("ACCOUNT_URL", "http://127.0.0.1:8082");
    s.account_ca_file = text("ACCOUNT_CA_FILE", "");
    s.dns_healthy = text("DNS_HEALTHY", "");
    s.dns_lossy = text("DNS_LOSSY", "");
    s.dns_timeout_ms = number("DNS_TIMEOUT_MS", "800");
    s.timeout_ms = number("TIMEOUT_MS", "6000");
    s.otlp_grpc = text("WEFT_OTLP_GRPC", "");
    s.ingest_token = text("WEFT_INGEST_TOKEN", "");
    s.vendor_otlp = text("VENDOR_OTLP", "");
    s.vendor_api_key = text("VENDOR_API_KEY", "");
    s.spans_file = text("SPANS_FILE", "");
    return s;
  }
};

}  // namespace session_api
