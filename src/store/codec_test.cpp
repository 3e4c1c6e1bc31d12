#include <gtest/gtest.h>

#include <map>
#include <random>

#include "model/testing/random_spans.h"
#include "store/batch_codec.h"
#include "store/block_format.h"
#include "store/bloom.h"
#include "store/known_template.h"
#include "store/presence_bits.h"
#include "store/stream_codec.h"
#include "store/text_regex.h"
#include "store/text_template.h"

namespace weft::store {
namespace {

using testing::test_seed;

TEST(StreamCodec, NumbersComeBack) {
  std::mt19937_64 random(test_seed("NumbersComeBack"));
  for (int round = 0; round < 300; ++round) {
    std::vector<uint64_t> values(random() % 3000);
    const uint64_t scale = std::array<uint64_t, 3>{1, 1000, 1'000'000}[random() % 3];
    const int bits = 1 + static_cast<int>(random() % 64);
    const uint64_t base = random();
    for (auto& value : values) {
      value = base + (random() >> (64 - bits)) / scale * scale;
    }
    std::string bytes;
    put_ints(bytes, values);
    ByteReader in(bytes);
    std::vector<uint64_t> back;
    ASSERT_TRUE(get_ints(in, back, values.size()));
    EXPECT_EQ(back, values);
    EXPECT_EQ(in.remaining(), 0u);
  }
}

TEST(StreamCodec, CodesBitsAndStreamsComeBack) {
  std::mt19937_64 random(test_seed("CodesBitsAndStreamsComeBack"));
  for (int round = 0; round < 200; ++round) {
    const size_t n = random() % 5000;
    const auto max_code = static_cast<uint32_t>(random() >> (32 + random() % 32));
    std::vector<uint32_t> codes(n);
    std::vector<uint8_t> bits(n);
    std::string text;
    // Half of them, few or none are ones; or the other way round.
    const uint64_t one_of = uint64_t{1} << (1 + random() % 13);
    const bool flip = random() % 2 == 0;
    for (size_t i = 0; i < n; ++i) {
      codes[i] = static_cast<uint32_t>(random() % (uint64_t{max_code} + 1));
      bits[i] = (random() % one_of == 0) != flip;
      text.push_back(static_cast<char>('a' + random() % 5));
    }
    std::string bytes;
    put_codes(bytes, codes, max_code);
    put_bits(bytes, bits);
    put_stream(bytes, text);
    ByteReader in(bytes);
    std::vector<uint32_t> codes_back;
    std::vector<uint8_t> bits_back;
    std::string text_back;
    ASSERT_TRUE(get_codes(in, codes_back, n, max_code));
    ASSERT_TRUE(get_bits(in, bits_back, n));
    ASSERT_TRUE(get_stream(in, text_back, n));
    EXPECT_EQ(codes_back, codes);
    EXPECT_EQ(bits_back, bits);
    EXPECT_EQ(text_back, text);
    EXPECT_EQ(in.remaining(), 0u);
  }
}

TEST(StreamCodec, RareBitsTakeAByteEach) {
  std::vector<uint8_t> bits(8000);
  for (const size_t row : {7, 8, 600, 7999})
    bits[row] = 1;
  for (const uint8_t flip : {0, 1}) {
    for (uint8_t& bit : bits)
      bit ^= flip;
    std::string bytes;
    put_bits(bytes, bits);
    // Mode, length, four gaps, and steps of 255: two before the third, 29 before the last.
    EXPECT_EQ(bytes.size(), 2u + 4 + 2 + 29);
    ByteReader in(bytes);
    std::vector<uint8_t> back;
    ASSERT_TRUE(get_bits(in, back, bits.size()));
    EXPECT_EQ(back, bits);
    // A bit behind the last one.
    bytes.back() = static_cast<char>(static_cast<uint8_t>(bytes.back()) + 1);
    ByteReader damaged(bytes);
    EXPECT_FALSE(get_bits(damaged, back, bits.size()));
  }
}

TEST(StreamCodec, SlicesAreWhatTheWholeHasThere) {
  std::mt19937_64 random(test_seed("SlicesAreWhatTheWholeHasThere"));
  for (int round = 0; round < 200; ++round) {
    const size_t n = random() % 600;
    const int bits = 1 + static_cast<int>(random() % 64);
    std::vector<uint64_t> values(n);
    for (auto& value : values)
      value = random() % 7 == 0 ? random() >> (64 - bits) : random() % 5;
    const auto max_code = static_cast<uint32_t>(random() >> (32 + random() % 32));
    std::vector<uint32_t> codes(n);
    for (auto& code : codes)
      code = static_cast<uint32_t>(random() % (uint64_t{max_code} + 1));
    std::string bytes;
    put_ints(bytes, values);
    put_codes(bytes, codes, max_code);
    StreamSlice slice{random() % (n + 1), random() % (n + 1)};
    if (slice.begin > slice.end) std::swap(slice.begin, slice.end);
    const auto begin = static_cast<std::ptrdiff_t>(slice.begin);
    const auto end = static_cast<std::ptrdiff_t>(slice.end);
    ByteReader in(bytes);
    std::vector<uint64_t> some_values;
    std::vector<uint32_t> some_codes;
    ASSERT_TRUE(get_ints(in, some_values, n, slice));
    ASSERT_TRUE(get_codes(in, some_codes, n, max_code, slice));
    EXPECT_EQ(some_values, std::vector(values.begin() + begin, values.begin() + end));
    EXPECT_EQ(some_codes, std::vector(codes.begin() + begin, codes.begin() + end));
    EXPECT_EQ(in.remaining(), 0u);
  }
}

TEST(TextTemplate, StringsComeBack) {
  const std::vector<std::string> texts = {"",
                                          "plain",
                                          "/orders/1234/items/0042",
                                          "0",
                                          "00",
                                          "007",
                                          "a1b2c3",
                                          "deadbeef",
                                          "dead0beef",
                                          "018f3a2c-9b1d-4e5f-8a7b-0123456789ab",
                                          "x-018f3a2c-9b1d-4e5f-8a7b-0123456789ab-y",
                                          "018F3A2C-9B1D-4E5F-8A7B-0123456789AB",
                                          "018f3a2c-9b1d-4e5f-8a7b-0123456789abc",
                                          "99999999999999999999999999",
                                          "999999999999999999",
                                          "1000000000000000000",
                                          "10.1.2.3:8080",
                                          "\x01weird\x05",
                                          std::string("\0nul", 4),
                                          "ünïcode 12 \xff 13",
                                          "1 2 3 4 5 6 7 8 9 10 11",
                                          "/t/4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7",
                                          std::string(400, '7'),
                                          std::string(400, 'a') + "1"};
  std::mt19937_64 random(test_seed("StringsComeBack"));
  std::vector<std::string> all = texts;
  static constexpr std::string_view kAlphabet = "0123456789abcdefgz-/. ";
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 60, ' ');
    for (char& c : text)
      c = kAlphabet[random() % kAlphabet.size()];
    all.push_back(text);
  }
  TemplateVariables variables;
  std::vector<std::string> skeletons(all.size());
  for (size_t i = 0; i < all.size(); ++i)
    split_template(all[i], skeletons[i], variables);
  std::string bytes;
  put_variables(bytes, variables);
  ByteReader in(bytes);
  TemplateVariables back;
  ASSERT_TRUE(get_variables(in, back, all.size(), 1 << 20));
  TemplateJoiner joiner(back);
  for (size_t i = 0; i < all.size(); ++i) {
    std::string text;
    ASSERT_TRUE(joiner.join(skeletons[i], text)) << all[i];
    EXPECT_EQ(text, all[i]);
  }
  // From any string on, with those before it passed over.
  for (size_t from = 0; from < all.size(); ++from) {
    TemplateJoiner late(back);
    for (size_t i = 0; i < from; ++i)
      ASSERT_TRUE(late.skip(template_needs(skeletons[i]))) << all[i];
    std::string text;
    ASSERT_TRUE(late.join(skeletons[from], text)) << all[from];
    EXPECT_EQ(text, all[from]);
  }
  // More than there is: damage.
  TemplateJoiner greedy(back);
  EXPECT_FALSE(greedy.skip(
      {.ints = 0, .binary_bytes = static_cast<uint32_t>(back.binary.size()) + 1, .raws = 0}));
  EXPECT_FALSE(greedy.skip(
      {.ints = 0, .binary_bytes = 0, .raws = static_cast<uint32_t>(back.raw_lengths.size()) + 1}));
}

