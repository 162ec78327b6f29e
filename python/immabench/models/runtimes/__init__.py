"""Runtimes behind one interface: torch, this package's integer engine, ONNX Runtime."""
