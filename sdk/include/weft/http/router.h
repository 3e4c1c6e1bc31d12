// A small router with route templates: "/users/{id}/orders", "/static/{path...}". What it adds to
// a map of paths is what a trace needs: the template that matched, for http.route and the span's
// name. Used with the Beast component; knows nothing of any server.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/http/short_text.h>

namespace weft::inline v1::http {

// Decodes %XX; malformed escapes stay as they are.
std::string decode_path_segment(std::string_view segment);

// The parameters of a route with their decoded values, in the order of the template. Few, so they
// lie in the object itself as long as there are no more than two: with more room, the coroutine
// that holds them while a handler runs outgrows what Asio keeps for the next one (1,020 bytes). The
// names are views into the router.
class RouteParameters {
 public:
  // A name and its value.
  using value_type = std::pair<std::string_view, std::string>;
  RouteParameters() noexcept = default;
  RouteParameters(RouteParameters&& other) noexcept { take(other); }
  RouteParameters(const RouteParameters& other) {
    for (const value_type& parameter : other)
      add(parameter.first, std::string(parameter.second));
  }
  RouteParameters& operator=(RouteParameters other) noexcept {
    clear();
    take(other);
    return *this;
  }
  ~RouteParameters() { clear(); }

  // Appends one. `value` is anything that a string can be made of.
  template <class Value>
  void add(std::string_view name, Value&& value) {
    if (size_ < kInline) [[likely]] {
      new (data() + size_) value_type(name, std::forward<Value>(value));
      ++size_;
    } else {
      add_behind(value_type(name, std::forward<Value>(value)));
    }
  }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const value_type* begin() const noexcept { return size_ <= kInline ? data() : more_.data(); }
  const value_type* end() const noexcept { return begin() + size_; }
  // `i` is below size().
  const value_type& operator[](std::size_t i) const noexcept { return begin()[i]; }
  // The value of that name; empty when there is none.
  std::string_view find(std::string_view name) const noexcept {
    for (const value_type& parameter : *this) {
      if (parameter.first == name) return parameter.second;
    }
    return {};
  }

 private:
  static constexpr std::size_t kInline = 2;
  // When the object itself is full.
  [[gnu::noinline, gnu::cold]] void add_behind(value_type&& parameter) {
    if (size_ == kInline) {
      more_.reserve(std::size_t{2} * kInline);
      for (std::size_t i = 0; i < kInline; ++i)
        more_.push_back(std::move(data()[i]));
      std::destroy_n(data(), kInline);
    }
    more_.push_back(std::move(parameter));
    ++size_;
  }
  value_type* data() noexcept { return reinterpret_cast<value_type*>(memory_); }
  const value_type* data() const noexcept { return reinterpret_cast<const value_type*>(memory_); }
  void clear() noexcept {
    if (size_ <= kInline) [[likely]] {
      std::destroy_n(data(), size_);
    } else {
      more_.clear();
    }
    size_ = 0;
  }
  // Into an empty one.
  void take(RouteParameters& other) noexcept {
    more_ = std::move(other.more_);
    size_ = other.size_;
    if (size_ <= kInline) {
      std::uninitialized_move_n(other.data(), size_, data());
      std::destroy_n(other.data(), size_);
    }
    other.more_.clear();
    other.size_ = 0;
  }

  std::size_t size_ = 0;
  std::vector<value_type> more_;  // all of them, when they are more than kInline
  alignas(value_type) unsigned char memory_[kInline * sizeof(value_type)];
};

namespace router_detail {

// A template taken apart, with its method.
class Route {
 public:
  Route(std::string method, std::string text);
  const std::string& method() const noexcept { return method_; }
  const std::string& text() const noexcept { return text_; }
  // It is for requests of that method.
  bool takes(std::string_view method) const noexcept {
    return sdk_detail::is_same(method, method_) || takes_head(method);
  }
  // False: it does not fit. True says nothing yet. Paths are without their first slash.
  bool may_fit(std::string_view path) const noexcept {
    return path.size() >= start_.size() &&
           sdk_detail::is_same(path.data(), start_.data(), start_.size());
  }
  // It fits a path which it may fit. If it does, the parameters are appended where `parameters` is
  // not null.
  bool fits(std::string_view path, RouteParameters* parameters) const;
  // It wins over a route that fits the same path.
  bool is_more_literal_than(const Route& other) const noexcept;

 private:
  // From the one that wins to the one that loses.
  enum class Kind : unsigned char { kLiteral, kParameter, kRest };
  struct Segment {
    Kind kind;
    std::string text;  // the literal, or the name of the parameter
  };
  static Segment classify(std::string_view segment);
  // The parameters are appended as they come, also when in the end it does not fit.
  bool walk(std::string_view path, RouteParameters* parameters) const;
  Kind kind_of(std::size_t segment) const noexcept {
    return segment < literals_ ? Kind::kLiteral : segments_[segment - literals_].kind;
  }
  bool takes_head(std::string_view method) const noexcept;

  std::string method_;
  // The literal segments that it starts with and the slashes behind them; how many, and the others.
  std::string start_;
  std::size_t literals_ = 0;
  std::vector<Segment> segments_;
  std::string text_;
};

}  // namespace router_detail

// Handlers of any copyable type. Filled by one thread before it is used; then any thread may find.
template <class Handler>
class Router {
 public:
  // What find() found. Views into the router and the path.
  struct Match {
    const Handler* handler = nullptr;  // null: nothing matched
    std::string_view route;            // the template; also set when only the method did not match
    RouteParameters parameters;
    std::vector<std::string_view> allowed;  // methods of the path, when only the method was wrong

    // A route of that path and method is there.
    bool found() const { return handler != nullptr; }
    // Empty when the template has no such parameter.
    std::string_view parameter(std::string_view name) const { return parameters.find(name); }
  };

  // `route` is a template: literal segments, "{name}" for one segment that is not empty, and as
  // the last one "{name...}" for all that follows. Literal segments win over parameters, whatever
  // the order of the calls; among equals the first that was added wins.
  void add(std::string method, std::string route, Handler handler) {
    entries_.push_back({{std::move(method), std::move(route)}, std::move(handler)});
  }

  // `path` without query. HEAD finds GET's handler when it has none of its own.
  Match find(std::string_view method, std::string_view path) const {
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    Match match;
    const Entry* best = nullptr;
    for (const Entry& entry : entries_) {
      if (!entry.route.may_fit(path)) continue;
      if (!entry.route.takes(method)) [[unlikely]] {
        note_other_method(entry.route, path, match);
        continue;
      }
      if (best != nullptr) [[unlikely]] {
        if (!entry.route.is_more_literal_than(best->route) || !entry.route.fits(path, nullptr)) {
          continue;
        }
        match.parameters = {};
      }
      if (entry.route.fits(path, &match.parameters)) best = &entry;
    }
    if (best != nullptr) {
      match.handler = &best->handler;
      match.route = best->route.text();
      if (!match.allowed.empty()) match.allowed.clear();
    }
    return match;
  }

 private:
  struct Entry {
    router_detail::Route route;
    Handler handler;
  };

  [[gnu::noinline, gnu::cold]] static void note_other_method(const router_detail::Route& route,
                                                             std::string_view path, Match& match) {
    if (!route.fits(path, nullptr)) return;
    match.allowed.push_back(route.method());
    if (match.route.empty()) match.route = route.text();
  }

  std::vector<Entry> entries_;
};

}  // namespace weft::inline v1::http