TEST(TextTemplate, NumbersAndIdsBecomeVariables) {
  TemplateVariables variables;
  std::string skeleton;
  split_template("/orders/1234/items/0042?t=4bf92f3577b34da6", skeleton, variables);
  EXPECT_EQ(skeleton, "/orders/\x01/items/\x04\x04?t=\x02\x10");
  EXPECT_EQ(variables.ints[0], std::vector<uint64_t>{1234});
  EXPECT_EQ(variables.ints[1], std::vector<uint64_t>{42});
  EXPECT_EQ(variables.binary.size(), 8u);
}

// Short strings are split by words of bits, long ones by characters: the same rules.
TEST(TextTemplate, ShortAndLongStringsAreSplitAlike) {
  std::mt19937_64 random(test_seed("ShortAndLongStringsAreSplitAlike"));
  static constexpr std::string_view kPieces[] = {"/",
                                                 "-",
                                                 "g",
                                                 "Z",
                                                 "\xC3\xA9",
                                                 "0",
                                                 "00",
                                                 "7",
                                                 "1234",
                                                 "deadbeef",
                                                 "0badc0de",
                                                 "4bf92f3577b34da6a3ce929d0e0e4736",
                                                 "999999999999999999",
                                                 "1234567890123456789",
                                                 "a",
                                                 "f",
                                                 "9",
                                                 ".",
                                                 "_",
                                                 " ",
                                                 "123e4567-e89b-42d3-a456-426614174000",
                                                 "ABC",
                                                 "x1",
                                                 "@",
                                                 "[",
                                                 "`",
                                                 "{"};
  const std::string rest(300, '~');
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const size_t size = random() % 257;
    while (text.size() < size)
      text += kPieces[random() % std::size(kPieces)];
    text.resize(size);
    std::string skeleton;
    std::string long_skeleton;
    TemplateVariables variables;
    TemplateVariables long_variables;
    split_template(text, skeleton, variables);
    split_template(text + rest, long_skeleton, long_variables);
    ASSERT_EQ(skeleton + rest, long_skeleton) << text;
    ASSERT_EQ(variables.binary, long_variables.binary) << text;
    for (size_t i = 0; i < kMaxTemplateInts; ++i)
      ASSERT_EQ(variables.ints[i], long_variables.ints[i]) << text;
    std::string back;
    ASSERT_TRUE(TemplateJoiner(variables).join(skeleton, back));
    ASSERT_EQ(back, text);
  }
}

