// How commands print and fail: whole texts to stdout, complaints to stderr, one exit code each.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/exit_code.h"

namespace weft::cli {

// Writes all of it to stdout. kExitOk; kExitFailed when stdout takes no more (a reader that went
// away is not worth a message, a full disk is).
int print(std::string_view text);

// As it is, to stderr.
void print_error_text(std::string_view text);

// "weft <command>: <message>" to stderr; the exit code that fits.
int complain(std::string_view command, const Error& error);

int exit_code_of(const Error& error);

}  // namespace weft::cli
