#include "cli/bench/budget_table.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/terminal.h"
#include "server/json_writer.h"

namespace weft::cli {
namespace {

std::string number(double value) {
  if (value >= 100'000) return with_thousands(static_cast<uint64_t>(std::llround(value)));
  if (value >= 100) return fmt::format("{:.0f}", value);
  return value >= 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

std::string budget_text(const BudgetRow& row) {
  if (!row.budget) return "";
  const bool whole = std::floor(*row.budget) == *row.budget;
  return (row.at_least ? "≥ " : "≤ ") +
         (whole ? with_thousands(static_cast<uint64_t>(*row.budget)) : number(*row.budget));
}

std::string verdict_of(const BudgetRow& row) {
  if (!row.budget) return "";
  if (!row.decides()) {
    return "budget not for this size, for " + with_thousands(row.budget_spans) + " spans;";
  }
  return row.met() ? "met" : "MISSED";
}

void write_sync(JsonWriter& json, std::string_view name, const SyncLimit& limit) {
  json.key(name).begin_object();
  json.field("groupBytes", limit.group_bytes).field("mbPerSecond", limit.mb_per_s);
  json.field("p50Ms", limit.p50_ms).field("p99Ms", limit.p99_ms).end_object();
}

}  // namespace

std::string render_budget_table(const BudgetTable& table) {
  const MachineLimits& machine = table.machine;
  std::string out = fmt::format("machine    {}, {} cores\n", machine.cpu, machine.cores);
  out += fmt::format("memcpy     {:.1f} GB/s\n", machine.memcpy_gb_per_s);
  out +=
      fmt::format("new memory {:.0f} ns for the first touch of a page\n", machine.first_touch_ns);
  for (const SyncLimit* limit : {&machine.sync_256k, &machine.sync_1m}) {
    out += fmt::format(
        "fdatasync  {} KiB groups, prewritten: {:.0f} MB/s, p50 {:.2f} ms, p99 "
        "{:.2f} ms\n",
        limit->group_bytes >> 10, limit->mb_per_s, limit->p50_ms, limit->p99_ms);
  }
  out += fmt::format("disk       {}\n\n", table.disk);
  out += fmt::format("{:<46} {:>12} {:>12}  {:<11} {}\n", "what", "budget", "measured", "unit", "");
  for (const BudgetRow& row : table.rows) {
    const std::string verdict = verdict_of(row);
    // Budgets hold a character of three bytes: padded by columns, not by bytes.
    const std::string budget = budget_text(row);
    const size_t used = display_width(budget);
    out += fit_to_width(row.what, 46) + " " + std::string(used < 12 ? 12 - used : 0, ' ') + budget +
           fmt::format(" {:>12}  {:<11} {}", number(row.measured), row.unit, verdict);
    if (!row.note.empty()) out += (verdict.empty() ? "" : "  ") + row.note;
    while (out.ends_with(' ') || out.ends_with(';'))
      out.pop_back();
    out += "\n";
  }
  return out;
}

std::string budget_table_json(const BudgetTable& table) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("machine").begin_object();
  json.field("cpu", table.machine.cpu).field("cores", uint64_t{table.machine.cores});
  json.field("memcpyGbPerSecond", table.machine.memcpy_gb_per_s);
  json.field("firstTouchNsPerPage", table.machine.first_touch_ns);
  write_sync(json, "fdatasync256k", table.machine.sync_256k);
  write_sync(json, "fdatasync1m", table.machine.sync_1m);
  json.field("disk", table.disk).end_object();
  json.key("rows").begin_array();
  for (const BudgetRow& row : table.rows) {
    json.begin_object().field("what", row.what).field("measured", row.measured);
    json.field("unit", row.unit);
    if (row.budget) {
      json.field("budget", *row.budget).field("bound", row.at_least ? "min" : "max");
      if (row.budget_spans != 0) {
        json.field("budgetSpans", row.budget_spans).field("measuredSpans", row.measured_spans);
      }
      if (row.decides()) json.field("met", row.met());
    }
    if (!row.note.empty()) json.field("note", row.note);
    json.end_object();
  }
  json.end_array().end_object();
  return out + "\n";
}

}  // namespace weft::cli
