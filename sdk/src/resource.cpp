#include <weft/resource.h>

#include <pwd.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <weft/propagation.h>
#include <weft/version.h>

#include "attribute_encoder.h"
#include "container_id.h"
#include "diagnostics.h"
#include "fork.h"

namespace weft {

namespace sdk_detail {
namespace {

// At most `limit` bytes of a file; empty when it cannot be read.
std::string read_file(const char* path, std::size_t limit = 65536) {
  std::ifstream file(path, std::ios::binary);
  std::string out(limit, '\0');
  file.read(out.data(), static_cast<std::streamsize>(limit));
  out.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return out;
}

std::string trim_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::string read_link(const char* path) {
  char buffer[4096];
  const ssize_t n = readlink(path, buffer, sizeof(buffer));
  return n <= 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(n));
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// The instance ids that detect() has made up, so that a child process can be told apart. Reached
// from the handlers of fork(), hence no lock: detection happens before threads start.
constexpr std::string_view kInstanceKey = "service.instance.id";
std::string* made_up_instance = nullptr;

std::string random_uuid() {
  std::uint8_t b[16] = {};
  if (getrandom(b, sizeof(b), GRND_NONBLOCK) < 0) return {};
  b[6] = static_cast<std::uint8_t>((b[6] & 0x0F) | 0x40);
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3F) | 0x80);
  char hex[32];
  to_hex(b, 16, hex);
  const std::string_view t(hex, 32);
  std::string out;
  for (const auto& [from, size] : {std::pair{0, 8}, {8, 4}, {12, 4}, {16, 4}, {20, 12}}) {
    if (!out.empty()) out += '-';
    out += t.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(size));
  }
  return out;
}

std::string semantic_arch(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine == "i686" || machine == "i386") return "x86";
  return machine;
}

void detect_process(Resource& r) {
  r.set("process.pid", static_cast<std::int64_t>(getpid()));
  r.set("process.parent_pid", static_cast<std::int64_t>(getppid()));
  const std::string path = read_link("/proc/self/exe");
  if (!path.empty()) {
    r.set("process.executable.path", path);
    r.set("process.executable.name", base_name(path));
  }
  if (const passwd* user = getpwuid(geteuid())) r.set("process.owner", std::string(user->pw_name));
  r.set("process.runtime.name", std::string("gcc"));
#ifdef __VERSION__
  r.set("process.runtime.version", std::string(__VERSION__));
#endif
#ifdef __clang__
  r.set("process.runtime.name", std::string("clang"));
#endif
}

void detect_host(Resource& r) {
  utsname info{};
  if (uname(&info) == 0) {
    r.set("host.name", std::string(info.nodename));
    r.set("host.arch", semantic_arch(info.machine));
    r.set("os.type", std::string("linux"));
    r.set("os.description", std::string(info.sysname) + " " + info.release + " " + info.version);
  }
  const std::string id = trim_line(read_file("/etc/machine-id", 64));
  if (!id.empty()) r.set("host.id", id);
}

// "key=value,key=value", percent-encoded values.
void add_environment(Resource& r) {
  if (const char* text = std::getenv("OTEL_RESOURCE_ATTRIBUTES")) {
    std::string_view rest(text);
    auto trim = [](std::string_view s) {
      while (!s.empty() && s.front() == ' ')
        s.remove_prefix(1);
      while (!s.empty() && s.back() == ' ')
        s.remove_suffix(1);
      return s;
    };
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      const std::string_view pair = rest.substr(0, comma);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      if (trim(pair).empty()) continue;
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || trim(pair.substr(0, equals)).empty()) {
        diagnose(DiagnosticLevel::kWarn, "OTEL_RESOURCE_ATTRIBUTES: \"" + std::string(pair) +
                                             "\" is not key=value and is left out");
        continue;
      }
      r.set(percent_decode(trim(pair.substr(0, equals))),
            percent_decode(trim(pair.substr(equals + 1))));
    }
  }
  const char* name = std::getenv("OTEL_SERVICE_NAME");
  if (name != nullptr && *name != 0) r.set("service.name", std::string(name));
}

}  // namespace

