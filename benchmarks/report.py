"""Measure how long a report takes: judging, descriptions and figures of a finished sweep, in seconds.

    bth run quickstart --out FOLDER
    python benchmarks/report.py FOLDER [--repeats 2] > benchmarks/results/report.txt

The modules are imported first, as `bth run` does before it trains.
"""

import argparse
import platform
import time

from benevolent.analysis import load_results
from benevolent.orchestrator import reporting
from benevolent.orchestrator.stored_spec import read_spec
from benevolent.trainables.store.folder import Folder


def main() -> None:
    """Make the report anew and print a line for each time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="results of a sweep")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    folder = Folder(options.folder)
    spec = read_spec(folder)
    runs = load_results(folder).runs
    print(f"Python {platform.python_version()} on {platform.machine()}; {len(runs):,} runs")
    for _ in range(options.repeats):
        start = time.perf_counter()
        cpu_start = time.process_time()
        reporting.report(folder, spec, anew=True)
        seconds = time.perf_counter() - start
        cpu = time.process_time() - cpu_start
        print(f"report: {seconds:.1f} s ({cpu:.1f} s of CPU)", flush=True)


if __name__ == "__main__":
    main()
