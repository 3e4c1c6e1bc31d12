// A small router with route templates: "/users/{id}/orders", "/static/{path...}". What it adds to
// a map of paths is what a trace needs: the template that matched, for http.route and the span's
// name. Used with the Beast component; knows nothing of any server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::inline v1::http {

// Decodes %XX; malformed escapes stay as they are.
std::string decode_path_segment(std::string_view segment);

// The parameters of a route with their decoded values, in the order of the template. Few, so they
// lie in the object itself as long as there are no more than four. The names are views into the
// router.
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
    if (size_ < kInline) {
      new (data() + size_) value_type(name, std::forward<Value>(value));
    } else {
      if (size_ == kInline) {
        more_.reserve(std::size_t{2} * kInline);
        for (std::size_t i = 0; i < kInline; ++i)
          more_.push_back(std::move(data()[i]));
        std::destroy_n(data(), kInline);
      }
      more_.emplace_back(name, std::forward<Value>(value));
    }
    ++size_;
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
  static constexpr std::size_t kInline = 4;
  value_type* data() noexcept { return reinterpret_cast<value_type*>(memory_); }
  const value_type* data() const noexcept { return reinterpret_cast<const value_type*>(memory_); }
  void clear() noexcept {
    if (size_ <= kInline) std::destroy_n(data(), size_);
    more_.clear();
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
    Entry entry{std::move(method), std::move(route), {}, {}, 0, std::move(handler)};
    std::string_view rest = without_slash(entry.route);
    for (bool last = false; !last;) {
      const std::string_view segment = take_segment(rest, last);
      entry.segments.push_back(classify(segment));
      if (entry.segments.back().kind != Kind::kLiteral ||
          entry.literals + 1 != entry.segments.size()) {
        continue;
      }
      ++entry.literals;
      entry.start.append(segment);
      if (!last) entry.start.push_back('/');
    }
    entries_.push_back(std::move(entry));
  }

  // `path` without query. HEAD finds GET's handler when it has none of its own.
  Match find(std::string_view method, std::string_view path) const {
    path = without_slash(path);
    Match match;
    const Entry* best_entry = nullptr;
    Values values[2];
    std::size_t free = 0;  // of the two; the best entry's are in the other
    for (const Entry& entry : entries_) {
      if (!fits(entry, path, values[free])) continue;
      const bool method_fits =
          is(entry.method, method) || (entry.method == "GET" && method == "HEAD");
      if (!method_fits) {
        match.allowed.push_back(entry.method);
        if (match.route.empty()) match.route = entry.route;
        continue;
      }
      if (best_entry == nullptr || is_more_literal(entry, *best_entry)) {
        best_entry = &entry;
        free = 1 - free;
      }
    }
    if (best_entry == nullptr) return match;
    match.allowed.clear();
    match.handler = &best_entry->handler;
    match.route = best_entry->route;
    bind(*best_entry, path, values[1 - free], match.parameters);
    return match;
  }

 private:
  // From the one that wins to the one that loses.
  enum class Kind : unsigned char { kLiteral, kParameter, kRest };
  struct Segment {
    Kind kind;
    std::string text;  // the literal, or the name of the parameter
  };
  struct Entry {
    std::string method;
    std::string route;
    std::vector<Segment> segments;
    // The literal segments that it starts with, and those with the slashes behind them.
    std::string start;
    std::size_t literals;
    Handler handler;
  };

  static Segment classify(std::string_view segment) {
    if (is_rest(segment)) {
      return {Kind::kRest, std::string(segment.substr(1, segment.size() - 5))};
    }
    if (is_parameter(segment)) {
      return {Kind::kParameter, std::string(segment.substr(1, segment.size() - 2))};
    }
    return {Kind::kLiteral, std::string(segment)};
  }

  static bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
  }
  static bool is_rest(std::string_view segment) {
    return is_parameter(segment) && segment.size() > 5 &&
           segment.substr(segment.size() - 4) == "...}";
  }

  static std::string_view without_slash(std::string_view path) {
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    return path;
  }

  // Methods and the starts of routes are short: comparing them here costs less than a call of
  // memcmp.
  static bool is(std::string_view a, std::string_view b) {
    const std::size_t n = a.size();
    if (b.size() != n) return false;
    if (n > 2 * sizeof(std::uint64_t)) return a == b;
    if (n >= sizeof(std::uint64_t)) {
      return word(a, 0) == word(b, 0) &&
             word(a, n - sizeof(std::uint64_t)) == word(b, n - sizeof(std::uint64_t));
    }
    std::size_t i = 0;
    while (i != n && a[i] == b[i])
      ++i;
    return i == n;
  }
  static std::uint64_t word(std::string_view text, std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    return word;
  }

  // Takes what is before the first slash of `rest`, and the slash. `last`: there was none.
  // Segments are short: looking at each character costs less than a call of memchr.
  static std::string_view take_segment(std::string_view& rest, bool& last) {
    const char* const begin = rest.data();
    const char* const end = begin + rest.size();
    const char* at = begin;
    while (at != end && *at != '/')
      ++at;
    last = at == end;
    rest.remove_prefix(static_cast<std::size_t>(at - begin) + (last ? 0 : 1));
    return {begin, static_cast<std::size_t>(at - begin)};
  }

  // The texts of a route's first parameters, as they stand in the path. Not initialised: there is
  // one for each request, and fits() fills it.
  struct Values {
    static constexpr std::size_t kMost = 4;
    struct Text {
      const char* data;
      std::size_t size;
    };
    std::size_t size;  // of all parameters
    Text texts[kMost];
  };

  // Calls visit(segment, text) for each parameter of the route; false when the route does not fit
  // what is left of the path behind its start.
  template <class Visit>
  static bool walk(const Entry& entry, std::string_view rest, Visit&& visit) {
    bool last = false;
    const Segment* const end = entry.segments.data() + entry.segments.size();
    for (const Segment* wanted = entry.segments.data() + entry.literals; wanted != end; ++wanted) {
      if (last) return false;
      if (wanted->kind == Kind::kRest) {
        visit(*wanted, rest);
        return true;
      }
      const std::string_view text = take_segment(rest, last);
      if (wanted->kind == Kind::kLiteral) {
        if (text != wanted->text) return false;
      } else {
        if (text.empty()) return false;
        visit(*wanted, text);
      }
    }
    return last;
  }

  static bool fits(const Entry& entry, std::string_view path, Values& values) {
    values.size = 0;
    if (path.size() < entry.start.size() || !is(entry.start, path.substr(0, entry.start.size()))) {
      return false;
    }
    path.remove_prefix(entry.start.size());
    if (entry.literals == entry.segments.size()) return path.empty();
    return walk(entry, path, [&values](const Segment&, std::string_view text) {
      if (values.size < Values::kMost) values.texts[values.size] = {text.data(), text.size()};
      ++values.size;
    });
  }

  static bool is_more_literal(const Entry& a, const Entry& b) {
    for (std::size_t i = 0; i < a.segments.size() && i < b.segments.size(); ++i) {
      if (a.segments[i].kind != b.segments[i].kind) return a.segments[i].kind < b.segments[i].kind;
    }
    return false;
  }

  static void bind(const Entry& entry, std::string_view path, const Values& values,
                   RouteParameters& parameters) {
    if (values.size > Values::kMost) {  // once more
      walk(entry, path.substr(entry.start.size()),
           [&](const Segment& segment, std::string_view text) { add(segment, text, parameters); });
      return;
    }
    const Segment* segment = entry.segments.data() + entry.literals;
    for (std::size_t i = 0; i < values.size; ++i, ++segment) {
      while (segment->kind == Kind::kLiteral)
        ++segment;
      add(*segment, {values.texts[i].data, values.texts[i].size}, parameters);
    }
  }

  static void add(const Segment& segment, std::string_view text, RouteParameters& parameters) {
    bool escaped = false;
    for (const char c : text)
      escaped |= c == '%';
    if (escaped) {
      parameters.add(segment.text, decode_path_segment(text));
    } else {
      parameters.add(segment.text, text);
    }
  }

  std::vector<Entry> entries_;
};

}  // namespace weft::inline v1::http
