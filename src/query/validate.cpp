#include "query/validate.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "query/suggest.h"
#include "scan/compiled_condition.h"

namespace weft::traceql {
namespace {

bool is_numeric(StaticType type) {
  return type == StaticType::kInt || type == StaticType::kFloat || type == StaticType::kDuration ||
         type == StaticType::kUnknown;
}
bool is_boolean(StaticType type) {
  return type == StaticType::kBool || type == StaticType::kUnknown;
}

bool comparable(StaticType a, StaticType b) {
  if (a == StaticType::kUnknown || b == StaticType::kUnknown || a == b) return true;
  if (is_numeric(a) && is_numeric(b)) return true;
  const auto is_text = [](StaticType t) {
    return t == StaticType::kString || t == StaticType::kId;
  };
  return is_text(a) && is_text(b);
}

// "an int", "a string".
std::string a_type(StaticType type) {
  const std::string_view name = to_string(type);
  const bool vowel = name.starts_with('i');
  return fmt::format("{} {}", vowel ? "an" : "a", name);
}

bool is_ordering(Op op) {
  return op >= Op::kLess && op <= Op::kGreaterEqual;
}
bool is_regex(Op op) {
  return op == Op::kRegex || op == Op::kNotRegex;
}

bool references_span(const FieldExpr& expression) {
  bool found = false;
  for_each_field(expression, [&](const FieldRef&) { found = true; });
  return found;
}

bool is_nil(const FieldExpr& expression) {
  return expression.kind == FieldExpr::Kind::kLiteral &&
         expression.literal.type == StaticType::kNil;
}

StaticType arithmetic_type(Op op, StaticType a, StaticType b) {
  if (a == StaticType::kDuration || b == StaticType::kDuration) return StaticType::kDuration;
  const bool whole =
      op == Op::kAdd || op == Op::kSubtract || op == Op::kMultiply || op == Op::kModulo;
  return whole && a == StaticType::kInt && b == StaticType::kInt ? StaticType::kInt
                                                                 : StaticType::kFloat;
}

class Validator {
 public:
  explicit Validator(const Query& query) : query_(query) {}

  QueryExpected<void> run() {
    if (query_.metrics) {
      check_metrics(*query_.metrics);
    } else {
      check_pipeline(query_.pipeline);
    }
    for (const Hint& hint : query_.hints)
      check_hint(hint);
    if (error_) return std::unexpected(std::move(*error_));
    return {};
  }

 private:
  void fail(TextSpan at, std::string message, std::string hint = {},
            std::vector<std::string> expected = {}) {
    if (error_) return;
    error_ =
        make_query_error(query_.text, at, std::move(message), std::move(expected), std::move(hint));
  }

  StaticType check(const FieldExpr& expression) {
    switch (expression.kind) {
      case FieldExpr::Kind::kLiteral:
        return expression.literal.type;
      case FieldExpr::Kind::kField:
        return expression.field.type();
      case FieldExpr::Kind::kUnary:
        return check_unary(expression);
      case FieldExpr::Kind::kBinary:
        break;
    }
    const FieldExpr& left = expression.children[0];
    const FieldExpr& right = expression.children[1];
    const StaticType a = check(left);
    const StaticType b = check(right);
    if (is_arithmetic(expression.op)) {
      check_operand(expression.op, left, a, is_numeric(a), "numbers");
      check_operand(expression.op, right, b, is_numeric(b), "numbers");
      return arithmetic_type(expression.op, a, b);
    }
    if (expression.op == Op::kAnd || expression.op == Op::kOr) {
      check_operand(expression.op, left, a, is_boolean(a), "conditions");
      check_operand(expression.op, right, b, is_boolean(b), "conditions");
      return StaticType::kBool;
    }
    check_comparison(expression, a, b);
    return StaticType::kBool;
  }

