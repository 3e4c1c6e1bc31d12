// Random numbers for tests: printed, and played again with WEFT_TEST_SEED.
#pragma once

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace sdk_test {

inline std::mt19937_64 make_random() {
  const char* given = std::getenv("WEFT_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "WEFT_TEST_SEED=" << seed << "\n";
  return std::mt19937_64(seed);
}

}  // namespace sdk_test
