#include "store/check.h"

#include <algorithm>

#include "store/batch_codec.h"
#include "store/block.h"
#include "store/log_reader.h"
#include "store/manifest.h"
#include "store/page_reader.h"
#include "store/undecoded.h"

namespace weft::store {
namespace {

Status check_record(const SpanSink::RawRequest& record,
                    const std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)>& decode) {
  if (record.format == SpanSink::RawRequest::Format::kColumns) {
    WEFT_TRY(decode_batch(record.body));
  } else if (decode) {
    WEFT_TRY(decode(record));
  }
  return {};
}

// Names the blocks that disappeared, and adds them to `lost`.
void check_manifest(const std::string& dir, FileSystem& fs, std::span<const std::string> names,
                    CheckResult& result, std::vector<BlockName>& lost, uint64_t& sealed) {
  const auto manifest = read_manifest(fs, dir, result.findings);
  if (!manifest) {
    result.findings.push_back(
        {dir + "/" + std::string(kManifestName), 0, manifest.error().message});
  }
  if (!manifest || !*manifest) return;
  for (const ManifestEntry& entry : **manifest)
    sealed = std::max(sealed, entry.last_generation);
  for (const ManifestEntry& entry : missing_blocks(**manifest, names)) {
    result.findings.push_back(missing_block(dir, entry));
    lost.push_back({entry.first_generation, entry.last_generation});
  }
}

// False when the block cannot be served at all.
bool check_block(const std::string& path, FileSystem& fs, CheckResult& result) {
  ++result.blocks;
  Cache cache(64u << 20);
  std::vector<Finding> damaged;
  const auto block =
      Block::open(fs, path, cache, [&](Finding finding) { damaged.push_back(std::move(finding)); });
  if (block) {
    result.spans += (*block)->meta().spans;
    auto found = (*block)->verify();
    // The block names the same places with their offsets.
    if (damaged.empty()) damaged = std::move(found);
  } else if (damaged.empty()) {
    damaged.push_back({path, 0, block.error().message});
  }
  std::ranges::move(damaged, std::back_inserter(result.findings));
  return block.has_value();
}

void check_undecoded(const std::string& dir, const LogId& log, FileSystem& fs,
                     const std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)>& decode,
                     CheckResult& result) {
  const auto kept = read_undecoded(fs, dir, log, result.findings);
  if (!kept) {
    result.findings.push_back({dir + "/" + undecoded_file_name(log), 0, kept.error().message});
    return;
  }
  std::string failure;
  for (const KeptRequest& request : *kept) {
    if (Status status = check_record(request.request(), decode); !status) {
      failure = status.error().message;
      break;
    }
  }
  result.findings.push_back(undecoded_requests(dir, log, kept->size(), failure));
}

void check_log(const std::string& path, const LogId& id, FileSystem& fs,
               const std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)>& decode,
               CheckResult& result) {
  ++result.log_files;
  const auto summary = read_log(
      fs, path, id,
      [&](const SpanSink::RawRequest& record, uint64_t offset) {
        if (Status status = check_record(record, decode); !status) {
          result.findings.push_back(
              {path, offset, "a logged request cannot be decoded: " + status.error().message});
        }
      },
      result.findings);
  if (!summary) {
    result.findings.push_back({path, 0, summary.error().message});
  } else {
    result.logged_requests += summary->records;
  }
}

}  // namespace

std::vector<Finding> Block::verify_checksums() const {
  std::vector<Finding> findings;
  const auto note = [&](const Error& error) { findings.push_back({path_, 0, error.message}); };
  std::string head(kBlockHead.size(), '\0');
  if (Status status = file_->pread(0, head); !status || head != kBlockHead) {
    findings.push_back({path_, 0, "the file does not begin as a block does"});
  }
  const auto all = columns();
  if (!all) {
    note(all.error());
    return findings;
  }
  // Every chunk of every column, by its checksum.
  for (size_t i = 0; i < (*all)->columns.size(); ++i) {
    const auto loaded = column(i);
    if (!loaded) {
      note(loaded.error());
      continue;
    }
    for (size_t p = 0; p < page_count(); ++p) {
      if (const auto bytes = chunk(**loaded, p); !bytes) note(bytes.error());
    }
  }
  return findings;
}

std::vector<Finding> Block::verify() const {
  std::vector<Finding> findings = verify_checksums();
  if (!findings.empty()) return findings;
  // The checksums are right: then everything must make sense, too.
  for (size_t p = 0; p < page_count(); ++p) {
    PageReader page(*this, p);
    const auto rows = page.read_rows(0, static_cast<uint32_t>(page.rows()));
    if (!rows) {
      findings.push_back({path_, 0, rows.error().message});
      continue;
    }
    for (const TraceId& id : rows->trace_id) {
      if (!may_contain(id)) {
        findings.push_back({path_, 0, "trace " + id.to_hex() + " is missing from the filter"});
        break;
      }
    }
  }
  return findings;
}

Expected<CheckResult> check(
    const std::string& dir, FileSystem& fs,
    const std::function<Expected<SpanBatch>(const SpanSink::RawRequest&)>& decode) {
  WEFT_ASSIGN(const auto names, fs.list(dir));
  auto lock = fs.lock(dir + "/LOCK", false);
  if (!lock) {
    return fail(ErrorCode::kUnavailable, dir + " is in use by a weft server; stop it first");
  }
  CheckResult result;
  const std::string folder = dir + "/";
  std::vector<BlockName> lost;
  uint64_t sealed = 0;
  check_manifest(dir, fs, names, result, lost, sealed);
  std::vector<BlockName> served;
  for (const std::string& name : names) {
    if (const auto range = parse_block_file_name(name)) {
      sealed = std::max(sealed, range->last_generation);
      (check_block(folder + name, fs, result) ? served : lost).push_back(*range);
    } else if (name.starts_with("block-") && name.ends_with(kDamagedSuffix)) {
      result.findings.push_back(kept_block(folder + name));
    }
  }
  std::vector<LogId> logs;
  for (const std::string& name : names) {
    if (const auto id = parse_log_file_name(name)) {
      logs.push_back(*id);
      check_log(folder + name, *id, fs, decode, result);
    } else if (const auto of = parse_undecoded_file_name(name)) {
      check_undecoded(dir, *of, fs, decode, result);
    }
  }
  std::ranges::sort(logs);
  // Logs of generations that a block stands for are left over from a crash: some may be gone.
  std::erase_if(logs, [&](const LogId& id) {
    const auto holds = [&](const BlockName& block) { return block.holds(id.generation); };
    return std::ranges::any_of(served, holds) ||
           (id.generation <= sealed && std::ranges::none_of(lost, holds));
  });
  std::ranges::move(missing_log_files(dir, logs), std::back_inserter(result.findings));
  return result;
}

Expected<bool> is_data_directory(const std::string& dir, FileSystem& fs) {
  WEFT_ASSIGN(const std::vector<std::string> names, fs.list(dir));
  return std::ranges::any_of(names, [](const std::string& name) {
    return name == kLockName || name == kManifestName || parse_block_file_name(name) ||
           parse_log_file_name(name);
  });
}

}  // namespace weft::store
