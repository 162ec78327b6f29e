"""What each runtime and precision costs a model end to end, and gives: time, throughput, memory, size, accuracy."""
