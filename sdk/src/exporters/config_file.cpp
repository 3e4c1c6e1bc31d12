#include "config_file.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>

#include "../diagnostics.h"

#if defined(WEFT_SDK_HAS_YAML)
#include <yaml-cpp/yaml.h>
#endif

namespace weft::sdk_detail {

#if defined(WEFT_SDK_HAS_YAML)
namespace {

using Variables = std::map<std::string, std::string>;

// ${NAME}, ${env:NAME} and ${NAME:-default}; $$ stands for $. Of the values of the document, one by
// one, and not of its bytes: what a variable holds, a secret with a # in it say, is text and no
// YAML.
std::string substitute(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (text[i + 1] == '{' && text.find('}', i) != std::string::npos) {
      const std::size_t end = text.find('}', i);
      std::string name = text.substr(i + 2, end - i - 2);
      std::string fallback;
      if (const std::size_t at = name.find(":-"); at != std::string::npos) {
        fallback = name.substr(at + 2);
        name.resize(at);
      }
      if (name.starts_with("env:")) name.erase(0, 4);
      const char* value = std::getenv(name.c_str());
      out += value == nullptr || *value == 0 ? fallback : value;
      i = end;
    } else {
      out += text[i];
    }
  }
  return out;
}

void unknown(const std::string& where, const std::string& what) {
  diagnose(DiagnosticLevel::kWarn,
           "OTEL_CONFIG_FILE: " + where + what + " is not supported and left out");
}

// Reports the members of a map that nothing here looks at.
void report_others(const YAML::Node& node, const std::string& where,
                   std::initializer_list<std::string_view> known) {
  if (!node || !node.IsMap()) return;
  for (const auto& pair : node) {
    const auto name = pair.first.as<std::string>();
    if (std::find(known.begin(), known.end(), name) == known.end()) unknown(where, name);
  }
}

// A value as text.
std::string text(const YAML::Node& scalar) {
  return substitute(scalar.as<std::string>());
}

// The node's member as text; empty when it is absent or null.
std::string text(const YAML::Node& node, const char* key) {
  if (!node || !node.IsMap() || !node[key] || !node[key].IsScalar()) return {};
  return text(node[key]);
}

void copy(Variables& out, const YAML::Node& node, const char* key, const std::string& variable) {
  const std::string value = text(node, key);
  if (!value.empty()) out[variable] = value;
}

void append(std::string& list, const std::string& value) {
  if (!list.empty()) list += ',';
  list += value;
}

// Commas and percent signs of a value, as OTEL_EXPORTER_OTLP_HEADERS wants them.
std::string encode(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '%') {
      out += "%25";
    } else if (c == ',') {
      out += "%2C";
    } else {
      out += c;
    }
  }
  return out;
}

void read_otlp(Variables& out, const YAML::Node& node, const std::string& signal, bool grpc) {
  const std::string prefix = "OTEL_EXPORTER_OTLP_" + signal;
  out[prefix + "PROTOCOL"] = grpc                               ? "grpc"
                             : text(node, "encoding") == "json" ? "http/json"
                                                                : "http/protobuf";
  copy(out, node, "endpoint", prefix + "ENDPOINT");
  copy(out, node, "compression", prefix + "COMPRESSION");
  copy(out, node, "timeout", prefix + "TIMEOUT");
  std::string headers = text(node, "headers_list");
  if (node && node.IsMap() && node["headers"]) {
    for (const YAML::Node& header : node["headers"]) {
      append(headers, text(header, "name") + "=" + encode(text(header, "value")));
    }
  }
  if (!headers.empty()) out[prefix + "HEADERS"] = headers;
  const YAML::Node tls = node && node.IsMap() ? node["tls"] : YAML::Node();
  copy(out, tls, "ca_file", prefix + "CERTIFICATE");
  copy(out, tls, "key_file", prefix + "CLIENT_KEY");
  copy(out, tls, "cert_file", prefix + "CLIENT_CERTIFICATE");
  copy(out, tls, "insecure", prefix + "INSECURE");
}

