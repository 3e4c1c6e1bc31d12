// Keeping a context across the suspension of any C++20 coroutine. For Asio's awaitables use the
// executor of <weft/asio.h>, which also cleans the thread that a coroutine leaves.
//
//   auto reply = co_await weft::keep_context(client.fetch(url));
#pragma once

#include <coroutine>
#include <utility>

#include <weft/context.h>

namespace weft::inline v1 {

// An awaiter around another: the ambient context at the time of co_await is taken off the thread
// when the coroutine is suspended and put on the thread that resumes it.
template <class Awaiter>
class ContextKeepingAwaiter {
 public:
  // Use keep_context().
  explicit ContextKeepingAwaiter(Awaiter&& inner) : inner_(std::forward<Awaiter>(inner)) {}

  bool await_ready() { return inner_.await_ready(); }

  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> handle) {
    // Taken off before the inner awaiter starts: it may resume us on another thread at once.
    context_ = Context();
    swap_ambient(context_);
    suspended_ = true;
    try {
      // Where it answers false, "not suspended", await_resume on this thread puts the context back.
      return inner_.await_suspend(handle);
    } catch (...) {
      // Nor is it suspended here; await_resume is not called.
      suspended_ = false;
      swap_ambient(context_);
      throw;
    }
  }

  decltype(auto) await_resume() {
    if (suspended_) {
      suspended_ = false;
      swap_ambient(context_);
    }
    return inner_.await_resume();
  }

 private:
  Awaiter inner_;
  Context context_;
  bool suspended_ = false;
};

namespace coroutine_detail {
template <class T>
decltype(auto) get_awaiter(T&& awaitable) {
  if constexpr (requires { std::forward<T>(awaitable).operator co_await(); }) {
    return std::forward<T>(awaitable).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<T>(awaitable)); }) {
    return operator co_await(std::forward<T>(awaitable));
  } else {
    return std::forward<T>(awaitable);
  }
}
}  // namespace coroutine_detail

// co_await keep_context(awaitable): as co_await awaitable, and the ambient context is the same
// after it, on whichever thread the coroutine goes on. Takes the awaitable over.
template <class Awaitable>
auto keep_context(Awaitable&& awaitable) {
  using Awaiter = decltype(coroutine_detail::get_awaiter(std::forward<Awaitable>(awaitable)));
  return ContextKeepingAwaiter<Awaiter>(
      coroutine_detail::get_awaiter(std::forward<Awaitable>(awaitable)));
}

}  // namespace weft::inline v1
