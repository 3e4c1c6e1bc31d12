// The version of the whole project; the same as in CMakeLists.txt, which a test compares.
#pragma once

namespace weft::cli {

inline constexpr const char* kVersion = WEFT_VERSION;

}  // namespace weft::cli
