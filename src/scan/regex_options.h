// How the regular expressions of conditions are read: one way for all that compile them. Private to
// src/scan.
#pragma once

#include <re2/re2.h>

namespace weft {

// A dot matches a line's end as well, as in Tempo and Prometheus: expressions are held against
// whole values, and stack traces and statements have several lines. (?-s) takes it back.
inline re2::RE2::Options regex_options() {
  re2::RE2::Options out(re2::RE2::Quiet);
  out.set_dot_nl(true);
  return out;
}

}  // namespace weft
