"""What the files of a sweep say: tables, measures, statistics, verdicts and the report."""

from analysis.judging import judge
from analysis.measures import measure_network
from analysis.results import Results, load_results

__all__ = ["Results", "judge", "load_results", "measure_network"]
