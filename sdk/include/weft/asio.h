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
// The pieces of one request run one after the other, in the order in which they were given, on
// whichever threads, as on a strand: a piece that is due while the thread of the one before has not
// yet come to its end waits for that. Branches of a request that take turns, as with `co_await (a()
// && b())`, share its context; to give a branch one of its own, spawn it on an executor of its own:
// co_spawn(weft::with_context(co_await boost::asio::this_coro::executor), b(), ...).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <weft/context.h>

namespace weft {

namespace sdk_detail {

// Work whose pieces run one after the other, with the context that is ambient in all of them. What
// copies of one ContextExecutor share; the piece whose turn it is has a share too, and the last of
// them deletes it. Not an asio::strand: one around a type-erased executor costs several times as
// much for each piece, most of it for copies of that executor.
template <class Inner>
class AsioChain {
 public:
  // The first share is the caller's, who gives it back with release().
  AsioChain(const Inner& inner, Context context)
      : inner_(inner),
        never_(boost::asio::require(inner, boost::asio::execution::blocking.never)),
        io_(find_io(inner_)),
        current_(std::move(context)) {}
  AsioChain(const AsioChain&) = delete;
  AsioChain& operator=(const AsioChain&) = delete;

  const Inner& inner() const noexcept { return inner_; }

  // Runs the function now when this thread is in the chain already and `may_block`, else when
  // everything before it has run.
  template <class F>
  static void execute(AsioChain* chain, bool may_block, F&& function) {
    if (may_block && ambient_chain == chain) {
      std::forward<F>(function)();
      return;
    }
    if (chain->take_turn()) return start(chain, may_block, std::forward<F>(function));
    auto piece = std::make_unique<PieceOf<std::decay_t<F>>>(std::forward<F>(function));
    if (chain->wait_for_turn(piece.get())) {
      (void)piece.release();
      return;
    }
    start(chain, may_block, [piece = std::move(piece)] { piece->run(); });
  }

  // One more share, for a copy of an executor that has the same kind.
  void retain(bool tracked) noexcept {
    state_.fetch_add(tracked ? kTracked + kShare : kShare, std::memory_order_relaxed);
  }
  // One more, tracked: of an executor that says that there is outstanding work. The first makes the
  // executor inside say so, and the last takes that back.
  void retain_tracked() noexcept {
    std::uint64_t state = state_.load(std::memory_order_relaxed);
    while ((state & kAllTracked) != 0) {
      if (state_.compare_exchange_weak(state, state + kTracked + kShare,
                                       std::memory_order_relaxed)) {
        return;
      }
    }
    const std::lock_guard lock(mutex_);
    if ((state_.load(std::memory_order_relaxed) & kAllTracked) == 0) {
      work_.emplace(boost::asio::prefer(inner_, boost::asio::execution::outstanding_work.tracked));
    }
    retain(true);
  }
  // Gives a share back.
  void release(bool tracked) noexcept {
    if (tracked) {
      std::uint64_t state = state_.load(std::memory_order_relaxed);
      while ((state & kAllTracked) > kTracked) {
        if (state_.compare_exchange_weak(state, state - kTracked - kShare,
                                         std::memory_order_release)) {
          return;
        }
      }
      std::optional<Work> last;
      const std::lock_guard lock(mutex_);
      const std::uint64_t before = state_.fetch_sub(kTracked, std::memory_order_acq_rel);
      if ((before & kAllTracked) == kTracked) work_.swap(last);
    }
    const std::uint64_t before = state_.fetch_sub(kShare, std::memory_order_acq_rel);
    if ((before & kAllShares) == kShare) delete this;
  }

 private:
  using Never = std::decay_t<decltype(boost::asio::require(
      std::declval<const Inner&>(), boost::asio::execution::blocking.never))>;
  using Work = std::decay_t<decltype(boost::asio::prefer(
      std::declval<const Inner&>(), boost::asio::execution::outstanding_work.tracked))>;

  // One that waits for its turn.
  struct Piece {
    virtual ~Piece() = default;
    virtual void run() = 0;
    Piece* next = nullptr;
  };
  template <class F>
  struct PieceOf final : Piece {
    template <class G>
    explicit PieceOf(G&& given) : function(std::forward<G>(given)) {}
    void run() override { std::move(function)(); }
    F function;
  };

  // The turn of one piece: whoever holds it lets the next one come. It is given back when the piece
  // has run, and also when it is destroyed without that, as the executor inside does with what it
  // has left when it ends.
  class Turn {
   public:
    explicit Turn(AsioChain* chain) noexcept : chain_(chain) {}
    Turn(Turn&& other) noexcept : chain_(std::exchange(other.chain_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (chain_ != nullptr) forget_waiting(chain_);
    }
    template <class F>
    void run(F&& function) {
      const Next next{std::exchange(chain_, nullptr)};
      const On on(*next.chain);
      std::decay_t<F> piece(std::forward<F>(function));  // what it owns ends within its turn
      std::move(piece)();
    }

   private:
    struct Next {
      AsioChain* const chain;
      ~Next() { next(chain); }
    };
    AsioChain* chain_;
  };

