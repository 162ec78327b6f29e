// The mbarrier objects of one block: phases that end when all arrivals and all announced bytes are there (PTX ISA,
// "Parallel Synchronization and Communication Instructions: mbarrier").
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <simt/host/report.hpp>
#include <simt/host/vector_clock.hpp>

namespace simt::host {

class Block;

class Mbarriers {
 public:
  explicit Mbarriers(Block& owner) : owner_(owner) {}
  Mbarriers(const Mbarriers&) = delete;
  Mbarriers& operator=(const Mbarriers&) = delete;

  void clear() { barriers_.clear(); }

  // All below act for the running thread of `by`, which is the owner or, where it says so, another block of its cluster.
  void initialise(std::uint32_t address, std::uint32_t count, const Site& site);
  void invalidate(std::uint32_t address, const Site& site);
  // fence.mbarrier_init: other blocks and the asynchronous proxy may use what the running thread has initialised.
  void publish();
  // One arrival, by any block; before it `expected` more bytes are announced.
  void arrive(Block& by, std::uint32_t address, std::uint32_t expected, const Site& site);
  // Announces bytes without arriving.
  void expect(std::uint32_t address, std::uint32_t bytes, const Site& site);
  // Returns when the phase of that parity is complete. False where it cannot be waited for: a finding.
  bool wait(std::uint32_t address, std::uint32_t parity, const Site& site);

  // A bulk load that reports here is issued by a thread of `by`: is the object fit for it? A finding where not.
  bool accepts_load(Block& by, std::uint32_t address, const Site& site);
  // Its bytes have landed. Returns the agent and the epoch that wrote them.
  struct Writer {
    std::uint32_t agent, epoch;
  };
  Writer writer(std::uint32_t address) const;
  void complete(std::uint32_t address, std::uint32_t bytes, const Knowledge& issuer);

 private:
  struct Waiter {
    std::uint32_t thread, parity;
  };
  // Lanes of a warp that arrived in this phase since the warp last converged.
  struct Arrivals {
    std::uint32_t agent, since, lanes;
  };
  struct Mbarrier {
    std::uint32_t address = 0, agent = 0, count = 0, pending = 0, initialiser = 0;
    std::int64_t bytes = 0;  // announced and not landed
    std::uint32_t phase = 0;
    bool published = false;
    Knowledge arriving, completed;  // of the phase under way, of those that have ended
    std::vector<Waiter> waiters;
    std::vector<Arrivals> arrivals;
  };

  Mbarrier* find(std::uint32_t address);
  // The object for an operation by `by`; null, and a finding, where it is none, or its initialisation is not ordered before.
  Mbarrier* use(Block& by, std::uint32_t address, const char* operation, const Site& site);
  bool expect(Mbarrier& barrier, std::uint32_t bytes, const Site& site, Block& by);
  void hand_over(Mbarrier& barrier, Block& by);
  void end_phase_if_complete(Mbarrier& barrier);

  Block& owner_;
  std::vector<Mbarrier> barriers_;
};

}  // namespace simt::host