void renew_after_fork(Resource& r) noexcept {
  if (r.find("process.pid") != nullptr) {
    r.set("process.pid", static_cast<std::int64_t>(getpid()));
    if (r.find("process.parent_pid") != nullptr) {
      r.set("process.parent_pid", static_cast<std::int64_t>(getppid()));
    }
  }
  const Resource::Value* instance = r.find(kInstanceKey);
  if (instance == nullptr || made_up_instance == nullptr) return;
  const auto* text = std::get_if<std::string>(instance);
  // One new id for all signals of the child.
  static std::string old_id;
  static std::string new_id;
  if (text != nullptr && *text == *made_up_instance && old_id != *made_up_instance) {
    old_id = *made_up_instance;
    new_id = random_uuid();
    *made_up_instance = new_id;
  }
  if (text != nullptr && *text == old_id && !new_id.empty()) r.set(kInstanceKey, new_id);
}

namespace {

void add_sdk(Resource& r) {
  r.set("telemetry.sdk.name", std::string("weft"));
  r.set("telemetry.sdk.language", std::string("cpp"));
  r.set("telemetry.sdk.version", std::string(WEFT_SDK_VERSION));
  const std::string executable = base_name(read_link("/proc/self/exe"));
  r.set("service.name",
        executable.empty() ? std::string("unknown_service") : "unknown_service:" + executable);
}

}  // namespace
}  // namespace sdk_detail

inline namespace v1 {

Resource Resource::detect() {
  Resource r;
  sdk_detail::add_sdk(r);
  sdk_detail::detect_process(r);
  sdk_detail::detect_host(r);
  const std::string container =
      sdk_detail::container_id_of(sdk_detail::read_file("/proc/self/cgroup"),
                                  sdk_detail::read_file("/proc/self/mountinfo", 1U << 20));
  if (!container.empty()) r.set("container.id", container);
  const std::string instance = sdk_detail::random_uuid();
  if (!instance.empty()) {
    r.set(sdk_detail::kInstanceKey, instance);
    static std::string storage;
    storage = instance;
    sdk_detail::made_up_instance = &storage;
  }
  sdk_detail::add_environment(r);
  return r;
}

Resource Resource::from_environment() {
  Resource r;
  sdk_detail::add_sdk(r);
  sdk_detail::add_environment(r);
  return r;
}

Resource Resource::from_variables() {
  Resource r;
  sdk_detail::add_environment(r);
  return r;
}

Resource& Resource::set(std::string_view key, Value value) {
  if (key.empty()) return *this;
  for (auto& [k, v] : attributes_) {
    if (k == key) {
      v = std::move(value);
      return *this;
    }
  }
  attributes_.emplace_back(std::string(key), std::move(value));
  return *this;
}

Resource& Resource::merge(const Resource& other) {
  for (const auto& [key, value] : other.attributes_)
    set(key, value);
  if (schema_url_.empty()) {
    schema_url_ = other.schema_url_;
  } else if (!other.schema_url_.empty() && other.schema_url_ != schema_url_) {
    schema_url_.clear();
  }
  return *this;
}

const Resource::Value* Resource::find(std::string_view key) const {
  for (const auto& [k, v] : attributes_) {
    if (k == key) return &v;
  }
  return nullptr;
}

std::string Resource::encode() const {
  std::string out;
  for (const auto& [key, value] : attributes_) {
    std::vector<std::string_view> views;
    const AttributeValue seen = std::visit(
        [&views](const auto& v) -> AttributeValue {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::vector<std::string>>) {
            views.assign(v.begin(), v.end());
            return AttributeValue(std::span<const std::string_view>(views));
          } else {
            return AttributeValue(v);
          }
        },
        value);
    const Attribute attribute{key, seen};
    sdk_detail::append_attributes(out, 1, std::span<const Attribute>(&attribute, 1), 1, SIZE_MAX);
  }
  return out;
}

}  // namespace v1
}  // namespace weft
