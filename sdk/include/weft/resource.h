// Resource: the attributes that describe the process that makes the telemetry (service, process,
// host, container). Made once at the start and handed to the providers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <weft/attribute.h>

namespace weft::inline v1 {

// An ordered list of attributes with unique keys, owned. A value; not for two threads at once.
class Resource {
 public:
  // The types that an attribute of a resource has.
  using Value = std::variant<std::string, bool, std::int64_t, double, std::vector<std::string>>;

  // Empty.
  Resource() = default;

  // telemetry.sdk.* and service.name=unknown_service:<executable>, then what can be found out about
  // the process (process.pid, process.parent_pid, process.executable.name/.path,
  // process.runtime.name/.version, process.owner; not its arguments, which may hold secrets), the
  // host (host.name, host.id, host.arch, os.type, os.description) and the container (container.id),
  // then service.instance.id (random), then OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, which
  // win. Reads files under /proc and /etc; what cannot be read is left out.
  static Resource detect();
  // telemetry.sdk.*, service.name=unknown_service:<executable> and the environment, no more.
  static Resource from_environment();
  // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME alone.
  static Resource from_variables();

  // Sets or replaces one attribute.
  Resource& set(std::string_view key, Value value);
  // Every attribute of `other` replaces one of the same key. The schema URL of `other` replaces an
  // empty one; two different ones give none.
  Resource& merge(const Resource& other);

  // Null when there is none. Valid until the resource is changed.
  const Value* find(std::string_view key) const;
  const std::vector<std::pair<std::string, Value>>& attributes() const { return attributes_; }

  // The schema URL of the conventions that the attributes follow; empty when there is none.
  std::string_view schema_url() const { return schema_url_; }
  void set_schema_url(std::string_view url) { schema_url_ = url; }

  // The OTLP Resource message.
  std::string encode() const;

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
  std::string schema_url_;
};

}  // namespace weft::inline v1
