#include "server/api/link_store.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "model/protobuf.h"
#include "wire/otlp_protobuf.h"

namespace weft::server {
namespace {

// The file: magic, u32 size of the header, the header, u64 checksum of all before, then the traces
// as the header names them. Numbers are little-endian.
constexpr std::string_view kMagic = "WEFTLNK1";
constexpr size_t kPreambleBytes = 12;
constexpr size_t kMaxHeaderBytes = 1 << 20;
constexpr std::string_view kSuffix = ".link";
constexpr uint64_t kMaxTraceBytes = 512u << 20;
constexpr int kZstdLevel = 3;

// Fields of the header, a protobuf message.
constexpr uint32_t kPathField = 1;
constexpr uint32_t kCreatedField = 2;
constexpr uint32_t kTraceField = 3;
// Fields of a trace in it.
constexpr uint32_t kTraceIdField = 1;
constexpr uint32_t kSizeField = 2;      // of the zstd frame in the file; 0: no span was stored
constexpr uint32_t kChecksumField = 3;  // XXH3 of the frame

void put_u64(std::string& out, uint64_t value) {
  out.append(reinterpret_cast<const char*>(&value), 8);
}
void put_u32(std::string& out, uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), 4);
}

std::string make_id(std::string_view path, const std::vector<TraceId>& trace_ids) {
  static constexpr char kDigits[] = "abcdefghijklmnopqrstuvwxyz234567";
  uint64_t hash = hash_bytes(path);
  for (const TraceId& id : trace_ids)
    hash = hash_bytes({reinterpret_cast<const char*>(id.bytes.data()), 16}, hash);
  std::string out;
  for (int i = 0; i < 12; i++)
    out += kDigits[hash >> (5 * i) & 31];
  return out;
}

// A path of this page, not of another host: what a redirect may be sent to.
bool leads_into_page(std::string_view path) {
  if (!path.starts_with('/') || path.starts_with("//")) return false;
  return std::ranges::none_of(
      path, [](char c) { return c == '\\' || static_cast<uint8_t>(c) <= 0x20 || c == 0x7F; });
}

Expected<std::string> compress(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kZstdLevel);
  if (ZSTD_isError(size))
    return fail(ErrorCode::kInternal, fmt::format("zstd: {}", ZSTD_getErrorName(size)));
  out.resize(size);
  return out;
}

Expected<std::string> decompress(std::string_view frame) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMaxTraceBytes)
    return fail(ErrorCode::kCorrupt, "the kept trace has no sound zstd frame");
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) || got != size)
    return fail(ErrorCode::kCorrupt, "the kept trace does not decompress");
  return out;
}

struct TraceHeader {
  TraceId id;
  uint64_t size = 0;
  uint64_t checksum = 0;
};

bool read_trace_header(std::string_view bytes, TraceHeader& out) {
  protobuf::Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field;
    protobuf::WireType type;
    std::string_view id;
    if (!reader.tag(field, type)) return false;
    if (field == kTraceIdField) {
      if (!reader.bytes(id) || id.size() != 16) return false;
      std::memcpy(out.id.bytes.data(), id.data(), 16);
    } else if (field == kSizeField) {
      if (!reader.varint(out.size)) return false;
    } else if (field == kChecksumField) {
      if (!reader.fixed64(out.checksum)) return false;
    } else if (!reader.skip(type)) {
      return false;
    }
  }
  return true;
}

struct Header {
  std::string path;
  uint64_t created_ns = 0;
  std::vector<TraceHeader> traces;
};

bool read_header_message(std::string_view bytes, Header& out) {
  protobuf::Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field;
    protobuf::WireType type;
    std::string_view text;
    if (!reader.tag(field, type)) return false;
    if (field == kPathField) {
      if (!reader.bytes(text)) return false;
      out.path = text;
    } else if (field == kCreatedField) {
      if (!reader.varint(out.created_ns)) return false;
    } else if (field == kTraceField) {
      if (!reader.bytes(text) || !read_trace_header(text, out.traces.emplace_back())) return false;
    } else if (!reader.skip(type)) {
      return false;
    }
  }
  return true;
}

