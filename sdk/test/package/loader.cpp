// Loads a plug-in at run time and runs it: loader <library>.
#include <dlfcn.h>

#include <cstdio>

int main(int, char** argv) {
  void* plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    std::puts(dlerror());
    return 1;
  }
  auto run = reinterpret_cast<int (*)()>(dlsym(plugin, "run_plugin"));
  return run == nullptr ? 1 : run();
}
