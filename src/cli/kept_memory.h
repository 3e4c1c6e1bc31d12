// Memory that the process has freed: kept while a server is busy, given back when it is quiet.
// Batches of spans are made on some threads and freed together on another, hundreds of megabytes a
// second. Left alone, glibc returns much of that to the kernel each time, and the first touch of
// every page that comes back is a page fault.
#pragma once

namespace weft::cli {

// For the whole process, before its second thread starts. Nothing where the C library is not glibc.
void keep_freed_memory();

// Returns what is free to the kernel; takes milliseconds. Any thread.
void release_freed_memory();

}  // namespace weft::cli