// A string is split by a template that is known as it is without.
TEST(TextRegex, TemplatesMayContainWhatTheirStringsContain) {
  std::mt19937_64 random(test_seed("MayContainWhatItsStringsContain"));
  static constexpr std::string_view kPieces[] = {"/",
                                                 "-",
                                                 "Orders",
                                                 "x",
                                                 "0042",
                                                 "7",
                                                 "4bf92f3577b34da6",
                                                 "\xC3\x89",
                                                 "\x01",
                                                 "?id=",
                                                 "123e4567-e89b-42d3-a456-426614174000"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t i = random() % 6; i > 0; --i)
      text += kPieces[random() % std::size(kPieces)];
    std::string skeleton;
    TemplateVariables variables;
    split_template(text, skeleton, variables);
    std::string lower;
    for (const char c : text)
      lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (lower.empty()) continue;
    const size_t at = random() % lower.size();
    const std::string part = lower.substr(at, 1 + random() % (lower.size() - at));
    EXPECT_TRUE(template_may_contain(skeleton, part)) << text << ": " << part;
  }
  const auto may = [](std::string_view text, std::string_view part) {
    std::string skeleton;
    TemplateVariables variables;
    split_template(text, skeleton, variables);
    return template_may_contain(skeleton, part);
  };
  constexpr std::string_view kText = "/orders/1234/items/4bf92f3577b34da6";
  // Of other strings of the template, too.
  EXPECT_TRUE(may(kText, "/orders/99/items/"));
  EXPECT_TRUE(may(kText, "5/items/deadbeef"));
  EXPECT_FALSE(may(kText, "/order/"));
  EXPECT_FALSE(may(kText, "orders/a"));
  EXPECT_FALSE(may(kText, "zzz"));
  EXPECT_FALSE(may("", "a"));
}

