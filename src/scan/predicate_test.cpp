#include "scan/predicate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "scan/scan.h"

namespace weft {
namespace {

TEST(Matches, IntsAndDoublesCompareByValue) {
  EXPECT_TRUE(matches(Value(5), CompareOp::kEqual, Value(5.0)));
  EXPECT_TRUE(matches(Value(5.5), CompareOp::kGreater, Value(5)));
  EXPECT_FALSE(matches(Value(5), CompareOp::kLess, Value(5.0)));
}

TEST(Matches, OtherTypesNeverMatchEachOther) {
  EXPECT_FALSE(matches(Value("5"), CompareOp::kEqual, Value(5)));
  EXPECT_FALSE(matches(Value("5"), CompareOp::kNotEqual, Value(5)));
  EXPECT_FALSE(matches(Value(true), CompareOp::kEqual, Value(1)));
}

TEST(Matches, AbsentMatchesOnlyNotExists) {
  EXPECT_TRUE(matches(Value(), CompareOp::kNotExists, Value()));
  EXPECT_FALSE(matches(Value(), CompareOp::kNotEqual, Value("x")));
  EXPECT_TRUE(matches(Value(0), CompareOp::kExists, Value()));
}

TEST(Matches, RegularExpressionsAreAnchored) {
  EXPECT_TRUE(matches(Value("GET /cart"), CompareOp::kRegex, Value("GET .*")));
  EXPECT_FALSE(matches(Value("GET /cart"), CompareOp::kRegex, Value("GET")));
  EXPECT_TRUE(matches(Value("GET /cart"), CompareOp::kNotRegex, Value("GET")));
  EXPECT_FALSE(matches(Value(5), CompareOp::kNotRegex, Value("GET")));
}

TEST(Matches, AnArrayMatchesWhenAnElementDoes) {
  const Value array(Value::Array{Value("a"), Value(7)});
  EXPECT_TRUE(matches(array, CompareOp::kEqual, Value("a")));
  EXPECT_TRUE(matches(array, CompareOp::kGreater, Value(6)));
  EXPECT_FALSE(matches(array, CompareOp::kEqual, Value("b")));
}

TEST(ColumnRef, NamesAreQuotedWhereTheyWouldReadOtherwise) {
  const auto text = [](AttributeScope scope, const char* key) {
    return to_string(ColumnRef::attribute(scope, key));
  };
  EXPECT_EQ(text(AttributeScope::kAny, "http.route"), ".http.route");
  EXPECT_EQ(text(AttributeScope::kAny, "0e9"), ".\"0e9\"");
  EXPECT_EQ(text(AttributeScope::kSpan, "0e9"), "span.0e9");
  EXPECT_EQ(text(AttributeScope::kSpan, "a b"), "span.\"a b\"");
}

TEST(Predicate, CombiningFoldsConstantsAndFlattens) {
  const auto a = Predicate::of(
      {ColumnRef::of(Intrinsic::kDurationNs), CompareOp::kGreater, Value(int64_t{5})});
  const auto b = Predicate::of(
      {ColumnRef::attribute(AttributeScope::kSpan, "http.route"), CompareOp::kEqual, Value("/x")});
  EXPECT_EQ(to_string(Predicate::all_of({a, Predicate::all(), Predicate::all_of({b, a})})),
            "(duration > 5 && span.http.route = \"/x\" && duration > 5)");
  EXPECT_EQ(to_string(Predicate::any_of({a, Predicate::all()})), "true");
  EXPECT_EQ(to_string(Predicate::all_of({a, Predicate::none()})), "false");
  EXPECT_EQ(to_string(Predicate::any_of({})), "false");
}

TEST(HistogramBucket, EveryBoundaryBeginsItsBucket) {
  for (uint32_t per_octave : {1u, 2u, 4u, 8u, 16u}) {
    for (uint32_t bucket = 1; bucket < 60 * per_octave; ++bucket) {
      const double floor = histogram_bucket_floor(bucket, per_octave);
      EXPECT_EQ(histogram_bucket(floor, per_octave), bucket);
      EXPECT_EQ(histogram_bucket(std::nextafter(floor, 0), per_octave), bucket - 1);
    }
  }
  EXPECT_EQ(histogram_bucket(-3, 4), 0u);
  EXPECT_EQ(histogram_bucket(0.5, 4), 0u);
}

}  // namespace
}  // namespace weft
