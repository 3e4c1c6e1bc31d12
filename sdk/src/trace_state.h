// The shared text behind TraceState.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <weft/span_context.h>

namespace weft::sdk_detail {

// The header's text follows the struct.
struct TraceStateRep {
  std::atomic<std::uint32_t> refs{1};
  std::uint32_t size = 0;
};

inline std::string_view trace_state_text(const TraceStateRep* rep) noexcept {
  return {reinterpret_cast<const char*>(rep + 1), rep->size};
}

// Whether the text is a valid tracestate, and empty members, blanks or repeated keys need not be
// taken out.
enum class TraceStateCheck : std::uint8_t { kInvalid, kValid, kNeedsTidying };
TraceStateCheck check_trace_state(std::string_view text) noexcept;

}  // namespace weft::sdk_detail
