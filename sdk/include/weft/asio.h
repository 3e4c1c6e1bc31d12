// Keeping a context across the co_awaits of Boost.Asio's coroutines, and over its call-backs: an
// executor that puts the context of one request onto the thread for as long as a piece of that
// request runs there. The component weft::asio; needs Boost 1.81 or later.
//
//   boost::asio::co_spawn(weft::with_context(socket.get_executor(), context),
//                         serve(std::move(socket)), boost::asio::detached);
//
// Inside the coroutine everything works as in plain code: a Scope may live across co_await, and
// current_span() finds the span on whichever thread the coroutine goes on. Threads of the pool
// keep nothing of it.
//
// The pieces of one request run one after the other, on whichever threads (the executor is a
// strand): a piece that is due while the thread of the one before has not yet come to its end
// waits for that. Branches of a request that take turns, as with `co_await (a() && b())`, share
// its context; to give a branch one of its own, spawn it on an executor of its own:
// co_spawn(weft::with_context(co_await boost::asio::this_coro::executor), b(), ...).
#pragma once

#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>

#include <weft/context.h>

namespace weft {

namespace sdk_detail {

// The ambient context of one chain of work while it is not running. Only touched by handlers of the
// chain's strand.
struct AsioContext {
  explicit AsioContext(Context given) : current(std::move(given)) {}
  Context current;
};

// Puts the context on for the length of one handler.
class AsioRun {
 public:
  explicit AsioRun(AsioContext& state) : state_(state), before_(ambient_chain) {
    if (before_ == &state) return;  // dispatched from within: it is on already
    ambient_chain = &state;
    swap_ambient(state_.current);
  }
  AsioRun(const AsioRun&) = delete;
  AsioRun& operator=(const AsioRun&) = delete;
  ~AsioRun() {
    if (before_ == &state_) return;
    swap_ambient(state_.current);
    ambient_chain = before_;
  }

 private:
  AsioContext& state_;
  const void* const before_;
};

}  // namespace sdk_detail

inline namespace v1 {

// An executor around a strand. Copies share the context.
template <class Inner>
class ContextExecutor {
 public:
  // Use with_context(). `state` is shared by everything that runs on copies of the executor.
  ContextExecutor(Inner inner, std::shared_ptr<sdk_detail::AsioContext> state) noexcept
      : inner_(std::move(inner)), state_(std::move(state)) {}

  // Runs the function on the executor inside, with the context on for that long.
  template <class F>
  void execute(F&& function) const {
    inner_.execute([state = state_, function = std::forward<F>(function)]() mutable {
      const sdk_detail::AsioRun run(*state);
      std::move(function)();
    });
  }

  friend bool operator==(const ContextExecutor& a, const ContextExecutor& b) noexcept {
    return a.inner_ == b.inner_ && a.state_ == b.state_;
  }
  friend bool operator!=(const ContextExecutor& a, const ContextExecutor& b) noexcept {
    return !(a == b);
  }

  // Asio's properties are those of the executor inside.
  template <class Property>
    requires boost::asio::can_query_v<const Inner&, Property>
  decltype(auto) query(const Property& property) const {
    return boost::asio::query(inner_, property);
  }
  template <class Property>
    requires boost::asio::can_require_v<const Inner&, Property>
  auto require(const Property& property) const {
    auto required = boost::asio::require(inner_, property);
    return ContextExecutor<decltype(required)>(std::move(required), state_);
  }
  template <class Property>
    requires(boost::asio::can_prefer_v<const Inner&, Property> &&
             !boost::asio::can_require_v<const Inner&, Property>)
  auto prefer(const Property& property) const {
    auto preferred = boost::asio::prefer(inner_, property);
    return ContextExecutor<decltype(preferred)>(std::move(preferred), state_);
  }

  // The executor inside, which knows no context.
  const Inner& inner() const noexcept { return inner_; }

 private:
  Inner inner_;
  std::shared_ptr<sdk_detail::AsioContext> state_;
};

// The executor for one request: work on it starts with the given context, by default the ambient
// one.
template <class Executor>
ContextExecutor<boost::asio::strand<Executor>> with_context(const Executor& executor,
                                                            Context context = Context::current()) {
  return {boost::asio::strand<Executor>(executor),
          std::make_shared<sdk_detail::AsioContext>(std::move(context))};
}

}  // namespace v1
}  // namespace weft
