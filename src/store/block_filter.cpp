#include "store/block_filter.h"

#include <algorithm>

#include "store/text_regex.h"

namespace weft::store {
namespace {

Verdict verdict(bool yes) {
  return yes ? Verdict::kYes : Verdict::kNo;
}

bool is_set(uint8_t byte) {
  return byte != 0;
}

// The part of the window from the first row whose byte is `value` to the last one; empty when there
// is none.
PageWindow narrow(const std::vector<uint8_t>& mask, PageWindow window, uint8_t value) {
  const auto first = mask.begin() + window.begin;
  const auto last = mask.begin() + window.end;
  const auto found = std::find(first, last, value);
  if (found == last) return {window.begin, window.begin};
  const auto behind =
      std::find(std::make_reverse_iterator(last), std::make_reverse_iterator(found), value).base();
  return {static_cast<uint32_t>(found - mask.begin()),
          static_cast<uint32_t>(behind - mask.begin())};
}

Verdict either(Verdict a, Verdict b) {
  return a == b ? a : Verdict::kDepends;
}

}  // namespace

bool column_serves(const ColumnMeta& meta, const ColumnRef& column) {
  const auto attribute_of = [&](BlockTable table) {
    return meta.table == table &&
           (meta.domain == ColumnDomain::kOverflow ||
            (meta.domain == ColumnDomain::kAttribute && meta.key == column.key));
  };
  if (column.is_attribute()) {
    switch (column.scope) {
      case AttributeScope::kEvent:
        return attribute_of(BlockTable::kEvents);
      case AttributeScope::kLink:
        return attribute_of(BlockTable::kLinks);
      case AttributeScope::kAny:
      case AttributeScope::kSpan:
        return attribute_of(BlockTable::kSpans);
      default:
        return false;  // resources and scopes are read anyway
    }
  }
  if (meta.domain != ColumnDomain::kField) return false;
  switch (column.intrinsic) {
    case Intrinsic::kEventName:
      return meta.table == BlockTable::kEvents && meta.field == Field::kName;
    case Intrinsic::kEventTimeSinceStartNs:
      return meta.field == Field::kEventTime;
    case Intrinsic::kLinkTraceId:
    case Intrinsic::kLinkSpanId:
      return meta.field == Field::kLinkTraceId;
    case Intrinsic::kName:
      return meta.table == BlockTable::kSpans && meta.field == Field::kName;
    case Intrinsic::kKind:
      return meta.field == Field::kKind;
    case Intrinsic::kStatusCode:
      return meta.field == Field::kStatusCode;
    case Intrinsic::kStatusMessage:
      return meta.field == Field::kStatusMessage;
    case Intrinsic::kTraceState:
      return meta.table == BlockTable::kSpans && meta.field == Field::kTraceState;
    default:
      return false;  // ids, times, scopes: read anyway
  }
}

Expected<BlockFilter> BlockFilter::create(const Block& block, const CompiledPredicate& predicate) {
  BlockFilter filter(block);
  WEFT_ASSIGN(const BlockColumns* columns, block.columns());
  const size_t classes = columns->classes[static_cast<size_t>(BlockTable::kSpans)];
  WEFT_ASSIGN(filter.root_, filter.make(predicate, classes));
  filter.none_ = std::ranges::all_of(filter.root_.classes,
                                     [](Verdict verdict) { return verdict == Verdict::kNo; });
  return filter;
}

Expected<BlockFilter::Node> BlockFilter::make(const CompiledPredicate& predicate,
                                              size_t classes) const {
  Node node;
  node.source = &predicate;
  switch (predicate.kind) {
    case Predicate::Kind::kTrue:
    case Predicate::Kind::kFalse:
      node.constant = predicate.kind == Predicate::Kind::kTrue;
      node.classes.assign(classes, verdict(node.constant));
      return node;
    case Predicate::Kind::kCondition:
      WEFT_TRY(make_condition(predicate, node));
      WEFT_TRY(judge_classes(node, classes));
      return node;
    default:
      break;
  }
  node.method = Node::Method::kBranch;
  const bool both = predicate.kind == Predicate::Kind::kAnd;
  const Verdict settles = verdict(!both);  // one child that says this decides
  node.classes.assign(classes, verdict(both));
  for (const CompiledPredicate& child : predicate.children) {
    WEFT_ASSIGN(Node made, make(child, classes));
    for (size_t c = 0; c < classes; ++c) {
      if (node.classes[c] == settles || made.classes[c] == settles) {
        node.classes[c] = settles;
      } else if (made.classes[c] == Verdict::kDepends) {
        node.classes[c] = Verdict::kDepends;
      }
    }
    node.children.push_back(std::move(made));
  }
  std::ranges::stable_sort(node.children, {}, &Node::method);
  return node;
}

Status BlockFilter::make_condition(const CompiledPredicate& predicate, Node& node) const {
  const ColumnRef& column = predicate.column;
  const CompiledCondition& condition = *predicate.condition;
  node.method = Node::Method::kGeneric;
  if (column.is_multi_valued()) return {};
  if (column.is_attribute()) {
    if (column.scope == AttributeScope::kResource) {
      return add_entity(Field::kResource, predicate, node);
    }
    if (column.scope == AttributeScope::kInstrumentation) {
      return add_entity(Field::kScope, predicate, node);
    }
    return add_attribute(predicate, node);
  }
  switch (column.intrinsic) {
    case Intrinsic::kDurationNs:
      node.method = Node::Method::kDuration;
      return {};
    case Intrinsic::kName:
      return add_field(Field::kName, condition, node);
    case Intrinsic::kKind:
      return add_field(Field::kKind, condition, node);
    case Intrinsic::kStatusCode:
      return add_field(Field::kStatusCode, condition, node);
    case Intrinsic::kStatusMessage:
      return add_field(Field::kStatusMessage, condition, node);
    case Intrinsic::kTraceState:
      return add_field(Field::kTraceState, condition, node);
    case Intrinsic::kInstrumentationName:
    case Intrinsic::kInstrumentationVersion:
      return add_entity(Field::kScope, predicate, node);
    default:
      return {};
  }
}

BlockFilter::CodeColumn BlockFilter::judge_column(size_t index, const LoadedColumn& column,
                                                  const CompiledCondition& condition) {
  CodeColumn out;
  out.index = index;
  const ValueType type = column.meta.type;
  if (column.meta.encoding == ColumnEncoding::kDictionary) {
    Mask truth;
    for (uint32_t code = 0; code < column.meta.dictionary_size; ++code) {
      truth.push_back(column.strings ? condition.matches_text(type, column.strings->at(code + 1))
                                     : condition.matches_word(type, column.numbers[code]));
    }
    out.truth.emplace(column, std::move(truth));
  } else if (column.meta.encoding == ColumnEncoding::kText && type == ValueType::kString) {
    const auto* wanted = std::get_if<std::string>(&condition.operand().data);
    const bool equal = condition.op() == CompareOp::kEqual;
    if (wanted != nullptr && (equal || condition.op() == CompareOp::kNotEqual)) {
      out.probe = std::make_shared<const TextProbe>(column.strings, *wanted);
      out.found_is = equal;
      return out;
    }
  }
  if (column.meta.encoding == ColumnEncoding::kText) {
    const RegexPrefilter* prefilter = type == ValueType::kString ? condition.prefilter() : nullptr;
    out.may.assign(column.meta.dictionary_size, 1);
    if (prefilter != nullptr) {
      out.otherwise = condition.op() == CompareOp::kNotRegex;
      for (uint32_t code = 0; code < column.meta.dictionary_size; ++code)
        out.may[code] = template_may_match(column.strings->at(code + 1), *prefilter);
    }
  }
  return out;
}

Status BlockFilter::add_field(Field field, const CompiledCondition& condition, Node& node) const {
  node.method = Node::Method::kCodes;
  // Absent strings are empty ones.
  node.absent = condition.matches_text(ValueType::kString, "");
  WEFT_ASSIGN(const auto index, block_->find_field(BlockTable::kSpans, field));
  if (!index) return {};
  WEFT_ASSIGN(const LoadedColumnPtr column, block_->column(*index));
  node.columns.push_back(judge_column(*index, *column, condition));
  return {};
}

Status BlockFilter::add_entity(Field field, const CompiledPredicate& predicate, Node& node) const {
  node.method = Node::Method::kCodes;
  WEFT_ASSIGN(const auto index, block_->find_field(BlockTable::kSpans, field));
  if (!index) return fail(ErrorCode::kCorrupt, block_->path() + ": a field is missing");
  WEFT_ASSIGN(const LoadedColumnPtr column, block_->column(*index));
  const SpanBatch& entities = *column->entities;
  const CompiledCondition& condition = *predicate.condition;
  Mask truth;
  if (!predicate.column.is_attribute()) {
    const auto& texts = predicate.column.intrinsic == Intrinsic::kInstrumentationName
                            ? entities.scopes.name
                            : entities.scopes.version;
    for (StringPool::Id id : texts) {
      truth.push_back(condition.matches_text(ValueType::kString, entities.strings.at(id)));
    }
  } else if (field == Field::kResource) {
    truth = evaluate_attribute(entities.resources.attributes, entities.resources.size(),
                               entities.strings, predicate.column.key, condition);
  } else {
    truth = evaluate_attribute(entities.scopes.attributes, entities.scopes.size(), entities.strings,
                               predicate.column.key, condition);
  }
  CodeColumn& made = node.columns.emplace_back();
  made.index = *index;
  made.truth.emplace(*column, std::move(truth));
  return {};
}

Status BlockFilter::add_attribute(const CompiledPredicate& predicate, Node& node) const {
  const CompiledCondition& condition = *predicate.condition;
  WEFT_ASSIGN(const BlockColumns* all, block_->columns());
  for (const ColumnMeta& meta : all->columns) {
    // Overflowing attributes are looked for the slow way.
    if (meta.table == BlockTable::kSpans && meta.domain == ColumnDomain::kOverflow) return {};
  }
  node.method = Node::Method::kCodes;
  node.absent = condition.matches_absent();
  WEFT_ASSIGN(const auto indexes, block_->find_attribute(BlockTable::kSpans, predicate.column.key));
  for (size_t index : indexes) {
    if (all->columns[index].type == ValueType::kNone) continue;  // no value: as if absent
    WEFT_ASSIGN(const LoadedColumnPtr column, block_->column(index));
    node.columns.push_back(judge_column(index, *column, condition));
  }
  if (predicate.column.scope == AttributeScope::kAny) {
    Node resource;
    WEFT_TRY(add_entity(Field::kResource, predicate, resource));
    node.has_base = true;
    node.base = std::move(resource.columns.front());
  }
  // Whether any row of the page has the string is seen without looking at the rows, and when those
  // without it are "no" already, that is mostly all.
  const bool quick = !node.has_base && !node.absent && !node.columns.empty() &&
                     std::ranges::all_of(node.columns, [](const CodeColumn& column) {
                       return column.probe && column.found_is;
                     });
  const bool texts = std::ranges::any_of(
      node.columns, [](const CodeColumn& column) { return !column.may.empty(); });
  if (quick) node.method = Node::Method::kProbe;
  if (texts) node.method = Node::Method::kTexts;
  return {};
}

Status BlockFilter::judge_classes(Node& node, size_t classes) const {
  if (!node.by_columns()) {
    node.classes.assign(classes, Verdict::kDepends);
    return {};
  }
  const auto judge = [](const CodeColumn& column, const ClassValue& value) {
    if (column.probe) {
      const bool may_be = value.code == ClassValue::kVaries ? column.probe->possible()
                                                            : column.probe->may_be(value.code);
      return may_be ? Verdict::kDepends : verdict(!column.found_is);
    }
    if (!column.may.empty()) {
      const bool may = value.code == ClassValue::kVaries ? std::ranges::any_of(column.may, is_set)
                                                         : column.may[value.code] != 0;
      return may ? Verdict::kDepends : verdict(column.otherwise);
    }
    if (!column.truth) return Verdict::kDepends;
    const Mask& truth = column.truth->of_code;
    if (value.code != ClassValue::kVaries) return verdict(truth[value.code] != 0);
    // All entries may have one truth.
    if (std::ranges::all_of(truth, is_set)) return Verdict::kYes;
    return std::ranges::none_of(truth, is_set) ? Verdict::kNo : Verdict::kDepends;
  };
  node.classes.assign(classes, verdict(node.absent));
  if (node.has_base) {
    WEFT_ASSIGN(const LoadedColumnPtr base, block_->column(node.base.index));
    for (size_t c = 0; c < classes; ++c)
      node.classes[c] = judge(node.base, base->classes[c]);
  }
  for (const CodeColumn& column : node.columns) {
    WEFT_ASSIGN(const LoadedColumnPtr loaded, block_->column(column.index));
    for (size_t c = 0; c < classes; ++c) {
      const ClassValue& value = loaded->classes[c];
      if (value.presence == ClassValue::Presence::kNever) continue;
      const Verdict present = judge(column, value);
      if (value.presence == ClassValue::Presence::kAlways) {
        node.classes[c] = present;
      } else if (node.classes[c] != present) {
        node.classes[c] = Verdict::kDepends;
      }
    }
  }
  return {};
}

Expected<Verdict> BlockFilter::judge_page(const Node& node, PageReader& page) const {
  if (node.method == Node::Method::kConstant) return verdict(node.constant);
  if (node.method == Node::Method::kDuration) {
    // Orders are monotonic: what holds at both ends of the page's range holds between.
    const CompiledCondition& condition = *node.source->condition;
    const CompareOp op = condition.op();
    const bool order = op == CompareOp::kLess || op == CompareOp::kLessEqual ||
                       op == CompareOp::kGreater || op == CompareOp::kGreaterEqual;
    const PageInfo& info = page.info();
    if (!order || info.max_duration_ns > INT64_MAX) return Verdict::kDepends;
    return either(verdict(condition.matches_word(ValueType::kInt, info.min_duration_ns)),
                  verdict(condition.matches_word(ValueType::kInt, info.max_duration_ns)));
  }
  if (node.method == Node::Method::kBranch) {
    const Verdict settles = verdict(node.source->kind == Predicate::Kind::kOr);
    bool depends = false;
    for (const Node& child : node.children) {
      WEFT_ASSIGN(const Verdict of_child, judge_page(child, page));
      if (of_child == settles) return settles;
      depends |= of_child == Verdict::kDepends;
    }
    if (!depends) return settles == Verdict::kYes ? Verdict::kNo : Verdict::kYes;
  }
  WEFT_ASSIGN(const PageClasses* classes, page.classes(BlockTable::kSpans));
  if (classes->counts.empty()) return Verdict::kNo;
  Verdict all = node.classes[classes->counts.front().of];
  for (const PageClasses::Count& count : classes->counts)
    all = either(all, node.classes[count.of]);
  return all;
}

Expected<std::vector<uint8_t>> BlockFilter::evaluate(PageReader& page) const {
  WEFT_ASSIGN(const Verdict all, judge_page(root_, page));
  const auto rows = static_cast<uint32_t>(page.rows());
  if (all == Verdict::kNo) return Mask();
  Mask mask(rows, all == Verdict::kYes);
  if (all == Verdict::kDepends) {
    WEFT_TRY(evaluate_node(root_, page, {.window = {0, rows}}, mask));
    if (std::ranges::none_of(mask, is_set)) mask.clear();
  }
  return mask;
}

Status BlockFilter::evaluate_node(const Node& node, PageReader& page, const AskedRows& asked,
                                  Mask& mask) const {
  switch (node.method) {
    case Node::Method::kConstant:
      std::fill(mask.begin() + asked.window.begin, mask.begin() + asked.window.end, node.constant);
      return {};
    case Node::Method::kBranch:
      return evaluate_branch(node, page, asked, mask);
    case Node::Method::kProbe:
    case Node::Method::kCodes:
    case Node::Method::kTexts:
      return evaluate_columns(node, page, asked, mask);
    case Node::Method::kDuration:
      return evaluate_duration(node, page, asked, mask);
    case Node::Method::kGeneric:
      return evaluate_generic(node, page, asked, mask);
  }
  return {};
}

// A child is asked only for the rows from the first to the last one of which the ones before it
// have left open what the whole says.
Status BlockFilter::evaluate_branch(const Node& node, PageReader& page, const AskedRows& asked,
                                    Mask& mask) const {
  const bool both = node.source->kind == Predicate::Kind::kAnd;
  WEFT_ASSIGN(const PageClasses* classes, page.classes(BlockTable::kSpans));
  // Until a child says otherwise, rows are what does not settle it; but for those whose class does.
  const Verdict settles = verdict(!both);
  for (uint32_t row = asked.window.begin; row < asked.window.end; ++row) {
    const Verdict v = node.classes[classes->of_row[row]];
    mask[row] = static_cast<uint8_t>((v == settles) != both);
  }
  PageWindow window = narrow(mask, asked.window, both);
  Mask other;
  for (const Node& child : node.children) {
    if (window.begin == window.end) return {};
    WEFT_ASSIGN(const Verdict all, judge_page(child, page));
    if (all != settles && all != Verdict::kDepends) continue;
    if (all == settles) {
      std::fill(mask.begin() + window.begin, mask.begin() + window.end, !both);
      return {};
    }
    other.resize(mask.size());
    WEFT_TRY(evaluate_node(child, page, {window, &mask, both}, other));
    for (uint32_t row = window.begin; row < window.end; ++row) {
      mask[row] = both ? mask[row] & other[row] : mask[row] | other[row];
    }
    window = narrow(mask, window, both);
  }
  return {};
}

Status BlockFilter::evaluate_columns(const Node& node, PageReader& page, const AskedRows& asked,
                                     Mask& mask) const {
  std::fill(mask.begin() + asked.window.begin, mask.begin() + asked.window.end, node.absent);
  const CompiledCondition& condition = *node.source->condition;
  if (node.has_base) WEFT_TRY(apply_column(node.base, condition, page, asked, mask));
  for (const CodeColumn& column : node.columns) {
    if (node.method == Node::Method::kProbe) {
      WEFT_ASSIGN(const bool possible, page.may_have_text(column.index, *column.probe));
      if (!possible) continue;
    }
    WEFT_TRY(apply_column(column, condition, page, asked, mask));
  }
  return {};
}

// Overwrites the rows that have a value in the column.
Status BlockFilter::apply_column(const CodeColumn& column, const CompiledCondition& condition,
                                 PageReader& page, const AskedRows& asked, Mask& mask) {
  const PageWindow window = asked.window;
  if (column.truth) return page.judge_codes(column.index, *column.truth, asked.window, mask);
  if (column.probe) {
    WEFT_ASSIGN(const auto matches, page.match_text(column.index, *column.probe));
    for (uint32_t row = window.begin; row < window.end; ++row) {
      if (matches[row] == PageReader::TextMatch::kAbsent) continue;
      mask[row] = (matches[row] == PageReader::TextMatch::kSame) == column.found_is;
    }
    return {};
  }
  if (!column.may.empty()) {
    WEFT_ASSIGN(const LoadedColumnPtr loaded, page.block().column(column.index));
    const auto meets = [&condition, type = loaded->meta.type](std::string_view text) {
      return condition.matches_text(type, text);
    };
    return page.judge_texts(column.index, column.may, column.otherwise, meets, asked, mask);
  }
  WEFT_ASSIGN(const PageColumn values, page.column(column.index, window.begin, window.end));
  const ValueType type = values.column->meta.type;
  for (uint32_t row = window.begin; row < window.end; ++row) {
    if (values.present(row)) mask[row] = condition.matches_word(type, values.word(row));
  }
  return {};
}

Status BlockFilter::evaluate_duration(const Node& node, PageReader& page, const AskedRows& asked,
                                      Mask& mask) const {
  const PageWindow window = asked.window;
  const CompiledCondition& condition = *node.source->condition;
  WEFT_ASSIGN(const auto* durations, page.durations());
  // As SpanBatch::duration_ns: 0 when the end is not after the start. Where no end lies before its
  // start and no sum wraps, starts say nothing.
  int64_t signs = 0;
  for (const int64_t duration : *durations)
    signs |= duration;
  if (signs >= 0 && page.info().max_start_ns <= INT64_MAX) {
    for (uint32_t row = window.begin; row < window.end; ++row) {
      mask[row] = condition.matches_word(ValueType::kInt, static_cast<uint64_t>((*durations)[row]));
    }
    return {};
  }
  WEFT_ASSIGN(const auto* starts, page.starts());
  for (uint32_t row = window.begin; row < window.end; ++row) {
    const uint64_t start = (*starts)[row];
    const uint64_t end = start + static_cast<uint64_t>((*durations)[row]);
    mask[row] = condition.matches_word(ValueType::kInt, end > start ? end - start : 0);
  }
  return {};
}

Status BlockFilter::evaluate_generic(const Node& node, PageReader& page, const AskedRows& asked,
                                     Mask& mask) const {
  const PageWindow window = asked.window;
  WEFT_ASSIGN(const SpanBatch batch,
              page.read_rows(window.begin, window.end, [&](const ColumnMeta& meta) {
                return column_serves(meta, node.source->column);
              }));
  std::ranges::copy(weft::store::evaluate(*node.source, batch), mask.begin() + window.begin);
  return {};
}

}  // namespace weft::store