  StaticType check_unary(const FieldExpr& expression) {
    const FieldExpr& child = expression.children[0];
    const StaticType type = check(child);
    if (expression.op == Op::kNot) {
      check_operand(expression.op, child, type, is_boolean(type), "conditions");
      return StaticType::kBool;
    }
    check_operand(expression.op, child, type, is_numeric(type), "numbers");
    return type == StaticType::kUnknown ? StaticType::kFloat : type;
  }

  void check_operand(Op op, const FieldExpr& operand, StaticType type, bool good,
                     std::string_view wanted) {
    if (good) return;
    fail(operand.at,
         fmt::format("`{}` takes {}, but `{}` is {}", to_string(op), wanted, to_string(operand),
                     a_type(type)),
         wanted == "conditions" ? "compare it with something: `.a = \"x\"`" : "");
  }

  void check_comparison(const FieldExpr& expression, StaticType a, StaticType b) {
    const FieldExpr& left = expression.children[0];
    const FieldExpr& right = expression.children[1];
    const Op op = expression.op;
    if (is_nil(left) || is_nil(right)) return check_nil(expression);
    if (is_regex(op)) return check_regex(expression, a);
    if (!comparable(a, b)) return fail_types(expression, a, b);
    const auto unordered = [](StaticType t) {
      return t == StaticType::kBool || t == StaticType::kStatus || t == StaticType::kKind ||
             t == StaticType::kId;
    };
    if (is_ordering(op) && (unordered(a) || unordered(b))) {
      fail(expression.at,
           fmt::format("`{}` does not apply to {}", to_string(op), a_type(unordered(a) ? a : b)),
           "use `=` or `!=`");
    }
    const StaticType id_side = a == StaticType::kId ? a : b;
    if (id_side == StaticType::kId) check_id_literal(a == StaticType::kId ? right : left);
  }

  void check_id_literal(const FieldExpr& side) {
    if (side.kind != FieldExpr::Kind::kLiteral) return;
    const auto* text = std::get_if<std::string>(&side.literal.value.data);
    if (text == nullptr) return;
    const bool hex = !text->empty() && text->size() <= 32 &&
                     text->find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    if (!hex) fail(side.at, "an id is written as a string of hex digits", "write \"1f00ab...\"");
  }

  void check_nil(const FieldExpr& expression) {
    const FieldExpr& other =
        is_nil(expression.children[0]) ? expression.children[1] : expression.children[0];
    if (expression.op != Op::kEqual && expression.op != Op::kNotEqual) {
      return fail(expression.at,
                  fmt::format("`{}` does not apply to nil", to_string(expression.op)),
                  "use `= nil` or `!= nil`");
    }
    if (!references_span(other)) {
      fail(other.at, "only what a span may have can be compared with nil",
           "write `.a = nil` or `.a != nil`");
    }
  }

  void check_regex(const FieldExpr& expression, StaticType a) {
    if (error_) return;  // compiling is the only check that takes time
    const FieldExpr& pattern = expression.children[1];
    if (a != StaticType::kString && a != StaticType::kUnknown && a != StaticType::kId) {
      return fail(expression.children[0].at,
                  fmt::format("`{}` takes text, but `{}` is {}", to_string(expression.op),
                              to_string(expression.children[0]), a_type(a)),
                  a == StaticType::kStatus || a == StaticType::kKind
                      ? "combine values with `||`: `status = error || status = unset`"
                      : "");
    }
    if (pattern.kind != FieldExpr::Kind::kLiteral || pattern.literal.type != StaticType::kString) {
      return fail(pattern.at,
                  fmt::format("the right side of `{}` is a regular expression in quotes",
                              to_string(expression.op)),
                  "write `=~ \"GET|POST\"`");
    }
    const auto regex = compile_regex(std::get<std::string>(pattern.literal.value.data));
    if (!regex) {
      fail(pattern.at, regex.error().message,
           "RE2's syntax; in \"...\" a backslash is written twice, in `...` once");
      return;
    }
    regex_instructions_ += static_cast<size_t>(std::max(0, (*regex)->ProgramSize()));
    if (regex_instructions_ <= kMaxRegexInstructions) return;
    fail(pattern.at, "the regular expressions of the query are too large together",
         "repeat smaller classes, or less often: `\\pL{100}` is a hundred copies of a table");
    error_->error.code = ErrorCode::kResourceExhausted;
  }

