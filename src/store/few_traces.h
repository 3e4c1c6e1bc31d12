// Says of each of very many trace ids whether it is one of a few. Most are not, and that has to be
// quick: for the views of unsealed spans, and for questions about given traces.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "model/id_hash.h"

namespace weft::store {

class FewTraces {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The ids must outlive this. Of equal ones the first is found.
  explicit FewTraces(std::span<const TraceId> ids)
      : ids_(ids), slots_(std::bit_ceil(ids.size() * 8 + 8), kNone), mask_(slots_.size() - 1) {
    for (uint32_t i = 0; i < ids.size(); ++i) {
      size_t slot = slot_hash(ids[i]) & mask_;
      while (slots_[slot] != kNone)
        slot = (slot + 1) & mask_;
      slots_[slot] = i;
    }
  }

  // The index of the id, or kNone.
  uint32_t find(const TraceId& id) const {
    for (size_t slot = slot_hash(id) & mask_;; slot = (slot + 1) & mask_) {
      if (slots_[slot] == kNone || ids_[slots_[slot]] == id) return slots_[slot];
    }
  }

 private:
  std::span<const TraceId> ids_;
  std::vector<uint32_t> slots_;  // indices; mostly free
  size_t mask_;
};

}  // namespace weft::store
