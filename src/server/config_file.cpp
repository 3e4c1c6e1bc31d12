// The YAML side of the configuration; the only place that knows yaml-cpp.
#include <yaml-cpp/yaml.h>

#include <cstdio>

#include "server/config.h"

namespace weft::server {

namespace {

constexpr size_t kMaxFileBytes = 1u << 20;
constexpr size_t kMaxSquads = 10'000;

class Loader {
 public:
  Loader(Config& config, std::string_view file_name) : config_(config), file_name_(file_name) {}

  Status load(const YAML::Node& root) {
    if (root.IsNull() || !root.IsDefined()) return {};
    if (!root.IsMap()) return error(root, "the file is not a mapping of keys to values");
    return map(root, "");
  }

 private:
  std::unexpected<Error> error(const YAML::Node& node, std::string_view what) const {
    const YAML::Mark mark = node.Mark();
    return fail(ErrorCode::kInvalidArgument, file_name_ + ":" + std::to_string(mark.line + 1) +
                                                 ":" + std::to_string(mark.column + 1) + ": " +
                                                 std::string(what));
  }

  Status map(const YAML::Node& node, const std::string& prefix) {
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) return error(entry.first, "a key must be a word");
      const std::string key = prefix + entry.first.Scalar();
      WEFT_TRY(value(entry.first, entry.second, key));
    }
    return {};
  }

  Status value(const YAML::Node& name, const YAML::Node& node, const std::string& key) {
    if (key == "squads") return squads(node);
    const ConfigKey* known = nullptr;
    bool is_section = false;
    for (const ConfigKey& candidate : config_keys()) {
      if (candidate.key == key) known = &candidate;
      if (candidate.key.starts_with(key + ".")) is_section = true;
    }
    if (is_section) {
      if (node.IsNull()) return {};
      if (!node.IsMap()) return error(node, "'" + key + "' is a section: keys below it, indented");
      return map(node, key + ".");
    }
    if (known == nullptr) return set(name, key, "");  // fails, with a suggestion
    if (known->kind == ConfigKey::Kind::kList) return list(node, key);
    if (!node.IsScalar()) return error(node, "'" + key + "' needs a single value");
    return set(node, key, node.Scalar());
  }

  Status list(const YAML::Node& node, const std::string& key) {
    if (node.IsScalar()) return set(node, key, node.Scalar());
    if (!node.IsSequence()) return error(node, "'" + key + "' needs a list");
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) return error(item, "'" + key + "' needs a list of words");
      WEFT_TRY(set(item, key, item.Scalar()));
    }
    return {};
  }

  Status set(const YAML::Node& where, const std::string& key, const std::string& text) {
    auto status = set_config_value(config_, key, text);
    if (!status) return error(where, status.error().message);
    return {};
  }

  Status squads(const YAML::Node& node) {
    if (!node.IsSequence()) return error(node, "'squads' needs a list of squads");
    if (node.size() > kMaxSquads) return error(node, "more than 10000 squads");
    for (const YAML::Node& item : node)
      WEFT_TRY(squad(item));
    return {};
  }

  Status squad(const YAML::Node& node) {
    if (!node.IsMap()) return error(node, "a squad needs name, services and, if any, tribe");
    analysis::Squad out;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if ((key == "name" || key == "tribe") && entry.second.IsScalar()) {
        (key == "name" ? out.name : out.tribe) = entry.second.Scalar();
      } else if (key == "services" && entry.second.IsSequence()) {
        for (const YAML::Node& service : entry.second) {
          if (!service.IsScalar()) return error(service, "a service is a name");
          out.services.push_back(service.Scalar());
        }
      } else {
        return error(entry.first, "a squad has name: word, tribe: word and services: [words]; '" +
                                      key + "' is none of these");
      }
    }
    if (out.name.empty()) return error(node, "a squad needs a name");
    config_.squads.push_back(std::move(out));
    return {};
  }

  Config& config_;
  const std::string file_name_;
};

}  // namespace

Status load_config_text(Config& config, const std::string& text, std::string_view file_name) {
  try {
    return Loader(config, file_name).load(YAML::Load(text));
  } catch (const YAML::Exception& exception) {
    return fail(ErrorCode::kInvalidArgument, std::string(file_name) + ":" +
                                                 std::to_string(exception.mark.line + 1) + ":" +
                                                 std::to_string(exception.mark.column + 1) +
                                                 ": not valid YAML: " + exception.msg);
  }
}

Status load_config_file(Config& config, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return std::unexpected(errno_error(errno, "open configuration " + path));
  std::string text(kMaxFileBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  if (text.size() > kMaxFileBytes) {
    return fail(ErrorCode::kInvalidArgument, "configuration " + path + " is larger than 1 MiB");
  }
  return load_config_text(config, text, path);
}

}  // namespace weft::server