  void fail_types(const FieldExpr& expression, StaticType a, StaticType b) {
    const FieldExpr& right = expression.children[1];
    std::string hint;
    const auto* text = right.kind == FieldExpr::Kind::kLiteral
                           ? std::get_if<std::string>(&right.literal.value.data)
                           : nullptr;
    if (text != nullptr && (a == StaticType::kStatus || a == StaticType::kKind)) {
      hint = "without quotes: " + values_of(a);
    } else if (text != nullptr && a == StaticType::kDuration) {
      hint = "durations stand without quotes: `duration > 100ms`";
    } else if (a == StaticType::kStatus || a == StaticType::kKind) {
      hint = values_of(a);
    } else if (a == StaticType::kString && right.kind == FieldExpr::Kind::kLiteral) {
      hint = fmt::format("did you mean `\"{}\"`?", to_string(right));
    }
    fail(expression.at,
         fmt::format("`{}` is {} and cannot be compared with `{}`, {}",
                     to_string(expression.children[0]), a_type(a), to_string(right), a_type(b)),
         hint);
  }

  static std::string values_of(StaticType type) {
    return type == StaticType::kStatus
               ? "status is `ok`, `error` or `unset`"
               : "kind is `server`, `client`, `producer`, `consumer`, `internal` or `unspecified`";
  }

  void check_filter(const FieldExpr& expression) {
    const StaticType type = check(expression);
    if (is_boolean(type)) return;
    std::string hint = "compare it with something";
    if (expression.kind == FieldExpr::Kind::kField) {
      hint = fmt::format("write `{{ {} != nil }}` for spans that have it", to_string(expression));
    } else if (type == StaticType::kStatus || type == StaticType::kKind) {
      hint = fmt::format("did you mean `{{ {} = {} }}`?", to_string(type), to_string(expression));
    }
    fail(expression.at,
         fmt::format("`{}` is {}; braces take a condition", to_string(expression), a_type(type)),
         hint);
  }

  void check_spanset(const SpansetExpr& expression) {
    if (expression.filter) check_filter(*expression.filter);
    for (const SpansetExpr& operand : expression.operands)
      check_spanset(operand);
    for (const Pipeline& pipeline : expression.pipeline)
      check_pipeline(pipeline);
  }

  void check_scalar(const ScalarExpr& expression) {
    if (expression.argument) {
      const FieldExpr& argument = *expression.argument;
      const StaticType type = check(argument);
      if (!references_span(argument)) {
        fail(argument.at, fmt::format("{}() takes what spans have, such as `duration`",
                                      to_string(expression.aggregate)));
      } else if (!is_numeric(type)) {
        fail(argument.at,
             fmt::format("{}() takes numbers, but `{}` is {}", to_string(expression.aggregate),
                         to_string(argument), a_type(type)));
      }
    }
    if (expression.kind == ScalarExpr::Kind::kLiteral) {
      const StaticType type = expression.literal.type;
      if (!is_numeric(type)) fail(expression.at, "aggregates compare with numbers only");
    }
    for (const ScalarExpr& child : expression.children)
      check_scalar(child);
    for (const Pipeline& pipeline : expression.pipeline)
      check_pipeline(pipeline);
  }

  void check_pipeline(const Pipeline& pipeline) {
    for (const Stage& stage : pipeline.stages) {
      switch (stage.kind) {
        case Stage::Kind::kSpanset:
          check_spanset(*stage.spanset);
          break;
        case Stage::Kind::kScalarFilter:
          check_scalar(*stage.left);
          check_scalar(*stage.right);
          break;
        case Stage::Kind::kBy:
          check(*stage.by);
          if (!references_span(*stage.by)) {
            fail(stage.by->at, "by() takes what spans have", "write `by(resource.service.name)`");
          }
          break;
        case Stage::Kind::kCoalesce:
        case Stage::Kind::kSelect:
          break;
      }
    }
  }

