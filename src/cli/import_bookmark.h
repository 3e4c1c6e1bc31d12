// How far an import has come: one small file for each pair of target and input file, so that an
// import that was interrupted goes on where the target last acknowledged. A bookmark is a hint:
// losing it costs time, never data, since spans that are sent again are stored once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "model/ids.h"

namespace weft::cli {

struct ImportProgress {
  uint64_t end = 0;   // in the decompressed stream: everything before was acknowledged
  uint64_t line = 1;  // the line there, for JSON
  uint64_t records = 0;
  uint64_t spans = 0;
  uint64_t rejected = 0;
  bool done = false;
  // One of the last traces acknowledged. When the target does not know it (it was wiped, or has
  // dropped it by age), the bookmark is void.
  std::optional<TraceId> witness;

  friend bool operator==(const ImportProgress&, const ImportProgress&) = default;
};

// "$WEFT_STATE_DIR", "$XDG_STATE_HOME/weft" or "$HOME/.local/state/weft"; "" when none is set.
std::string default_state_dir();

class ImportBookmark {
 public:
  // `target` names where spans go. The input, a regular file, is known by its size and its first
  // and last bytes, so that a renamed file is the same file and a changed one is not.
  static Expected<ImportBookmark> of(const std::string& state_dir, const std::string& target,
                                     const std::string& input_path);

  // nullopt when there is none, or none that can be read.
  std::optional<ImportProgress> load() const;
  // Written beside and renamed over.
  Status save(const ImportProgress& progress) const;

 private:
  explicit ImportBookmark(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace weft::cli
