#include "protobuf_check.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <charconv>
#include <initializer_list>
#include <memory>
#include <stdexcept>

namespace sdk_test {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;
using pb::Message;

using Type = pb::FieldDescriptorProto;

// A field of a message; `message` names the type of one that is a message.
struct Field {
  int number;
  const char* name;
  Type::Type type = Type::TYPE_MESSAGE;
  const char* message = nullptr;
  bool repeated = false;
  bool in_oneof = false;
};

Field many(int number, const char* name, const char* message) {
  return {number, name, Type::TYPE_MESSAGE, message, true};
}
Field one(int number, const char* name, const char* message) {
  return {number, name, Type::TYPE_MESSAGE, message};
}
Field choice(int number, const char* name, Type::Type type, const char* message = nullptr) {
  return {number, name, type, message, false, true};
}

void add(pb::FileDescriptorProto& file, const char* name, std::initializer_list<Field> fields) {
  pb::DescriptorProto* message = file.add_message_type();
  message->set_name(name);
  for (const Field& field : fields) {
    pb::FieldDescriptorProto* out = message->add_field();
    out->set_number(field.number);
    out->set_name(field.name);
    out->set_type(field.type);
    out->set_label(field.repeated ? Type::LABEL_REPEATED : Type::LABEL_OPTIONAL);
    if (field.message != nullptr) out->set_type_name(field.message);
    if (field.in_oneof) {
      if (message->oneof_decl_size() == 0) message->add_oneof_decl()->set_name("value");
      out->set_oneof_index(0);
    }
  }
}

// The messages of OTLP 1.x that traces are made of.
pb::FileDescriptorProto otlp() {
  pb::FileDescriptorProto file;
  file.set_name("otlp");
  file.set_syntax("proto3");
  const auto text = Type::TYPE_STRING;
  const auto bytes = Type::TYPE_BYTES;
  const auto u32 = Type::TYPE_UINT32;
  const auto time = Type::TYPE_FIXED64;
  const Field attributes3 = many(3, "attributes", "KeyValue");
  add(file, "Request", {many(1, "resource_spans", "ResourceSpans")});
  add(file, "ResourceSpans",
      {one(1, "resource", "Resource"),
       many(2, "scope_spans", "ScopeSpans"),
       {3, "schema_url", text}});
  add(file, "Resource", {many(1, "attributes", "KeyValue"), {2, "dropped_attributes_count", u32}});
  add(file, "ScopeSpans",
      {one(1, "scope", "Scope"), many(2, "spans", "Span"), {3, "schema_url", text}});
  add(file, "Scope",
      {{1, "name", text}, {2, "version", text}, attributes3, {4, "dropped_attributes_count", u32}});
  add(file, "Span",
      {{1, "trace_id", bytes},
       {2, "span_id", bytes},
       {3, "trace_state", text},
       {4, "parent_span_id", bytes},
       {5, "name", text},
       {6, "kind", Type::TYPE_INT32},
       {7, "start_time_unix_nano", time},
       {8, "end_time_unix_nano", time},
       many(9, "attributes", "KeyValue"),
       {10, "dropped_attributes_count", u32},
       many(11, "events", "Event"),
       {12, "dropped_events_count", u32},
       many(13, "links", "Link"),
       {14, "dropped_links_count", u32},
       one(15, "status", "Status"),
       {16, "flags", Type::TYPE_FIXED32}});
  add(file, "Event",
      {{1, "time_unix_nano", time},
       {2, "name", text},
       attributes3,
       {4, "dropped_attributes_count", u32}});
  add(file, "Link",
      {{1, "trace_id", bytes},
       {2, "span_id", bytes},
       {3, "trace_state", text},
       many(4, "attributes", "KeyValue"),
       {5, "dropped_attributes_count", u32},
       {6, "flags", Type::TYPE_FIXED32}});
  add(file, "Status", {{2, "message", text}, {3, "code", Type::TYPE_INT32}});
  add(file, "KeyValue", {{1, "key", text}, one(2, "value", "AnyValue")});
  add(file, "AnyValue",
      {choice(1, "string_value", text), choice(2, "bool_value", Type::TYPE_BOOL),
       choice(3, "int_value", Type::TYPE_INT64), choice(4, "double_value", Type::TYPE_DOUBLE),
       choice(5, "array_value", Type::TYPE_MESSAGE, "ArrayValue"),
       choice(6, "kvlist_value", Type::TYPE_MESSAGE, "KeyValueList"),
       choice(7, "bytes_value", bytes)});
  add(file, "ArrayValue", {many(1, "values", "AnyValue")});
  add(file, "KeyValueList", {many(1, "values", "KeyValue")});
  return file;
}

class Schema {
 public:
  Schema() {
    const pb::FileDescriptor* built = pool_.BuildFile(otlp());
    if (built == nullptr) throw std::runtime_error("the schema is wrong");
    prototype_ = factory_.GetPrototype(built->FindMessageTypeByName("Request"));
  }
  std::unique_ptr<Message> request() const { return std::unique_ptr<Message>(prototype_->New()); }

 private:
  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_;
  const Message* prototype_ = nullptr;
};

// Reads fields by their names.
struct Reader {
  const Message& m;

