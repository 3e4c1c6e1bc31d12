// The version of the SDK, as macros for the preprocessor and as text for resources. Used by every
// part of the library and by programs that must support several versions of it.
#pragma once

#define WEFT_SDK_VERSION_MAJOR 0
#define WEFT_SDK_VERSION_MINOR 1
#define WEFT_SDK_VERSION_PATCH 0
#define WEFT_SDK_VERSION "0.1.0"
