// Pinned traces: ids in a small file beside the blocks, replaced as a whole.
#include <algorithm>

#include "base/hash.h"
#include "store/bytes.h"
#include "store/store_impl.h"

namespace weft::store {
namespace {

constexpr std::string_view kPinsName = "pins";
constexpr std::string_view kPinsHead = "WEFTPIN1";
constexpr size_t kMaxPins = 1'000'000;

}  // namespace

// "WEFTPIN1", the ids, XXH3-64 of all before.
Status Store::Impl::load_pins() {
  auto bytes = read_file(fs, path(std::string(kPinsName)));
  if (!bytes) {
    if (bytes.error().code == ErrorCode::kNotFound) return {};
    return std::unexpected(bytes.error());
  }
  ByteReader in(*bytes);
  const bool head = in.bytes(kPinsHead.size()) == kPinsHead;
  const size_t count = in.remaining() < 8 ? 0 : (in.remaining() - 8) / sizeof(TraceId);
  std::vector<TraceId> ids(count);
  const std::string_view raw = in.bytes(count * sizeof(TraceId));
  if (count > 0 && in.ok()) std::memcpy(ids.data(), raw.data(), raw.size());
  const auto hash = in.fixed<uint64_t>();
  if (!head || !in.ok() || in.remaining() > 0 ||
      hash != hash_bytes(std::string_view(*bytes).substr(0, bytes->size() - 8))) {
    report({path(std::string(kPinsName)), 0,
            "the list of pinned traces is damaged; traces pinned so far may be dropped by "
            "retention"});
    return {};
  }
  pins.insert(ids.begin(), ids.end());
  return {};
}

Status Store::Impl::add_pins(std::span<const TraceId> ids) {
  const std::lock_guard guard(pins_mutex);
  auto all = pins;
  all.insert(ids.begin(), ids.end());
  if (all.size() > kMaxPins) {
    return fail(ErrorCode::kResourceExhausted,
                "more than " + std::to_string(kMaxPins) + " traces are pinned");
  }
  if (all.size() == pins.size()) return {};
  std::vector<TraceId> sorted(all.begin(), all.end());
  std::ranges::sort(sorted);
  std::string bytes(kPinsHead);
  bytes.append(reinterpret_cast<const char*>(sorted.data()), sorted.size() * sizeof(TraceId));
  put_fixed(bytes, hash_bytes(bytes));
  WEFT_TRY(write_file_atomically(fs, options.dir, std::string(kPinsName), bytes));
  pins = std::move(all);
  return {};
}

std::vector<TraceId> Store::Impl::pinned_ids() const {
  const std::lock_guard guard(pins_mutex);
  std::vector<TraceId> ids(pins.begin(), pins.end());
  std::ranges::sort(ids);
  return ids;
}

}  // namespace weft::store
