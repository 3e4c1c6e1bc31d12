#include "trace_state.h"

#include <array>
#include <cstdlib>
#include <new>
#include <string>

#include "hex.h"

namespace weft {

namespace sdk_detail {
namespace {

constexpr std::uint8_t kKeyFirst = 1;   // a-z 0-9
constexpr std::uint8_t kKeyRest = 2;    // a-z 0-9 _ - * / @
constexpr std::uint8_t kValueChar = 4;  // printable ASCII but , and =

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (int c = 0x20; c <= 0x7E; ++c) {
    std::uint8_t kind = 0;
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (alphanumeric) kind |= kKeyFirst;
    if (alphanumeric || c == '_' || c == '-' || c == '*' || c == '/' || c == '@') kind |= kKeyRest;
    if (c != ',' && c != '=') kind |= kValueChar;
    classes[static_cast<std::size_t>(c)] = kind;
  }
  return classes;
}
constexpr auto kClasses = make_classes();

std::uint8_t class_of(char c) noexcept {
  return kClasses[static_cast<unsigned char>(c)];
}
bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}

// A key is up to 256 characters and starts with a letter or a digit. Where there is an @, a tenant
// of at most 241 characters comes before it and a system of at most 14 after it (level 1 of the
// recommendation; level 2 lets @ stand anywhere, but nobody makes such keys).
bool is_key(std::string_view key) noexcept {  // of key characters
  if (key.empty() || key.size() > 256 || (class_of(key[0]) & kKeyFirst) == 0) return false;
  const std::size_t at = key.find('@');
  if (at == std::string_view::npos) return true;
  const std::string_view system = key.substr(at + 1);
  return at <= 241 && !system.empty() && system.size() <= 14 &&
         system.find('@') == std::string_view::npos && system[0] >= 'a' && system[0] <= 'z';
}

bool has_key_characters(std::string_view key) noexcept {
  for (const char c : key) {
    if ((class_of(c) & kKeyRest) == 0) return false;
  }
  return true;
}

bool is_value(std::string_view value) noexcept {
  if (value.empty() || value.size() > 256 || value.back() == ' ') return false;
  for (const char c : value) {
    if ((class_of(c) & kValueChar) == 0) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

// Calls visit(key, value) for each member; false when one is malformed or visit says so.
template <class F>
bool for_each_member(std::string_view text, F&& visit) noexcept {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view member = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (member.empty()) continue;  // allowed by the recommendation
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos ||
        !visit(member.substr(0, equals), member.substr(equals + 1))) {
      return false;
    }
  }
  return true;
}

bool has_member(std::string_view text, std::string_view key) noexcept {
  return !for_each_member(text, [&](std::string_view k, std::string_view) { return k != key; });
}

TraceStateRep* make_rep(std::string_view text) noexcept {
  void* memory = std::malloc(sizeof(TraceStateRep) + text.size());
  if (memory == nullptr) return nullptr;
  auto* rep = new (memory) TraceStateRep;
  rep->size = static_cast<std::uint32_t>(text.size());
  std::memcpy(static_cast<void*>(rep + 1), text.data(), text.size());
  return rep;
}

}  // namespace

