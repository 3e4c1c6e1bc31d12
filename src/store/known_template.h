// Splits a string that probably has a template that was seen before, without looking for its words
// again: the template's text is compared and what stands between is parsed. Columns of near-unique
// strings have few templates, and spans of one class mostly the same one. The block writer uses
// this; what it makes is what split_template would.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/text_template.h"

namespace weft::store {

class KnownTemplate {
 public:
  // `skeleton` is what split_template made of some string.
  explicit KnownTemplate(std::string_view skeleton);

  // When the template of `text` is this one: appends its variables and returns true. Else nothing
  // is appended; the answer may also be false for a string that has this template.
  bool split(std::string_view text, TemplateVariables& variables) const;

 private:
  struct Step {
    // The text before the variable, in text_; then the variable. The last step has none.
    uint32_t text_end = 0;
    TemplateMark mark = TemplateMark::kRaw;
    uint8_t digits = 0;  // of kHex and kPadded
  };

  bool add_step(std::string_view skeleton, size_t& at);

  std::string text_;
  std::vector<Step> steps_;  // empty: never the template of anything
};

}  // namespace weft::store
