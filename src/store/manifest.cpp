#include "store/manifest.h"

#include <algorithm>
#include <ctime>

#include "base/hash.h"
#include "store/bytes.h"

namespace weft::store {
namespace {

std::string utc(uint64_t ns) {
  const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  char text[32];
  if (::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    return std::to_string(ns) + " ns";
  }
  return text;
}

}  // namespace

ManifestEntry manifest_entry(const BlockMeta& meta) {
  return {.first_generation = meta.first_generation,
          .last_generation = meta.last_generation,
          .spans = meta.spans,
          .min_start_ns = meta.min_start_ns,
          .max_start_ns = meta.max_start_ns,
          .created_ns = meta.created_ns};
}

std::string encode_manifest(std::span<const ManifestEntry> entries) {
  std::string out(kManifestHead);
  put_fixed<uint64_t>(out, entries.size());
  for (const ManifestEntry& entry : entries) {
    put_fixed(out, entry.first_generation);
    put_fixed(out, entry.last_generation);
    put_fixed(out, entry.spans);
    put_fixed(out, entry.min_start_ns);
    put_fixed(out, entry.max_start_ns);
    put_fixed(out, entry.created_ns);
  }
  put_fixed(out, hash_bytes(out));
  return out;
}

std::optional<std::vector<ManifestEntry>> decode_manifest(std::string_view bytes) {
  constexpr size_t kEntryBytes = 6 * sizeof(uint64_t);
  ByteReader in(bytes);
  const bool head = in.bytes(kManifestHead.size()) == kManifestHead;
  const auto count = in.fixed<uint64_t>();
  if (!head || count > in.remaining() / kEntryBytes) return std::nullopt;
  std::vector<ManifestEntry> entries(count);
  for (ManifestEntry& entry : entries) {
    entry.first_generation = in.fixed<uint64_t>();
    entry.last_generation = in.fixed<uint64_t>();
    entry.spans = in.fixed<uint64_t>();
    entry.min_start_ns = in.fixed<uint64_t>();
    entry.max_start_ns = in.fixed<uint64_t>();
    entry.created_ns = in.fixed<uint64_t>();
  }
  const auto hash = in.fixed<uint64_t>();
  if (!in.ok() || in.remaining() > 0 ||
      hash != hash_bytes(bytes.substr(0, bytes.size() - sizeof hash))) {
    return std::nullopt;
  }
  return entries;
}

Expected<std::optional<std::vector<ManifestEntry>>> read_manifest(FileSystem& fs,
                                                                  const std::string& dir,
                                                                  std::vector<Finding>& findings) {
  const std::string path = dir + "/" + std::string(kManifestName);
  const auto bytes = read_file(fs, path);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::kNotFound) return std::nullopt;
    if (bytes.error().code != ErrorCode::kIo) return std::unexpected(bytes.error());
    findings.push_back({path, 0, bytes.error().message});
    return std::nullopt;
  }
  if (auto entries = decode_manifest(*bytes)) return entries;
  // Every version ends with the checksum of all before, so that a flipped version is damage.
  const size_t version_at = kManifestHead.size() - 1;
  if (bytes->size() >= kManifestHead.size() + sizeof(uint64_t) &&
      bytes->starts_with(kManifestHead.substr(0, version_at)) &&
      (*bytes)[version_at] > kManifestHead[version_at] && (*bytes)[version_at] <= '9') {
    const size_t hashed = bytes->size() - sizeof(uint64_t);
    ByteReader tail(std::string_view(*bytes).substr(hashed));
    if (tail.fixed<uint64_t>() == hash_bytes(std::string_view(*bytes).substr(0, hashed))) {
      return fail(ErrorCode::kUnimplemented,
                  path + " was written by a newer version of Weft (format " + (*bytes)[version_at] +
                      "); update to read it");
    }
  }
  findings.push_back({path, 0,
                      "the list of blocks is damaged; blocks that disappeared before the store is "
                      "opened for writing again cannot be told"});
  return std::nullopt;
}

Status write_manifest(FileSystem& fs, const std::string& dir,
                      std::span<const ManifestEntry> entries) {
  return write_file_atomically(fs, dir, std::string(kManifestName), encode_manifest(entries));
}

std::vector<ManifestEntry> missing_blocks(std::span<const ManifestEntry> entries,
                                          std::span<const std::string> names) {
  std::vector<BlockName> blocks;
  for (const std::string& name : names) {
    if (const auto range = parse_block_file_name(name)) blocks.push_back(*range);
  }
  std::ranges::sort(blocks, {}, &BlockName::first_generation);
  // How far the blocks up to each one reach.
  std::vector<uint64_t> reach;
  for (const BlockName& block : blocks) {
    reach.push_back(std::max(reach.empty() ? 0 : reach.back(), block.last_generation));
  }
  std::vector<ManifestEntry> missing;
  for (const ManifestEntry& entry : entries) {
    const auto end =
        std::ranges::upper_bound(blocks, entry.first_generation, {}, &BlockName::first_generation);
    const auto count = static_cast<size_t>(end - blocks.begin());
    if (count == 0 || reach[count - 1] < entry.last_generation) missing.push_back(entry);
  }
  return missing;
}

Finding missing_block(const std::string& dir, const ManifestEntry& entry) {
  return {dir + "/" + block_file_name(entry.first_generation, entry.last_generation), 0,
          "this block is missing with " + std::to_string(entry.spans) +
              " spans that started between " + utc(entry.min_start_ns) + " and " +
              utc(entry.max_start_ns) + "; put the file back, or delete " + dir + "/" +
              std::string(kManifestName) + " to accept the loss"};
}

Finding kept_block(const std::string& path) {
  return {path, 0,
          "this block is damaged and not served; what was left of its log did not hold all of its "
          "spans; delete the file to accept the loss"};
}

}  // namespace weft::store
