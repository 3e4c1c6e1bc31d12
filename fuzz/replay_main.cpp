// The ordinary tests' way to run a fuzz target without clang: `weft_fuzz_replay_<name> CORPUS...`
// gives the target every file of its corpus, then a bounded number of mutations of them. The rounds
// are counted, not timed, so that the same seed gives the same inputs on any machine. An input that
// crashes the target is written to the working directory and named; libFuzzer takes it as it is.
//
// WEFT_TEST_SEED replays a run, WEFT_FUZZ_ROUNDS changes how many mutations it makes.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr uint64_t kDefaultRounds = 10'000;
// A target that takes long for each input still ends: the budget is in bytes as well.
constexpr uint64_t kMaxTotalBytes = 64u << 20;
constexpr size_t kMaxInputBytes = 16u << 10;

// What the target is working on, for the handler of a crash.
const uint8_t* running_data = nullptr;
size_t running_size = 0;
constexpr const char* kCrashFile = "weft-fuzz-crash";

// Async-signal-safe: open, write, _exit through the default action.
void on_crash(int number) {
  const int file = ::open(kCrashFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(file, running_data, running_size);
    ::close(file);
  }
  constexpr std::string_view kSaid =
      "\nthe target crashed; its input is in the working directory: weft-fuzz-crash\n";
  [[maybe_unused]] const ssize_t said = ::write(STDERR_FILENO, kSaid.data(), kSaid.size());
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void run_target(const std::string& input) {
  // Exactly as large as the input, so that a sanitizer sees a read behind its end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  running_data = bytes.data();
  running_size = bytes.size();
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::vector<std::string> read_corpus(int count, char** folders) {
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < count; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folders[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  std::vector<std::string> out;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string out = corpus_[below(corpus_.size())];
    for (uint64_t n = 1 + below(4); n > 0; --n)
      mutate(out);
    if (out.size() > kMaxInputBytes) out.resize(kMaxInputBytes);
    return out;
  }

 private:
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void mutate(std::string& text) {
    // Bytes that lengths, varints and texts trip over.
    static constexpr std::array<unsigned char, 14> kNasty = {
        0, 1, 0x0a, 0x12, 0x7f, 0x80, 0xc0, 0xff, '"', '\\', '{', ']', '-', '9'};
    const size_t at = below(text.size() + 1);
    const size_t length = below(std::min<size_t>(text.size() - at, 64) + 1);
    switch (below(8)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(kNasty[below(kNasty.size())]);
        break;
      case 2:
        text.insert(at, 1 + below(8), static_cast<char>(kNasty[below(kNasty.size())]));
        break;
      case 3:
        text.erase(at, length);
        break;
      case 4:
        text.insert(below(text.size() + 1), std::string(text, at, length));
        break;
      case 5:
        text.resize(at);
        break;
      case 6: {  // the rest of another input
        const std::string& other = corpus_[below(corpus_.size())];
        text.replace(at, std::string::npos, other, below(other.size() + 1), std::string::npos);
        break;
      }
      default:  // the same piece many times: depth and repetition
        if (length > 0) {
          const std::string piece(text, at, length);
          for (uint64_t n = below(64); n > 0 && text.size() < kMaxInputBytes; --n)
            text.insert(at, piece);
        }
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> corpus = read_corpus(argc - 1, argv + 1);
  if (corpus.empty()) {
    std::fputs("usage: weft_fuzz_replay_NAME CORPUS...; there is no input in the folders given\n",
               stderr);
    return 2;
  }
  const uint64_t seed = number_from("WEFT_TEST_SEED", std::random_device()());
  const uint64_t rounds = number_from("WEFT_FUZZ_ROUNDS", kDefaultRounds);
  std::printf("%zu inputs, then %llu mutations, WEFT_TEST_SEED=%llu\n", corpus.size(),
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    ::signal(number, on_crash);
  for (const std::string& input : corpus)
    run_target(input);
  Mutator mutator(corpus, seed);
  uint64_t bytes = 0, done = 0;
  for (; done < rounds && bytes < kMaxTotalBytes; ++done) {
    const std::string input = mutator.next();
    bytes += input.size();
    run_target(input);
  }
  std::printf("%llu mutations, no crash\n", static_cast<unsigned long long>(done));
  return 0;
}
