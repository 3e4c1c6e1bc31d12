// The API's handlers on a data directory, inside this process: what --data means.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "cli/api.h"

namespace weft::cli {

// Opens the directory for reading alone; nothing in it changes. kUnavailable while a server holds
// it, kNotFound when it is no data directory.
Expected<std::unique_ptr<Api>> open_local_api(const std::string& data_dir);

}  // namespace weft::cli
