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
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <weft/context.h>

namespace weft {

namespace sdk_detail {

// The ambient context of one chain of work while it is not running, and where it is running.
struct AsioContext {
  explicit AsioContext(Context given) : initial(given), current(std::move(given)) {}
  const Context initial;
  Context current;
  std::atomic<const void*> thread{nullptr};
};

// Puts the context on for the length of one handler.
class AsioRun {
 public:
  explicit AsioRun(AsioContext& state) : state_(&state), side_(state.initial) {
    const void* me = &ambient_context;
    const void* nobody = nullptr;
    if (state.thread.load(std::memory_order_relaxed) == me) {
      mode_ = Mode::kNested;  // dispatched from within: it is on already
    } else if (state.thread.compare_exchange_strong(nobody, me, std::memory_order_acquire)) {
      mode_ = Mode::kMain;
      swap_ambient(state.current);
    } else {
      mode_ = Mode::kSide;  // a parallel branch: starts from what the chain started from
      swap_ambient(side_);
    }
  }
  AsioRun(const AsioRun&) = delete;
  AsioRun& operator=(const AsioRun&) = delete;
  ~AsioRun() {
    if (mode_ == Mode::kMain) {
      swap_ambient(state_->current);
      state_->thread.store(nullptr, std::memory_order_release);
    } else if (mode_ == Mode::kSide) {
      swap_ambient(side_);
    }
  }

 private:
  enum class Mode : std::uint8_t { kNested, kMain, kSide };
  AsioContext* state_;
  Context side_;
  Mode mode_;
};

}  // namespace sdk_detail

inline namespace v1 {

// An executor around another one. Copies share the context.
template <class Inner>
class ContextExecutor {
 public:
  ContextExecutor(Inner inner, std::shared_ptr<sdk_detail::AsioContext> state) noexcept
      : inner_(std::move(inner)), state_(std::move(state)) {}

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

  const Inner& inner() const noexcept { return inner_; }

 private:
  Inner inner_;
  std::shared_ptr<sdk_detail::AsioContext> state_;
};

// The executor for one request: work on it starts with the given context, by default the ambient
// one.
template <class Executor>
ContextExecutor<Executor> with_context(const Executor& executor,
                                       Context context = Context::current()) {
  return {executor, std::make_shared<sdk_detail::AsioContext>(std::move(context))};
}

}  // namespace v1
}  // namespace weft
