// The web page, served from the binary: the files of ui/dist that were there when Weft was built.
// Without them a plain built-in page says how to get the real one.
#pragma once

#include <span>
#include <string_view>

#include "server/http_types.h"

namespace weft::server {

// One file of the page. The bytes live as long as the program.
struct PageAsset {
  std::string_view path;  // "/index.html"
  std::string_view bytes;
};

// What the build embedded; empty when ui/dist was not there.
std::span<const PageAsset> embedded_page_assets();

// Adds GET /{path...}: the assets, compressed ahead, with ETag, content type and a strict content
// security policy; index.html for every path that is none of an API's (the page has routes of its
// own, permalinks among them). Access is public: the page asks for a token itself.
void add_page(Router& router, std::span<const PageAsset> assets);

}  // namespace weft::server