std::string encode_file(const Header& header, const std::vector<std::string>& frames) {
  std::string message;
  protobuf::put_bytes(message, kPathField, header.path);
  protobuf::put_tag(message, kCreatedField, protobuf::WireType::kVarint);
  protobuf::put_varint(message, header.created_ns);
  for (const TraceHeader& trace : header.traces) {
    std::string bytes;
    protobuf::put_bytes(bytes, kTraceIdField,
                        {reinterpret_cast<const char*>(trace.id.bytes.data()), 16});
    protobuf::put_tag(bytes, kSizeField, protobuf::WireType::kVarint);
    protobuf::put_varint(bytes, trace.size);
    protobuf::put_fixed64(bytes, kChecksumField, trace.checksum);
    protobuf::put_bytes(message, kTraceField, bytes);
  }
  std::string out(kMagic);
  put_u32(out, static_cast<uint32_t>(message.size()));
  out += message;
  put_u64(out, hash_bytes(out));
  for (const std::string& frame : frames)
    out += frame;
  return out;
}

}  // namespace

Expected<std::unique_ptr<LinkStore>> LinkStore::open(FileSystem& fs, std::string dir,
                                                     LinkLimits limits) {
  std::unique_ptr<LinkStore> store(new LinkStore(fs, std::move(dir), limits));
  auto names = fs.list(store->dir_);
  if (!names && names.error().code == ErrorCode::kNotFound) return store;
  if (!names) return std::unexpected<Error>(std::move(names).error());
  for (const std::string& name : *names) {
    if (!name.ends_with(kSuffix)) continue;
    auto entry = store->read_header(name);
    if (entry) {
      store->add(*std::move(entry));
    } else {
      store->warnings_.push_back(entry.error().message);
    }
  }
  return store;
}

Expected<LinkStore::Entry> LinkStore::read_header(const std::string& file) const {
  const std::string path = dir_ + "/" + file;
  const auto corrupt = [&path](std::string_view what) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}", path, what));
  };
  WEFT_ASSIGN(const std::unique_ptr<File> opened, fs_.open(path, OpenMode::kRead));
  Entry entry;
  WEFT_ASSIGN(entry.file_bytes, opened->size());
  std::string bytes(kPreambleBytes, '\0');
  if (entry.file_bytes < kPreambleBytes) return corrupt("too short for a link");
  WEFT_TRY(opened->pread(0, bytes));
  uint32_t header_bytes;
  std::memcpy(&header_bytes, bytes.data() + kMagic.size(), 4);
  if (!bytes.starts_with(kMagic)) return corrupt("no link of version 1");
  if (header_bytes > kMaxHeaderBytes || kPreambleBytes + header_bytes + 8 > entry.file_bytes)
    return corrupt("the header is longer than the file");
  bytes.resize(kPreambleBytes + header_bytes + 8);
  WEFT_TRY(opened->pread(0, bytes));
  const std::string_view all(bytes);
  uint64_t checksum;
  std::memcpy(&checksum, bytes.data() + kPreambleBytes + header_bytes, 8);
  if (hash_bytes(all.substr(0, kPreambleBytes + header_bytes)) != checksum)
    return corrupt("the header's checksum is wrong");
  Header header;
  if (!read_header_message(all.substr(kPreambleBytes, header_bytes), header))
    return corrupt("the header is malformed");
  entry.link.id = file.substr(0, file.size() - kSuffix.size());
  entry.link.path = header.path;
  entry.link.created_ns = header.created_ns;
  uint64_t offset = bytes.size();
  for (const TraceHeader& trace : header.traces) {
    entry.link.trace_ids.push_back(trace.id);
    entry.payloads.push_back({file, offset, trace.size, trace.checksum});
    offset += trace.size;
  }
  if (offset != entry.file_bytes) return corrupt("the file does not end where its header says");
  return entry;
}

