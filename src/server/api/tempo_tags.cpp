// Tempo's lists of tags and of their values, both versions: what completion in Grafana asks for.

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "server/api/api_context.h"
#include "server/api/attribute_values.h"
#include "server/api/request_params.h"

namespace weft::server {
namespace {

constexpr uint64_t kDefaultTags = 1000;
constexpr uint64_t kDefaultValues = 5000;

bool is_scope(std::string_view scope) {
  constexpr std::string_view kScopes[] = {
      "", "all", "none", "span", "resource", "event", "link", "intrinsic", "instrumentation"};
  return std::ranges::find(kScopes, scope) != std::end(kScopes);
}

// Names of attributes; a key of several types is listed once.
using Tags = std::set<std::string>;
// "intrinsic" is among the scopes.
using TagsByScope = std::map<std::string_view, Tags>;

Expected<TagsByScope> tags_of(const ApiContext& context, const HttpRequest& request) {
  const std::string_view wanted = request.query.get("scope");
  if (!is_scope(wanted))
    return fail(ErrorCode::kInvalidArgument,
                "scope: must be span, resource, event, link, instrumentation or intrinsic");
  const bool all = wanted.empty() || wanted == "all" || wanted == "none";
  WEFT_ASSIGN(const TimeRange range, tempo_range_params(request.query));
  WEFT_ASSIGN(uint64_t limit,
              unsigned_param(request.query, "limit", kDefaultTags, 0, context.limits().max_values));
  if (limit == 0) limit = kDefaultTags;
  TagsByScope out;
  // The limit is that of one scope: a scope of rare attributes is not crowded out by the others.
  WEFT_ASSIGN(const AttributeList list,
              context.source().attribute_keys(range, context.limits().max_values, *request.cancel));
  for (const AttributeKey& key : list.keys) {  // most frequent first
    const std::string_view scope = scope_name(key.scope);
    if (!all && scope != wanted) continue;
    Tags& names = out[scope];
    if (names.size() < limit) names.insert(key.key);
  }
  if (all || wanted == "intrinsic") {
    for (const std::string_view name : intrinsic_tags())
      out["intrinsic"].emplace(name);
  }
  return out;
}

void write_names(JsonWriter& json, const Tags& names) {
  json.begin_array();
  for (const std::string& name : names)
    json.value(name);
  json.end_array();
}

void write_no_metrics(JsonWriter& json) {
  json.key("metrics").begin_object().end_object();
}

ApiResult list_tags_v1(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(TagsByScope tags, tags_of(context, request));
  if (request.query.get("scope") != "intrinsic") tags.erase("intrinsic");
  Tags names;
  for (const auto& entry : tags)
    names.insert(entry.second.begin(), entry.second.end());
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("tagNames");
  write_names(json, names);
  write_no_metrics(json);
  json.end_object();
  return response;
}

ApiResult list_tags_v2(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TagsByScope tags, tags_of(context, request));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("scopes").begin_array();
  for (const auto& [scope, names] : tags) {
    json.begin_object().field("name", scope).key("tags");
    write_names(json, names);
    json.end_object();
  }
  json.end_array();
  write_no_metrics(json);
  json.end_object();
  return response;
}

Expected<TypedValues> values_of(const ApiContext& context, const HttpRequest& request) {
  ValuesQuestion question;
  question.name = request.params.get("tag");
  WEFT_ASSIGN(question.range, tempo_range_params(request.query));
  WEFT_ASSIGN(question.limit, unsigned_param(request.query, "limit", kDefaultValues, 0,
                                             context.limits().max_values));
  if (question.limit == 0) question.limit = kDefaultValues;
  if (const std::string_view q = request.query.get("q"); !q.empty()) {
    question.query = compile_lenient(q);
    // `{ }` and what makes no sense: everything, which the source tells faster.
    const Predicate* filter = question.query->exact_filter();
    if (filter && filter->kind == Predicate::Kind::kTrue) question.query.reset();
  }
  return attribute_values(context, request, question);
}

ApiResult list_values_v1(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TypedValues list, values_of(context, request));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("tagValues").begin_array();
  for (const TypedValue& value : list.values)
    json.value(value.text);
  json.end_array();
  write_no_metrics(json);
  json.end_object();
  return response;
}

ApiResult list_values_v2(const ApiContext& context, const HttpRequest& request) {
  WEFT_ASSIGN(const TypedValues list, values_of(context, request));
  HttpResponse response = json_response({});
  JsonWriter json(response.body);
  json.begin_object().key("tagValues").begin_array();
  for (const TypedValue& value : list.values) {
    // Keywords are what a query writes without quotes.
    const bool keyword = value.type == "kind" || value.type == "status";
    json.begin_object().field("type", keyword ? std::string_view("keyword") : value.type);
    json.field("value", value.text).end_object();
  }
  json.end_array();
  write_no_metrics(json);
  json.end_object();
  return response;
}

}  // namespace

void add_tempo_tag_routes(Router& router, const ApiContext& context, const std::string& prefix) {
  router.get(prefix + "/api/search/tags", handler(context, list_tags_v1));
  router.get(prefix + "/api/v2/search/tags", handler(context, list_tags_v2));
  router.get(prefix + "/api/search/tag/{tag}/values", handler(context, list_values_v1));
  router.get(prefix + "/api/v2/search/tag/{tag}/values", handler(context, list_values_v2));
}

}  // namespace weft::server
