#include "server/api/attribute_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "analysis/value_counts.h"

namespace weft::server {
namespace {

struct Target {
  std::vector<ColumnRef> columns;  // several: their values are added up
  bool roots_only = false;
  bool empty = false;  // nothing to complete
  enum class Names : uint8_t { kPlain, kKind, kStatus } names = Names::kPlain;
};

ColumnRef service_name() {
  return ColumnRef::attribute(AttributeScope::kResource, "service.name");
}

std::optional<Target> intrinsic_target(std::string_view name) {
  const auto plain = [](Intrinsic which) { return Target{{ColumnRef::of(which)}}; };
  if (name.starts_with("span:")) name.remove_prefix(5);
  if (name == "name") return plain(Intrinsic::kName);
  if (name == "statusMessage") return plain(Intrinsic::kStatusMessage);
  if (name == "event:name") return plain(Intrinsic::kEventName);
  if (name == "instrumentation:name") return plain(Intrinsic::kInstrumentationName);
  if (name == "instrumentation:version") return plain(Intrinsic::kInstrumentationVersion);
  if (name == "kind") {
    Target out = plain(Intrinsic::kKind);
    out.names = Target::Names::kKind;
    return out;
  }
  if (name == "status") {
    Target out = plain(Intrinsic::kStatusCode);
    out.names = Target::Names::kStatus;
    return out;
  }
  if (name == "rootName" || name == "trace:rootName")
    return Target{{ColumnRef::of(Intrinsic::kName)}, true};
  if (name == "rootServiceName" || name == "rootService" || name == "trace:rootService")
    return Target{{service_name()}, true};
  for (const std::string_view endless :
       {"duration", "traceDuration", "trace:duration", "trace:id", "id", "parentID", "childCount",
        "event:timeSinceStart", "link:traceID", "link:spanID", "nestedSetLeft", "nestedSetRight",
        "nestedSetParent"})
    if (name == endless) return Target{{}, false, true};
  return std::nullopt;
}

std::string unquote(std::string_view key) {
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"')
    key = key.substr(1, key.size() - 2);
  return std::string(key);
}

Expected<Target> target_of(std::string_view name) {
  constexpr std::pair<std::string_view, AttributeScope> kScopes[] = {
      {"span.", AttributeScope::kSpan},
      {"resource.", AttributeScope::kResource},
      {"event.", AttributeScope::kEvent},
      {"link.", AttributeScope::kLink},
      {"instrumentation.", AttributeScope::kInstrumentation}};
  if (const auto target = intrinsic_target(name)) return *target;
  for (const auto& [prefix, scope] : kScopes) {
    if (name.starts_with(prefix) && name.size() > prefix.size())
      return Target{{ColumnRef::attribute(scope, unquote(name.substr(prefix.size())))}};
  }
  if (name.starts_with('.')) name.remove_prefix(1);
  if (name.empty()) return fail(ErrorCode::kInvalidArgument, "the name of the attribute is empty");
  const std::string key = unquote(name);
  return Target{{ColumnRef::attribute(AttributeScope::kSpan, key),
                 ColumnRef::attribute(AttributeScope::kResource, key)}};
}

std::string_view type_name(const Value& value, Target::Names names) {
  if (names == Target::Names::kKind) return "kind";
  if (names == Target::Names::kStatus) return "status";
  switch (value.type()) {
    case ValueType::kInt:
      return "int";
    case ValueType::kDouble:
      return "float";
    case ValueType::kBool:
      return "bool";
    default:
      return "string";
  }
}

std::string text_of(const Value& value, Target::Names names) {
  const auto* number = std::get_if<int64_t>(&value.data);
  if (number && names == Target::Names::kKind)
    return std::string(kind_name(static_cast<uint8_t>(*number)));
  if (number && names == Target::Names::kStatus)
    return std::string(status_name(static_cast<uint8_t>(*number)));
  return to_display(value);
}

// The roots of the traces that have a span which the query selects: what a search with the query
// and a condition on the root would find.
std::optional<CompiledQuery> roots_of(const CompiledQuery& query) {
  const std::string_view root = "{ span:parentID = nil }";
  // On a line of its own, since the text may end in a comment.
  auto roots = compile_query(fmt::format("(\n{}\n) && {} | {}", query.text(), root, root));
  return roots ? std::optional(*std::move(roots)) : std::nullopt;  // with hints, for one
}

// The spans that a question is about; none: all of them, which the source can tell by itself.
Expected<std::optional<CompiledQuery>> spans_of(const ValuesQuestion& question,
                                                const Target& target) {
  if (!target.roots_only) return question.query;
  if (question.query) {
    if (auto roots = roots_of(*question.query)) return roots;
    return question.query;
  }
  return query_of(
      {Predicate::of({ColumnRef::of(Intrinsic::kParentSpanId), CompareOp::kNotExists, {}})});
}

using Counts = std::map<std::pair<std::string, std::string_view>, uint64_t>;

// An array stands for each of its elements that a comparison would find it by.
void count_value(const Value& value, uint64_t spans, const Target& target, Counts& counts) {
  const auto* array = std::get_if<Value::Array>(&value.data);
  if (array == nullptr) {
    counts[{text_of(value, target.names), type_name(value, target.names)}] += spans;
    return;
  }
  Counts elements;  // each once
  for (const Value& element : *array) {
    const ValueType type = element.type();
    if (type != ValueType::kNone && type != ValueType::kArray && type != ValueType::kKvlist)
      count_value(element, 0, target, elements);
  }
  for (const auto& entry : elements)
    counts[entry.first] += spans;
}

}  // namespace

Expected<TypedValues> attribute_values(const ApiContext& context, const HttpRequest& request,
                                       const ValuesQuestion& question) {
  WEFT_ASSIGN(const Target target, target_of(question.name));
  TypedValues out;
  if (target.empty) return out;
  WEFT_ASSIGN(const std::optional<CompiledQuery> query, spans_of(question, target));
  // With a prefix more has to be seen than is given back.
  const size_t wanted = question.prefix.empty() ? question.limit : context.limits().max_values;
  Counts counts;
  for (const ColumnRef& column : target.columns) {
    Expected<AttributeValueList> list;
    if (query) {
      Inspected inspected;
      list = analysis::value_counts(
          context.analysis_request(request, question.range, query, inspected), column, wanted);
    } else {
      list = context.source().attribute_values(column, question.range, wanted, *request.cancel);
    }
    if (!list) return std::unexpected<Error>(std::move(list).error());
    out.limit_reached |= list->limit_reached;
    for (const AttributeValue& value : list->values) {
      if (value.value.type() != ValueType::kNone)
        count_value(value.value, value.spans, target, counts);
    }
  }
  for (const auto& [key, spans] : counts) {
    if (key.first.starts_with(question.prefix))
      out.values.push_back({key.first, key.second, spans});
  }
  std::ranges::stable_sort(out.values, std::greater{}, &TypedValue::spans);
  if (out.values.size() > question.limit) {
    out.values.resize(question.limit);
    out.limit_reached = true;
  }
  return out;
}

std::string_view scope_name(AttributeScope scope) {
  switch (scope) {
    case AttributeScope::kResource:
      return "resource";
    case AttributeScope::kEvent:
      return "event";
    case AttributeScope::kLink:
      return "link";
    case AttributeScope::kInstrumentation:
      return "instrumentation";
    default:
      return "span";
  }
}

const std::vector<std::string_view>& intrinsic_tags() {
  static const std::vector<std::string_view> kTags = {"duration",
                                                      "event:name",
                                                      "event:timeSinceStart",
                                                      "instrumentation:name",
                                                      "instrumentation:version",
                                                      "kind",
                                                      "name",
                                                      "rootName",
                                                      "rootServiceName",
                                                      "span:duration",
                                                      "span:kind",
                                                      "span:name",
                                                      "span:status",
                                                      "span:statusMessage",
                                                      "status",
                                                      "statusMessage",
                                                      "trace:duration",
                                                      "trace:rootName",
                                                      "trace:rootService",
                                                      "traceDuration"};
  return kTags;
}

}  // namespace weft::server
