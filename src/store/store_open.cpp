// Opening a data directory: the lock, what is left from before, the replay of the log.
#include <algorithm>
#include <map>

#include "store/batch_codec.h"
#include "store/log_reader.h"
#include "store/manifest.h"
#include "store/store_impl.h"
#include "store/undecoded.h"

namespace weft::store {
namespace {

constexpr size_t kMaxFindings = 1000;

}  // namespace

void Store::Impl::report(Finding finding) {
  counters.corruptions.fetch_add(1, std::memory_order_relaxed);
  say(Severity::kError, "damage: " + to_string(finding));
  const std::lock_guard guard(findings_mutex);
  if (findings.size() < kMaxFindings) findings.push_back(std::move(finding));
}

Status Store::Impl::open() {
  if (options.dir.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the data directory is not named");
  }
  if (!options.read_only) WEFT_TRY(fs.create_dirs(options.dir));
  auto held = fs.lock(path(std::string(kLockName)), !options.read_only);
  if (!held) {
    if (held.error().code != ErrorCode::kUnavailable) return std::unexpected(held.error());
    return fail(ErrorCode::kUnavailable,
                options.dir +
                    " is in use by another weft process; stop it, or ask the running "
                    "server with --url");
  }
  lock = std::move(*held);
  WEFT_ASSIGN(const auto names, fs.list(options.dir));
  std::vector<LogId> logs;
  std::vector<LogId> undecoded;
  for (const std::string& name : names) {
    if (const auto id = parse_log_file_name(name)) {
      logs.push_back(*id);
    } else if (const auto of = parse_undecoded_file_name(name)) {
      undecoded.push_back(*of);
    } else if (name.starts_with("spare-") && !options.read_only) {
      // Its size is not known to be whole; new ones are cheap.
      WEFT_TRY(fs.remove(path(name)));
    } else if (name.ends_with(".tmp") && !options.read_only) {
      WEFT_TRY(fs.remove(path(name)));  // a file that was not finished
    } else if (name.starts_with("block-") && name.ends_with(kDamagedSuffix)) {
      report(kept_block(path(name)));
    }
  }
  std::ranges::sort(logs);
  WEFT_TRY(open_blocks(names, logs));
  WEFT_TRY(load_manifest(names));
  WEFT_TRY(load_pins());
  // Logs of sealed generations are left over from a crash between sealing and recycling.
  uint64_t sealed = 0;
  for (const BlockPtr& block : blocks->blocks) {
    sealed = std::max(sealed, block->meta().last_generation);
  }
  // Numbers are not used again for blocks that are lost: a new block would stand for them.
  for (const BlockName& block : lost)
    sealed = std::max(sealed, block.last_generation);
  std::erase_if(logs, [&](const LogId& id) {
    if (id.generation > sealed || needs_log(id.generation)) return false;
    if (!options.read_only) (void)fs.remove(path(log_file_name(id)));
    return true;
  });
  // What is taken in is in the log, and comes with it; or, when nothing may be written, at last.
  if (options.read_only) WEFT_TRY(replay(logs, sealed));
  for (const LogId& of : undecoded)
    WEFT_TRY(take_in_undecoded(of, logs, sealed));
  return options.read_only ? Status() : replay(logs, sealed);
}

Status Store::Impl::take_in_undecoded(const LogId& of, std::vector<LogId>& logs, uint64_t sealed) {
  std::vector<Finding> damage;
  WEFT_ASSIGN(std::vector<KeptRequest> kept, read_undecoded(fs, options.dir, of, damage));
  for (Finding& finding : damage)
    report(std::move(finding));
  std::vector<KeptRequest> left;
  std::vector<SpanSink::RawRequest> taken;
  std::string failure;
  for (KeptRequest& request : kept) {
    auto batch = decode(request.request());
    if (batch) {
      taken.push_back(request.request());
      if (options.read_only) add_replayed(std::move(*batch));
    } else {
      if (left.empty()) failure = batch.error().message;
      left.push_back(request);
    }
  }
  if (!left.empty()) report(undecoded_requests(options.dir, of, left.size(), failure));
  if (taken.empty() || options.read_only) return {};
  // In a new file behind those of the newest generation, which is open still. A crash before the
  // requests are removed here makes them come twice, which is left out on reading.
  LogWriter writer(fs, options.dir, {options.log_file_bytes, 0});
  if (logs.empty() || logs.back().generation <= sealed) {
    writer.start_generation(sealed + 1, 0);
  } else {
    writer.start_generation(logs.back().generation, logs.back().index + 1);
  }
  Status status;
  for (auto request = taken.begin(); status && request != taken.end(); ++request) {
    LogGroup group(request->body.size());
    group.add(*request);
    status = writer.write_group(group);
  }
  logs.insert(logs.end(), writer.files().begin(), writer.files().end());
  if (status) status = write_undecoded(fs, options.dir, of, left);
  if (status) {
    say(Severity::kInfo, "took in " + std::to_string(taken.size()) +
                             " request(s) that an earlier start could not decode");
  } else {
    say(Severity::kWarning,
        "requests that an earlier start could not decode stay where they are: " +
            status.error().message);
  }
  return {};
}

bool Store::Impl::needs_log(uint64_t generation) const {
  const auto holds = [&](const BlockName& block) { return block.holds(generation); };
  return std::ranges::any_of(lost, holds) &&
         std::ranges::none_of(blocks->blocks, holds, [](const BlockPtr& block) {
           return BlockName{block->meta().first_generation, block->meta().last_generation};
         });
}

Status Store::Impl::open_blocks(const std::vector<std::string>& names,
                                std::span<const LogId> logs) {
  struct Candidate {
    std::string name;
    BlockName range;
  };
  std::vector<Candidate> candidates;
  for (const std::string& name : names) {
    if (const auto range = parse_block_file_name(name)) candidates.push_back({name, *range});
  }
  // Wider first: a merged block stands for its parts, which a crash may have left behind.
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    if (a.range.first_generation != b.range.first_generation) {
      return a.range.first_generation < b.range.first_generation;
    }
    return a.range.last_generation > b.range.last_generation;
  });
  std::vector<BlockPtr> opened;
  uint64_t covered = 0;
  for (const Candidate& candidate : candidates) {
    if (candidate.range.last_generation <= covered) {
      if (!options.read_only) WEFT_TRY(fs.remove(path(candidate.name)));
      continue;
    }
    auto block = Block::open(fs, path(candidate.name), cache, reporter());
    if (!block) {
      // A damaged block stays where it is, for repair; its parts are still served if they exist.
      if (block.error().code != ErrorCode::kCorrupt) return std::unexpected(block.error());
      say(Severity::kError, "not served: " + block.error().message);
      lost.push_back(candidate.range);
      continue;
    }
    // The log of a block that was sealed just before a crash is there still: the moment to see
    // whether it is needed.
    if (candidate.range.first_generation == candidate.range.last_generation &&
        is_whole_log(logs, candidate.range.first_generation) &&
        !(*block)->verify_checksums().empty()) {
      say(Severity::kError, "damaged, its log is read instead: " + (*block)->path());
      lost.push_back(candidate.range);
      continue;
    }
    covered = candidate.range.last_generation;
    opened.push_back(*block);
  }
  blocks = make_block_set(std::move(opened));
  return {};
}

