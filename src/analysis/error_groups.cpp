#include "analysis/error_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>
#include <unordered_map>

#include "analysis/message_template.h"
#include "analysis/name_table.h"
#include "analysis/releases.h"
#include "base/hash.h"

namespace weft::analysis {
namespace {

constexpr uint32_t kMaxSteps = 60;
// A thread that has seen this many kinds of errors counts further ones as one.
constexpr size_t kMaxGroupsPerThread = 50'000;
constexpr std::string_view kTooManyTemplates = "<too many different messages>";

enum Column : size_t {
  kStatus,
  kService,
  kVersion,
  kNamespace,
  kTeam,
  kName,
  kStatusMessage,
  kErrorType,
  kHttpStatus,
  kHttpStatusOld,
  kExceptionType,     // several a span
  kExceptionMessage,  // several a span
  kDuration,
};

std::vector<ColumnRef> columns() {
  const auto of = [](AttributeScope scope, const char* key) {
    return ColumnRef::attribute(scope, key);
  };
  return {ColumnRef::of(Intrinsic::kStatusCode),
          of(AttributeScope::kResource, "service.name"),
          of(AttributeScope::kResource, "service.version"),
          of(AttributeScope::kResource, "service.namespace"),
          of(AttributeScope::kResource, "team"),
          ColumnRef::of(Intrinsic::kName),
          ColumnRef::of(Intrinsic::kStatusMessage),
          of(AttributeScope::kSpan, "error.type"),
          of(AttributeScope::kSpan, "http.response.status_code"),
          of(AttributeScope::kSpan, "http.status_code"),
          of(AttributeScope::kEvent, "exception.type"),
          of(AttributeScope::kEvent, "exception.message"),
          ColumnRef::of(Intrinsic::kDurationNs)};
}

// Newest first, then by what they are: the order does not depend on the threads.
bool comes_before(const ErrorSample& a, const ErrorSample& b) {
  if (a.start_ns != b.start_ns) return a.start_ns > b.start_ns;
  return std::tie(a.trace, a.service, a.name, a.message, a.duration_ns) <
         std::tie(b.trace, b.service, b.name, b.message, b.duration_ns);
}

// The first occurrence and what it carries; the smallest names among equal times.
struct First {
  uint64_t start_ns = UINT64_MAX;
  std::string service, version;
  friend auto operator<=>(const First&, const First&) = default;
};

struct Counts {
  uint64_t count = 0;
  uint64_t last_ns = 0;
  First first;
  std::map<std::string, uint64_t> services;
  std::map<uint64_t, uint64_t> steps;  // by the step's number
  std::vector<ErrorSample> samples;    // sorted, of different traces
  std::string service_namespace, team;

  // Whether an occurrence at this time may be among the samples: most need not be described.
  bool wants_sample(uint64_t start_ns) const {
    return samples.size() < ErrorGroup::kSamples || start_ns >= samples.back().start_ns;
  }

  void add_sample(ErrorSample sample) {
    // A trace with several such errors is shown once, by its newest.
    const auto same = std::ranges::find(samples, sample.trace, &ErrorSample::trace);
    if (same != samples.end()) {
      if (!comes_before(sample, *same)) return;
      samples.erase(same);
    }
    samples.insert(std::ranges::upper_bound(samples, sample, comes_before), std::move(sample));
    if (samples.size() > ErrorGroup::kSamples) samples.pop_back();
  }

  void merge(const Counts& other) {
    count += other.count;
    last_ns = std::max(last_ns, other.last_ns);
    first = std::min(first, other.first);
    for (const auto& [service, n] : other.services)
      services[service] += n;
    for (const auto& [step, n] : other.steps)
      steps[step] += n;
    for (const ErrorSample& sample : other.samples)
      add_sample(sample);
    keep_smaller(service_namespace, other.service_namespace);
    keep_smaller(team, other.team);
  }

  static void keep_smaller(std::string& target, std::string_view name) {
    if (!name.empty() && (target.empty() || name < target)) target = name;
  }
};

using TypeAndTemplate = std::pair<std::string, std::string>;

std::string_view text_or_empty(const ValueColumn& column, size_t index) {
  return column.types[index] == ValueType::kString ? column.text(index) : std::string_view{};
}

// The last value of a span's several ones, since that is the exception that ended it.
std::string_view last_text(const ValueColumn& column, size_t row) {
  for (uint32_t i = column.offsets[row + 1]; i > column.offsets[row]; i--) {
    if (const std::string_view text = text_or_empty(column, i - 1); !text.empty()) return text;
  }
  return {};
}

std::string http_status(const BatchView& view, size_t row) {
  for (const size_t i : {kHttpStatus, kHttpStatusOld}) {
    const ValueColumn& column = view.column(i);
    if (column.types[row] == ValueType::kInt)
      return fmt::format("http {}", static_cast<int64_t>(column.words[row]));
  }
  return {};
}

class Counter {
 public:
  Counter(TimeRange range, uint64_t step_ns) : range_(range), step_ns_(step_ns) {}