void LinkStore::add(Entry entry) {
  bytes_ += entry.file_bytes;
  for (size_t i = 0; i < entry.payloads.size(); i++) {
    if (entry.payloads[i].size == 0) continue;
    payloads_.insert_or_assign(entry.link.trace_ids[i], std::move(entry.payloads[i]));
  }
  std::string id = entry.link.id;
  links_.insert_or_assign(std::move(id), std::move(entry.link));
}

Status LinkStore::check(std::string_view path, const std::vector<TraceId>& trace_ids) const {
  if (!leads_into_page(path))
    return fail(ErrorCode::kInvalidArgument,
                "path: must be a path of this page, beginning with one slash");
  if (path.size() > limits_.max_path_bytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("path: longer than {} bytes", limits_.max_path_bytes));
  if (trace_ids.size() > limits_.max_traces)
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("traceIds: a link keeps at most {} traces", limits_.max_traces));
  const std::lock_guard lock(mutex_);
  if (links_.size() >= limits_.max_links)
    return fail(
        ErrorCode::kResourceExhausted,
        fmt::format("there are {} links already; remove some files of {}", links_.size(), dir_));
  return {};
}

Expected<Link> LinkStore::create(std::string_view path, const std::vector<TraceId>& trace_ids,
                                 const std::vector<SpanBatch>& traces, uint64_t now_ns) {
  const std::string id = make_id(path, trace_ids);
  if (auto known = find(id); known && known->path == path && known->trace_ids == trace_ids)
    return *std::move(known);
  WEFT_TRY(check(path, trace_ids));
  Header header{std::string(path), now_ns, {}};
  std::vector<std::string> frames;
  for (size_t i = 0; i < trace_ids.size(); i++) {
    std::string bytes, frame;
    if (i < traces.size() && !traces[i].empty()) {
      encode_otlp_traces(traces[i], bytes);
      WEFT_ASSIGN(frame, compress(bytes));
    }
    header.traces.push_back({trace_ids[i], frame.size(), hash_bytes(frame)});
    frames.push_back(std::move(frame));
  }
  const std::string file = encode_file(header, frames);
  {
    const std::lock_guard lock(mutex_);
    if (bytes_ + file.size() > limits_.max_bytes)
      return fail(
          ErrorCode::kResourceExhausted,
          fmt::format("the links' traces take {} bytes already, of {} that they may; remove "
                      "some files of {}",
                      bytes_, limits_.max_bytes, dir_));
  }
  WEFT_TRY(fs_.create_dirs(dir_));
  WEFT_TRY(write_file_atomically(fs_, dir_, id + std::string(kSuffix), file));
  WEFT_ASSIGN(Entry entry, read_header(id + std::string(kSuffix)));
  Link link = entry.link;
  const std::lock_guard lock(mutex_);
  // Another thread may have made the same link meanwhile: its file was replaced by an equal one.
  if (!links_.contains(link.id)) add(std::move(entry));
  return link;
}

std::optional<Link> LinkStore::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto it = links_.find(id);
  if (it == links_.end()) return std::nullopt;
  return it->second;
}

Expected<SpanBatch> LinkStore::pinned_trace(const TraceId& id) const {
  Payload payload;
  {
    const std::lock_guard lock(mutex_);
    const auto it = payloads_.find(id);
    if (it == payloads_.end()) return SpanBatch();
    payload = it->second;
  }
  const std::string path = dir_ + "/" + payload.file;
  WEFT_ASSIGN(const std::unique_ptr<File> file, fs_.open(path, OpenMode::kRead));
  std::string frame(payload.size, '\0');
  WEFT_TRY(file->pread(payload.offset, frame));
  if (hash_bytes(frame) != payload.checksum)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: trace {} fails its checksum", path, id.to_hex()));
  WEFT_ASSIGN(const std::string bytes, decompress(frame));
  DecodeLimits limits;
  limits.max_body_bytes = kMaxTraceBytes;
  limits.max_spans = UINT32_MAX;
  WEFT_ASSIGN(DecodeResult decoded, decode_otlp_traces(bytes, limits));
  return std::move(decoded.batch);
}

}  // namespace weft::server
