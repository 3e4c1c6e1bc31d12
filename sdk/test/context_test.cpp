// The ambient context over scopes, threads, call-backs and coroutines.
#include <gtest/gtest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <coroutine>
#include <thread>
#include <vector>

#include <weft/asio.h>
#include <weft/baggage.h>
#include <weft/coroutine.h>
#include <weft/tracer.h>

#include "recording.h"

namespace {

namespace asio = boost::asio;
using sdk_test::Recording;
using weft::Context;
using weft::Scope;
using weft::Span;

Context numbered(unsigned char n) {
  return Context(weft::SpanContext({{n}}, {{n}}, 1));
}

int current_number() {
  return Context::current().span_context().trace_id().bytes[0];
}

TEST(Context, ScopesNest) {
  EXPECT_EQ(current_number(), 0);
  {
    Scope one(numbered(1));
    EXPECT_EQ(current_number(), 1);
    {
      Scope two(numbered(2));
      EXPECT_EQ(current_number(), 2);
    }
    EXPECT_EQ(current_number(), 1);
  }
  EXPECT_EQ(current_number(), 0);
}

TEST(Context, ActivatingASpanKeepsTheBaggage) {
  Recording recording;
  Scope scope(Context().with_baggage(weft::Baggage().with("kind", "vip")));
  Span span = recording.tracer().start_span("s");
  auto active = span.activate();
  EXPECT_EQ(weft::current_baggage().get("kind"), "vip");
}

TEST(Context, EachThreadHasItsOwn) {
  Scope scope(numbered(1));
  std::thread([] { EXPECT_EQ(current_number(), 0); }).join();
  auto bound = weft::bind_context([](int x) { return current_number() + x; });
  std::thread([&] {
    EXPECT_EQ(bound(10), 11);
    EXPECT_EQ(current_number(), 0);
  }).join();
}

TEST(Context, AScopeThatDiesOnAnotherThreadDoesNoHarm) {
  auto scope = std::make_unique<Scope>(numbered(1));
  std::thread([&] {
    Scope mine(numbered(2));
    scope.reset();
    EXPECT_EQ(current_number(), 2);
  }).join();
  Context empty;
  weft::swap_ambient(empty);  // tidy up after the misuse
}

TEST(Context, TracestateAndBaggageAreShared) {
  Context kept;
  {
    const Context a(weft::SpanContext({{1}}, {{1}}, 1, true, weft::TraceState::parse("k=v")));
    kept = a.with_baggage(weft::Baggage().with("b", "1"));
    Context copy = kept;
    copy = copy.with_span(weft::SpanContext());
    EXPECT_EQ(copy.baggage().get("b"), "1");
    EXPECT_TRUE(copy.span_context().trace_state().empty());
  }
  EXPECT_EQ(kept.span_context().trace_state().header(), "k=v");
}

// Suspends and resumes on a thread of its own.
struct HopToAnotherThread {
  std::thread* thread;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    // The awaiter lies in the coroutine, which may be over before this returns.
    std::thread* const place = thread;
    *place = std::thread([handle] { handle.resume(); });
  }
  int await_resume() const { return 7; }
};

struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Task hop(std::thread* thread, int* before, int* after, int* result, const void** place) {
  *before = current_number();
  *place = &weft::sdk_detail::ambient_context;
  *result = co_await weft::keep_context(HopToAnotherThread{thread});
  *after = *place == &weft::sdk_detail::ambient_context ? -1 : current_number();
}

TEST(Coroutine, KeepContextFollowsToAnotherThread) {
  std::thread thread;
  int before = 0, after = 0, result = 0;
  const void* place = nullptr;
  {
    Scope scope(numbered(3));
    hop(&thread, &before, &after, &result, &place);
    EXPECT_EQ(current_number(), 0);  // the coroutine took it along
  }
  thread.join();
  EXPECT_EQ(before, 3);
  EXPECT_EQ(after, 3);
  EXPECT_EQ(result, 7);
}

// Cannot be suspended.
struct Broken {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<>) { throw std::runtime_error("no room"); }
  void await_resume() const {}
};

Task catch_failure(int* after) {
  try {
    co_await weft::keep_context(Broken());
  } catch (const std::runtime_error&) {
    *after = current_number();
  }
}

TEST(Coroutine, KeepContextPutsItBackWhenTheSuspensionFails) {
  int after = 0;
  Scope scope(numbered(3));
  catch_failure(&after);
  EXPECT_EQ(after, 3);
  EXPECT_EQ(current_number(), 3);
}

asio::awaitable<void> nap() {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(200));
  co_await timer.async_wait(asio::use_awaitable);
}

// Opens scopes and goes through suspensions; counts what is wrong.
asio::awaitable<void> request(weft::Tracer tracer, unsigned char number, std::atomic<int>* wrong) {
  auto expect = [&](bool good) { *wrong += good ? 0 : 1; };
  expect(current_number() == number);
  co_await nap();
  expect(current_number() == number);
  Span span = tracer.start_span("request");
  expect(span.context().trace_id().bytes[0] == number);
  {
    auto scope = span.activate();
    for (int i = 0; i < 5; ++i) {
      co_await nap();
      expect(weft::current_span().context().span_id() == span.context().span_id());
      weft::current_span().set("step", i);
      // A timer of the pool's own executor, not of ours.
      asio::steady_timer timer(co_await asio::this_coro::executor);
      timer.expires_after(std::chrono::microseconds(100));
      co_await timer.async_wait(asio::use_awaitable);
      expect(weft::current_span().context().span_id() == span.context().span_id());
    }
  }
  // What was ambient before the scope, though the scope has ended on another thread.
  expect(Context::current().span_context().span_id().bytes[0] == number);
}

