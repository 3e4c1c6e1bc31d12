// What an exception says of itself, for exception.type, exception.message and error.type.
#pragma once

#include <string>

namespace weft::sdk_detail {

// The name of a type as its programmer wrote it.
std::string demangle(const char* name);

struct ExceptionText {
  std::string type;
  std::string message;  // empty unless it is a std::exception
};

// Of the exception being handled; the type is empty when there is none.
ExceptionText current_exception_text();

// In a catch block that means to end an exception: throws it once more when that must not be, since
// it only unwinds the stack of a thread or a stackful coroutine that is being cancelled.
void let_forced_unwinding_go_on();

}  // namespace weft::sdk_detail
