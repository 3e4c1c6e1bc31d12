// Holds JSON answers to the schemas of docs/openapi.yaml: as much of JSON Schema as that page uses
// ($ref, type, properties, required, additionalProperties, items, enum, pattern). Objects with
// described properties may have no others.
#pragma once

#include <gtest/gtest.h>
#include <re2/re2.h>
#include <simdjson.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace weft::server::testing {

class SchemaChecker {
 public:
  explicit SchemaChecker(const std::string& path) : document_(YAML::LoadFile(path)) {}

  // What is wrong with the answer to METHOD path with that status; empty when nothing is. The
  // schema is looked up as the specification's reader would: path, method, status, content type.
  std::vector<std::string> check(const std::string& path, const std::string& method, int status,
                                 const std::string& body) {
    problems_.clear();
    const YAML::Node operation = document_["paths"][path][method];
    if (!operation) return {"no " + method + " of " + path + " is described"};
    const YAML::Node response = resolve(operation["responses"][std::to_string(status)]);
    if (!response) return {"status " + std::to_string(status) + " is not described"};
    const YAML::Node schema = response["content"]["application/json"]["schema"];
    simdjson::dom::parser parser;
    simdjson::dom::element json;
    if (parser.parse(body).get(json) != simdjson::SUCCESS) return {"not JSON: " + body};
    value(schema, json, "$");
    return problems_;
  }

  std::vector<std::string> paths() const {
    std::vector<std::string> out;
    for (const auto& entry : document_["paths"])
      out.push_back(entry.first.as<std::string>());
    return out;
  }

 private:
  YAML::Node resolve(const YAML::Node& node) const {
    if (!node || !node["$ref"]) return node;
    const std::string ref = node["$ref"].as<std::string>();  // "#/components/schemas/Name"
    YAML::Node at;
    at.reset(document_);
    size_t from = 2;
    while (from <= ref.size()) {
      const size_t to = std::min(ref.find('/', from), ref.size());
      at.reset(at[ref.substr(from, to - from)]);
      from = to + 1;
    }
    return resolve(at);
  }

  static std::string type_of(const simdjson::dom::element& json) {
    switch (json.type()) {
      case simdjson::dom::element_type::OBJECT:
        return "object";
      case simdjson::dom::element_type::ARRAY:
        return "array";
      case simdjson::dom::element_type::STRING:
        return "string";
      case simdjson::dom::element_type::BOOL:
        return "boolean";
      case simdjson::dom::element_type::NULL_VALUE:
        return "null";
      case simdjson::dom::element_type::DOUBLE:
        return "number";
      default:
        return "integer";
    }
  }

  static bool type_fits(const YAML::Node& type, const std::string& actual) {
    if (!type) return true;
    if (type.IsSequence()) {
      for (const auto& one : type)
        if (type_fits(one, actual)) return true;
      return false;
    }
    const std::string wanted = type.as<std::string>();
    return wanted == actual || (wanted == "number" && actual == "integer");
  }

  void value(const YAML::Node& given, const simdjson::dom::element& json,
             const std::string& where) {
    const YAML::Node schema = resolve(given);
    const std::string type = type_of(json);
    if (!type_fits(schema["type"], type)) {
      problems_.push_back(where + " is a " + type);
      return;
    }
    if (type == "object") object(schema, json.get_object().value(), where);
    if (type == "array" && schema["items"]) {
      size_t index = 0;
      const simdjson::dom::array items = json.get_array().value();
      for (const simdjson::dom::element item : items)
        value(schema["items"], item, where + "[" + std::to_string(index++) + "]");
    }
    if (type == "string") text(schema, std::string(json.get_string().value()), where);
  }

  void object(const YAML::Node& schema, const simdjson::dom::object& json,
              const std::string& where) {
    for (const auto& name : schema["required"]) {
      if (json[name.as<std::string>()].error() != simdjson::SUCCESS)
        problems_.push_back(where + " lacks " + name.as<std::string>());
    }
    const YAML::Node more = schema["additionalProperties"];
    for (const auto& [key, member] : json) {
      const std::string name(key);
      if (schema["properties"] && schema["properties"][name]) {
        value(schema["properties"][name], member, where + "." + name);
      } else if (more && more.IsMap()) {
        value(more, member, where + "." + name);
      } else if (!more) {
        problems_.push_back(where + "." + name + " is not described");
      }
    }
  }

  void text(const YAML::Node& schema, const std::string& json, const std::string& where) {
    if (const YAML::Node pattern = schema["pattern"];
        pattern && !RE2::PartialMatch(json, pattern.as<std::string>()))
      problems_.push_back(where + " \"" + json + "\" does not match its pattern");
    if (const YAML::Node allowed = schema["enum"]) {
      for (const auto& one : allowed)
        if (one.as<std::string>() == json) return;
      problems_.push_back(where + " \"" + json + "\" is none of its values");
    }
  }

  YAML::Node document_;
  std::vector<std::string> problems_;
};

inline SchemaChecker openapi() {
  const char* source = std::getenv("WEFT_SOURCE_DIR");
  return SchemaChecker(std::string(source ? source : ".") + "/docs/openapi.yaml");
}

}  // namespace weft::server::testing
