#include "cli/trace_tree.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "model/id_hash.h"

namespace weft::cli {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// The tree before it is drawn. Nodes 0..n-1 are the spans; behind them stands one node for each
// parent that is missing.
class Builder {
 public:
  explicit Builder(const std::vector<Span>& spans) : spans_(spans), parent_(spans.size(), kNone) {}

  TraceTree build(size_t max_spans) {
    measure();
    link_parents();
    break_loops();
    collect_children();
    choose(max_spans);
    draw();
    return std::move(tree_);
  }

 private:
  struct Frame {
    uint32_t node;
    uint32_t depth;
    bool last;
    uint64_t hidden;  // not 0: a line that stands for hidden siblings; `node` is their parent
  };

  void measure() {
    if (spans_.empty()) return;
    tree_.start_ns = UINT64_MAX;
    for (const Span& span : spans_) {
      tree_.start_ns = std::min(tree_.start_ns, span.start_ns);
      tree_.end_ns = std::max({tree_.end_ns, span.start_ns, span.end_ns});
      tree_.errors += span.status_code == StatusCode::kError;
    }
  }

  void link_parents() {
    std::unordered_map<SpanId, uint32_t, SpanIdHash> by_id;
    by_id.reserve(spans_.size());
    for (uint32_t i = 0; i < spans_.size(); ++i)
      by_id.emplace(spans_[i].span_id, i);
    std::map<SpanId, uint32_t> missing;
    for (uint32_t i = 0; i < spans_.size(); ++i) {
      const SpanId& id = spans_[i].parent_span_id;
      if (id.is_zero()) continue;
      if (const auto found = by_id.find(id); found != by_id.end()) {
        parent_[i] = found->second;
        continue;
      }
      const auto next = static_cast<uint32_t>(spans_.size() + missing_.size());
      const auto [at, is_new] = missing.emplace(id, next);
      if (is_new) missing_.push_back(id);
      parent_[i] = at->second;
    }
    parent_.resize(spans_.size() + missing_.size(), kNone);
    loop_.resize(parent_.size(), false);
    tree_.missing_parents = missing_.size();
  }

  // Of each circle of parents the earliest span becomes a root.
  void break_loops() {
    enum : uint8_t { kNew, kOnPath, kDone };
    std::vector<uint8_t> state(parent_.size(), kNew);
    std::vector<uint32_t> path;
    for (uint32_t start = 0; start < parent_.size(); ++start) {
      path.clear();
      uint32_t node = start;
      while (node != kNone && state[node] == kNew) {
        state[node] = kOnPath;
        path.push_back(node);
        node = parent_[node];
      }
      if (node != kNone && state[node] == kOnPath) {
        const auto begin = std::find(path.begin(), path.end(), node);
        const uint32_t first = *std::min_element(
            begin, path.end(), [&](uint32_t a, uint32_t b) { return before(a, b); });
        parent_[first] = kNone;
        loop_[first] = true;
      }
      for (const uint32_t visited : path)
        state[visited] = kDone;
    }
  }

  uint64_t start_of(uint32_t node) const {
    return node < spans_.size() ? spans_[node].start_ns : missing_start_[node - spans_.size()];
  }

  bool before(uint32_t a, uint32_t b) const {
    const uint64_t start_a = start_of(a), start_b = start_of(b);
    if (start_a != start_b) return start_a < start_b;
    const SpanId& id_a = a < spans_.size() ? spans_[a].span_id : missing_[a - spans_.size()];
    const SpanId& id_b = b < spans_.size() ? spans_[b].span_id : missing_[b - spans_.size()];
    return id_a < id_b;
  }

  void collect_children() {
    children_.resize(parent_.size());
    missing_start_.assign(missing_.size(), UINT64_MAX);
    for (uint32_t i = 0; i < spans_.size(); ++i) {
      if (parent_[i] == kNone) {
        roots_.push_back(i);
        continue;
      }
      children_[parent_[i]].push_back(i);
      if (parent_[i] >= spans_.size()) {
        uint64_t& start = missing_start_[parent_[i] - spans_.size()];
        start = std::min(start, spans_[i].start_ns);
      }
    }
    for (uint32_t m = 0; m < missing_.size(); ++m) {
      roots_.push_back(static_cast<uint32_t>(spans_.size() + m));
    }
    const auto order = [this](uint32_t a, uint32_t b) { return before(a, b); };
    std::sort(roots_.begin(), roots_.end(), order);
    for (auto& children : children_)
      std::sort(children.begin(), children.end(), order);
  }