  // The context is on for as long as this lives.
  class On {
   public:
    explicit On(AsioChain& chain) noexcept : chain_(chain), before_(ambient_chain) {
      ambient_chain = &chain;
      swap_ambient(chain_.current_);
    }
    On(const On&) = delete;
    On& operator=(const On&) = delete;
    ~On() {
      swap_ambient(chain_.current_);
      ambient_chain = before_;
    }

   private:
    AsioChain& chain_;
    const void* const before_;
  };

  using IoExecutor = boost::asio::io_context::executor_type;
  // What most type-erased executors hold; null for others.
  static const IoExecutor* find_io([[maybe_unused]] const Inner& inner) noexcept {
    if constexpr (requires { inner.template target<IoExecutor>(); }) {
      return inner.template target<IoExecutor>();
    } else {
      return nullptr;
    }
  }

  // Gives the piece whose turn it is to the executor inside; to an io_context's directly, which
  // spares the piece an allocation and two moves.
  template <class F>
  static void start(AsioChain* chain, bool may_block, F&& function) {
    auto run = [turn = Turn(chain), function = std::forward<F>(function)]() mutable {
      turn.run(std::move(function));
    };
    if (chain->io_ != nullptr) {
      const IoExecutor io = *chain->io_;  // the chain may end with the piece
      if (may_block) {
        io.execute(std::move(run));
      } else {
        boost::asio::require(io, boost::asio::execution::blocking.never).execute(std::move(run));
      }
    } else if (may_block) {
      chain->inner_.execute(std::move(run));
    } else {
      chain->never_.execute(std::move(run));
    }
  }

