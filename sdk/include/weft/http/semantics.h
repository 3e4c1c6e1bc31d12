// What the HTTP instrumentations of the library have in common: the names and rules of
// OpenTelemetry's stable HTTP conventions, and what must never reach a span. Used by the Beast,
// cpp-httplib and libcurl components, and by whoever instruments another HTTP library.
// Source: opentelemetry.io/docs/specs/semconv/http/http-spans/ (stable since 1.23).
#pragma once

#include <string>
#include <string_view>

namespace weft::inline v1::http {

// A request method as a span may name it: one of the known ones, else "_OTHER" with the original.
struct Method {
  std::string_view name;      // http.request.method
  std::string_view original;  // http.request.method_original; empty when `name` says it all
  // What stands in the span's name: "HTTP" for methods that are not known.
  std::string_view in_span_name() const { return name == "_OTHER" ? "HTTP" : name; }
};

// Known are the methods of RFC 9110 and PATCH, or those of
// OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS (comma-separated, read once). Methods are case-sensitive;
// `raw` must outlive the result.
Method classify_method(std::string_view raw);

// True for headers whose values are secrets: authorization, cookie, set-cookie, their proxy kin,
// x-api-key, api-key and the like. Their values never reach a span. Case does not matter.
bool is_secret_header(std::string_view name);

// A URL without what is secret in it: user information becomes REDACTED:REDACTED, the fragment
// goes, and the values of query parameters that carry credentials (sig, Signature,
// AWSAccessKeyId, X-Goog-Signature, token, access_token, code, password, session and their like)
// become REDACTED. Cut after 4096 bytes.
std::string redact_url(std::string_view url);

// The same for a query string alone, without its question mark.
std::string redact_query(std::string_view query);

// The parts of an http or https URL that a client span names. Views into the URL.
struct UrlParts {
  std::string_view scheme;  // empty when the URL names none: HTTP clients take http then
  std::string_view host;    // without the brackets of an IPv6 address
  int port = 0;             // the scheme's default when the URL names none; 0 when not known
  std::string_view path;
  std::string_view query;
};
UrlParts split_url(std::string_view url);

// The target of a request that a server was sent, taken apart. Views into it.
struct RequestTarget {
  std::string_view path;
  std::string_view query;
};
// Of "http://host/path?query", which proxies send, scheme and host are left out.
constexpr RequestTarget split_target(std::string_view target) {
  if (!target.empty() && target.front() != '/') [[unlikely]] {
    const std::size_t scheme_end = target.find("://");
    if (scheme_end != std::string_view::npos && scheme_end < target.find_first_of("/?")) {
      const std::size_t path = target.find_first_of("/?", scheme_end + 3);
      target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    }
  }
  const std::size_t question = target.find('?');
  if (question == std::string_view::npos) return {target, {}};
  return {question == 0 ? std::string_view("/") : target.substr(0, question),
          target.substr(question + 1)};
}

// "1.1" of HTTP/1.1, "2" of HTTP/2, "1.0"; from Beast's and nghttp2's way of counting (11, 20).
constexpr std::string_view protocol_version(unsigned version) {
  switch (version) {
    case 10:
      return "1.0";
    case 11:
      return "1.1";
    case 20:
      return "2";
    case 30:
      return "3";
    default:
      return "";
  }
}

}  // namespace weft::inline v1::http
