// What each thread found last: cells by their instrument and their attributes just as they were
// given. A program asks for the same few sets again and again, and putting a set into its one form
// and looking that up under a lock costs several times what it takes to recognise it here.
//
// Entries never go stale, since instruments and their cells are never freed. A thread's table lies
// on the heap: storage of threads is scarce in a library that is loaded at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <weft/attribute.h>

#include "../small_copy.h"
#include "../thread_state.h"

namespace weft::sdk_detail {

struct InstrumentState;
struct MetricCell;

class CellCache {
 public:
  // Attributes as given, as bytes: equal only for equal keys and values in the same order.
  class Key {
   public:
    explicit Key(Attributes attributes) noexcept {
      char* p = bytes_;
      for (const Attribute& a : attributes) {
        const std::size_t room = static_cast<std::size_t>(bytes_ + kBytes - p);
        // Sizes go into one byte each.
        const std::size_t text =
            a.value.type() == AttributeValue::Type::kString ? a.value.size() : 0;
        if (a.key.size() > 255 || text > 255 || room < a.key.size() + text + kOverhead) return;
        *p++ = static_cast<char>(a.key.size());
        copy_and_check(p, a.key.data(), a.key.size());
        p += a.key.size();
        *p++ = static_cast<char>(a.value.type());
        switch (a.value.type()) {
          case AttributeValue::Type::kString:
            *p++ = static_cast<char>(text);
            copy_and_check(p, a.value.string().data(), text);
            p += text;
            break;
          case AttributeValue::Type::kInt:
            p = put(p, a.value.integer());
            break;
          case AttributeValue::Type::kDouble:
            p = put(p, a.value.floating());
            break;
          case AttributeValue::Type::kBool:
            *p++ = a.value.boolean() ? 1 : 0;
            break;
          default:
            return;
        }
      }
      // Whole words of the text are hashed.
      std::memset(p, 0, 8);
      size_ = static_cast<std::size_t>(p - bytes_);
      usable_ = true;
    }
    // False when the set is too long or has arrays, and then is not kept.
    bool usable() const noexcept { return usable_; }

   private:
    friend class CellCache;
    static constexpr std::size_t kBytes = 240;
    // Two sizes, a type, a number, and the word of zeros after the end.
    static constexpr std::size_t kOverhead = 3 + 8 + 8;
    template <class Number>
    static char* put(char* p, Number value) noexcept {
      std::memcpy(p, &value, sizeof(value));
      return p + sizeof(value);
    }
    std::size_t hash(const InstrumentState* state) const noexcept {
      std::uint64_t h = reinterpret_cast<std::uintptr_t>(state);
      for (std::size_t i = 0; i < size_; i += 8) {
        h = (h ^ load_word<std::uint64_t>(bytes_ + i)) * 0x9E3779B97F4A7C15;
        h ^= h >> 32;
      }
      return static_cast<std::size_t>(h);
    }
    char bytes_[kBytes];
    std::size_t size_ = 0;
    bool usable_ = false;
  };

  // The cell that is kept for the set, or null.
  static MetricCell* find(const InstrumentState* state, const Key& key) noexcept {
    const auto* entries = static_cast<const Entry*>(thread_state.cell_cache);
    if (entries == nullptr) return nullptr;
    const Entry& entry = entries[key.hash(state) % kEntries];
    return entry.state == state && entry.size == key.size_ &&
                   std::memcmp(entry.bytes, key.bytes_, key.size_) == 0
               ? entry.cell
               : nullptr;
  }
  static void keep(const InstrumentState* state, const Key& key, MetricCell* cell) noexcept {
    if (thread_state.cell_cache == nullptr) {
      make_live();
      if (thread_state.phase != ThreadPhase::kLive) return;  // nobody would free it
      thread_state.cell_cache = std::calloc(kEntries, sizeof(Entry));
      if (thread_state.cell_cache == nullptr) return;
    }
    Entry& entry = static_cast<Entry*>(thread_state.cell_cache)[key.hash(state) % kEntries];
    entry.state = state;
    entry.cell = cell;
    entry.size = key.size_;
    std::memcpy(entry.bytes, key.bytes_, key.size_);
  }

 private:
  static constexpr std::size_t kEntries = 16;
  struct Entry {  // all zero: empty
    const InstrumentState* state;
    MetricCell* cell;
    std::size_t size;
    char bytes[Key::kBytes];
  };
};

}  // namespace weft::sdk_detail
