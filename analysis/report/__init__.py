"""The report: tables and verdicts in, one self-contained HTML page and its companion files out."""

from benevolent.analysis.report.content import Definition, Report
from benevolent.analysis.report.render import render
from benevolent.analysis.report.terminal import verdict_table

__all__ = ["Definition", "Report", "render", "verdict_table"]
