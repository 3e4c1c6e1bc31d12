// OTEL_CONFIG_FILE: OpenTelemetry's declarative configuration, in YAML, read into the variables
// that say the same. While one is in force the OTEL_* variables of the process are not looked at,
// as the specification asks, but for those that the file names in ${…}.
#pragma once

#include <map>
#include <string>

#include <weft/resource.h>

namespace weft::sdk_detail {

struct FileConfig {
  std::map<std::string, std::string> variables;
  Resource resource;
};

// False with a reason when the file cannot be read or makes no sense. What the SDK does not know
// is reported by name and left out.
bool read_config_file(const std::string& path, FileConfig& out, std::string& error);

// Makes env_text() look here and nowhere else; null puts the process's environment back. Not
// thread-safe: for the length of init_from_env.
void use_variables(const std::map<std::string, std::string>* variables);

}  // namespace weft::sdk_detail
