"""Measuring: the timer, rows and the run folder they stream into, the sweep and its worker process."""