TEST(KnownTemplate, SplitsAsSplitTemplateDoes) {
  std::mt19937_64 random(test_seed("SplitsAsSplitTemplateDoes"));
  static constexpr std::string_view kPieces[] = {"/",
                                                 "-",
                                                 "g",
                                                 "a",
                                                 "f",
                                                 "Z",
                                                 "0",
                                                 "00",
                                                 "7",
                                                 "42",
                                                 "1234",
                                                 "12345678",
                                                 "deadbeef",
                                                 "0badc0de",
                                                 "123456",
                                                 "999999999999999999",
                                                 "1234567890123456789",
                                                 ".",
                                                 "\xC3\xA9",
                                                 "\x01",
                                                 "4bf92f3577b34da6",
                                                 "12345678901234567890",
                                                 "123e4567-e89b-42d3-a456-426614174000",
                                                 "12345678-1234-1234-1234-123456789012"};
  struct Seen {
    std::string skeleton;
    KnownTemplate known;
  };
  std::vector<Seen> seen;
  std::map<std::string, size_t> index;
  size_t taken = 0;
  size_t own_refused = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string text;
    const size_t pieces = random() % 6;
    for (size_t i = 0; i < pieces; ++i)
      text += kPieces[random() % std::size(kPieces)];
    if (random() % 100 == 0) text += std::string(260, '~');
    std::string skeleton;
    TemplateVariables variables;
    split_template(text, skeleton, variables);
    const auto try_split = [&](const Seen& template_seen) {
      TemplateVariables by_template;
      const bool is_split = template_seen.known.split(text, by_template);
      taken += is_split;
      if (!is_split) {
        EXPECT_TRUE(by_template.binary.empty() && by_template.raw_lengths.empty()) << text;
        for (const auto& ints : by_template.ints)
          EXPECT_TRUE(ints.empty()) << text;
        return false;
      }
      EXPECT_EQ(template_seen.skeleton, skeleton) << text;
      EXPECT_EQ(by_template.binary, variables.binary) << text;
      for (size_t i = 0; i < kMaxTemplateInts; ++i)
        EXPECT_EQ(by_template.ints[i], variables.ints[i]) << text;
      return true;
    };
    for (int i = 0; i < 30 && !seen.empty(); ++i)
      try_split(seen[random() % seen.size()]);
    const auto [at, is_new] = index.try_emplace(skeleton, seen.size());
    if (is_new) seen.push_back({skeleton, KnownTemplate(skeleton)});
    own_refused += !try_split(seen[at->second]);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(taken, 10'000u);
  EXPECT_LT(own_refused, 20'000u);
  // What columns are made of is split by its own template.
  for (const std::string_view text :
       {"/orders/1234/items/0042?t=4bf92f3577b34da6", "10.12.3.44", "u-123456",
        "123e4567-e89b-42d3-a456-426614174000", "http://cart.shop:8080/v1/x?rid=deadbeef", ""}) {
    std::string skeleton;
    TemplateVariables variables;
    split_template(text, skeleton, variables);
    EXPECT_EQ(KnownTemplate(skeleton).split(text, variables), true) << text;
  }
}

TEST(Bloom, HasWhatWasAddedAndLittleElse) {
  std::mt19937_64 random(test_seed("HasWhatWasAddedAndLittleElse"));
  Bloom bloom(10'000);
  std::vector<TraceId> ids(10'000);
  for (TraceId& id : ids) {
    for (auto& byte : id.bytes)
      byte = static_cast<uint8_t>(random());
    bloom.add(id);
  }
  const auto back = Bloom::decode(bloom.encode());
  ASSERT_TRUE(back);
  for (const TraceId& id : ids)
    EXPECT_TRUE(back->may_contain(id));
  size_t wrong = 0;
  for (int i = 0; i < 100'000; ++i) {
    TraceId id;
    for (auto& byte : id.bytes)
      byte = static_cast<uint8_t>(random());
    wrong += back->may_contain(id);
  }
  EXPECT_LT(wrong, 200u);
}

// What a damaged or made-up file may say with right checksums, and readers rely on.
TEST(BlockFormat, ColumnsThatContradictThemselvesAreDamage) {
  const auto taken = [](ColumnDomain domain, Field field, ColumnEncoding encoding, ValueType type) {
    BlockColumns columns;
    ColumnMeta& column = columns.columns.emplace_back();
    column.domain = domain;
    column.field = field;
    column.encoding = encoding;
    column.type = type;
    return decode_columns(encode_columns(columns)).has_value();
  };
  using enum ColumnDomain;
  using enum ColumnEncoding;
  constexpr auto kNoField = Field::kClass;
  EXPECT_TRUE(taken(kField, Field::kStart, kSpecial, ValueType::kNone));
  EXPECT_TRUE(taken(kField, Field::kName, kText, ValueType::kString));
  EXPECT_TRUE(taken(kField, Field::kKind, kDictionary, ValueType::kInt));
  EXPECT_TRUE(taken(kAttribute, kNoField, kDictionary, ValueType::kNone));
  EXPECT_TRUE(taken(kAttribute, kNoField, kNumber, ValueType::kDouble));
  EXPECT_TRUE(taken(kOverflow, kNoField, kText, ValueType::kBytes));

  EXPECT_FALSE(taken(kField, Field::kStart, kNumber, ValueType::kInt));
  EXPECT_FALSE(taken(kField, Field::kEventTime, kSpecial, ValueType::kNone));
  EXPECT_FALSE(taken(kField, Field::kName, kSpecial, ValueType::kString));
  EXPECT_FALSE(taken(kField, Field::kName, kDictionary, ValueType::kInt));
  EXPECT_FALSE(taken(kField, Field::kKind, kDictionary, ValueType::kString));
  EXPECT_FALSE(taken(kAttribute, kNoField, kSpecial, ValueType::kString));
  EXPECT_FALSE(taken(kAttribute, kNoField, kNumber, ValueType::kString));
  EXPECT_FALSE(taken(kAttribute, kNoField, kText, ValueType::kInt));
  EXPECT_FALSE(taken(kOverflow, kNoField, kDictionary, ValueType::kInt));
}

TEST(BlockFormat, PagesBeginAtTheBeginningAndAreNotEmpty) {
  const auto taken = [](PageInfo first, PageInfo end) {
    return decode_pages(encode_pages({first, end})).has_value();
  };
  const PageInfo end{.first_row = 8, .first_trace = 2, .first_event = 1};
  EXPECT_TRUE(taken({}, end));
  EXPECT_TRUE(decode_pages(encode_pages({PageInfo()})));
  EXPECT_FALSE(decode_pages(encode_pages({{.first_trace = 1}})));
  EXPECT_FALSE(taken({.first_event = 1}, end));
  EXPECT_FALSE(taken({}, {.first_row = 8}));
  EXPECT_FALSE(taken({}, {.first_trace = 2}));
}

TEST(BatchCodec, RandomBatchesComeBackAndDamageIsNoticedOrHarmless) {
  std::mt19937_64 random(test_seed("RandomBatchesComeBack"));
  for (int round = 0; round < 5; ++round) {
    const auto spans = testing::random_spans(random, {.hostile = true});
    std::string bytes = encode_batch(testing::to_batch(spans));
    auto back = decode_batch(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(testing::canonical(*back), testing::canonical(spans));
    for (int flip = 0; flip < 50; ++flip) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
      if (auto result = decode_batch(damaged)) (void)to_spans(*result);
      (void)decode_batch(std::string_view(bytes).substr(0, random() % bytes.size()));
    }
  }
}

// Both ways, whatever this machine has.
TEST(PresenceBits, BitsAreExtractedAlikeOnEveryMachine) {
  const uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  EXPECT_EQ(extract_bits_portably(0b1011'0100, 0b1010'1100), 0b1101u);
  for (int round = 0; round < 1000; ++round) {
    const uint64_t bits = random();
    for (const uint64_t chosen : {random(), random() & random() & random(), ~uint64_t{0}})
      EXPECT_EQ(extract_bits(bits, chosen), extract_bits_portably(bits, chosen));
  }
}

// Against the plain way of doing it, on ranges that begin and end anywhere.
TEST(PresenceBits, PacksTheBitsOfTheChosenRows) {
  const uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto rows = static_cast<uint32_t>(1 + random() % 700);
    RowBits present(rows);
    RowBits chosen(rows);
    std::vector<uint8_t> is_present(rows);
    std::vector<uint8_t> is_chosen(rows);
    const uint64_t share = random() % 5;  // of 4 that are chosen
    for (uint32_t row = 0; row < rows; ++row) {
      is_present[row] = random() % 2 != 0;
      is_chosen[row] = random() % 4 < share;
      if (is_present[row] != 0) present.set(row);
      if (is_chosen[row] != 0) chosen.set(row);
    }
    const auto begin = static_cast<uint32_t>(random() % (rows + 1));
    const auto end = static_cast<uint32_t>(begin + random() % (rows - begin + 1));
    std::vector<uint8_t> wanted;
    for (uint32_t row = begin; row < end; ++row) {
      if (is_chosen[row] != 0) wanted.push_back(is_present[row]);
    }
    std::string packed;
    pack_chosen_bits(present, chosen, begin, end, packed);
    std::string expected;
    put_bits(expected, wanted);
    std::string actual;
    put_packed_bits(actual, packed);
    EXPECT_EQ(actual, expected) << "rows " << begin << " to " << end << " of " << rows;
  }
}

}  // namespace
}  // namespace weft::store
