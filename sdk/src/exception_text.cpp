#include "exception_text.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <string_view>
#include <typeinfo>

namespace weft::sdk_detail {

std::string demangle(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string out = status == 0 && text != nullptr ? text : name;
  std::free(text);
  return out;
}

ExceptionText current_exception_text() {
  const std::exception_ptr current = std::current_exception();
  if (current == nullptr) return {};
  try {
    std::rethrow_exception(current);
  } catch (const std::exception& e) {
    return {demangle(typeid(e).name()), e.what()};
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return {type == nullptr ? "unknown" : demangle(type->name()), {}};
  }
}

// There is no object behind the reference to abi::__forced_unwind, which UBSan minds.
__attribute__((no_sanitize("undefined"))) void let_forced_unwinding_go_on() {
  try {
    throw;
  } catch (const std::exception&) {
    return;
#ifdef __GLIBCXX__
  } catch (const abi::__forced_unwind&) {  // pthread_cancel
    throw;
#endif
  } catch (...) {
    // Those of Boost.Context and Boost.Coroutine, which are not to be included here.
    const std::type_info* type = abi::__cxa_current_exception_type();
    const std::string_view name = type == nullptr ? std::string_view() : type->name();
    if (name.find("forced_unwind") != std::string_view::npos) throw;
  }
}

}  // namespace weft::sdk_detail
