// A small router with route templates: "/users/{id}/orders", "/static/{path...}". What it adds to
// a map of paths is what a trace needs: the template that matched, for http.route and the span's
// name. Used with the Beast component; knows nothing of any server.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::inline v1::http {

// The segments of a path between its slashes: "/a//b" has "a", "", "b". At most 64 are looked at.
// Views into the path.
class PathSegments {
 public:
  // `path` starts with a slash or without; it has to live as long as this object.
  explicit PathSegments(std::string_view path) noexcept;
  std::size_t size() const noexcept { return size_; }
  std::string_view operator[](std::size_t i) const noexcept {
    return {segments_[i].data, segments_[i].size};
  }

 private:
  static constexpr std::size_t kMaxSegments = 64;
  struct Segment {
    const char* data;
    std::size_t size;
  };
  std::size_t size_ = 0;
  Segment segments_[kMaxSegments];  // the rest stays as it is: most paths are short
};

// Decodes %XX; malformed escapes stay as they are.
std::string decode_path_segment(std::string_view segment);

// Handlers of any copyable type. Filled by one thread before it is used; then any thread may find.
template <class Handler>
class Router {
 public:
  // What find() found. Views into the router and the path.
  struct Match {
    const Handler* handler = nullptr;  // null: nothing matched
    std::string_view route;            // the template; also set when only the method did not match
    std::vector<std::pair<std::string_view, std::string>> parameters;
    std::vector<std::string_view> allowed;  // methods of the path, when only the method was wrong

    // A route of that path and method is there.
    bool found() const { return handler != nullptr; }
    // Empty when the template has no such parameter.
    std::string_view parameter(std::string_view name) const {
      for (const auto& [key, value] : parameters) {
        if (key == name) return value;
      }
      return {};
    }
  };

  // `route` is a template: literal segments, "{name}" for one segment that is not empty, and as
  // the last one "{name...}" for all that follows. Literal segments win over parameters, whatever
  // the order of the calls; among equals the first that was added wins.
  void add(std::string method, std::string route, Handler handler) {
    Entry entry{std::move(method), std::move(route), {}, std::move(handler)};
    const PathSegments segments(entry.route);
    for (std::size_t i = 0; i < segments.size(); ++i)
      entry.segments.emplace_back(segments[i]);
    entries_.push_back(std::move(entry));
  }

  // `path` without query. HEAD finds GET's handler when it has none of its own.
  Match find(std::string_view method, std::string_view path) const {
    const PathSegments segments(path);
    Match best;
    const Entry* best_entry = nullptr;
    for (const Entry& entry : entries_) {
      if (!fits(entry, segments)) continue;
      const bool method_fits =
          entry.method == method || (method == "HEAD" && entry.method == "GET");
      if (!method_fits) {
        best.allowed.push_back(entry.method);
        if (best.route.empty()) best.route = entry.route;
        continue;
      }
      if (best_entry == nullptr || is_more_literal(entry, *best_entry)) best_entry = &entry;
    }
    if (best_entry == nullptr) return best;
    Match match;
    match.handler = &best_entry->handler;
    match.route = best_entry->route;
    bind(*best_entry, segments, match);
    return match;
  }

 private:
  struct Entry {
    std::string method;
    std::string route;
    std::vector<std::string> segments;
    Handler handler;
  };

  static bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
  }
  static bool is_rest(std::string_view segment) {
    return is_parameter(segment) && segment.size() > 5 &&
           segment.substr(segment.size() - 4) == "...}";
  }

  static bool fits(const Entry& entry, const PathSegments& path) {
    for (std::size_t i = 0; i < entry.segments.size(); ++i) {
      const std::string& wanted = entry.segments[i];
      if (is_rest(wanted)) return i < path.size();
      if (i >= path.size()) return false;
      if (is_parameter(wanted) ? path[i].empty() : path[i] != wanted) return false;
    }
    return entry.segments.size() == path.size();
  }

  static bool is_more_literal(const Entry& a, const Entry& b) {
    for (std::size_t i = 0; i < a.segments.size() && i < b.segments.size(); ++i) {
      const int rank_a = is_rest(a.segments[i]) ? 2 : is_parameter(a.segments[i]) ? 1 : 0;
      const int rank_b = is_rest(b.segments[i]) ? 2 : is_parameter(b.segments[i]) ? 1 : 0;
      if (rank_a != rank_b) return rank_a < rank_b;
    }
    return false;
  }

  static void bind(const Entry& entry, const PathSegments& path, Match& match) {
    for (std::size_t i = 0; i < entry.segments.size(); ++i) {
      const std::string_view segment = entry.segments[i];
      if (is_rest(segment)) {
        std::string rest;
        for (std::size_t k = i; k < path.size(); ++k) {
          if (k > i) rest.push_back('/');
          rest.append(decode_path_segment(path[k]));
        }
        match.parameters.emplace_back(segment.substr(1, segment.size() - 5), std::move(rest));
      } else if (is_parameter(segment)) {
        match.parameters.emplace_back(segment.substr(1, segment.size() - 2),
                                      decode_path_segment(path[i]));
      }
    }
  }

  std::vector<Entry> entries_;
};

}  // namespace weft::inline v1::http
