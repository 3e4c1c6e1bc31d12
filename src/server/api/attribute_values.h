// The keys and values that completion asks for, over all of the APIs: attributes by scope, and
// intrinsics by TraceQL's names. Private to server/api.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api/api_context.h"

namespace weft::server {

struct ValuesQuestion {
  // TraceQL's name of what is asked for: "span.http.route", ".http.route", "name", "rootName",
  // "resource.service.name", "event:name", …
  std::string name;
  TimeRange range;
  std::optional<CompiledQuery> query;  // only values of spans that match
  std::string prefix;                  // of the value as text
  size_t limit = 100;
};

struct TypedValue {
  std::string text;
  std::string_view type;  // "string", "int", "float", "bool", "duration", "status", "kind"
  uint64_t spans = 0;
};

struct TypedValues {
  std::vector<TypedValue> values;  // most frequent first
  bool limit_reached = false;
};

// Durations have no values that anybody would complete: they give an empty list, as do names that
// nothing has. An array counts for each of its elements. Of rootName and rootServiceName, the
// values of the traces that have a span which matches. kInvalidArgument for a name that is no
// attribute and no intrinsic.
Expected<TypedValues> attribute_values(const ApiContext& context, const HttpRequest& request,
                                       const ValuesQuestion& question);

// "span", "resource", "event", "link", "instrumentation".
std::string_view scope_name(AttributeScope scope);

// The intrinsics that TraceQL knows by a plain name, for lists of tags.
const std::vector<std::string_view>& intrinsic_tags();

}  // namespace weft::server
