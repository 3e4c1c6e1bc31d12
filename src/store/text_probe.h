// Looks for one string in columns of near-unique strings (ColumnEncoding::kText) without putting
// their strings together: equal strings are split into equal templates and variables, unless they
// are kept whole. docs/formats/block.md, "Templates".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/string_pool.h"
#include "store/text_template.h"

namespace weft::store {

// Immutable; any thread.
class TextProbe {
 public:
  // `templates`: the column's dictionary; the template of code c has the id c + 1.
  TextProbe(std::shared_ptr<const StringPool> templates, std::string_view text);

  // Whether a string of this template can be the text.
  bool may_be(uint32_t code) const { return code == code_ || code == raw_code_; }
  // Whether any template can.
  bool possible() const { return code_ != kNone || raw_code_ != kNone; }
  // Whether one of the strings with these variables can be it.
  bool may_be_among(const TemplateVariables& variables) const;
  // Calls found(i) for each string that is the text. `codes`: templates of the strings, in the
  // order in which they were split; `absent` stands for none. False when the variables run out
  // (damage).
  bool find(std::span<const uint32_t> codes, uint32_t absent, const TemplateVariables& variables,
            const std::function<void(size_t)>& found) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX - 1;

  std::shared_ptr<const StringPool> templates_;
  std::string text_;
  TemplateVariables wanted_;
  TemplateNeeds needs_;
  uint32_t code_ = kNone;
  uint32_t raw_code_ = kNone;
};

}  // namespace weft::store
