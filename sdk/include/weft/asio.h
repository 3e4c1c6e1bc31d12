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
// copies of one ContextExecutor share; the piece whose turn it is owns a part of it too. Not an
// asio::strand: one around a type-erased executor costs several times as much for each piece, most
// of it for copies of that executor.
template <class Inner>
class AsioChain {
 public:
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
  static void execute(const std::shared_ptr<AsioChain>& chain, bool may_block, F&& function) {
    if (may_block && ambient_chain == chain.get()) {
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

  // Copies of the executor that say that there is outstanding work. The first makes the executor
  // inside say so, the last takes that back.
  void track() noexcept {
    std::uint32_t count = tracked_count_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (tracked_count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) return;
    }
    const std::lock_guard lock(mutex_);
    if (tracked_count_.load(std::memory_order_relaxed) == 0) {
      work_.emplace(boost::asio::prefer(inner_, boost::asio::execution::outstanding_work.tracked));
    }
    tracked_count_.fetch_add(1, std::memory_order_relaxed);
  }
  void untrack() noexcept {
    std::uint32_t count = tracked_count_.load(std::memory_order_relaxed);
    while (count > 1) {
      if (tracked_count_.compare_exchange_weak(count, count - 1, std::memory_order_release)) return;
    }
    std::optional<Work> last;
    const std::lock_guard lock(mutex_);
    if (tracked_count_.fetch_sub(1, std::memory_order_acq_rel) == 1) work_.swap(last);
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
    explicit Turn(std::shared_ptr<AsioChain> chain) noexcept : chain_(std::move(chain)) {}
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (chain_ != nullptr) chain_->forget_waiting();
    }
    template <class F>
    void run(F&& function) {
      const std::shared_ptr<AsioChain> chain = std::move(chain_);
      const Next next{chain};
      const On on(*chain);
      std::decay_t<F> piece(std::forward<F>(function));  // what it owns ends within its turn
      std::move(piece)();
    }

   private:
    struct Next {
      const std::shared_ptr<AsioChain>& chain;
      ~Next() { next(chain); }
    };
    std::shared_ptr<AsioChain> chain_;
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
  static void start(const std::shared_ptr<AsioChain>& chain, bool may_block, F&& function) {
    auto run = [turn = Turn(chain), function = std::forward<F>(function)]() mutable {
      turn.run(std::move(function));
    };
    if (chain->io_ != nullptr) {
      if (may_block) {
        chain->io_->execute(std::move(run));
      } else {
        boost::asio::require(*chain->io_, boost::asio::execution::blocking.never)
            .execute(std::move(run));
      }
    } else if (may_block) {
      chain->inner_.execute(std::move(run));
    } else {
      chain->never_.execute(std::move(run));
    }
  }

  // In waiting_, instead of pieces: it is somebody's turn and nobody waits.
  Piece* busy() noexcept { return reinterpret_cast<Piece*>(this); }

  // True: it was nobody's turn, and now it is the caller's.
  bool take_turn() noexcept {
    Piece* nobody = nullptr;
    return waiting_.compare_exchange_strong(nobody, busy(), std::memory_order_acquire,
                                            std::memory_order_relaxed);
  }
  // True: the piece waits, and belongs to the chain. False: it is its turn.
  bool wait_for_turn(Piece* piece) noexcept {
    Piece* newest = waiting_.load(std::memory_order_relaxed);
    while (true) {
      if (newest == nullptr) {
        if (take_turn()) return false;
        newest = waiting_.load(std::memory_order_relaxed);
        continue;
      }
      piece->next = newest == busy() ? nullptr : newest;
      if (waiting_.compare_exchange_weak(newest, piece, std::memory_order_release,
                                         std::memory_order_relaxed)) {
        return true;
      }
    }
  }
  // Takes the oldest that waits; null, and the turn is given back, when there is none. For the one
  // whose turn it is.
  Piece* next_in_line() noexcept {
    if (first_ == nullptr) {
      Piece* newest = busy();
      if (waiting_.compare_exchange_strong(newest, nullptr, std::memory_order_release,
                                           std::memory_order_acquire)) {
        return nullptr;
      }
      newest = waiting_.exchange(busy(), std::memory_order_acquire);
      while (newest != nullptr) {  // the oldest first
        Piece* const older = newest->next;
        newest->next = std::exchange(first_, newest);
        newest = older;
      }
    }
    return std::exchange(first_, first_->next);
  }

  // After a piece. The next one takes its place in the queue of the executor inside, so that a
  // chain that never comes to an end does not keep others waiting. Out of memory, it ends the
  // program, as a strand does.
  static void next(const std::shared_ptr<AsioChain>& chain) noexcept {
    std::unique_ptr<Piece> piece(chain->next_in_line());
    if (piece == nullptr) return;
    start(chain, false, [piece = std::move(piece)] { piece->run(); });
  }

  // Nothing of this chain is going to run any more, or what was to run could not be given away.
  void forget_waiting() noexcept {
    while (Piece* piece = next_in_line())
      delete piece;
  }

  const Inner inner_;
  const Never never_;
  const IoExecutor* const io_;  // in inner_
  Context current_;             // while no piece runs; touched by the one whose turn it is
  // Null: a piece that comes may run. Else busy(), or the pieces that wait, the newest first.
  std::atomic<Piece*> waiting_{nullptr};
  Piece* first_ = nullptr;  // those that have waited for longest, in order; as current_
  std::mutex mutex_;        // of work_
  std::optional<Work> work_;
  std::atomic<std::uint32_t> tracked_count_{0};
};

}  // namespace sdk_detail