  const FieldDescriptor* field(const char* name) const {
    return m.GetDescriptor()->FindFieldByName(name);
  }
  std::string text(const char* name) const { return m.GetReflection()->GetString(m, field(name)); }
  std::uint32_t u32(const char* name) const { return m.GetReflection()->GetUInt32(m, field(name)); }
  std::uint64_t u64(const char* name) const { return m.GetReflection()->GetUInt64(m, field(name)); }
  std::int32_t i32(const char* name) const { return m.GetReflection()->GetInt32(m, field(name)); }
  Reader child(const char* name) const { return {m.GetReflection()->GetMessage(m, field(name))}; }
  int count(const char* name) const { return m.GetReflection()->FieldSize(m, field(name)); }
  Reader child(const char* name, int i) const {
    return {m.GetReflection()->GetRepeatedMessage(m, field(name), i)};
  }
  const FieldDescriptor* chosen() const {
    return m.GetReflection()->GetOneofFieldDescriptor(m, m.GetDescriptor()->oneof_decl(0));
  }
};

void refuse_unknown_fields(const Message& message) {
  const pb::Reflection* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) {
    throw std::runtime_error("protobuf: " + message.GetDescriptor()->name() +
                             " has unknown fields");
  }
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      refuse_unknown_fields(reflection->GetMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      refuse_unknown_fields(reflection->GetRepeatedMessage(message, field, i));
    }
  }
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string base64(const std::string& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : kDigits[word >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// As DecodedSpan::attributes has it.
std::string show(const Reader& value, bool inside) {
  const FieldDescriptor* chosen = value.chosen();
  if (chosen == nullptr) return {};
  const pb::Reflection* reflection = value.m.GetReflection();
  switch (chosen->number()) {
    case 1:
      return inside ? quoted(value.text("string_value")) : value.text("string_value");
    case 2:
      return reflection->GetBool(value.m, chosen) ? "true" : "false";
    case 3:
      return std::to_string(reflection->GetInt64(value.m, chosen));
    case 4: {
      char text[64];
      const auto end =
          std::to_chars(text, text + sizeof(text), reflection->GetDouble(value.m, chosen));
      return {text, end.ptr};
    }
    case 5: {
      const Reader list = value.child("array_value");
      std::string out = "[";
      for (int i = 0; i < list.count("values"); ++i) {
        out += (i == 0 ? "" : ",") + show(list.child("values", i), true);
      }
      return out + "]";
    }
    case 7:
      return base64(value.text("bytes_value"));
    default:
      throw std::runtime_error("protobuf: a type of value that the library does not make");
  }
}

std::map<std::string, std::string> attributes(const Reader& owner) {
  std::map<std::string, std::string> out;
  for (int i = 0; i < owner.count("attributes"); ++i) {
    const Reader pair = owner.child("attributes", i);
    if (!out.emplace(pair.text("key"), show(pair.child("value"), false)).second) {
      throw std::runtime_error("protobuf: the key " + pair.text("key") + " occurs twice");
    }
  }
  return out;
}

DecodedSpan read_span(const Reader& in) {
  DecodedSpan out;
  out.trace_id = hex(in.text("trace_id"));
  out.span_id = hex(in.text("span_id"));
  out.parent_span_id = hex(in.text("parent_span_id"));
  out.name = in.text("name");
  out.kind = in.i32("kind");
  out.status = in.child("status").i32("code");
  out.status_message = in.child("status").text("message");
  out.start_ns = in.u64("start_time_unix_nano");
  out.end_ns = in.u64("end_time_unix_nano");
  out.attributes = attributes(in);
  for (int i = 0; i < in.count("events"); ++i) {
    const Reader event = in.child("events", i);
    out.events.push_back({event.text("name"), event.u64("time_unix_nano"), attributes(event),
                          event.u32("dropped_attributes_count")});
  }
  for (int i = 0; i < in.count("links"); ++i) {
    const Reader link = in.child("links", i);
    out.links.push_back({hex(link.text("trace_id")), hex(link.text("span_id")),
                         link.text("trace_state"), link.u32("flags"),
                         link.u32("dropped_attributes_count"), attributes(link)});
  }
  out.trace_state = in.text("trace_state");
  out.flags = in.u32("flags");
  out.dropped_attributes = in.u32("dropped_attributes_count");
  out.dropped_events = in.u32("dropped_events_count");
  out.dropped_links = in.u32("dropped_links_count");
  return out;
}

}  // namespace

std::vector<DecodedSpan> decode_with_protobuf(std::string_view otlp) {
  static const Schema* schema = new Schema;
  const std::unique_ptr<Message> request = schema->request();
  if (!request->ParseFromArray(otlp.data(), static_cast<int>(otlp.size()))) {
    throw std::runtime_error("protobuf refuses the request");
  }
  refuse_unknown_fields(*request);
  std::vector<DecodedSpan> out;
  const Reader top{*request};
  for (int r = 0; r < top.count("resource_spans"); ++r) {
    const Reader resource = top.child("resource_spans", r);
    for (int s = 0; s < resource.count("scope_spans"); ++s) {
      const Reader scope = resource.child("scope_spans", s);
      for (int i = 0; i < scope.count("spans"); ++i) {
        DecodedSpan span = read_span(scope.child("spans", i));
        span.scope = scope.child("scope").text("name");
        span.scope_version = scope.child("scope").text("version");
        span.resource = attributes(resource.child("resource"));
        out.push_back(std::move(span));
      }
    }
  }
  return out;
}

}  // namespace sdk_test
