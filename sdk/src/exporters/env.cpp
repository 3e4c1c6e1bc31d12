#include "env.h"

#include <strings.h>

#include <charconv>
#include <cstdlib>

#include <weft/propagation.h>

#include "../diagnostics.h"
#include "config_file.h"

namespace weft::sdk_detail {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

}  // namespace

namespace {
const std::map<std::string, std::string>* instead = nullptr;
}

void use_variables(const std::map<std::string, std::string>* variables) {
  instead = variables;
}

std::string env_text(const char* name) {
  if (instead != nullptr) {
    const auto found = instead->find(name);
    return found == instead->end() ? std::string() : std::string(trim(found->second));
  }
  const char* text = std::getenv(name);
  return text == nullptr ? std::string() : std::string(trim(text));
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return text;
}

std::string env_name(const char* name) {
  return lower_case(env_text(name));
}

std::uint32_t env_number(const char* name, std::uint32_t fallback, std::uint32_t least) {
  const std::string text = env_text(name);
  if (text.empty()) return fallback;
  std::uint32_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size() && value >= least) {
    return value;
  }
  diagnose(DiagnosticLevel::kWarn,
           std::string(name) + "=" + text + " is no whole number from " + std::to_string(least) +
               " to 4294967295; " +
               (fallback == UINT32_MAX ? std::string("no limit") : std::to_string(fallback)) +
               " is used");
  return fallback;
}

bool env_bool(const char* name, bool fallback) {
  const std::string text = env_text(name);
  if (text.empty()) return fallback;
  if (strcasecmp(text.c_str(), "true") == 0) return true;
  if (strcasecmp(text.c_str(), "false") != 0) {
    diagnose(DiagnosticLevel::kWarn,
             std::string(name) + "=" + text + " is neither true nor false; false is used");
  }
  return false;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (!part.empty()) out.emplace_back(part);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_headers(const char* variable,
                                                               std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& part : split_list(text)) {
    const std::size_t equals = part.find('=');
    const std::string name(trim(std::string_view(part).substr(0, equals)));
    if (equals == std::string::npos || name.empty()) {
      // The text may be a secret: not shown.
      diagnose(DiagnosticLevel::kWarn,
               std::string(variable) + ": a part is not name=value and is left out");
      continue;
    }
    out.emplace_back(name, percent_decode(trim(std::string_view(part).substr(equals + 1))));
  }
  return out;
}

}  // namespace weft::sdk_detail
