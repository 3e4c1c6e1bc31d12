#include "query/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "query/ast.h"

namespace weft::traceql {
namespace {

// Levenshtein with transpositions, on short words.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j)
    cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

struct Replacement {
  std::string_view word;
  std::string_view hint;
};
constexpr std::array kReplacements = {
    Replacement{"and", "write `&&` for and"},
    Replacement{"or", "write `||` for or"},
    Replacement{"not", "write `!` for not"},
    Replacement{"in", "write a regular expression: `=~ \"a|b\"`"},
    Replacement{"like", "write a regular expression: `=~ \"a.*\"`"},
    Replacement{"contains", "write a regular expression: `=~ \".*text.*\"`"},
    Replacement{"matches", "write `=~` and a regular expression"},
    Replacement{"null", "did you mean `nil`?"},
    Replacement{"none", "did you mean `nil`?"},
    Replacement{"undefined", "did you mean `nil`?"},
    Replacement{"service", "did you mean `resource.service.name`?"},
    Replacement{"servicename", "did you mean `resource.service.name`?"},
    Replacement{"operation", "did you mean `name`?"},
    Replacement{"error", "did you mean `status = error`?"},
    Replacement{"traceid", "did you mean `trace:id`?"},
    Replacement{"spanid", "did you mean `span:id`?"},
    Replacement{"parentid", "did you mean `span:parentID`?"},
    Replacement{"parentspanid", "did you mean `span:parentID`?"},
    Replacement{"rootservice", "did you mean `rootServiceName`?"},
    Replacement{"latency", "did you mean `duration`?"},
};

std::string_view literal_word(std::string_view lowered) {
  constexpr std::array kWords = {"true",   "false",    "nil",      "ok",
                                 "error",  "unset",    "internal", "server",
                                 "client", "producer", "consumer", "unspecified"};
  for (std::string_view prefix : {"status_code_", "span_kind_", "status.", "kind."}) {
    if (lowered.starts_with(prefix)) lowered.remove_prefix(prefix.size());
  }
  for (std::string_view word : kWords) {
    if (word == lowered) return word;
  }
  return {};
}

// `sapn.http.route`: a scope with a slip of the finger; "" when it looks like none. Short first
// parts stay what they are: `rpc.method` names no scope.
std::string with_mended_scope(std::string_view word) {
  const size_t dot = word.find('.');
  if (dot == std::string_view::npos || dot < 4 || dot + 1 == word.size()) return {};
  const std::string_view scope = nearest(
      word.substr(0, dot), {"span", "resource", "event", "link", "instrumentation", "parent"});
  // A namespace of attributes may lie near: only one slip, or two in a long word.
  if (scope.empty() || distance(lower_ascii(word.substr(0, dot)), scope) > (dot > 5 ? 2u : 1u))
    return {};
  return std::string(scope) + std::string(word.substr(dot));
}

}  // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.size() > 40) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  const std::string lowered = lower_ascii(word);
  for (std::string_view candidate : candidates) {
    const size_t d = distance(lowered, lower_ascii(candidate));
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

std::string with_likely_scope(std::string_view key) {
  for (std::string_view prefix : {"service.", "telemetry.", "k8s.", "host.", "process.", "cloud.",
                                  "container.", "os.", "deployment.", "faas.", "device."}) {
    if (key.starts_with(prefix)) return "resource." + std::string(key);
  }
  return "span." + std::string(key);
}

std::string hint_for_word(std::string_view word, bool is_operand) {
  const std::string lowered = lower_ascii(word);
  if (const std::string_view literal = literal_word(lowered); is_operand && !literal.empty()) {
    return fmt::format("did you mean `{}`?", literal);
  }
  if (!is_operand || lowered == "null" || lowered == "none" || lowered == "undefined") {
    for (const Replacement& replacement : kReplacements) {
      if (replacement.word == lowered) return std::string(replacement.hint);
    }
  }
  if (is_operand) return fmt::format("text stands in quotes: did you mean `\"{}\"`?", word);
  std::vector<std::string_view> names;
  for (const IntrinsicName& entry : intrinsic_names())
    names.push_back(entry.name);
  if (const std::string_view name = nearest(word, names); !name.empty()) {
    return fmt::format("did you mean `{}`?", name);
  }
  if (const std::string mended = with_mended_scope(word); !mended.empty()) {
    return fmt::format("did you mean `{}`?", mended);
  }
  return fmt::format("attributes are written with a scope: did you mean `{}`?",
                     with_likely_scope(word));
}

}  // namespace weft::traceql