// One exporter: its name is added to the list of the signal. Two OTLP exporters of one signal
// cannot be told apart by variables.
void read_exporter(Variables& out, const YAML::Node& exporter, const std::string& signal) {
  if (!exporter || !exporter.IsMap()) return;
  std::string& names = out["OTEL_" + signal + "EXPORTER"];
  for (const auto& pair : exporter) {
    const auto kind = pair.first.as<std::string>();
    const bool grpc = kind == "otlp_grpc";
    if (grpc || kind == "otlp_http" || kind == "otlp") {
      if (names.find("otlp") != std::string::npos) {
        unknown(signal, "a second OTLP exporter");
        continue;
      }
      append(names, "otlp");
      read_otlp(out, pair.second, signal, grpc);
    } else if (kind == "console") {
      append(names, "console");
    } else if (kind == "zipkin") {
      append(names, "zipkin");
      copy(out, pair.second, "endpoint", "OTEL_EXPORTER_ZIPKIN_ENDPOINT");
      copy(out, pair.second, "timeout", "OTEL_EXPORTER_ZIPKIN_TIMEOUT");
    } else if (kind.starts_with("prometheus")) {
      append(names, "prometheus");
      copy(out, pair.second, "host", "OTEL_EXPORTER_PROMETHEUS_HOST");
      copy(out, pair.second, "port", "OTEL_EXPORTER_PROMETHEUS_PORT");
    } else {
      unknown("exporter ", kind);
    }
  }
}

void read_processors(Variables& out, const YAML::Node& provider, const std::string& signal,
                     const std::string& batch) {
  if (!provider || !provider["processors"]) return;
  for (const YAML::Node& processor : provider["processors"]) {
    for (const auto& pair : processor) {
      const auto kind = pair.first.as<std::string>();
      const YAML::Node& settings = pair.second;
      if (kind != "batch" && kind != "simple") {
        unknown("processor ", kind);
        continue;
      }
      copy(out, settings, "schedule_delay", batch + "SCHEDULE_DELAY");
      copy(out, settings, "export_timeout", batch + "EXPORT_TIMEOUT");
      copy(out, settings, "max_queue_size", batch + "MAX_QUEUE_SIZE");
      copy(out, settings, "max_export_batch_size", batch + "MAX_EXPORT_BATCH_SIZE");
      // Simple means at once: as near as a batch comes to it.
      if (kind == "simple") out[batch + "SCHEDULE_DELAY"] = "1";
      if (settings && settings.IsMap()) read_exporter(out, settings["exporter"], signal);
    }
  }
}

void read_sampler(Variables& out, const YAML::Node& sampler, const std::string& prefix = "") {
  if (!sampler || !sampler.IsMap()) return;
  for (const auto& pair : sampler) {
    const auto kind = pair.first.as<std::string>();
    if (kind == "parent_based" && prefix.empty()) {
      out["OTEL_TRACES_SAMPLER"] = "parentbased_always_on";
      if (pair.second.IsMap()) read_sampler(out, pair.second["root"], "parentbased_");
    } else if (kind == "always_on" || kind == "always_off") {
      out["OTEL_TRACES_SAMPLER"] = prefix + kind;
    } else if (kind.starts_with("trace_id_ratio_based")) {
      out["OTEL_TRACES_SAMPLER"] = prefix + "traceidratio";
      copy(out, pair.second, "ratio", "OTEL_TRACES_SAMPLER_ARG");
    } else {
      unknown("sampler ", kind);
    }
  }
}

