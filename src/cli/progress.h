// A progress line on stderr for long commands: redrawn in place on a terminal, silent otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace weft::cli {

struct ProgressState {
  uint64_t done = 0;   // of `total`, in any unit
  uint64_t total = 0;  // 0: not known
  uint64_t items = 0;  // what the rate is of
  const char* item = "spans";
  uint64_t elapsed_ns = 0;
  uint64_t items_before = 0;  // items of an earlier run, not of this run's rate
};

// "[=====>    ]  52%  1,234,567 spans  412,000/s  3 s left", at most `width` columns.
std::string format_progress(const ProgressState& state, size_t width);

class ProgressBar {
 public:
  // Draws on `fd` when it is a terminal and `enabled`.
  ProgressBar(int fd, bool enabled, const Clock& clock);
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Redraws at most ten times a second. state.elapsed_ns is filled in.
  void update(ProgressState state);
  // Clears the line, so that what is printed next stands alone.
  void finish();
  uint64_t elapsed_ns() const { return clock_.steady_ns() - start_ns_; }

 private:
  int fd_;
  bool draws_;
  const Clock& clock_;
  uint64_t start_ns_;
  uint64_t drawn_ns_ = 0;
  bool on_screen_ = false;
};

}  // namespace weft::cli
