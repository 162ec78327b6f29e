#include <cstring>

#include "harness.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return std::puts("usage: machine_tests --list | NAME"), 2;
  for (const auto& test : machine_tests::cases()) {
    if (!std::strcmp(argv[1], "--list"))
      std::puts(test.name);
    else if (!std::strcmp(argv[1], test.name))
      return test.run(), std::puts("ok"), 0;
  }
  if (!std::strcmp(argv[1], "--list")) return 0;
  std::printf("no case %s\n", argv[1]);
  return 2;
}
