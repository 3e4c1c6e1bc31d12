#include <weft/baggage.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <vector>

#include <weft/propagation.h>

#include "text.h"

namespace weft {

namespace sdk_detail {

struct BaggageRep {
  struct Entry {
    std::string key, value, metadata;
  };
  std::atomic<std::uint32_t> refs{1};
  std::vector<Entry> entries;
};

void retain(BaggageRep* rep) noexcept {
  rep->refs.fetch_add(1, std::memory_order_relaxed);
}
void release(BaggageRep* rep) noexcept {
  if (rep->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rep;
}

namespace {

bool is_token(std::string_view text) noexcept {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

// baggage-octet of the W3C: printable ASCII but " , ; \ and blank.
bool is_baggage_octet(unsigned char c) noexcept {
  return c > 0x20 && c < 0x7F && c != '"' && c != ',' && c != ';' && c != '\\';
}

// Metadata that stays within its member and its header.
bool is_metadata(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 0x20 && c < 0x7F && c != ','; });
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_baggage_octet(byte) && c != '%') {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[byte >> 4];
      out += "0123456789ABCDEF"[byte & 15];
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  // The W3C: bytes that are no UTF-8 are replaced.
  return is_utf8(out) ? out : repair_utf8(out);
}

}  // namespace sdk_detail

inline namespace v1 {

using sdk_detail::BaggageRep;

Baggage Baggage::parse(std::string_view header) noexcept {
  Baggage out;
  // A header over the limit is cut at the last member that fits.
  if (header.size() > kMaxBytes) {
    const std::size_t comma = header.substr(0, kMaxBytes + 1).rfind(',');
    header = comma == std::string_view::npos ? std::string_view() : header.substr(0, comma);
  }
  try {
    auto rep = std::make_unique<BaggageRep>();
    while (!header.empty() && rep->entries.size() < kMaxMembers) {
      const std::size_t comma = header.find(',');
      std::string_view member = header.substr(0, comma);
      header = comma == std::string_view::npos ? std::string_view() : header.substr(comma + 1);
      const std::size_t semicolon = member.find(';');
      std::string_view metadata;
      if (semicolon != std::string_view::npos) {
        metadata = sdk_detail::trim(member.substr(semicolon + 1));
        member = member.substr(0, semicolon);
      }
      const std::size_t equals = member.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view key = sdk_detail::trim(member.substr(0, equals));
      const std::string_view value = sdk_detail::trim(member.substr(equals + 1));
      const bool clean = std::all_of(value.begin(), value.end(), [](char c) {
        return sdk_detail::is_baggage_octet(static_cast<unsigned char>(c));
      });
      if (!sdk_detail::is_token(key) || !clean) continue;
      BaggageRep::Entry entry{std::string(key), sdk_detail::percent_decode(value),
                              std::string(sdk_detail::is_metadata(metadata) ? metadata : "")};
      // The last of several with one key counts.
      auto same = std::find_if(rep->entries.begin(), rep->entries.end(),
                               [&](const auto& e) { return e.key == entry.key; });
      if (same != rep->entries.end()) {
        *same = std::move(entry);
      } else {
        rep->entries.push_back(std::move(entry));
      }
    }
    if (!rep->entries.empty()) out.rep_ = rep.release();
  } catch (const std::exception&) {
    // Out of memory: as good as absent.
  }
  return out;
}

std::string Baggage::header() const {
  std::string out;
  for_each([&](std::string_view key, std::string_view value, std::string_view metadata) {
    std::string member = std::string(key) + "=" + sdk_detail::percent_encode(value);
    if (!metadata.empty()) member.append(";").append(metadata);
    if (out.size() + member.size() + 1 > kMaxBytes) return;
    if (!out.empty()) out += ',';
    out += member;
  });
  return out;
}

std::size_t Baggage::size() const noexcept {
  return rep_ == nullptr ? 0 : rep_->entries.size();
}

Baggage::Pair Baggage::at(std::size_t index) const noexcept {
  const auto& entry = rep_->entries[index];
  return {entry.key, entry.value, entry.metadata};
}

std::string_view Baggage::get(std::string_view key) const noexcept {
  std::string_view found;
  for_each([&](std::string_view k, std::string_view value, std::string_view) {
    if (k == key) found = value;
  });
  return found;
}

Baggage Baggage::with(std::string_view key, std::string_view value,
                      std::string_view metadata) const {
  if (!sdk_detail::is_token(key)) return *this;
  if (!sdk_detail::is_metadata(metadata)) metadata = {};
  auto rep = std::make_unique<BaggageRep>();
  if (rep_ != nullptr) rep->entries = rep_->entries;
  auto same = std::find_if(rep->entries.begin(), rep->entries.end(),
                           [&](const auto& e) { return e.key == key; });
  if (same != rep->entries.end()) {
    same->value = value;
    same->metadata = metadata;
  } else {
    if (rep->entries.size() >= kMaxMembers) return *this;
    rep->entries.push_back({std::string(key), std::string(value), std::string(metadata)});
  }
  Baggage out;
  out.rep_ = rep.release();
  return out;
}

Baggage Baggage::without(std::string_view key) const {
  if (get(key).data() == nullptr) return *this;
  auto rep = std::make_unique<BaggageRep>();
  for (const auto& entry : rep_->entries) {
    if (entry.key != key) rep->entries.push_back(entry);
  }
  Baggage out;
  if (!rep->entries.empty()) out.rep_ = rep.release();
  return out;
}

}  // namespace v1
}  // namespace weft