  void count(const BatchView& view) {
    size_t trace = 0;
    for (const uint32_t row : view.rows) {
      while (view.batch.trace_begin[trace + 1] <= row)
        trace++;
      if (view.number(kStatus, row) != static_cast<uint64_t>(StatusCode::kError)) continue;
      if (range_.contains(view.batch.start_ns[row])) add(view, row, view.batch.trace_ids[trace]);
    }
  }

  std::map<TypeAndTemplate, Counts> groups;

 private:
  // Equal messages come again and again: their template is made once.
  const std::string& template_of(std::string_view message) {
    if (const auto it = templates_.find(message); it != templates_.end()) return it->second;
    if (templates_.size() >= kMaxGroupsPerThread) templates_.clear();
    return templates_.emplace(std::string(message), message_template(message)).first->second;
  }

  static std::string_view message_of(const BatchView& view, size_t row) {
    std::string_view message = last_text(view.column(kExceptionMessage), row);
    if (message.empty()) message = text_or_empty(view.column(kStatusMessage), row);
    return message.empty() ? text_or_empty(view.column(kName), row) : message;
  }

  Counts& group_of(const BatchView& view, size_t row, std::string_view message) {
    std::string_view type = last_text(view.column(kExceptionType), row);
    if (type.empty()) type = text_or_empty(view.column(kErrorType), row);
    std::string http;
    if (type.empty()) type = http = http_status(view, row);
    if (type.empty()) type = "error";
    TypeAndTemplate key(type.substr(0, kMaxTemplateBytes), template_of(message));
    const auto it = groups.find(key);
    if (it != groups.end()) return it->second;
    if (groups.size() >= kMaxGroupsPerThread) key.second = kTooManyTemplates;
    return groups[std::move(key)];
  }

  void add(const BatchView& view, size_t row, const TraceId& trace) {
    const uint64_t start_ns = view.batch.start_ns[row];
    const std::string service(text_or_empty(view.column(kService), row));
    const std::string_view message = message_of(view, row);
    Counts& group = group_of(view, row, message);
    group.count++;
    group.last_ns = std::max(group.last_ns, start_ns);
    if (start_ns <= group.first.start_ns) {
      group.first = std::min(
          group.first,
          First{start_ns, service, std::string(text_or_empty(view.column(kVersion), row))});
    }
    group.services[service]++;
    group.steps[(start_ns - range_.from_ns) / step_ns_]++;
    if (group.wants_sample(start_ns)) {
      group.add_sample({.trace = trace,
                        .start_ns = start_ns,
                        .duration_ns = view.number(kDuration, row),
                        .service = service,
                        .name = std::string(text_or_empty(view.column(kName), row)),
                        .message = std::string(message.substr(0, kMaxTemplateBytes))});
    }
    Counts::keep_smaller(group.service_namespace, text_or_empty(view.column(kNamespace), row));
    Counts::keep_smaller(group.team, text_or_empty(view.column(kTeam), row));
  }