TEST(Asio, CoroutinesKeepTheirContextOnAPool) {
  Recording recording;
  asio::thread_pool pool(3);
  std::atomic<int> wrong{0};
  for (unsigned char i = 1; i <= 100; ++i) {
    asio::co_spawn(weft::with_context(pool.get_executor(), numbered(i)),
                   request(recording.tracer(), i, &wrong), asio::detached);
  }
  // Handlers that are not ours see nothing of it.
  for (int i = 0; i < 200; ++i) {
    asio::post(pool, [&wrong] { wrong += current_number() == 0 ? 0 : 1; });
  }
  pool.join();
  EXPECT_EQ(wrong.load(), 0);
  const auto spans = recording.take();
  EXPECT_EQ(spans.size(), 100U);
  for (const auto& s : spans)
    EXPECT_EQ(s.attribute("step"), "4");
}

// Gives pieces to one chain from two threads; `run` returns when all of them have run.
template <class Executor, class Run>
void give_pieces(const Executor& inner, Run&& run) {
  const auto executor = weft::with_context(inner, numbered(7));
  constexpr int kPieces = 5000;
  int inside = 0;  // no atomics: the order is what protects them
  int wrong = 0;
  int last[2] = {-1, -1};
  const auto give = [&](int who) {
    for (int i = 0; i < kPieces; ++i) {
      asio::post(executor, [&, who, i, kept = std::make_unique<int>(i)] {
        wrong += ++inside == 1 && current_number() == 7 && last[who] == *kept - 1 ? 0 : 1;
        last[who] = i;
        --inside;
      });
    }
  };
  std::thread other([&] { give(1); });
  give(0);
  other.join();
  run();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(last[0], kPieces - 1);
  EXPECT_EQ(last[1], kPieces - 1);
}

TEST(Asio, PiecesRunInTheirOrderOneAtATime) {
  asio::thread_pool pool(3);
  give_pieces(pool.get_executor(), [&] { pool.join(); });
}

TEST(Asio, PiecesRunInTheirOrderOnAnIoContextWhoseTypeIsErased) {
  asio::io_context context;
  auto work = asio::make_work_guard(context);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&context] { context.run(); });
  give_pieces(asio::any_io_executor(context.get_executor()), [&] {
    work.reset();
    for (std::thread& thread : threads)
      thread.join();
  });
}

TEST(Asio, DispatchFromWithinRunsAtOnceAndPostDoesNot) {
  asio::io_context context;
  const auto executor = weft::with_context(context.get_executor(), numbered(1));
  const auto never = asio::require(executor, asio::execution::blocking.never);
  EXPECT_NE(executor, never);
  EXPECT_EQ(asio::query(executor, asio::execution::blocking), asio::execution::blocking.possibly);
  EXPECT_EQ(asio::query(never, asio::execution::blocking), asio::execution::blocking.never);
  std::string order;
  asio::post(executor, [&] {
    executor.execute([&] { order += 'a'; });
    never.execute([&] {
      order += 'd';
      order += current_number() == 1 ? '+' : '-';
    });
    asio::dispatch(asio::any_io_executor(executor), [&] { order += 'b'; });
    // Another chain on the same thread, within this one.
    weft::with_context(context.get_executor(), numbered(2)).execute([&] {
      order += current_number() == 2 ? '+' : '-';
    });
    order += current_number() == 1 ? 'c' : '-';
  });
  context.run();
  EXPECT_EQ(order, "ab+cd+");
  EXPECT_EQ(current_number(), 0);
}

TEST(Asio, CountsAsOutstandingWorkWhileACopySaysSo) {
  asio::io_context context;
  const auto executor = weft::with_context(context.get_executor(), numbered(1));
  {
    const asio::any_io_executor tracked =
        asio::prefer(asio::any_io_executor(executor), asio::execution::outstanding_work.tracked);
    auto second = asio::require(executor, asio::execution::outstanding_work.tracked);
    EXPECT_EQ(asio::query(second, asio::execution::outstanding_work),
              asio::execution::outstanding_work.tracked);
    second = executor;
    context.poll();
    EXPECT_FALSE(context.stopped());
  }
  context.poll();
  EXPECT_TRUE(context.stopped());
}

TEST(Asio, WhatNeverRunsIsDestroyed) {
  const auto kept = std::make_shared<int>(1);
  {
    asio::io_context context;
    const auto executor = weft::with_context(context.get_executor(), numbered(1));
    for (int i = 0; i < 3; ++i)
      asio::post(executor, [kept, executor] {});
    asio::co_spawn(
        executor,
        [kept, executor]() -> asio::awaitable<void> {
          asio::steady_timer timer(executor, std::chrono::hours(1));
          co_await timer.async_wait(asio::use_awaitable);
        },
        asio::detached);
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Asio, AnExceptionLetsTheNextPieceCome) {
  asio::io_context context;
  const auto executor = weft::with_context(context.get_executor(), numbered(1));
  bool ran = false;
  asio::post(executor, [] { throw std::runtime_error("on purpose"); });
  asio::post(executor, [&] { ran = current_number() == 1; });
  EXPECT_THROW(context.run(), std::runtime_error);
  EXPECT_EQ(current_number(), 0);
  context.run();
  EXPECT_TRUE(ran);
}

}  // namespace
