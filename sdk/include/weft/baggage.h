// Baggage: key=value pairs that travel with a request through every service (W3C Baggage), for
// instance the kind of customer. An immutable value that shares its storage; any thread may read
// it. Whoever sets baggage decides what leaves the process: put no secrets into it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <weft/context.h>

namespace weft::inline v1 {

// The pairs. Copies share them; a changed copy is a new one.
class Baggage {
 public:
  // The W3C's limits; what exceeds them is left out.
  static constexpr std::size_t kMaxMembers = 64;
  static constexpr std::size_t kMaxBytes = 8192;

  constexpr Baggage() noexcept = default;
  Baggage(const Baggage& other) noexcept : rep_(other.rep_) {
    if (rep_ != nullptr) sdk_detail::retain(rep_);
  }
  Baggage(Baggage&& other) noexcept : rep_(other.rep_) { other.rep_ = nullptr; }
  Baggage& operator=(Baggage other) noexcept {
    std::swap(rep_, other.rep_);
    return *this;
  }
  ~Baggage() {
    if (rep_ != nullptr) sdk_detail::release(rep_);
  }

  // Reads a `baggage` header (several joined by commas). Members that break the grammar are left
  // out, the others stay. Values are percent-decoded. Never throws.
  static Baggage parse(std::string_view header) noexcept;
  // The header's text, values percent-encoded, at most kMaxBytes.
  std::string header() const;

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept;
  // The value; empty when there is none. Lives as long as this object.
  std::string_view get(std::string_view key) const noexcept;
  // A copy with the pair set. `metadata` are the W3C properties after the first semicolon, as they
  // stand; they are left out when there is something else than printable ASCII or a comma in them.
  // An invalid key (it must be a token of RFC 7230) or a full baggage gives an unchanged copy.
  Baggage with(std::string_view key, std::string_view value, std::string_view metadata = {}) const;
  Baggage without(std::string_view key) const;

  // Calls visit(key, value, metadata) for each pair in order.
  template <class F>
  void for_each(F&& visit) const {
    for (std::size_t i = 0, n = size(); i < n; ++i) {
      const Pair pair = at(i);
      visit(pair.key, pair.value, pair.metadata);
    }
  }

 private:
  friend class Context;
  struct Pair {
    std::string_view key, value, metadata;
  };
  Pair at(std::size_t index) const noexcept;
  sdk_detail::BaggageRep* rep_ = nullptr;
};

// The ambient baggage of the calling thread.
inline Baggage current_baggage() noexcept {
  return Context::current().baggage();
}

}  // namespace weft::inline v1
