// What all spans of one operation have in common: a name and attributes, encoded once, so that a
// span starts by copying them. And attributes whose keys are known when the library is compiled,
// written into a record that has none of them yet. For the library's own instrumentations, whose
// every span has a dozen attributes of which most never change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/attribute.h>
#include <weft/span.h>
#include <weft/tracer.h>

#include "record.h"
#include "signature.h"
#include "small_copy.h"

namespace weft::sdk_detail {

// What is known of an AttributeBlock beside its bytes.
struct BlockSummary {
  static constexpr std::size_t kMost = 8;
  std::uint32_t count = 0;
  std::uint32_t longest_value = 0;  // of the strings
  std::uint64_t key_filter = 0;
  std::uint32_t signatures[kMost] = {};
};
// The fields of a Span message. Empty when there are more than kMost attributes, or something in
// them is not ASCII.
std::string encode_block(std::string_view name, Attributes attributes, BlockSummary& summary);

// Attributes that many spans have in common, encoded once, with or without a name. Immutable once
// made; any thread may use it. No key twice. Everything lies in the object itself, in at most kRoom
// bytes, so that what is not in the processor's cache is there after one wait.
template <std::size_t kRoom>
class AttributeBlock {
 public:
  // `name` empty: the attributes alone.
  AttributeBlock(std::string_view name, Attributes attributes) {
    const std::string encoded = encode_block(name, attributes, summary_);
    if (encoded.size() > kRoom) return;
    size_ = static_cast<std::uint32_t>(encoded.size());
    std::memcpy(encoded_, encoded.data(), encoded.size());
  }
  // False when they have to be set one by one: something in them is long or not ASCII.
  bool usable() const noexcept { return size_ != 0; }
  // Appends them to a record that has none of the keys (and, where there is a name, nothing at all)
  // and that nobody else may reach yet. False, and nothing has happened, when a limit or the room
  // does not allow it.
  bool put(Record* record) const noexcept {
    if (size_ == 0 || size_ + (kStep - 1) > record->capacity - record->size ||
        record->attribute_count + summary_.count > record->short_attribute_limit ||
        summary_.longest_value > record->short_value_limit) [[unlikely]] {
      return false;
    }
    copy(record->data + record->size);
    record->size += size_;
    // All that there may be, so that the compiler knows how many: the rest is not looked at.
    static_assert(BlockSummary::kMost <= Record::kSpareSignatures);
    std::memcpy(record->signatures + record->attribute_count, summary_.signatures,
                sizeof(summary_.signatures));
    record->attribute_count += summary_.count;
    record->key_filter |= summary_.key_filter;
    return true;
  }

 private:
  // Short blocks are copied in steps, where a call of memcpy would cost more: up to kStep - 1 bytes
  // more than there are.
  static constexpr std::uint32_t kStep = kRoom <= 256 ? 32 : 1;
  static_assert(kRoom % kStep == 0);
  void copy(char* to) const noexcept {
    if constexpr (kStep == 1) {
      std::memcpy(to, encoded_, size_);
    } else {
      for (std::uint32_t at = 0; at < size_; at += kStep)
        std::memcpy(to + at, encoded_ + at, kStep);
    }
  }
  BlockSummary summary_;
  std::uint32_t size_ = 0;  // 0: not usable
  char encoded_[kRoom] = {};
};

// The beginning of the spans of one operation. Immutable once made; any thread may start spans from
// it. Attributes are strings, no key twice.
class SpanTemplate {
 public:
  SpanTemplate(std::string name, std::vector<std::pair<std::string, std::string>> attributes)
      : SpanTemplate(std::move(name), std::move(attributes), {}) {}
  // With `more` attributes of any type, which samplers do not see. A span has all of them or, when
  // a limit does not allow for them, none.
  SpanTemplate(std::string name, std::vector<std::pair<std::string, std::string>> attributes,
               Attributes more);
  const std::string& name() const noexcept { return name_; }
  const std::vector<std::pair<std::string, std::string>>& attributes() const noexcept {
    return attributes_;
  }

  // False when every span goes the long way.
  bool usable() const noexcept { return block_.usable(); }

  // Writes name and attributes into a fresh record.
  void put(Record* record) const noexcept {
    if (!block_.put(record)) [[unlikely]]
      return put_slowly(record);
    record->name_bytes = name_bytes_;
  }