  TimeRange range_;
  uint64_t step_ns_;
  std::unordered_map<std::string, std::string, BytesHash, std::equal_to<>> templates_;
};

using GroupMap = std::map<TypeAndTemplate, Counts>;

Expected<GroupMap> count_groups(const AnalysisRequest& request, TimeRange range, uint64_t step_ns) {
  std::deque<Counter> counters;
  for (unsigned i = 0; i < request.workers(); i++)
    counters.emplace_back(range, step_ns);
  ScanShape shape;
  shape.columns = columns();
  shape.candidates = Predicate::of({ColumnRef::of(Intrinsic::kStatusCode), CompareOp::kEqual,
                                    Value(static_cast<int64_t>(StatusCode::kError))});
  WEFT_TRY(scan_spans(request, range, shape, [&counters](unsigned worker, const BatchView& view) {
    counters[worker].count(view);
  }));
  GroupMap all;
  for (Counter& counter : counters) {
    for (auto& [key, counts] : counter.groups)
      all[key].merge(counts);
  }
  return all;
}

GroupMap collapse(const GroupMap& groups) {
  std::vector<TypeAndTemplate> keys;
  for (const auto& entry : groups)
    keys.push_back(entry.first);
  const std::vector<std::string> templates = collapse_templates(keys);
  GroupMap out;
  size_t i = 0;
  for (const auto& [key, counts] : groups)
    out[{key.first, templates[i++]}].merge(counts);
  return out;
}

ErrorGroup to_group(const TypeAndTemplate& key, const Counts& counts, const Ownership& ownership,
                    TimeRange range, uint64_t step_ns) {
  ErrorGroup group;
  group.type = key.first;
  group.message_template = key.second;
  group.id = fmt::format("{:016x}", hash_bytes(key.second, hash_bytes(key.first)));
  group.count = counts.count;
  group.first_seen_ns = counts.first.start_ns;
  group.last_seen_ns = counts.last_ns;
  std::vector<std::pair<std::string, uint64_t>> services(counts.services.begin(),
                                                         counts.services.end());
  std::ranges::stable_sort(services, std::greater{}, &std::pair<std::string, uint64_t>::second);
  for (const auto& entry : services)
    group.services.push_back(entry.first);
  group.owner = ownership.owner_of(group.services.front(), counts.service_namespace, counts.team);
  group.samples = counts.samples;
  for (const auto& [step, count] : counts.steps)
    group.over_time.emplace_back(range.from_ns + step * step_ns, count);
  group.new_since_service = counts.first.service;
  group.new_since_version = counts.first.version;
  return group;
}

// Clears new_since of the groups whose first occurrence is not of a later version than the first
// one stored of its service, or came before that version did.
void keep_later_versions(std::vector<ErrorGroup>& groups, const std::vector<Release>& all) {
  struct FirstVersion {
    uint64_t seen_ns = UINT64_MAX;
    std::string version;
  };
  std::map<std::string, FirstVersion> first_versions;
  for (const Release& release : all) {
    FirstVersion& first = first_versions[release.service];
    if (release.first_seen_ns < first.seen_ns) first = {release.first_seen_ns, release.version};
  }
  for (ErrorGroup& group : groups) {
    const auto first = first_versions.find(group.new_since_service);
    if (first != first_versions.end() && !group.new_since_version.empty() &&
        first->second.version != group.new_since_version)
      continue;
    group.new_since_service.clear();
    group.new_since_version.clear();
  }
}

// Decides new_since: what is left after keep_later_versions must not have been seen before the
// range, which is looked up only if it matters.
Status decide_new_since(const AnalysisRequest& request, TimeRange range,
                        std::vector<ErrorGroup>& groups) {
  AnalysisRequest everything = request;
  everything.range = {0, range.to_ns};
  everything.query.reset();
  WEFT_ASSIGN(const std::vector<Release> all, releases(everything));
  keep_later_versions(groups, all);
  if (std::ranges::all_of(groups, [](const ErrorGroup& g) { return g.new_since_version.empty(); }))
    return {};
  AnalysisRequest before = request;
  before.range = {0, range.from_ns};
  const TimeRange stored_before = bounded_range(before);
  if (stored_before.from_ns >= stored_before.to_ns) return {};
  before.range = stored_before;
  WEFT_ASSIGN(const GroupMap old,
              count_groups(before, stored_before, round_step_ns(stored_before, kMaxSteps)));
  const GroupMap collapsed = collapse(old);
  for (ErrorGroup& group : groups) {
    const TypeAndTemplate key(group.type, group.message_template);
    if (!old.contains(key) && !collapsed.contains(key)) continue;
    group.new_since_service.clear();
    group.new_since_version.clear();
  }
  return {};
}

}  // namespace

Expected<ErrorGroups> error_groups(const AnalysisRequest& request, const Ownership& ownership,
                                   size_t limit) {
  const TimeRange range = bounded_range(request);
  ErrorGroups out;
  out.step_ns = round_step_ns(range, kMaxSteps);
  if (range.from_ns >= range.to_ns) return out;
  WEFT_ASSIGN(const GroupMap counted, count_groups(request, range, out.step_ns));
  for (const auto& [key, counts] : collapse(counted))
    out.groups.push_back(to_group(key, counts, ownership, range, out.step_ns));
  std::ranges::sort(out.groups, [](const ErrorGroup& a, const ErrorGroup& b) {
    return a.count != b.count ? a.count > b.count : a.id < b.id;
  });
  out.limit_reached = out.groups.size() > limit;
  if (out.limit_reached) out.groups.resize(limit);
  WEFT_TRY(decide_new_since(request, range, out.groups));
  return out;
}

}  // namespace weft::analysis