TraceStateCheck check_trace_state(std::string_view text) noexcept {
  if (text.size() > TraceState::kMaxBytes) return TraceStateCheck::kInvalid;
  struct Key {
    const char* data;
    std::size_t size;
  };
  Key keys[TraceState::kMaxMembers];
  unsigned count = 0;
  bool tidy = true;
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    // Blanks around members and empty members are allowed, and taken out later; so are members
    // whose key there was before.
    if (*p == ',' || is_blank(*p)) {
      tidy = false;
      ++p;
      continue;
    }
    const char* key = p;
    while (p < end && (class_of(*p) & kKeyRest) != 0)
      ++p;
    if (p == end || *p != '=' || count == TraceState::kMaxMembers) return TraceStateCheck::kInvalid;
    const auto key_size = static_cast<std::size_t>(p - key);
    if (!is_key({key, key_size})) return TraceStateCheck::kInvalid;
    for (unsigned i = 0; i < count; ++i) {
      if (keys[i].size == key_size && std::memcmp(keys[i].data, key, key_size) == 0) tidy = false;
    }
    keys[count++] = {key, key_size};
    const char* value = ++p;
    while (p < end && (class_of(*p) & kValueChar) != 0)
      ++p;
    const char* value_end = p;
    // The first tab ends the value; what follows it up to the comma is blank.
    while (p < end && is_blank(*p))
      ++p;
    while (value_end > value && value_end[-1] == ' ')
      --value_end;
    if (p != value_end) tidy = false;
    if (value_end == value || value_end - value > 256) return TraceStateCheck::kInvalid;
    if (p == end) break;
    if (*p != ',') return TraceStateCheck::kInvalid;
    if (++p == end) tidy = false;
  }
  if (count == 0) return TraceStateCheck::kInvalid;
  return tidy ? TraceStateCheck::kValid : TraceStateCheck::kNeedsTidying;
}

void retain(TraceStateRep* rep) noexcept {
  rep->refs.fetch_add(1, std::memory_order_relaxed);
}

void release(TraceStateRep* rep) noexcept {
  // The last holder sees itself alone: no other thread can raise the count then.
  if (rep->refs.load(std::memory_order_acquire) == 1 ||
      rep->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    rep->~TraceStateRep();
    std::free(static_cast<void*>(rep));
  }
}

void to_hex(const std::uint8_t* bytes, unsigned count, char* out) noexcept {
  for (unsigned i = 0; i < count; i += 8)
    write_hex16(bytes + i, out + std::size_t{2} * i);
}

}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::TraceStateCheck;

TraceState TraceState::parse(std::string_view header) noexcept {
  switch (sdk_detail::check_trace_state(header)) {
    case TraceStateCheck::kInvalid:
      return {};
    case TraceStateCheck::kValid:
      return TraceState(sdk_detail::make_rep(header));
    case TraceStateCheck::kNeedsTidying:
      break;
  }
  char tidy[kMaxBytes + 1];
  std::size_t size = 0;
  sdk_detail::for_each_member(header, [&](std::string_view key, std::string_view value) {
    // Unique keys are the sender's duty; who receives the same one twice may take one of them out,
    // and the newest stands in front.
    if (sdk_detail::has_member({tidy, size}, key)) return true;
    if (size != 0) tidy[size++] = ',';
    std::memcpy(tidy + size, key.data(), key.size());
    size += key.size();
    tidy[size++] = '=';
    std::memcpy(tidy + size, value.data(), value.size());
    size += value.size();
    return true;
  });
  return TraceState(sdk_detail::make_rep({tidy, size}));
}

std::string_view TraceState::header() const noexcept {
  return rep_ == nullptr ? std::string_view() : sdk_detail::trace_state_text(rep_);
}

std::string_view TraceState::get(std::string_view key) const noexcept {
  std::string_view found;
  sdk_detail::for_each_member(header(), [&](std::string_view k, std::string_view value) {
    if (k == key) found = value;
    return true;
  });
  return found;
}

TraceState TraceState::with(std::string_view key, std::string_view value) const {
  if (!sdk_detail::has_key_characters(key) || !sdk_detail::is_key(key) ||
      (!value.empty() && !sdk_detail::is_value(value)))
    return *this;
  std::string text;
  unsigned count = 0;
  if (!value.empty()) {
    text.append(key).append("=").append(value);
    ++count;
  }
  sdk_detail::for_each_member(header(), [&](std::string_view k, std::string_view v) {
    if (k == key || count == kMaxMembers || text.size() + k.size() + v.size() + 2 > kMaxBytes) {
      return true;
    }
    if (!text.empty()) text += ',';
    text.append(k).append("=").append(v);
    ++count;
    return true;
  });
  return text.empty() ? TraceState() : TraceState(sdk_detail::make_rep(text));
}

}  // namespace v1
}  // namespace weft