 private:
  // Room for a name and four texts of the longest kind with their keys.
  using Block = AttributeBlock<640>;
  static Block make_block(const std::string& name,
                          const std::vector<std::pair<std::string, std::string>>& attributes,
                          Attributes more);
  [[gnu::cold]] void put_slowly(Record* record) const noexcept;

  std::string name_;
  std::vector<std::pair<std::string, std::string>> attributes_;
  std::uint32_t name_bytes_ = 0;  // of the name's field
  Block block_;
};

// Starts a span from a template. A sampler may look at one more attribute, which the caller sets.
Span start_span(const Tracer& tracer, const SpanTemplate& span_template, SpanKind kind,
                const Context& parent, const Attribute& sampled_by) noexcept;

// A key as a template argument.
template <std::size_t N>
struct KeyText {
  char text[N];
  consteval KeyText(const char (&literal)[N]) {  // NOLINT(google-explicit-constructor)
    for (std::size_t i = 0; i < N; ++i)
      text[i] = literal[i];
  }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

// Writes attributes that are known not to be set yet, into a record that nobody else may reach
// yet. What is long, not ASCII or beyond a limit goes the general way.
class FreshAttributes {
 public:
  explicit FreshAttributes(Record* record) noexcept : r_(record) {}

  template <KeyText kKey>
  void text(std::string_view value) noexcept {
    constexpr std::string_view key = kKey.view();
    if (!has_room(key.size() + value.size()) || value.size() > r_->short_value_limit) [[unlikely]] {
      return text_slowly(key, value);
    }
    char* p = r_->data + r_->size;
    const std::uint64_t seen = copy_and_check(p + key.size() + 8, value.data(), value.size());
    if ((seen & kHighBits) != 0) [[unlikely]]
      return text_slowly(key, value);
    p[key.size() + 6] = static_cast<char>(len_tag(1));
    p[key.size() + 7] = static_cast<char>(value.size());
    commit<kKey>(p, value.size() + 2);
  }

  template <KeyText kKey>
  void number(std::int64_t value) noexcept {
    if (!try_number<kKey>(value)) [[unlikely]]
      set_int(r_, kKey.view(), value);
  }
  // False, and nothing has happened, when it has to go the general way.
  template <KeyText kKey>
  bool try_number(std::int64_t value) noexcept {
    constexpr std::string_view key = kKey.view();
    if (!has_room(key.size())) [[unlikely]]
      return false;
    char* p = r_->data + r_->size;
    char* any = p + key.size() + 6;
    any[0] = static_cast<char>(varint_tag(3));
    const char* end = put_varint(any + 1, static_cast<std::uint64_t>(value));
    commit<kKey>(p, static_cast<std::size_t>(end - any));
    return true;
  }

 private:
  // Around key and value: tags and lengths, or the longest number.
  static constexpr std::size_t kAround = 20;
  bool has_room(std::size_t bytes) const noexcept {
    return r_->capacity - r_->size >= bytes + kAround &&
           r_->attribute_count < r_->short_attribute_limit;
  }
  [[gnu::noinline, gnu::cold]] void text_slowly(std::string_view key,
                                                std::string_view value) noexcept {
    set_string(r_, key, value);
  }
  template <KeyText kKey>
  void commit(char* p, std::size_t any_size) noexcept {
    constexpr std::string_view key = kKey.view();
    static_assert(!key.empty() && key.size() <= 40, "all lengths take one byte");
    constexpr std::uint32_t signature = signature_of(key);
    p[0] = static_cast<char>(kSpanAttributes);
    p[1] = static_cast<char>(key.size() + any_size + 4);
    p[2] = static_cast<char>(len_tag(1));
    p[3] = static_cast<char>(key.size());
    std::memcpy(p + 4, kKey.text, key.size());
    p[4 + key.size()] = static_cast<char>(len_tag(2));
    p[5 + key.size()] = static_cast<char>(any_size);
    r_->size += static_cast<std::uint32_t>(key.size() + any_size + 6);
    r_->signatures[r_->attribute_count++] = signature;
    r_->key_filter |= filter_bit(signature);
  }

  Record* r_;
};

}  // namespace weft::sdk_detail