inline namespace v1 {

// An executor around another. Copies share the context. Small, so that Asio's type-erased executors
// hold it without an allocation.
template <class Inner>
class ContextExecutor {
 public:
  // Use with_context(). `chain` is shared by everything that runs on copies of the executor.
  explicit ContextExecutor(std::shared_ptr<sdk_detail::AsioChain<Inner>> chain) noexcept
      : chain_(std::move(chain)) {
    if constexpr (boost::asio::can_query_v<const Inner&, boost::asio::execution::blocking_t>) {
      may_block_ = boost::asio::query(inner(), boost::asio::execution::blocking) !=
                   boost::asio::execution::blocking.never;
    }
  }
  ContextExecutor(const ContextExecutor& other) noexcept
      : ContextExecutor(other.chain_, other.may_block_, other.tracked_) {}
  ContextExecutor(ContextExecutor&& other) noexcept
      : chain_(std::move(other.chain_)),
        may_block_(other.may_block_),
        tracked_(std::exchange(other.tracked_, false)) {}
  ContextExecutor& operator=(ContextExecutor other) noexcept {
    std::swap(chain_, other.chain_);
    std::swap(may_block_, other.may_block_);
    std::swap(tracked_, other.tracked_);
    return *this;
  }
  ~ContextExecutor() {
    if (tracked_) chain_->untrack();
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
  ContextExecutor(std::shared_ptr<sdk_detail::AsioChain<Inner>> chain, bool may_block,
                  bool tracked) noexcept
      : chain_(std::move(chain)), may_block_(may_block), tracked_(tracked) {
    if (tracked_) chain_->track();
  }

  std::shared_ptr<sdk_detail::AsioChain<Inner>> chain_;
  bool may_block_ = true;
  bool tracked_ = false;
};

// The executor for one request: work on it starts with the given context, by default the ambient
// one.
template <class Executor>
ContextExecutor<Executor> with_context(const Executor& executor,
                                       Context context = Context::current()) {
  return ContextExecutor<Executor>(
      std::make_shared<sdk_detail::AsioChain<Executor>>(executor, std::move(context)));
}

}  // namespace v1
}  // namespace weft
