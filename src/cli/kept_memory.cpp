#include "cli/kept_memory.h"

#include <malloc.h>

#include "base/slab_pool.h"

namespace weft::cli {

void keep_freed_memory() {
#ifdef __GLIBC__
  // A heap of malloc's has 64 MiB. With more than that to spare none is unmapped when it is empty,
  // and each is made writable at once instead of page by page.
  (void)::mallopt(M_TOP_PAD, 128 << 20);
  (void)::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  // Setting the others stops malloc from finding this one out: larger blocks are mapped each for
  // itself.
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
}

void release_freed_memory() {
  SlabPool::shared().trim();
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

}  // namespace weft::cli
