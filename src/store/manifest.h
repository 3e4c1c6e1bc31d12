// The list of blocks that a data directory must hold, so that one that disappeared is noticed. The
// store opens with it and keeps it; `weft check` reads it. docs/formats/manifest.md has the bytes
// and the order of steps that keeps it from ever naming a block that was meant to go.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "store/block_format.h"
#include "store/finding.h"

namespace weft::store {

inline constexpr std::string_view kManifestName = "manifest";
// Beside it: locked by the process that has the directory open.
inline constexpr std::string_view kLockName = "LOCK";
inline constexpr std::string_view kManifestHead = "WEFTMAN1";

// A block that was in the directory: enough to name what is lost with it.
struct ManifestEntry {
  uint64_t first_generation = 0;
  uint64_t last_generation = 0;
  uint64_t spans = 0;
  uint64_t min_start_ns = 0;  // of the spans, since the epoch
  uint64_t max_start_ns = 0;
  uint64_t created_ns = 0;  // when it was sealed
  friend bool operator==(const ManifestEntry&, const ManifestEntry&) = default;
};

ManifestEntry manifest_entry(const BlockMeta& meta);

std::string encode_manifest(std::span<const ManifestEntry> entries);
// nullopt: damaged.
std::optional<std::vector<ManifestEntry>> decode_manifest(std::string_view bytes);

// The manifest of `dir`; nullopt when it has none, as directories of older versions, or when it is
// damaged, which becomes a finding. kUnimplemented when a newer version wrote it; errors of the
// operating system.
Expected<std::optional<std::vector<ManifestEntry>>> read_manifest(FileSystem& fs,
                                                                  const std::string& dir,
                                                                  std::vector<Finding>& findings);

// Durable when it returns; after an error the old manifest or the new one is there, both whole.
Status write_manifest(FileSystem& fs, const std::string& dir,
                      std::span<const ManifestEntry> entries);

// The entries that no block of `names` (files of the directory) stands for.
std::vector<ManifestEntry> missing_blocks(std::span<const ManifestEntry> entries,
                                          std::span<const std::string> names);
// Says of a missing block what is lost with it.
Finding missing_block(const std::string& dir, const ManifestEntry& entry);
// Says of a file with kDamagedSuffix why it is there.
Finding kept_block(const std::string& path);

}  // namespace weft::store
