"""The report: from the rows of a run folder to one offline page, a summary and the plots."""

from immabench.report.build import build_report
from immabench.report.check import verify_run
from immabench.report.drift import Drift

__all__ = ["Drift", "build_report", "verify_run"]
