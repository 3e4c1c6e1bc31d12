#include "store/text_probe.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace weft::store {

TextProbe::TextProbe(std::shared_ptr<const StringPool> templates, std::string_view text)
    : templates_(std::move(templates)), text_(text) {
  std::string skeleton;
  split_template(text, skeleton, wanted_);
  needs_ = template_needs(skeleton);
  for (StringPool::Id id = 1; id < templates_->size(); ++id) {
    const std::string_view entry = templates_->at(id);
    if (entry == kRawTemplate) {
      raw_code_ = id - 1;
    } else if (entry == skeleton) {
      code_ = id - 1;
    }
  }
}

bool TextProbe::may_be_among(const TemplateVariables& variables) const {
  if (raw_code_ != kNone && variables.raw.find(text_) != std::string::npos) return true;
  if (code_ == kNone) return false;
  for (size_t slot = 0; slot < needs_.ints; ++slot) {
    const auto& ints = variables.ints[slot];
    if (std::find(ints.begin(), ints.end(), wanted_.ints[slot].front()) == ints.end()) return false;
  }
  return variables.binary.find(wanted_.binary) != std::string::npos;
}

bool TextProbe::find(std::span<const uint32_t> codes, uint32_t absent,
                     const TemplateVariables& variables,
                     const std::function<void(size_t)>& found) const {
  std::vector<std::optional<TemplateNeeds>> needs(templates_->size());
  TemplateJoiner joiner(variables);
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t code = codes[i];
    if (code == absent) continue;
    if ((code == code_ && joiner.next_is(needs_, wanted_)) ||
        (code == raw_code_ && joiner.next_raw_is(text_))) {
      found(i);
    }
    auto& passed = needs[code + 1];
    if (!passed) passed = template_needs(templates_->at(code + 1));
    if (!joiner.skip(*passed)) return false;
  }
  return true;
}

}  // namespace weft::store
