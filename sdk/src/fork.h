// What the library does about fork(): the forking thread holds the locks of every participant over
// the fork, so that the child finds them whole, and in the child each participant forgets what
// belongs to the parent (threads, connections, queued items, which the parent delivers).
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/resource.h>

namespace weft::sdk_detail {

// Something with locks or threads. Registered for good; never destroyed.
class ForkParticipant {
 public:
  virtual void before_fork() noexcept = 0;
  virtual void after_fork_in_parent() noexcept = 0;
  virtual void after_fork_in_child() noexcept = 0;

 protected:
  ~ForkParticipant() = default;
};

// The order in which locks are taken, which is the order in which participants are locked.
enum class ForkRank : std::uint8_t { kRegistry, kProvider, kPipeline };
void register_fork_participant(ForkRank rank, ForkParticipant* participant);

// Brings what detection found out about the process up to date in a child: its process id, and a
// service.instance.id of its own where that was made up.
void renew_after_fork(Resource& resource) noexcept;

// Number of forks between the first process and this one. A span that was started before a fork
// belongs to the parent process: the child does not export it.
extern constinit std::atomic<std::uint32_t> fork_generation;

}  // namespace weft::sdk_detail