Status Store::Impl::load_manifest(const std::vector<std::string>& names) {
  std::vector<Finding> damage;
  WEFT_ASSIGN(manifest, read_manifest(fs, options.dir, damage));
  for (Finding& finding : damage)
    report(std::move(finding));
  if (manifest) {
    // What would have been dropped by now is no loss.
    const uint64_t now = options.clock->now_ns();
    const uint64_t since =
        options.retention_age_ns == 0 ? 0 : now - std::min(now, options.retention_age_ns);
    for (const ManifestEntry& entry : missing_blocks(*manifest, names)) {
      lost.push_back({entry.first_generation, entry.last_generation});
      if (entry.created_ns < since) continue;
      kept_entries.push_back(entry);
      report(missing_block(options.dir, entry));
    }
    // A block that cannot be opened is still to be there.
    for (const ManifestEntry& entry : *manifest) {
      if (std::ranges::any_of(lost,
                              [&](const BlockName& block) {
                                return block.first_generation == entry.first_generation &&
                                       block.last_generation == entry.last_generation;
                              }) &&
          std::ranges::find(kept_entries, entry) == kept_entries.end() &&
          entry.created_ns >= since) {
        kept_entries.push_back(entry);
      }
    }
  }
  if (!options.read_only) refresh_manifest();
  return {};
}

