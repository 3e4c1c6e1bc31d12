#include "cli/import.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "cli/import_bookmark.h"
#include "cli/record_reader.h"
#include "wire/otlp_json.h"
#include "wire/otlp_protobuf.h"

namespace weft::cli {
namespace {

constexpr uint64_t kBookmarkEveryNs = 1'000'000'000;

class FileImport {
 public:
  FileImport(ImportTarget& target, const ImportOptions& options, const OnImportTick& on_tick,
             ImportReport& report, size_t file_index)
      : target_(target),
        options_(options),
        on_tick_(on_tick),
        report_(report),
        file_index_(file_index),
        path_(options.files[file_index]) {}

  Status run() {
    WEFT_TRY(find_bookmark());
    if (acknowledged_.done) {
      ++report_.files_already_done;
      report_.spans_before += acknowledged_.spans;
      return {};
    }
    if (acknowledged_.end != 0) {
      ++report_.files_resumed;
      report_.spans_before += acknowledged_.spans;
    }
    auto outcome = read_and_send();
    const bool complete = outcome.has_value() && !report_.stopped;
    acknowledged_.done = complete;
    // What was acknowledged is remembered, whatever ended the file.
    save_bookmark(true);
    if (complete) ++report_.files;
    return outcome;
  }

 private:
  bool stop_asked() const { return options_.stop != nullptr && options_.stop->load(); }

  Status find_bookmark() {
    if (options_.state_dir.empty() || path_ == "-") return {};
    // Only a file has the same bytes the next time. A pipe has not, and whoever opens it once more
    // than it is read takes from it.
    std::error_code error;
    if (!std::filesystem::is_regular_file(path_, error)) return {};
    auto bookmark = ImportBookmark::of(options_.state_dir, target_.name(), path_);
    // Without a bookmark everything is sent; a file that cannot be opened is told when it is read.
    if (!bookmark) return {};
    bookmark_ = *std::move(bookmark);
    if (options_.again) return {};
    const auto earlier = bookmark_->load();
    if (!earlier) return {};
    if (earlier->witness) {
      const auto known = target_.has_trace(*earlier->witness);
      if (!known || !*known) return {};
    }
    acknowledged_ = *earlier;
    return {};
  }

  Status read_and_send() {
    auto source = ByteSource::open(path_);
    if (!source) return std::unexpected(std::move(source).error());
    reader_ = std::make_unique<RecordReader>(*std::move(source), options_.max_record_bytes);
    while (true) {
      auto record = reader_->next();
      if (!record) return flush_then(std::move(record).error().with_prefix(path_));
      if (!record->has_value()) break;
      if ((*record)->end <= acknowledged_.end) continue;
      if (auto taken = take(**record); !taken) return flush_then(std::move(taken).error());
      if (pending_.size() >= options_.batch_spans) WEFT_TRY(flush());
      if (stop_asked()) {
        report_.stopped = true;
        break;
      }
    }
    return flush();
  }

  // What was read before the fault is sent all the same; the fault is what is reported.
  Status flush_then(Error error) {
    if (auto sent = flush(); !sent) return sent;
    return std::unexpected(std::move(error));
  }

  Status take(const Record& record) {
    auto decoded = reader_->format() == RecordFormat::kJson
                       ? decode_otlp_traces_json(record.body, limits())
                       : decode_otlp_traces(record.body, limits());
    if (!decoded) {
      Error error = std::move(decoded).error().with_prefix(place_of(record));
      if (!options_.keep_going) {
        error.message += "; --keep-going leaves such records out";
        return std::unexpected(std::move(error));
      }
      ++report_.bad_records;
      if (report_.first_complaint.empty()) report_.first_complaint = error.message;
    } else {
      pending_rejected_ += decoded->rejected_spans;
      if (!decoded->message.empty() && report_.first_complaint.empty()) {
        report_.first_complaint = place_of(record) + ": " + decoded->message;
      }
      if (pending_.empty()) {
        pending_ = std::move(decoded->batch);
      } else {
        append_batch(pending_, decoded->batch);
      }
    }
    ++pending_records_;
    pending_end_ = record.end;
    pending_line_ = record.line;
    return {};
  }

  DecodeLimits limits() const {
    DecodeLimits limits;
    limits.max_body_bytes = options_.max_record_bytes;
    return limits;
  }

  std::string place_of(const Record& record) const {
    return record.line != 0 ? path_ + ":" + std::to_string(record.line)
                            : path_ + ": message at byte " + std::to_string(record.offset);
  }

  Status flush() {
    if (pending_records_ == 0) return {};
    // A record may hold more spans than one request should.
    for (size_t from = 0; from < pending_.size(); from += options_.batch_spans) {
      WEFT_TRY(send_rows(from, std::min(pending_.size(), from + options_.batch_spans)));
    }
    acknowledged_.end = pending_end_;
    acknowledged_.line = pending_line_;
    acknowledged_.records += pending_records_;
    acknowledged_.spans += pending_.size();
    acknowledged_.rejected += pending_rejected_;
    if (!pending_.empty()) acknowledged_.witness = pending_.trace_id.back();
    report_.records += pending_records_;
    report_.rejected_spans += pending_rejected_;
    pending_ = {};
    pending_records_ = pending_rejected_ = 0;
    save_bookmark(false);
    on_tick_({report_, path_, file_index_, reader_->source().raw_offset(),
              reader_->source().raw_size()});
    return {};
  }

  Status send_rows(size_t from, size_t to) {
    Expected<uint64_t> refused = 0;
    if (from == 0 && to == pending_.size()) {
      refused = target_.send(pending_);
    } else {
      std::vector<uint32_t> rows;
      for (size_t row = from; row < to; ++row)
        rows.push_back(static_cast<uint32_t>(row));
      SpanBatch part;
      append_rows(part, pending_, rows);
      refused = target_.send(part);
    }
    if (!refused) return std::unexpected(std::move(refused).error().with_prefix(target_.name()));
    report_.rejected_spans += *refused;
    report_.spans += to - from - std::min<uint64_t>(*refused, to - from);
    return {};
  }

  void save_bookmark(bool now) {
    if (!bookmark_) return;
    const uint64_t time = system_clock().steady_ns();
    if (!now && time - saved_ns_ < kBookmarkEveryNs) return;
    saved_ns_ = time;
    // A hint only: without it the next run sends more again.
    (void)bookmark_->save(acknowledged_);
  }

  ImportTarget& target_;
  const ImportOptions& options_;
  const OnImportTick& on_tick_;
  ImportReport& report_;
  size_t file_index_;
  const std::string& path_;
  std::optional<ImportBookmark> bookmark_;
  uint64_t saved_ns_ = 0;
  ImportProgress acknowledged_;
  std::unique_ptr<RecordReader> reader_;
  SpanBatch pending_;
  uint64_t pending_records_ = 0;
  uint64_t pending_rejected_ = 0;
  uint64_t pending_end_ = 0;
  uint64_t pending_line_ = 1;
};

}  // namespace

Status run_import(ImportTarget& target, const ImportOptions& options, const OnImportTick& on_tick,
                  ImportReport& report) {
  for (size_t i = 0; i < options.files.size(); ++i) {
    WEFT_TRY(FileImport(target, options, on_tick, report, i).run());
    if (report.stopped) break;
  }
  return {};
}

}  // namespace weft::cli