void read_limits(Variables& out, const YAML::Node& limits, const std::string& prefix) {
  copy(out, limits, "attribute_count_limit", prefix + "ATTRIBUTE_COUNT_LIMIT");
  copy(out, limits, "attribute_value_length_limit", prefix + "ATTRIBUTE_VALUE_LENGTH_LIMIT");
  copy(out, limits, "event_count_limit", prefix + "EVENT_COUNT_LIMIT");
  copy(out, limits, "link_count_limit", prefix + "LINK_COUNT_LIMIT");
  copy(out, limits, "event_attribute_count_limit", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT");
  copy(out, limits, "link_attribute_count_limit", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT");
}

void read_readers(Variables& out, const YAML::Node& provider) {
  if (!provider || !provider["readers"]) return;
  for (const YAML::Node& reader : provider["readers"]) {
    for (const auto& pair : reader) {
      copy(out, pair.second, "interval", "OTEL_METRIC_EXPORT_INTERVAL");
      copy(out, pair.second, "timeout", "OTEL_METRIC_EXPORT_TIMEOUT");
      if (pair.second.IsMap()) read_exporter(out, pair.second["exporter"], "METRICS_");
    }
  }
}

void read_resource(Resource& out, const YAML::Node& resource) {
  if (!resource || !resource.IsMap() || !resource["attributes"]) return;
  for (const YAML::Node& attribute : resource["attributes"]) {
    const YAML::Node value = attribute["value"];
    const std::string name = text(attribute, "name");
    const std::string type = text(attribute, "type");
    if (name.empty() || !value) continue;
    if (value.IsSequence()) {
      std::vector<std::string> list;
      for (const YAML::Node& element : value)
        list.push_back(text(element));
      out.set(name, std::move(list));
      continue;
    }
    const YAML::Node given(text(value));
    if (type == "int") {
      out.set(name, given.as<std::int64_t>());
    } else if (type == "double") {
      out.set(name, given.as<double>());
    } else if (type == "bool") {
      out.set(name, given.as<bool>());
    } else {
      out.set(name, given.Scalar());
    }
  }
}

void read_all(const YAML::Node& root, FileConfig& config) {
  Variables& out = config.variables;
  report_others(root, "",
                {"file_format", "disabled", "resource", "attribute_limits", "propagator",
                 "tracer_provider", "logger_provider", "meter_provider"});
  report_others(root["resource"], "resource.", {"attributes"});
  report_others(root["tracer_provider"], "tracer_provider.", {"processors", "sampler", "limits"});
  report_others(root["logger_provider"], "logger_provider.", {"processors", "limits"});
  report_others(root["meter_provider"], "meter_provider.", {"readers", "exemplar_filter"});
  // What the file does not mention is not there, unlike with variables.
  for (const char* signal : {"TRACES_", "METRICS_", "LOGS_"}) {
    out["OTEL_" + std::string(signal) + "EXPORTER"] = "";
  }
  copy(out, root, "disabled", "OTEL_SDK_DISABLED");
  read_resource(config.resource, root["resource"]);
  read_limits(out, root["attribute_limits"] ? root["attribute_limits"] : YAML::Node(), "OTEL_");
  if (const YAML::Node propagator = root["propagator"]; propagator && propagator.IsMap()) {
    std::string names = text(propagator, "composite_list");
    if (propagator["composite"] && propagator["composite"].IsSequence()) {
      for (const YAML::Node& item : propagator["composite"]) {
        if (item.IsScalar()) append(names, text(item));
        if (item.IsMap()) append(names, item.begin()->first.as<std::string>());
      }
    }
    if (!names.empty()) out["OTEL_PROPAGATORS"] = names;
  }
  if (const YAML::Node traces = root["tracer_provider"]; traces && traces.IsMap()) {
    read_processors(out, traces, "TRACES_", "OTEL_BSP_");
    read_sampler(out, traces["sampler"]);
    read_limits(out, traces["limits"] ? traces["limits"] : YAML::Node(), "OTEL_SPAN_");
  }
  if (const YAML::Node logs = root["logger_provider"]; logs && logs.IsMap()) {
    read_processors(out, logs, "LOGS_", "OTEL_BLRP_");
    read_limits(out, logs["limits"] ? logs["limits"] : YAML::Node(), "OTEL_LOGRECORD_");
  }
  if (const YAML::Node metrics = root["meter_provider"]; metrics && metrics.IsMap()) {
    read_readers(out, metrics);
    copy(out, metrics, "exemplar_filter", "OTEL_METRICS_EXEMPLAR_FILTER");
  }
  for (const char* signal : {"TRACES_", "METRICS_", "LOGS_"}) {
    std::string& names = out["OTEL_" + std::string(signal) + "EXPORTER"];
    if (names.empty()) names = "none";
  }
}

}  // namespace

bool read_config_file(const std::string& path, FileConfig& out, std::string& error) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    error = path + " cannot be read";
    return false;
  }
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() > (1U << 20)) {
    error = path + " is larger than 1 MiB";
    return false;
  }
  try {
    const YAML::Node root = YAML::Load(bytes);
    if (!root.IsMap() || !root["file_format"]) {
      error = path + " has no file_format; is it a configuration of OpenTelemetry?";
      return false;
    }
    read_all(root, out);
  } catch (const YAML::Exception& e) {
    error = path + ": " + e.what();
    return false;
  }
  return true;
}

#else

bool read_config_file(const std::string& path, FileConfig&, std::string& error) {
  error = path + ": this library was built without yaml-cpp and cannot read it";
  return false;
}

#endif

}  // namespace weft::sdk_detail