  void check_metrics(const MetricsExpr& metrics) {
    for (const MetricsExpr& child : metrics.children)
      check_metrics(child);
    if (metrics.kind == MetricsExpr::Kind::kBinary &&
        metrics.children[0].kind == MetricsExpr::Kind::kNumber &&
        metrics.children[1].kind == MetricsExpr::Kind::kNumber) {
      fail(metrics.at, "at least one side must be a metrics query");
    }
    if (metrics.kind != MetricsExpr::Kind::kQuery) return;
    check_pipeline(metrics.spans);
    if (metrics.value && !is_numeric(metrics.value->type())) {
      fail(metrics.at,
           fmt::format("{}() takes numbers, but `{}` is {}", to_string(metrics.function),
                       to_string(*metrics.value), a_type(metrics.value->type())));
    }
    if (metrics.by.size() > kMaxGroupBy) {
      fail(metrics.at, fmt::format("by() takes at most {} fields", kMaxGroupBy));
    }
    if (metrics.selection) {
      check_spanset(*metrics.selection);
      if (metrics.selection->kind != SpansetExpr::Kind::kFilter) {
        fail(metrics.selection->at, "compare() takes a single filter",
             "write `compare({ status = error })`");
      }
    }
  }

  void check_hint(const Hint& hint) {
    struct Known {
      std::string_view name;
      bool takes_bool;
      bool takes_number;
    };
    constexpr std::array kKnown = {
        Known{"exemplars", true, true},
        Known{"most_recent", true, false},
        Known{"sample", true, true},
        Known{"span_sample", true, true},
        Known{"trace_sample", true, true},
        Known{"dedupe", true, false},
        Known{"job_size", false, true},
        Known{"job_interval", false, true},
        Known{"time_overlap_cutoff", false, true},
        Known{"concurrent_blocks", false, true},
    };
    const auto known = std::find_if(kKnown.begin(), kKnown.end(),
                                    [&](const Known& k) { return k.name == hint.name; });
    if (known == kKnown.end()) {
      std::vector<std::string_view> names;
      for (const Known& entry : kKnown)
        names.push_back(entry.name);
      const std::string_view close = nearest(hint.name, names);
      return fail(hint.at, fmt::format("unknown hint `{}`", hint.name),
                  close.empty() ? "the hints are exemplars, most_recent and sample"
                                : fmt::format("did you mean `{}`?", close));
    }
    const StaticType type = hint.value.type;
    const bool good = (type == StaticType::kBool && known->takes_bool) ||
                      (known->takes_number && type != StaticType::kBool && is_numeric(type));
    if (!good) {
      fail(hint.at,
           fmt::format("the hint `{}` does not take `{}`", hint.name, to_string(hint.value)),
           known->takes_bool ? fmt::format("write `{}=true`", hint.name)
                             : fmt::format("write `{}=1`", hint.name));
    }
  }

  const Query& query_;
  size_t regex_instructions_ = 0;
  std::optional<QueryError> error_;
};

}  // namespace

QueryExpected<void> validate(const Query& query) {
  return Validator(query).run();
}

StaticType type_of(const FieldExpr& expression) {
  switch (expression.kind) {
    case FieldExpr::Kind::kLiteral:
      return expression.literal.type;
    case FieldExpr::Kind::kField:
      return expression.field.type();
    case FieldExpr::Kind::kUnary: {
      if (expression.op == Op::kNot) return StaticType::kBool;
      const StaticType type = type_of(expression.children[0]);
      return type == StaticType::kUnknown ? StaticType::kFloat : type;
    }
    case FieldExpr::Kind::kBinary:
      break;
  }
  if (!is_arithmetic(expression.op)) return StaticType::kBool;
  return arithmetic_type(expression.op, type_of(expression.children[0]),
                         type_of(expression.children[1]));
}

}  // namespace weft::traceql
