"""The fixture of `profiler.py`."""

from profiler import fake_ncu

__all__ = ["fake_ncu"]
