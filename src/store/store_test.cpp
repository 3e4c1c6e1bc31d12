#include "store/store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "model/testing/random_spans.h"
#include "store/batch_columns.h"
#include "store/compiled_predicate.h"
#include "store/testing/random_predicate.h"
#include "store/testing/store_fixture.h"

namespace weft::store {
namespace {

using testing::append_and_wait;
using testing::canonical;
using testing::export_spans;
using testing::random_column;
using testing::random_predicate;
using testing::random_spans;
using testing::store_options;
using testing::test_seed;
using testing::to_batch;
using testing::value_at;

// A store that has got spans in many requests, some of them twice, and was sealed and restarted
// now and then, and the spans that it should have.
class Mixture {
 public:
  Mixture(std::mt19937_64& random, bool hostile) {
    spans_ = random_spans(random, {.traces = 60, .hostile = hostile});
    open();
    std::vector<Span> sent;
    for (size_t at = 0; at < spans_.size();) {
      const size_t count = std::min<size_t>(spans_.size() - at, 1 + random() % 40);
      std::vector<Span> request(spans_.begin() + static_cast<ptrdiff_t>(at),
                                spans_.begin() + static_cast<ptrdiff_t>(at + count));
      for (size_t again = random() % 5; again > 0 && !sent.empty(); --again) {
        // The same span, changed: the first copy counts.
        Span copy = sent[random() % sent.size()];
        copy.name = "second copy";
        copy.start_ns += 5;
        request.push_back(copy);
      }
      sent.insert(sent.end(), request.begin(), request.begin() + static_cast<ptrdiff_t>(count));
      EXPECT_TRUE(append_and_wait(*store_, to_batch(request)));
      at += count;
      // What was acknowledged is found at once, whatever was asked before.
      if (random() % 2 == 0) {
        EXPECT_EQ(canonical(export_spans(*store_)), canonical(originals(at)));
      }
      if (random() % 4 == 0) {
        EXPECT_TRUE(store_->seal());
      }
      if (random() % 8 == 0) open();
    }
  }
  Store& store() { return *store_; }
  const std::vector<Span>& spans() const { return spans_; }
  void open() {
    store_.reset();
    auto opened = Store::open(store_options(fs_));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  FaultFileSystem& fs() { return fs_; }

 private:
  std::vector<Span> originals(size_t count) const {
    return {spans_.begin(), spans_.begin() + static_cast<ptrdiff_t>(count)};
  }

  FaultFileSystem fs_;
  std::unique_ptr<Store> store_;
  std::vector<Span> spans_;
};

TEST(Store, KeepsEverySpanOnceOverLogOpenAndSealedBlocks) {
  std::mt19937_64 random(test_seed("KeepsEverySpanOnce"));
  for (int round = 0; round < 8; ++round) {
    Mixture mixture(random, round % 2 == 1);
    const auto expected = canonical(mixture.spans());
    ASSERT_EQ(canonical(export_spans(mixture.store())), expected);
    std::map<TraceId, std::vector<Span>> traces;
    for (const Span& span : mixture.spans())
      traces[span.trace_id].push_back(span);
    for (const auto& [id, spans] : traces) {
      auto found = mixture.store().trace(id, 1000);
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_EQ(canonical(*found), canonical(spans));
      EXPECT_EQ(mixture.store().trace(id, 0).error().code, ErrorCode::kResourceExhausted);
    }
    EXPECT_TRUE(mixture.store().trace(TraceId{}, 10)->empty());
    EXPECT_TRUE(mixture.store().findings().empty());
  }
}

// --- scans against the plain evaluation of all spans in one batch ---

using RowKey = std::pair<TraceId, SpanId>;

// One row of a scan's answer, as text: its id, its parent's id and its values.
std::string describe(const ScanRequest& request, const ScanBatch& batch, size_t row) {
  std::string out = batch.span_ids[row].to_hex();
  if (request.parents && request.whole_traces) {
    const int32_t parent = batch.parent_row[row];
    out += parent >= 0 ? " < " + batch.span_ids[static_cast<size_t>(parent)].to_hex()
                       : " < " + std::to_string(parent);
  }
  for (const ValueColumn& column : batch.columns) {
    out += " |";
    const size_t begin = column.offsets.empty() ? row : column.offsets[row];
    const size_t end = column.offsets.empty() ? row + 1 : column.offsets[row + 1];
    for (size_t i = begin; i < end; ++i) {
      const Value value = value_at(column, i);
      out += " " + std::string(to_string(value.type())) + ":" + to_display(value);
    }
  }
  return out;
}

std::map<RowKey, std::string> rows_of(const ScanRequest& request, const ScanBatch& batch) {
  std::map<RowKey, std::string> out;
  for (size_t t = 0; t < batch.traces(); ++t) {
    for (uint32_t row = batch.trace_begin[t]; row < batch.trace_begin[t + 1]; ++row) {
      out[{batch.trace_ids[t], batch.span_ids[row]}] = describe(request, batch, row);
    }
  }
  return out;
}

// The traces that have no span for one of the predicates.
std::set<TraceId> lacking(const SpanBatch& all, const std::vector<Predicate>& needed) {
  std::set<TraceId> out;
  for (const Predicate& predicate : needed) {
    const auto mask = evaluate(*CompiledPredicate::create(predicate), all);
    std::set<TraceId> having;
    for (size_t row = 0; row < mask.size(); ++row) {
      if (mask[row] != 0) having.insert(all.trace_id[row]);
    }
    for (const TraceId& id : all.trace_id) {
      if (!having.contains(id)) out.insert(id);
    }
  }
  return out;
}

TEST(Store, ScansAnswerAsThePlainEvaluationDoes) {
  std::mt19937_64 random(test_seed("ScansAnswerAsThePlainEvaluationDoes"));
  size_t left_out = 0;
  for (int round = 0; round < 4; ++round) {
    Mixture mixture(random, round % 2 == 1);
    const std::vector<SpanBatchPtr> one{std::make_shared<SpanBatch>(to_batch(mixture.spans()))};
    const TraceOrder order = order_by_trace(one);
    const auto all = std::make_shared<SpanBatch>(gather_rows(one, order.rows));
    for (int query = 0; query < 40; ++query) {
      ScanRequest request;
      request.filter = random_predicate(random, all, mixture.spans(), 2);
      request.whole_traces = random() % 2 == 0;
      request.parents = true;
      for (size_t n = random() % 3; request.whole_traces && n > 0; --n)
        request.needed.push_back(random_predicate(random, all, mixture.spans(), 1));
      for (size_t c = random() % 3; c > 0; --c) {
        request.columns.push_back(random_column(random, mixture.spans()));
      }
      if (random() % 2 == 0) {
        request.range.from_ns = mixture.spans()[random() % mixture.spans().size()].start_ns;
        request.range.to_ns = request.range.from_ns + random() % 40'000'000'000;
      }
      if (query % 3 == 0) {
        std::set<TraceId> chosen;
        for (size_t t = 1 + random() % 30; t > 0; --t)
          chosen.insert(mixture.spans()[random() % mixture.spans().size()].trace_id);
        TraceId nobodys;
        nobodys.bytes.fill(0xEE);
        chosen.insert(nobodys);
        request.traces.assign(chosen.begin(), chosen.end());
        std::ranges::shuffle(request.traces, random);
      }
      auto compiled = CompiledPredicate::create(request.filter);
      ASSERT_TRUE(compiled);
      auto mask = evaluate(*compiled, *all);
      for (size_t row = 0; row < mask.size(); ++row) {
        const bool chosen =
            request.traces.empty() ||
            std::ranges::find(request.traces, all->trace_id[row]) != request.traces.end();
        mask[row] &= static_cast<uint8_t>(chosen && request.range.contains(all->start_ns[row]));
      }
      std::map<RowKey, std::string> expected;
      if (const auto batch = make_scan_batch(all, order.trace_begin, mask, request)) {
        expected = rows_of(request, *batch);
      }
      const CancelToken cancel;
      ScanStats stats;
      auto cursor = mixture.store().scan(request, cancel, stats);
      ASSERT_TRUE(cursor) << cursor.error().message;
      std::map<RowKey, std::string> found;
      size_t rows = 0;
      uint64_t bound = UINT64_MAX;
      while (true) {
        auto batch = (*cursor)->next();
        ASSERT_TRUE(batch) << batch.error().message;
        if (!*batch) break;
        rows += (*batch)->rows();
        if (!request.whole_traces && bound != UINT64_MAX) {
          for (uint64_t start : (*batch)->start_ns)
            EXPECT_LT(start, bound);
        }
        bound = (*batch)->remaining_before_ns;
        found.merge(rows_of(request, **batch));
      }
      EXPECT_EQ(rows, found.size()) << "a span came twice";
      // Traces that lack a needed span may be there or not.
      const std::set<TraceId> unneeded = lacking(*all, request.needed);
      const auto is_unneeded = [&](const auto& row) { return unneeded.contains(row.first.first); };
      std::map<RowKey, std::string> possible = expected;
      std::erase_if(possible, [&](const auto& row) {
        return is_unneeded(row) && !found.contains(row.first);
      });
      left_out += expected.size() - possible.size();
      ASSERT_EQ(found, possible) << to_string(request.filter);
    }
  }
  EXPECT_GT(left_out, 0u);
}

// Different values, different text: as a person reads them, [""] may be of a string or of bytes.
std::string describe(const Value& value) {
  const bool nested = value.type() == ValueType::kArray || value.type() == ValueType::kKvlist;
  return std::string(to_string(value.type())) + ":" +
         (nested ? encode_nested(value) : to_display(value));
}

TEST(Store, AggregatesCountAsThePlainEvaluationDoes) {
  std::mt19937_64 random(test_seed("AggregatesCountAsThePlainEvaluationDoes"));
  for (int round = 0; round < 3; ++round) {
    Mixture mixture(random, round % 2 == 1);
    const std::vector<SpanBatchPtr> one{std::make_shared<SpanBatch>(to_batch(mixture.spans()))};
    const auto all = one.front();
    for (int query = 0; query < 40; ++query) {
      AggregateRequest request;
      request.filter = random_predicate(random, all, mixture.spans(), 1);
      request.range = {1'700'000'000'000'000'000 + random() % 20'000'000'000,
                       1'700'000'000'000'000'000 + 20'000'000'000 + random() % 50'000'000'000};
      if (random() % 2 == 0) request.step_ns = 1 + random() % 9'000'000'000 + 10'000'000;
      for (size_t k = random() % 3; k > 0; --k) {
        const ColumnRef column = random_column(random, mixture.spans());
        if (!column.is_multi_valued()) request.group_by.push_back(column);
      }
      if (random() % 2 == 0) {
        request.value = ColumnRef::of(Intrinsic::kDurationNs);
        request.want_histogram = true;
        request.buckets_per_octave = 1u << (random() % 5);
      }
      auto compiled = CompiledPredicate::create(request.filter);
      ASSERT_TRUE(compiled);
      const auto mask = evaluate(*compiled, *all);
      // group key -> (time bucket -> (count, sum, histogram))
      struct Cell {
        uint64_t count = 0;
        double sum = 0;
        std::map<uint32_t, uint64_t> histogram;
        bool operator==(const Cell&) const = default;
      };
      using Table = std::map<std::string, std::map<size_t, Cell>>;
      Table expected;
      std::vector<ValueColumn> keys;
      for (const ColumnRef& column : request.group_by)
        keys.push_back(extract_column(all, column));
      for (size_t row = 0; row < all->size(); ++row) {
        if (mask[row] == 0 || !request.range.contains(all->start_ns[row])) continue;
        std::string key;
        for (const ValueColumn& column : keys)
          key += describe(value_at(column, row)) + "|";
        const uint64_t step = request.step_ns == 0
                                  ? 0
                                  : (all->start_ns[row] - request.range.from_ns) / request.step_ns;
        Cell& cell = expected[key][step];
        ++cell.count;
        if (!request.value) continue;
        const auto duration = static_cast<double>(static_cast<int64_t>(all->duration_ns(row)));
        cell.sum += duration;
        ++cell.histogram[histogram_bucket(duration, request.buckets_per_octave)];
      }
      const CancelToken cancel;
      ScanStats stats;
      const auto answer = mixture.store().aggregate(request, cancel, stats);
      ASSERT_TRUE(answer) << answer.error().message;
      Table found;
      for (const auto& group : answer->groups) {
        std::string key;
        for (const Value& value : group.keys)
          key += describe(value) + "|";
        for (size_t b = 0; b < group.cells.size(); ++b) {
          const AggregateCell& cell = group.cells[b];
          if (cell.count == 0) continue;
          found[key][b] = {cell.count, cell.sum, {cell.histogram.begin(), cell.histogram.end()}};
        }
      }
      ASSERT_EQ(found.size(), expected.size()) << to_string(request.filter);
      for (const auto& [key, cells] : expected) {
        ASSERT_EQ(found[key].size(), cells.size()) << key;
        for (const auto& [step, cell] : cells) {
          EXPECT_EQ(found[key][step].count, cell.count) << key;
          EXPECT_EQ(found[key][step].histogram, cell.histogram) << key;
          EXPECT_NEAR(found[key][step].sum, cell.sum, std::abs(cell.sum) * 1e-9) << key;
        }
      }
    }
  }
}

TEST(Store, KeysThatAreNotListedAreSaidToBeMissing) {
  FaultFileSystem fs;
  auto store = Store::open(store_options(fs));
  ASSERT_TRUE(store);
  Span span;
  span.trace_id.bytes[0] = 1;
  span.span_id.bytes[0] = 1;
  // Beyond a thousand, a block has one column for all.
  for (int key = 0; key < 1500; ++key)
    span.attributes.push_back({"key" + std::to_string(key), Value(1)});
  const CancelToken cancel;
  ASSERT_TRUE(append_and_wait(**store, to_batch({span})));
  EXPECT_FALSE((*store)->attribute_keys({}, 10'000, cancel)->limit_reached);
  ASSERT_TRUE((*store)->seal());
  EXPECT_TRUE((*store)->attribute_keys({}, 10'000, cancel)->limit_reached);
}

TEST(Store, ListsAttributesAndTheirValues) {
  std::mt19937_64 random(test_seed("ListsAttributes"));
  const auto spans = random_spans(random, {.traces = 50});
  FaultFileSystem fs;
  auto store = Store::open(store_options(fs));
  ASSERT_TRUE(store);
  const size_t half = spans.size() / 2;
  ASSERT_TRUE(append_and_wait(
      **store, to_batch({spans.begin(), spans.begin() + static_cast<ptrdiff_t>(half)})));
  ASSERT_TRUE((*store)->seal());
  ASSERT_TRUE(append_and_wait(
      **store, to_batch({spans.begin() + static_cast<ptrdiff_t>(half), spans.end()})));
  std::map<std::string, uint64_t> keys;
  std::map<std::string, uint64_t> names;
  for (const Span& span : spans) {
    ++names["string:" + span.name];
    for (const auto& [key, value] : span.attributes) {
      ++keys[key + " " + std::string(to_string(value.type()))];
    }
  }
  const CancelToken cancel;
  const auto list = (*store)->attribute_keys({}, 10'000, cancel);
  ASSERT_TRUE(list);
  std::map<std::string, uint64_t> found;
  for (const auto& key : list->keys) {
    if (key.scope == AttributeScope::kSpan) {
      found[key.key + " " + std::string(to_string(key.type))] = key.spans;
    }
  }
  EXPECT_EQ(found, keys);
  EXPECT_FALSE(list->limit_reached);
  const auto values =
      (*store)->attribute_values(ColumnRef::of(Intrinsic::kName), {}, 10'000, cancel);
  ASSERT_TRUE(values);
  std::map<std::string, uint64_t> found_names;
  for (const auto& value : values->values)
    found_names[describe(value.value)] = value.spans;
  EXPECT_EQ(found_names.size(), names.size());
  for (const auto& value : values->values) {
    EXPECT_EQ(value.spans, names["string:" + std::get<std::string>(value.value.data)]);
  }
  EXPECT_TRUE((*store)->attribute_keys({}, 1, cancel)->limit_reached);
  EXPECT_TRUE((*store)->attribute_keys({0, 1}, 10, cancel)->keys.empty());
}

TEST(Store, SealingWhileReadingLosesNothing) {
  std::mt19937_64 random(test_seed("SealingWhileReading"));
  const auto spans = random_spans(random, {.traces = 100});
  FaultFileSystem fs;
  auto store = Store::open(store_options(fs));
  ASSERT_TRUE(store);
  std::atomic<size_t> appended{0};
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      const size_t before = appended;
      const auto found = export_spans(**store);
      std::set<RowKey> distinct;
      for (const Span& span : found)
        distinct.insert({span.trace_id, span.span_id});
      EXPECT_EQ(distinct.size(), found.size());
      EXPECT_GE(found.size(), before);
    }
  });
  for (size_t i = 0; i < spans.size(); ++i) {
    ASSERT_TRUE(append_and_wait(**store, to_batch({spans[i]})));
    appended = i + 1;
    if (i % 50 == 49) {
      ASSERT_TRUE((*store)->seal());
    }
  }
  stop = true;
  reader.join();
  EXPECT_EQ(canonical(export_spans(**store)), canonical(spans));
}

}  // namespace
}  // namespace weft::store