void Store::Impl::start_threads() {
  flusher = std::make_unique<Flusher>(options, counters, unsealed, log,
                                      [this] { seal_work.notify_all(); });
  sealer = std::thread([this] { run_sealer(); });
}

Status Store::Impl::replay(const std::vector<LogId>& files, uint64_t sealed) {
  for (Finding& missing : missing_log_files(options.dir, files))
    report(std::move(missing));
  std::map<uint64_t, std::vector<LogId>> generations;
  for (const LogId& id : files)
    generations[id.generation].push_back(id);
  for (auto at = generations.begin(); at != generations.end(); ++at) {
    unsealed.set_open_generation(at->first);
    for (const LogId& id : at->second)
      WEFT_TRY(replay_file(id));
    if (std::next(at) != generations.end() || at->first <= sealed) {
      unsealed.freeze(at->second);
    } else {
      log.start_generation(at->first, at->second.back().index + 1);
      log.adopt(at->second);
    }
  }
  if (generations.empty() || generations.rbegin()->first <= sealed) {
    unsealed.set_open_generation(sealed + 1);
    log.start_generation(sealed + 1, 0);
  }
  return {};
}

Status Store::Impl::replay_file(const LogId& id) {
  std::vector<Finding> damage;
  std::vector<KeptRequest> undecoded;
  std::string failure;
  auto summary = read_log(
      fs, path(log_file_name(id)), id,
      [&](const SpanSink::RawRequest& record, uint64_t) {
        if (auto batch = decode(record)) {
          add_replayed(std::move(*batch));
        } else {
          if (undecoded.empty()) failure = batch.error().message;
          undecoded.emplace_back(record);
        }
      },
      damage, options.log_file_bytes);
  for (Finding& finding : damage)
    report(std::move(finding));
  if (!summary) return std::unexpected(std::move(summary.error()).with_prefix("replay"));
  if (undecoded.empty()) return {};
  counters.replay_failures.fetch_add(undecoded.size(), std::memory_order_relaxed);
  // An earlier start that did not come to sealing has kept them: then their file is named.
  if (const auto kept = fs.open(path(undecoded_file_name(id)), OpenMode::kRead); !kept) {
    report(undecoded_requests(options.dir, id, undecoded.size(), failure));
  }
  if (options.read_only) return {};
  // Before anything is sealed: then the log's file goes. To go on without would lose them.
  if (Status status = add_undecoded(fs, options.dir, id, undecoded); !status) {
    return std::unexpected(std::move(status).error().with_prefix(
        "keeping " + std::to_string(undecoded.size()) + " request(s) of " +
        path(log_file_name(id)) + " that cannot be decoded"));
  }
  return {};
}

Expected<SpanBatch> Store::Impl::decode(const SpanSink::RawRequest& record) const {
  if (record.format == SpanSink::RawRequest::Format::kColumns) return decode_batch(record.body);
  if (options.decode) return options.decode(record);
  return fail(ErrorCode::kUnimplemented, "no decoder for logged requests was given");
}

void Store::Impl::add_replayed(SpanBatch batch) {
  counters.replayed_spans.fetch_add(batch.size(), std::memory_order_relaxed);
  unsealed.add(std::move(batch), options.clock->steady_ns());
}

}  // namespace weft::store
