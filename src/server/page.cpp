#include "server/page.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "base/hash.h"
#include "server/http_message.h"

namespace weft::server {

namespace {

constexpr std::string_view kContentSecurityPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

constexpr std::string_view kNoPage = R"(<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Weft</title></head>
<body>
<h1>Weft is running</h1>
<p>This binary was built without its web page. To have it:</p>
<pre>cd ui &amp;&amp; npm ci &amp;&amp; npm run build
./dev build</pre>
<p>What works without it:</p>
<ul>
<li><a href="/api/v1/search?q=%7B%7D&amp;limit=20">/api/v1/search</a>, newest traces as JSON</li>
<li><a href="/metrics">/metrics</a>, <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a></li>
<li><code>weft search '{ status = error }'</code> and <code>weft trace ID</code> in a terminal</li>
</ul>
</body>
</html>
)";

struct Type {
  std::string_view suffix;
  std::string_view content_type;
};
constexpr Type kTypes[] = {{".html", "text/html; charset=utf-8"},
                           {".js", "text/javascript; charset=utf-8"},
                           {".mjs", "text/javascript; charset=utf-8"},
                           {".css", "text/css; charset=utf-8"},
                           {".svg", "image/svg+xml"},
                           {".png", "image/png"},
                           {".ico", "image/x-icon"},
                           {".woff2", "font/woff2"},
                           {".json", "application/json"},
                           {".map", "application/json"},
                           {".txt", "text/plain; charset=utf-8"},
                           {".webmanifest", "application/manifest+json"}};

struct Prepared {
  HttpResponse plain;
  HttpResponse packed;  // empty body: not worth it
  std::string etag;
};
using PreparedPage = std::map<std::string, Prepared, std::less<>>;

// Bundlers put a hash of the content into the names of what index.html refers to:
// "app-1a2b3c4d.js".
bool has_hashed_name(std::string_view path) {
  return path.starts_with("/assets/");
}

Prepared prepare(std::string_view path, std::string_view bytes) {
  Prepared out;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(hash_bytes(bytes)));
  out.etag = "\"" + std::string(digits) + "\"";
  out.plain.content_type = "application/octet-stream";
  for (const Type& type : kTypes) {
    if (path.ends_with(type.suffix)) out.plain.content_type = type.content_type;
  }
  out.plain.body = bytes;
  auto& headers = out.plain.headers;
  headers.add("ETag", out.etag);
  headers.add("Cache-Control",
              has_hashed_name(path) ? "public, max-age=31536000, immutable" : "no-cache");
  headers.add("Content-Security-Policy", kContentSecurityPolicy);
  HttpRequest accepts;
  accepts.headers.add("Accept-Encoding", "gzip");
  out.packed = out.plain;
  compress_if_accepted(accepts, out.packed);
  if (!out.packed.headers.find("Content-Encoding")) {
    out.packed = HttpResponse();
  } else {
    headers.add("Vary", "Accept-Encoding");
  }
  return out;
}

// An unknown path below these is a client's mistake, not a route of the page.
bool belongs_to_api(std::string_view path) {
  return path.starts_with("/api/") || path.starts_with("/v1/") || path.starts_with("/assets/") ||
         path.starts_with("/tempo/") || path.starts_with("/jaeger/") ||
         path.starts_with("/zipkin/");
}

HttpResponse serve(const PreparedPage& page, const HttpRequest& request) {
  auto found = page.find(request.path);
  if (found == page.end()) {
    if (belongs_to_api(request.path)) {
      return error_response({ErrorCode::kNotFound, "there is nothing at " + request.path});
    }
    found = page.find("/index.html");
  }
  const Prepared& asset = found->second;
  if (request.headers.get("if-none-match").find(asset.etag) != std::string_view::npos) {
    HttpResponse out;
    out.status = 304;
    out.headers = asset.plain.headers;
    return out;
  }
  const bool packed = !asset.packed.body.empty() && accepts_gzip(request);
  return packed ? asset.packed : asset.plain;
}

}  // namespace

void add_page(Router& router, std::span<const PageAsset> assets) {
  auto page = std::make_shared<PreparedPage>();
  for (const PageAsset& asset : assets) {
    page->emplace(asset.path, prepare(asset.path, asset.bytes));
  }
  if (!page->contains("/index.html")) {
    page->emplace("/index.html", prepare("/index.html", kNoPage));
  }
  router.add(HttpMethod::kGet, "/{path...}", Access::kPublic,
             [page = std::shared_ptr<const PreparedPage>(page)](const HttpRequest& request) {
               return serve(*page, request);
             });
}

}  // namespace weft::server
