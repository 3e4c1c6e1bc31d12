// What the commands know of the terminal: its width, whether it takes colours and UTF-8, and how
// wide a text is drawn. Used by everything of src/cli that prints for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::cli {

// Whether the file descriptor is a terminal.
bool is_terminal(int fd);

// Columns of the terminal behind `fd`: the COLUMNS variable, else the terminal's own word, else
// `fallback`. At least 40, at most 500.
size_t terminal_width(int fd, size_t fallback = 100);

// `choice` is "auto", "always" or "never"; auto means a terminal, unless NO_COLOR is set.
bool use_colour(std::string_view choice, int fd);

// Whether the locale says UTF-8 (LC_ALL, LC_CTYPE, LANG in that order); true when none is set.
bool locale_is_utf8();

// Columns that valid UTF-8 without control characters occupies: wide characters count two,
// combining ones none.
size_t display_width(std::string_view text);

// Text of a span made safe to print: control characters (escape sequences could drive the
// terminal) and invalid UTF-8 become U+FFFD, line breaks and tabs a space.
std::string printable(std::string_view text);

// At most `width` columns of printable text; what is cut off is replaced by one "…" at the end.
std::string cut_to_width(std::string_view text, size_t width);

// Cut or filled up with spaces to exactly `width` columns.
std::string fit_to_width(std::string_view text, size_t width);

// "1,234,567".
std::string with_thousands(uint64_t number);

// "1 span", "1,234 spans".
std::string plural(uint64_t count, std::string_view one, std::string_view many);

// "0 ns", "340 ns", "12.3 µs", "4.56 ms", "1.23 s", "2 m 03 s", "1 h 02 m".
std::string format_duration_ns(uint64_t duration_ns);

// "417 B", "12.3 kB", "4.5 MB", "1.2 GB" (powers of ten).
std::string format_bytes(uint64_t bytes);

// "2023-11-14 22:13:20.000 UTC"; years beyond 9999 as nanoseconds.
std::string format_time_ns(uint64_t time_ns);

}  // namespace weft::cli
