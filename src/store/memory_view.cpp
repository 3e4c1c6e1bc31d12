#include "store/memory_view.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <span>

#include "model/id_hash.h"
#include "store/few_traces.h"

namespace weft::store {
namespace {

constexpr uint32_t kPageRows = 8192;
constexpr uint32_t kNone = FewTraces::kNone;

// Rows of a trace in order, without duplicates, that may be added to what is known of it.
class TraceRows {
 public:
  explicit TraceRows(std::span<const SpanBatchPtr> batches) : batches_(batches) {}

  // `known` was stored before `added`: of a span that both have, its copy counts. Appends to `out`.
  void merge(std::span<const RowRef> known, std::span<const RowRef> added,
             std::vector<RowRef>& out) {
    drop_known(known, added);
    std::merge(known.begin(), known.end(), added_.begin(), added_.end(), std::back_inserter(out),
               [this](RowRef a, RowRef b) { return before(a, b); });
  }

 private:
  uint64_t start(RowRef ref) const { return batches_[ref.batch]->start_ns[ref.row]; }
  uint64_t span_id(RowRef ref) const { return batches_[ref.batch]->span_id[ref.row].word(); }
  bool before(RowRef a, RowRef b) const {
    if (start(a) != start(b)) return start(a) < start(b);
    return std::byteswap(span_id(a)) < std::byteswap(span_id(b));  // as the bytes order
  }

  // Leaves in added_ what is new.
  void drop_known(std::span<const RowRef> known, std::span<const RowRef> added) {
    added_.assign(added.begin(), added.end());
    if (known.empty() || added.empty()) return;
    slots_.assign(std::bit_ceil(added.size() * 4), kNone);
    const size_t mask = slots_.size() - 1;
    for (uint32_t i = 0; i < added.size(); ++i) {
      size_t slot = hash_span_id(span_id(added[i])) & mask;
      while (slots_[slot] != kNone)
        slot = (slot + 1) & mask;
      slots_[slot] = i;
    }
    dropped_.assign(added.size(), 0);
    bool any = false;
    for (const RowRef ref : known) {
      const uint64_t id = span_id(ref);
      for (size_t slot = hash_span_id(id) & mask; slots_[slot] != kNone; slot = (slot + 1) & mask) {
        if (span_id(added[slots_[slot]]) != id) continue;
        dropped_[slots_[slot]] = 1;
        any = true;
        break;
      }
    }
    if (!any) return;
    added_.clear();
    for (size_t i = 0; i < added.size(); ++i) {
      if (dropped_[i] == 0) added_.push_back(added[i]);
    }
  }

  std::span<const SpanBatchPtr> batches_;
  std::vector<RowRef> added_;
  std::vector<uint32_t> slots_;
  std::vector<uint8_t> dropped_;
};

// A trace of the new view that the base does not have as it is.
struct Changed {
  TraceId id;
  uint64_t start_ns = 0;
  uint64_t last_ns = 0;
  uint32_t begin = 0;  // in Changes::rows
  uint32_t end = 0;
  bool is_new = false;
};
struct Changes {
  std::vector<Changed> traces;
  std::vector<RowRef> rows;
  std::vector<uint32_t> replaced;  // ordinals in the base, ascending
};

bool comes_before(uint64_t start_a, const TraceId& a, uint64_t start_b, const TraceId& b) {
  return start_a != start_b ? start_a < start_b : a < b;
}

// The rows of a trace of the base that lie in the first `common` batches.
std::span<const RowRef> common_rows(const TraceOrder& order, uint32_t trace, size_t common,
                                    std::vector<RowRef>& buffer) {
  const std::span all(order.rows.data() + order.trace_begin[trace],
                      order.rows.data() + order.trace_begin[trace + 1]);
  const auto is_gone = [&](RowRef ref) { return ref.batch >= common; };
  if (std::ranges::none_of(all, is_gone)) return all;
  buffer.clear();
  std::ranges::remove_copy_if(all, std::back_inserter(buffer), is_gone);
  return buffer;
}

// What became of the base by the batches behind the first `common`. `may_be_gone`: rows of the base
// may lie in other batches.
Changes find_changes(const TraceOrder& base, size_t common, bool may_be_gone,
                     std::span<const SpanBatchPtr> batches) {
  TraceOrder added = order_by_trace(batches.subspan(common));
  for (RowRef& ref : added.rows)
    ref.batch += static_cast<uint32_t>(common);
  const FewTraces index(added.trace_ids);
  std::vector<uint8_t> seen(added.traces());
  Changes changes;
  TraceRows trace_rows(batches);
  const auto add = [&](const TraceId& id, std::span<const RowRef> known, uint32_t in_added,
                       bool is_new) {
    const auto begin = static_cast<uint32_t>(changes.rows.size());
    std::span<const RowRef> more;
    if (in_added != kNone) {
      more = std::span(added.rows.data() + added.trace_begin[in_added],
                       added.rows.data() + added.trace_begin[in_added + 1]);
    }
    trace_rows.merge(known, more, changes.rows);
    if (changes.rows.size() == begin) return;
    const auto start = [&](RowRef ref) { return batches[ref.batch]->start_ns[ref.row]; };
    changes.traces.push_back({id, start(changes.rows[begin]), start(changes.rows.back()), begin,
                              static_cast<uint32_t>(changes.rows.size()), is_new});
  };
  std::vector<RowRef> buffer;
  for (uint32_t t = 0; t < base.traces(); ++t) {
    const uint32_t in_added = index.find(base.trace_ids[t]);
    if (in_added == kNone && !may_be_gone) continue;
    const auto known = common_rows(base, t, common, buffer);
    if (in_added == kNone && known.size() == base.trace_begin[t + 1] - base.trace_begin[t]) {
      continue;
    }
    changes.replaced.push_back(t);
    add(base.trace_ids[t], known, in_added, false);
    if (in_added != kNone) seen[in_added] = 1;
  }
  for (uint32_t t = 0; t < added.traces(); ++t) {
    if (seen[t] == 0) add(added.trace_ids[t], {}, t, true);
  }
  std::ranges::sort(changes.traces, [](const Changed& a, const Changed& b) {
    return comes_before(a.start_ns, a.id, b.start_ns, b.id);
  });
  return changes;
}

// Puts the base and what changed together into `view`.
class Assembly {
 public:
  Assembly(const MemoryView& base, const Changes& changes, MemoryView& view)
      : base_(base), changes_(changes), order_(view.order), last_ns_(view.trace_last_ns) {
    const size_t traces = base.order.traces() + changes.traces.size();
    order_.rows.reserve(base.order.rows.size() + changes.rows.size());
    order_.trace_begin.reserve(traces + 1);
    order_.trace_ids.reserve(traces);
    order_.trace_start_ns.reserve(traces);
    last_ns_.reserve(traces);
  }

