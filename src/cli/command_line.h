// The options of one subcommand: a narrow front of CLI11, so that the library is compiled in one
// translation unit. Every subcommand fills one and calls parse().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::cli {

class CommandLine {
 public:
  // `name` as typed after "weft"; `summary` is the first paragraph of --help.
  CommandLine(const std::string& name, const std::string& summary);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // `names` as CLI11 takes them: "-q,--query" or, for a positional, "query". The target keeps its
  // value when the option is absent and must outlive parse(). `value` is shown in --help.
  void option(const std::string& names, std::string& target, const std::string& value,
              const std::string& help);
  void option(const std::string& names, std::optional<std::string>& target,
              const std::string& value, const std::string& help);
  void option(const std::string& names, uint64_t& target, const std::string& value,
              const std::string& help);
  void option(const std::string& names, double& target, const std::string& value,
              const std::string& help);
  // May be given several times.
  void option(const std::string& names, std::vector<std::string>& target, const std::string& value,
              const std::string& help);
  void flag(const std::string& names, bool& target, const std::string& help);
  // Without it the command is refused.
  void require(const std::string& name);
  // Other values are refused.
  void allow(const std::string& name, const std::vector<std::string>& values);
  // Neither may be given with the other.
  void exclude(const std::string& name, const std::string& other);
  // One command a line, shown under "Examples:".
  void examples(const std::vector<std::string>& lines);
  // Left out of --help.
  void hide(const std::string& name);

  // Reads argv[1..]. nullopt: go on. A value: exit with it (help was printed, or the mistake was
  // explained on stderr).
  std::optional<int> parse(int argc, const char* const* argv);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::cli
