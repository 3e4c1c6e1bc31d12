#include "store/undecoded.h"

#include <algorithm>
#include <unordered_map>

#include "base/hash.h"
#include "store/log_group.h"
#include "store/log_reader.h"

namespace weft::store {
namespace {

constexpr std::string_view kLogPrefix = "log-";
constexpr std::string_view kPrefix = "undecoded-";

}  // namespace

std::string undecoded_file_name(const LogId& log) {
  return std::string(kPrefix) + log_file_name(log).substr(kLogPrefix.size());
}

std::optional<LogId> parse_undecoded_file_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  return parse_log_file_name(std::string(kLogPrefix) + std::string(name.substr(kPrefix.size())));
}

Expected<std::vector<KeptRequest>> read_undecoded(FileSystem& fs, const std::string& dir,
                                                  const LogId& log,
                                                  std::vector<Finding>& findings) {
  std::vector<KeptRequest> requests;
  WEFT_TRY(read_log(
      fs, dir + "/" + undecoded_file_name(log), log,
      [&](const SpanSink::RawRequest& request, uint64_t) { requests.emplace_back(request); },
      findings));
  return requests;
}

Status write_undecoded(FileSystem& fs, const std::string& dir, const LogId& log,
                       std::span<const KeptRequest> requests) {
  const std::string name = undecoded_file_name(log);
  if (requests.empty()) {
    WEFT_TRY(fs.remove(dir + "/" + name));
    return fs.sync_dir(dir);
  }
  // A group each: damage to one leaves the others.
  std::string bytes;
  LogGroupHeader header{.generation = log.generation, .file_index = log.index};
  for (const KeptRequest& kept : requests) {
    const SpanSink::RawRequest request = kept.request();
    LogGroup group(request.body.size());
    group.add(request);
    bytes += group.finish(header);
    ++header.group_index;
  }
  return write_file_atomically(fs, dir, name, bytes);
}

Status add_undecoded(FileSystem& fs, const std::string& dir, const LogId& log,
                     std::span<const KeptRequest> requests) {
  std::vector<Finding> damage;  // was named when the directory was opened
  std::vector<KeptRequest> all;
  auto known = read_undecoded(fs, dir, log, damage);
  if (known) {
    all = std::move(*known);
  } else if (known.error().code != ErrorCode::kNotFound) {
    return std::unexpected(known.error());
  }
  std::unordered_multimap<uint64_t, size_t> by_hash;
  for (size_t i = 0; i < all.size(); ++i)
    by_hash.emplace(hash_bytes(all[i].request().body), i);
  const size_t before = all.size();
  for (const KeptRequest& request : requests) {
    const auto [begin, end] = by_hash.equal_range(hash_bytes(request.request().body));
    if (std::none_of(begin, end, [&](const auto& at) { return all[at.second] == request; })) {
      all.push_back(request);
    }
  }
  if (all.size() == before) return {};
  return write_undecoded(fs, dir, log, all);
}

Finding undecoded_requests(const std::string& dir, const LogId& log, size_t count,
                           const std::string& failure) {
  return {dir + "/" + undecoded_file_name(log), 0,
          std::to_string(count) +
              " acknowledged request(s) could not be decoded at a start and are kept here" +
              (failure.empty() ? "" : " (the first: " + failure + ")") +
              "; the first start that can decode them takes them in; delete the file to accept "
              "the loss"};
}

}  // namespace weft::store
