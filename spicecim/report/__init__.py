"""A folder of results as one page that opens from disk, without a network."""

from spicecim.report.write import write_report

__all__ = ["write_report"]