  void choose(size_t max_spans) {
    drawn_.assign(parent_.size(), spans_.size() <= max_spans);
    if (spans_.size() <= max_spans) return;
    std::vector<uint32_t> by_weight(spans_.size());
    std::iota(by_weight.begin(), by_weight.end(), 0u);
    std::sort(by_weight.begin(), by_weight.end(), [&](uint32_t a, uint32_t b) {
      const bool error_a = spans_[a].status_code == StatusCode::kError;
      const bool error_b = spans_[b].status_code == StatusCode::kError;
      if (error_a != error_b) return error_a;
      if (spans_[a].duration_ns() != spans_[b].duration_ns()) {
        return spans_[a].duration_ns() > spans_[b].duration_ns();
      }
      return before(a, b);
    });
    size_t count = 0;
    std::vector<uint32_t> chain;
    for (const uint32_t candidate : by_weight) {
      chain.clear();
      for (uint32_t node = candidate; node != kNone && !drawn_[node]; node = parent_[node]) {
        chain.push_back(node);
        if (count + chain.size() > max_spans) break;
      }
      if (count + chain.size() > max_spans) continue;
      for (const uint32_t node : chain)
        drawn_[node] = true;
      count += chain.size();
    }
  }

  void draw() {
    const std::vector<uint64_t> subtree = subtree_sizes();
    std::vector<Frame> stack;
    const auto push_all = [&](uint32_t parent, const std::vector<uint32_t>& nodes, uint32_t depth) {
      uint64_t hidden = 0;
      for (const uint32_t node : nodes) {
        if (!drawn_[node]) hidden += subtree[node];
      }
      bool last = true;
      if (hidden != 0) {
        stack.push_back({parent, depth, true, hidden});
        last = false;
      }
      for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
        if (!drawn_[*it]) continue;
        stack.push_back({*it, depth, last, 0});
        last = false;
      }
    };
    push_all(kNone, roots_, 0);
    std::vector<bool> guides;
    while (!stack.empty()) {
      const Frame frame = stack.back();
      stack.pop_back();
      guides.resize(std::min(frame.depth, TraceTree::kMaxGuides));
      add_row(frame, guides);
      if (frame.hidden != 0) continue;
      if (frame.depth < TraceTree::kMaxGuides) guides.push_back(!frame.last);
      push_all(frame.node, children_[frame.node], frame.depth + 1);
    }
  }

  void add_row(const Frame& frame, const std::vector<bool>& guides) {
    TreeRow row;
    row.depth = frame.depth;
    row.guides = guides;
    row.last_sibling = frame.last;
    if (frame.hidden != 0) {
      row.kind = TreeRow::Kind::kHidden;
      row.hidden = frame.hidden;
      tree_.hidden += frame.hidden;
    } else if (frame.node >= spans_.size()) {
      row.kind = TreeRow::Kind::kMissingParent;
      row.missing = missing_[frame.node - spans_.size()];
    } else {
      row.span = frame.node;
      row.in_parent_loop = loop_[frame.node];
      const uint32_t parent = parent_[frame.node];
      if (parent != kNone && parent < spans_.size()) {
        const uint64_t start = spans_[frame.node].start_ns;
        const uint64_t parent_start = spans_[parent].start_ns;
        if (start < parent_start) row.starts_before_parent_ns = parent_start - start;
      }
    }
    tree_.rows.push_back(std::move(row));
  }

  std::vector<uint64_t> subtree_sizes() const {
    std::vector<uint64_t> sizes(parent_.size(), 0);
    std::vector<uint32_t> order;
    order.reserve(parent_.size());
    order.insert(order.end(), roots_.begin(), roots_.end());
    for (size_t i = 0; i < order.size(); ++i) {
      const auto& children = children_[order[i]];
      order.insert(order.end(), children.begin(), children.end());
    }
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      sizes[*it] += *it < spans_.size();
      if (parent_[*it] != kNone) sizes[parent_[*it]] += sizes[*it];
    }
    return sizes;
  }

  const std::vector<Span>& spans_;
  std::vector<uint32_t> parent_;
  std::vector<SpanId> missing_;
  std::vector<uint64_t> missing_start_;
  std::vector<bool> loop_;
  std::vector<std::vector<uint32_t>> children_;
  std::vector<uint32_t> roots_;
  std::vector<bool> drawn_;
  TraceTree tree_;
};

}  // namespace

TraceTree build_trace_tree(const std::vector<Span>& spans, size_t max_spans) {
  return Builder(spans).build(max_spans);
}

}  // namespace weft::cli
