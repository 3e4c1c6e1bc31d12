// Queries and their answers as text, in testdata/*.search, *.metrics and *.errors. A query stands
// at the line's start, its answer below it, indented. WEFT_UPDATE_GOLDEN=1 writes the answers that
// this build gives into the files: read the difference before you commit it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "query/parser.h"
#include "query/query_service.h"
#include "query/testing/fixture.h"
#include "query/testing/memory_source.h"
#include "query/testing/reference.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

fs::path testdata() {
  const char* root = std::getenv("WEFT_SOURCE_DIR");
  if (root != nullptr) return fs::path(root) / "src/query/testdata";
  return fs::path(__FILE__).parent_path() / "testdata";
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

struct Case {
  std::string query;
  std::string answer;  // its lines, with their indentation
  int line = 0;
};

// A golden file: cases, and the comments and blank lines before each.
struct GoldenFile {
  std::vector<std::pair<std::string, Case>> cases;
  std::string tail;

  static GoldenFile parse(const std::string& text) {
    GoldenFile out;
    std::istringstream in(text);
    std::string line;
    std::string before;
    int number = 0;
    while (std::getline(in, line)) {
      ++number;
      if (line.starts_with("  ") && !out.cases.empty() && before.empty()) {
        out.cases.back().second.answer += line + "\n";
      } else if (line.empty() || line.starts_with("#")) {
        before += line + "\n";
      } else {
        out.cases.push_back({before, {line, "", number}});
        before.clear();
      }
    }
    out.tail = before;
    return out;
  }
};

// "\n" in an error's query stands for a line break.
std::string unescaped(std::string text) {
  for (size_t at; (at = text.find("\\n")) != std::string::npos;)
    text.replace(at, 2, "\n");
  return text;
}

std::vector<Span> shop() {
  auto spans = testing::parse_fixture(read_file(testdata() / "shop.traces"));
  EXPECT_TRUE(spans) << spans.error().message;
  return spans ? *spans : std::vector<Span>{};
}

std::string set_text(const MatchedSpanset& set) {
  std::string out;
  for (const MatchedSpan& span : set.spans) {
    out += (out.empty() ? "" : " ") + testing::fixture_span(span.span_id);
  }
  for (const auto& [name, value] : set.attributes) {
    out += fmt::format(" [{} = {}]", name,
                       value.type() == ValueType::kNone ? "nil" : to_display(value));
  }
  return out;
}

std::string search_answer(const std::string& text, const std::vector<Span>& spans) {
  const auto query = compile_query(text);
  if (!query) return "  does not compile: " + query.error().error.message + "\n";
  testing::MemorySource source(spans);
  SearchOptions options;
  options.spans_per_spanset = 100;
  const auto result = search(source, *query, options);
  if (!result) return "  fails: " + result.error().message + "\n";
  std::string out;
  for (const TraceSummary& trace : result->traces) {
    out += "  " + testing::fixture_trace(trace.trace_id) + ":";
    for (size_t i = 0; i < trace.spansets.size(); ++i) {
      out += (i > 0 ? " / " : " ") + set_text(trace.spansets[i]);
    }
    out += "\n";
  }
  return out.empty() ? "  nothing\n" : out;
}

// Not taken from the executor, so that a golden answer cannot repeat its mistake unseen.
std::string reference_answer(const std::string& text, const std::vector<Span>& spans) {
  const auto query = traceql::parse(text);
  if (!query) return "";
  std::string out;
  for (const auto& trace : testing::reference_search(*query, spans, {})) {
    out += "  " + testing::fixture_trace(trace.trace_id) + ":";
    for (size_t i = 0; i < trace.spansets.size(); ++i) {
      MatchedSpanset set;
      for (const Span* span : trace.spansets[i].spans) {
        set.spans.emplace_back();
        set.spans.back().span_id = span->span_id;
      }
      set.attributes = trace.spansets[i].attributes;
      out += (i > 0 ? " / " : " ") + set_text(set);
    }
    out += "\n";
  }
  return out.empty() ? "  nothing\n" : out;
}

std::string metrics_answer(const std::string& text, const std::vector<Span>& spans) {
  const auto query = compile_query(text);
  if (!query) return "  does not compile: " + query.error().error.message + "\n";
  std::string first;
  for (bool aggregates : {false, true}) {
    testing::MemorySourceOptions source_options;
    source_options.aggregates = aggregates;
    testing::MemorySource source(spans, source_options);
    MetricsOptions options;
    options.range = {testing::kFixtureBaseNs, testing::kFixtureBaseNs + 50'000'000'000};
    options.step_ns = 10'000'000'000;
    const auto result = query_metrics(source, *query, options);
    if (!result) return "  fails: " + result.error().message + "\n";
    std::string out;
    for (const MetricsSeries& series : result->series) {
      std::string labels;
      for (const auto& [name, value] : series.labels) {
        labels += (labels.empty() ? "" : ", ") + name + "=" +
                  (value.type() == ValueType::kNone ? "nil" : to_display(value));
      }
      out += "  {" + labels + "}";
      for (const MetricsPoint& point : series.points) {
        out += fmt::format(" {}s:{:.4g}", (point.time_ns - testing::kFixtureBaseNs) / 1'000'000'000,
                           point.value);
      }
      out += "\n";
    }
    if (out.empty()) out = "  nothing\n";
    if (aggregates) {
      EXPECT_EQ(out, first) << "counted by the source: " << text;
    }
    first = out;
  }
  return first;
}

std::string error_answer(const std::string& text, const std::vector<Span>&) {
  const auto query = compile_query(unescaped(text));
  if (query) return "  compiles: " + to_string(traceql::parse(unescaped(text)).value()) + "\n";
  const QueryError& error = query.error();
  std::string out = fmt::format("  {}:{}+{} {}\n", error.line, error.column, error.at.length,
                                error.error.message);
  if (!error.expected.empty()) {
    out += "  expected";
    for (size_t i = 0; i < error.expected.size(); ++i) {
      out += (i > 0 ? ", " : " ") + error.expected[i];
    }
    out += "\n";
  }
  if (!error.hint.empty()) out += "  hint " + error.hint + "\n";
  return out;
}

using Answer = std::string (*)(const std::string&, const std::vector<Span>&);

size_t run_files(const std::string& extension, Answer answer) {
  const std::vector<Span> spans = shop();
  const bool update = std::getenv("WEFT_UPDATE_GOLDEN") != nullptr;
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(testdata())) {
    if (entry.path().extension() == extension) files.insert(entry.path());
  }
  size_t cases = 0;
  for (const fs::path& path : files) {
    GoldenFile golden = GoldenFile::parse(read_file(path));
    std::string updated;
    std::set<std::string> seen;
    for (auto& [before, entry] : golden.cases) {
      ++cases;
      EXPECT_TRUE(seen.insert(entry.query).second) << "twice: " << entry.query;
      const std::string actual = answer(entry.query, spans);
      if (!update) {
        EXPECT_EQ(actual, entry.answer)
            << path.filename().string() << ":" << entry.line << ": " << entry.query;
      }
      updated += before + entry.query + "\n" + actual;
    }
    if (update) std::ofstream(path) << updated << golden.tail;
  }
  return cases;
}

TEST(Golden, Searches) {
  EXPECT_GE(run_files(".search", search_answer) + run_files(".metrics", metrics_answer), 250u);
}

TEST(Golden, TheReferenceGivesTheSameAnswers) {
  const std::vector<Span> spans = shop();
  for (const auto& entry : fs::directory_iterator(testdata())) {
    if (entry.path().extension() != ".search") continue;
    for (const auto& [before, one] : GoldenFile::parse(read_file(entry.path())).cases) {
      EXPECT_EQ(reference_answer(one.query, spans), one.answer)
          << entry.path().filename().string() << ":" << one.line << ": " << one.query;
    }
  }
}

TEST(Golden, Errors) {
  EXPECT_GE(run_files(".errors", error_answer), 120u);
}

}  // namespace
}  // namespace weft