  // True: it was nobody's turn, and now it is the caller's.
  bool take_turn() noexcept {
    std::uint64_t state = state_.load(std::memory_order_relaxed);
    do {
      if ((state & kTurn) != 0) return false;
    } while (!state_.compare_exchange_weak(state, state + kTurn + kShare, std::memory_order_acquire,
                                           std::memory_order_relaxed));
    return true;
  }
  // True: the piece waits, and belongs to the chain. False: it is its turn.
  bool wait_for_turn(Piece* piece) noexcept {
    const std::lock_guard lock(mutex_);
    while (!take_turn()) {
      std::uint64_t state = state_.load(std::memory_order_relaxed);
      if ((state & kTurn) == 0 ||
          !state_.compare_exchange_strong(state, state | kWaiting, std::memory_order_relaxed)) {
        continue;
      }
      (last_ == nullptr ? first_ : last_->next) = piece;
      last_ = piece;
      return true;
    }
    return false;
  }
  // The piece that has waited for longest; the turn is now its. Null: there is none, the turn and
  // its share are given back, and the chain may be no more.
  static Piece* give_turn(AsioChain* chain) noexcept {
    std::uint64_t state = chain->state_.load(std::memory_order_relaxed);
    while ((state & kWaiting) == 0) {
      if (chain->state_.compare_exchange_weak(state, state - kTurn - kShare,
                                              std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
        if ((state & kAllShares) == kShare) delete chain;
        return nullptr;
      }
    }
    const std::lock_guard lock(chain->mutex_);
    Piece* const piece = std::exchange(chain->first_, chain->first_->next);
    if (chain->first_ == nullptr) {
      chain->last_ = nullptr;
      chain->state_.fetch_and(~kWaiting, std::memory_order_relaxed);
    }
    return piece;
  }

  // After a piece. The next one takes its place in the queue of the executor inside, so that a
  // chain that never comes to an end does not keep others waiting. Out of memory, it ends the
  // program, as a strand does.
  static void next(AsioChain* chain) noexcept {
    std::unique_ptr<Piece> piece(give_turn(chain));
    if (piece == nullptr) return;
    start(chain, false, [piece = std::move(piece)] { piece->run(); });
  }

  // Nothing of this chain is going to run any more, or what was to run could not be given away.
  static void forget_waiting(AsioChain* chain) noexcept {
    while (Piece* piece = give_turn(chain))
      delete piece;
  }

  // The parts of state_: how many shares there are, how many of them are tracked, whether it is the
  // turn of a piece (which has a share), and whether others wait for theirs. In one word, so that a
  // piece comes and goes with one atomic operation each.
  static constexpr std::uint64_t kShare = 1;
  static constexpr std::uint64_t kTracked = kShare << 31;
  static constexpr std::uint64_t kTurn = kTracked << 31;
  static constexpr std::uint64_t kWaiting = kTurn << 1;
  static constexpr std::uint64_t kAllShares = kTracked - kShare;
  static constexpr std::uint64_t kAllTracked = kTurn - kTracked;

  const Inner inner_;
  const Never never_;
  const IoExecutor* const io_;  // in inner_
  Context current_;             // while no piece runs; touched by the one whose turn it is
  std::atomic<std::uint64_t> state_{kShare};
  std::mutex mutex_;        // of what follows
  Piece* first_ = nullptr;  // those that wait
  Piece* last_ = nullptr;
  std::optional<Work> work_;
};

}  // namespace sdk_detail

inline namespace v1 {

// An executor around another. Copies share the context. Small, so that Asio's type-erased executors
// hold it without an allocation.
template <class Inner>
class ContextExecutor {
 public:
  // Use with_context().
  ContextExecutor(const Inner& inner, Context context)
      : chain_(new sdk_detail::AsioChain<Inner>(inner, std::move(context))) {
    if constexpr (boost::asio::can_query_v<const Inner&, boost::asio::execution::blocking_t>) {
      may_block_ = boost::asio::query(inner, boost::asio::execution::blocking) !=
                   boost::asio::execution::blocking.never;
    }
  }
  ContextExecutor(const ContextExecutor& other) noexcept
      : chain_(other.chain_), may_block_(other.may_block_), tracked_(other.tracked_) {
    chain_->retain(tracked_);
  }
  ContextExecutor(ContextExecutor&& other) noexcept
      : chain_(std::exchange(other.chain_, nullptr)),
        may_block_(other.may_block_),
        tracked_(other.tracked_) {}
  ContextExecutor& operator=(ContextExecutor other) noexcept {
    std::swap(chain_, other.chain_);
    std::swap(may_block_, other.may_block_);
    std::swap(tracked_, other.tracked_);
    return *this;
  }
  ~ContextExecutor() {
    if (chain_ != nullptr) chain_->release(tracked_);
  }

  // Runs the function on the executor inside, with the context on for that long.
  template <class F>
  void execute(F&& function) const {
    sdk_detail::AsioChain<Inner>::execute(chain_, may_block_, std::forward<F>(function));
  }

  friend bool operator==(const ContextExecutor& a, const ContextExecutor& b) noexcept {
    return a.chain_ == b.chain_ && a.may_block_ == b.may_block_;
  }
  friend bool operator!=(const ContextExecutor& a, const ContextExecutor& b) noexcept {
    return !(a == b);
  }

  // Asio's properties: whether execute() may run the function before it returns, and whether the
  // executor counts as outstanding work, are its own; the rest are those of the executor inside.
  ContextExecutor require(boost::asio::execution::blocking_t::possibly_t) const {
    return {chain_, true, tracked_};
  }
  ContextExecutor require(boost::asio::execution::blocking_t::never_t) const {
    return {chain_, false, tracked_};
  }
  ContextExecutor require(boost::asio::execution::outstanding_work_t::tracked_t) const {
    return {chain_, may_block_, true};
  }
  ContextExecutor require(boost::asio::execution::outstanding_work_t::untracked_t) const {
    return {chain_, may_block_, false};
  }
  template <class Property>
    requires boost::asio::can_query_v<const Inner&, Property>
  decltype(auto) query([[maybe_unused]] const Property& property) const {
    using boost::asio::execution::blocking_t;
    using boost::asio::execution::outstanding_work_t;
    if constexpr (std::is_convertible_v<Property, blocking_t>) {
      return may_block_ ? blocking_t(blocking_t::possibly) : blocking_t(blocking_t::never);
    } else if constexpr (std::is_convertible_v<Property, outstanding_work_t>) {
      return tracked_ ? outstanding_work_t(outstanding_work_t::tracked)
                      : outstanding_work_t(outstanding_work_t::untracked);
    } else {
      return boost::asio::query(inner(), property);
    }
  }

  // The executor inside, which knows no context.
  const Inner& inner() const noexcept { return chain_->inner(); }

 private:
  ContextExecutor(sdk_detail::AsioChain<Inner>* chain, bool may_block, bool tracked) noexcept
      : chain_(chain), may_block_(may_block), tracked_(tracked) {
    if (tracked) {
      chain->retain_tracked();
    } else {
      chain->retain(false);
    }
  }

  sdk_detail::AsioChain<Inner>* chain_;  // null when it was moved away
  bool may_block_ = true;
  bool tracked_ = false;
};

// The executor for one request: work on it starts with the given context, by default the ambient
// one.
template <class Executor>
ContextExecutor<Executor> with_context(const Executor& executor,
                                       Context context = Context::current()) {
  return ContextExecutor<Executor>(executor, std::move(context));
}

}  // namespace v1
}  // namespace weft
