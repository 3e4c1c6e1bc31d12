#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/terminal.h"

namespace weft::cli {

std::string format_progress(const ProgressState& state, size_t width) {
  const double seconds = std::max(static_cast<double>(state.elapsed_ns) / 1e9, 1e-3);
  const uint64_t fresh = state.items - std::min(state.items, state.items_before);
  std::string text = fmt::format("{} {}", with_thousands(state.items), state.item);
  if (fresh > 0) {
    text += fmt::format(
        "  {}/s", with_thousands(static_cast<uint64_t>(static_cast<double>(fresh) / seconds)));
  }
  if (state.total == 0) return cut_to_width(text, width);
  const double share =
      std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
  if (share > 0.01 && share < 1 && seconds > 1) {
    const double left = seconds * (1 - share) / share;
    text += "  " + format_duration_ns(static_cast<uint64_t>(left) * 1'000'000'000 + 1'000'000'000) +
            " left";
  }
  const size_t used = display_width(text) + 10;
  const size_t cells = std::min<size_t>(width > used ? width - used : 0, 40);
  if (cells < 5) return cut_to_width(fmt::format("{:3.0f}%  {}", share * 100, text), width);
  const auto filled = static_cast<size_t>(share * static_cast<double>(cells));
  std::string bar(filled, '=');
  if (filled < cells) bar += '>';
  bar.resize(cells, ' ');
  return cut_to_width(fmt::format("[{}] {:3.0f}%  {}", bar, share * 100, text), width);
}

ProgressBar::ProgressBar(int fd, bool enabled, const Clock& clock)
    : fd_(fd), draws_(enabled && is_terminal(fd)), clock_(clock), start_ns_(clock.steady_ns()) {}

void ProgressBar::update(ProgressState state) {
  if (!draws_) return;
  const uint64_t now = clock_.steady_ns();
  if (drawn_ns_ != 0 && now - drawn_ns_ < 100'000'000) return;
  drawn_ns_ = now;
  state.elapsed_ns = now - start_ns_;
  const std::string line = "\r\x1b[K" + format_progress(state, terminal_width(fd_) - 1);
  // A terminal that does not take the line only loses a redraw.
  [[maybe_unused]] const ssize_t written = ::write(fd_, line.data(), line.size());
  on_screen_ = true;
}

void ProgressBar::finish() {
  if (!on_screen_) return;
  [[maybe_unused]] const ssize_t written = ::write(fd_, "\r\x1b[K", 4);
  on_screen_ = false;
}

}  // namespace weft::cli
