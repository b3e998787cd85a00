"""The report: tables and verdicts in, one self-contained HTML page and its companion files out."""

from analysis.report.content import Definition, Report
from analysis.report.export import read_verdicts, verdicts_json
from analysis.report.render import render
from analysis.report.terminal import verdict_table

__all__ = ["Definition", "Report", "read_verdicts", "render", "verdict_table", "verdicts_json"]
