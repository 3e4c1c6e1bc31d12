#include "cli/http_client.h"

#include <curl/curl.h>

#include <cstdlib>
#include <mutex>

namespace weft::cli {

struct HttpClient::Impl {
  HttpClientOptions options;
  CURL* curl = nullptr;
  std::string error_text = std::string(CURL_ERROR_SIZE, '\0');

  // Of the exchange under way.
  HttpReply reply;
  const OnBytes* on_bytes = nullptr;
  bool too_large = false;

  ~Impl() { curl_easy_cleanup(curl); }

  Expected<HttpReply> perform(const std::string& path, const Parameters& parameters,
                              const std::vector<std::string>& headers, const std::string_view* body,
                              bool bounded);
  std::string full_url(const std::string& path, const Parameters& parameters) const;
  std::unexpected<Error> explain(CURLcode code) const;

  static size_t take(char* bytes, size_t size, size_t count, void* self);
};

namespace {

std::string escape(CURL* curl, const std::string& text) {
  char* escaped = curl_easy_escape(curl, text.data(), static_cast<int>(text.size()));
  if (escaped == nullptr) return {};
  std::string out = escaped;
  curl_free(escaped);
  return out;
}

struct HeaderList {
  curl_slist* list = nullptr;
  ~HeaderList() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

}  // namespace

size_t HttpClient::Impl::take(char* bytes, size_t size, size_t count, void* self) {
  auto& impl = *static_cast<Impl*>(self);
  const std::string_view part(bytes, size * count);
  long status = 0;
  curl_easy_getinfo(impl.curl, CURLINFO_RESPONSE_CODE, &status);
  if (impl.on_bytes != nullptr && status == 200) {
    return (*impl.on_bytes)(part) ? part.size() : 0;
  }
  if (impl.reply.body.size() + part.size() > impl.options.max_answer_bytes) {
    impl.too_large = true;
    return 0;
  }
  impl.reply.body += part;
  return part.size();
}

std::string HttpClient::Impl::full_url(const std::string& path,
                                       const Parameters& parameters) const {
  std::string url = options.url + path;
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    url += separator;
    url += escape(curl, name) + "=" + escape(curl, value);
    separator = '&';
  }
  return url;
}

std::unexpected<Error> HttpClient::Impl::explain(CURLcode code) const {
  const std::string what =
      error_text[0] != '\0' ? std::string(error_text.c_str()) : curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return fail(ErrorCode::kDeadlineExceeded, options.url + ": " + what);
  }
  if (code == CURLE_COULDNT_CONNECT) {
    return fail(ErrorCode::kUnavailable,
                options.url + ": " + what + "; is `weft serve` running there?");
  }
  return fail(ErrorCode::kUnavailable, options.url + ": " + what);
}

Expected<HttpReply> HttpClient::Impl::perform(const std::string& path, const Parameters& parameters,
                                              const std::vector<std::string>& headers,
                                              const std::string_view* body, bool bounded) {
  curl_easy_reset(curl);
  reply = {};
  too_large = false;
  error_text[0] = '\0';
  HeaderList list;
  for (const std::string& header : headers)
    list.add(header);
  if (!options.bearer_token.empty()) list.add("Authorization: Bearer " + options.bearer_token);
  const std::string url = full_url(path, parameters);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text.data());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
  if (bounded) curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout_ms));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "weft");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Impl::take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  if (!options.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
  if (body != nullptr) {
    list.add("Expect:");
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
  } else {
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.list);

  const CURLcode code = curl_easy_perform(curl);
  if (too_large) {
    return fail(ErrorCode::kResourceExhausted, "the answer is larger than " +
                                                   std::to_string(options.max_answer_bytes) +
                                                   " bytes; ask for less");
  }
  if (code != CURLE_OK) return explain(code);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  const char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  if (type != nullptr) reply.content_type = type;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
  reply.retry_after_s = static_cast<uint64_t>(retry_after);
  return std::move(reply);
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Expected<std::unique_ptr<HttpClient>> HttpClient::create(HttpClientOptions options) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  while (options.url.ends_with('/'))
    options.url.pop_back();
  if (!options.url.starts_with("http://") && !options.url.starts_with("https://")) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + options.url + "' is no address of a server; write http://HOST:PORT");
  }
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->curl = curl_easy_init();
  if (impl->curl == nullptr) return fail(ErrorCode::kInternal, "libcurl could not start");
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

Expected<HttpReply> HttpClient::get(const std::string& path, const Parameters& parameters,
                                    const std::string& accept) {
  impl_->on_bytes = nullptr;
  return impl_->perform(path, parameters, {"Accept: " + accept}, nullptr, true);
}

Expected<HttpReply> HttpClient::post(const std::string& path, std::string_view body,
                                     const std::string& content_type) {
  impl_->on_bytes = nullptr;
  return impl_->perform(path, {}, {"Content-Type: " + content_type}, &body, true);
}

Expected<HttpReply> HttpClient::stream(const std::string& path, const Parameters& parameters,
                                       const std::string& accept, const OnBytes& on_bytes) {
  impl_->on_bytes = &on_bytes;
  auto reply = impl_->perform(path, parameters, {"Accept: " + accept}, nullptr, false);
  impl_->on_bytes = nullptr;
  return reply;
}

}  // namespace weft::cli
