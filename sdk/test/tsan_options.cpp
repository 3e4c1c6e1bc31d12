// ThreadSanitizer's detector of lock orders holds 64 locks of one thread and ends the program over
// that. A fork takes the lock of every provider that there has ever been (src/fork.h), and a
// program of tests makes more than that.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "detect_deadlocks=0";
}
