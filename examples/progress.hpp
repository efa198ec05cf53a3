// Progress on stderr for the examples: a bar with the time left on a terminal, a line every 10 % in a log.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace octavo::example {

/// Shows how far a loop of known length is. Used by one thread.
class progress {
 public:
  /// `label` says what is being done, `total` how many steps that takes (at least 1).
  progress(std::string label, int total) : label_(std::move(label)), total_(std::max(total, 1)) { show(); }

  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// Ends the bar's line where the loop was left early.
  ~progress() {
    if (on_terminal_ && done_ < total_) std::fputc('\n', stderr);
  }

  /// Counts `n` more steps and draws when there is something new to see.
  void advance(int n = 1) {
    done_ = std::min(done_ + n, total_);
    show();
  }

 private:
  using clock = std::chrono::steady_clock;

  static bool is_terminal() {
#if defined(_WIN32)
    return _isatty(_fileno(stderr)) != 0;
#else
    return isatty(STDERR_FILENO) != 0;
#endif
  }

  void show() {
    const bool last = done_ == total_;
    const int percent = static_cast<int>(100LL * done_ / total_);
    const clock::time_point now = clock::now();
    if (on_terminal_) {
      // 10 times a second is as often as anybody can read.
      if (!last && done_ > 0 && now - shown_ < std::chrono::milliseconds(100)) return;
      shown_ = now;
      draw_bar(percent, last ? -1 : seconds_left(now));
      if (last) std::fputc('\n', stderr);
    } else if (percent / 10 > tenth_shown_) {
      tenth_shown_ = percent / 10;
      std::fprintf(stderr, "%s: %d of %d (%d %%)\n", label_.c_str(), done_, total_, percent);
    }
  }

  // -1 while nothing is done yet.
  long long seconds_left(clock::time_point now) const {
    if (done_ == 0) return -1;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    return std::llround(elapsed / done_ * (total_ - done_));
  }

  void draw_bar(int percent, long long seconds) const {
    constexpr int width = 30;
    const auto full = static_cast<std::size_t>(percent * width / 100);
    const std::string bar = std::string(full, '#') + std::string(width - full, '.');
    std::fprintf(stderr, "\r%s [%s] %3d %%  %d of %d", label_.c_str(), bar.c_str(), percent, done_, total_);
    if (seconds >= 0) std::fprintf(stderr, "  %lld:%02lld left", seconds / 60, seconds % 60);
    std::fputs("\x1b[K", stderr);  // removes what a longer line left
    std::fflush(stderr);
  }

  std::string label_;
  int total_;
  int done_ = 0;
  int tenth_shown_ = 0;
  bool on_terminal_ = is_terminal();
  clock::time_point start_ = clock::now();
  clock::time_point shown_ = start_;
};

}  // namespace octavo::example
