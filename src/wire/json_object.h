// An object that is written to a string member by member: the commas of JSON. Used by the
// encoders of src/wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/json_writer.h"

namespace weft::json {

template <typename Id>
std::string_view id_bytes(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

template <typename Id>
void append_id(std::string& out, const Id& id) {
  out.push_back('"');
  append_hex(out, id_bytes(id));
  out.push_back('"');
}

class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_.push_back('{'); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { out_.push_back('}'); }

  // Starts a member, whose value the caller appends. `member` needs no escaping.
  std::string& name(std::string_view member) {
    out_.append(first_ ? "\"" : ",\"").append(member).append("\":");
    first_ = false;
    return out_;
  }
  // A member of any name.
  std::string& key(std::string_view member) {
    if (!first_) out_.push_back(',');
    first_ = false;
    append_string(out_, member);
    out_.push_back(':');
    return out_;
  }
  // The following leave out what is empty or zero.
  void text(std::string_view member, std::string_view value) {
    if (!value.empty()) append_string(name(member), value);
  }
  void count(std::string_view member, uint64_t value) {
    if (value != 0) append_uint(name(member), value);
  }
  template <typename Id>
  void id(std::string_view member, const Id& id) {
    if (!id.is_zero()) append_id(name(member), id);
  }
  // A decimal number in quotes, as protobuf's JSON has 64-bit integers.
  void quoted_uint(std::string_view member, uint64_t value) {
    name(member).push_back('"');
    append_uint(out_, value);
    out_.push_back('"');
  }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace weft::json
