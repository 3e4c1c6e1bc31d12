#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/exit_code.h"

namespace weft::cli {

struct CommandLine::Impl {
  Impl(const std::string& summary, const std::string& name) : app(summary, "weft " + name) {}
  CLI::App app;
};

CommandLine::CommandLine(const std::string& name, const std::string& summary)
    : impl_(std::make_unique<Impl>(summary, name)) {
  impl_->app.set_help_flag("-h,--help", "Print this help and exit");
  impl_->app.get_formatter()->column_width(34);
  impl_->app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CommandLine::~CommandLine() = default;

void CommandLine::option(const std::string& names, std::string& target, const std::string& value,
                         const std::string& help) {
  impl_->app.add_option(names, target, help)->type_name(value)->capture_default_str();
}

void CommandLine::option(const std::string& names, std::optional<std::string>& target,
                         const std::string& value, const std::string& help) {
  impl_->app
      .add_option_function<std::string>(
          names, [&target](const std::string& text) { target = text; }, help)
      ->type_name(value);
}

void CommandLine::option(const std::string& names, uint64_t& target, const std::string& value,
                         const std::string& help) {
  // The library would take -1 for the largest number there is.
  const auto no_sign = [](const std::string& text) {
    return text.starts_with('-') ? text + " is below 0" : std::string();
  };
  impl_->app.add_option(names, target, help)
      ->type_name(value)
      ->capture_default_str()
      ->check(CLI::Validator(no_sign, ""));
}

void CommandLine::option(const std::string& names, double& target, const std::string& value,
                         const std::string& help) {
  impl_->app.add_option(names, target, help)->type_name(value)->capture_default_str();
}

void CommandLine::option(const std::string& names, std::vector<std::string>& target,
                         const std::string& value, const std::string& help) {
  CLI::Option* option = impl_->app.add_option(names, target, help)->type_name(value);
  option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  // A named option takes one value each time it is given, so that it cannot swallow positionals.
  if (names.starts_with('-')) option->expected(1)->take_all();
}

void CommandLine::flag(const std::string& names, bool& target, const std::string& help) {
  impl_->app.add_flag(names, target, help);
}

void CommandLine::require(const std::string& name) {
  impl_->app.get_option(name)->required();
}

void CommandLine::allow(const std::string& name, const std::vector<std::string>& values) {
  impl_->app.get_option(name)->check(CLI::IsMember(values).description(""));
}

void CommandLine::exclude(const std::string& name, const std::string& other) {
  impl_->app.get_option(name)->excludes(impl_->app.get_option(other));
}

void CommandLine::hide(const std::string& name) {
  impl_->app.get_option(name)->group("");
}

void CommandLine::examples(const std::vector<std::string>& lines) {
  std::string footer = "Examples:";
  for (const std::string& line : lines)
    footer += "\n  " + line;
  impl_->app.footer(footer);
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv) {
  try {
    impl_->app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp& help) {
    return impl_->app.exit(help, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    std::cerr << impl_->app.get_name() << ": " << error.what() << "\nTry '" << impl_->app.get_name()
              << " --help'.\n";
    return kExitUsage;
  }
}

}  // namespace weft::cli