  void run() {
    const TraceOrder& known = base_.order;
    auto replaced = changes_.replaced.begin();
    uint32_t at = 0;
    for (const Changed& changed : changes_.traces) {
      uint32_t place = at;
      while (place < known.traces() &&
             comes_before(known.trace_start_ns[place], known.trace_ids[place], changed.start_ns,
                          changed.id)) {
        ++place;
      }
      copy_kept(at, place, replaced);
      at = place;
      add(changed);
    }
    copy_kept(at, static_cast<uint32_t>(known.traces()), replaced);
    order_.trace_begin.push_back(static_cast<uint32_t>(order_.rows.size()));
  }

 private:
  // The traces [begin, end) of the base but for those that are replaced.
  void copy_kept(uint32_t begin, uint32_t end, std::vector<uint32_t>::const_iterator& replaced) {
    while (begin < end) {
      uint32_t stop = end;
      const bool cut = replaced != changes_.replaced.end() && *replaced < end;
      if (cut) stop = *replaced++;
      copy(begin, stop);
      begin = cut ? stop + 1 : stop;
    }
  }

  void copy(uint32_t begin, uint32_t end) {
    const TraceOrder& known = base_.order;
    const uint32_t first = known.trace_begin[begin];
    const auto to = static_cast<uint32_t>(order_.rows.size());
    for (uint32_t t = begin; t < end; ++t)
      order_.trace_begin.push_back(known.trace_begin[t] - first + to);
    append(order_.rows, known.rows, first, known.trace_begin[end]);
    append(order_.trace_ids, known.trace_ids, begin, end);
    append(order_.trace_start_ns, known.trace_start_ns, begin, end);
    append(last_ns_, base_.trace_last_ns, begin, end);
  }

  void add(const Changed& changed) {
    order_.trace_begin.push_back(static_cast<uint32_t>(order_.rows.size()));
    append(order_.rows, changes_.rows, changed.begin, changed.end);
    order_.trace_ids.push_back(changed.id);
    order_.trace_start_ns.push_back(changed.start_ns);
    last_ns_.push_back(changed.last_ns);
  }

  template <typename T>
  static void append(std::vector<T>& to, const std::vector<T>& from, uint32_t begin, uint32_t end) {
    to.insert(to.end(), from.begin() + begin, from.begin() + end);
  }

  const MemoryView& base_;
  const Changes& changes_;
  TraceOrder& order_;
  std::vector<uint64_t>& last_ns_;
};

std::vector<MemoryView::Page> make_pages(const MemoryView& view) {
  const TraceOrder& order = view.order;
  std::vector<MemoryView::Page> pages;
  uint32_t begin = 0;
  for (uint32_t t = 0; t < order.traces(); ++t) {
    if (pages.empty() || order.trace_begin[t] - begin >= kPageRows) {
      pages.push_back({.first_trace = t, .end_trace = t});
      begin = order.trace_begin[t];
    }
    MemoryView::Page& page = pages.back();
    page.end_trace = t + 1;
    page.min_start_ns = std::min(page.min_start_ns, order.trace_start_ns[t]);
    page.max_start_ns = std::max(page.max_start_ns, view.trace_last_ns[t]);
  }
  return pages;
}

}  // namespace

std::shared_ptr<MemoryView> make_view(std::vector<SpanBatchPtr> batches, const MemoryView* base) {
  size_t common = 0;
  size_t common_rows = 0;
  size_t base_rows = 0;
  if (base != nullptr) {
    const size_t most = std::min(batches.size(), base->batches.size());
    while (common < most && batches[common] == base->batches[common])
      common_rows += batches[common++]->size();
    for (const auto& batch : base->batches)
      base_rows += batch->size();
  }
  // Much of the base is gone, as when a block was sealed: then from scratch.
  static const MemoryView kEmpty;
  const bool from_scratch = base == nullptr || common_rows * 2 < base_rows;
  if (from_scratch) {
    base = &kEmpty;
    common = 0;
  }
  auto view = std::make_shared<MemoryView>();
  const Changes changes = find_changes(base->order, common, base->batches.size() > common, batches);
  Assembly(*base, changes, *view).run();
  size_t rows = 0;
  for (const auto& batch : batches)
    rows += batch->size();
  view->order.duplicates = rows - view->order.rows.size();
  view->batches = std::move(batches);
  view->pages = make_pages(*view);
  if (!from_scratch) {
    view->base_version = base->version;
    for (const Changed& changed : changes.traces) {
      if (changed.is_new) view->new_traces.push_back(changed.id);
    }
  }
  return view;
}

}  // namespace weft::store
