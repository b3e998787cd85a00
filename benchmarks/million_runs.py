"""What a million runs on a hundred GPUs would take, computed from kept prints: `python benchmarks/million_runs.py`.

Nothing of this size was run. Each constant is read from a print in `results/`, or assumed here under a name of its own;
what a GPU trains in a minute depends on the networks, so that the time is given for several rates.
`docs/speed.md` shows what this prints, and a test keeps it so.
"""

import re
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / "results"

RUNS = 1_000_000
GPUS = 100
RUNS_PER_COHORT = 512  # the smallest stack that is advised on a GPU
#: Assumed: runs that one GPU trains in a minute, and the price of an hour of one GPU.
RATES = (10, 100, 1000)
DOLLARS_PER_GPU_HOUR = 1.0
#: Assumed: parameters of a network, of 4 bytes, kept at the start and at the end of a run.
PARAMETERS = 10_000
BYTES_OF_PARAMETERS = 2 * 4 * PARAMETERS


class Constants(NamedTuple):
    """Measured quantities, for each further run of `growth.py runs` unless said otherwise.

    Attributes:
        utilization: share of the time in which the workers of `simulated_cluster.py` trained, after warm-up.
        planning_seconds: of a million runs, the slowest of `planning.py`.
        planning_gb: the most memory of that.
        overhead_seconds: of a sweep beyond its training loop.
        driver_bytes: of memory of the driver.
        report_bytes: of memory of the report.
        report_seconds: of the report.
        disk_bytes: of results, with the parameters of tiny networks.
    """

    utilization: float
    planning_seconds: float
    planning_gb: float
    overhead_seconds: float
    driver_bytes: float
    report_bytes: float
    report_seconds: float
    disk_bytes: float


def measured_constants() -> Constants:
    """Read the constants from the kept prints."""
    growth = _growth_of_runs()
    cluster = (RESULTS / "simulated_cluster.txt").read_text()
    utilization = re.findall(r"utilization ([\d.]+)%", cluster)[-1]
    planning = (RESULTS / "planning.txt").read_text()
    plans = re.findall(r"1,000,000 runs in .*, ([\d.]+) s .* peak (\d+) MB", planning)
    return Constants(
        utilization=float(utilization) / 100,
        planning_seconds=max(float(seconds) for seconds, _ in plans),
        planning_gb=max(int(megabytes) for _, megabytes in plans) / 1000,
        overhead_seconds=growth["train s"] - growth["loop s"],
        driver_bytes=growth["train GB"] * 1e9,
        report_bytes=growth["judge GB"] * 1e9,
        report_seconds=growth["judge s"],
        disk_bytes=growth["MB"] * 1e6,
    )


def _growth_of_runs() -> dict[str, float]:
    """Return what each further run adds to a column of `growth.txt`: from its middle size to the largest."""
    lines = (RESULTS / "growth.txt").read_text().splitlines()
    heading = next(number for number, line in enumerate(lines) if line.split()[:1] == ["runs"])
    columns = re.split(r"\s{2,}", lines[heading].strip())
    rows = []
    for line in lines[heading + 1 :]:
        values = line.replace(",", "").split()
        if not values or not values[0].isdigit():
            break
        rows.append(dict(zip(columns, map(float, values), strict=True)))
    small, large = rows[len(rows) // 2], rows[-1]
    more_runs = large["runs"] - small["runs"]
    return {name: (large[name] - small[name]) / more_runs for name in columns}


def lines(known: Constants) -> list[str]:
    """Return what a million runs take, a line for each quantity."""
    cohorts = -(-RUNS // RUNS_PER_COHORT)
    tables = RUNS * known.disk_bytes
    parameters = RUNS * BYTES_OF_PARAMETERS
    driver = known.planning_gb + RUNS * known.driver_bytes / 1e9
    found = [
        f"{RUNS:,} runs in {cohorts:,} cohorts of {RUNS_PER_COHORT}, on {GPUS} GPUs",
        f"planning      {known.planning_seconds:.0f} s and {known.planning_gb:.1f} GB",
    ]
    for rate in RATES:
        hours = RUNS / (GPUS * rate * known.utilization) / 60
        dollars = GPUS * hours * DOLLARS_PER_GPU_HOUR
        found.append(f"training      {hours:5.1f} h and ${dollars:,.0f}, at {rate:,} runs per GPU and minute")
    each_run = f"{1000 * known.overhead_seconds:.1f} ms a run"
    report_gb = RUNS * known.report_bytes / 1e9
    report_hours = RUNS * known.report_seconds / 3600
    found += [
        f"all the rest  {RUNS * known.overhead_seconds / 60:.0f} min of two cores ({each_run}), beside training",
        f"driver        {driver:.0f} GB of memory ({known.driver_bytes / 1000:.0f} kB a run)",
        f"disk          {tables / 1e9:.0f} GB of tables and files ({known.disk_bytes / 1000:.1f} kB a run)",
        f"              + {parameters / 1e9:.0f} GB of parameters, {PARAMETERS:,} each, unless they are removed",
        f"report        {report_gb:.0f} GB of memory and {report_hours:.1f} h, if they grow on as they do",
    ]
    return found


if __name__ == "__main__":
    print(*lines(measured_constants()), sep="\n")
